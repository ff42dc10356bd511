#!/usr/bin/env python3
"""Transactions and offset commits of Corelane beside Apache Kafka's, by Kafka's own Java client.

    benches/versus/transactions.py            the whole table, into docs/performance.md
    benches/versus/transactions.py --quick    one short block of each row, printed

One JVM (Transactions.java) is the client of both brokers, in interleaved blocks; the broker that is not
measured is idle. Corelane always acks what is on stable storage. Kafka is measured twice: as it comes,
which acks what is in the page cache, and with `log.flush.interval.messages=1`, which flushes each
append, also those of its internal topics. Wants what versus.py wants, and a release build.
"""
import json
import pathlib
import subprocess
import sys

import versus
from blocks import head_of, program
from common import HERE, KAFKA_SETTINGS, KAFKA_SH, SIDES, run
from figures import both

# What is done, clients, records of each transaction.
ROWS = [
    ("transactions", 1, 1),
    ("transactions", 1, 100),
    ("transactions", 16, 1),
    ("transactions", 16, 100),
    ("offsets", 16, 1),
]
NAMES = {
    "transactions": "{clients} producer(s), {records} record(s) in a transaction",
    "offsets": "{clients} consumers, each commits one offset after another",
}
COLUMNS = {"rate": "a second", "p50": "p50 µs", "p99": "p99 µs"}
PARTITIONS = 4
FLUSHES = "log.flush.interval.messages=1"
MODES = {"page cache": [], "durable": [FLUSHES]}


class Load:
    """The JVM that is the client."""

    def __init__(self, folder, cpus):
        path = run(KAFKA_SH, "classpath").strip()
        run("javac", "-Xlint:none", "-cp", path, "-d", folder, HERE / "Transactions.java")
        settings = f"-Dlog4j2.configurationFile={KAFKA_SH.parent}/log4j2.properties"
        command = ["taskset", "-c", cpus, "java", "-Xmx512m", settings, "-cp", f"{folder}:{path}"]
        self.process = subprocess.Popen(
            [*command, "Transactions"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=open(folder / "client.log", "w", encoding="utf-8"),
        )
        self.folder = folder

    def block(self, words):
        """One block; what it gave."""
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"transactions: the client has ended, see {self.folder}/client.log")
        return json.loads(answer)

    def stop(self):
        """Ends it."""
        self.process.stdin.close()
        self.process.wait()


def create(broker, topic):
    """Makes a topic."""
    tool = pathlib.Path(run(KAFKA_SH, "tools").strip()) / "kafka-topics.sh"
    run(tool, "--bootstrap-server", broker.bootstrap, "--create", "--topic", topic,
        "--partitions", PARTITIONS)


def measure(mode, folder, options):
    """All rows with Kafka in this mode."""
    place = folder / mode.replace(" ", "-")
    place.mkdir()
    KAFKA_SETTINGS.extend(MODES[mode])
    brokers = {side: versus.Broker(side, place, options.broker_cpus) for side in SIDES}
    for broker in brokers.values():
        broker.start()
        create(broker, "load")
    load = Load(place, options.load_cpus)
    rows = []
    try:
        for what, clients, records in ROWS:
            blocks = {side: [] for side in SIDES}
            for number in range(options.blocks):
                for side in SIDES if number % 2 == 0 else reversed(SIDES):
                    words = [what, brokers[side].bootstrap, "load", clients, records]
                    words += [options.warm_up * 1000, options.seconds * 1000]
                    blocks[side].append(load.block(words))
            name = NAMES[what].format(clients=clients, records=records)
            rows.append({"name": name, "blocks": blocks})
            print(mode, name, *(f"{text}: {both(rows[-1], key)}" for key, text in COLUMNS.items()),
                  sep=" | ", flush=True)
    finally:
        load.stop()
        for broker in brokers.values():
            broker.stop()
        for setting in MODES[mode]:
            KAFKA_SETTINGS.remove(setting)
    return rows


def text_of(folder, floors, options):
    """The section of the page."""
    found = {mode: measure(mode, folder, options) for mode in MODES}
    lines = [
        *head_of(floors, options, "the Java client"),
        "| Kafka | load | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for mode, rows in found.items():
        for row in rows:
            cells = " | ".join(both(row, key) for key in COLUMNS)
            lines.append(f"| {mode} | {row['name']} | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    program(__doc__, "versus transactions", text_of)
