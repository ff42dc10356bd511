"""What is written to the device below a folder, by its own count."""
import os
import pathlib
import subprocess
import time

# Brokers write later what they put off: Corelane, a second after an ack, to partitions' own files.
PUT_OFF_S = 1.5
# With so little in that time it is done; what is left are checkpoints and the file system's own.
QUIET_BYTES = 1 << 20
SETTLE_MAX_S = 30


class Device:
    """The block device that holds a folder. All programs on it are counted."""

    def __init__(self, folder):
        device = os.stat(folder).st_dev
        self.folder = folder
        self.stat = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")

    def written(self):
        """Bytes written to it since the machine started; None if the folder has no device of its own."""
        # The seventh number counts sectors of 512 bytes, whatever the device's own are.
        return int(self.stat.read_text().split()[6]) * 512 if self.stat.exists() else None

    def settled(self):
        """The same, once everything that was put off is written, the file system's cache included."""
        if self.written() is None:
            return None
        until = time.monotonic() + SETTLE_MAX_S
        before, now = 0, self.written()
        while now - before > QUIET_BYTES and time.monotonic() < until:
            time.sleep(PUT_OFF_S)
            subprocess.run(["sync", "-f", str(self.folder)], check=True)
            before, now = now, self.written()
        return now
