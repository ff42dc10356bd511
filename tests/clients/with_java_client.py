"""The Java client: `JavaClient.java` does what is asked of it in lines of JSON."""

import base64
import json
import os
import subprocess

from stories import OF_CONSUMERS, SCRATCH, STORIES, Got, Record, fresh, play
from transactions import LAST, TRANSACTIONS, both, last, values

CLASS_PATH = os.environ["KAFKA_CLASSPATH"]
LOG = SCRATCH / "java-client.log"
READER_LOG = SCRATCH / "java-client-reader.log"


class Process:
    """A JVM that answers until its input ends, which is when this program does."""

    def __init__(self, command, log):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)

    def ask(self, what, **more):
        print(json.dumps({"do": what, **more}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["ok"]


class Java:
    name = "java-client"
    sends_null_headers = True

    def __init__(self):
        here = os.path.dirname(os.path.abspath(__file__))
        classes = str(SCRATCH / "classes")
        path = f"{classes}:{CLASS_PATH}"
        source = os.path.join(here, "JavaClient.java")
        subprocess.run(["javac", "-cp", path, "-d", classes, source], check=True)
        settings = f"-Dlog4j2.configurationFile={here}/../kafka/log4j2.properties"
        java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", settings]
        command = [*java, "-cp", path, "JavaClient"]
        self.member_command = [*command, "member"]
        self.ask = Process(command, open(LOG, "wb")).ask
        # A reader that waits in a poll must not keep a producer waiting.
        self.ask_reader = Process(command, open(READER_LOG, "wb")).ask
        self.version = next(
            jar.removeprefix("kafka-clients-").removesuffix(".jar")
            for jar in map(os.path.basename, CLASS_PATH.split(":"))
            if jar.startswith("kafka-clients-")
        )

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

    def is_too_large(self, error):
        return "RecordTooLargeException" in str(error) and "server" in str(error)

    def reader(self, topic, group):
        return Reader(self.ask, topic, group)

    def transactional(self, name, timeout_ms):
        return Transactional(self.ask, name, timeout_ms)

    def is_fenced(self, error):
        return any(name in str(error) for name in ("ProducerFenced", "InvalidProducerEpoch"))


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


def counts_epochs(c):
    """each transaction has an epoch of its own (transaction.version 2)"""
    topic = fresh(c, "epochs", 2)
    producer = c.transactional(topic, 30_000)
    assert c.ask("epoch", name=topic) == 0
    for epoch in (1, 2, 3):
        producer.begin()
        producer.send(topic, both("record", 1))
        producer.abort() if epoch == 2 else producer.commit()
        assert c.ask("epoch", name=topic) == epoch
    producer.close()


def leaves_no_time_between(c):
    """500 transactions with no time between them"""
    topic = fresh(c, "no-time", 2)
    producer = c.transactional(topic, 30_000)
    c.ask("row", producer=producer.number, topic=topic, count=500)
    producer.close()
    c.produce(topic, last(2))
    lane = [b"%d" % i for i in range(500)] + [LAST]
    assert values(c, topic, 1002, committed=True) == [lane, lane]


def fetches_in_sessions(c):
    """fetch sessions"""
    topic = fresh(c, "session", 3)
    c.produce(topic, [Record(b"%d" % i, partition=i % 3) for i in range(30)])
    read = READER_LOG.stat().st_size
    reader = c.follow(topic, 100)
    assert reader.next(1) is None
    c.produce(topic, [Record(b"new")])
    assert reader.next(5).value == b"new"
    reader.close()
    log = READER_LOG.read_text()[read:]
    assert "created a new incremental fetch session" in log, log
    assert log.count("sent an incremental fetch response with") > 5, log


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


play(
    Java(),
    [
        *STORIES,
        *OF_CONSUMERS,
        fetches_in_sessions,
        *TRANSACTIONS,
        counts_epochs,
        leaves_no_time_between,
    ],
)
