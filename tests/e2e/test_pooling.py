#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Connections to origins that must not be used again, or not yet: what is left on them belongs to nobody.

The module meddler interferes as a request's field Meddle orders, the module waiter waits where Wait orders it.
"""
import contextlib
import os
import shutil
import signal
import socket
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
[route page]
match = */page
respond.status = 200
respond.body = page
"""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.contextmanager
def weir_to(address, more="", **process):
    with scene.Weir(INI % (address, more), modules=[scene.MODULES], **process) as weir:
        with open(weir.path("trace"), "ab"):
            yield weir


def get(target, fields=b""):
    return b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (target, fields)


def until_waiting(weir, count):
    scene.until(lambda: weir.read("trace").count(" waiter waits ") == count, f"{count} hooks wait")


def turn(weir):
    """Whatever was ready before is served when this is answered: the thread is the same."""
    assert weir.ask("/page").body == "page"


# --- a body that nobody reads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"])
def test_a_response_whose_body_a_module_takes_away_ends_its_connection(status, sent):
    """The origin has yet to send the body, all or a part of it; to the next client that would be a response."""
    def script(connection):
        while head := connection.head():
            if b"/first" in head:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + sent)
            else:
                connection.answer(head.split(b" ")[1])

    with wire.Origin(script) as origin, weir_to(origin.address) as weir, wire.connect(weir) as client:
        client.send(get(b"/first", b"Meddle: response=status:%d\r\n" % status))
        assert wire.status(client.head()) == status
        assert weir.ask("/second").body == "/second"
        client.send(get(b"/third"))
        assert wire.body_of(client) == (200, b"/third")
        assert b"/second" not in origin.connections[0].received
        scene.until(lambda: origin.connections[0].ended, "the origin's first connection is closed")


def test_a_response_without_a_body_keeps_its_connection():
    def script(connection):
        while connection.head():
            connection.send(b"HTTP/1.1 204 So\r\n\r\n")

    with wire.Origin(script) as origin, weir_to(origin.address) as weir:
        for _ in range(3):
            assert weir.ask("/", headers={"Meddle": "response=status:304"}).status == 304
        assert len(origin.connections) == 1


# --- pooled connections that end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["connected", "upstream_request"])
def test_nothing_of_a_body_goes_ahead_of_its_head_on_a_new_connection(phase):
    """The pooled connection takes the head and closes; the new one is there at once, and a hook waits before its head."""
    def script(connection):
        if len(origin.connections) == 1:
            connection.head()
            connection.send(OK)
            connection.head()
            return
        connection.until(evil)
        connection.send(OK)

    evil = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
    place = scene.Weir("")
    with wire.Origin(script, place.path("origin.sock")) as origin, weir_to(origin.address) as weir, wire.connect(weir) as client:
        client.send(get(b"/"))
        assert wire.body_of(client) == (200, b"ok")
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nWait: %s=held\r\nContent-Length: %d\r\n\r\n" % (phase.encode(), len(evil)))
        until_waiting(weir, 1)
        weir.ctl("waiter", "resume")
        until_waiting(weir, 2)
        client.send(evil)
        turn(weir)
        scene.until(lambda: len(origin.connections) == 2, "the new connection is there")
        assert origin.connections[1].received == b""
        weir.ctl("waiter", "resume")
        assert wire.body_of(client) == (200, b"ok")
        assert origin.connections[1].received.startswith(b"PUT / ")
    shutil.rmtree(place.folder)


def farewell(connection):
    """Answers once, and says to the next request what was meant for an idle connection."""
    if connection.head():
        connection.send(OK)
    if connection.head():
        connection.answer(b"", b"Connection: close\r\n", b"408 Request Timeout")


def test_a_408_for_an_idle_connection_is_no_answer():
    """An origin that gives up waiting says so as it closes (RFC 9110, 15.5.9); the request that crossed it is asked anew."""
    with wire.Origin(farewell) as origin, weir_to(origin.address) as weir, wire.connect(weir) as client:
        for count in (1, 2, 3):
            client.send(get(b"/"))
            assert wire.body_of(client) == (200, b"ok")
            assert len(origin.connections) == count


def test_a_408_is_an_answer_where_the_request_may_not_be_sent_again():
    with wire.Origin(farewell) as origin, weir_to(origin.address) as weir, wire.connect(weir) as client:
        client.send(get(b"/"))
        assert wire.body_of(client) == (200, b"ok")
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\npay")
        assert wire.body_of(client)[0] == 408
        assert origin.received.count(b"POST") == 1


def test_a_408_on_a_new_connection_is_an_answer():
    def script(connection):
        connection.head()
        connection.answer(b"slow", b"Connection: close\r\n", b"408 Request Timeout")

    with wire.Origin(script) as origin, weir_to(origin.address) as weir:
        assert weir.ask("/").status == 408
        assert len(origin.connections) == 1


# --- origins that speak unasked --------------------------------------------------------------------------------------


@contextlib.contextmanager
def babbling():
    """An origin that answers with the target; on its first connection it also tells, when it may, what nobody has asked for."""
    def script(connection):
        first = len(origin.connections) == 1
        while head := connection.head():
            connection.answer(head.split(b" ")[1])
            if first:
                may_speak.wait(scene.PATIENCE)
                connection.answer(b"unasked")
                spoke.set()
                first = False

    def speak():
        may_speak.set()
        assert spoke.wait(scene.PATIENCE)

    may_speak, spoke = threading.Event(), threading.Event()
    with wire.Origin(script) as origin:
        yield origin, speak


