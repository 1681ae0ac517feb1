#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bodies of any size in bounded memory: whoever is slow stops the one who is fast."""
import hashlib
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402
import wire  # noqa: E402

INI = """
[module route]
[upstream origin]
server = {origin}
[route all]
match = */*
upstream = origin
body_size = 0
"""

SIZE = 100 * 1024 * 1024
BLOCK = bytes(range(256)) * 256

# A sanitizer keeps freed memory for a while, so only a plain build is held to this.
ROOM = 8 * 1024 * 1024


def weir_to(origin):
    return scene.Weir(INI.format(origin=origin.address))


def memory(weir, what="VmRSS:"):
    with open(f"/proc/{weir.process.pid}/status") as f:
        return int(f.read().split(what)[1].split()[0]) * 1024


def is_sanitized(weir):
    """A sanitizer reserves terabytes for its shadow."""
    return memory(weir, "VmSize:") > 1 << 40


def assert_bounded(weir, before):
    if not is_sanitized(weir):
        assert memory(weir) - before < ROOM, (before, memory(weir))


def blocks(count=SIZE // len(BLOCK)):
    for _ in range(count):
        yield BLOCK


def digest_of_body(connection, length):
    digest = hashlib.sha256()
    rest = connection.received[connection.taken:]
    digest.update(rest)
    length -= len(rest)
    while length > 0:
        piece = connection.sock.recv(1 << 20)
        assert piece, f"{length} bytes are missing"
        digest.update(piece)
        length -= len(piece)
    return digest.hexdigest()


def wanted():
    digest = hashlib.sha256()
    for block in blocks():
        digest.update(block)
    return digest.hexdigest()


WANTED = wanted()


class Sender:
    """Sends for as long as the other side takes it, in a thread; `sent` tells how much."""

    def __init__(self, connection, total=SIZE):
        self.sent = 0
        self.connection, self.total = connection, total
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while self.sent < self.total:
                self.connection.send(BLOCK)
                self.sent += len(BLOCK)
        except OSError:
            pass

    def has_stopped(self):
        """Wait until it is blocked; how much went out before."""
        last, since = -1, time.monotonic()
        limit = since + scene.PATIENCE
        while time.monotonic() - since < 0.3:
            if self.sent != last:
                last, since = self.sent, time.monotonic()
            assert time.monotonic() < limit
            time.sleep(0.01)
        return last


def test_a_large_response_passes_whole_and_in_little_memory():
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for block in blocks():
            connection.send(block)

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        before = memory(weir)
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        assert digest_of_body(client, SIZE) == WANTED
        assert_bounded(weir, before)
        scene.until(lambda: weir.metric("weir_client_sent_bytes_total") == SIZE, "all was counted")


def test_a_large_upload_passes_whole_and_in_little_memory():
    def script(connection):
        connection.head()
        connection.answer(digest_of_body(connection, SIZE).encode())
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        before = memory(weir)
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for block in blocks():
            client.send(block)
        assert wire.body_of(client) == (200, WANTED.encode())
        assert_bounded(weir, before)


def test_a_large_chunked_body_passes_both_ways():
    count = 2000

    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        taken = 0
        buffered = connection.received[connection.taken:]
        while not buffered.endswith(b"\r\n0\r\n\r\n"):
            taken += len(buffered) - 16 if len(buffered) > 16 else 0
            buffered = buffered[-16:] + connection.sock.recv(1 << 20)
        for i in range(count):
            connection.send(b"%x\r\n%s\r\n" % (1 + i * 30, b"y" * (1 + i * 30)))
        connection.send(b"0\r\n\r\n")
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin) as weir:
        with wire.connect(weir) as client:
            client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            sender = threading.Thread(target=lambda: [client.send(b"%x\r\n%s\r\n" % (1 + i * 30, b"x" * (1 + i * 30)))
                                                      for i in range(count)] + [client.send(b"0\r\n\r\n")])
            sender.start()
            client.head()
            bytes_seen, tail = 0, client.received[client.taken:]
            bytes_seen += tail.count(b"y")
            while not tail.endswith(b"\r\n0\r\n\r\n"):
                piece = client.sock.recv(1 << 20)
                assert piece
                bytes_seen += piece.count(b"y")
                tail = (tail + piece)[-16:]
            sender.join()
        assert bytes_seen == sum(1 + i * 30 for i in range(count))
        scene.until(lambda: weir.metric("weir_client_received_bytes_total") == bytes_seen, "all was counted")


def test_a_client_that_does_not_read_stops_the_origin():
    senders = []

    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        senders.append(Sender(connection))
        senders[0].thread.join()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir, receive=65536) as client:
        before = memory(weir)
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        scene.until(lambda: senders, "the origin answers")
        assert senders[0].has_stopped() < 32 * 1024 * 1024, "only the sockets and one buffer are full"
        assert_bounded(weir, before)
        client.head()
        assert digest_of_body(client, SIZE) == WANTED


def test_an_origin_that_does_not_read_stops_the_client():
    go = threading.Event()

    def script(connection):
        connection.head()
        go.wait(scene.PATIENCE)
        connection.answer(digest_of_body(connection, SIZE).encode())
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        before = memory(weir)
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE)
        sender = Sender(client)
        assert sender.has_stopped() < 32 * 1024 * 1024
        assert_bounded(weir, before)
        go.set()
        assert wire.body_of(client) == (200, WANTED.encode())


def test_many_slow_readers_cost_little_and_starve_nobody():
    def script(connection):
        head = connection.head()
        if b"/small" in head:
            connection.answer(b"small")
            return
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        Sender(connection).thread.join()

    with wire.Origin(script) as origin, weir_to(origin) as weir:
        before = memory(weir)
        slow = [wire.connect(weir, receive=4096) for _ in range(30)]
        for client in slow:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        for client in slow:
            client.head()
        assert weir.ask("/small").body == "small"
        if not is_sanitized(weir):
            used = memory(weir) - before
            assert used < 30 * (512 + 32) * 1024, used // 30  # each keeps one large buffer, and little beside
        for client in slow:
            client.close()
        scene.until(lambda: weir.metric("weir_requests_active") == 0, "all are gone")


def test_the_bound_on_memory_refuses_and_recovers():
    """With no room for another body the answer is 503 or a close, and all is well when there is room again."""
    senders = []

    def script(connection):
        while head := connection.head():
            if b"/small" in head:
                connection.answer(b"small")
                continue
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
            senders.append(Sender(connection))
            senders[-1].thread.join()

    weir = scene.Weir(INI.format(origin="127.0.0.1:9"))
    with wire.Origin(script) as origin:
        with open(weir.path("weir.ini"), "w") as f:
            ini = scene.PROCESS.format(threads=1, folder=weir.folder) + INI.format(origin=origin.address)
            f.write(ini.replace("[weir]\n", "[weir]\nmemory = 1M\n", 1))
        with weir:
            slow = [wire.connect(weir, receive=4096) for _ in range(40)]
            for client in slow:
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            scene.until(lambda: weir.metric("weir_memory_refused_total") > 0, "it is full")
            assert weir.process.poll() is None
            for client in slow:
                client.close()
            scene.until(lambda: weir.metric("weir_requests_active") == 0, "all are gone")
            assert weir.ask("/small").body == "small"
