#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How connections end: early answers, cut responses, clients that go, tunnels that close one side first."""
import os
import sys
import threading

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402
import wire  # noqa: E402

INI = """
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
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def weir_to(origin, route="", upstream="", threads=1):
    return scene.Weir(INI.format(origin=origin.address, route=route, upstream=upstream), threads)


def at_rest(weir):
    """Nothing is under way, and no connection to an origin was lost: each is closed or pooled."""
    scene.until(lambda: weir.metric("weir_requests_active") == 0, "no request is under way")


# --- pipelining and trailers --------------------------------------------------------------------------------------------


def test_fifty_pipelined_requests_are_answered_in_order():
    with wire.Origin(wire.polite) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        for wanted in ["/%d", "/page"]:
            targets = [(wanted % i if "%" in wanted else wanted).encode() for i in range(50)]
            client.send(b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target for target in targets))
            for target in targets:
                assert wire.body_of(client) == (200, b"page" if target == b"/page" else target)
        assert len(origin.connections) == 1


def test_pipelined_requests_behind_a_half_close_are_answered():
    with wire.Origin(wire.polite) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(GET.replace(b"/ ", b"/1 ") + GET.replace(b"/ ", b"/page ") + GET.replace(b"/ ", b"/3 "))
        client.end()
        assert [wire.body_of(client)[1] for _ in range(3)] == [b"/1", b"page", b"/3"]
        assert client.rest() == b""


def test_trailers_are_passed_on_both_ways():
    def script(connection):
        connection.until(b"Digest: 42\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nTrailer: Checked\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"5;x=y\r\nhello\r\n0\r\nChecked: yes\r\nAlso: this\r\n\r\n")
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n"
                    b"3\r\nabc\r\n0\r\nDigest: 42\r\n\r\n")
        head = client.head()
        assert b"\r\nTrailer: Checked\r\n" in head
        assert client.until(b"\r\n\r\n") == b"5\r\nhello\r\n0\r\nChecked: yes\r\nAlso: this\r\n\r\n"
        assert b"\r\nTrailer: Digest\r\n" in origin.received
        assert origin.received.endswith(b"3\r\nabc\r\n0\r\nDigest: 42\r\n\r\n")


def test_bodies_move_both_ways_at_once():
    """The origin answers what it has read so far, as it comes."""
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            connection.send(connection.read(10))
        connection.read(5)
        connection.send(b"0\r\n\r\n")
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.head()
        for i in range(5):
            client.send(b"5\r\nping%d\r\n" % i)
            assert client.read(10) == b"5\r\nping%d\r\n" % i
        client.send(b"0\r\n\r\n")
        assert client.read(5) == b"0\r\n\r\n"
        client.send(GET)	# and the connection goes on


# --- truncated responses ------------------------------------------------------------------------------------------------

CUT = {
    "by length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
    "in a trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n",
    "by a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
}


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("what", CUT)
def test_a_response_that_was_cut_looks_cut(what, version):
    def script(connection):
        connection.head()
        connection.send(CUT[what])
        seen.wait(scene.PATIENCE)
        if what == "by a bad chunk":
            connection.send(b"zz\r\n")
            connection.rest()

    seen = threading.Event()
    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(b"GET / HTTP/%s\r\nHost: a\r\n\r\n" % version)
        client.until(b"hello")
        seen.set()
        rest, was_reset = client.rest_cut()
        assert was_reset, "an orderly end would make a whole response of it"
        assert b"\r\n0\r\n" not in rest
        at_rest(weir)
        assert weir.metric("weir_upstream_truncated_total") == 1


def test_a_response_that_ends_by_a_reset_is_cut():
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        seen.wait(scene.PATIENCE)
        connection.reset()

    seen = threading.Event()
    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(GET)
        client.until(b"hello")
        seen.set()
        assert client.rest_cut()[1]


# --- early answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_origin_that_answers_early_is_heard_while_the_client_still_sends(framing):
    """413 and close in the middle of a large upload: the response arrives, and the connection ends in order."""
    def script(connection):
        connection.head()
        connection.read(1000)
        connection.answer(b"too much", b"Connection: close\r\n", b"413 Content Too Large")
        connection.end()
        connection.sock.close()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        head = b"Content-Length: 50000000" if framing == "length" else b"Transfer-Encoding: chunked"
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n" % head)
        piece = b"x" * 8192 if framing == "length" else b"2000\r\n" + b"x" * 8192 + b"\r\n"
        client.sock.settimeout(0.05)
        for _ in range(40):
            try:
                client.send(piece)
            except (BlockingIOError, TimeoutError):
                break
        client.sock.settimeout(wire.PATIENCE)
        assert wire.body_of(client) == (413, b"too much")
        assert b"\r\nConnection: close\r\n" in client.received
        assert client.rest() == b""
        at_rest(weir)
        assert weir.ask("/page").status == 200


def test_a_refusal_in_the_middle_of_an_upload_is_whole_although_the_client_goes_on():
    """Our own answer: the client is let finish for a moment, so that no reset destroys it."""
    with wire.Origin(wire.polite) as origin, weir_to(origin, "body_size = 1M") as weir, wire.connect(weir) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
        client.send(b"x" * 500000)
        status, _ = wire.body_of(client)
        assert status == 413
        client.send(b"x" * 100000)
        assert client.rest() == b""


def test_a_small_rest_of_an_upload_is_drained_and_the_connection_goes_on():
    def script(connection):
        while head := connection.head():
            connection.answer(head.split(b" ")[1])

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        assert wire.body_of(client) == (200, b"page")
        client.send(b"GET /fake " + GET)
        assert wire.body_of(client) == (200, b"/")
        assert b"/fake" not in origin.received


def test_an_origin_that_answered_early_is_not_used_again():
    """It may yet wait for the rest of that body: what we sent next would be taken for it."""
    def script(connection):
        connection.head()
        connection.answer(b"early")
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12")
        assert wire.body_of(client) == (200, b"early")
        client.send(b"34567890" + GET)
        assert wire.body_of(client) == (200, b"early")
        first, second = origin.connections
        assert b"GET" not in first.received and second.received.startswith(b"GET / ")


def test_an_upload_to_an_origin_that_dies_fails_once():
    def script(connection):
        connection.head()
        connection.read(100)
        connection.reset()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50000)
        assert wire.body_of(client)[0] == 502
        assert len(origin.connections) == 1


# --- clients that go ----------------------------------------------------------------------------------------------------


def test_a_client_that_has_said_all_and_closed_its_side_gets_its_answer():
    def script(connection):
        connection.head()
        closed.wait(scene.PATIENCE)
        connection.answer(b"late")
        connection.rest()

    closed = threading.Event()
    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(GET)
        client.end()
        scene.until(lambda: origin.received, "the request is at the origin")
        closed.set()
        assert wire.body_of(client) == (200, b"late")
        assert client.rest() == b""


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_goes_while_the_origin_answers_leaves_nothing_behind(how):
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    with wire.Origin(script) as origin, weir_to(origin) as weir:
        client = wire.connect(weir)
        client.send(GET)
        client.read(100000)
        getattr(client, how)()
        at_rest(weir)
        scene.until(lambda: origin.connections[0].sock.fileno() < 0, "the origin's connection is closed")
        assert weir.metric("weir_client_gone_total") == 1
        assert weir.metric("weir_upstream_idle") == 0
        scene.until(lambda: weir.metric("weir_client_connections") == 0, "the client is forgotten")


def test_a_client_that_goes_while_the_origin_thinks_leaves_nothing_behind():
    with wire.Origin(lambda connection: connection.rest()) as origin, weir_to(origin) as weir:
        client = wire.connect(weir)
        client.send(GET)
        scene.until(lambda: origin.received, "the request is at the origin")
        client.reset()
        at_rest(weir)
        scene.until(lambda: origin.connections[0].ended, "the origin's connection is closed")
        assert weir.metric("weir_client_gone_total") == 1


def test_a_client_that_goes_in_the_middle_of_its_upload_cuts_it_off_at_the_origin():
    with wire.Origin(lambda connection: connection.rest()) as origin, weir_to(origin) as weir:
        client = wire.connect(weir)
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        scene.until(lambda: origin.received.endswith(b"hello\r\n"), "a part is at the origin")
        client.close()
        at_rest(weir)
        scene.until(lambda: origin.connections[0].sock.fileno() < 0, "the origin's connection is closed")
        assert b"0\r\n" not in origin.received


# --- tunnels ------------------------------------------------------------------------------------------------------------


def tunnel(script, **more):
    def switch(connection):
        connection.head()
        connection.send(SWITCHING)
        script(connection)

    origin = wire.Origin(switch)
    return origin, weir_to(origin, **more)


def test_each_side_of_a_tunnel_may_close_first_and_still_hear_the_other():
    def script(connection):
        heard.append(connection.rest())
        connection.send(b"the last word")

    heard = []
    origin, weir = tunnel(script)
    with origin, weir, wire.connect(weir) as client:
        client.send(UPGRADE)
        client.head()
        client.send(b"all I have to say")
        client.end()
        assert client.rest() == b"the last word"
        assert heard == [b"all I have to say"]
        at_rest(weir)
        assert weir.metric("weir_tunnels_total") == 1
        assert weir.metric("weir_upstream_idle") == 0


def test_the_origin_may_close_its_side_of_a_tunnel_first():
    def script(connection):
        connection.send(b"goodbye")
        connection.end()
        heard.append(connection.rest())

    heard = []
    origin, weir = tunnel(script)
    with origin, weir, wire.connect(weir) as client:
        client.send(UPGRADE)
        client.head()
        assert client.rest() == b"goodbye"
        client.send(b"so long")
        client.end()
        scene.until(lambda: heard == [b"so long"], "the origin has heard the end")
        at_rest(weir)


def test_a_tunnel_carries_much_both_ways():
    amount = 8 * 1024 * 1024

    def script(connection):
        threading.Thread(target=connection.send, args=(b"d" * amount,)).start()
        heard.append(connection.read(amount).count(b"u"))
        connection.sock.recv(1)

    heard = []
    origin, weir = tunnel(script)
    with origin, weir, wire.connect(weir) as client:
        client.send(UPGRADE)
        client.head()
        sender = threading.Thread(target=client.send, args=(b"u" * amount,))
        sender.start()
        assert client.read(amount).count(b"d") == amount
        sender.join(scene.PATIENCE)
        scene.until(lambda: heard == [amount], "the origin has it all")


def test_a_tunnel_in_which_nothing_moves_ends():
    origin, weir = tunnel(lambda connection: connection.rest(), route="tunnel_timeout = 1s")
    with origin, weir, wire.connect(weir) as client:
        client.send(UPGRADE)
        client.head()
        assert client.rest_cut()[0] == b""
        scene.until(lambda: origin.connections[0].ended, "the origin's connection is closed")


def test_a_tunnel_that_breaks_breaks_on_the_other_side():
    origin, weir = tunnel(lambda connection: connection.rest())
    with origin, weir:
        client = wire.connect(weir)
        client.send(UPGRADE)
        client.head()
        client.reset()
        scene.until(lambda: origin.connections[0].ended or origin.connections[0].sock.fileno() < 0, "the origin knows")
        at_rest(weir)


def test_a_101_before_the_request_is_whole_is_none():
    def script(connection):
        connection.head()
        connection.send(SWITCHING)
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(UPGRADE.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 10\r\n\r\nhello"))
        assert wire.body_of(client)[0] == 502


# --- expectations -------------------------------------------------------------------------------------------------------


def test_a_body_that_was_announced_and_is_not_wanted_ends_the_connection():
    """The page needs no body. The client may send it or not: nobody could tell, so nothing more is read."""
    with wire.Origin(wire.polite) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(b"POST /page HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n")
        assert wire.body_of(client) == (200, b"page")
        assert b"\r\nConnection: close\r\n" in client.received
        client.send(GET)
        assert client.rest() == b""
        assert origin.received == b""


def test_an_origin_that_ignores_the_expectation_gets_the_body_anyway():
    def script(connection):
        connection.head()
        connection.answer(connection.read(4))
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        scene.until(lambda: b"Expect: 100-continue\r\n" in origin.received, "the origin knows")
        client.send(b"body")
        assert wire.body_of(client) == (200, b"body")
