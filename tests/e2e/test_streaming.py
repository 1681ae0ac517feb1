# SPDX-License-Identifier: Apache-2.0
"""Bodies that modules give and take, requests without a client, and responses that leave together."""
import socket
import struct
import time

import pytest

import scene
import wire

INI = """
[module streamer]
file = {folder}/notes
[module respond]
[upstream u]
%s
[route fixed]
match = */fixed
respond.status = 200
respond.body = fixed
[route all]
match = */*
upstream = u
"""


class Streaming(scene.Weir):
    def __init__(self, *servers, **more):
        servers = "\n".join(f"server = {s}" for s in servers or ["127.0.0.1:1"])
        super().__init__(INI % servers + "[module route]\n", modules=[scene.MODULES], **more)

    def stream(self, order, target="/", number="1", **more):
        return self.ask(target, headers={"Stream": order, "Id": number}, **more)

    def notes(self, number="1"):
        try:
            lines = self.read("notes").splitlines()
        except FileNotFoundError:
            return []
        return [line[len(number) + 10:] for line in lines if line.startswith(number + " streamer ")]


@pytest.fixture(name="weir", scope="module")
def shared():
    with Streaming() as weir:
        yield weir


def say(weir, order, version="1.1", method="GET", number="1"):
    return weir.say(f"{method} / HTTP/{version}\r\nHost: weir.test\r\nConnection: close\r\nStream: {order}\r\n"
                    f"Id: {number}\r\n\r\n".encode())


@pytest.mark.parametrize("how", ["whole", "later"])
def test_a_source_gives_a_body_piece_by_piece(weir, how):
    number = f"pieces-{how}"
    answer = weir.stream(f"source={how}", number=number)
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, "0123456789" * 3, "30")
    scene.until(lambda: weir.notes(number) == ["release"], "the source is released, once")


@pytest.mark.parametrize("how", ["whole", "later"])
def test_a_source_without_a_length_is_chunked_with_trailers(weir, how):
    head, body = say(weir, f"source={how} length=none").split(b"\r\n\r\n", 1)
    assert b"Transfer-Encoding: chunked" in head
    assert body == b"a\r\n0123456789\r\n" * 3 + b"0\r\nGiven: all\r\n\r\n"


def test_a_source_without_a_length_ends_with_the_connection_of_http_1_0(weir):
    head, body = say(weir, "source=later length=none", "1.0").split(b"\r\n\r\n", 1)
    assert b"chunked" not in head and b"Connection: close" in head
    assert body == b"0123456789" * 3


@pytest.mark.parametrize("how, length", [("fail", ""), ("fail", " length=none"), ("empty", ""), ("empty", " length=none"),
                                         ("short", ""), ("long", "")])
def test_a_source_that_breaks_off_or_its_word_cuts_the_client(weir, how, length):
    number = f"broken-{how}{len(length)}"
    with wire.connect(weir) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\nId: {number}\r\nStream: source={how}{length}\r\n\r\n")
        got, reset = client.rest_cut()
        assert reset and b"\r\n0\r\n" not in got and got.count(b"0123456789") < 3
    scene.until(lambda: weir.notes(number) == ["release"], "the source is released, once")


@pytest.mark.parametrize("length", ["", " length=none"])
def test_a_source_that_begins_with_nothing_is_a_502(weir, length):
    number = f"first{len(length)}"
    assert weir.stream(f"source=first{length}", number=number).status == 502
    scene.until(lambda: weir.notes(number) == ["release"], "the source is released, once")


def test_a_large_piece_goes_by_reference_with_back_pressure(weir):
    with wire.connect(weir, receive=8192) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\nId: big\r\nStream: source=big\r\n\r\n")
        client.head()
        time.sleep(0.05)
        assert client.read(4 * 1024 * 1024) == bytes(4 * 1024 * 1024)
    scene.until(lambda: weir.notes("big") == ["release"], "the source is released, once")


def test_a_client_that_leaves_ends_the_wait_of_a_source(weir):
    with wire.connect(weir) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\nId: leaves\r\nStream: source=never\r\n\r\n")
        client.head()
        client.read(10)
        client.reset()
    scene.until(lambda: weir.notes("leaves") == ["cancel", "release"], "the source is released")


def test_a_client_that_leaves_ends_an_endless_source(weir):
    with wire.connect(weir, receive=8192) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\nId: endless\r\nStream: source=endless\r\n\r\n")
        client.head()
        client.reset()
    scene.until(lambda: weir.notes("endless") == ["release"], "the source is released")


