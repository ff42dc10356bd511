#!/usr/bin/env python3
"""Corelane beside Apache Kafka on this machine: one command, and out comes our table.

    benches/versus/versus.py                 the whole comparison
    benches/versus/versus.py --only WORD     only cells whose name holds WORD; repeatable
    benches/versus/versus.py --render        write the table anew from the kept results

Both brokers run all the time, each on its own fresh folder of the same disk, and are measured in
interleaved blocks by the same load generator; the one that is not measured is idle. Ratios are of
medians over blocks, the spread is that of single blocks. Kafka is the release that
tests/kafka/pom.xml names, from its Maven artifacts: one KRaft node, the JVM options that its own
start script sets and the heap below. What each side was set to stands in the results.

Wants Linux, a JDK 17, Maven, and two CPUs or more that have nothing else to do.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = HERE / "results.json"
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
]
SIDES = ("corelane", "kafka")
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


class Broker:
    """One side: a running broker and what it costs."""

    def __init__(self, side, folder, cpus):
        self.side, self.folder, self.cpus = side, folder, cpus
        self.port = {"corelane": 19500, "kafka": 19600}[side]
        self.pid = None

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        pinned = ["taskset", "-c", self.cpus]
        if self.side == "kafka":
            environment = dict(os.environ, KAFKA_BROKER_JVM=KAFKA_JVM)
            command = [*pinned, KAFKA_SH, "start", self.port, self.folder, *KAFKA_SETTINGS]
            run(*command, env=environment)
            self.pid = int((self.folder / "pid").read_text())
            return
        self.folder.mkdir(exist_ok=True)
        log = open(self.folder / "broker.log", "ab")
        child = subprocess.Popen(
            [*pinned, TARGET / "release" / "corelane", "serve", "--shards", "1"]
            + ["--port", str(self.port), "--data-dir", self.folder / "data"]
            + ["--log-level", "warn"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        line = child.stdout.readline()
        if not line.startswith("corelane ready"):
            sys.exit(f"versus: corelane did not start, see {self.folder}/broker.log")
        self.child, self.pid = child, child.pid

    def stop(self):
        if self.pid is None:
            return
        if self.side == "kafka":
            run(KAFKA_SH, "stop", self.folder)
        else:
            self.child.terminate()
            self.child.wait()
        self.pid = None

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


class Cell:
    """One row: a load, under the settings of each side."""

    def __init__(self, name, group, flush, partitions, producers, load, consume=False, kafka=None):
        self.name, self.group, self.partitions, self.producers = name, group, partitions, producers
        self.load, self.consume = load, consume
        self.flush = {"corelane": flush, "kafka": flush if kafka is None else kafka}


def cells():
    """All rows, in the order of the table."""
    one = ["--max", "--in-flight", 1, "--linger-us", 0, "--batch-records", 1]
    yield Cell("1 producer, 1 in flight", "goal", DURABLE, 1, 1, one)
    yield Cell("16 producers, 1 partition", "goal", DURABLE, 1, 16, one)
    yield Cell("64 producers, 64 partitions", "goal", DURABLE, 64, 64, one)
    yield Cell(
        "64 producers, 64 partitions; Kafka's page cache", "goal", DURABLE, 64, 64, one, kafka=WRITTEN
    )
    yield Cell("1 producer, 1 in flight", "goal", WRITTEN, 1, 1, one)
    yield Cell("16 producers, 1 partition", "goal", WRITTEN, 1, 16, one)
    yield Cell("64 producers, 64 partitions", "goal", WRITTEN, 64, 64, one)
    for flush in (WRITTEN, DURABLE):
        for kib in (64, 900):
            load = ["--max", "--in-flight", 5, "--batch-bytes", kib << 10]
            yield Cell(f"{kib} KiB batches, 4 producers", "bulk", flush, 4, 4, load)
    for flush in (DURABLE, WRITTEN):
        for rate in (1_000, 10_000, "70 %"):
            for partitions in (1, 64):
                for producers in (1, 32):
                    for consume in (False, True):
                        name = f"{partitions} p, {producers} producers"
                        name += ", read at once" if consume else ""
                        label = f"{rate:,}/s, {name}" if rate != "70 %" else f"70 % of knee, {name}"
                        load = ["--rate", rate]
                        yield Cell(label, "grid", flush, partitions, producers, load, consume)


class Versus:
    """A comparison on its way."""

    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="versus-", dir=options.folder))
        self.brokers = {
            side: Broker(side, self.folder / side, options.broker_cpus) for side in SIDES
        }
        self.knees = {}
        self.topics = 0

    def loadgen(self, side, cell, flush, load, seconds, warm_up):
        """One block; loadgen's own report."""
        self.topics += 1
        out = self.folder / "block.json"
        broker = self.brokers[side]
        command = [TARGET / "release" / "loadgen", "run", "--bootstrap", broker.bootstrap]
        command += ["--topic", f"{side}-{cell.partitions}-{flush}", "--create", cell.partitions]
        command += ["--topic-config", f"flush.messages={flush}"]
        command += ["--producers", cell.producers, "--size", 1024, *load]
        command += ["--warmup", warm_up, "--duration", seconds, "--drain", 20]
        command += ["--cores", self.options.load_cpus, "--json", out, "--quiet"]
        if cell.consume:
            command += ["--consume"]
        before = broker.cpu_seconds()
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        cpu = broker.cpu_seconds() - before
        # 3: measured, and said to be unfit to be quoted, with the reason; the table says so too.
        if done.returncode not in (0, 3):
            sys.exit(f"versus: {command}\n{done.stdout}{done.stderr}")
        report = json.loads(out.read_text())
        return report, cpu

    def block(self, side, cell):
        """One block in the terms of the table."""
        flush, load = cell.flush[side], list(cell.load)
        if "70 %" in load:
            load[load.index("70 %")] = int(self.knee(side, cell) * 0.7)
        options = self.options
        report, cpu = self.loadgen(side, cell, flush, load, options.seconds, options.warm_up)
        result = figures(report)
        total_gb = result.pop("all_bytes") / 1e9
        result["cpu_s_per_gb"] = cpu / total_gb if total_gb else None
        result["resident_mib"] = self.brokers[side].resident_mib()
        return result

    def knee(self, side, cell):
        """The rate at which this side's closed loop ends, in records a second."""
        key = (side, cell.flush[side], cell.partitions, cell.producers)
        if key not in self.knees:
            load = ["--max", "--in-flight", 5, "--linger-us", 0, "--batch-bytes", 16 << 10]
            report, _ = self.loadgen(side, cell, cell.flush[side], load, self.options.seconds, 2)
            self.knees[key] = figures(report)["rate"]
        return self.knees[key]

    def floors(self):
        out = self.folder / "floors.json"
        command = [TARGET / "release" / "loadgen", "floors", "--dir", self.folder]
        run(*command, "--json", out)
        return json.loads(out.read_text())

    def first_ack(self):
        """Seconds from the start of each broker, on an empty folder, to its first durable ack."""
        times = {side: [] for side in SIDES}
        for number in range(self.options.starts):
            for side in SIDES:
                broker = Broker(side, self.folder / f"start-{side}-{number}", self.options.broker_cpus)
                broker.port += 1000
                if side == "kafka":
                    # Formatted beforehand, as a broker that is started again is.
                    broker.start()
                    broker.stop()
                cell = Cell("start", "start", DURABLE, 1, 1, [])
                self.brokers["probe"] = broker
                begun = time.monotonic()
                broker.start()
                self.loadgen("probe", cell, DURABLE, ["--records", 1], 1, 0)
                times[side].append(time.monotonic() - begun)
                del self.brokers["probe"]
                broker.stop()
                shutil.rmtree(broker.folder)
        return times
