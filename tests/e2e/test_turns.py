#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is: who is waited for, for how long, and that nothing is forgotten or spun on meanwhile.

The module waiter waits where a request's field Wait orders it, meddler answers an error at length.
"""
import contextlib
import threading
import time

import pytest

import scene
import wire

INI = """
[module route]
[module respond]
[module meddler]
[module waiter]
file = {folder}/trace
[upstream origin]
server = %s
%s
[route all]
match = */*
upstream = origin
%s
[route page]
match = */page
respond.status = 200
respond.body = page
"""


@contextlib.contextmanager
def weir_to(origin, upstream="", route=""):
    with scene.Weir(INI % (origin.address, upstream, route), modules=[scene.MODULES]) as weir:
        with open(weir.path("trace"), "ab"):
            yield weir


def until_waiting(weir):
    scene.until(lambda: " waiter waits " in weir.read("trace"), "a hook waits")


def turn(weir):
    """Whatever was ready before is served when this is answered: the thread is the same."""
    assert weir.ask("/page").body == "page"


# --- a hook's --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["upstream_response", "response"])
def test_an_upload_that_is_under_way_costs_no_time_while_a_hook_waits(phase):
    """The origin answers early; then it takes what was queued for it, so that it could be written to."""
    size = 32 * 1024 * 1024

    def script(connection):
        connection.head()
        stuck.wait(scene.PATIENCE)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        waits.wait(scene.PATIENCE)
        connection.sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while connection.sock.recv(1 << 20):
                pass
        empty.set()
        connection.sock.settimeout(scene.PATIENCE)
        resumed.wait(scene.PATIENCE)
        while connection.sock.recv(1 << 20).count(b"$") == 0:
            pass
        connection.send(b"done")

    stuck, waits, empty, resumed = (threading.Event() for _ in range(4))
    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(f"PUT / HTTP/1.1\r\nHost: a\r\nWait: {phase}=held\r\nContent-Length: {size}\r\n\r\n")
        sender = threading.Thread(target=client.send, args=(b"x" * (size - 1) + b"$",), daemon=True)
        sender.start()
        scene.until(lambda: scene.is_still(weir), "nothing moves any more")
        stuck.set()
        until_waiting(weir)
        waits.set()
        assert empty.wait(scene.PATIENCE)
        scene.until(lambda: scene.is_still(weir), "nothing is spun on")
        assert weir.ctl("waiter", "resume")[0] == 0
        resumed.set()
        assert wire.body_of(client) == (200, b"done")


@pytest.mark.parametrize("phase", ["upstream_response", "response"])
@pytest.mark.parametrize("when", ["meanwhile", "afterwards"])
def test_an_upload_goes_on_after_a_wait(phase, when):
    """The origin has answered before the body came, and ends its response when it has it."""
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        connection.send(connection.read(10))
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(f"POST / HTTP/1.1\r\nHost: a\r\nWait: {phase}=held\r\nContent-Length: 10\r\n\r\n")
        until_waiting(weir)
        if when == "meanwhile":
            client.send(b"0123456789")
            turn(weir)
        weir.ctl("waiter", "resume")
        if when == "afterwards":
            assert wire.status(client.head()) == 200
            client.send(b"0123456789")
            assert client.read(10) == b"0123456789"
        else:
            assert wire.body_of(client) == (200, b"0123456789")


# --- the origin's ----------------------------------------------------------------------------------------------------

EXPECTS = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"


def test_a_client_that_waits_for_100_is_not_slow_the_origin_is():
    with wire.Origin(lambda connection: connection.rest()) as origin:
        with weir_to(origin, "first_byte_timeout = 1s", "body_rate = 10K\nbody_grace = 200ms") as weir:
            with wire.connect(weir) as client:
                client.send(EXPECTS)
                assert wire.body_of(client)[0] == 504
            assert weir.metric("weir_client_timeout_total") == 0


def test_an_origin_may_take_its_time_for_100():
    def script(connection):
        connection.head()
        time.sleep(1.5)		# longer than the client's grace
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.answer(connection.read(4))
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin, route="body_rate = 10K\nbody_grace = 1s") as weir:
        with wire.connect(weir) as client:
            client.send(EXPECTS)
            assert wire.status(client.head()) == 100
            client.send(b"body")
            assert wire.body_of(client) == (200, b"body")


# --- the client's ----------------------------------------------------------------------------------------------------


def test_after_100_it_is_the_clients_turn():
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.rest()

    with wire.Origin(script) as origin, weir_to(origin, route="body_rate = 10K\nbody_grace = 300ms") as weir:
        with wire.connect(weir) as client:
            client.send(EXPECTS)
            assert wire.status(client.head()) == 100
            assert wire.body_of(client)[0] == 408


@pytest.mark.parametrize("status, limit, method", [
    (408, "body_grace = 300ms", b"POST"), (504, "total_timeout = 300ms\nbody_grace = 300ms", b"GET")])
def test_the_page_that_says_too_late_is_not_waited_for_without_end(status, limit, method):
    """The client reads nothing of it, and holds a connection no longer for that."""
    with wire.Origin(lambda connection: connection.rest()) as origin, weir_to(origin, route=limit) as weir:
        with wire.connect(weir, receive=4096) as client:
            length = b"Content-Length: 50\r\n" if method == b"POST" else b""
            client.send(b"%s / HTTP/1.1\r\nHost: a\r\nMeddle: error=page:%d\r\n%s\r\n" % (method, status, length))
            scene.until(lambda: origin.received, "the request is at the origin")
            scene.until(lambda: weir.metric("weir_client_connections") == 0, "the client is given up")
            head = client.head()
            assert wire.status(head) == status and b"\r\nContent-Length: 16777216\r\n" in head
