#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Finding an origin: names and addresses, fallback and retries, pools and the shelf between threads."""
import contextlib
import os
import select
import socket
import struct
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402
import wire  # noqa: E402

INI = """
[module route]
{modules}
[upstream origin]
{servers}
{upstream}
[route all]
match = */*
upstream = origin
"""

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
A, AAAA = 1, 28


def weir_to(*addresses, upstream="", modules="", threads=1, resolver=None):
    servers = "\n".join(f"server = {address}" for address in addresses)
    ini = INI.format(servers=servers, upstream=upstream, modules=modules)
    weir = scene.Weir(ini, threads)
    if resolver is not None:
        text = weir.read("weir.ini").replace("[weir]\n", f"[weir]\nresolver = {resolver}\n", 1)
        with open(weir.path("weir.ini"), "w") as f:
            f.write(text)
    return weir


class Names:
    """A name server of UDP that knows a table {(name, type): [address, ...]}, and counts the questions."""

    def __init__(self, table, ttl=60):
        self.table, self.ttl = table, ttl
        self.questions = []
        self.silent = False
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.sock.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *what):
        self.sock.close()

    def serve(self):
        while True:
            try:
                question, client = self.sock.recvfrom(4096)
                at, labels = 12, []
                while question[at]:
                    labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
                    at += 1 + question[at]
                self.questions.append((".".join(labels), struct.unpack("!H", question[at + 1:at + 3])[0]))
                if not self.silent:
                    self.sock.sendto(self.answer(question[:at + 5], *self.questions[-1]), client)
            except OSError:
                return

    def answer(self, question, name, kind):
        known = any(n == name for n, _ in self.table)
        addresses = self.table.get((name, kind), [])
        head = question[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, len(addresses), 0, 0)
        records = b""
        for address in addresses:
            data = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, address)
            records += struct.pack("!HHHIH", 0xc00c, kind, 1, self.ttl, len(data)) + data
        return head + question[12:] + records


def fill_backlog(listener, stack):
    """Let it listen, and connect until the kernel answers no further attempt."""
    listener.listen(0)
    for _ in range(4):
        s = stack.enter_context(socket.socket(listener.family))
        s.setblocking(False)
        s.connect_ex(listener.getsockname())


# --- where to dial ------------------------------------------------------------------------------------------------------


def test_an_origin_that_refuses_is_502_and_served_again_when_it_is_back():
    with scene.claim() as s:
        port = s.getsockname()[1]
        with weir_to(f"127.0.0.1:{port}") as weir, wire.connect(weir) as client:
            client.send(GET)
            assert wire.body_of(client)[0] == 502
            assert weir.metric("weir_upstream_failed_total") == 1
            with wire.Origin(wire.polite, ("127.0.0.1", port)):
                client.send(GET)
                assert wire.body_of(client) == (200, b"/")


def test_another_server_is_tried_when_one_refuses():
    with scene.claim() as s, wire.Origin(wire.polite) as origin:
        with weir_to("127.0.0.1:%d" % s.getsockname()[1], origin.address, modules="[module balance]") as weir:
            assert [weir.ask().status for _ in range(4)] == [200] * 4
            assert weir.metric("weir_upstream_retried_total") >= 1


def test_a_post_that_was_sent_is_not_sent_to_another_server():
    def script(connection):
        connection.head()
        connection.read(3)

    with wire.Origin(script) as a, wire.Origin(script) as b:
        with weir_to(a.address, b.address, modules="[module balance]") as weir:
            assert weir.ask(method="POST", body=b"pay").status == 502
            assert (a.received + b.received).count(b"POST") == 1
            assert weir.ask(method="PUT", body=b"put").status == 502
            assert a.received.count(b"PUT") == b.received.count(b"PUT") == 1


