#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes that two parsers could read in two ways are answered and the connection closed; they go no further.

The origin keeps all that it receives: behind each hostile request stands another one, which must not arrive either.
"""
import os
import sys

import pytest

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
"""

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

HEADS = {
    "both framings": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both, the other way": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 0\r\n\r\n",
    "two equal lengths": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "list of lengths": POST + b"Content-Length: 0, 0\r\n\r\n",
    "signed length": POST + b"Content-Length: +0\r\n\r\n",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "hexadecimal length": POST + b"Content-Length: 0x0\r\n\r\n",
    "overflowing length": POST + b"Content-Length: 18446744073709551616\r\n\r\n",
    "length of blanks": POST + b"Content-Length: 1 0\r\n\r\n",
    "empty length": POST + b"Content-Length:\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "list of codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
    "twice chunked": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "quoted coding": POST + b"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    "coding with a parameter": POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
    "coding with a control": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "empty coding": POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "coding in 1.0": b"POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": POST + b"Content-Length : 0\r\n\r\n",
    "tab before the colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "folded line": POST + b"X: a\r\n b\r\n\r\n",
    "fold after the request line": b"GET /x HTTP/1.1\r\n Host: a\r\n\r\n",
    "folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "bare LF after a field": b"GET /x HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare LF after the request line": b"GET /x HTTP/1.1\nHost: a\r\n\r\n",
    "bare LFs": b"GET /x HTTP/1.1\nHost: a\n\n",
    "bare LF ends the head": b"GET /x HTTP/1.1\r\nHost: a\r\n\n",
    "bare CR in a value": b"GET /x HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "bare CR before a name": b"GET /x HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
    "NUL in a value": b"GET /x HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "NUL in a name": b"GET /x HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n",
    "NUL in the target": b"GET /x\0y HTTP/1.1\r\nHost: a\r\n\r\n",
    "control in a value": b"GET /x HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n",
    "DEL in a value": b"GET /x HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n",
    "no colon": b"GET /x HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
    "empty name": b"GET /x HTTP/1.1\r\nHost: a\r\n: nothing\r\n\r\n",
    "name that is no token": b"GET /x HTTP/1.1\r\nHost: a\r\nX(y): z\r\n\r\n",
    "non-ASCII name": b"GET /x HTTP/1.1\r\nHost: a\r\nX\xe4: z\r\n\r\n",
    "no Host": b"GET /x HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two equal Hosts": b"GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "list of Hosts": b"GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "Host with a path": b"GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with a user": b"GET /x HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "Host with a bad port": b"GET /x HTTP/1.1\r\nHost: a:65536\r\n\r\n",
    "Host with a blank": b"GET /x HTTP/1.1\r\nHost: a b\r\n\r\n",
    "two authorities": b"GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n",
    "two ports": b"GET http://a:80/x HTTP/1.1\r\nHost: a:81\r\n\r\n",
    "target with a user": b"GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "another scheme": b"GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "target without a slash": b"GET x HTTP/1.1\r\nHost: a\r\n\r\n",
    "target with a fragment": b"GET /x#y HTTP/1.1\r\nHost: a\r\n\r\n",
    "target above the root": b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n",
    "encoded NUL": b"GET /x%00y HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad encoding": b"GET /x%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk for a GET": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces": b"GET  /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab for a space": b"GET\t/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "space behind the version": b"GET /x HTTP/1.1 \r\nHost: a\r\n\r\n",
    "no version": b"GET /x\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /x\r\n\r\n",
    "lower-case version": b"GET /x http/1.1\r\nHost: a\r\n\r\n",
    "version of three digits": b"GET /x HTTP/1.10\r\nHost: a\r\n\r\n",
    "method that is no token": b"G@T /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "long method": b"G" * 100 + b" /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "space in front": b" GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "two empty lines in front": b"\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
    "CONNECT with a body": b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 4\r\n\r\nbody",
    "nominated Host": b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Host\r\n\r\n",
    "nominated X-Forwarded-For": b"GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: b\r\nConnection: close, X-Forwarded-For\r\n\r\n",
    "nominated Content-Length": POST + b"Content-Length: 0\r\nConnection: Content-Length\r\n\r\n",
}

