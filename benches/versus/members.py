"""Three brokers of one side, and their controllers of Apache Kafka, as processes on loopback."""
import os
import pathlib
import secrets
import struct
import subprocess
import sys
import time

import wire
from common import KAFKA_JVM, KAFKA_SETTINGS, KAFKA_SH, TARGET, cpu_seconds, run

CLUSTER_ID = "Q29yZWxhbmUtdGVzdHMtMQ"
BROKERS, REPLICAS = 3, 3
FIRST_CONTROLLER = 3000
# How long a process may take to start, to stop, or to be in sync again, in seconds.
PATIENCE = 120
HEARTBEAT_MS = 500
# As testing/src/quorum.rs has them: a controller of so few partitions needs little.
CONTROLLER_JVM = (
    "-Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xlog:disable -Djava.awt.headless=true"
)
# Of both sides' controllers, beside the session timeout. Leaders that move by themselves, in the middle of a
# block, would be a part of its figures.
CONTROLLER_SETTINGS = [
    "process.roles=controller",
    "controller.listener.names=CONTROLLER",
    "auto.leader.rebalance.enable=false",
    f"broker.heartbeat.interval.ms={HEARTBEAT_MS}",
    f"default.replication.factor={REPLICAS}",
]
# Of both sides' brokers: all else of replication is as both have it by default, which is the same.
BROKER_SETTINGS = [
    "process.roles=broker",
    "controller.listener.names=CONTROLLER",
    "auto.create.topics.enable=false",
    f"broker.heartbeat.interval.ms={HEARTBEAT_MS}",
]
CORELANE_SETTINGS = ["corelane.shards=1", "corelane.log.level=warn"]
# The first ports of a side's brokers and controllers.
PORTS = {"corelane": (19520, 19530), "kafka": (19620, 19630)}


def java(options, main, *words):
    """A command that runs a class of Kafka's."""
    path = run(KAFKA_SH, "classpath").strip()
    log = KAFKA_SH.parent / "log4j2.properties"
    options = [*options.split(), f"-Dlog4j2.configurationFile={log}", "-Dkafka.log.level=INFO"]
    return ["java", *options, "-cp", path, main, *words]


