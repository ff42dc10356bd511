#!/usr/bin/env python3
"""What the takeover of a Kafka folder is tested with: fills a broker, and says what it serves.

    adopt.py fill BOOTSTRAP            topics of every kind, transactions, committed offsets
    adopt.py more BOOTSTRAP            a few records more
    adopt.py serves BOOTSTRAP          all that a consumer sees, a line each, to compare
    adopt.py goes-on BOOTSTRAP         the group goes on where it was, up to the end
    adopt.py young BOOTSTRAP           a young broker's few records, and a transaction left open
    adopt.py young-ended BOOTSTRAP     that transaction counts as aborted, and no more is missing
"""
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import (
    Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, Producer,
    TopicCollection, TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient, NewTopic, OffsetSpec, ScramCredentialInfo, ScramMechanism,
    UserScramCredentialDeletion, UserScramCredentialUpsertion,
)

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
SMALL = {"segment.bytes": "1048576"}
# Some text that compresses to about a half, so that segments fill.
FILLER = "".join(chr(33 + (i * i * 31 + i * 7) % 90) for i in range(900))


def produce(bootstrap, topic, records, **settings):
    """Sends (partition, key, value, headers) tuples and waits for their acks."""
    failed = []
    producer = Producer({
        "bootstrap.servers": bootstrap, "linger.ms": 5, "batch.num.messages": 50,
        "enable.idempotence": True, **settings,
    })
    for partition, key, value, headers in records:
        producer.produce(topic, value, key, partition, headers=headers,
                         on_delivery=lambda error, _: error and failed.append(error))
        if len(producer) > 5000:
            producer.flush()
    producer.flush()
    assert not failed, failed[:3]


def plain(count, partitions, name):
    for i in range(count):
        yield i % partitions, f"key {i % 100}", f"{name} {i} {FILLER[i % 300:]}", [("n", str(i))]


def fill(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics = [NewTopic(codec, 2, 1, config=SMALL) for codec in CODECS]
    topics += [
        NewTopic("transactions", 2, 1, config=SMALL),
        NewTopic("compacted", 1, 1, config=SMALL | {
            "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01",
        }),
        NewTopic("append.time", 1, 1, config={"message.timestamp.type": "LogAppendTime"}),
        NewTopic("cut", 2, 1, config=SMALL),
        NewTopic("no-records", 3, 1, config={"retention.ms": "-1", "max.message.bytes": "2000000"}),
        NewTopic("doomed", 2, 1),
    ]
    for future in admin.create_topics(topics).values():
        future.result()
    for codec in CODECS:
        produce(bootstrap, codec, plain(6000, 2, codec), **{"compression.type": codec})
    produce(bootstrap, "append.time", plain(500, 1, "at"))
    produce(bootstrap, "cut", plain(5000, 2, "cut"))
    produce(bootstrap, "doomed", plain(10, 2, "doomed"))
    keyed = ((0, f"k{i % 40}", f"v{i} {FILLER}", None) for i in range(6000))
    produce(bootstrap, "compacted", keyed)
    produce(bootstrap, "compacted", [(0, f"k{i}", None, None) for i in range(5)])
    transactions(bootstrap)
    for topic, upto in [("none", 700), ("zstd", 1500)]:
        commit(bootstrap, "readers", topic, upto)
    admin.delete_records([TopicPartition("cut", 0, 1234)])[TopicPartition("cut", 0)].result()
    admin.delete_topics(["doomed"])["doomed"].result()


def transactions(bootstrap):
    """Two producers take turns; every third transaction is aborted."""
    producers = []
    for name in ["one", "two"]:
        producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": name})
        producer.init_transactions(30)
        producers.append(producer)
    for number in range(60):
        for producer, name in zip(producers, ["one", "two"]):
            producer.begin_transaction()
            for i in range(40):
                value = f"{name} {number} {i} {FILLER}"
                producer.produce("transactions", value, f"{name} {number}", partition=i % 2)
        for at, producer in enumerate(producers):
            if (number + at) % 3 == 0:
                producer.flush()
                producer.abort_transaction(30)
            else:
                producer.commit_transaction(30)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "exactly-once"})
    producer = producers[0]
    for number, offset in enumerate([100, 200, 300]):
        producer.begin_transaction()
        producer.produce("transactions", f"offsets {offset}", partition=0)
        producer.send_offsets_to_transaction(
            [TopicPartition("none", 0, offset)], consumer.consumer_group_metadata(), 30)
        # The last one does not count.
        producer.commit_transaction(30) if number < 2 else producer.abort_transaction(30)
    consumer.close()


