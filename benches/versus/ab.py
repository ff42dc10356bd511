#!/usr/bin/env python3
"""Two builds of the broker beside one another, in interleaved blocks of the same load.

    benches/versus/ab.py BEFORE AFTER [LOAD...]     BEFORE and AFTER are programs (`corelane`)

Both brokers run while a load is measured, each on a fresh folder of the same disk with one shard; the
one that is not measured is idle. Printed are medians over blocks, the lowest and highest block, and their
ratio. Wants two CPUs that have nothing else to do: loadgen runs on the first.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile

from common import TARGET, run

# Producers (each with one request in flight), partitions, bytes of a record and of a batch (0: one
# record in each), whether acks wait for a flush.
LOADS = {
    "1-durable": (1, 1, 100, 0, True),
    "1-written": (1, 1, 100, 0, False),
    "16-on-1-durable": (16, 1, 100, 0, True),
    "64-on-64-durable": (64, 64, 100, 0, True),
    "64-on-64-1KiB-durable": (64, 64, 1024, 0, True),
    "1-64KiB-durable": (1, 1, 8000, 65536, True),
    "64KiB-durable": (4, 4, 8000, 65536, True),
    "64KiB-written": (4, 4, 8000, 65536, False),
    "900KiB-durable": (4, 4, 8000, 900000, True),
    "900KiB-written": (4, 4, 8000, 900000, False),
}
WARM_UP = 1


class Side:
    """A running broker."""

    def __init__(self, program, name, folder, options):
        self.port = options.port + (name == "after") * 10
        command = ["taskset", "-c", options.broker_cpus, program, "serve", "--shards", "1"]
        command += ["--port", self.port, "--data-dir", folder / name, "--log-level", "warn"]
        self.child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        if not self.child.stdout.readline().startswith("corelane ready"):
            raise SystemExit(f"ab: {program} did not start")

    def cpu_seconds(self):
        """CPU seconds of all its threads so far."""
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self):
        """Memory it holds now."""
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def block(self, load, seconds):
        """One block: its figures by name."""
        producers, partitions, size, batch, durable = LOADS[load]
        command = ["taskset", "-c", "0", TARGET / "release" / "loadgen", "run", "--max", "--quiet"]
        command += ["--bootstrap", f"127.0.0.1:{self.port}", "--topic", load, "--create", partitions]
        command += ["--producers", producers, "--threads", 1, "--in-flight", 1, "--size", size]
        command += ["--batch-bytes", batch, "--duration", seconds, "--warmup", WARM_UP]
        command += ["--format", "json", "--no-check"]
        command += ["--config", f"flush.messages={1 if durable else 2**63 - 1}"]
        begun = self.cpu_seconds()
        report = json.loads(run(*command))
        cpu = self.cpu_seconds() - begun
        measured = sum(block["to_s"] - block["from_s"] for block in report["blocks"])
        rate = report["batches"]["bytes"]["count"] / measured
        latency = report["latency_us"]["produce"]
        figures = {f"{name} µs": latency[name] for name in ("p50", "p99", "p99.9")}
        # The CPU time is that of the warm-up too.
        figures |= {"requests/s": rate, "CPU µs": cpu / (rate * (measured + WARM_UP)) * 1e6}
        return {**figures, "MiB": self.resident_mib()}


def compare(load, options):
    """Prints a load's figures, both brokers new: what one load wrote must not fill the disk of the next."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ab-", dir=options.folder))
    sides = []
    try:
        for name in ("before", "after"):
            sides.append(Side(getattr(options, name), name, folder, options))
        taken = ([], [])
        for number in range(options.blocks):
            for place in (0, 1) if number % 2 == 0 else (1, 0):
                taken[place].append(sides[place].block(load, options.seconds))
    finally:
        for side in sides:
            side.child.terminate()
            side.child.wait()
        shutil.rmtree(folder, ignore_errors=True)
    for name in taken[0][0]:
        medians, ranges = [], []
        for blocks in taken:
            values = [block[name] for block in blocks]
            medians.append(statistics.median(values))
            ranges.append(f"{medians[-1]:10.2f} ({min(values):.2f}-{max(values):.2f})")
        ratio = medians[1] / medians[0] if medians[0] else float("nan")
        print(f"{load:17} {name:11} {ranges[0]:34} {ranges[1]:34} {ratio:.3f}", flush=True)


def main():
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("load", nargs="*", metavar="LOAD", help=", ".join(LOADS))
    parser.add_argument("--blocks", type=int, default=5, help="blocks of each side [5]")
    parser.add_argument("--seconds", type=int, default=3, help="measured in a block [3]")
    parser.add_argument("--broker-cpus", default="0,1", help="for taskset [0,1: the shard takes 1]")
    parser.add_argument("--port", type=int, default=19700)
    parser.add_argument("--folder", default=TARGET, help="on the disk to be measured [target]")
    options = parser.parse_args()
    unknown = set(options.load) - set(LOADS)
    if unknown:
        parser.error(f"no such load: {', '.join(sorted(unknown))}")
    for load in options.load or LOADS:
        compare(load, options)


if __name__ == "__main__":
    main()