def test_both_ends_may_be_unix_sockets():
    folder_of = scene.Weir("")
    path = folder_of.path("origin.sock")
    with wire.Origin(wire.polite, path) as origin:
        ini = INI.format(servers=f"server = {origin.address}", upstream="", modules="")
        folder_of.write("address = unix:{folder}/web.sock\n" + ini)
        with folder_of as weir:
            client = wire.Connection(socket.socket(socket.AF_UNIX))
            client.sock.connect(weir.path("web.sock"))
            client.send(GET + GET)
            assert [wire.body_of(client) for _ in range(2)] == [(200, b"/")] * 2
            client.close()
            assert weir.ask("/tcp").body == "/tcp"
            assert len(origin.connections) == 1


def test_the_origin_may_be_told_another_host_and_be_dialled_from_another_address():
    with wire.Origin(wire.polite) as origin, weir_to(origin.address, upstream="host = inside.test\nbind = 127.0.0.9") as weir:
        assert weir.ask(host="outside.test").status == 200
        assert b"\r\nHost: inside.test\r\n" in origin.received
        assert b"outside" not in origin.received
        assert origin.connections[0].sock.getpeername()[0] == "127.0.0.9"


# --- names --------------------------------------------------------------------------------------------------------------


def test_a_name_is_asked_for_once_and_served():
    with wire.Origin(wire.polite) as origin, Names({("origin.test", A): ["127.0.0.1"]}) as names:
        with weir_to(f"origin.test:{origin.port}", resolver=names.address, upstream="keepalive = 0") as weir:
            assert [weir.ask().status for _ in range(5)] == [200] * 5
            assert sorted(names.questions) == [("origin.test", A), ("origin.test", AAAA)]
            assert len(origin.connections) == 5


def test_a_name_without_an_address_is_502_and_the_process_goes_on():
    with wire.Origin(wire.polite) as origin, Names({("other.test", A): ["127.0.0.1"]}) as names:
        with weir_to(f"origin.test:{origin.port}", resolver=names.address) as weir:
            assert [weir.ask().status for _ in range(3)] == [502] * 3
            assert origin.received == b""


def test_a_name_server_that_is_silent_blocks_nobody_else():
    with Names({}) as names, wire.Origin(wire.polite) as origin:
        names.silent = True
        with weir_to("origin.test:80", resolver=names.address, upstream="connect_timeout = 2s") as weir:
            text = weir.read("weir.ini") + f"[upstream other]\nserver = {origin.address}\n[route other]\nmatch = */other\n" \
                "upstream = other\n"
            with open(weir.path("weir.ini"), "w") as f:
                f.write(text)
            assert weir.ctl("reload")[0] == 0
            with wire.connect(weir) as client:
                client.send(GET)
                scene.until(lambda: names.questions, "the name is asked for")
                assert weir.ask("/other").status == 200
                assert select.select([client.sock], [], [], 0)[0] == [], "the first has no answer yet"
                assert wire.body_of(client)[0] in (502, 504)


def test_a_name_that_moves_is_followed_when_its_time_is_over():
    with wire.Origin(wire.polite, ("127.0.0.2", 0)) as first, Names({("origin.test", A): ["127.0.0.2"]}, ttl=1) as names:
        with wire.Origin(wire.polite, ("127.0.0.3", first.port)) as second:
            with weir_to(f"origin.test:{first.port}", resolver=names.address, upstream="keepalive = 0") as weir:
                assert weir.ask().status == 200
                assert len(first.connections) == 1
                names.table[("origin.test", A)] = ["127.0.0.3"]
                scene.until(lambda: weir.ask().status == 200 and second.connections, "requests go to the new address")


@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_the_next_address_is_tried_when_the_first_is_dead(how):
    """IPv6 goes first. Whether its address says no or nothing, the other one answers, and soon."""
    with wire.Origin(wire.polite) as origin, contextlib.ExitStack() as stack:
        dead = stack.enter_context(socket.socket(socket.AF_INET6))
        try:
            dead.bind(("::1", origin.port))
        except OSError:
            pytest.skip("no IPv6 on loopback, or somebody has the port")
        if how == "is silent":
            fill_backlog(dead, stack)
        table = {("origin.test", A): ["127.0.0.1"], ("origin.test", AAAA): ["::1"]}
        names = stack.enter_context(Names(table))
        with weir_to(f"origin.test:{origin.port}", resolver=names.address, upstream="keepalive = 0\nconnect_timeout = 25s") as weir:
            for _ in range(3):
                begun = time.monotonic()
                assert weir.ask().status == 200
                assert time.monotonic() - begun < 20        # long before connect_timeout