def test_head_does_not_ask_the_source(weir):
    head, body = say(weir, "source=fail", method="HEAD", number="head").split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 ") and b"Content-Length: 30" in head and body == b""
    scene.until(lambda: weir.notes("head") == ["release"], "the source is released")


def test_fields_that_are_written_already(weir):
    head = say(weir, "source=whole lines=yes").split(b"\r\n\r\n", 1)[0].split(b"\r\n")
    assert head[1:5] == [b"Date: Thu, 01 Jan 2026 00:00:00 GMT", b"First:  one", b"Second: two", b"Added: yes"]
    head = say(weir, "source=whole lines=edit").split(b"\r\n\r\n", 1)[0].split(b"\r\n")
    assert head[1:5] == [b"Date: Thu, 01 Jan 2026 00:00:00 GMT", b"First: one", b"Second: three", b"Added: yes"]


def test_a_hook_that_waited_is_called_again(weir):
    assert weir.stream("cache=again").body == "again"


# --- sinks -----------------------------------------------------------------------------------------------------------------

def answers(connection):
    while connection.head():
        connection.send(b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nLast: word\r\n\r\n")


def test_a_body_that_is_taken_goes_its_own_way():
    with wire.Origin(answers) as origin, Streaming(origin.address) as weir:
        for number in ("1", "2"):
            answer = weir.stream("store=take", number=number)
            assert (answer.status, answer.body) == (202, "taken")
            scene.until(lambda: weir.notes(number) == ["end 200 5 whole word"], "the body is whole")
        assert len(origin.connections) == 1
        scene.until(lambda: weir.metric("weir_bodies_taken_active") == 0, "both are over")
        assert weir.metric("weir_bodies_taken_total") == 2 and weir.metric("weir_errands_total") == 0
        assert weir.metric("weir_requests_total") == 2


def test_a_body_that_was_taken_comes_though_its_client_has_gone():
    def slow(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 So\r\nContent-Length: 10\r\n\r\n01234")
        scene.until(lambda: gone, "the client is gone")
        connection.send(b"56789")
        connection.head()

    gone = []
    with wire.Origin(slow) as origin, Streaming(origin.address) as weir:
        assert weir.stream("store=take").status == 202
        assert weir.metric("weir_bodies_taken_active") == 1 and weir.notes() == []
        gone.append(True)
        scene.until(lambda: weir.notes() == ["end 200 10 whole"], "the body is whole")


def test_a_body_that_breaks_off_is_not_whole():
    def breaks(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 So\r\nContent-Length: 10\r\n\r\n01234")

    with wire.Origin(breaks) as origin, Streaming(origin.address) as weir:
        assert weir.stream("store=take").status == 202
        scene.until(lambda: weir.notes() == ["end 200 5 the origin closed before its response was whole"], "it failed")


def test_a_taker_may_have_enough():
    with wire.Origin(answers) as origin, Streaming(origin.address) as weir:
        assert weir.stream("store=refuse").status == 202
        scene.until(lambda: weir.notes() == ["end 200 5 the body's taker wants no more of it word"], "it ended")


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_taker_may_need_time(framing):
    """Each piece is given to it again when it resumes, and the origin waits meanwhile."""
    body = b"x" * (1 << 20)
    field = {"length": b"Content-Length: %d\r\n" % len(body), "chunked": b"Transfer-Encoding: chunked\r\n", "close": b""}[framing]

    def much(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 So\r\n" + field + b"\r\n")
        connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if framing == "chunked" else body)

    with wire.Origin(much) as origin, Streaming(origin.address) as weir:
        assert weir.stream("store=twice").status == 202
        scene.until(lambda: weir.notes() == [f"end 200 {len(body)} whole"], "it has it all")


def test_who_takes_a_body_must_answer():
    with wire.Origin(answers) as origin, Streaming(origin.address) as weir:
        assert weir.stream("store=nothing").status == 500
        scene.until(lambda: weir.notes() == ["end 200 5 whole word"], "the body is whole")


def test_a_request_goes_on_without_its_client():
    def late(connection):
        connection.head()
        scene.until(lambda: weir.metric("weir_client_connections") == 0, "the client is gone")
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 So\r\nContent-Length: 5\r\n\r\nhello")
        connection.head()

    with wire.Origin(late) as origin, Streaming(origin.address) as weir:
        with wire.connect(weir) as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\nId: 1\r\nStream: cache=keep store=take\r\n\r\n")
            scene.until(lambda: origin.received, "the origin is asked")
            client.reset()
        scene.until(lambda: weir.notes() == ["end 200 5 whole"], "the body is whole")
        scene.until(lambda: weir.metric("weir_requests_active") == 0, "both are over")


def test_what_goes_on_ends_with_the_server():
    def never(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 So\r\nContent-Length: 10\r\n\r\n01234")
        connection.head()

    with wire.Origin(never) as origin:
        weir = Streaming(origin.address)
        ini = weir.read("weir.ini").replace("[weir]", "[weir]\ndrain_timeout = 100ms")
        with open(weir.path("weir.ini"), "w", encoding="ascii") as f:
            f.write(ini)
        with weir:
            assert weir.stream("store=take").status == 202


# --- errands ---------------------------------------------------------------------------------------------------------------

def test_an_errand_asks_as_its_model_did():
    with wire.Origin(answers) as origin, Streaming(origin.address) as weir:
        weir.stream("errand=model source=whole", "/path?query")
        scene.until(lambda: len(weir.notes()) == 3, "the errand is done")
        assert sorted(weir.notes()) == ["end 200 5 whole word", "knows its errand", "release"]
        scene.until(lambda: weir.metric("weir_errands_active") == 0, "it is over")
        assert weir.metric("weir_errands_total") == 1
        request = origin.received.decode()
        assert request.startswith("GET /path?query HTTP/1.1\r\nHost: weir.test\r\n") and "Id: 1\r\n" in request


def test_an_errand_asks_the_server_that_it_names():
    with wire.Origin(answers) as other, wire.Origin(wire.polite) as origin, \
            Streaming(other.address, origin.address) as weir:
        weir.stream("errand=server source=whole")
        scene.until(lambda: "end 200 0 whole" in weir.notes(), "the errand is done")
        assert origin.received == b"HEAD /probe?it HTTP/1.1\r\nHost: probe.test\r\nWhy: health\r\n\r\n"
        assert not other.connections


def test_errands_fail():
    def silent(connection):
        connection.head()
        connection.head()

    with wire.Origin(silent) as origin, Streaming(origin.address) as weir:
        weir.stream("errand=slow source=whole", number="slow")
        scene.until(lambda: "end 0 0 it took too long" in weir.notes("slow"), "its time is over")
        weir.stream("errand=bad source=whole", number="bad")
        scene.until(lambda: "errand refused" in weir.notes("bad"), "the errand is refused")
    with Streaming() as weir:
        weir.stream("errand=model source=whole")
        scene.until(lambda: any("cannot connect" in line for line in weir.notes()), "nobody is there")


# --- responses that leave together -------------------------------------------------------------------------------------------

def segments(client):
    """Segments with data that came (tcpi_data_segs_in)."""
    return struct.unpack_from("I", client.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 152)[0]


def test_pipelined_requests_are_answered_in_one_send(weir):
    with wire.connect(weir) as client:
        client.send("GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n" * 16)
        for _ in range(16):
            assert wire.body_of(client) == (200, b"fixed")
        assert segments(client) == 1


def test_what_was_gathered_does_not_wait_for_a_response_that_takes_its_time():
    def when_told(connection):
        connection.head()
        scene.until(lambda: told, "what was gathered has come")
        connection.answer(b"slow")

    told = []
    with wire.Origin(when_told) as origin, Streaming(origin.address) as weir, wire.connect(weir) as client:
        client.send("GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n" * 3 + "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
                    + "GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        for _ in range(3):
            assert wire.body_of(client) == (200, b"fixed")
        told.append(True)
        assert wire.body_of(client) == (200, b"slow")
        for _ in range(3):
            assert wire.body_of(client) == (200, b"fixed")


@pytest.mark.parametrize("next_one, answer", [
    ("GET /fixed HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"fixed"),
    ("GET /fixed HTTP/1.1\r\nno field\r\n\r\n", b"400 Bad Request"),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nStream: source=later\r\n\r\n", b"0123456789" * 3),
    ("GET /fixed HTTP/1.1\r\nHost", b"fixed"),
])
def test_what_was_gathered_comes_before_whatever_follows(weir, next_one, answer):
    with wire.connect(weir) as client:
        client.send("GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n" * 5 + next_one)
        for _ in range(5):
            assert wire.body_of(client) == (200, b"fixed")
        if next_one.endswith("Host"):
            client.send(": a\r\nConnection: close\r\n\r\n")
        assert answer in client.rest()


def test_many_pipelined_requests_against_a_slow_reader(weir):
    with wire.connect(weir, receive=4096) as client:
        client.send("GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n" * 3000)
        time.sleep(0.05)
        for _ in range(3000):
            assert wire.body_of(client) == (200, b"fixed")
