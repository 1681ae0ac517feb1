#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The admin socket and those who are careless or wish it ill: what is not heeded is refused, and nothing that was taken keeps
Weir from starting again.
"""
import resource
import socket

import pytest

import scene

INI = """
[module route]
[module balance]
[upstream a]
server = 127.0.0.1:1
[route main]
match = main.test/*
upstream = a
"""


@pytest.fixture(scope="module")
def shared():
    with scene.Weir(INI) as weir:
        yield weir


def converse(weir, data):
    """All that comes until the server closes, or until nothing more of it can be under way."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(scene.PATIENCE)
        s.connect(weir.path("admin.sock"))
        s.sendall(data + b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := s.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize("method, target, body, status, said", [
    ("PATCH", "/v1/routes", {"routes": {"": {"match": "new.test/*", "upstream": "a"}}}, 422, "a section needs a name"),
    ("PUT", "/v1/routes", {"routes": {"": {"match": "new.test/*", "upstream": "a"}}}, 422, "a section needs a name"),
    ("PUT", "/v1/routes/%ff", {"match": "new.test/*", "upstream": "a"}, 404, "no such path"),
    ("PATCH", "/v1/routes/main?revision=0&revision=7", {}, 400, "`revision` stands twice"),
    ("PATCH", "/v1/routes/main?dry_run=no&dry_run=yes", {}, 400, "`dry_run` stands twice"),
    ("PATCH", "/v1/routes/main", None, 400, "a body in JSON is needed"),
    ("PUT", "/v1/routes", None, 400, "a body in JSON is needed"),
    ("POST", "/v1/upstreams/a/servers", None, 400, "a body in JSON is needed"),
    ("DELETE", "/v1/routes/main", {"dry_run": True}, 400, "DELETE takes no body"),
    ("DELETE", "/v1/upstreams/a/servers/127.0.0.1:1", {"revision": 7}, 400, "DELETE takes no body"),
    ("PATCH", "/v1/upstreams/a/servers/127.0.0.1:1", {"drain": True, "weight": 7}, 422, "name one of the two"),
    ("POST", "/v1/modules/balance/servers", {"argument": ["a"]}, 400, "only `arguments`"),
    ("GET", "/v1/export?all=maybe", None, 400, "`all` is yes or no"),
])
def test_no_wish_is_left_unheard(shared, method, target, body, status, said):
    answer = shared.call(method, target, body)
    assert answer[0] == status and said in str(answer[1]), answer
    assert shared.call("GET", "/v1/routes")[1] == {"revision": 0, "routes": {"main": {"match": "main.test/*", "upstream": "a"}}}


@pytest.mark.parametrize("fields, body, said", [
    (b"Content-Length: 2\r\nContent-Length: 70", b"{}", b"one Content-Length"),
    (b"Content-Length: +2", b"{}", b"one Content-Length"),
    (b"Transfer-Encoding: gzip", b"", b"is chunked"),
    (b"If-Match: \"0\"\r\nIf-Match: \"7\"\r\nContent-Length: 2", b"{}", b"one If-Match"),
])
def test_a_request_that_could_be_read_in_two_ways_is_refused_and_the_connection_closed(shared, fields, body, said):
    answer = converse(shared, b"PATCH /v1/routes/main HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 400 ") and said in answer and answer.count(b"HTTP/1.1") == 1
    assert shared.call("GET", "/v1/status")[1]["revision"] == 0


@pytest.mark.parametrize("target", ["/v1/routes", "/metrics", "/healthz", "/v1/nothing"])
def test_after_head_comes_no_body(shared, target):
    """Else whoever keeps the connection takes the body for the next answer."""
    head, rest = converse(shared, f"HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).split(b"\r\n\r\n", 1)
    assert b"Content-Length: " in head and rest.startswith(b"HTTP/1.1 200 ") and rest.endswith(b"\r\n\r\nok\n")


def test_a_name_of_a_file_that_is_no_utf8_is_shown_and_not_lost():
    weir = scene.Weir(INI)
    with open(weir.path("weir.ini"), "ab") as f:
        f.write(b"[route \xfc]\nmatch = latin.test/*\nupstream = a\n")
    with weir:
        assert set(weir.call("GET", "/v1/routes")[1]["routes"]) == {"main", "\\xfc"}


def test_files_that_may_grow_no_more_end_nothing():
    with scene.Weir(INI) as weir:
        limits = resource.prlimit(weir.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(weir.process.pid, resource.RLIMIT_FSIZE, (50, limits[1]))     # of the error log too
        status, said = weir.call("PATCH", "/v1/routes/main", {"match": "more.test/*"})
        assert status == 500 and "File too large" in said["messages"][0]["text"]
        resource.prlimit(weir.process.pid, resource.RLIMIT_FSIZE, limits)
        status, said = weir.call("PATCH", "/v1/routes/main?revision=0", {"match": "more.test/*"})
        assert (status, said["revision"]) == (200, 1)
