"""A client that is a process of its own: it does what it is asked in lines of JSON, one request a
line in, one answer a line out. What it needs beside `Process` stands in the client's own file."""

import base64
import json
import subprocess

from stories import Got


class Process:
    """A process that answers until its input ends, which is when this program does."""

    def __init__(self, command, log):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)

    def ask(self, what, **more):
        print(json.dumps({"do": what, **more}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["ok"]


class Spoken:
    """An adapter, as stories.py and transactions.py want it: `ask` and `ask_reader` are those of two
    processes, so that a reader that waits in a poll keeps no producer waiting."""

    def nodes(self):
        return self.ask("nodes")

    def create(self, topic, partitions):
        self.ask("create", topic=topic, partitions=partitions)

    def produce(self, topic, records, acks="all", codec="none", idempotent=True, max_bytes=1048576):
        settings = {
            "acks": acks,
            "compression.type": codec,
            "enable.idempotence": idempotent,
            "max.request.size": max_bytes,
        }
        return self.ask("produce", topic=topic, records=as_json(records), settings=settings)

    def consume(self, topic, count, group=None, committed=False):
        asked = {"topic": topic, "count": count, "group": group, "committed": committed}
        return [as_got(r) for r in self.ask("consume", **asked)]

    def ends(self, topic, partition):
        return tuple(self.ask("ends", topic=topic, partition=partition))

    def offset_for_time(self, topic, partition, ms):
        return self.ask("time", topic=topic, partition=partition, ms=ms)

    def follow(self, topic, wait_ms, committed=False):
        asked = {"topic": topic, "partition": 0, "wait_ms": wait_ms, "committed": committed}
        self.ask_reader("follow", **asked)
        return self

    def next(self, seconds):
        record = self.ask_reader("next", ms=int(seconds * 1000))
        return record and as_got(record)

    def longest_fetch_ms(self):
        return self.ask_reader("longest")

    def close(self):
        self.ask_reader("close")

    def reader(self, topic, group):
        return Reader(self.ask, topic, group)

    def transactional(self, name, timeout_ms):
        return Transactional(self.ask, name, timeout_ms)


class Reader:
    def __init__(self, ask, topic, group):
        self.ask = ask
        ask("reader", topic=topic, group=group)

    def read(self, count):
        return [as_got(r) for r in self.ask("read", count=count)]

    def close(self):
        self.ask("close_reader")


class Transactional:
    def __init__(self, ask, name, timeout_ms):
        self.ask = ask
        self.number = ask("transactional", name=name, timeout_ms=timeout_ms)

    def step(self, step):
        self.ask("transact", producer=self.number, step=step)

    def begin(self):
        self.step("begin")

    def commit(self):
        self.step("commit")

    def abort(self):
        self.step("abort")

    def close(self):
        self.step("close")

    def send(self, topic, records):
        self.ask("send", producer=self.number, topic=topic, records=as_json(records))

    def send_offsets(self, _):
        # The only reader that the JVM has.
        self.step("offsets")


def as_json(records):
    return [
        {
            **r._asdict(),
            "key": as_text(r.key),
            "value": as_text(r.value),
            "headers": [[name, as_text(value)] for name, value in r.headers],
        }
        for r in records
    ]


def as_text(value):
    return None if value is None else base64.b64encode(value).decode()


def as_bytes(text):
    return None if text is None else base64.b64decode(text)


def as_got(r):
    headers = tuple((name, as_bytes(value)) for name, value in r.pop("headers"))
    key, value = as_bytes(r.pop("key")), as_bytes(r.pop("value"))
    return Got(**r, key=key, value=value, headers=headers)