BODIES = {
    "size that is no number": b"x\r\n",
    "negative size": b"-1\r\n",
    "size with 0x": b"0x1\r\na\r\n",
    "empty size": b"\r\n",
    "size with a blank in front": b" 1\r\na\r\n",
    "size with a blank behind": b"1 \r\na\r\n",
    "overflowing size": b"fffffffffffffffff\r\n",
    "bare LF behind the size": b"1\na\r\n",
    "no CRLF behind the data": b"1\r\nab\r\n0\r\n\r\n",
    "bare LF behind the data": b"1\r\na\n0\r\n\r\n",
    "extension with a bare LF": b"1;a\nb\r\na\r\n",
    "extension without end": b"1;" + b"a" * 5000,
    "control in an extension": b"1;\x01\r\na\r\n",
    "folded trailer": b"0\r\nX: a\r\n b\r\n\r\n",
    "trailer that frames": b"0\r\nContent-Length: 5\r\n\r\n",
    "trailer that routes": b"0\r\nHost: b\r\n\r\n",
    "trailers without end": b"0\r\n" + b"X: y\r\n" * 3000,
}

RESPONSES = {
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "coding in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded line": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "no status": b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status 0": b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    "other protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "interim with a body": b"HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\nhello",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000,
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
    "nominated Content-Length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Content-Length\r\n\r\nhello",
    "bad first chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
}


def silent(connection):
    connection.rest()


@pytest.fixture(scope="module")
def origin():
    with wire.Origin(silent) as origin:
        yield origin


@pytest.fixture(scope="module")
def weir(origin):
    with scene.Weir(INI.format(origin=origin.address)) as weir:
        yield weir


def answer_to(weir, data):
    with wire.connect(weir) as client:
        client.send(data)
        return client.rest()


@pytest.mark.parametrize("what", HEADS)
def test_a_hostile_request_is_refused_and_the_origin_hears_nothing(weir, origin, what):
    answer = answer_to(weir, HEADS[what] + SMUGGLED)
    assert wire.status(answer) == 400, answer
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1, "the connection ended with the refusal"
    assert origin.received == b""


