"""The few Kafka requests that the comparison makes by hand, and a load of exactly one record into each partition."""
import os
import select
import socket
import struct
import time

PRODUCE, LIST_OFFSETS, METADATA = (0, 3), (2, 1), (3, 4)
CREATE_TOPICS, DELETE_TOPICS, DESCRIBE_LOG_DIRS = (19, 2), (20, 1), (35, 1)
LATEST = -1
# How long a broker may take to answer for its partitions after it was started, in seconds.
ANSWERS_WITHIN = 900


def text(word):
    """A string as Kafka writes it."""
    return struct.pack(">h", len(word)) + word.encode()


def framed(api, body):
    """A request of an API (key and version) with its length, without a client's name."""
    request = struct.pack(">hhih", *api, 1, -1) + body
    return struct.pack(">i", len(request)) + request


def crc32c(data):
    """CRC-32C, bit by bit: there is little of it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(value):
    """A signed number in as few bytes as it needs."""
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def batch(size):
    """A batch of one record whose value has so many bytes."""
    record = bytes(3) + varint(-1) + varint(size) + b"x" * size + varint(0)
    record = varint(len(record)) + record
    body = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + record
    whole = struct.pack(">ibI", 0, 2, crc32c(body)) + body
    return struct.pack(">qi", 0, len(whole)) + whole


def produce_request(topic, partition, records, timeout_ms=60_000):
    """A request for one batch, to be acked by all replicas."""
    body = struct.pack(">hhii", -1, -1, timeout_ms, 1) + text(topic)
    return framed(PRODUCE, body + struct.pack(">iii", 1, partition, len(records)) + records)


def produce_error(answer):
    """The error code in the answer (without its length) for one partition."""
    # Correlation id, count of topics, name, count of partitions, index: then the error code.
    name = struct.unpack_from(">h", answer, 8)[0]
    return struct.unpack_from(">h", answer, 8 + 2 + name + 4 + 4)[0]


class Connection:
    """A connection for one request after the other."""

    def __init__(self, port, timeout):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)

    def ask(self, request):
        """Sends a request; its answer without the length."""
        self.socket.sendall(request)
        return self._exactly(struct.unpack(">i", self._exactly(4))[0])

    def _exactly(self, count):
        data = self.socket.recv(count, socket.MSG_WAITALL)
        if len(data) < count:
            raise ConnectionError("closed in the middle of an answer")
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def acked(port, topic):
    """Whether a broker, which may not be there yet, acks one record."""
    try:
        with Connection(port, timeout=1) as connection:
            return produce_error(connection.ask(produce_request(topic, 0, batch(1), 5_000))) == 0
    except (OSError, struct.error):
        return False


class Reader:
    """Takes an answer (without its length) apart, from behind the correlation id."""

    def __init__(self, answer):
        self.answer, self.at = answer, 4

    def take(self, form):
        """One number of that form, as `struct` names it."""
        value = struct.unpack_from(">" + form, self.answer, self.at)[0]
        self.at += struct.calcsize(">" + form)
        return value

    def text(self):
        """A string, or None."""
        length = self.take("h")
        if length < 0:
            return None
        self.at += length
        return self.answer[self.at - length : self.at].decode()

    def each(self, one):
        """A list whose items `one` takes."""
        return [one() for _ in range(self.take("i"))]


def metadata(port, topic, timeout=2):
    """The addresses of the brokers by node, and of each partition of a topic, as the broker at
    that port says, the leader (-1 where there is none) and the nodes of the replicas in sync."""
    body = struct.pack(">i", 1) + text(topic) + struct.pack(">b", 0)
    with Connection(port, timeout) as connection:
        reader = Reader(connection.ask(framed(METADATA, body)))
    take, numbers = reader.take, lambda: reader.each(lambda: reader.take("i"))
    take("i")
    brokers = reader.each(lambda: (take("i"), reader.text(), take("i"), reader.text()))
    reader.text(), take("i")

    def partition():
        take("h")
        index, leader, _, in_sync = take("i"), take("i"), numbers(), numbers()
        return index, (leader, in_sync)

    topics = reader.each(lambda: (take("h"), reader.text(), take("b"), reader.each(partition)))
    return {node: port for node, _, port, _ in brokers}, dict(topics[0][3])


def topic_bytes(port, topic, timeout=2):
    """The bytes that the broker at that port has of a topic, as it says itself."""
    with Connection(port, timeout) as connection:
        reader = Reader(connection.ask(framed(DESCRIBE_LOG_DIRS, struct.pack(">i", -1))))
    take = reader.take
    take("i")
    partition = lambda: (take("i"), take("q"), take("q"), take("b"))
    folders = reader.each(
        lambda: (take("h"), reader.text(), reader.each(lambda: (reader.text(), reader.each(partition))))
    )
    found = [parts for _, _, topics in folders for name, parts in topics if name == topic]
    return sum(size for parts in found for _, size, _, _ in parts)


def delete_topic(port, topic):
    """Deletes a topic; whether it was there does not matter."""
    body = struct.pack(">i", 1) + text(topic) + struct.pack(">i", 30_000)
    with Connection(port, timeout=60) as connection:
        connection.ask(framed(DELETE_TOPICS, body))


def create_topic(port, topic, partitions, flush, replicas=1, **more):
    """Creates a topic with that `flush.messages`; `more` are settings with _ in place of dots."""
    configs = {"flush.messages": flush, **{name.replace("_", "."): more[name] for name in more}}
    body = struct.pack(">i", 1) + text(topic)
    body += struct.pack(">ihii", partitions, replicas, 0, len(configs))
    body += b"".join(text(name) + text(str(value)) for name, value in configs.items())
    body += struct.pack(">ib", 60_000, 0)
    with Connection(port, timeout=70) as connection:
        answer = connection.ask(framed(CREATE_TOPICS, body))
    # Correlation id, throttle time, count of topics, name: then the error code.
    error = struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(topic))[0]
    if error:
        raise SystemExit(f"versus: topic {topic} was not created: error {error}")


def ends(port, topic, partitions):
    """The end offset of each partition of a topic that the broker answers for."""
    body = struct.pack(">ii", -1, 1) + text(topic) + struct.pack(">i", partitions)
    body += b"".join(struct.pack(">iq", index, LATEST) for index in range(partitions))
    with Connection(port, timeout=30) as connection:
        answer = connection.ask(framed(LIST_OFFSETS, body))
    found, at = {}, 4 + 4 + 2 + len(topic) + 4
    for _ in range(partitions):
        index, error, _, offset = struct.unpack_from(">ihqq", answer, at)
        at += 22
        if error == 0:
            found[index] = offset
    return found


def answers_for_all(port, topics, partitions, end):
    """Waits until a broker that is being started answers for every partition of the topics.

    Each must then end at `end`: what was acked is there, and nothing else is."""
    deadline = time.monotonic() + ANSWERS_WITHIN
    for topic in topics:
        found = {}
        while len(found) < partitions:
            try:
                found = ends(port, topic, partitions)
            except (OSError, struct.error):
                if time.monotonic() > deadline:
                    raise SystemExit(f"versus: no answer for {topic} in {ANSWERS_WITHIN} s") from None
                time.sleep(0.002)
        wrong = {index: offset for index, offset in found.items() if offset != end}
        if wrong:
            raise SystemExit(f"versus: {topic} should end at {end} everywhere, and has {wrong}")


class OneEach:
    """One record of `size` bytes into each partition: one request of one record at a time on each connection."""

    def __init__(self, topics, partitions, size):
        records = batch(size)
        self.requests = [
            produce_request(topic, index, records) for topic in topics for index in range(partitions)
        ]

    def run(self, port, connections, cpus):
        """Seconds that all of it took, and the microseconds of each request, sorted."""
        usual = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cpus)
        links = [Connection(port, timeout=120).socket for _ in range(connections)]
        try:
            return self._drive({link.fileno(): link for link in links})
        finally:
            for link in links:
                link.close()
            os.sched_setaffinity(0, usual)

    def _drive(self, links):
        poll = select.epoll()
        for number, link in links.items():
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(number, select.EPOLLIN)
        # The next request is sent before the answer is looked at: the look is no part of any time.
        waiting, sent, took = iter(self.requests), {}, []
        begun = time.perf_counter()
        for number, request in zip(links, waiting):
            sent[number] = time.perf_counter()
            links[number].sendall(request)
        while sent:
            for number, _ in poll.poll(120) or self._silence():
                answer = links[number].recv(4096)
                now = time.perf_counter()
                took.append((now - sent.pop(number)) * 1e6)
                request = next(waiting, None)
                if request:
                    sent[number] = now
                    links[number].sendall(request)
                self._check(answer)
        whole = time.perf_counter() - begun
        poll.close()
        return whole, sorted(took)

    @staticmethod
    def _silence():
        raise SystemExit("versus: no answer to a produce request for two minutes")

    @staticmethod
    def _check(answer):
        # Such an answer has less than 100 bytes, and comes as one piece on loopback.
        if len(answer) < 4 or len(answer) != 4 + struct.unpack_from(">i", answer)[0]:
            raise SystemExit(f"versus: not an answer to one produce request: {answer!r}")
        error = produce_error(answer[4:])
        if error:
            raise SystemExit(f"versus: a record was refused with error {error}")
