"""What every Python client is put through, told once.

A client's own file (`with_*.py`) gives an adapter that does these things in that client's own
way, and calls `tell`:

    name, version, sends_null_headers (whether its interface can)
    nodes()                                        -> node ids in the client's metadata
    create(topic, partitions, **config)
    produce(topic, records, **settings)            -> offset of each record, or the client's error
        settings: acks (0, 1, "all"), codec, idempotent, max_bytes
    consume(topic, count, group=None)              -> `count` records from the beginning, as Got;
        with a group: from its committed offset, and what was read is committed
    ends(topic, partition)                         -> (first offset, end offset)
    offset_for_time(topic, partition, ms)          -> offset or None
    follow(topic, wait_ms)                         -> reader at the end of partition 0:
        next(seconds) -> Got or None, longest_fetch_ms() -> number or None, close()
    is_too_large(error)                            -> is this the client's own name for it
    member(group, topic, instance, say)            -> runs for ever as a member of a group and
        calls say("assigned", partitions) and say("record", partition, offset, value);
        commits only after it said a record
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter, namedtuple
from pathlib import Path

BOOTSTRAP = os.environ["BOOTSTRAP"]
NODES = int(os.environ["NODES"])
RUN = os.environ["RUN"]
SCRATCH = Path(os.environ["SCRATCH"])
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# `message.max.bytes`: the largest batch that a broker takes with its defaults.
BATCH_BYTES_MAX = 1_048_588
# Header of a batch, then one record without key and headers around a value of about 1 MiB.
BATCH_OVERHEAD_BYTES = 61 + 3 + 1 + 1 + 1 + 1 + 3 + 1

Record = namedtuple(
    "Record", "value key headers partition timestamp", defaults=(None, (), 0, None)
)
Got = namedtuple("Got", "partition offset timestamp key value headers")


def sees_every_node(c):
    """the nodes of the broker"""
    assert len(c.nodes()) == NODES, f"nodes {c.nodes()}, expected {NODES}"


def reads_back_every_kind_of_record(c):
    """keys, headers, null and empty values, one byte, timestamps"""
    topic = fresh(c, "kinds", 2)
    now = int(time.time() * 1000)
    sent = [
        Record(b"x"),
        Record(b"", b"empty value"),
        Record(None, b"null value"),
        Record(b"empty key", b""),
        Record(b"both", b"k", [("h", b"1"), ("h", b"2"), ("", b"")]),
        Record(b"nothing", headers=[("none", None)] if c.sends_null_headers else []),
        Record(b"\x00\xff", b"\xff\x00", [("zürich", b"\xff")]),
        Record(b"old", timestamp=now - 86_400_000),
        Record(b"elsewhere", partition=1, timestamp=now),
    ]
    assert c.produce(topic, sent) == [0, 1, 2, 3, 4, 5, 6, 7, 0]
    got = sorted(c.consume(topic, len(sent)))
    for wanted, found in zip(sent, got, strict=True):
        assert found.partition == wanted.partition
        assert (found.key, found.value) == (wanted.key, wanted.value), (wanted, found)
        assert list(found.headers) == list(wanted.headers), (wanted, found)
        assert wanted.timestamp in (None, found.timestamp), (wanted, found)


def reads_an_empty_topic(c):
    """an empty topic"""
    topic = fresh(c, "empty")
    assert c.ends(topic, 0) == (0, 0)
    reader = c.follow(topic, 100)
    assert reader.next(0.5) is None
    reader.close()


def takes_every_codec(c):
    """gzip, snappy, lz4, zstd and none"""
    topic = fresh(c, "codecs", len(CODECS))
    words = random.Random(7)
    text = [b"%d " % i + b"lane core " * words.randrange(200) for i in range(300)]
    for partition, codec in enumerate(CODECS):
        records = [Record(line, partition=partition) for line in text]
        assert c.produce(topic, records, codec=codec) == list(range(300)), codec
    got = sorted(c.consume(topic, 300 * len(CODECS)))
    assert [g.value for g in got] == text * len(CODECS)


def acks_as_asked(c):
    """acks 0, 1 and all, idempotent and not"""
    topic = fresh(c, "acks")
    c.produce(topic, [Record(b"0")] * 10, acks=0, idempotent=False)
    until(lambda: c.ends(topic, 0) == (0, 10), "the records sent with acks=0 arrive")
    assert c.produce(topic, [Record(b"1")] * 10, acks=1, idempotent=False)[-1] == 19
    assert c.produce(topic, [Record(b"all")] * 10, acks="all", idempotent=False)[-1] == 29
    assert c.produce(topic, [Record(b"once")] * 1000, acks="all")[-1] == 1029
    values = Counter(g.value for g in c.consume(topic, 1030))
    assert values == {b"0": 10, b"1": 10, b"all": 10, b"once": 1000}, values


def takes_records_up_to_the_limit(c):
    """a record of 1 byte, one of the largest size, and the error for one byte more"""
    topic = fresh(c, "sizes")
    largest = b"L" * (BATCH_BYTES_MAX - BATCH_OVERHEAD_BYTES)
    room = 4 * BATCH_BYTES_MAX
    assert c.produce(topic, [Record(b"1")], max_bytes=room) == [0]
    assert c.produce(topic, [Record(largest)], max_bytes=room) == [1]
    try:
        c.produce(topic, [Record(largest + b"+")], max_bytes=room)
    except Exception as error:  # each client has its own
        assert c.is_too_large(error), repr(error)
    else:
        raise AssertionError("a record over message.max.bytes was taken")
    assert c.produce(topic, [Record(b"after")]) == [2]
    assert [g.value for g in c.consume(topic, 3)] == [b"1", largest, b"after"]


def waits_and_wakes(c):
    """a long poll waits, and a new record wakes it"""
    topic = fresh(c, "poll")
    c.produce(topic, [Record(b"before")])
    reader = c.follow(topic, 3000)
    assert reader.next(4) is None, "the reader starts at the end"
    longest_ms = reader.longest_fetch_ms()
    assert longest_ms is None or 2700 < longest_ms < 4000, f"an idle fetch took {longest_ms} ms"
    acked = []

    def later():
        time.sleep(1)
        c.produce(topic, [Record(b"wake")])
        acked.append(time.monotonic())

    producing = threading.Thread(target=later)
    producing.start()
    got = reader.next(10)
    woken = time.monotonic()
    producing.join()
    reader.close()
    assert got and got.value == b"wake", got
    assert woken - acked[0] < 0.5, f"woken {woken - acked[0]:.3f} s after the ack"


def finds_a_time(c):
    """seek to time"""
    topic = fresh(c, "time")
    start = int(time.time() * 1000) - 60_000
    records = [Record(b"%d" % i, timestamp=start + 1000 * i) for i in range(20)]
    assert c.produce(topic, records[:10]) == list(range(10))
    assert c.produce(topic, records[10:]) == list(range(10, 20))
    for ms, offset in [(0, 0), (0.5, 1), (7, 7), (9.5, 10), (12.001, 13), (19, 19), (20, None)]:
        found = c.offset_for_time(topic, 0, start + int(1000 * ms))
        assert found == offset, f"{ms} s: offset {found}, expected {offset}"


def goes_on_where_the_group_was(c):
    """a group goes on at its committed offset"""
    topic = fresh(c, "resume")
    c.produce(topic, [Record(b"%d" % i) for i in range(10)])
    first = c.consume(topic, 10, group=topic)
    assert [g.offset for g in first] == list(range(10))
    c.produce(topic, [Record(b"new")])
    assert [g.value for g in c.consume(topic, 1, group=topic)] == [b"new"]


def keeps_static_members(c):
    """a static member comes back to its partitions without a rebalance"""
    topic = fresh(c, "static", 4)
    members = []
    try:
        join(members, c, topic, 4, instance="a")
        join(members, c, topic, 4, instance="b")
        a, b = members
        lanes, rebalances = a.partitions(), b.assignments()
        a.kill()
        a = members[0] = Member(c, topic, topic, instance="a")
        until(lambda: a.partitions(), "the member that came back has partitions")
        c.produce(topic, [Record(b"%d" % p, partition=p) for p in range(4)])
        until(lambda: len(a.records() + b.records()) == 4, "every partition is read")
        assert a.partitions() == lanes, (a.partitions(), lanes)
        assert b.assignments() == rebalances, (b.assignments(), rebalances)
    finally:
        for member in members:
            member.kill()


def survives_a_killed_member(c, protocol="classic"):
    """3 members over 8 partitions, one killed: every record is read"""
    topic = fresh(c, f"killed-{protocol}", 8)
    members = []
    sent, stop = [], threading.Event()

    def keep_producing():
        while not stop.is_set():
            batch = [Record(b"%d" % (len(sent) + i), partition=i % 8) for i in range(40)]
            c.produce(topic, batch)
            sent.extend(record.value.decode() for record in batch)

    producing = threading.Thread(target=keep_producing)
    try:
        for _ in range(3):
            join(members, c, topic, 8, protocol=protocol)
        producing.start()
        until(lambda: all(m.records() for m in members), "every member reads")
        members[1].kill()
        survivors = [members[0], members[2]]
        until(lambda: shares_are_even(survivors, 8), "two members share 8 partitions")
        stop.set()
        producing.join()
        until(
            lambda: len({r.value for m in members for r in m.records()}) == len(sent),
            "every record is read",
        )
        # What the dead member had read and not committed is read again, and nothing else.
        again = Counter(r.value for m in survivors for r in m.records())
        assert max(again.values()) == 1, again.most_common(3)
        places = {(r.partition, r.offset) for m in members for r in m.records()}
        assert len(places) == len(sent) == len(set(sent)), (len(places), len(sent))
    finally:
        stop.set()
        for member in members:
            member.kill()


def survives_a_killed_consumer(c):
    """the same by the consumer protocol (KIP-848)"""
    survives_a_killed_member(c, "consumer")


def changes_its_protocol(c):
    """a group goes from the classic to the consumer protocol and back, member by member"""
    topic = fresh(c, "rolling", 6)
    members, gone = [], []
    sent, stop = [], threading.Event()

    def keep_producing():
        while not stop.is_set():
            batch = [Record(b"%d" % (len(sent) + i), partition=i % 6) for i in range(12)]
            c.produce(topic, batch)
            sent.extend(record.value.decode() for record in batch)
            time.sleep(0.05)

    producing = threading.Thread(target=keep_producing)
    try:
        for _ in range(2):
            join(members, c, topic, 6)
        producing.start()
        for protocol in ["consumer", "classic"]:
            for _ in range(2):
                join(members, c, topic, 6, protocol=protocol)
                old = members.pop(0)
                old.kill()
                gone.append(old)
                until(lambda: shares_are_even(members, 6), "those that are left share all")
        stop.set()
        producing.join()
        until(
            lambda: {r.value for m in members + gone for r in m.records()} == set(sent),
            "every record is read",
        )
    finally:
        stop.set()
        for member in members:
            member.kill()


# Of clients that have the consumer protocol.
OF_CONSUMERS = [survives_a_killed_consumer, changes_its_protocol]

STORIES = [
    sees_every_node,
    reads_back_every_kind_of_record,
    reads_an_empty_topic,
    takes_every_codec,
    acks_as_asked,
    takes_records_up_to_the_limit,
    waits_and_wakes,
    finds_a_time,
    goes_on_where_the_group_was,
    keeps_static_members,
    survives_a_killed_member,
]


class Member:
    """A process that is a member of a group; what it says is in a file."""

    started = 0

    def __init__(self, c, group, topic, instance="", protocol="classic"):
        Member.started += 1
        self.out = SCRATCH / f"{group}.member-{Member.started}"
        with open(self.out, "wb") as out, open(f"{self.out}.err", "wb") as err:
            command = [*c.member_command, group, topic, instance]
            environment = {**os.environ, "GROUP_PROTOCOL": protocol}
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def lines(self, kind):
        # The last line may be half written.
        whole = self.out.read_text().rpartition("\n")[0]
        return [line.split()[1:] for line in whole.split("\n") if line.startswith(kind)]

    def assignments(self):
        return [sorted(map(int, fields)) for fields in self.lines("assigned")]

    def partitions(self):
        return (self.assignments() or [[]])[-1]

    def records(self):
        return [Said(*fields) for fields in self.lines("record")]


Said = namedtuple("Said", "partition offset value")


def join(members, c, topic, partitions, instance="", protocol="classic"):
    """Adds a member to the topic's group, and waits until the group is settled."""
    # One at a time: kafka-python 3.0.12 loses its leader for good when a second member comes
    # before the first has the topic's metadata.
    members.append(Member(c, topic, topic, instance, protocol))
    until(lambda: shares_are_even(members, partitions), "the members share the partitions")


