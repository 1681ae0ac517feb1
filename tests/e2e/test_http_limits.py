#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Limits: past each the client has the right answer or a close, it is counted, and the process keeps serving."""
import contextlib
import os
import resource
import socket
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402
import wire  # noqa: E402

INI = """
{listen}
[module route]
[module respond]
[upstream origin]
server = {origin}
{upstream}
[route all]
match = */*
upstream = origin
{route}
[route page]
match = */page
respond.status = 200
respond.body = page
"""

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PAGE = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n"


def weir_with(origin=None, listen="", upstream="", route="", threads=1):
    address = origin.address if origin is not None else "127.0.0.1:9"
    return scene.Weir(INI.format(origin=address, listen=listen, upstream=upstream, route=route), threads)


def says(client, data):
    client.send(data)
    return wire.body_of(client)[0]


def is_closed(client):
    return client.rest_cut()[0] == b""


def serves(weir):
    assert weir.ask("/page").body == "page"


# --- sizes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listen, good, bad", [
    ("head_size = 2K", b"X: %s\r\n" % (b"x" * 1900), b"X: %s\r\n" % (b"x" * 2100)),
    ("fields = 10", b"X: y\r\n" * 9, b"X: y\r\n" * 10),
], ids=["head", "fields"])
def test_a_head_may_be_so_large(listen, good, bad):
    with weir_with(listen=listen) as weir, wire.connect(weir) as client:
        assert says(client, PAGE.replace(b"Host", good + b"Host")) == 200
        assert says(client, PAGE.replace(b"Host", bad + b"Host")) == 431
        assert is_closed(client)
        assert weir.metric("weir_limited_total") == 1
        serves(weir)


def test_a_head_without_end_is_refused_at_the_limit():
    with weir_with(listen="head_size = 2K") as weir, wire.connect(weir) as client:
        client.send(PAGE[:-2])
        for _ in range(3):
            client.send(b"X: " + b"y" * 700 + b"\r\n")
        assert wire.body_of(client)[0] == 431
        serves(weir)


