"""aiokafka, the asyncio client."""

import asyncio

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidProducerEpoch, MessageSizeTooLargeError, ProducerFenced

from stories import BOOTSTRAP, Got, tell
from transactions import TRANSACTIONS


class Aiokafka:
    name = "aiokafka"
    version = aiokafka.__version__
    sends_null_headers = True

    def nodes(self):
        return asyncio.run(administer(lambda admin: admin.describe_cluster()))["brokers"]

    def create(self, topic, partitions, **config):
        new = NewTopic(topic, partitions, 1, topic_configs=config)
        asyncio.run(administer(lambda admin: admin.create_topics([new])))

    def produce(self, topic, records, acks="all", codec="none", idempotent=True, max_bytes=1048576):
        async def produce():
            async with aiokafka.AIOKafkaProducer(
                bootstrap_servers=BOOTSTRAP,
                acks=acks,
                compression_type=None if codec == "none" else codec,
                enable_idempotence=idempotent,
                max_request_size=max_bytes,
            ) as producer:
                sent = [
                    await producer.send(
                        topic,
                        value=r.value,
                        key=r.key,
                        headers=list(r.headers),
                        partition=r.partition,
                        timestamp_ms=r.timestamp,
                    )
                    for r in records
                ]
                done = await asyncio.gather(*sent)
                return [metadata and metadata.offset for metadata in done]

        return asyncio.run(produce())

    def consume(self, topic, count, group=None, committed=False):
        async def consume():
            async with self.consumer(topic, committed=committed, group_id=group) as consumer:
                got = []
                async with asyncio.timeout(30):
                    while len(got) < count:
                        got.append(as_got(await consumer.getone()))
                if group:
                    await consumer.commit()
                return got

        return asyncio.run(consume())

    def ends(self, topic, partition):
        async def ends():
            place = aiokafka.TopicPartition(topic, partition)
            async with self.consumer() as consumer:
                first = await consumer.beginning_offsets([place])
                end = await consumer.end_offsets([place])
                return first[place], end[place]

        return asyncio.run(ends())

    def offset_for_time(self, topic, partition, ms):
        async def offset():
            place = aiokafka.TopicPartition(topic, partition)
            async with self.consumer() as consumer:
                found = (await consumer.offsets_for_times({place: ms}))[place]
                return found and found.offset

        return asyncio.run(offset())

    def follow(self, topic, wait_ms, committed=False):
        return Follower(self, topic, wait_ms, committed)

    def reader(self, topic, group):
        return Reader(self, topic, group)

    def transactional(self, name, timeout_ms):
        return Transactional(name, timeout_ms)

    def is_fenced(self, error):
        return isinstance(error, (ProducerFenced, InvalidProducerEpoch))

    def is_too_large(self, error):
        return isinstance(error, MessageSizeTooLargeError)

    def member(self, group, topic, instance, say):
        class Listener(aiokafka.ConsumerRebalanceListener):
            async def on_partitions_revoked(self, revoked):
                pass

            async def on_partitions_assigned(self, assigned):
                say("assigned", *(p.partition for p in assigned))

        async def run():
            async with self.consumer(
                group_id=group,
                group_instance_id=instance,
                session_timeout_ms=6000,
                heartbeat_interval_ms=500,
            ) as consumer:
                consumer.subscribe([topic], listener=Listener())
                while True:
                    batches = await consumer.getmany(timeout_ms=100)
                    for message in (m for batch in batches.values() for m in batch):
                        say("record", message.partition, message.offset, message.value.decode())
                    if batches:
                        await consumer.commit()

        asyncio.run(run())

    def consumer(self, *topics, committed=False, **settings):
        return aiokafka.AIOKafkaConsumer(
            *topics,
            isolation_level="read_committed" if committed else "read_uncommitted",
            bootstrap_servers=BOOTSTRAP,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            **settings,
        )


class Follower:
    def __init__(self, c, topic, wait_ms, committed):
        self.loop = asyncio.new_event_loop()

        async def start():
            self.consumer = c.consumer(committed=committed, fetch_max_wait_ms=wait_ms)
            await self.consumer.start()
            place = aiokafka.TopicPartition(topic, 0)
            self.consumer.assign([place])
            await self.consumer.seek_to_end(place)

        self.loop.run_until_complete(start())

    def next(self, seconds):
        async def next_one():
            batches = await self.consumer.getmany(timeout_ms=int(seconds * 1000), max_records=1)
            return as_got(next(iter(batches.values()))[0]) if batches else None

        return self.loop.run_until_complete(next_one())

    def longest_fetch_ms(self):
        return None  # aiokafka keeps no such number

    def close(self):
        self.loop.run_until_complete(self.consumer.stop())
        self.loop.close()


# The loop that readers and transactional producers share.
LOOP = asyncio.new_event_loop()


class Reader:
    def __init__(self, c, topic, group):
        async def start():
            self.consumer = c.consumer(topic, committed=True, group_id=group)
            await self.consumer.start()

        LOOP.run_until_complete(start())

    def read(self, count):
        async def read():
            async with asyncio.timeout(30):
                return [as_got(await self.consumer.getone()) for _ in range(count)]

        return LOOP.run_until_complete(read())

    def close(self):
        LOOP.run_until_complete(self.consumer.stop())


class Transactional:
    def __init__(self, name, timeout_ms):
        async def start():
            self.producer = aiokafka.AIOKafkaProducer(
                bootstrap_servers=BOOTSTRAP,
                transactional_id=name,
                transaction_timeout_ms=timeout_ms,
            )
            await self.producer.start()

        LOOP.run_until_complete(start())

    def begin(self):
        LOOP.run_until_complete(self.producer.begin_transaction())

    def commit(self):
        LOOP.run_until_complete(self.producer.commit_transaction())

    def abort(self):
        LOOP.run_until_complete(self.producer.abort_transaction())

    def send(self, topic, records):
        async def send():
            sent = [
                await self.producer.send(topic, r.value, partition=r.partition) for r in records
            ]
            await asyncio.gather(*sent)

        LOOP.run_until_complete(send())

    def send_offsets(self, reader):
        async def send_offsets():
            consumer = reader.consumer
            places = {place: await consumer.position(place) for place in consumer.assignment()}
            await self.producer.send_offsets_to_transaction(places, consumer._group_id)

        LOOP.run_until_complete(send_offsets())

    def close(self):
        LOOP.run_until_complete(self.producer.stop())


async def administer(ask):
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    try:
        return await ask(admin)
    finally:
        await admin.close()


def as_got(m):
    return Got(m.partition, m.offset, m.timestamp, m.key, m.value, tuple(m.headers))


tell(Aiokafka(), TRANSACTIONS)