def stop(weir):
    weir.signal(signal.SIGSTOP)
    folder = f"/proc/{weir.process.pid}/task"

    def state(task):
        with open(f"{folder}/{task}/stat", encoding="latin-1") as f:
            return f.read().rsplit(") ", 1)[1][0]
    scene.until(lambda: all(state(task) == "T" for task in os.listdir(folder)), "the process stands still")


def test_what_an_origin_says_in_the_turn_in_which_its_connection_is_taken_is_no_answer():
    """The request and what nobody asked for are there at once: as an answer it would be another's (RFC 9112, 9.2)."""
    with babbling() as (origin, speak), weir_to(origin.address) as weir, wire.connect(weir) as client:
        client.send(get(b"/first"))
        assert wire.body_of(client) == (200, b"/first")
        stop(weir)
        try:
            client.send(get(b"/second"))
            speak()
        finally:
            weir.signal(signal.SIGCONT)
        assert wire.body_of(client) == (200, b"/second")
        assert len(origin.connections) == 2 and b"/second" not in origin.connections[0].received


@pytest.mark.parametrize("phase", ["connected", "upstream_request"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_an_origin_says_while_a_hook_waits_is_no_answer(phase, method):
    """Nothing was sent on the connection yet: so even what must not be sent twice may go on another one."""
    with babbling() as (origin, speak), weir_to(origin.address) as weir, wire.connect(weir) as client:
        client.send(get(b"/first"))
        assert wire.body_of(client) == (200, b"/first")
        client.send(f"{method} /second HTTP/1.1\r\nHost: a\r\nWait: {phase}=held\r\n\r\n")
        until_waiting(weir, 1)
        speak()
        turn(weir)
        weir.ctl("waiter", "resume")
        until_waiting(weir, 2)
        weir.ctl("waiter", "resume")
        assert wire.body_of(client) == (200, b"/second")
        assert len(origin.connections) == 2 and b"/second" not in origin.connections[0].received


def test_an_origin_that_speaks_first_on_a_new_connection_is_not_believed():
    def script(connection):
        connection.answer(b"unasked")
        said.set()
        connection.rest()

    said = threading.Event()
    with wire.Origin(script) as origin, weir_to(origin.address) as weir, wire.connect(weir) as client:
        client.send(get(b"/", b"Wait: upstream_request=held\r\n"))
        until_waiting(weir, 1)
        assert said.wait(scene.PATIENCE)
        turn(weir)
        weir.ctl("waiter", "resume")
        assert wire.body_of(client)[0] == 502
        assert origin.received == b""


# --- dialling --------------------------------------------------------------------------------------------------------


# The kernel asks for a connection anew after 1, 3, 7, 15, 31 and 63 seconds; after the first or second, if the machine is not busy.
DIALLED = 70


def test_a_pool_stays_while_a_connection_for_it_is_dialled():
    """More peers than a thread keeps pools for, while an origin's backlog is full: the rest are forgotten."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(full.getsockname())
        waiting.append(s)
    refusing = socket.socket()
    refusing.bind(("127.0.0.1", 0))
    slow = "[upstream slow]\nserver = 127.0.0.1:%d\nconnect_timeout = 150s\n[route slow]\nmatch = */slow\nupstream = slow\n"
    with weir_to("127.0.0.1:%d" % refusing.getsockname()[1], slow % full.getsockname()[1]) as weir, wire.connect(weir) as client:
        client.sock.settimeout(DIALLED)
        client.send(get(b"/slow"))
        turn(weir)
        with wire.connect(weir) as other:
            for first in range(0, 4200, 50):
                other.send(b"".join(get(b"/", b"Meddle: peer=host:h%d.test\r\n" % i) for i in range(first, first + 50)))
                assert [wire.body_of(other)[0] for _ in range(50)] == [502] * 50
        with wire.Connection(accept_the_last(full, waiting)) as origin:
            assert origin.head().startswith(b"GET /slow ")
            origin.send(OK)
            assert wire.body_of(client) == (200, b"ok")
    for s in [full, refusing, *waiting]:
        s.close()


def accept_the_last(listener, waiting):
    """The connection that is none of those which fill the backlog; they go when they have come."""
    ours = {s.getsockname() for s in waiting}
    listener.settimeout(DIALLED)
    while True:
        sock, peer = listener.accept()
        if peer not in ours:
            return sock
        sock.close()


@pytest.mark.parametrize("first", ["refuses", "is silent"])
def test_the_second_address_may_be_there_at_once(first):
    from test_http_upstreams import A, Names
    shim = os.path.join(os.environ.get("top_builddir", "."), "tests/e2e/shim_connect.so")
    environment = {**os.environ, "LD_PRELOAD": shim, "AT_ONCE": "127.0.0.3",
                   "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    with wire.Origin(wire.polite, ("127.0.0.3", 0)) as origin, contextlib.ExitStack() as stack:
        dead = stack.enter_context(socket.socket())
        dead.bind(("127.0.0.2", origin.port))
        if first == "is silent":
            dead.listen(0)
            for _ in range(4):
                s = stack.enter_context(socket.socket())
                s.setblocking(False)
                s.connect_ex(dead.getsockname())
        names = stack.enter_context(Names({("origin.test", A): ["127.0.0.2", "127.0.0.3"]}))
        weir = scene.Weir(INI % (f"origin.test:{origin.port}", "keepalive = 0\nconnect_timeout = 25s"), modules=[scene.MODULES], env=environment)
        text = weir.read("weir.ini").replace("[weir]\n", f"[weir]\nresolver = {names.address}\n", 1)
        with open(weir.path("weir.ini"), "w", encoding="utf-8") as f:
            f.write(text)
        stack.enter_context(weir)
        for _ in range(4):
            begun = time.monotonic()
            assert weir.ask("/").body == "/"
            assert time.monotonic() - begun < 20
