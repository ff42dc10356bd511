"""What a client that has transactions is put through.

Beside what stories.py asks for, its adapter has

    consume(..., committed=False), follow(..., committed=False)  with read_committed
    reader(topic, group)            -> read(count) -> `count` records, as Got; close()
    transactional(id, timeout_ms)   -> producer that has told the broker of its id:
        begin(); send(topic, records), once all are acked; send_offsets(reader); commit(); abort();
        close(), which does not end what is open
    is_fenced(error)                -> is this the client's own name for it

Each reader of committed records reads on to a record that is of no transaction and comes last in
its partition: one record too many or too few before that would be seen.
"""

import time

from stories import Record, fresh, until

LAST = b"last"


def is_all_or_nothing(c):
    """transactions over two partitions: committed whole, aborted not at all"""
    topic = fresh(c, "whole", 2)
    producer = c.transactional(topic, 30_000)
    reader = c.follow(topic, 200, committed=True)
    assert reader.next(1) is None
    # Three in a row: with transaction.version 2 each has an epoch of its own.
    for name, end in [("a", producer.commit), ("b", producer.abort), ("c", producer.commit)]:
        producer.begin()
        producer.send(topic, both(name, 20))
        if name == "a":
            assert reader.next(1.5) is None, "a record was seen before its transaction ended"
        end()
        if name == "a":
            assert reader.next(10).value == b"a 0"
    reader.close()
    producer.close()
    c.produce(topic, last(2))
    assert values(c, topic, 122, committed=False) == two("a", "b", "c", count=20)
    assert values(c, topic, 82, committed=True) == two("a", "c", count=20)


def follow_one_another(c):
    """transactions that begin while the markers of those before are on their way"""
    topic = fresh(c, "row", 2)
    producer = c.transactional(topic, 30_000)
    for turn in range(40):
        producer.begin()
        producer.send(topic, [Record(b"%d" % turn, partition=p) for p in (0, 1)])
        producer.abort() if turn % 4 == 1 else producer.commit()
    producer.close()
    c.produce(topic, last(2))
    lane = [b"%d" % turn for turn in range(40) if turn % 4 != 1]
    assert values(c, topic, 62, committed=True) == [[*lane, LAST]] * 2


def reads_processes_and_writes(c):
    """a loop that reads, processes and writes, with aborts: every record once"""
    source, target = fresh(c, "source", 2), fresh(c, "target", 2)
    c.produce(source, both("in", 30))
    producer = c.transactional(target, 30_000)
    reader, done, turn = c.reader(source, target), 0, 0
    while done < 60:
        records = reader.read(10)
        producer.begin()
        producer.send(target, [Record(g.value.upper(), partition=g.partition) for g in records])
        producer.send_offsets(reader)
        turn += 1
        if turn % 3 == 1:
            producer.abort()
            # Who comes after finds the offsets from before the transaction.
            reader.close()
            reader = c.reader(source, target)
        else:
            producer.commit()
            done += len(records)
    reader.close()
    assert turn == 9
    c.produce(target, last(2))
    assert values(c, target, 62, committed=True) == two("IN", count=30)
    # And the group stands behind the last one.
    c.produce(source, [Record(b"new")])
    reader = c.reader(source, target)
    assert [g.value for g in reader.read(1)] == [b"new"]
    reader.close()
    producer.close()


def fences_the_producer_before(c):
    """a second producer of the same transactional.id fences the first"""
    topic = fresh(c, "fenced", 2)
    first = c.transactional(topic, 30_000)
    first.begin()
    first.send(topic, both("first", 5))
    second = c.transactional(topic, 30_000)
    error = error_of(lambda: (first.send(topic, both("late", 5)), first.commit()))
    assert c.is_fenced(error), repr(error)
    second.begin()
    second.send(topic, both("second", 5))
    second.commit()
    second.close()
    first.close()
    c.produce(topic, last(2))
    assert values(c, topic, 12, committed=True) == two("second", count=5)
    assert values(c, topic, 22, committed=False) == two("first", "second", count=5)


def aborts_what_takes_too_long(c):
    """a transaction over its timeout is aborted by the broker"""
    topic = fresh(c, "slow", 2)
    reader = c.follow(topic, 200, committed=True)
    assert reader.next(1) is None
    producer = c.transactional(topic, 2000)
    producer.begin()
    producer.send(topic, both("slow", 5))
    begun = time.monotonic()
    c.produce(topic, last(2))
    got = []
    until(lambda: got.append(reader.next(1)) or got[-1], "the broker aborts the transaction")
    assert got[-1].value == LAST, got
    took = time.monotonic() - begun
    assert 0.5 < took < 15, f"aborted after {took:.1f} s"
    reader.close()
    error = error_of(producer.commit)
    assert error, "a transaction was committed that the broker had aborted"
    producer.close()
    producer = c.transactional(topic, 2000)
    producer.begin()
    producer.send(topic, both("quick", 5))
    producer.commit()
    producer.close()
    c.produce(topic, last(2))
    # Two records that end the partitions are in their midst here.
    found = values(c, topic, 14, committed=True)
    assert found == [[LAST, *lane] for lane in two("quick", count=5)], found


TRANSACTIONS = [
    is_all_or_nothing,
    follow_one_another,
    reads_processes_and_writes,
    fences_the_producer_before,
    aborts_what_takes_too_long,
]


def both(name, count):
    """As many records for each of two partitions."""
    return [Record(b"%s %d" % (name.encode(), i), partition=p) for i in range(count) for p in (0, 1)]


def last(partitions):
    """The record that ends each partition."""
    return [Record(LAST, partition=p) for p in range(partitions)]


def two(*names, count):
    """The values that `both` put into each of the partitions, and the last one."""
    lane = [b"%s %d" % (name.encode(), i) for name in names for i in range(count)]
    return [[*lane, LAST]] * 2


def values(c, topic, count, committed):
    """The values in each partition, in their order."""
    got = c.consume(topic, count, committed=committed)
    lanes = [sorted((g.offset, g.value) for g in got if g.partition == p) for p in (0, 1)]
    return [[value for _, value in lane] for lane in lanes]


def error_of(work):
    """What it raises, or None."""
    try:
        work()
    except Exception as error:  # each client has its own
        return error
    return None
