#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hooks on bodies: what they may do with each chunk, both ways, and how the message is framed then.

The module shaper does what the request's field Body orders, and tells at the end how often it was called.
"""
import contextlib
import hashlib
import resource
import re
import socket
import time

import pytest

import scene

INI = """
[module route]
[module shaper]
file = {folder}/trace
[module probe]
file = {folder}/trace
[upstream origin]
server = %s
[route all]
match = */*
upstream = origin
"""

BODY = b"the quick brown fox " * 500
LARGE = 20 * 1024 * 1024

SHAPES = {
    "inspect": lambda body: body,
    "drop": lambda body: b"",
    "lengthen": lambda body: bytes(byte for byte in body for _ in range(10)),
    "replace": bytes.upper,
    "append": lambda body: body + b" end.",
    "done": lambda body: body,
}


def talk(connection, stream):
    """Answers in the way that the path names, with the request's body for /echo, and keeps what it was sent."""
    while head := scene.read_head(stream):
        line, fields = head
        body = scene.read_body(stream, fields)
        asked.append((line, fields, body))
        path = line.split()[1]
        if path == "/large":
            send_large(connection)
            continue
        answer = body if path == "/echo" else b"" if path == "/empty" else BODY
        if path == "/chunked":
            pieces = [answer[i:i + 999] for i in range(0, len(answer), 999)]
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n")
            for piece in pieces:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                time.sleep(0.001)
            connection.sendall(b"0\r\nSum: 7\r\n\r\n")
        elif path == "/close":
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + answer)
            return
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))


def send_large(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
    for i in range(LARGE // 65536):
        connection.sendall(bytes([97 + i % 26]) * 65536)


asked = []


@pytest.fixture(scope="module")
def shared():
    with scene.Peer(talk) as peer, scene.Weir(INI % peer.address, modules=[scene.MODULES]) as weir:
        with open(weir.path("trace"), "ab"):
            yield weir


def ask(weir, number, order, target="/", announce=True, **more):
    headers = {"Id": number, "Body": order, **({"Announce": "yes"} if announce else {})}
    return weir.ask(target, headers=headers, **more)


def told(weir, number, side):
    """What the hook was called for: how often, how often for the last chunk, and for how many bytes."""
    scene.until(lambda: f"{number} shaper end" in weir.read("trace"), "the log phase")
    words = re.search(rf"^{number} shaper {side} lasts=(\d+) calls=(\d+) bytes=(\d+)$", weir.read("trace"), re.M)
    return tuple(map(int, words.groups()))


def end(weir, number):
    scene.until(lambda: f"{number} shaper end" in weir.read("trace"), "the log phase")
    return re.search(rf"^{number} shaper end (.*)$", weir.read("trace"), re.M).group(1)


def alive(weir):
    assert weir.ask("/").body == BODY.decode()


# --- responses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/", "/chunked", "/close"])
@pytest.mark.parametrize("how", SHAPES)
def test_a_response_is_what_the_hook_made_of_it(shared, how, target):
    number = f"response-{how}-{target[1:]}"
    answer = ask(shared, number, f"response={how}", target)
    assert answer.status == 200 and answer.body == SHAPES[how](BODY).decode()
    assert answer.headers["Transfer-Encoding"] == "chunked" and answer.headers["Content-Length"] is None
    lasts, calls, length = told(shared, number, "response")
    if how == "done":
        assert calls == 1
    else:
        assert (lasts, length) == (1, len(BODY))


def test_chunks_may_be_shortened(shared):
    answer = ask(shared, "shorten", "response=shorten", "/chunked")
    assert 0 < len(answer.body) < len(BODY) and told(shared, "shorten", "response")[0] == 1


def test_without_a_change_of_length_the_framing_stays(shared):
    answer = ask(shared, "same", "response=replace", announce=False)
    assert answer.headers["Content-Length"] == str(len(BODY)) and answer.body == BODY.decode().upper()


def test_a_client_of_1_0_gets_a_changed_body_until_the_close(shared):
    answer = shared.say(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nId: old\r\nBody: response=lengthen\r\nAnnounce: yes\r\n\r\n")
    head, body = answer.split(b"\r\n\r\n", 1)
    assert body == SHAPES["lengthen"](BODY)
    assert b"chunked" not in head and b"Content-Length" not in head and b"Connection: close" in head


def test_an_empty_body_has_a_last_chunk_too(shared):
    assert ask(shared, "empty", "response=append", "/empty").body == " end."
    assert told(shared, "empty", "response") == (1, 1, 0)


@pytest.mark.parametrize("method, status", [("HEAD", 200)])
def test_what_has_no_body_has_no_chunks(shared, method, status):
    assert ask(shared, "head", "response=append", method=method).status == status
    assert told(shared, "head", "response") == (0, 0, 0)


def test_a_response_of_a_module_passes_the_hooks_as_well(shared):
    answer = shared.ask("/", headers={"Id": "own", "Act": "access=respond:200", "Body": "response=lengthen", "Announce": "yes"})
    assert answer.body == SHAPES["lengthen"](b"from the probe").decode()
    assert told(shared, "own", "response") == (1, 1, 14)


@pytest.mark.parametrize("how", ["lengthen", "append", "drop", "shorten"])
@pytest.mark.parametrize("target", ["/", "/large"])
def test_a_change_of_length_that_nobody_announced_fails(shared, how, target):
    """What Content-Length promises must come, and no more: the client would take it for its next response."""
    number = f"unannounced-{how}-{target[1:]}"
    with socket.create_connection(("127.0.0.1", shared.port()), scene.PATIENCE) as s:
        s.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nId: {number}\r\n"
                  f"Body: response={how}\r\n\r\n".encode())
        answer = read_all(s)
    if target == "/":        # all of it was there before the head was sent
        assert answer.startswith(b"HTTP/1.1 500 ") and answer.endswith(b"500 Internal Server Error\n")
    else:
        assert len(answer) <= LARGE + 300
    assert "changed the length of a body" in end(shared, number)
    alive(shared)


def read_all(connection):
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize("how, status", [("fail-first", 500), ("fail-first:451", 451)])
def test_a_hook_that_fails_before_the_head_is_sent_is_answered(shared, how, status):
    # The error's own body passes the same hook; the plain page that stays does not.
    number = how.replace(":", "-")
    answer = ask(shared, number, f"response={how}", announce=False)
    assert answer.status == status and answer.body.startswith(str(status))
    assert told(shared, number, "response")[1] == 2
    assert "client is gone" not in end(shared, number)
    alive(shared)


@pytest.mark.parametrize("how", ["fail", "fail:451", "respond", "wait", "left"])
def test_a_hook_that_fails_later_cuts_the_response(shared, how):
    number = f"cut-{how.replace(':', '-')}"
    gone = shared.metric("weir_client_gone_total")
    refused = shared.metric("weir_verdict_refused_total")
    with socket.create_connection(("127.0.0.1", shared.port()), scene.PATIENCE) as s:
        s.sendall(f"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\nId: {number}\r\n"
                  f"Body: response={how}\r\n\r\n".encode())
        answer = read_all(s)
    assert len(answer) < LARGE
    assert "failure=shaper was told to fail" in end(shared, number) if how == "fail:451" else "a module" in end(shared, number)
    assert shared.metric("weir_client_gone_total") == gone
    assert (shared.metric("weir_verdict_refused_total") > refused) == (not how.startswith("fail"))
    alive(shared)


# --- requests --------------------------------------------------------------------------------------------------------


def chunked(body):
    return b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 777]), body[i:i + 777]) for i in range(0, len(body), 777)) + b"0\r\n\r\n"


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("how", SHAPES)
def test_a_request_is_what_the_hook_made_of_it(shared, how, framing):
    number = f"request-{how}-{framing}"
    head = f"PUT /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nId: {number}\r\nBody: request={how}\r\nAnnounce: yes\r\n"
    if framing == "length":
        shared.say(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
    else:
        shared.say(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked(BODY))
    _, fields, body = asked[-1]
    assert body == SHAPES[how](BODY)
    assert fields["transfer-encoding"] == "chunked" and "content-length" not in fields
    if how != "done":
        assert told(shared, number, "request")[::2] == (1, len(BODY))


def test_a_request_without_a_body_has_no_chunks(shared):
    ask(shared, "get", "request=append")
    assert told(shared, "get", "request") == (0, 0, 0)
    assert asked[-1][2] == b""


def test_an_empty_request_body_has_a_last_chunk(shared):
    ask(shared, "put", "request=append", method="PUT", body=b"")
    assert told(shared, "put", "request") == (1, 1, 0)
    assert asked[-1][2] == b" end."


@pytest.mark.parametrize("how", ["lengthen", "append", "drop", "shorten"])
def test_a_request_of_another_length_than_announced_is_not_sent_on(shared, how):
    number = f"unannounced-request-{how}"
    with socket.create_connection(("127.0.0.1", shared.port()), scene.PATIENCE) as s:
        s.sendall(f"PUT /echo HTTP/1.1\r\nHost: a\r\nId: {number}\r\nBody: request={how}\r\nContent-Length: 9\r\n\r\nabcdefghi".encode())
        assert s.recv(4096).startswith(b"HTTP/1.1 500 ")
    assert "length" in end(shared, number)
    alive(shared)


@pytest.mark.parametrize("how, status", [("fail", 500), ("fail:413", 413), ("fail-first:403", 403), ("respond", 500),
                                         ("wait", 500), ("left", 500)])
@pytest.mark.parametrize("size", [10, 300000])
def test_a_request_whose_hook_fails_is_answered_and_not_sent_again(shared, how, status, size):
    """A filter's no is the answer, at once, whatever the origin would have said of the part that it got."""
    number = f"{how.replace(':', '-')}-{size}"
    failed, retried = shared.metric("weir_upstream_failed_total"), shared.metric("weir_upstream_dialled_total")
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", shared.port()), scene.PATIENCE) as s:
        s.sendall(f"PUT /echo HTTP/1.1\r\nHost: a\r\nId: {number}\r\nBody: request={how}\r\nContent-Length: {size}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            s.sendall(b"x" * (size // 2))
            time.sleep(0.02)
            s.sendall(b"x" * (size - size // 2))
        assert s.recv(4096).startswith(f"HTTP/1.1 {status} ".encode())
    assert time.monotonic() - began < 20
    assert shared.metric("weir_upstream_failed_total") == failed
    assert shared.metric("weir_upstream_dialled_total") <= retried + 1
    alive(shared)


# --- large ones, slowly ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["inspect", "lengthen", "replace"])
def test_twenty_megabytes_at_the_pace_of_the_reader(shared, how):
    """The server holds no more than a few buffers of it, however much the hook makes of each."""
    number = f"large-{how}"
    before = memory(shared)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    connection.settimeout(scene.PATIENCE)
    connection.connect(("127.0.0.1", shared.port()))
    connection.sendall(f"GET /large HTTP/1.0\r\nId: {number}\r\nBody: response={how}\r\nAnnounce: yes\r\n\r\n".encode())
    time.sleep(0.3)
    most, got, sums = memory(shared), 0, hashlib.sha256()
    stream = connection.makefile("rb")
    scene.read_head(stream)
    for count in range(LARGE * 11 // 65536):
        piece = stream.read(65536)
        if not piece:
            break
        got += len(piece)
        sums.update(piece)
        if count % 64 == 0:
            most = max(most, memory(shared))
    connection.close()
    assert got == LARGE * (10 if how == "lengthen" else 1)
    assert sums.hexdigest() == expected(how)
    assert told(shared, number, "response")[::2] == (1, LARGE)
    if not is_sanitized(shared):  # a sanitizer keeps what was freed for a while
        assert most - before < 16 * 1024 * 1024


def expected(how):
    sums = hashlib.sha256()
    for i in range(LARGE // 65536):
        piece = bytes([97 + i % 26]) * 65536
        sums.update(piece * 10 if how == "lengthen" else piece.upper() if how == "replace" else piece)
    return sums.hexdigest()


def is_sanitized(weir):
    """A sanitizer reserves terabytes for its shadow."""
    with open(f"/proc/{weir.process.pid}/statm") as f:
        return int(f.read().split()[0]) * resource.getpagesize() > 1 << 40


def memory(weir):
    with open(f"/proc/{weir.process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4096
