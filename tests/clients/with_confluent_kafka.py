"""confluent-kafka, which is librdkafka."""

import json
import os
import time

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stories import BOOTSTRAP, OF_CONSUMERS, Got, tell
from transactions import TRANSACTIONS

FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


class Confluent:
    name = "confluent-kafka"
    version = f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})"
    sends_null_headers = True

    def nodes(self):
        admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
        return [node.id for node in admin.describe_cluster().result(30).nodes]

    def create(self, topic, partitions, **config):
        admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
        admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(30)

    def produce(self, topic, records, acks="all", codec="none", idempotent=True, max_bytes=1000000):
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": BOOTSTRAP,
                "acks": acks,
                "compression.type": codec,
                "enable.idempotence": idempotent,
                "message.max.bytes": max_bytes,
            }
        )
        offsets = [None] * len(records)

        def delivered(i):
            def report(error, message):
                offsets[i] = error or message.offset()

            return report

        for i, r in enumerate(records):
            producer.produce(
                topic,
                value=r.value,
                key=r.key,
                headers=list(r.headers),
                partition=r.partition,
                timestamp=r.timestamp or 0,
                on_delivery=delivered(i),
            )
        assert producer.flush(30) == 0
        errors = [offset for offset in offsets if isinstance(offset, KafkaError)]
        if errors:
            raise KafkaException(errors[0])
        return offsets

    def consume(self, topic, count, group=None, committed=False):
        consumer = self.consumer(group or topic, committed)
        consumer.subscribe([topic])
        got, deadline = [], time.monotonic() + 30
        while len(got) < count and time.monotonic() < deadline:
            got += [as_got(m) for m in consumer.consume(count - len(got), 1)]
        if group:
            consumer.commit(asynchronous=False)
        consumer.close()
        return got

    def ends(self, topic, partition):
        consumer = self.consumer(topic)
        ends = consumer.get_watermark_offsets(TopicPartition(topic, partition), 30)
        consumer.close()
        return ends

    def offset_for_time(self, topic, partition, ms):
        consumer = self.consumer(topic)
        found = consumer.offsets_for_times([TopicPartition(topic, partition, ms)], 30)[0]
        consumer.close()
        assert found.error is None, found.error
        return None if found.offset == confluent_kafka.OFFSET_END else found.offset

    def follow(self, topic, wait_ms, committed=False):
        return Follower(self, topic, wait_ms, committed)

    def reader(self, topic, group):
        return Reader(self.consumer(group, True), topic)

    def transactional(self, name, timeout_ms):
        return Transactional(name, timeout_ms)

    def is_fenced(self, error):
        return error.args[0].code() in FENCED

    def is_too_large(self, error):
        return error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE

    def member(self, group, topic, instance, say):
        by_consumers = os.environ.get("GROUP_PROTOCOL") == "consumer"
        settings = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
        if by_consumers:
            settings = {"group.protocol": "consumer"}
        if instance:
            settings["group.instance.id"] = instance
        consumer = self.consumer(group, **settings)

        def assigned(_, partitions):
            say("assigned", *(p.partition for p in partitions))

        if by_consumers:
            # It changes by parts: what is told is always all of it.
            consumer.subscribe([topic])
        else:
            consumer.subscribe([topic], on_assign=assigned)
        told = None
        while True:
            now = sorted(p.partition for p in consumer.assignment())
            if by_consumers and now != told:
                told = now
                say("assigned", *now)
            messages = [as_got(m) for m in consumer.consume(100, 0.1)]
            for m in messages:
                say("record", m.partition, m.offset, m.value.decode())
            if messages:
                consumer.commit(asynchronous=False)

    def consumer(self, group, committed=False, **settings):
        return confluent_kafka.Consumer(
            {
                "bootstrap.servers": BOOTSTRAP,
                "isolation.level": "read_committed" if committed else "read_uncommitted",
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **settings,
            }
        )


class Follower:
    def __init__(self, c, topic, wait_ms, committed):
        self.fetches_ms = []
        self.consumer = c.consumer(
            topic,
            committed,
            **{
                "fetch.wait.max.ms": wait_ms,
                "statistics.interval.ms": 500,
                "stats_cb": self.note,
            },
        )
        self.consumer.assign([TopicPartition(topic, 0, confluent_kafka.OFFSET_END)])

    def note(self, statistics):
        # Round trips in microseconds, over all requests; a fetch is the only one that waits.
        for broker in json.loads(statistics)["brokers"].values():
            self.fetches_ms.append(broker["rtt"]["max"] / 1000)

    def next(self, seconds):
        message = self.consumer.poll(seconds)
        return message and as_got(message)

    def longest_fetch_ms(self):
        return max(self.fetches_ms)

    def close(self):
        self.consumer.close()


class Reader:
    def __init__(self, consumer, topic):
        self.consumer = consumer
        consumer.subscribe([topic])

    def read(self, count):
        got, deadline = [], time.monotonic() + 30
        while len(got) < count and time.monotonic() < deadline:
            got += [as_got(m) for m in self.consumer.consume(count - len(got), 1)]
        return got

    def close(self):
        self.consumer.close()


class Transactional:
    def __init__(self, name, timeout_ms):
        settings = {"transactional.id": name, "transaction.timeout.ms": timeout_ms}
        self.producer = confluent_kafka.Producer({"bootstrap.servers": BOOTSTRAP, **settings})
        self.producer.init_transactions(30)
        self.begin = self.producer.begin_transaction
        self.abort = self.producer.abort_transaction
        self.commit = self.producer.commit_transaction

    def send(self, topic, records):
        errors = []

        def delivered(error, _):
            if error:
                errors.append(error)

        for r in records:
            self.producer.produce(topic, r.value, partition=r.partition, on_delivery=delivered)
        assert self.producer.flush(30) == 0
        if errors:
            raise KafkaException(errors[0])

    def send_offsets(self, reader):
        consumer = reader.consumer
        places = [p for p in consumer.position(consumer.assignment()) if p.offset >= 0]
        self.producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata())

    def close(self):
        del self.producer, self.begin, self.abort, self.commit


def as_got(m):
    if m.error():
        raise KafkaException(m.error())
    headers = tuple((name, value) for name, value in m.headers() or ())
    return Got(m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value(), headers)


if __name__ == "__main__":
    tell(Confluent(), [*TRANSACTIONS, *OF_CONSUMERS])
