"""What the programs of the comparison share: where things are, how Kafka is set, the host."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "performance.md"
KAFKA_SH = ROOT / "tests" / "kafka" / "kafka.sh"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

# As kafka-run-class.sh and kafka-server-start.sh of the distribution set them.
KAFKA_JVM = (
    "-Xms1g -Xmx1g -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20"
    " -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent"
    " -XX:MaxInlineLevel=15 -Djava.awt.headless=true"
)
# As config/server.properties of the distribution has them.
KAFKA_SETTINGS = [
    "num.network.threads=3",
    "num.io.threads=8",
    "socket.send.buffer.bytes=102400",
    "socket.receive.buffer.bytes=102400",
    "socket.request.max.bytes=104857600",
    "log.retention.hours=168",
    "log.segment.bytes=1073741824",
    "log.retention.check.interval.ms=300000",
    # Not of that file: topics of finished cells shall make room soon.
    "log.segment.delete.delay.ms=1000",
]
SIDES = ("corelane", "kafka")
BUILT = ("src", "wire", "loadgen", "vendor", "Cargo.toml", "Cargo.lock")
# `flush.messages` of the topics of a cell.
DURABLE, WRITTEN = 1, 9223372036854775807
MODES = {DURABLE: "durable", WRITTEN: "written"}


def run(*command, **options):
    """Runs a program to its end; its output, or an error with it."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    if done.returncode != 0:
        words = " ".join(str(word) for word in command)
        sys.exit(f"versus: {words}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def cpu_seconds(pid):
    """CPU seconds that a process has used so far, in user and kernel."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def floors_of(folder):
    """What the machine itself takes, with writes in that folder."""
    out = folder / "floors.json"
    run(TARGET / "release" / "loadgen", "floors", "--dir", folder, "--json", out)
    return {"floors_us": json.loads(out.read_text())["floors_us"]}


def host():
    """What the figures were taken on."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    pom = (KAFKA_SH.parent / "pom.xml").read_text()
    return {
        "cpu": f"{os.cpu_count()} x {cpu[1] if cpu else 'unknown'}",
        "kernel": os.uname().release,
        "file_system": run("findmnt", "-no", "FSTYPE,OPTIONS", "-T", ROOT).strip(),
        "java": java.splitlines()[0],
        "kafka": re.search(r"<kafka.version>(.*?)<", pom)[1],
        # The newest one that changed what is built.
        "commit": run("git", "log", "-1", "--format=%h", "--", *BUILT, cwd=ROOT).strip(),
        "date": time.strftime("%Y-%m-%d"),
    }
