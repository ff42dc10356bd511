"""What a producer sees when its leader is killed or stopped, and what a replica does that comes back."""
import signal
import struct
import threading
import time

import wire

# How long the producer waits for an answer and the broker for its replicas, and how long it rests after an
# error before it looks for the leader again, in seconds. Kafka's clients wait longer for both by default.
REQUEST_TIMEOUT_S, BACKOFF_S = 0.5, 0.02
# Between an ack and the next record: the probe shall take no CPU from what it looks at.
PAUSE_S = 0.002
# How long acks are watched before a leader goes, and after they come again.
QUIET_S = 1.5


class Probe:
    """One producer with one record under way that follows the leader of partition 0, on a thread."""

    def __init__(self, ports, topic):
        self.ports, self.topic = ports, topic
        self.acks, self.errors, self.over = [], 0, False
        self.request = wire.produce_request(topic, 0, wire.batch(100), int(REQUEST_TIMEOUT_S * 1000))
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()

    def _run(self):
        while not self.over:
            try:
                with wire.Connection(self._leader(), REQUEST_TIMEOUT_S) as leader:
                    while not self.over and wire.produce_error(leader.ask(self.request)) == 0:
                        self.acks.append(time.monotonic())
                        time.sleep(PAUSE_S)
            except (OSError, struct.error, KeyError, IndexError):
                pass
            self.errors += not self.over
            time.sleep(BACKOFF_S)

    def _leader(self):
        """The port of the leader as the first broker says that answers."""
        for port in self.ports:
            try:
                addresses, partitions = wire.metadata(port, self.topic, REQUEST_TIMEOUT_S)
                return addresses[partitions[0][0]]
            except (OSError, struct.error, KeyError, IndexError):
                continue
        raise ConnectionError("no broker names a leader")

    def wait(self, after):
        """Waits until acks came for a while after that time."""
        deadline = after + 120
        while True:
            acks = [ack for ack in self.acks if ack > after]
            if acks and time.monotonic() > acks[0] + QUIET_S:
                return
            if time.monotonic() > deadline:
                raise SystemExit("versus: no acks within two minutes after a leader went")
            time.sleep(0.05)

    def longest_ms(self, begun, ended):
        """The longest time between two acks, the later of which came between those times."""
        gaps = [b - a for a, b in zip(self.acks, self.acks[1:]) if begun <= b <= ended]
        return max(gaps, default=0) * 1000


def lose(cluster, topic, how):
    """One block: sends the leader of a partition a signal, starts it again when acks come again."""
    leader = cluster.partitions(topic)[0][0]
    broker = cluster.brokers[leader]
    with Probe(cluster.ports(), topic) as probe:
        probe.wait(time.monotonic())
        begun = time.monotonic()
        broker.signal(how)
        broker.ended()
        ended = time.monotonic()
        probe.wait(ended)
        until = time.monotonic()
    back = time.monotonic()
    broker.start(wait=False)
    cluster.wait_in_sync(topic, without=leader)
    return {
        "gap_ms": probe.longest_ms(begun, until),
        "quiet_ms": probe.longest_ms(begun - QUIET_S, begun),
        "stop_s": None if how == signal.SIGKILL else ended - begun,
        "back_s": time.monotonic() - back,
        "acks": len(probe.acks),
        "errors": probe.errors,
    }


def comes_back(cluster, node, topic):
    """Starts a replica that was stopped, and waits until it is in sync again: what it took.

    How much it has it is asked itself. Its rate is that from the first answer that it gives to
    the first with everything."""
    broker = cluster.brokers[node]
    whole = wire.topic_bytes(cluster.ports(without=node)[0], topic)
    samples, begun = [], time.monotonic()
    broker.start(wait=False)
    while True:
        try:
            samples.append((time.monotonic(), wire.topic_bytes(broker.port, topic)))
        except (OSError, struct.error):
            pass
        partitions = cluster.partitions(topic, without=node).values()
        if partitions and all(node in in_sync for _, in_sync in partitions):
            break
        if time.monotonic() > begun + 300:
            raise SystemExit(f"versus: node {node} is not in sync again within five minutes")
        time.sleep(0.05)
    back_s = time.monotonic() - begun
    full = next((sample for sample in samples if sample[1] >= whole), samples[-1])
    first = max((s for s in samples if s[1] == samples[0][1]), default=samples[0])
    seconds = full[0] - first[0]
    rate = (full[1] - first[1]) / 1e6 / seconds if seconds > 0 else None
    return {"catch_up_mb_s": rate, "back_s": back_s, "samples": samples_from(samples, begun)}


def samples_from(samples, begun):
    """The samples for the results: seconds since the start, and megabytes; those that differ."""
    kept = []
    for at, size in samples:
        if not kept or kept[-1][1] != round(size / 1e6, 1):
            kept.append((round(at - begun, 3), round(size / 1e6, 1)))
    return kept
