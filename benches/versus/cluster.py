"""Three brokers of Corelane beside three of Apache Kafka: what `versus.py --cluster` measures.

Both clusters run all the time, each with controllers of its own (Apache Kafka's, of the same shape), and are
measured in interleaved blocks; the one that is not measured is idle. All topics have three replicas,
`min.insync.replicas=2`, and producers wait for all replicas in sync.
"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import failover
from common import DURABLE, KAFKA_SETTINGS, MODES, SIDES, TARGET, WRITTEN, floors_of, host
from figures import both, floor_line, into_page, table, taken
from members import (
    BROKER_SETTINGS, BROKERS, CONTROLLER_SETTINGS, CORELANE_SETTINGS, HEARTBEAT_MS, REPLICAS, Cluster,
)

RESULTS = pathlib.Path(__file__).resolve().parent / "cluster.json"
COLUMNS = {
    "ack": {
        "rate": "acks/s",
        **{name: f"{name} µs" for name in ("p50", "p99", "p99.9")},
        "cpu_us": "CPU µs for an ack, all brokers",
    },
    "bulk": {
        "mb_s": "MB/s",
        **{name: f"{name} µs" for name in ("p50", "p99")},
        "cpu_s_per_gb": "CPU s/GB, all brokers",
        "resident_mib": "resident MiB, all brokers",
    },
    "failover": {
        "gap_ms": "longest time between two acks, ms",
        "quiet_ms": "the same before, ms",
        "stop_s": "stop, s",
        "back_s": "from its start until in sync, s",
    },
    "catch-up": {
        "catch_up_mb_s": "catch-up MB/s",
        "back_s": "from its start until in sync, s",
        "quiet_p99": "p99 of live producers before, µs",
        "live_p99": "p99 meanwhile, µs",
        "quiet_p50": "p50 before, µs",
        "live_p50": "p50 meanwhile, µs",
    },
}
# The live producers of the catch-up: records of 1 KiB in a second, so many that both sides take them.
LIVE_RATE, LIVE_PRODUCERS, LIVE_PARTITIONS, LIVE_S = 100, 4, 8, 5
# What the replica that is away misses comes at that rate, in records of so many bytes.
FILL_MB_S, FILL_SIZE, FILL_PARTITIONS = 32, 8000, 4
# The node that is stopped and comes back.
AWAY = BROKERS


class Cell:
    """One row: a load, or an event, under the settings of each side."""

    def __init__(self, name, group, flush, partitions=1, producers=1, load=(), size=1024, kafka=None):
        self.name, self.group, self.partitions, self.producers = name, group, partitions, producers
        self.load, self.size = load, size
        self.flush = {"corelane": flush, "kafka": flush if kafka is None else kafka}


def cells():
    """All rows, in the order of the tables."""
    one = ["--max", "--in-flight", 1, "--batch-bytes", 0]
    for flush in (DURABLE, WRITTEN):
        yield Cell("1 producer, 1 in flight", "ack", flush, 1, 1, one)
        yield Cell("64 producers, 64 partitions", "ack", flush, 64, 64, one)
    large = ["--max", "--in-flight", 5, "--batch-bytes", 64 << 10]
    for flush in (DURABLE, WRITTEN):
        yield Cell("64 KiB batches, 4 producers", "bulk", flush, 4, 4, large)
    yield Cell("the leader is killed (kill -9)", "failover", DURABLE, kafka=WRITTEN)
    yield Cell("the leader is stopped", "failover", DURABLE, kafka=WRITTEN)
    for flush in (DURABLE, WRITTEN):
        yield Cell("a replica returns", "catch-up", flush)


class Run:
    """A comparison on its way."""

    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="versus-", dir=options.folder))
        self.clusters = {side: Cluster(side, self.folder, options) for side in options.side}
        self.topics, self.begun = 0, time.monotonic()

    def loadgen(self, side, topic, cell, load, seconds, warm_up):
        """The command of a load; `cell` says of what."""
        command = [TARGET / "release" / "loadgen", "run", "--bootstrap", self.clusters[side].bootstrap]
        command += ["--topic", topic, "--producers", cell.producers, "--threads", 1, "--no-check"]
        command += ["--size", cell.size, *load, "--warmup", warm_up, "--duration", seconds]
        command += ["--drain", 30, "--cpus", self.options.load_cpus, "--quiet"]
        command += ["--json", self.folder / "block.json"]
        return [str(word) for word in command]

    def report(self, words, child=None):
        """Runs that command, or takes one that was started, to its end: its report."""
        out = self.folder / "block.json"
        child = child or subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = child.communicate()[0]
        # 3: measured, and not fit to be quoted, with the reason; the table marks it.
        if child.returncode not in (0, 3) or not out.exists():
            sys.exit(f"versus: {' '.join(words)}\n{said}")
        found = json.loads(out.read_text())
        out.unlink()
        return found

    def measure(self, cell, side, topic):
        """One block of a load in the terms of the table."""
        cluster, seconds = self.clusters[side], self.options.seconds
        before = cluster.cpu_seconds()
        report = self.report(self.loadgen(side, topic, cell, cell.load, seconds, self.options.warm_up))
        cpu = cluster.cpu_seconds() - before
        found = dict(report["latency_us"]["produce"] or {})
        sent = report["records"]["sent"]
        gb = sent * cell.size / 1e9
        return {
            **{name: found.get(name) for name in ("p50", "p90", "p99", "p99.9", "max")},
            "rate": report["rate"]["achieved"],
            "mb_s": report["rate"]["achieved"] * cell.size / 1e6,
            "cpu_us": cpu / sent * 1e6 if sent else None,
            "cpu_s_per_gb": cpu / gb if gb else None,
            "resident_mib": cluster.resident_mib(),
            "unfit": report["unfit"],
        }

    def lose(self, cell, side, topic):
        """One block in which the leader goes."""
        how = signal.SIGKILL if "killed" in cell.name else signal.SIGTERM
        return {**failover.lose(self.clusters[side], topic, how), "unfit": []}

    def come_back(self, cell, side, _):
        """One block in which a replica was away, and comes back under a live load."""
        cluster, flush = self.clusters[side], cell.flush[side]
        live, missed = self.new_topic("live"), self.new_topic("missed")
        cluster.create(live, LIVE_PARTITIONS, flush)
        cluster.create(missed, FILL_PARTITIONS, flush)
        producers = Cell("live", "live", flush, producers=LIVE_PRODUCERS)
        load = lambda seconds: self.loadgen(side, live, producers, ["--rate", LIVE_RATE], seconds, 1)
        quiet = self.report(load(LIVE_S))["latency_us"]["produce"]
        away = cluster.brokers[AWAY]
        away.signal(signal.SIGTERM)
        away.ended()
        cluster.wait_in_sync(missed, REPLICAS - 1, without=AWAY)
        self.fill(side, missed)
        # It is interrupted when the replica is in sync: all of it counts, from the replica's start on.
        words = load(600)
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        found = failover.comes_back(cluster, AWAY, missed)
        # Fewer records have no p99. For a second loadgen warms up.
        time.sleep(max(0, LIVE_S + 1.5 - found["back_s"]))
        child.send_signal(signal.SIGINT)
        report = self.report(words, child)
        beside = report["latency_us"]["produce"] or {}
        cluster.wait_in_sync(live)
        for topic in (live, missed):
            cluster.delete(topic)
        return {
            **found,
            **{f"quiet_{name}": quiet.get(name) for name in ("p50", "p99", "p99.9", "max")},
            **{f"live_{name}": beside.get(name) for name in ("p50", "p99", "p99.9", "max")},
            "live_count": beside.get("count"),
            "unfit": [why for why in report["unfit"] if "interrupted" not in why],
        }

    def fill(self, side, topic):
        """What the replica misses."""
        seconds = max(1, round(self.options.catch_up_mb / FILL_MB_S))
        rate = round(self.options.catch_up_mb * 1e6 / seconds / FILL_SIZE)
        load = ["--rate", rate, "--linger-ms", 20, "--batch-bytes", 64 << 10]
        cell = Cell("missed", "missed", WRITTEN, producers=4, size=FILL_SIZE)
        # Records that came late came all the same.
        self.report(self.loadgen(side, topic, cell, load, seconds, 0))

    def new_topic(self, name):
        """The name of a topic that was not there before."""
        self.topics += 1
        return f"{name}-{self.topics}"

    def row(self, cell):
        """All blocks of a cell, in the order A B B A …"""
        sides, blocks = self.options.side, {side: [] for side in SIDES}
        one = {"failover": self.lose, "catch-up": self.come_back}.get(cell.group, self.measure)
        topic = self.new_topic(cell.group)
        if cell.group != "catch-up":
            for side in sides:
                self.clusters[side].create(topic, cell.partitions, cell.flush[side])
        counts = {"failover": self.options.events, "catch-up": max(1, self.options.events - 1)}
        for turn in range(counts.get(cell.group, self.options.blocks)):
            # Where the machine is slow a row gets fewer blocks, as the table says, but one at the least.
            if turn and time.monotonic() > self.begun + self.options.limit_s:
                break
            for side in sides if turn % 2 == 0 else reversed(sides):
                blocks[side].append(one(cell, side, topic))
        if cell.group != "catch-up":
            for side in sides:
                self.clusters[side].delete(topic)
        return {
            "name": cell.name,
            "group": cell.group,
            "ack": {side: MODES[cell.flush[side]] for side in SIDES},
            "seconds": self.options.seconds,
            "blocks": blocks,
        }

    def warm(self, side):
        """Until its hot code is compiled a JVM is another broker than the one that people run; here
        three of them share their CPUs, and have all of the machine for it. Ours has nothing to compile."""
        seconds = self.options.warm_s if side == "kafka" else 2
        topic = self.new_topic("warm")
        self.clusters[side].create(topic, 16, WRITTEN)
        for load in (["--batch-bytes", 0], ["--batch-bytes", 64 << 10]):
            cell = Cell("warm-up", "warm", WRITTEN, producers=16)
            self.report(self.loadgen(side, topic, cell, ["--max", *load], seconds, 0))
        self.clusters[side].delete(topic)
        self.clusters[side].pin()

    def idle_percent(self, seconds=3):
        """What each side takes of a CPU while nothing is asked of it: the other one's blocks have that beside."""
        before = {side: cluster.cpu_seconds() for side, cluster in self.clusters.items()}
        time.sleep(seconds)
        now = {side: cluster.cpu_seconds() for side, cluster in self.clusters.items()}
        return {side: (now[side] - before[side]) / seconds * 100 for side in now}

    def close(self):
        """Ends what runs and removes the folders."""
        for cluster in self.clusters.values():
            cluster.close()
        if self.options.keep:
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def compare(options):
    """Measures all rows that were asked for."""
    begun = time.monotonic()
    wanted = [cell for cell in cells() if all(word in f"{cell.group} {cell.name}" for word in options.only)]
    ours = lambda cell: MODES[cell.flush["corelane"]]
    wanted = [cell for cell in wanted if not options.acks or ours(cell) in options.acks]
    run = Run(options)
    try:
        for side, cluster in run.clusters.items():
            cluster.start()
            run.warm(side)
        floors, rows = [floors_of(run.folder)], []
        idle = run.idle_percent()
        for place, cell in enumerate(wanted):
            rows.append(run.row(cell))
            passed = time.monotonic() - begun
            print(f"{place + 1}/{len(wanted)} {' beside '.join(dict.fromkeys(rows[-1]['ack'].values()))}: ", end="")
            print(f"{cell.name} ({passed:.0f} s)")
            for name, title in COLUMNS[cell.group].items():
                print(f"    {title:<34} {both(rows[-1], name).replace('*', '')}", flush=True)
        floors.append(floors_of(run.folder))
    finally:
        run.close()
    about = host()
    return {
        "host": about,
        "cpus": f"brokers on CPU {options.broker_cpus}, controllers and loadgen on CPU {options.load_cpus}",
        "controllers": options.controllers,
        "session_ms": options.session_ms,
        "heap": options.heap,
        "catch_up_mb": options.catch_up_mb,
        "kafka_settings": [*BROKER_SETTINGS, *KAFKA_SETTINGS],
        "corelane_settings": [*BROKER_SETTINGS, *CORELANE_SETTINGS],
        "controller_settings": CONTROLLER_SETTINGS,
        "idle_percent": idle,
        "floors": floors,
        "floor_line": floor_line(floors),
        "took_s": time.monotonic() - begun,
        "rows": [{**row, "commit": about["commit"]} for row in rows],
    }


