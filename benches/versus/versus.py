#!/usr/bin/env python3
"""Corelane beside Apache Kafka on this machine: one command, and out comes our table.

    benches/versus/versus.py                 the whole comparison
    benches/versus/versus.py --only WORD     only rows whose name holds WORD; repeatable
    benches/versus/versus.py --group many    only rows of that group; repeatable
    benches/versus/versus.py --group many --partitions 500 --blocks 1   a quick try, only printed
    benches/versus/versus.py --free --group goal   neither side pinned: a table of its own
    benches/versus/versus.py --render        write the table anew from the kept results
    benches/versus/versus.py --cluster       three brokers of each side, with three replicas: cluster.py
    benches/versus/versus.py --cluster --quick   a smoke test of that, only printed

Both brokers run all the time, each on its own fresh folder of the same disk, and are measured in
interleaved blocks by the same load generator; the one that is not measured is idle. Ratios are of
medians over blocks, the spread is that of single blocks.

Groups: *goal* is a closed loop of single records, among them 256 producers on 1,000 partitions;
*bulk* large batches; *grid* an open loop. A row of *many* is 10,000 new partitions: the first
record into each (their creation is timed apart), a clean stop and the start after it, and a start
after kill -9, until the broker answers for all of them. There both are started anew on a fresh
folder for each block, one after the other. All rows but the grid's count what the device has to
write for a byte of a record, once the broker has written what it put off. That counts all programs
on the device; what the broker itself wrote stands beside it, and where the two are far apart the
first holds other programs' writes. Kafka is the release that
tests/kafka/pom.xml names, from its Maven artifacts: one KRaft node, the JVM options that its own
start script sets and the heap below. What each side was set to stands in the results.

Wants Linux, a JDK 17, Maven, and two CPUs or more that have nothing else to do.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import cluster
import many
import wire
from common import (
    DURABLE, KAFKA_JVM, KAFKA_SETTINGS, KAFKA_SH, MODES, ROOT, SIDES, TARGET, WRITTEN,
    cpu_seconds, floors_of, host, run,
)
from device import Device
from figures import both, floor_line, into_page, table, taken

RESULTS = pathlib.Path(__file__).resolve().parent / "results.json"
QUANTILES = ("p50", "p90", "p99", "p99.9", "max")
GROUPS = ("goal", "bulk", "grid", "many")
# What the table of a group shows, by the name of the figure in a block.
LATENCY = {"rate": "acks/s", "p50": "p50 µs", "p99": "p99 µs", "p99.9": "p99.9 µs", "max": "max µs"}
DEVICE = {"device": "device bytes for one of a record", "own": "of these, the broker's own"}
COLUMNS = {
    "goal": {**LATENCY, **DEVICE},
    "grid": LATENCY,
    "free": {**LATENCY, **DEVICE},
    "bulk": {
        "rate": "records/s of 1 KiB",
        **{name: f"{name} µs" for name in ("p50", "p99", "p99.9")},
        "cpu_s_per_gb": "CPU s/GB",
        "resident_mib": "resident MiB",
        **DEVICE,
    },
    "many": {
        "first_s": "first record into each, s",
        **{name: f"{name} of one, µs" for name in ("p50", "p99", "max")},
        **DEVICE,
        "create_s": "creation, s",
        "stop_s": "clean stop, s",
        "start_s": "start after it, s",
        "start_killed_s": "start after kill -9, s",
    },
}
KNEE = "70 % of knee"
# How long Kafka may take to start: with 10,000 partitions, after kill -9, it is more than a minute.
START_SECONDS = 600
CORELANE_FLAGS = ["--shards", "1", "--log-level", "warn"]


class Broker:
    """One side: a running broker and what it costs."""

    def __init__(self, side, folder, cpus, second=False):
        self.side, self.cpus, self.pid = side, cpus, None
        self.folder = folder / (f"{side}-second" if second else side)
        self.port = {"corelane": 19500, "kafka": 19600}[side] + (10 if second else 0)

    @property
    def bootstrap(self):
        """Where clients begin."""
        return f"127.0.0.1:{self.port}"

    def start(self, wait=True):
        """Starts it, and waits until it says that it serves."""
        pinned = ["taskset", "-c", self.cpus]
        self.folder.mkdir(exist_ok=True)
        if self.side == "kafka":
            environment = dict(os.environ, KAFKA_BROKER_JVM=KAFKA_JVM)
            environment["KAFKA_START_SECONDS"] = str(START_SECONDS)
            command = [*pinned, KAFKA_SH, "start", self.port, self.folder, *KAFKA_SETTINGS]
            starter = subprocess.Popen([str(word) for word in command], env=environment)
            if wait and starter.wait() != 0:
                sys.exit(f"versus: Kafka did not start, see {self.folder}/server.log")
            self.pid = int((self.folder / "pid").read_text()) if wait else 0
            return
        command = [*pinned, TARGET / "release" / "corelane", "serve", *CORELANE_FLAGS]
        command += ["--port", self.port, "--data-dir", self.folder / "data"]
        with open(self.folder / "broker.log", "ab") as log:
            self.child = subprocess.Popen(
                [str(word) for word in command], stdout=subprocess.PIPE, stderr=log, text=True
            )
        if wait and not self.child.stdout.readline().startswith("corelane ready"):
            sys.exit(f"versus: corelane did not start, see {self.folder}/broker.log")
        self.pid = self.child.pid

    def stop(self):
        """Stops it cleanly."""
        if self.pid is None:
            return
        if self.side == "kafka":
            run(KAFKA_SH, "stop", self.folder)
        else:
            self.child.terminate()
            self.child.wait()
        self.pid = None

    def process(self):
        """Its process id, which is not known here while it was only told to start."""
        if self.side == "kafka":
            return int((self.folder / "pid").read_text())
        return self.child.pid

    def ended(self):
        """Takes in that its process has ended by a signal that was not sent here."""
        if self.side == "kafka":
            (self.folder / "pid").unlink()
        else:
            self.child.wait()
        self.pid = None

    def cpu_seconds(self):
        """CPU seconds it has used so far, in user and kernel."""
        return cpu_seconds(self.pid)

    def written(self):
        """Bytes that it has written, or put into the file system's cache to be written."""
        counts = pathlib.Path(f"/proc/{self.process()}/io").read_text()
        return int(re.search(r"^write_bytes: (\d+)", counts, re.MULTILINE)[1])

    def resident_mib(self):
        """Memory it holds now."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


class Cell:
    """One row: a load, under the settings of each side."""

    def __init__(
        self, name, group, flush, partitions, producers, load, consume=False, kafka=None, size=1024
    ):
        self.name, self.group, self.partitions, self.producers = name, group, partitions, producers
        self.load, self.consume, self.size = load, consume, size
        self.flush = {"corelane": flush, "kafka": flush if kafka is None else kafka}

    def topic(self, side):
        """Its topic on that side; cells of one shape take turns with it."""
        return f"{self.group}-{self.partitions}-{MODES[self.flush[side]]}"


def cells():
    """All rows, in the order of the table."""
    one = ["--max", "--in-flight", 1, "--batch-bytes", 0]
    yield Cell("1 producer, 1 in flight", "goal", DURABLE, 1, 1, one)
    yield Cell("16 producers, 1 partition", "goal", DURABLE, 1, 16, one)
    yield Cell("64 producers, 64 partitions", "goal", DURABLE, 64, 64, one)
    yield Cell("64 producers, 64 partitions", "goal", DURABLE, 64, 64, one, kafka=WRITTEN)
    small = "256 producers, 1,000 partitions, 100 bytes"
    yield Cell(small, "goal", DURABLE, 1000, 256, one, size=100)
    yield Cell(small, "goal", DURABLE, 1000, 256, one, size=100, kafka=WRITTEN)
    yield Cell("1 producer, 1 in flight", "goal", WRITTEN, 1, 1, one)
    yield Cell("16 producers, 1 partition", "goal", WRITTEN, 1, 16, one)
    yield Cell("64 producers, 64 partitions", "goal", WRITTEN, 64, 64, one)
    yield Cell(small, "goal", WRITTEN, 1000, 256, one, size=100)
    for flush in (WRITTEN, DURABLE):
        for kib in (64, 900):
            load = ["--max", "--in-flight", 5, "--batch-bytes", kib << 10]
            yield Cell(f"{kib} KiB batches, 4 producers", "bulk", flush, 4, 4, load)
    for flush in (DURABLE, WRITTEN):
        for rate in (1_000, 10_000, KNEE):
            for partitions in (1, 64):
                for producers in (1, 32):
                    for consume in (False, True):
                        name = f"{rate}{'' if rate == KNEE else '/s'}, {partitions} partition"
                        name += f"{'s'[: partitions > 1]}, {producers} producer"
                        name += f"{'s'[: producers > 1]}{', read' if consume else ''}"
                        load = ["--rate", rate]
                        yield Cell(name, "grid", flush, partitions, producers, load, consume)
    first = f"first record into {many.PARTITIONS:,} partitions"
    for flush, kafka in ((DURABLE, DURABLE), (DURABLE, WRITTEN), (WRITTEN, WRITTEN)):
        yield Cell(first, "many", flush, many.PARTITIONS, many.CONNECTIONS, [], kafka=kafka)


class Versus:
    """A comparison on its way."""

    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="versus-", dir=options.folder))
        self.device = Device(self.folder)
        self.brokers = {side: Broker(side, self.folder, options.broker_cpus) for side in SIDES}
        self.second = None
        self.tools = pathlib.Path(run(KAFKA_SH, "tools").strip())
        self.knees = {}

    def block(self, broker, cell, load, seconds):
        """Runs loadgen once; its report, and the broker's CPU seconds meanwhile."""
        out = self.folder / "block.json"
        side = broker.side
        out.unlink(missing_ok=True)
        command = [TARGET / "release" / "loadgen", "run", "--bootstrap", broker.bootstrap]
        command += ["--topic", cell.topic(side), "--create", cell.partitions]
        command += ["--config", f"flush.messages={cell.flush[side]}", "--size", cell.size, *load]
        command += ["--producers", cell.producers, "--threads", 1, "--no-check"]
        command += ["--warmup", self.options.warm_up, "--duration", seconds, "--drain", 20]
        command += ["--cpus", self.options.load_cpus, "--json", out, "--quiet"]
        command += ["--consume"] if cell.consume else []
        before = broker.cpu_seconds()
        words = [str(word) for word in command]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        cpu = broker.cpu_seconds() - before
        # 3: measured, and not fit to be quoted, with the reason; the table marks it.
        if done.returncode not in (0, 3) or not out.exists():
            sys.exit(f"versus: {' '.join(words)}\n{done.stdout}{done.stderr}")
        return json.loads(out.read_text()), cpu

    def measure(self, cell, side):
        """One block in the terms of the table."""
        load = list(cell.load)
        if KNEE in load:
            load[load.index(KNEE)] = max(1, int(self.knee(cell, side) * 0.7))
        before, own = self.device.written(), self.brokers[side].written()
        report, cpu = self.block(self.brokers[side], cell, load, self.options.seconds)
        written = None
        if before is not None and cell.group != "grid":
            written = self.device.settled() - before
        own = self.brokers[side].written() - own
        found = dict(report["latency_us"]["produce"] or {})
        sent = report["records"]["sent"] * cell.size
        gb = sent / 1e9
        return {
            **{name: found.get(name) for name in QUANTILES},
            "rate": report["rate"]["achieved"],
            "offered": load[1] if load[0] == "--rate" else None,
            "cpu_s_per_gb": cpu / gb if gb else None,
            "device": written / sent if sent and written is not None else None,
            "own": own / sent if sent else None,
            "resident_mib": self.brokers[side].resident_mib(),
            "unfit": report["unfit"],
        }

    def knee(self, cell, side):
        """What this side takes in a closed loop, in records a second."""
        key = (side, cell.flush[side], cell.partitions, cell.producers)
        if key not in self.knees:
            load = ["--max", "--in-flight", 5, "--batch-bytes", 0]
            plain = Cell(cell.name, "knee", cell.flush[side], cell.partitions, cell.producers, [])
            report, _ = self.block(self.brokers[side], plain, load, self.options.seconds)
            self.knees[key] = report["rate"]["achieved"]
        return self.knees[key]

    def row(self, cell):
        """All blocks of a cell, in the order A B B A …"""
        blocks = {side: [] for side in SIDES}
        one = self.life if cell.group == "many" else self.measure
        if cell.group != "many":
            self.prepare(cell)
        for number in range(self.options.blocks):
            for side in SIDES if number % 2 == 0 else reversed(SIDES):
                blocks[side].append(one(cell, side))
        if cell.group != "many":
            self.delete(cell)
        return {
            "name": cell.name,
            "group": cell.group,
            "ack": {side: MODES[cell.flush[side]] for side in SIDES},
            "consume": cell.consume,
            "seconds": self.options.seconds,
            "blocks": blocks,
        }

    def prepare(self, cell):
        """What a block shall not measure: a first record into each of many new partitions (that
        is a row of its own), and what was written before."""
        if cell.partitions > 64:
            for side in SIDES:
                self.block(self.brokers[side], cell, cell.load, 1)
        if cell.group != "grid":
            self.device.settled()

    def delete(self, cell):
        """Deletes the topics of a cell."""
        for side in SIDES:
            # Kafka's own tool for both. Its complaint about a topic that is gone does not matter here.
            command = [self.tools / "kafka-topics.sh", "--bootstrap-server"]
            command += [self.brokers[side].bootstrap, "--delete", "--topic", cell.topic(side)]
            subprocess.run(command, capture_output=True, check=False)

    def warm(self, broker):
        """Until its hot code is compiled a JVM is another broker than the one that people run."""
        load = ["--max", "--in-flight", 5, "--batch-bytes", 0]
        self.block(broker, Cell("warm-up", "warm", DURABLE, 4, 8, []), load, self.options.seconds)

    def life(self, cell, side):
        """One block with very many partitions, on a broker of its own."""
        # All folders stay until the end: ext4 looks at every inode that was freed in the last minutes
        # before it gives one to a new file, where it has no journal.
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        broker = self.second = Broker(side, folder, self.options.broker_cpus, second=True)
        cpus = [int(cpu) for cpu in self.options.load_cpus.split(",")]
        partitions = self.options.partitions
        warm = lambda: self.warm(broker)
        found = many.life(broker, cell.flush[side], partitions, self.device, cpus, warm)
        self.second = None
        return found

    def close(self):
        """Stops what runs and removes the folders."""
        for broker in [*self.brokers.values(), *filter(None, [self.second])]:
            broker.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def first_acks(self):
        """Seconds from a start on a formatted folder to the first durable ack."""
        times = {side: [] for side in SIDES}
        for side in SIDES:
            broker = Broker(side, self.folder, self.options.broker_cpus, second=True)
            broker.start()
            run(
                *[self.tools / "kafka-topics.sh", "--bootstrap-server", broker.bootstrap],
                *["--create", "--topic", "first", "--config", "flush.messages=1"],
            )
            broker.stop()
            for _ in range(self.options.starts):
                begun = time.monotonic()
                broker.start(wait=False)
                while not wire.acked(broker.port, "first"):
                    time.sleep(0.002)
                times[side].append(time.monotonic() - begun)
                broker.stop()
            shutil.rmtree(broker.folder)
        return times