def shares_are_even(members, partitions):
    """Whether the members' last assignments are all partitions, each once, in fair parts."""
    shares = [m.partitions() for m in members]
    even = max(map(len, shares)) - min(map(len, shares)) <= 1
    return even and sorted(sum(shares, [])) == list(range(partitions))


def say(kind, *fields):
    """How a member process speaks: one whole line, at once."""
    os.write(1, (" ".join(map(str, (kind, *fields))) + "\n").encode())


def fresh(c, story, partitions=1, **config):
    """Makes a topic of this run, client and story."""
    topic = f"{c.name}-{story}-{RUN}"
    c.create(topic, partitions, **config)
    return topic


def until(condition, what, seconds=60):
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def tell(c, more=()):
    """Runs the stories on a client, or one member of a group when the arguments say so."""
    if sys.argv[1:2] == ["member"]:
        group, topic, instance = sys.argv[2:5]
        c.member(group, topic, instance or None, say)
    c.member_command = [sys.executable, sys.argv[0], "member"]
    play(c, [*STORIES, *more])


def play(c, stories):
    """Runs stories; one line each, and the reason when one fails."""
    print(f"client {c.name} {c.version}", flush=True)
    for story in stories:
        start = time.monotonic()
        try:
            story(c)
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            print(f"FAILED {c.name}: {story.__doc__}", flush=True)
            os._exit(1)
        print(f"ok {c.name}: {story.__doc__} ({time.monotonic() - start:.1f} s)", flush=True)