def until(what, is_so, pause=0.05):
    """Waits until something holds, and returns it; an error of the network says that it does not."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if found := is_so():
                return found
        except (OSError, struct.error, IndexError):
            pass
        if time.monotonic() > deadline:
            sys.exit(f"versus: {what}: not within {PATIENCE} s")
        time.sleep(pause)


class Process:
    """One process of a cluster."""

    def __init__(self, path, port, cpus, command, ready):
        self.path, self.port, self.cpus, self.ready = path, port, cpus, ready
        self.command, self.child, self.used = command, None, 0.0

    def start(self, wait=True):
        """Starts it, and waits for the line that says that it serves."""
        words = ["taskset", "-c", self.cpus, *self.command]
        self.from_byte = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                [str(word) for word in words], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self):
        """Waits for the line that says that it serves."""

        def says_so():
            if self.child.poll() is not None:
                sys.exit(f"versus: it ended with {self.child.returncode}, see {self.log}")
            with open(self.log, "rb") as log:
                log.seek(self.from_byte)
                return self.ready.encode() in log.read()

        until(f"the start, see {self.log}", says_so)

    @property
    def log(self):
        """What it says."""
        return self.path.with_suffix(".log")

    def signal(self, how):
        """Sends a signal; its CPU time so far is kept."""
        self.used += cpu_seconds(self.child.pid)
        self.child.send_signal(how)

    def ended(self):
        """Waits for its end after a signal."""
        try:
            self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            sys.exit(f"versus: it does not stop, see {self.log}")
        self.child = None

    def cpu_seconds(self):
        """CPU seconds that it has used, in all its lives."""
        return self.used + (cpu_seconds(self.child.pid) if self.child else 0)

    def resident_mib(self):
        """Memory it holds now."""
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


class Cluster:
    """The cluster of one side: nodes 1 to 3, and one controller or three."""

    def __init__(self, side, folder, options):
        self.side, self.folder = side, folder / side
        self.folder.mkdir()
        first, first_controller = PORTS[side]
        ports = [first_controller + number for number in range(options.controllers)]
        self.addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
        heap = f"-Xms{options.heap} -Xmx{options.heap}"
        self.broker_jvm = KAFKA_JVM.replace("-Xms1g -Xmx1g", heap)
        session = f"broker.session.timeout.ms={options.session_ms}"
        # `ID@HOST:PORT:DIRECTORY` of each, as they are told when they are formatted.
        voters = ",".join(
            f"{FIRST_CONTROLLER + number}@127.0.0.1:{port}:{directory_id()}"
            for number, port in enumerate(ports)
        )
        self.controllers = [
            self._controller(number, port, voters, options.load_cpus, session)
            for number, port in enumerate(ports)
        ]
        self.brokers = {
            node: self._broker(node, first + node, shares(options.broker_cpus)[node - 1])
            for node in range(1, BROKERS + 1)
        }

    def _write(self, name, lines):
        file = self.folder / f"{name}.properties"
        file.write_text("\n".join(lines) + "\n")
        return file

    def _controller(self, number, port, voters, cpus, session):
        path = self.folder / f"controller-{number}"
        lines = [*CONTROLLER_SETTINGS, session, f"node.id={FIRST_CONTROLLER + number}"]
        lines += [f"controller.quorum.bootstrap.servers={self.addresses}"]
        lines += [f"listeners=CONTROLLER://127.0.0.1:{port}", f"log.dirs={path}"]
        file = self._write(path.name, lines)
        format_it = ["format", "-t", CLUSTER_ID, "-c", file, "--initial-controllers", voters]
        run(*java(CONTROLLER_JVM, "kafka.tools.StorageTool", *format_it))
        command = java(CONTROLLER_JVM, "kafka.Kafka", file)
        return Process(path, port, cpus, command, "Kafka Server started")

    def _broker(self, node, port, cpus):
        path = self.folder / f"broker-{node}"
        own = CORELANE_SETTINGS if self.side == "corelane" else KAFKA_SETTINGS
        lines = [*BROKER_SETTINGS, *own, f"node.id={node}", f"log.dirs={path}"]
        lines += [f"controller.quorum.bootstrap.servers={self.addresses}"]
        lines += [f"listeners=PLAINTEXT://127.0.0.1:{port}"]
        file = self._write(path.name, lines)
        if self.side == "corelane":
            program = TARGET / "release" / "corelane"
            run(program, "format", "--cluster-id", CLUSTER_ID, "--config", file)
            command = [program, "serve", "--config", file]
            return Process(path, port, cpus, command, "corelane ready")
        # Of Kafka's own format all that a broker cannot do without: a JVM takes seconds for it.
        path.mkdir()
        meta = f"version=1\ncluster.id={CLUSTER_ID}\nnode.id={node}\n"
        (path / "meta.properties").write_text(meta)
        command = java(self.broker_jvm, "kafka.Kafka", file)
        return Process(path, port, cpus, command, "Kafka Server started")

    @property
    def bootstrap(self):
        """Where clients begin."""
        return ",".join(f"127.0.0.1:{broker.port}" for broker in self.brokers.values())

    def start(self):
        """Starts all, and waits until all brokers serve. Brokers of Kafka have all CPUs up to `pin`."""
        for one in [*self.controllers, *self.brokers.values()]:
            one.start(wait=False)
        if self.side == "kafka":
            for broker in self.brokers.values():
                run("taskset", "-a", "-p", "-c", f"0-{os.cpu_count() - 1}", broker.child.pid)
        for one in [*self.controllers, *self.brokers.values()]:
            one.wait_ready()

    def pin(self):
        """Leaves to each broker of Kafka the CPUs that it shall have; ours have them from the start on."""
        for broker in self.brokers.values():
            if self.side == "kafka":
                run("taskset", "-a", "-p", "-c", broker.cpus, broker.child.pid)

    def cpu_seconds(self):
        """CPU seconds that all brokers have used so far, in user and kernel."""
        return sum(broker.cpu_seconds() for broker in self.brokers.values())

    def resident_mib(self):
        """Memory that all brokers hold now."""
        return sum(broker.resident_mib() for broker in self.brokers.values())

    def ports(self, without=None):
        """Where to ask: the brokers that run, but that node."""
        brokers = self.brokers.items()
        return [broker.port for node, broker in brokers if broker.child and node != without]

    def partitions(self, topic, without=None):
        """Leader and replicas in sync of each partition, as a broker says that runs."""
        return wire.metadata(self.ports(without)[0], topic)[1]

    def wait_in_sync(self, topic, count=REPLICAS, without=None):
        """Waits until each partition has a leader and so many replicas in sync, as another node
        says than `without`."""

        def is_so():
            found = self.partitions(topic, without).values()
            fits = lambda leader, nodes: leader in nodes and len(nodes) == count
            return found and all(fits(*one) for one in found)

        until(f"{count} replicas of {topic} of {self.side} in sync", is_so)

    def create(self, topic, partitions, flush):
        """Creates a topic of three replicas, two of which each ack waits for at least."""
        more = {"replicas": REPLICAS, "min_insync_replicas": 2}
        wire.create_topic(self.ports()[0], topic, partitions, flush, **more)
        self.wait_in_sync(topic)

    def delete(self, topic):
        """Deletes it; its files go a little later."""
        wire.delete_topic(self.ports()[0], topic)

    def close(self):
        """Kills what runs."""
        for one in [*self.brokers.values(), *self.controllers]:
            if one.child and one.child.poll() is None:
                one.child.kill()
                one.child.wait()


def directory_id():
    """A new id of a folder, in Kafka's form; its tool would take one that begins with - for an option."""
    return "A" + secrets.token_urlsafe(16)[:20] + "A"


def shares(cpus):
    """The CPUs of each broker: its share where there are enough for all, or else all of them."""
    every = []
    for piece in cpus.split(","):
        first, _, last = piece.partition("-")
        every += range(int(first), int(last or first) + 1)
    own = [every[number::BROKERS] for number in range(BROKERS)]
    return [",".join(str(cpu) for cpu in share) for share in (own if all(own) else [every] * BROKERS)]
