"""Compaction: the same records to the broker and to an Apache Kafka of its own; what each of them
leaves must be the same. Called twice: `fill` while the broker runs, `again` when it was started
anew."""

import atexit
import collections
import functools
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import time

import confluent_kafka
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType

from stories import BOOTSTRAP, RUN, play, until

HERE = os.path.dirname(os.path.abspath(__file__))
KAFKA_SH = os.path.join(HERE, "..", "kafka", "kafka.sh")
SCRATCH = os.environ["SCRATCH"]
GROUP = f"compaction-group-{RUN}"
TOMBSTONES_MS = 4000

Broker = collections.namedtuple("Broker", "bootstrap data")
HERE_BROKER = Broker(BOOTSTRAP, os.environ["DATA_DIR"])


class Compaction:
    name = "compaction"
    version = f"{os.environ['KAFKA_VERSION']} beside it"

    def __init__(self):
        self.brokers = [HERE_BROKER]


def start_kafka(c):
    """an Apache Kafka to compare with"""
    data = os.path.join(SCRATCH, "kafka-beside")
    shutil.rmtree(data, ignore_errors=True)
    port = random.randrange(8000, 14000) * 2 + 1
    atexit.register(subprocess.run, [KAFKA_SH, "stop", data], stdout=subprocess.DEVNULL)
    settings = ["log.cleaner.backoff.ms=300"]
    subprocess.run([KAFKA_SH, "start", str(port), data, *settings], check=True)
    c.brokers.append(Broker(f"127.0.0.1:{port}", data))


@functools.cache
def admin(broker):
    """One for each broker: it must outlive what it was asked."""
    return AdminClient({"bootstrap.servers": broker.bootstrap})


def alter(broker, kind, name, **settings):
    entries = [
        ConfigEntry(key, str(value), incremental_operation=AlterConfigOpType.SET)
        for key, value in settings.items()
    ]
    resource = ConfigResource(kind, name, incremental_configs=entries)
    admin(broker).incremental_alter_configs([resource])[resource].result(30)


def set_policy(broker, topic, policy):
    alter(broker, ResourceType.TOPIC, topic, **{"cleanup.policy": policy})


def some_records(seed, batches):
    """Batches of keys and values; every tenth record deletes."""
    dice = random.Random(seed)
    for _ in range(batches):
        batch = []
        for _ in range(25):
            key = f"key {min(dice.randrange(90), dice.randrange(90))}".encode()
            value = dice.randbytes(dice.randrange(200, 3000))
            batch.append((key, None if dice.randrange(10) == 0 else value))
        yield batch


def produce(broker, topic, batches, codec, began):
    """Each batch is one batch on the wire, so that segments end alike everywhere."""

    def fail(error, _):
        assert error is None, error

    producers = [
        Producer(
            {
                "bootstrap.servers": broker.bootstrap,
                "enable.idempotence": True,
                "compression.type": codec,
                "linger.ms": 60000,
                "batch.num.messages": 25,
            }
        )
        for _ in range(3)
    ]
    for number, batch in enumerate(batches):
        # The first one falls silent early: its last batch is superseded as a whole.
        producer = producers[0 if number < 3 else 1 + number % 2]
        for key, value in batch:
            began += 1
            producer.produce(topic, value, key, 0, on_delivery=fail, timestamp=began)
        assert producer.flush(60) == 0
    return began


