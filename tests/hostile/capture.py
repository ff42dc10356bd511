#!/usr/bin/env python3
"""Stands in for the broker and keeps what real clients send to it.

    CORELANE=tests/hostile/capture.py BROKER=target/debug/corelane FRAMES=tests/golden/traffic.bin \
        OUT=target PYTHON=target/test-venv/bin/python tests/clients/run.sh java_tools java_client ...

Starts $BROKER with the same arguments on ports 1,000 higher, tells clients the ports they know,
and passes every byte on in both directions. Of the requests that pass, a few of each API, version
and size are added to $FRAMES: frames one after another, each with its length in front, as they
were sent. The sandbox that the clients' test runs the broker in allows no second program: set
CONFINED=0 for a capture.
"""
import collections
import os
import signal
import socket
import struct
import subprocess
import sys
import threading

SHIFT = 1000
EACH_MAX = 3
FRAME_BYTES_MAX = 3000

frames = []
seen = collections.Counter()
lock = threading.Lock()


def keep(frame):
    key, version = struct.unpack(">hh", frame[:4])
    kind = (key, version, len(frame).bit_length())
    with lock:
        if len(frame) <= FRAME_BYTES_MAX and seen[kind] < EACH_MAX and frame not in frames:
            seen[kind] += 1
            frames.append(frame)


def copy(source, target, requests):
    pending = b""
    try:
        while data := source.recv(65536):
            target.sendall(data)
            if not requests:
                continue
            pending += data
            while len(pending) >= 4 and len(pending) >= 4 + (size := struct.unpack(">i", pending[:4])[0]):
                if size >= 8:
                    keep(pending[4:4 + size])
                pending = pending[4 + size:]
    except OSError:
        pass
    for one in (source, target):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def accept(listener, port):
    while True:
        client, _ = listener.accept()
        broker = socket.create_connection(("127.0.0.1", port))
        for one in (client, broker):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=copy, args=(client, broker, True), daemon=True).start()
        threading.Thread(target=copy, args=(broker, client, False), daemon=True).start()


def value_of(name):
    return sys.argv[sys.argv.index(name) + 1]


def main():
    port, shards = int(value_of("--port")), int(value_of("--shards"))
    arguments = sys.argv[1:]
    arguments[arguments.index("--port") + 1] = str(port + SHIFT)
    settings = value_of("--config") + ".capture"
    with open(value_of("--config")) as given, open(settings, "w") as out:
        out.write(given.read() + f"\nadvertised.listeners=PLAINTEXT://127.0.0.1:{port}\n")
    arguments[arguments.index("--config") + 1] = settings
    for shard in range(shards):
        listener = socket.create_server(("127.0.0.1", port + shard), backlog=500)
        threading.Thread(target=accept, args=(listener, port + SHIFT + shard), daemon=True).start()
    broker = subprocess.Popen([os.environ["BROKER"], *arguments])
    signal.signal(signal.SIGTERM, lambda *_: broker.terminate())
    status = broker.wait()
    path = os.environ["FRAMES"]
    if os.path.exists(path):
        with open(path, "rb") as before:
            old = before.read()
        while old:
            size = struct.unpack(">i", old[:4])[0]
            keep(old[4:4 + size])
            old = old[4 + size:]
    with open(path, "wb") as out:
        for frame in sorted(frames):
            out.write(struct.pack(">i", len(frame)) + frame)
    sys.exit(status)


main()
