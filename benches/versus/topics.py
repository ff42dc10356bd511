#!/usr/bin/env python3
"""How long topics take to be created and deleted, Corelane beside Apache Kafka.

    benches/versus/topics.py

One broker after the other, each on a fresh folder of the same disk; the topics have no records.
Both are asked by confluent-kafka's admin client (tests/clients/requirements.txt names the release),
so run it with a Python that has it. Wants what versus.py wants; builds nothing.
"""
import pathlib
import shutil
import tempfile
import time

from confluent_kafka.admin import AdminClient, NewTopic
from common import TARGET
from versus import Broker

ROUNDS = [(1, 500), (1, 4000), (500, 1), (4000, 1)]
# Seconds that a request may take, and that a side rests between two.
PATIENCE, REST = 180, 2


def seconds(ask, what):
    """How long all of it takes."""
    begun = time.monotonic()
    for future in ask(what, request_timeout=PATIENCE, operation_timeout=PATIENCE).values():
        future.result(PATIENCE)
    return time.monotonic() - begun


def main():
    """Measures both sides and prints the table."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="topics-", dir=TARGET))
    taken = {}
    try:
        for side in ("corelane", "kafka"):
            broker = Broker(side, folder, "0-1")
            broker.start()
            try:
                admin = AdminClient({"bootstrap.servers": broker.bootstrap})
                for topics, partitions in ROUNDS:
                    names = [f"t-{topics}-{partitions}-{number}" for number in range(topics)]
                    new = [NewTopic(name, partitions, replication_factor=1) for name in names]
                    for what, ask, asked in (
                        ("create", admin.create_topics, new),
                        ("delete", admin.delete_topics, names),
                    ):
                        taken[side, what, topics, partitions] = seconds(ask, asked)
                        time.sleep(REST)
            finally:
                broker.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    columns = [(side, what) for what in ("create", "delete") for side in ("corelane", "kafka")]
    print("| topics x partitions | " + " | ".join(f"{what}, {side.capitalize()}" for side, what in columns) + " |")
    print("|---" * 5 + "|")
    for topics, partitions in ROUNDS:
        cells = [f"{taken[side, what, topics, partitions]:.2f} s" for side, what in columns]
        print(f"| {topics:,} x {partitions:,} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
