#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What holds although a module errs, or memory is short: nothing it gets wrong reaches the wire, and nobody is left waiting.

The modules meddler, waiter, shaper and probe do what a request's fields Meddle, Wait, Body and Act order.
"""
import contextlib
import re
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
[module probe]
file = {folder}/trace
[module witness]
file = {folder}/trace
[upstream origin]
server = %s
[route all]
match = */*
upstream = origin
[route page]
match = */page
respond.status = 200
respond.body = page
%s
"""


@contextlib.contextmanager
def weir_to(origin, more="", process=""):
    weir = scene.Weir(INI % (origin.address, more), modules=[scene.MODULES])
    text = weir.read("weir.ini").replace("[weir]\n", f"[weir]\n{process}\n", 1)
    with open(weir.path("weir.ini"), "w", encoding="utf-8") as f:
        f.write(text)
    with weir:
        with open(weir.path("trace"), "ab"):
            yield weir


def post(fields, length):
    return f"POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\nContent-Length: {length}\r\n\r\n"


# --- peers -----------------------------------------------------------------------------------------------------------


def test_a_host_with_a_line_in_it_never_reaches_the_origin():
    with wire.Origin(wire.polite) as origin, weir_to(origin) as weir:
        assert weir.ask("/", headers={"Meddle": "peer=lines"}).status == 500
        assert b"Smuggled" not in origin.received
        assert weir.ask("/", headers={"Meddle": "peer=host:inside.test"}).body == "/"
        assert b"\r\nHost: inside.test\r\n" in origin.received


def test_no_upstream_is_no_choice():
    with wire.Origin(wire.polite) as origin, weir_to(origin) as weir:
        assert weir.ask("/", headers={"Meddle": "peer=nobody"}).body == "/"


# --- waits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deadline", [0, -1, -60000])
def test_a_deadline_in_the_past_has_passed(deadline):
    with wire.Origin(wire.polite) as origin, weir_to(origin) as weir:
        began = time.monotonic()
        answer = weir.ask("/", headers={"Id": "past", "Wait": "request=held", "Deadline": str(deadline)})
        assert answer.status == 200 and time.monotonic() - began < 20
        assert weir.read("trace").count("past waiter cancel\n") == 1


# --- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how, status", [("fail-first:403", 403), ("fail-first", 500), ("wait", 500), ("left", 500)])
@pytest.mark.parametrize("when", ["with its head", "later"])
def test_a_body_that_a_filter_refuses_is_answered_at_once_and_goes_no_further(when, how, status):
    """The origin has its head, says nothing, and would be waited for."""
    with wire.Origin(lambda connection: connection.rest()) as origin:
        with weir_to(origin, "[module shaper]\nfile = {folder}/trace") as weir, wire.connect(weir) as client:
            began = time.monotonic()
            client.send(post(f"Body: request={how}", 3) + ("bad" if when == "with its head" else ""))
            if when == "later":
                scene.until(lambda: b"\r\n\r\n" in origin.received, "the head is at the origin")
                client.send(b"bad")
            assert wire.body_of(client)[0] == status
            assert time.monotonic() - began < 20
            scene.until(lambda: all(c.ended or c.sock.fileno() < 0 for c in origin.connections), "the origin's is closed")
            assert b"bad" not in origin.received


# --- memory ----------------------------------------------------------------------------------------------------------


def test_every_log_hook_runs_though_one_found_no_memory():
    with wire.Origin(wire.polite) as origin, weir_to(origin) as weir:
        for number, act in (("plenty", "log=next"), ("none", "log=large"), ("crumbs", "log=crumbs")):
            assert weir.ask("/", headers={"Id": number, "Act": act}).status == 200
            scene.until(lambda n=number: re.search(rf"^{n} witness log$", weir.read("trace"), re.M), "the log hook behind it")
        for number in ("large", "crumbs"):
            assert weir.ask("/", headers={"Id": f"early-{number}", "Act": f"access={number} log={number}"}).status == 503
            scene.until(lambda n=number: f"early-{n} witness log\n" in weir.read("trace"), "the log hook behind it")


def test_who_asks_while_slow_readers_hold_the_memory_is_answered():
    """They hold less each as it gets short; whoever then finds none hears 503, and no connection just ends."""
    def script(connection):
        while head := connection.head():
            if b"/large" not in head:
                connection.answer(b"small")
                continue
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8000000)

    with wire.Origin(script) as origin, weir_to(origin, process="memory = 4M") as weir:
        slow = [wire.connect(weir, receive=4096) for _ in range(60)]
        for client in slow:
            client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        scene.until(lambda: len(origin.connections) == 60 or weir.metric("weir_memory_refused_total") > 0, "all are served")
        answers = [weir.ask("/small").status for _ in range(10)]
        assert set(answers) <= {200, 503}, answers
        for client in slow:
            client.reset()
        scene.until(lambda: weir.metric("weir_requests_active") == 0, "all are gone")
        assert weir.ask("/small").body == "small"