def titles(results):
    """What stands above the table of each group."""
    session = f"`broker.session.timeout.ms={results['session_ms']}`, `broker.heartbeat.interval.ms={HEARTBEAT_MS}`"
    return {
        "ack": "Closed loop, one request of one record of 1 KiB in flight for each producer",
        "bulk": "As fast as it goes, in batches of 64 KiB of records of 1 KiB, five in flight for each producer",
        "failover": "A leader goes: one producer with one record of 100 bytes under way and a request timeout of\n"
        f"{failover.REQUEST_TIMEOUT_S:g} s; {session} on both sides",
        "catch-up": f"A replica was stopped while {results['catch_up_mb']} MB came to {FILL_PARTITIONS} partitions, and is\n"
        f"started again beside {LIVE_RATE} records/s of 1 KiB",
    }


def text_of(results):
    """The section of the page."""
    about, rows = results["host"], results["rows"]
    idle = " and ".join(f"{results['idle_percent'].get(side, 0):.1f} %" for side in SIDES)
    count = "one controller" if results["controllers"] == 1 else f"{results['controllers']} controllers"
    text = f"""Corelane {about['commit']} beside Apache Kafka {about['kafka']}, {about['date']}: {BROKERS} brokers on each side, and {count}
of Apache Kafka. {about['cpu']}, kernel {about['kernel']}, {about['file_system'].split()[0]};
{results['cpus']}. Each broker of Kafka has a heap of {results['heap']}.
While it is not measured a side takes {idle} of a CPU (Corelane, Kafka). Each figure is
Corelane / Kafka = **ratio** (lowest–highest of single blocks), of medians over interleaved blocks. *durable* is
`flush.messages=1` on that side, *written* Kafka's default. The floors of the run:
{results['floor_line']}."""
    for group, title in titles(results).items():
        found = [row for row in rows if row["group"] == group]
        if found:
            blocks = max(len(found[0]["blocks"][side]) for side in SIDES)
            how = f"{found[0]['commit']}, {blocks} block{'s'[: blocks > 1]} a side"
            how = taken(found) if group in ("ack", "bulk") else how
            text += f"\n\n{title} ({how}):\n\n{table(found, COLUMNS[group])}"
    live = [row for row in rows if row["group"] == "catch-up"]
    if any(block["unfit"] for row in live for side in SIDES for block in row["blocks"][side]):
        text += "\n\n¹ loadgen called at least one block of this row unfit to be quoted, most often for late sends."
    return text


def main(options):
    """Measures, keeps the results and writes the page; or, as asked, prints alone."""
    if options.render:
        into_page("versus cluster", text_of(json.loads(RESULTS.read_text())))
        return
    results = compare(options)
    print(f"took {results['took_s']:.0f} s; idle: {results['idle_percent']}\n")
    print(text_of(results))
    if options.print or options.quick or options.only or options.acks or len(options.side) < len(SIDES):
        return
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    into_page("versus cluster", text_of(results))
