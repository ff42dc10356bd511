"""The Java client: `JavaClient.java` does what is asked of it in lines of JSON."""

import os
import subprocess

from spoken import Process, Spoken
from stories import OF_CONSUMERS, SCRATCH, STORIES, Record, fresh, play
from transactions import LAST, TRANSACTIONS, both, last, values

CLASS_PATH = os.environ["KAFKA_CLASSPATH"]
LOG = SCRATCH / "java-client.log"
READER_LOG = SCRATCH / "java-client-reader.log"


class Java(Spoken):
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
        self.ask_reader = Process(command, open(READER_LOG, "wb")).ask
        self.version = next(
            jar.removeprefix("kafka-clients-").removesuffix(".jar")
            for jar in map(os.path.basename, CLASS_PATH.split(":"))
            if jar.startswith("kafka-clients-")
        )

    def is_too_large(self, error):
        return "RecordTooLargeException" in str(error) and "server" in str(error)

    def is_fenced(self, error):
        return any(name in str(error) for name in ("ProducerFenced", "InvalidProducerEpoch"))


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
