"""kafka-python, the client of most tutorials."""

import time

import kafka
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import InvalidProducerEpochError, MessageSizeTooLargeError, ProducerFencedError

from stories import BOOTSTRAP, Got, tell
from transactions import TRANSACTIONS

ISOLATION = {False: "read_uncommitted", True: "read_committed"}


class KafkaPython:
    name = "kafka-python"
    version = kafka.__version__
    sends_null_headers = False

    def nodes(self):
        admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
        cluster = admin.describe_cluster()
        admin.close()
        return cluster["brokers"]

    def create(self, topic, partitions, **config):
        admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
        admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])
        admin.close()

    def produce(self, topic, records, acks="all", codec="none", idempotent=True, max_bytes=1048576):
        producer = kafka.KafkaProducer(
            bootstrap_servers=BOOTSTRAP,
            acks=acks,
            compression_type=None if codec == "none" else codec,
            enable_idempotence=idempotent,
            max_request_size=max_bytes,
        )
        try:
            sent = [
                producer.send(
                    topic,
                    value=r.value,
                    key=r.key,
                    headers=list(r.headers),
                    partition=r.partition,
                    timestamp_ms=r.timestamp,
                )
                for r in records
            ]
            return [future.get(timeout=30).offset for future in sent]
        finally:
            producer.close()

    def consume(self, topic, count, group=None, committed=False):
        consumer = kafka.KafkaConsumer(
            topic,
            bootstrap_servers=BOOTSTRAP,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=30_000,
            isolation_level=ISOLATION[committed],
        )
        got = []
        for message in consumer:
            got.append(as_got(message))
            if len(got) == count:
                break
        if group:
            consumer.commit()
        consumer.close()
        return got

    def ends(self, topic, partition):
        consumer = kafka.KafkaConsumer(bootstrap_servers=BOOTSTRAP)
        place = kafka.TopicPartition(topic, partition)
        first, end = consumer.beginning_offsets([place]), consumer.end_offsets([place])
        consumer.close()
        return first[place], end[place]

    def offset_for_time(self, topic, partition, ms):
        consumer = kafka.KafkaConsumer(bootstrap_servers=BOOTSTRAP)
        place = kafka.TopicPartition(topic, partition)
        found = consumer.offsets_for_times({place: ms})[place]
        consumer.close()
        return found and found.offset

    def follow(self, topic, wait_ms, committed=False):
        return Follower(topic, wait_ms, committed)

    def reader(self, topic, group):
        return Reader(topic, group)

    def transactional(self, name, timeout_ms):
        return Transactional(name, timeout_ms)

    def is_fenced(self, error):
        return isinstance(error, (ProducerFencedError, InvalidProducerEpochError))

    def is_too_large(self, error):
        return isinstance(error, MessageSizeTooLargeError)

    def member(self, group, topic, instance, say):
        consumer = kafka.KafkaConsumer(
            bootstrap_servers=BOOTSTRAP,
            group_id=group,
            group_instance_id=instance,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=6000,
            heartbeat_interval_ms=500,
        )

        class Listener(kafka.ConsumerRebalanceListener):
            def on_partitions_revoked(self, revoked):
                pass

            def on_partitions_assigned(self, assigned):
                say("assigned", *(p.partition for p in assigned))

        consumer.subscribe([topic], listener=Listener())
        while True:
            batches = consumer.poll(timeout_ms=200)
            for message in (m for batch in batches.values() for m in batch):
                say("record", message.partition, message.offset, message.value.decode())
            if batches:
                consumer.commit()


class Follower:
    def __init__(self, topic, wait_ms, committed):
        self.consumer = kafka.KafkaConsumer(
            bootstrap_servers=BOOTSTRAP,
            fetch_max_wait_ms=wait_ms,
            isolation_level=ISOLATION[committed],
        )
        self.consumer.assign([kafka.TopicPartition(topic, 0)])
        self.consumer.seek_to_end()

    def next(self, seconds):
        batches = self.consumer.poll(timeout_ms=int(seconds * 1000))
        return as_got(next(iter(batches.values()))[0]) if batches else None

    def longest_fetch_ms(self):
        metrics = self.consumer.metrics()["consumer-fetch-manager-metrics"]
        return metrics["fetch-latency-max"]

    def close(self):
        self.consumer.close()


class Reader:
    def __init__(self, topic, group):
        self.consumer = kafka.KafkaConsumer(
            topic,
            bootstrap_servers=BOOTSTRAP,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
        )

    def read(self, count):
        got, deadline = [], time.monotonic() + 30
        while len(got) < count and time.monotonic() < deadline:
            batches = self.consumer.poll(timeout_ms=1000, max_records=count - len(got))
            got += [as_got(m) for batch in batches.values() for m in batch]
        return got

    def close(self):
        self.consumer.close()


class Transactional:
    def __init__(self, name, timeout_ms):
        self.producer = kafka.KafkaProducer(
            bootstrap_servers=BOOTSTRAP,
            transactional_id=name,
            transaction_timeout_ms=timeout_ms,
        )
        self.producer.init_transactions()
        self.begin = self.producer.begin_transaction
        self.abort = self.producer.abort_transaction
        self.commit = self.producer.commit_transaction

    def send(self, topic, records):
        sent = [self.producer.send(topic, r.value, partition=r.partition) for r in records]
        for future in sent:
            future.get(timeout=30)

    def send_offsets(self, reader):
        consumer = reader.consumer
        places = {
            place: kafka.OffsetAndMetadata(consumer.position(place), "", -1)
            for place in consumer.assignment()
        }
        self.producer.send_offsets_to_transaction(places, consumer.group_metadata())

    def close(self):
        self.producer.close(timeout=0)


def as_got(m):
    return Got(m.partition, m.offset, m.timestamp, m.key, m.value, tuple(m.headers))


tell(KafkaPython(), TRANSACTIONS)