def render(results):
    """Writes the tables between their marks on the page."""
    rows, about = results["rows"], results["host"]
    by_group = {group: [r for r in rows if r["group"] == group] for group in COLUMNS}
    starts = {side: statistics.median(times) for side, times in results["starts"].items()}
    text = f"""Corelane beside Apache Kafka {about['kafka']}. The newest run: Corelane {about['commit']}, {about['date']},
{about['cpu']}, kernel {about['kernel']}, {about['file_system'].split()[0]}; {results['cpus']}.
Above each table stands the commit that it measured; where that is another, the run was an older one.
Each figure is Corelane / Kafka = **ratio** (lowest–highest of single blocks), of medians over
interleaved blocks. *durable* is `flush.messages=1` on that side, *written* Kafka's default: its
page cache, our write without a flush. What the machine itself took in the newest run:
{results['floor_line']}.

Closed loop, one request of one record in flight for each producer ({taken(by_group['goal'])}):

{table(by_group['goal'], COLUMNS['goal'])}

As fast as it goes, in large batches ({taken(by_group['bulk'])}):

{table(by_group['bulk'], COLUMNS['bulk'])}

From start to first durable ack, on a formatted folder: {starts['corelane']:.2f} s / {starts['kafka']:.2f} s =
**{starts['corelane'] / starts['kafka']:.3f}**."""
    if by_group["many"]:
        blocks = len(by_group["many"][0]["blocks"]["kafka"])
        text += f"""

{many.PARTITIONS:,} new partitions in {many.TOPICS} topics, {many.CONNECTIONS} requests of one record of {many.SIZE} bytes under way at a time; each stop, and the kill,
just after one more record into each; a start until the broker answers for all of them ({by_group['many'][0]['commit']},
{blocks} blocks a side, each on a fresh folder):

{table(by_group['many'], COLUMNS['many'])}"""
    if by_group["grid"]:
        text += f"""

Open loop, latency from the intended send time ({taken(by_group['grid'])}):

{table(by_group['grid'], COLUMNS['grid'])}

¹ loadgen called at least one block of this row unfit to be quoted (late sends, or a load past the
knee of one side): the raw summary says which and why."""

    if by_group["free"]:
        text += f"""

Neither side pinned, loadgen on both CPUs too ({taken(by_group['free'])}; floors:
{results['free_floor_line']}):

{table(by_group['free'], COLUMNS['free'])}"""

    into_page("versus", text)