def test_other_versions_and_expectations_have_answers_of_their_own(weir, origin):
    assert wire.status(answer_to(weir, b"GET /x HTTP/2.0\r\nHost: a\r\n\r\n" + SMUGGLED)) == 505
    assert wire.status(answer_to(weir, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) == 505
    assert wire.status(answer_to(weir, POST + b"Expect: miracles\r\nContent-Length: 0\r\n\r\n" + SMUGGLED)) == 417
    assert origin.received == b""


@pytest.mark.parametrize("target", [b"https://a/x", b"HTTPS://a:443/x", b"https://a"])
def test_a_target_of_https_is_none_for_who_comes_without(weir, origin, target):
    """Nobody showed a certificate for it (RFC 9110, 7.4)."""
    answer = answer_to(weir, b"GET %s HTTP/1.1\r\nHost: a%s\r\n\r\n" % (target, b":443" if b":443" in target else b"") + SMUGGLED)
    assert wire.status(answer) == 421 and b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert origin.received == b""


def test_a_tunnel_is_not_opened_by_asking_for_it(weir, origin):
    """To an origin CONNECT would be a request, to the client the answer a tunnel: what it then sends must be neither."""
    answer = answer_to(weir, b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + SMUGGLED)
    assert wire.status(answer) in (405, 501)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert origin.received == b""


@pytest.mark.parametrize("what", BODIES)
def test_a_hostile_body_is_refused_and_what_follows_it_is_not_read(what):
    with wire.Origin(silent) as origin, scene.Weir(INI.format(origin=origin.address)) as weir:
        answer = answer_to(weir, CHUNKED + BODIES[what] + SMUGGLED)
        assert wire.status(answer) == 400, answer
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"smuggled" not in origin.received
        assert not origin.received.endswith(b"0\r\n\r\n"), "the origin never took it for a whole request"


def test_a_body_that_goes_bad_later_cuts_the_request_off():
    with wire.Origin(silent) as origin, scene.Weir(INI.format(origin=origin.address)) as weir:
        with wire.connect(weir) as client:
            client.send(CHUNKED + b"5\r\nhello\r\n")
            scene.until(lambda: origin.received.endswith(b"hello\r\n"), "the good part is at the origin")
            client.send(b"zz\r\n" + SMUGGLED)
            assert wire.status(client.rest()) == 400
        scene.until(lambda: origin.connections[0].ended, "the origin's connection is closed")
        assert origin.received.endswith(b"5\r\nhello\r\n")


@pytest.mark.parametrize("what", RESPONSES)
def test_a_hostile_response_is_502_and_its_connection_not_used_again(what):
    def script(connection):
        connection.head()
        connection.send(RESPONSES[what])
        connection.end()
        connection.rest()

    with wire.Origin(script) as origin, scene.Weir(INI.format(origin=origin.address)) as weir:
        answer = weir.ask()
        assert answer.status == 502
        assert "hello" not in answer.body
        scene.until(lambda: all(c.ended for c in origin.connections), "the connection is closed")


def test_what_an_origin_says_too_much_reaches_nobody():
    """A second response behind the first is for nobody: not for the next request either."""
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
                        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        connection.rest()

    with wire.Origin(script) as origin, scene.Weir(INI.format(origin=origin.address)) as weir:
        with wire.connect(weir) as client:
            for _ in range(3):
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert wire.body_of(client) == (200, b"hello")
        assert len(origin.connections) == 3


def test_a_body_of_a_204_reaches_nobody():
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison")
        connection.rest()

    with wire.Origin(script) as origin, scene.Weir(INI.format(origin=origin.address)) as weir:
        with wire.connect(weir) as client:
            for _ in range(2):
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                head = client.head()
                assert wire.status(head) == 204 and b"Content-Length" not in head
        assert b"poison" not in client.received


def test_what_is_for_one_hop_stays_there():
    def script(connection):
        connection.head()
        connection.answer(b"ok", b"Keep-Alive: timeout=5\r\nConnection: keep-alive, X-Mine\r\nX-Mine: b\r\nX-Kept: d\r\n"
                                 b"Proxy-Connection: keep-alive\r\nTransfer-Extra: c\r\nUpgrade: h2c\r\n")

    with wire.Origin(script) as origin, scene.Weir(INI.format(origin=origin.address)) as weir:
        answer = weir.ask(headers={
            "Connection": "keep-alive, X-Secret ,, x-other", "X-Secret": "a", "X-OTHER": "b", "Keep-Alive": "timeout=9",
            "Proxy-Connection": "close", "TE": "trailers", "Upgrade": "x", "X-Kept": "c"})
        assert answer.status == 200
        sent = origin.received.lower()
        for gone in [b"x-secret", b"x-other", b"keep-alive", b"connection:", b"upgrade:"]:
            assert gone not in sent, gone
        assert b"x-kept: c" in sent
        got = {name.lower() for name in answer.headers}
        assert got.isdisjoint({"keep-alive", "x-mine", "connection", "proxy-connection", "upgrade"})
        assert answer.headers["X-Kept"] == "d"


def test_the_origin_sees_one_reading_of_the_request():
    """Absolute-form becomes origin-form with its own authority; blanks around values go; the empty line in front goes."""
    with wire.Origin(wire.polite) as origin, scene.Weir(INI.format(origin=origin.address)) as weir:
        with wire.connect(weir) as client:
            client.send(b"\r\nGET http://Example.COM:80/a?b HTTP/1.1\r\nHost: example.com\r\nX:  \t y \t\r\n\r\n")
            assert wire.body_of(client)[0] == 200
        assert origin.received.startswith(b"GET /a?b HTTP/1.1\r\nHost: example.com")
        assert b"\r\nX: y\r\n" in origin.received
