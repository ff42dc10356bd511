"""franz-go: the program in `franz_go/` does what is asked of it in lines of JSON."""

import os
import signal
import subprocess

from spoken import Process, Spoken
from stories import OF_CONSUMERS, RUN, SCRATCH, STORIES, Record, fresh, play, until
from transactions import LAST, TRANSACTIONS, last, reads_processes_and_writes, values

GO = os.environ.get("GO", "go")
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "franz_go")
NAMES = ["github.com/twmb/franz-go", "github.com/twmb/franz-go/pkg/kadm"]


class FranzGo(Spoken):
    name = "franz-go"
    sends_null_headers = True

    def __init__(self):
        program = str(SCRATCH / "franz-go")
        # With the toolchain that is there, and the modules that go.sum names.
        environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
        subprocess.run([GO, "build", "-o", program], cwd=SOURCE, env=environment, check=True)
        self.program = program
        self.member_command = [program, "member"]
        self.ask = Process([program], open(f"{program}.log", "wb")).ask
        self.ask_reader = Process([program], open(f"{program}-reader.log", "wb")).ask
        wanted = open(os.path.join(SOURCE, "go.mod"), encoding="utf-8").read().split()
        version = {name: wanted[wanted.index(name) + 1] for name in NAMES}
        self.version = ", kadm ".join(version[name].removeprefix("v") for name in NAMES)

    def is_too_large(self, error):
        return "MESSAGE_TOO_LARGE" in str(error)

    def is_fenced(self, error):
        return any(name in str(error) for name in ("PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"))


class Session:
    """A process of a GroupTransactSession, which can be started again after a kill."""

    def __init__(self, c, target, name, protocol):
        source, identity = target.replace("target", "source"), f"{target}-{name}"
        self.command = [c.program, "session", target, source, target, identity]
        self.environment = {**os.environ, "GROUP_PROTOCOL": protocol}
        self.said = SCRATCH / identity
        self.start()

    def start(self):
        with open(self.said, "ab") as out, open(f"{self.said}.err", "ab") as err:
            run = {"stdout": out, "stderr": err, "env": self.environment}
            self.process = subprocess.Popen(self.command, **run)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def moved(self):
        return sum(int(line.split()[1]) for line in self.said.read_text().splitlines())


def moves_once(c, protocol="classic"):
    """two GroupTransactSessions, one killed after the other: every record is moved once"""
    source, target = (fresh(c, f"{name}-{protocol}", 2) for name in ("source", "target"))
    sent = 0

    def send():
        nonlocal sent
        numbers = range(sent, sent + 20)
        c.produce(source, [Record(b"%d" % i, partition=p) for i in numbers for p in (0, 1)])
        sent += 20

    sessions = [Session(c, target, name, protocol) for name in "ab"]
    try:
        until(lambda: send() or all(s.moved() for s in sessions), "both move records")
        for session in sessions:
            session.kill()
            before = session.moved()
            session.start()
            until(lambda: send() or session.moved() > before, "the one that was killed moves on")
        assert len(c.consume(target, 2 * sent, committed=True)) == 2 * sent
    finally:
        for session in sessions:
            session.kill()
    c.produce(target, last(2))
    lane = [b"%d" % i for i in range(sent)] + [LAST]
    found = values(c, target, 2 * sent + 2, committed=True)
    assert found == [lane, lane], [len(found[0]), len(found[1]), len(lane)]


def moves_once_as_consumers(c):
    """the same by the consumer protocol (KIP-848)"""
    moves_once(c, "consumer")


def administers(part, what):
    """A story of kadm: what it asks for stands in `franz_go/`."""

    def story(c):
        c.ask("admin", name=part, topic=f"{c.name}-admin-{part}-{RUN}")

    story.__doc__ = f"kadm: {what}"
    return story


ADMIN = [
    administers("topics", "topics are made, widened, listed and deleted"),
    administers("configs", "settings of topics and brokers"),
    administers("offsets", "offsets by place, time and epoch, and records that are deleted"),
    administers("groups", "groups of both protocols, their offsets and their lag"),
    administers("transactions", "transactions, their producers and coordinators"),
    administers("cluster", "brokers, versions, log folders, elections"),
]

play(
    FranzGo(),
    [
        *STORIES,
        *OF_CONSUMERS,
        # A group's offsets are sent by a GroupTransactSession.
        *(story for story in TRANSACTIONS if story is not reads_processes_and_writes),
        moves_once,
        moves_once_as_consumers,
        *ADMIN,
    ],
)