def commit(bootstrap, group, topic, upto):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    consumer.subscribe([topic])
    seen, patience = 0, time.monotonic() + 60
    while seen < upto:
        assert time.monotonic() < patience, f"{topic}: {seen} of {upto}"
        seen += len(consumer.consume(upto - seen, 1))
    consumer.commit(asynchronous=False)
    consumer.close()


def committed(bootstrap, group):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    request = [ConsumerGroupTopicPartitions(group)]
    found = admin.list_consumer_group_offsets(request)[group].result()
    return sorted((it.topic, it.partition, it.offset) for it in found.topic_partitions)


def serves(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics = admin.list_topics(timeout=10).topics
    described = admin.describe_topics(TopicCollection(sorted(topics)))
    wanted = []
    for name in sorted(topics):
        topic = described[name].result()
        print("topic", name, topic.topic_id, len(topic.partitions))
        if name.startswith("__"):
            continue
        for partition in range(len(topic.partitions)):
            at(admin, name, partition)
            for isolation in ["read_uncommitted", "read_committed"]:
                wanted.append((bootstrap, name, partition, isolation))
    # Most of it is waiting for the end of each.
    with ThreadPoolExecutor(8) as threads:
        for lines in threads.map(lambda one: read(*one), wanted):
            print("\n".join(lines))
    for group in ["readers", "exactly-once"]:
        print("group", group, committed(bootstrap, group))


def at(admin, name, partition):
    """Where the log begins and ends, and what is where in between."""
    where = TopicPartition(name, partition)
    specs = {"earliest": OffsetSpec.earliest(), "latest": OffsetSpec.latest(),
             "max-timestamp": OffsetSpec.max_timestamp()}
    for what, spec in specs.items():
        for isolation in [IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED]:
            found = admin.list_offsets({where: spec}, isolation_level=isolation)[where].result()
            # A new leader has a new term: only where the log begins it is still an old one.
            term = found.leader_epoch if what == "earliest" and name != "no-records" else ""
            print("at", name, partition, what, found.offset, found.timestamp, term)


def read(bootstrap, name, partition, isolation):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False,
        "auto.offset.reset": "error", "isolation.level": isolation, "enable.partition.eof": True,
        "check.crcs": True, "fetch.wait.max.ms": 10, "fetch.max.bytes": 2000000, "max.partition.fetch.bytes": 200000,
    })
    first, _ = consumer.get_watermark_offsets(TopicPartition(name, partition), 10)
    consumer.assign([TopicPartition(name, partition, first)])
    lines, times, ended, patience = [], [], False, time.monotonic() + 60
    while not ended:
        assert time.monotonic() < patience, f"{name}-{partition} does not end"
        # It waits until it has so many, or for so long.
        for message in consumer.consume(1000, 0.05):
            if message.error():
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                ended = True
                continue
            times.append(message.timestamp()[1])
            lines.append(f"{isolation} {name} {partition} {message.offset()} "
                         f"{message.timestamp()} {message.leader_epoch()} {message.key()} "
                         f"{hash_of(message.value())} {message.headers()}")
    for stamp in sorted(set(times))[::97]:
        found = consumer.offsets_for_times([TopicPartition(name, partition, stamp)], 10)
        lines.append(f"time {name} {partition} {stamp} {found[0].offset}")
    consumer.close()
    return lines


def hash_of(value):
    return value and (len(value), zlib.crc32(value))


