#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How Weir parts from clients: what they were told arrives, and what they have asked is answered."""
import signal
import threading

import pytest

import scene
import wire

INI = """
[module route]
[module respond]
[upstream origin]
server = %s
[route all]
match = */*
upstream = origin
[route page]
match = */page
respond.status = 200
respond.body = page
"""

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSE = b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def weir_to(origin, **more):
    return scene.Weir(INI % origin.address, **more)


def turn(weir):
    """Whatever was ready before is served when this is answered: the thread is the same."""
    assert weir.ask("/page").body == "page"


# --- bytes that nobody will read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 1000000])
def test_who_says_more_than_close_still_gets_the_whole_answer(length):
    """What is unread when a socket is closed makes a reset of it, and that would destroy the answer on its way."""
    def script(connection):
        connection.head()
        said.wait(scene.PATIENCE)
        connection.answer(b"x" * length)
        connection.rest()

    said = threading.Event()
    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(CLOSE % b"/")
        scene.until(lambda: origin.received, "the request is at the origin")
        client.send(GET * 3)
        said.set()
        scene.until(lambda: weir.metric("weir_requests_active") == 0, "the answer is sent")
        turn(weir)
        assert wire.body_of(client) == (200, b"x" * length)
        assert client.rest_cut() == (b"", False)
        assert len(origin.connections) == 1


def test_who_says_more_than_close_to_a_page_gets_the_page():
    with wire.Origin(wire.polite) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(CLOSE % b"/page" + GET * 50)
        turn(weir)
        assert wire.body_of(client) == (200, b"page")
        assert client.rest_cut() == (b"", False)
        assert origin.received == b""


# --- the end of the process ------------------------------------------------------------------------------------------


def test_draining_answers_what_has_come():
    """Connections that the kernel has accepted and Weir has not, each with its request."""
    with wire.Origin(wire.polite, backlog=256) as origin, weir_to(origin, threads=2) as weir:
        known = [wire.connect(weir) for _ in range(20)]
        for client in known:
            client.send(GET)
            assert wire.body_of(client) == (200, b"/")
        weir.signal(signal.SIGSTOP)
        try:
            clients = known + [wire.connect(weir) for _ in range(100)]
            for client in clients:
                client.send(GET)
            weir.signal(signal.SIGTERM)
        finally:
            weir.signal(signal.SIGCONT)
        for client in clients:
            assert wire.body_of(client) == (200, b"/")
            assert client.rest_cut() == (b"", False)
            client.close()
        assert weir.process.wait(scene.PATIENCE) == 0


# --- an end that comes together with the last bytes ------------------------------------------------------------------


def test_a_client_whose_request_came_with_its_end_is_answered_and_forgotten():
    with wire.Origin(wire.polite) as origin, weir_to(origin) as weir:
        weir.signal(signal.SIGSTOP)
        try:
            with wire.connect(weir) as client:
                client.send(GET)
                client.end()
                weir.signal(signal.SIGCONT)
                assert wire.body_of(client) == (200, b"/")
                assert client.rest_cut() == (b"", False)
        finally:
            weir.signal(signal.SIGCONT)


def test_an_origin_whose_response_came_with_its_end_is_not_kept():
    def script(connection):
        connection.head()
        asked.set()
        stopped.wait(scene.PATIENCE)
        connection.answer(b"last")
        connection.end()
        said.set()
        parted.append(connection.rest_cut())

    asked, stopped, said, parted = threading.Event(), threading.Event(), threading.Event(), []
    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(GET)
        assert asked.wait(scene.PATIENCE)
        weir.signal(signal.SIGSTOP)
        try:
            stopped.set()
            assert said.wait(scene.PATIENCE)
        finally:
            weir.signal(signal.SIGCONT)
        assert wire.body_of(client) == (200, b"last")
        scene.until(lambda: parted, "the origin is parted from")
        assert parted == [(b"", False)]


# --- a tunnel that is to be ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [b"", b"and this"])
def test_a_half_close_before_the_101_is_passed_on(more):
    def script(connection):
        connection.head()
        closed.wait(scene.PATIENCE)
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: words\r\n\r\n")
        heard.append(connection.rest())
        connection.send(b"the last word")

    closed, heard = threading.Event(), []
    with wire.Origin(script) as origin, weir_to(origin) as weir, wire.connect(weir) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: words\r\n\r\n" + more)
        client.end()
        scene.until(lambda: origin.received, "the request is at the origin")
        turn(weir)
        closed.set()
        assert wire.status(client.head()) == 101
        assert client.rest() == b"the last word"
        assert heard == [more]
