"""A broker with 10,000 partitions: the first record into each, its stop, and its starts."""
import os
import signal
import time

import wire

TOPICS, PARTITIONS, SIZE = 10, 10_000, 100
# Requests under way at a time, each of one record.
CONNECTIONS = 16


def quantile(values, part):
    """Of sorted values the one below which that part of them lies."""
    return values[min(len(values) - 1, int(len(values) * part))]


def seconds(work, *arguments):
    """How long it takes."""
    begun = time.monotonic()
    work(*arguments)
    return time.monotonic() - begun


def gone(pid):
    """Waits until a process has ended that may be another's child."""
    while True:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return
        except OSError:
            return
        time.sleep(0.005)


def end(broker, how):
    """Sends the signal to the broker and waits for its end."""
    pid = broker.process()
    os.kill(pid, how)
    gone(pid)
    broker.ended()


def life(broker, flush, partitions, device, cpus, warm):
    """One block: a broker on a fresh folder from its first start to its last. `warm` makes it
    serve a load of other topics for a while; `cpus` are those of the client.

    Each stop, and the kill, comes upon a record that was just written into each partition."""
    topics = [f"many-{number}" for number in range(TOPICS)]
    each = partitions // TOPICS
    load = wire.OneEach(topics, each, SIZE)
    one_each = lambda: load.run(broker.port, CONNECTIONS, cpus)
    answers = lambda records: wire.answers_for_all(broker.port, topics, each, records)

    def start(records):
        broker.start(wait=False)
        answers(records)

    broker.start()
    warm()
    create = sum(seconds(wire.create_topic, broker.port, topic, each, flush) for topic in topics)
    answers(0)
    before, own = device.settled(), broker.written()
    first, took = one_each()
    after, own = device.settled(), broker.written() - own
    one_each()
    stop = seconds(end, broker, signal.SIGTERM)
    start_clean = seconds(start, 2)
    one_each()
    end(broker, signal.SIGKILL)
    start_killed = seconds(start, 3)
    end(broker, signal.SIGTERM)
    return {
        "create_s": create,
        "first_s": first,
        "p50": quantile(took, 0.5),
        "p99": quantile(took, 0.99),
        "max": took[-1],
        "device": None if before is None else (after - before) / (len(took) * SIZE),
        "own": own / (len(took) * SIZE),
        "stop_s": stop,
        "start_s": start_clean,
        "start_killed_s": start_killed,
        "unfit": [],
    }
