#!/usr/bin/env python3
"""Consumer groups of Corelane beside Apache Kafka's, in both protocols, by a light client.

    benches/versus/groups.py            the whole table, into docs/performance.md
    benches/versus/groups.py --quick    one short block of each row, printed

One program (`testing/examples/group_load`, one thread, a connection for each member) is the client of
both brokers, in interleaved blocks; the broker that is not measured is idle. Corelane acks what is on
stable storage, Kafka, as it comes, what is in the page cache. Wants what versus.py wants, and a release
build: `cargo build --release --bins && cargo build --release -p corelane-testing --example group_load`.
"""
import json
import subprocess
import sys

import versus
from blocks import head_of, program
from common import KAFKA_SETTINGS, SIDES, TARGET, cpu_seconds
from figures import both

PROTOCOLS = ("classic", "consumer")
# What the client is asked for, of how many members, and what that is. Commits have no protocol: the
# consumers have assigned their partitions to themselves.
ROWS = [
    ("joins", PROTOCOLS, 16, "16 members, each joins a group of its own, gets its partitions, leaves"),
    ("heartbeats", PROTOCOLS, 100, "a group of 100, each sends one heartbeat after another"),
    ("forms", PROTOCOLS, 100, "100 members join at once, until they share 1,000 partitions"),
    ("grows", PROTOCOLS, 100, "one more joins them, until all have an even part"),
    ("commits", PROTOCOLS[:1], 16, "16 consumers, each commits one offset after another"),
]
COLUMNS = {
    "rate": "a second", "p50": "p50 µs", "p99": "p99 µs",
    "broker_us": "broker's CPU µs", "client_us": "client's CPU µs",
}
# A rebalance is looked at one by one.
OF_REBALANCES = ("p50", "p99")
# A group is made as its members come: no broker waits for others.
SETTINGS = ["group.initial.rebalance.delay.ms=0", "group.consumer.assignment.interval.ms=0"]


class Load:
    """The client."""

    def __init__(self, folder, cpus):
        command = ["taskset", "-c", cpus, TARGET / "release" / "examples" / "group_load"]
        self.log = folder / "client.log"
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(self.log, "w", encoding="utf-8"), text=True,
        )

    def block(self, broker, words):
        """One block; what it gave."""
        begun = broker.cpu_seconds(), cpu_seconds(self.process.pid)
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"groups: the client has ended: {self.log.read_text()}")
        found = json.loads(answer)
        ended = broker.cpu_seconds(), cpu_seconds(self.process.pid)
        for name, before, after in zip(("broker_us", "client_us"), begun, ended):
            found[name] = (after - before) / max(1, found["all"]) * 1e6
        return found

    def stop(self):
        """Ends it."""
        self.process.stdin.close()
        self.process.wait()


def measure(folder, options):
    """All rows."""
    settings = folder / "server.properties"
    settings.write_text("\n".join(SETTINGS) + "\n", encoding="utf-8")
    versus.CORELANE_FLAGS.extend(["--config", str(settings)])
    KAFKA_SETTINGS.extend(SETTINGS)
    brokers = {side: versus.Broker(side, folder, options.broker_cpus) for side in SIDES}
    for broker in brokers.values():
        broker.start()
    load = Load(folder, options.load_cpus)
    rows = []
    try:
        for what, protocols, count, name in ROWS:
            for protocol in protocols:
                blocks = {side: [] for side in SIDES}
                for number in range(options.blocks):
                    for side in SIDES if number % 2 == 0 else reversed(SIDES):
                        words = [what, protocol, brokers[side].port, count]
                        words += [options.warm_up * 1000, options.seconds * 1000]
                        blocks[side].append(load.block(brokers[side], words))
                own = protocol if len(protocols) > 1 else "–"
                columns = OF_REBALANCES if what in ("forms", "grows") else COLUMNS
                rows.append({"name": name, "protocol": own, "blocks": blocks, "columns": columns})
                print(own, line_of(rows[-1]), sep=" | ", flush=True)
    finally:
        load.stop()
        for broker in brokers.values():
            broker.stop()
    return rows


def line_of(row):
    """A row without its first cell."""
    cells = (both(row, key) if key in row["columns"] else "–" for key in COLUMNS)
    return " | ".join((row["name"], *cells))


def text_of(folder, floors, options):
    """The section of the page."""
    rows = measure(folder, options)
    lines = [
        *head_of(floors, options, "the client"),
        "| protocol | load | " + " | ".join(COLUMNS.values()) + " |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    return "\n".join(lines + [f"| {row['protocol']} | {line_of(row)} |" for row in rows])


if __name__ == "__main__":
    program(__doc__, "versus groups", text_of)