def test_a_target_may_be_so_long():
    with weir_with(listen="target_length = 100") as weir, wire.connect(weir) as client:
        assert says(client, b"GET /page?%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 94)) == 200
        assert says(client, b"GET /page?%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 95)) == 414
        assert is_closed(client)
        serves(weir)


def test_a_body_may_be_so_large_and_its_length_tells_before_the_origin_hears_of_it():
    with wire.Origin(wire.polite) as origin, weir_with(origin, route="body_size = 1K") as weir, wire.connect(weir) as client:
        assert says(client, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n") == 413
        assert b"\r\nConnection: close\r\n" in client.received
        client.send(b"x" * 1025)
        assert is_closed(client)
        assert origin.received == b""
        assert weir.metric("weir_limited_total") == 1
        serves(weir)


def test_a_chunked_body_may_be_so_large():
    with wire.Origin(lambda c: c.rest()) as origin, weir_with(origin, route="body_size = 1K") as weir:
        with wire.connect(weir) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + b"x" * 1000 + b"\r\n")
            scene.until(lambda: origin.received.endswith(b"x\r\n"), "the first chunk is at the origin")
            assert says(client, b"20\r\n" + b"x" * 32 + b"\r\n") == 413
            assert is_closed(client)
        scene.until(lambda: origin.connections[0].ended, "the origin's connection is closed")
        assert not origin.received.endswith(b"0\r\n\r\n")
        serves(weir)


# --- time ---------------------------------------------------------------------------------------------------------------


def test_a_head_must_be_whole_in_time_however_slowly_it_comes():
    begun = time.monotonic()
    with weir_with(listen="head_timeout = 300ms") as weir, wire.connect(weir) as client, wire.connect(weir) as mute:
        client.sock.settimeout(0.05)
        for byte in PAGE[:-2] + b"X: y\r\n" * 1000:
            try:
                client.send(bytes([byte]))
                if client.more():
                    break
            except TimeoutError:
                pass
        client.sock.settimeout(wire.PATIENCE)
        assert wire.body_of(client)[0] == 408
        assert 0.25 < time.monotonic() - begun < 20
        assert is_closed(client)
        assert is_closed(mute), "a client that never says a word is just closed"
        serves(weir)


def test_a_later_head_must_be_whole_in_time_too():
    with weir_with(listen="head_timeout = 1s") as weir, wire.connect(weir) as client:
        assert says(client, PAGE) == 200
        assert says(client, PAGE[:5]) == 408
        assert is_closed(client)
    with weir_with(listen="head_timeout = 1s") as weir, wire.connect(weir) as client:
        assert says(client, PAGE + PAGE[:5]) == 200
        assert wire.body_of(client)[0] == 408


def test_an_idle_connection_is_closed_after_its_time():
    with weir_with(listen="keepalive_timeout = 200ms") as weir, wire.connect(weir) as client:
        begun = time.monotonic()
        assert says(client, PAGE) == 200
        assert is_closed(client)
        assert 0.15 < time.monotonic() - begun < 20


def test_a_connection_serves_so_many_requests():
    with weir_with(listen="keepalive_requests = 3") as weir, wire.connect(weir) as client:
        client.send(PAGE * 5)
        assert [wire.body_of(client)[0] for _ in range(3)] == [200] * 3
        assert b"\r\nConnection: close\r\n" in client.received
        assert is_closed(client)


def test_an_origin_that_does_not_begin_its_answer_in_time_is_504():
    with wire.Origin(lambda c: c.rest()) as origin, weir_with(origin, upstream="first_byte_timeout = 200ms") as weir:
        with wire.connect(weir) as client:
            assert says(client, GET) == 504
            assert says(client, PAGE) == 200	# the client's connection is as good as before
            scene.until(lambda: origin.connections[0].ended, "the origin's connection is closed")


def test_the_whole_head_of_an_answer_must_come_in_time():
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.send(b"X: y\r\n")
            time.sleep(0.02)

    with wire.Origin(script) as origin, weir_with(origin, upstream="first_byte_timeout = 200ms") as weir:
        assert weir.ask().status == 504
        scene.until(lambda: origin.connections[0].sock.fileno() < 0, "the origin's connection is closed")


def test_an_origin_that_pauses_too_long_is_cut():
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
        connection.rest()

    with wire.Origin(script) as origin, weir_with(origin, upstream="between_bytes_timeout = 200ms") as weir:
        with wire.connect(weir) as client:
            client.send(GET)
            client.until(b"hello")
            assert client.rest_cut() == (b"", True)
        scene.until(lambda: origin.connections[0].ended, "the origin's connection is closed")
        serves(weir)


def upload(client):
    with contextlib.suppress(OSError):
        while True:
            client.send(b"x" * 65536)


def test_an_origin_that_takes_no_more_of_an_upload_is_504():
    def script(connection):
        connection.head()
        done.append(connection.sock.recv(1, socket.MSG_PEEK))
        while not stop:
            time.sleep(0.01)

    done, stop = [], []
    with wire.Origin(script) as origin, weir_with(origin, upstream="between_bytes_timeout = 1s") as weir:
        with wire.connect(weir) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n")
            threading.Thread(target=upload, args=(client,), daemon=True).start()
            assert wire.body_of(client)[0] == 504
            stop.append(True)
        serves(weir)


@pytest.mark.parametrize("limit", ["upstream", "route"])
def test_an_origin_that_does_not_accept_is_504(limit):
    """The backlog is full: the kernel answers nothing to further attempts."""
    limits = {"upstream": "connect_timeout = 300ms"} if limit == "upstream" else {"route": "total_timeout = 300ms"}
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    try:
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(full.getsockname())
            waiting.append(s)
        address = type("Address", (), {"address": "127.0.0.1:%d" % full.getsockname()[1]})
        with weir_with(address, **limits) as weir:
            begun = time.monotonic()
            assert weir.ask().status == 504
            assert 0.25 < time.monotonic() - begun < 20
            serves(weir)
    finally:
        for s in [full, *waiting]:
            s.close()


def test_a_whole_exchange_may_take_so_long():
    def trickle(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            connection.send(b"x")
            time.sleep(0.02)

    with wire.Origin(lambda c: c.rest()) as origin, weir_with(origin, route="total_timeout = 300ms") as weir:
        assert weir.ask().status == 504
        scene.until(lambda: origin.connections[0].ended, "the origin's connection is closed")
        serves(weir)
    with wire.Origin(trickle) as origin, weir_with(origin, route="total_timeout = 1s") as weir:
        with wire.connect(weir) as client:
            client.send(GET)
            body, was_reset = client.rest_cut()
            assert was_reset and body.endswith(b"xx")


def test_a_client_must_send_its_body_at_some_rate():
    with wire.Origin(lambda c: c.rest()) as origin:
        with weir_with(origin, route="body_rate = 10K\nbody_grace = 300ms") as weir, wire.connect(weir) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
            assert wire.body_of(client)[0] == 408
            assert is_closed(client)
            assert weir.metric("weir_client_timeout_total") == 1
            scene.until(lambda: origin.connections[0].ended, "the origin's connection is closed")
            serves(weir)


def test_a_client_must_take_its_response_at_some_rate():
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.send(b"x" * 65536)

    with wire.Origin(script) as origin:
        with weir_with(origin, route="body_rate = 10K\nbody_grace = 300ms") as weir:
            with wire.connect(weir, receive=4096) as client:
                client.send(GET)
                scene.until(lambda: weir.metric("weir_client_timeout_total") == 1, "the client was too slow")
                assert client.rest_cut()[1]
            scene.until(lambda: origin.connections[0].sock.fileno() < 0, "the origin's connection is closed")
            serves(weir)


def test_the_rate_is_the_clients_alone():
    """An origin that thinks, or trickles, for longer than the grace is not the client's fault."""
    def script(connection):
        connection.head()
        connection.read(4)
        time.sleep(1.2)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            time.sleep(0.15)
            connection.send(b"x")

    with wire.Origin(script) as origin, weir_with(origin, route="body_rate = 1M\nbody_grace = 1s") as weir:
        with wire.connect(weir) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
            scene.until(lambda: origin.received, "the head is at the origin")
            client.send(b"body")
            assert wire.body_of(client) == (200, b"x" * 8)


def test_the_origins_limits_do_not_run_while_the_client_sends():
    with wire.Origin(lambda c: (c.read(len(c.head()) and 8), c.answer(b"ok"), c.rest())) as origin:
        with weir_with(origin, upstream="first_byte_timeout = 1s\nbetween_bytes_timeout = 1s") as weir:
            with wire.connect(weir) as client:
                client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n")
                for _ in range(8):
                    time.sleep(0.2)
                    client.send(b"x")
                assert wire.body_of(client) == (200, b"ok")


def test_the_rest_of_an_upload_that_nobody_wants_is_not_awaited_for_ever():
    """The page came without it. Five seconds are given for it: see DRAIN_TIME."""
    with weir_with() as weir, wire.connect(weir) as client:
        begun = time.monotonic()
        assert says(client, b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx") == 200
        assert is_closed(client)
        assert 4 < time.monotonic() - begun < 25


# --- numbers ------------------------------------------------------------------------------------------------------------


def process_with(key):
    weir = weir_with()
    with open(weir.path("weir.ini")) as f:
        text = f.read()
    with open(weir.path("weir.ini"), "w") as f:
        f.write(text.replace("[weir]\n", f"[weir]\n{key}\n", 1))
    return weir


@pytest.mark.parametrize("where", ["connections", "connections_per_client"])
def test_so_many_connections_and_no_more(where):
    weir = process_with("connections = 3") if where == "connections" else weir_with(listen="connections_per_client = 3")
    with weir:
        held = [wire.connect(weir) for _ in range(3)]
        assert [says(client, PAGE) for client in held] == [200] * 3
        with wire.connect(weir) as client:
            assert is_closed(client)
        assert weir.metric("weir_client_refused_total") == 1
        assert says(held[0], PAGE) == 200	# those that are in stay in
        held.pop().close()
        scene.until(lambda: weir.metric("weir_client_connections") == 2, "one has gone")
        serves(weir)
        for client in held:
            client.close()


def test_out_of_descriptors_it_waits_and_does_not_spin():
    with weir_with() as weir:
        pid = weir.process.pid
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        held = [wire.connect(weir) for _ in range(10)]
        scene.until(lambda: "cannot accept" in weir.read("stderr"), "it says so")
        scene.until(lambda: scene.is_still(weir), "it does not spin")
        time.sleep(0.7)
        assert says(held[0], PAGE) == 200
        assert weir.read("stderr").count("cannot accept") == 1, "once, not at every attempt"
        for client in held[:9]:
            client.close()
        assert says(held[9], PAGE) == 200
        for client in held:
            client.close()
        serves(weir)


def test_out_of_descriptors_an_origin_cannot_be_reached_and_later_can():
    with wire.Origin(wire.polite) as origin, weir_with(origin) as weir, wire.connect(weir) as client:
        assert says(client, PAGE) == 200
        pid = weir.process.pid
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        old = resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")), hard))
        assert says(client, GET) == 502
        resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
        assert says(client, GET) == 200