def goes_on(bootstrap):
    for topic, had in [("none", 600), ("zstd", 1500)]:
        consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": "readers",
            # For the partition that it has not come to.
            "auto.offset.reset": "earliest",
        })
        consumer.subscribe([topic])
        seen, patience = [], time.monotonic() + 30
        while len(seen) < 6000 - had:
            assert time.monotonic() < patience, f"{topic}: {len(seen)} of {6000 - had}"
            for message in consumer.consume(1000, 0.2):
                assert not message.error(), message.error()
                seen.append((message.partition(), message.offset()))
        assert len(set(seen)) == len(seen) == 6000 - had, len(seen)
        consumer.close()


def more(bootstrap):
    for topic in ["none", "cut", "compacted", "transactions", "append.time"]:
        produce(bootstrap, topic, plain(100, 1, "more"))


def young(bootstrap):
    """Two partitions; in one of them, and for a group, a transaction is left open. Two users
    once had a password, one of them still has.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap})
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    for change in [
        UserScramCredentialUpsertion("gone", how, b"secret"),
        UserScramCredentialDeletion("gone", ScramMechanism.SCRAM_SHA_256),
        UserScramCredentialUpsertion("alice", how, b"secret"),
    ]:
        for future in admin.alter_user_scram_credentials([change]).values():
            future.result()
    admin.create_topics([NewTopic("young", 2, 1)])["young"].result()
    produce(bootstrap, "young", plain(10, 2, "before"))
    commit(bootstrap, "young-readers", "young", 10)
    for name in ["ended", "open"]:
        producer = Producer({
            "bootstrap.servers": bootstrap, "transactional.id": name,
            "transaction.timeout.ms": 600000,
        })
        producer.init_transactions(30)
        producer.begin_transaction()
        for i in range(3):
            producer.produce("young", f"{name} {i}", name, partition=0)
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{name}-readers"})
        producer.send_offsets_to_transaction(
            [TopicPartition("young", 0, 4)], consumer.consumer_group_metadata(), 30)
        producer.flush()
        if name == "ended":
            producer.commit_transaction(30)
        consumer.close()
    produce(bootstrap, "young", plain(10, 2, "behind"))
    # Readers of committed records come to where the open transaction begins.
    assert young_keys(bootstrap, "read_uncommitted") == ALL
    assert young_keys(bootstrap, "read_committed") == KEYS[:5] + ["ended"] * 3


# Keys of every other plain record, before the transactions and behind them.
KEYS = [f"key {i}" for i in range(0, 10, 2)] * 2
ALL = KEYS[:5] + ["ended"] * 3 + ["open"] * 3 + KEYS[5:]


def young_keys(bootstrap, isolation):
    lines = read(bootstrap, "young", 0, isolation)
    keys = [line.split("b'")[1].split("'")[0] for line in lines if line.startswith(isolation)]
    return keys


def young_ended(bootstrap):
    assert young_keys(bootstrap, "read_uncommitted") == ALL
    assert young_keys(bootstrap, "read_committed") == KEYS[:5] + ["ended"] * 3 + KEYS[5:]
    assert len(read(bootstrap, "young", 1, "read_committed")) >= 10
    assert committed(bootstrap, "young-readers") == [("young", 0, 5), ("young", 1, 5)]
    assert committed(bootstrap, "ended-readers") == [("young", 0, 4)]
    assert committed(bootstrap, "open-readers") == []
    produce(bootstrap, "young", [(1, "more", "more", None)])


def young_kept(bootstrap):
    assert young_keys(bootstrap, "read_committed") == KEYS[:5] + ["ended"] * 3
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "open"})
    producer.init_transactions(30)
    deadline = time.monotonic() + 30
    while len(young_keys(bootstrap, "read_committed")) < len(ALL) - 3:
        assert time.monotonic() < deadline


if __name__ == "__main__":
    command, bootstrap = sys.argv[1:]
    commands = {
        "fill": fill, "serves": serves, "more": more, "goes-on": goes_on, "young": young,
        "young-ended": young_ended, "young-kept": young_kept,
    }
    commands[command](bootstrap)