# --- pools --------------------------------------------------------------------------------------------------------------


def test_an_origin_that_closes_an_idle_connection_is_dialled_anew():
    def script(connection):
        connection.head()
        connection.answer(b"once")

    with wire.Origin(script) as origin, weir_to(origin.address) as weir, wire.connect(weir) as client:
        for count in range(1, 4):
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            assert wire.body_of(client) == (200, b"once")
            scene.until(lambda: weir.metric("weir_requests_active") == 0, "the request is over")
            scene.until(lambda: weir.metric("weir_upstream_idle") == 0, "the closed connection has left the pool")
            assert len(origin.connections) == count


@pytest.mark.parametrize("fields, version", [(b"Connection: close\r\n", b"1.1"), (b"", b"1.0")])
def test_an_origin_that_means_to_close_is_not_pooled(fields, version):
    def script(connection):
        while connection.head():
            connection.send(b"HTTP/%s 200 OK\r\nContent-Length: 2\r\n%s\r\nok" % (version, fields))

    with wire.Origin(script) as origin, weir_to(origin.address) as weir, wire.connect(weir) as client:
        for _ in range(3):
            client.send(GET)
            assert wire.body_of(client) == (200, b"ok")
        assert len(origin.connections) == 3
        assert weir.metric("weir_upstream_reused_total") == 0


def test_an_origin_of_1_0_may_keep_its_connection():
    def script(connection):
        while connection.head():
            connection.send(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")

    with wire.Origin(script) as origin, weir_to(origin.address) as weir, wire.connect(weir) as client:
        for _ in range(3):
            client.send(GET)
            assert wire.body_of(client) == (200, b"ok")
        assert len(origin.connections) == 1


def test_a_pooled_connection_serves_so_long_and_so_often():
    with wire.Origin(wire.polite) as origin:
        with weir_to(origin.address, upstream="keepalive_requests = 2") as weir:
            assert [weir.ask().status for _ in range(4)] == [200] * 4
            assert len(origin.connections) == 2
        with weir_to(origin.address, upstream="keepalive_timeout = 200ms") as weir:
            assert weir.ask().status == 200
            scene.until(lambda: origin.connections[2].ended, "the idle connection is closed")
            scene.until(lambda: weir.metric("weir_upstream_idle") == 0, "and not counted any more")


def test_so_many_idle_connections_and_no_more():
    def script(connection):
        while connection.head():
            together.wait(scene.PATIENCE)
            connection.answer(b"ok")

    together = threading.Barrier(8)
    with wire.Origin(script) as origin, weir_to(origin.address, upstream="keepalive = 3") as weir:
        clients = [wire.connect(weir) for _ in range(8)]
        for client in clients:
            client.send(GET)
        for client in clients:
            assert wire.body_of(client) == (200, b"ok")
        scene.until(lambda: weir.metric("weir_upstream_idle") == 3, "three are kept")
        scene.until(lambda: sum(c.ended for c in origin.connections) == 5, "five are closed")
        for client in clients:
            client.close()


def test_threads_share_connections_over_the_shelf():
    """Eight clients on two threads: no more connections than one pool would have, whatever thread a client fell to."""
    def work():
        with wire.connect(weir) as client:
            for _ in range(100):
                client.send(GET)
                assert wire.body_of(client) == (200, b"/")
        done.append(True)

    done = []
    with wire.Origin(wire.polite) as origin, weir_to(origin.address, threads=2) as weir:
        for _ in range(4):
            workers = [threading.Thread(target=work) for _ in range(8)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(scene.PATIENCE)
        assert len(done) == 32
        assert len(origin.connections) <= 10
        assert weir.metric("weir_upstream_shelved_total") > 0