def main():
    """Reads the command line and does it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], metavar="WORD")
    parser.add_argument("--group", action="append", choices=GROUPS, default=[])
    parser.add_argument("--acks", action="append", choices=MODES.values(), default=[], help="of our side")
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--blocks", type=int, help="blocks of each side [5; of clusters 3]")
    parser.add_argument("--seconds", type=int, help="measured in a block [10; of clusters 3]")
    parser.add_argument("--warm-up", type=int, help="seconds before that [2; of clusters 1]")
    parser.add_argument("--starts", type=int, default=5, help="first acks that are timed, 0: as kept [5]")
    parser.add_argument(
        "--partitions", type=int, default=many.PARTITIONS, help="of the group many [10,000]"
    )
    parser.add_argument("--print", action="store_true", help="leave the page and kept results alone")
    parser.add_argument("--broker-cpus", default=None, help="for taskset [the last CPU]")
    parser.add_argument("--load-cpus", default=None, help="for loadgen [the first CPU]")
    parser.add_argument("--free", action="store_true", help="pin neither broker nor loadgen")
    parser.add_argument("--folder", default=TARGET, help="on the disk to be measured [target]")
    parser.add_argument("--as-built", action="store_true", help="build nothing before")
    clusters = parser.add_argument_group("clusters")
    clusters.add_argument("--cluster", action="store_true", help="measure clusters of three brokers")
    clusters.add_argument("--quick", action="store_true", help="one short block of each row, printed")
    clusters.add_argument("--side", action="append", choices=SIDES, help="only that one, printed")
    clusters.add_argument("--controllers", type=int, choices=(1, 3), default=1, help="of a side [1]")
    clusters.add_argument("--session-ms", type=int, default=3000, help="broker.session.timeout.ms [3000]")
    clusters.add_argument("--heap", default="1g", help="of each broker of Kafka's [1g, as its script has it]")
    clusters.add_argument("--events", type=int, help="blocks of a leader that goes [3], and one less of a replica")
    clusters.add_argument("--catch-up-mb", type=int, help="what a replica misses [256]")
    clusters.add_argument("--limit-s", type=int, default=600, help="no second blocks after that [600]")
    clusters.add_argument("--keep", action="store_true", help="leave the folders, with all logs")
    options = parser.parse_args()
    usual = (1, 1, 1, 1, 48, 2) if options.quick else (3, 3, 1, 3, 256, 20)
    usual = usual if options.cluster else (5, 10, 2, 0, 0, 0)
    for name, value in zip(("blocks", "seconds", "warm_up", "events", "catch_up_mb", "warm_s"), usual):
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    options.side = options.side or list(SIDES)
    if options.cluster and options.group:
        parser.error("--cluster has rows of its own: --only WORD chooses by group or name")
    if options.render and options.cluster:
        cluster.main(options)
        return
    if options.render:
        render(kept_results())
        return
    every = f"0-{os.cpu_count() - 1}"
    options.broker_cpus = options.broker_cpus or (every if options.free else str(os.cpu_count() - 1))
    options.load_cpus = options.load_cpus or (
        ",".join(str(cpu) for cpu in range(os.cpu_count())) if options.free else "0"
    )
    if not options.as_built:
        subprocess.run(["cargo", "build", "--release", "--workspace"], cwd=ROOT, check=True)
    if options.cluster:
        cluster.main(options)
        return
    versus = Versus(options)
    try:
        results = compare(versus, options)
    finally:
        versus.close()
    if options.print or options.partitions != many.PARTITIONS:
        return
    if options.free:
        results = added_free(results)
    elif RESULTS.exists():
        results = merged(results)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    render(results)


def added_free(results):
    """The kept results, with these as rows of a table of their own."""
    kept = kept_results()
    pinned = [row for row in kept["rows"] if row["group"] != "free"]
    free = [{**row, "group": "free"} for row in results["rows"] if row["group"] != "many"]
    return {**kept, "rows": pinned + free, "free_floor_line": results["floor_line"]}


def merged(results):
    """These results in place of the kept ones of the same rows, the other kept rows as they are."""
    key = lambda row: (row["group"], tuple(row["ack"].values()), row["name"])
    before = kept_results()
    kept = before["rows"]
    rows = {key(row): row for row in [*kept, *results["rows"]]}
    free = [row for row in kept if row["group"] == "free"]
    order = [(cell.group, tuple(MODES[cell.flush[side]] for side in SIDES), cell.name) for cell in cells()]
    rows = [rows[one] for one in order if one in rows] + free
    return {**before, **results, "rows": rows}


def kept_results():
    """The results of earlier runs. Each row says which commit it measured: a part may be run alone."""
    return json.loads(RESULTS.read_text())


def compare(versus, options):
    """Everything that was asked for."""
    wanted = [cell for cell in cells() if all(word in cell.name for word in options.only)]
    wanted = [cell for cell in wanted if not options.group or cell.group in options.group]
    ours = lambda cell: MODES[cell.flush["corelane"]]
    wanted = [cell for cell in wanted if not options.acks or ours(cell) in options.acks]
    starts = versus.first_acks() if options.starts else kept_results()["starts"]
    running = list(versus.brokers.values())
    # The group many, which comes last, starts its own.
    if all(cell.group == "many" for cell in wanted):
        running = []
    for broker in running:
        broker.start()
        versus.warm(broker)
    floors, rows = [floors_of(versus.folder)], []
    for place, cell in enumerate(wanted):
        if cell.group == "many":
            for broker in running:
                broker.stop()
        rows.append(versus.row(cell))
        print(f"{place + 1}/{len(wanted)} {' beside '.join(rows[-1]['ack'].values())}: {cell.name}")
        for name, title in COLUMNS[cell.group].items():
            print(f"    {title:<34} {both(rows[-1], name).replace('*', '')}", flush=True)
        if place % 8 == 7:
            floors.append(floors_of(versus.folder))
    floors.append(floors_of(versus.folder))
    print(floor_line(floors))
    about = host()
    rows = [{**row, "commit": about["commit"]} for row in rows]
    return {
        "host": about,
        "cpus": f"broker on CPU {options.broker_cpus}, loadgen on CPU {options.load_cpus}",
        "blocks": options.blocks,
        "seconds": options.seconds,
        "warm_up": options.warm_up,
        "kafka_jvm": KAFKA_JVM,
        "kafka_settings": KAFKA_SETTINGS,
        "corelane_settings": CORELANE_FLAGS,
        "floors": floors,
        "floor_line": floor_line(floors),
        "starts": starts,
        "rows": rows,
    }


if __name__ == "__main__":
    main()