def read(broker, topic):
    """Everything that a consumer sees: offset, key, value, timestamp."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "reads",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), 30)
    consumer.assign([TopicPartition(topic, 0, low)])
    seen = []
    deadline = time.monotonic() + 60
    while consumer.position([TopicPartition(topic, 0)])[0].offset < high:
        assert time.monotonic() < deadline, f"stuck behind {len(seen)} records"
        for message in consumer.consume(500, 0.5):
            assert message.error() is None, message.error()
            fields = (message.offset(), message.key(), message.value(), message.timestamp())
            seen.append(fields)
    consumer.close()
    return low, high, seen


def checkpoint(broker, topic, partition=0):
    """What the broker noted of how far the partition is clean; the file has Kafka's form."""
    for path in glob.glob(f"{broker.data}/**/cleaner-offset-checkpoint", recursive=True):
        with open(path) as file:
            text = file.read()
        if not text:
            # Kafka's, before it is written for the first time.
            continue
        version, count, *lines = text.splitlines()
        assert (version, int(count)) == ("0", len(lines)), path
        for line in lines:
            name, index, offset = line.split(" ")
            if (name, int(index)) == (topic, partition):
                return int(offset)
    return 0


def dump(broker, topic, low):
    """What kafka-dump-log says of each batch that has records left, from an offset on."""
    files = sorted(glob.glob(f"{broker.data}/**/{topic}-0/*.log", recursive=True))
    # Behind the batches of the newest there is blank space while the broker runs.
    files = files[:-1]
    tool = os.path.join(os.environ["KAFKA_TOOLS"], "kafka-dump-log.sh")
    said = subprocess.run([tool, "--files", ",".join(files)], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    batches = []
    for line in said.stdout.splitlines():
        if not line.startswith("baseOffset:"):
            continue
        fields = dict(re.findall(r"(\w+): (\S+)", line))
        assert fields["isvalid"] == "true", line
        if fields["count"] == "0" or int(fields["lastOffset"]) < low:
            continue
        waits = fields.get("deleteHorizonMs", "none").startswith("OptionalLong[")
        names = "baseOffset lastOffset count baseSequence lastSequence producerEpoch"
        names += " isTransactional isControl CreateTime magic compresscodec"
        batches.append([fields[name] for name in names.split()] + [waits])
    return batches


def is_clean(c, topic, before):
    """Whether all brokers have come equally far, and further than before."""
    offsets = [checkpoint(broker, topic) for broker in c.brokers]
    return min(offsets) > before and len(set(offsets)) == 1


def compacts_alike(codec, policy):
    def story(c):
        topic = f"compaction-{codec}-{len(policy)}-{RUN}"
        began = int(time.time() * 1000) - 600_000
        for broker in c.brokers:
            settings = {
                "cleanup.policy": "delete",
                "segment.bytes": 1048576,
                "min.cleanable.dirty.ratio": 0.01,
                "delete.retention.ms": TOMBSTONES_MS,
            }
            created = admin(broker).create_topics([NewTopic(topic, 1, 1, config=settings)])
            created[topic].result(30)
            end = produce(broker, topic, some_records(1, 80), codec, began)
            if "delete" in policy:
                cut = TopicPartition(topic, 0, 700)
                admin(broker).delete_records([cut])[cut].result(30)
        everything = read(c.brokers[0], topic)
        assert read(c.brokers[-1], topic) == everything
        for broker in c.brokers:
            set_policy(broker, topic, policy)
        until(lambda: is_clean(c, topic, 0), f"compacted: {topic}")
        left = same_everywhere(c, topic, everything)
        assert any(value is None for _, _, value, _ in left), "tombstones wait"

        # Tombstones that have waited go with the next compaction.
        for broker in c.brokers:
            set_policy(broker, topic, "delete")
            produce(broker, topic, some_records(2, 40), codec, end)
        time.sleep(TOMBSTONES_MS / 1000 + 1)
        before = checkpoint(HERE_BROKER, topic)
        for broker in c.brokers:
            set_policy(broker, topic, policy)
        until(lambda: is_clean(c, topic, before), f"compacted again: {topic}")
        left = same_everywhere(c, topic, read(c.brokers[0], topic))
        old = [key for offset, key, value, _ in left if value is None and offset < before]
        assert not old, f"tombstones that should have gone: {old}"

    story.__doc__ = f"{codec} batches, cleanup.policy={policy}: what is left is what Kafka leaves"
    return story


def same_everywhere(c, topic, everything):
    ours, theirs = (read(broker, topic) for broker in (c.brokers[0], c.brokers[-1]))
    assert ours[:2] == theirs[:2] == everything[:2], (ours[:2], theirs[:2])
    for ours_one, theirs_one in zip(ours[2], theirs[2]):
        assert ours_one == theirs_one, (ours_one, theirs_one)
    assert len(ours[2]) == len(theirs[2])
    assert len(ours[2]) <= len(everything[2])
    low = everything[0]
    ours, theirs = (dump(broker, topic, low) for broker in (c.brokers[0], c.brokers[-1]))
    assert ours == theirs, [pair for pair in zip(ours, theirs) if pair[0] != pair[1]][:3]
    last = {key: offset for offset, key, _, _ in everything[2]}
    left = read(HERE_BROKER, topic)[2]
    clean = checkpoint(HERE_BROKER, topic)
    doubles = [key for offset, key, _, _ in left if offset < min(clean, last[key])]
    assert all(last[key] >= clean for key in doubles), "older ones than the newest cleaned one"
    return left


def compacts_the_groups(c):
    """the log of the groups is compacted, and offsets are as they were"""
    for node in range(1, int(os.environ["NODES"]) + 1):
        alter(HERE_BROKER, ResourceType.BROKER, str(node), **{"log.cleaner.backoff.ms": 200})
    topic = f"compaction-groups-{RUN}"
    admin(HERE_BROKER).create_topics([NewTopic(topic, 4, 1)])[topic].result(30)
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": GROUP})
    commit(consumer, topic, 1)
    small = {"segment.bytes": 1048576, "min.cleanable.dirty.ratio": 0.01}
    alter(HERE_BROKER, ResourceType.TOPIC, "__consumer_offsets", **small)
    partition = partition_of(GROUP)
    number = 2
    deadline = time.monotonic() + 90
    while checkpoint(HERE_BROKER, "__consumer_offsets", partition) == 0:
        assert time.monotonic() < deadline, "never compacted"
        commit(consumer, topic, number)
        number += 1
    consumer.close()
    with open(os.path.join(SCRATCH, "committed"), "w") as file:
        file.write(str(number - 1))
    finds_the_offsets(c)


def commit(consumer, topic, number):
    note = "x" * 4000
    offsets = [TopicPartition(topic, index, number * 10 + index, note) for index in range(4)]
    consumer.commit(offsets=offsets, asynchronous=False)


def partition_of(group):
    code = 0
    for letter in group:
        code = (code * 31 + ord(letter)) & 0xFFFFFFFF
    code = code - (1 << 32) if code >= 1 << 31 else code
    return abs(code) % 50


def finds_the_offsets(c):
    """the newest committed offsets are found in a compacted log"""
    with open(os.path.join(SCRATCH, "committed")) as file:
        number = int(file.read())
    topic = f"compaction-groups-{RUN}"
    asked = [ConsumerGroupTopicPartitions(GROUP, None)]
    found = admin(HERE_BROKER).list_consumer_group_offsets(asked)[GROUP].result(30)
    offsets = {it.partition: it.offset for it in found.topic_partitions if it.topic == topic}
    assert offsets == {index: number * 10 + index for index in range(4)}, (number, offsets)


def still_compacted(c):
    """after a restart the compacted topics hold what they held"""
    for codec, policy in KINDS:
        topic = f"compaction-{codec}-{len(policy)}-{RUN}"
        low, high, seen = read(HERE_BROKER, topic)
        assert high == 3000 and 0 < len(seen) < 2500, (low, high, len(seen))


KINDS = [("none", "compact"), ("zstd", "compact"), ("lz4", "compact,delete")]
STORIES = {
    "fill": [compacts_the_groups, start_kafka, *(compacts_alike(*kind) for kind in KINDS)],
    "again": [finds_the_offsets, still_compacted],
}

if __name__ == "__main__":
    assert confluent_kafka.libversion()
    play(Compaction(), STORIES[sys.argv[1]])
