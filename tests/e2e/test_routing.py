#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hot routing: routes, upstreams and servers of a running process are changed through the admin socket, checked as `weir -t`
checks, kept in state_dir, and in use by every thread when the answer comes.
"""
import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

import scene

INI = """
[module route]
[module balance]
[module header]
[upstream a]
server = %s
[upstream b]
server = %s
[route main]
match = main.test/*
upstream = a
[route other]
match = other.test/*
upstream = b
"""


@pytest.fixture
def origins():
    with scene.Origin("a") as a, scene.Origin("b") as b:
        yield a.address, b.address


def start(origins, **more):
    return scene.Weir(INI % origins, threads=2, **more)


def restarted(weir):
    """The process ends at once, as in a crash, and another one starts in its folder."""
    weir.process.kill()
    weir.process.wait()
    weir.__enter__()


# --- changing -----------------------------------------------------------------------------------------------------------


def test_a_route_is_read_patched_replaced_added_and_deleted(origins):
    with start(origins) as weir:
        status, route = weir.call("GET", "/v1/routes/main")
        assert status == 200 and route["settings"] == {"match": "main.test/*", "upstream": "a"}
        assert route["revision"] == 0 and route["origin"].endswith("weir.ini:16")
        assert weir.ask("/", "main.test").body == "a"
        status, done = weir.call("PATCH", "/v1/routes/main", {"upstream": "b"})
        assert (status, done["revision"], done["generation"], done["durable"]) == (200, 1, 2, True), done
        assert weir.ask("/", "main.test").body == "b"
        status, done = weir.call("PUT", "/v1/routes/main", {"match": ["main.test/x", "main.test/y"], "upstream": "a"})
        assert (status, done["revision"]) == (200, 2)
        assert weir.ask("/", "main.test").status == 404 and weir.ask("/y", "main.test").body == "a"
        assert weir.call("GET", "/v1/routes/main")[1]["settings"] == {"match": ["main.test/x", "main.test/y"], "upstream": "a"}
        assert weir.call("PUT", "/v1/routes/third", {"match": "third.test/*", "upstream": "b"})[0] == 200
        assert weir.ask("/", "third.test").body == "b"
        assert weir.call("PATCH", "/v1/routes/third", {"method": "PUT"})[0] == 200
        assert weir.ask("/", "third.test").status == 404
        assert weir.call("PATCH", "/v1/routes/third", {"method": None})[0] == 200
        assert weir.ask("/", "third.test").body == "b"
        assert weir.call("DELETE", "/v1/routes/third")[0] == 200
        assert weir.call("DELETE", "/v1/routes/other")[0] == 200
        assert weir.ask("/", "third.test").status == weir.ask("/", "other.test").status == 404
        assert list(weir.call("GET", "/v1/routes")[1]["routes"]) == ["main"]
        assert weir.call("GET", "/v1/routes/other")[0] == 404


def test_a_table_is_replaced_and_patched_as_a_whole(origins):
    table = {f"r{i}": {"match": f"host{i}.test/*", "upstream": "ab"[i % 2]} for i in range(100)}
    with start(origins) as weir:
        assert weir.call("PUT", "/v1/routes", {"routes": table})[0] == 200
        assert weir.call("GET", "/v1/routes")[1] == {"revision": 1, "routes": table}
        assert weir.ask("/", "host7.test").body == "b" and weir.ask("/", "main.test").status == 404
        change = {"r7": {"upstream": "a"}, "r8": None, "new": {"match": "new.test/*", "upstream": "b"}}
        assert weir.call("PATCH", "/v1/routes", {"routes": change, "revision": 1})[0] == 200
        assert weir.ask("/", "host7.test").body == "a" and weir.ask("/", "host8.test").status == 404
        assert weir.ask("/", "new.test").body == "b"
        assert weir.call("POST", "/v1/revert")[0] == 200
        assert weir.ask("/", "main.test").body == "a" and weir.ask("/", "new.test").status == 404


def test_servers_come_go_and_are_drained(origins):
    a, b = origins
    target = "/v1/upstreams/a/servers/"
    with start(origins) as weir:
        assert weir.call("POST", "/v1/upstreams/a/servers", {"address": b, "weight": 3})[0] == 200
        assert weir.call("GET", "/v1/upstreams/a")[1]["servers"] == [
            {"address": a, "weight": 1, "backup": False}, {"address": b, "weight": 3, "backup": False}]
        assert {weir.ask("/", "main.test").body for _ in range(8)} == {"a", "b"}
        assert weir.call("PATCH", target + urllib.parse.quote(a), {"drain": True})[0] == 200
        assert {weir.ask("/", "main.test").body for _ in range(8)} == {"b"}
        assert weir.call("PATCH", target + a, {"weight": 2, "backup": True})[0] == 200
        assert weir.call("GET", "/v1/upstreams/a/servers")[1]["servers"][0] == {"address": a, "weight": 2, "backup": True}
        assert weir.call("DELETE", target + b)[0] == 200
        assert {weir.ask("/", "main.test").body for _ in range(4)} == {"a"}
        status, said = weir.call("DELETE", target + b)
        assert status == 404 and b in said["messages"][0]["text"]
        status, said = weir.call("POST", "/v1/upstreams/a/servers", {"address": a})
        assert status == 422 and "already" in said["messages"][0]["text"]
        status, said = weir.call("PATCH", target + a, {"wieght": 2})
        assert status == 422 and "did you mean `weight`" in said["messages"][0]["text"]


# --- what keeps operators from losing each other's changes ----------------------------------------------------------------


def test_a_change_of_another_revision_is_refused(origins):
    with start(origins) as weir:
        assert weir.call("PATCH", "/v1/routes/main?revision=0", {"upstream": "b"})[0] == 200
        status, said = weir.call("PATCH", "/v1/routes/main?revision=0", {"upstream": "a"})
        assert (status, said["revision"]) == (412, 1)
        status, said = weir.call("DELETE", "/v1/routes/main", If_Match='"0"')
        assert (status, said["revision"]) == (412, 1)
        assert weir.call("PUT", "/v1/routes", {"routes": {}, "revision": 7})[0] == 412
        assert weir.ask("/", "main.test").body == "b"
        assert weir.call("PATCH", "/v1/routes/main", {"upstream": "a"}, If_Match='"1"')[0] == 200
        assert weir.ask("/", "main.test").body == "a"


def test_a_dry_run_only_looks(origins):
    with start(origins) as weir:
        status, said = weir.call("PATCH", "/v1/routes/main?dry_run=1", {"upstream": "b"})
        assert (status, said["revision"], said["generation"], said["dry_run"]) == (200, 0, 1, True)
        status, said = weir.call("PATCH", "/v1/routes/main?dry_run=1", {"upstream": "c"})
        assert status == 422 and "there is no [upstream c]" in said["messages"][0]["text"]
        assert weir.ask("/", "main.test").body == "a"
        assert not os.path.exists(weir.path("routing.ini"))


# --- bad input ------------------------------------------------------------------------------------------------------------

LONG = "x" * 200


@pytest.mark.parametrize("method, target, body, status, said", [
    ("PATCH", "/v1/routes/main", {"upstreem": "b"}, 422, "unknown key `upstreem`, did you mean `upstream`?"),
    ("PATCH", "/v1/routes/main", {"upstream": "bb"}, 422, "there is no [upstream bb]"),
    ("PATCH", "/v1/routes/main", {"match": "no pattern"}, 422, "`match = no pattern`"),
    ("PATCH", "/v1/routes/main", {"match": "other.test/*"}, 422, "both match other.test/*"),
    ("PATCH", "/v1/routes/main", {"match": None}, 422, "[route main] needs `match`"),
    ("PATCH", "/v1/routes/main", {"upstream": {"a": 1}}, 422, "a text, a whole number"),
    ("PATCH", "/v1/routes/main", {"upstream": 1.5}, 422, "a text, a whole number"),
    ("PATCH", "/v1/routes/main", {"upstream": []}, 422, "an empty list"),
    ("PATCH", "/v1/routes/main", {"header.response_set": "A: b ; c"}, 422, "would be lost in an INI file"),
    ("PATCH", "/v1/routes/main", {"header.response_set": "A: " + LONG}, 422, "the limit is 199"),
    ("PATCH", "/v1/routes/main", {"match": "a\nupstream = b"}, 422, "one line"),
    ("PATCH", "/v1/routes/main", {"match": "a\u0007"}, 422, "control character"),
    ("PATCH", "/v1/routes/main", {"a b": "c"}, 422, "`a b` is not a key"),
    ("PUT", "/v1/routes/" + "n" * 49, {"match": "x/*"}, 422, "the limit is 48"),
    ("PUT", "/v1/routes/a%20b", {"match": "x/*"}, 422, "one word"),
    ("PUT", "/v1/routes/a%0ab", {"match": "x/*"}, 422, "one line"),
    ("PUT", "/v1/routes/a%00b", {"match": "x/*"}, 404, "no such path"),
    ("PATCH", "/v1/routes/mian", {"upstream": "b"}, 404, "did you mean `main`?"),
    ("DELETE", "/v1/routes/mian", None, 404, "did you mean `main`?"),
    ("DELETE", "/v1/upstreams/a", None, 422, "there is no [upstream a]"),
    ("PATCH", "/v1/routes/main", "{", 400, "line 1"),
    ("PATCH", "/v1/routes/main", '{"upstream": "b", "upstream": "a"}', 400, "duplicate"),
    ("PATCH", "/v1/routes/main", "[1]", 400, "object"),
    ("PATCH", "/v1/routes/main", "[" * 100000, 400, "depth"),
    ("PATCH", "/v1/routes/main", b'{"match": "\xff"}', 400, "unable to decode byte 0xff"),
    ("PATCH", "/v1/routes/main", '{"match": "a\\u0000b"}', 400, "line 1"),
    ("PATCH", "/v1/routes", {"main": {}}, 400, '"routes"'),
    ("PATCH", "/v1/routes", {"routes": {}, "revison": 1}, 400, "only `routes` and `revision`"),
    ("PATCH", "/v1/routes", {"routes": {}, "revision": "1"}, 400, "`revision` is a number"),
    ("PATCH", "/v1/routes", {"routes": {"main": 7}}, 422, "an object"),
    ("PATCH", "/v1/routes/main?dry-run=1", {}, 400, "did you mean `dry_run`?"),
    ("PATCH", "/v1/routes/main?dry_run=maybe", {}, 400, "yes or no"),
    ("PATCH", "/v1/routes/main?revision=x", {}, 400, "`revision` is a number"),
    ("POST", "/v1/routes/main", {}, 405, "GET, HEAD, PUT, PATCH, DELETE"),
    ("POST", "/v1/revert", {"routes": ["main"]}, 404, "as the files say"),
    ("POST", "/v1/revert", {"route": []}, 422, "unknown member"),
    ("GET", "/v1/nothing", None, 404, "no such path"),
])
def test_bad_input_changes_nothing_and_is_told_what_is_wrong(shared, method, target, body, status, said):
    answer = shared.call(method, target, body)
    assert answer[0] == status and said in str(answer[1]), answer
    assert shared.call("GET", "/v1/status")[1]["generation"] == 1
    assert shared.call("GET", "/v1/routes")[1]["revision"] == 0


@pytest.fixture(scope="module")
def shared():
    with scene.Weir(INI % ("127.0.0.1:1", "127.0.0.1:2")) as weir:
        yield weir


def test_all_errors_of_a_change_are_told_each_at_its_place(shared):
    status, said = shared.call("PATCH", "/v1/routes", {"routes": {"main": {"upstream": "x", "bogus": 1}, "other": {"upstream": "y"}}})
    assert status == 422 and said["error"].startswith("the change has errors")
    assert [(one["file"], one["kind"]) for one in said["messages"]] == [
        ("[route main] upstream", "error"), ("[route other] upstream", "error"), ("[route main] bogus", "error")]


def test_a_huge_body_is_refused(shared):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(scene.PATIENCE)
        s.connect(shared.path("admin.sock"))
        s.sendall(b"PATCH /v1/routes/main HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 413 ")


# --- what is there after a restart ----------------------------------------------------------------------------------------


def test_what_was_changed_outlives_a_kill(origins):
    with start(origins) as weir:
        assert weir.call("PATCH", "/v1/routes/main", {"upstream": "b"})[0] == 200
        assert weir.call("DELETE", "/v1/routes/other")[0] == 200
        assert weir.call("PUT", "/v1/routes/new", {"match": "new.test/*", "upstream": "a"})[0] == 200
        restarted(weir)
        assert weir.ask("/", "main.test").body == "b" and weir.ask("/", "new.test").body == "a"
        assert weir.ask("/", "other.test").status == 404
        assert weir.call("GET", "/v1/routes")[1]["revision"] == 3
        shown = subprocess.run(weir.command("-T"), capture_output=True, text=True, check=True).stdout
        line = weir.read("routing.ini").splitlines().index("[route new]") + 1
        assert f"; {weir.path('routing.ini')}:{line}\n[route new]" in shown
        assert weir.call("GET", "/v1/routes/new")[1]["origin"] == f"{weir.path('routing.ini')}:{line}"
        assert weir.call("GET", "/v1/export")[1] == (
            "\n[route main]\nmatch = main.test/*\nupstream = b\n\n; deleted: [route other]\n"
            "\n[route new]\nmatch = new.test/*\nupstream = a\n")


def test_a_reload_keeps_what_was_changed(origins):
    with start(origins) as weir:
        assert weir.call("PATCH", "/v1/routes/main", {"upstream": "b"})[0] == 200
        weir.reload(INI % origins + "[route more]\nmatch = more.test/*\nupstream = a\n")
        assert weir.ask("/", "main.test").body == "b" and weir.ask("/", "more.test").body == "a"
        assert weir.call("PUT", "/v1/routes/new", {"match": "more.test/new", "upstream": "b"})[0] == 200
        assert weir.ask("/new", "more.test").body == "b" and weir.ask("/", "more.test").body == "a"
        assert weir.call("POST", "/v1/revert", {"routes": ["main"]})[0] == 200
        assert weir.ask("/", "main.test").body == "a" and weir.ask("/new", "more.test").body == "b"


def test_a_damaged_file_keeps_weir_from_starting_and_is_told(origins):
    with start(origins) as weir:
        assert weir.call("PATCH", "/v1/routes/main", {"upstream": "b"})[0] == 200
        whole = weir.read("routing.ini")
        for damaged in (whole[:-1], whole[:len(whole) // 2], whole.replace("upstream = b", "upstream = a"), ""):
            with open(weir.path("routing.ini"), "w", encoding="ascii") as f:
                f.write(damaged)
            code, said = weir.check()
            assert code == 1 and "routing.ini: error: " in said and "move it away" in said
        with open(weir.path("routing.ini"), "w", encoding="ascii") as f:
            f.write(whole)
        restarted(weir)
        assert weir.ask("/", "main.test").body == "b"


def test_a_state_that_cannot_be_written_changes_nothing(origins):
    with start(origins) as weir:
        os.mkdir(weir.path("routing.ini.new"))
        status, said = weir.call("PATCH", "/v1/routes/main", {"upstream": "b"})
        assert status == 500 and "cannot be written" in said["messages"][0]["text"]
        assert weir.ask("/", "main.test").body == "a"
        os.rmdir(weir.path("routing.ini.new"))
        status, said = weir.call("PATCH", "/v1/routes/main?revision=0", {"upstream": "b"})
        assert (status, said["revision"]) == (200, 1)


def test_without_a_state_dir_a_change_has_to_be_called_fleeting(origins):
    weir = start(origins)
    with open(weir.path("weir.ini"), encoding="utf-8") as f:
        text = f.read()
    with open(weir.path("weir.ini"), "w", encoding="utf-8") as f:
        f.write("".join(line for line in text.splitlines(True) if not line.startswith("state_dir")))
    with weir:
        status, said = weir.call("PATCH", "/v1/routes/main", {"upstream": "b"})
        assert status == 409 and "state_dir" in said["error"]
        assert weir.ask("/", "main.test").body == "a"
        status, said = weir.call("PATCH", "/v1/routes/main?durable=no", {"upstream": "b"})
        assert (status, said["durable"]) == (200, False)
        assert weir.ask("/", "main.test").body == "b"


# --- what goes on while a table is swapped ---------------------------------------------------------------------------------


class Sockets:
    """WebSockets, as far as a proxy sees them, through routes `ws` and `gone`."""

    def __init__(self, weir, host, count):
        self.connections = []
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE)
            s.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n".encode())
            stream = s.makefile("rb")
            assert scene.read_head(stream)[0].startswith("HTTP/1.1 101 ")
            self.connections.append((s, stream))

    def talk(self, text):
        for s, _ in self.connections:
            s.sendall(text)
        for _, stream in self.connections:
            assert stream.read(len(text)) == text

    def ended(self):
        try:
            return all(stream.read(1) == b"" for _, stream in self.connections)
        except ConnectionResetError:
            return True

    def close(self):
        for s, stream in self.connections:
            stream.close()
            s.close()


@pytest.fixture
def echo():
    def talk(connection, stream):
        scene.read_head(stream)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        connection.settimeout(None)
        while piece := connection.recv(65536):
            connection.sendall(piece)

    with scene.Peer(talk) as peer:
        yield peer.address


WS_INI = """
[module route]
[upstream a]
server = %s
[route ws]
match = ws.test/*
upstream = a
[route gone]
match = gone.test/*
upstream = a
"""


def test_websockets_stay_through_reloads_and_changes_and_go_as_the_operator_says(echo):
    """A longer one: SOCKETS=1000 SWAPS=100."""
    count, swaps = int(os.environ.get("SOCKETS", "20")), int(os.environ.get("SWAPS", "10"))
    with scene.Weir(WS_INI % echo, threads=2) as weir:
        ws, gone = Sockets(weir, "ws.test", count), Sockets(weir, "gone.test", 5)
        for number in range(swaps):
            ws.talk(b"%d" % number)
            assert weir.call("PATCH", "/v1/routes/gone", {"match": f"gone{number}.test/*"})[0] == 200
            weir.reload(WS_INI % echo)
        ws.talk(b"again")
        first = weir.call("GET", "/v1/generations")[1]["generations"][0]
        assert (first["number"], first["serving"], first["requests"], sum(first["requests_by_thread"])) == (
            1, False, count + 5, count + 5)
        code, said = weir.ctl("generations")
        assert code == 0 and re.search(rf"^1 .* {count + 5} ", said, re.M), said
        assert re.search(rf"^{2 * swaps + 1} .* serving$", said, re.M), said
        assert weir.call("DELETE", "/v1/routes/gone")[0] == 200
        gone.talk(b"still here")
        assert weir.call("PUT", "/v1/routes/gone", {"match": "gone.test/*", "upstream": "a"})[0] == 200
        assert weir.call("DELETE", "/v1/routes/gone?close=2s")[0] == 200
        gone.talk(b"and still")
        assert gone.ended()
        ws.talk(b"untouched")
        assert weir.call("PUT", "/v1/routes", {"routes": {}}, )[0] == 200
        ws.talk(b"kept")
        assert weir.call("POST", "/v1/revert?close=now", {"routes": ["gone"]})[0] == 200
        assert ws.ended()
        ws.close()
        gone.close()
        scene.until(lambda: len(weir.call("GET", "/v1/generations")[1]["generations"]) == 1, "old generations are freed")


def test_a_reload_says_what_it_has_changed(origins):
    with start(origins) as weir:
        text = (INI % origins).replace("match = other.test/*", "match = other.test/more") + "[route new]\nmatch = new.test/*\nupstream = a\n"
        weir.write(text.replace("[module header]\n", "") + "[listen second]\naddress = 127.0.0.2:0\n")
        status, said = weir.call("POST", "/v1/reload")
        changes = {kind: one["names"] for kind, one in said["changes"].items()}
        assert status == 200 and changes.pop("opened")[0].startswith("127.0.0.2:")
        assert changes == {"added": ["[route new]", "[listen second]"], "removed": ["[module header]"],
                           "changed": ["[route other]"], "closed": []}
        assert weir.call("GET", "/v1/routes")[1]["revision"] == 1        # routes were changed, by whatever way
        weir.write(text)
        code, shown = weir.ctl("reload")
        assert code == 0 and "added    [module header]\nremoved  [listen second]\nclosed   127.0.0.2:" in shown, shown
        assert weir.call("GET", "/v1/routes")[1]["revision"] == 1


class Load:
    """Clients on connections that stay; what they see in the field Table, and what goes wrong."""

    def __init__(self, weir, clients=4):
        self.weir, self.ended, self.failures, self.count = weir, threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.weir.port(), timeout=scene.PATIENCE)
        try:
            while not self.ended.is_set():
                connection.request("GET", "/", headers={"Host": "main.test"})
                response = connection.getresponse()
                if response.status != 200 or response.read() not in (b"a", b"b"):
                    self.failures.append(response.status)
                self.count += 1
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        scene.until(lambda: self.count > 10 or self.failures, "clients are served")
        return self

    def __exit__(self, *what):
        self.ended.set()
        for thread in self.threads:
            thread.join(scene.PATIENCE)


def test_tables_are_swapped_under_load_and_nobody_sees_the_former_one_after_the_answer(origins):
    def table(number):
        routes = {f"r{i}": {"match": f"r{i}.test/{'ab'[(i + number) % 2]}/*", "upstream": "a"} for i in range(300)}
        return {**routes, "main": {"match": "main.test/*", "upstream": "ab"[number % 2], "header.response_set": f"Table: {number}"}}

    with start(origins) as weir:
        tasks = sorted(os.listdir(f"/proc/{weir.process.pid}/task"))
        kept = [http.client.HTTPConnection("127.0.0.1", weir.port(), timeout=scene.PATIENCE) for _ in range(8)]
        with Load(weir) as load:
            for number in range(20):
                status, said = weir.call("PUT", "/v1/routes", {"routes": table(number)})
                assert status == 200 and 0 <= said["publication_microseconds"] <= said["microseconds"]
                for connection in kept:
                    connection.request("GET", "/", headers={"Host": "main.test"})
                    response = connection.getresponse()
                    assert (response.headers["Table"], response.read().decode()) == (str(number), "ab"[number % 2])
        assert load.failures == []
        assert sorted(os.listdir(f"/proc/{weir.process.pid}/task")) == tasks
        for connection in kept:
            connection.close()
        scene.until(lambda: len(weir.call("GET", "/v1/generations")[1]["generations"]) == 1, "old tables are freed")


def test_reloads_and_patches_take_turns_and_leave_nothing(origins):
    """A longer one: ROUNDS=5000 with a sanitizer."""
    rounds = int(os.environ.get("ROUNDS", "60"))

    def settle():
        scene.until(lambda: len(weir.call("GET", "/v1/generations")[1]["generations"]) == 1, "old generations are freed")
        with open(f"/proc/{weir.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * 4096, len(os.listdir(f"/proc/{weir.process.pid}/fd"))

    with start(origins) as weir, Load(weir, 1) as load:
        def turn(number):
            assert weir.call("PATCH", "/v1/routes/main", {"upstream": "ab"[number % 2]})[0] == 200
            assert weir.call("POST", "/v1/reload")[0] == 200

        for number in range(rounds):
            turn(number)
        before = settle()
        for number in range(rounds):
            turn(number)
        after = settle()
        assert after[1] <= before[1] + 4
        assert after[0] - before[0] < (400 << 20 if is_sanitized() else 4 << 20), (before, after)
        assert load.failures == []
        assert weir.call("GET", "/v1/status")[1]["revision"] == 2 * rounds


def is_sanitized():
    with open(os.environ["WEIR"], "rb") as f:
        text = f.read()
    return b"__asan_init" in text or b"__tsan_init" in text


def test_a_kill_at_any_moment_loses_no_change_that_was_answered(origins):
    """A longer one: KILLS=500."""
    with start(origins) as weir:
        sent = answered = 0
        refused = []

        def change():
            nonlocal sent, answered
            try:
                while not refused:
                    sent += 1
                    status, said = weir.call("PATCH", "/v1/routes/main", {"body_size": f"{sent}K"})
                    if status != 200:
                        refused.append((status, said))
                    answered = sent
            except (OSError, http.client.HTTPException):
                pass

        for kill in range(int(os.environ.get("KILLS", "8"))):
            thread = threading.Thread(target=change)
            first = answered
            thread.start()
            scene.until(lambda f=first, k=kill: answered > f + k % 5, "some changes are answered")
            time.sleep(kill % 7 / 1000)
            weir.process.kill()
            thread.join(scene.PATIENCE)
            restarted(weir)
            kept = int(weir.call("GET", "/v1/routes/main")[1]["settings"]["body_size"][:-1])
            assert kept in (answered, sent), (kept, answered, sent)
            assert weir.ask("/", "main.test").body == "a"
            assert refused == []


# --- the port -------------------------------------------------------------------------------------------------------------


def test_the_port_wants_the_token(origins):
    token = "abcdefghijklmnop-1"
    weir = start(origins)
    with open(weir.path("token"), "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
        f.write(token + "\n")
    whole = weir.read("weir.ini")

    def configure(lines):
        with open(weir.path("weir.ini"), "w", encoding="ascii") as f:
            f.write(whole.replace("[weir]\n", "[weir]\n" + lines, 1))

    def ask(method, target, body=None, **headers):
        port = int(re.findall(r"the admin port is (\d+)", weir.read("stderr"))[-1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=scene.PATIENCE)
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer

    configure("admin_address = 127.0.0.1:0\nadmin_token = token\n")
    with weir:
        assert ask("GET", "/v1/status")[0] == 401
        for wrong in ("Bearer x", f"Basic {token}", f"Bearer {token}x", f"Bearer {token[:-1]}", "Bearer "):
            status, said = ask("PATCH", "/v1/routes/main", '{"upstream": "b"}', Authorization=wrong)
            assert status == 401 and "token" in said["error"]
        assert weir.ask("/", "main.test").body == "a"
        assert ask("PATCH", "/v1/routes/main", '{"upstream": "b"}', Authorization=f"Bearer {token}")[0] == 200
        assert weir.ask("/", "main.test").body == "b"
        assert "admin port: who has the token asks: PATCH" in weir.read("stderr") and token not in weir.read("stderr")
        configure("admin_address = 127.0.0.1:0\n")
        assert "`admin_token` in [weir] has changed; that needs a restart" in weir.ctl("reload")[1]


@pytest.mark.parametrize("lines, token, mode, said", [
    ("admin_address = 192.0.2.1:9000\nadmin_token = token\n", "abcdefghijklmnop", 0o600, "only an address of this machine itself"),
    ("admin_address = localhost:9000\nadmin_token = token\n", "abcdefghijklmnop", 0o600, "only an address of this machine itself"),
    ("admin_address = 127.0.0.1:0\n", "", 0o600, "needs `admin_token`"),
    ("admin_address = 127.0.0.1:0\nadmin_token = none\n", "", 0o600, "No such file"),
    ("admin_address = 127.0.0.1:0\nadmin_token = token\n", "short\n", 0o600, "16 bytes or more"),
    ("admin_address = 127.0.0.1:0\nadmin_token = token\n", "abcdefgh ijklmnop", 0o600, "without blanks"),
    ("admin_address = 127.0.0.1:0\nadmin_token = token\n", "abcdefghijklmnop", 0o644, "everybody may read it"),
])
def test_a_port_that_would_not_be_safe_keeps_weir_from_starting(lines, token, mode, said):
    weir = scene.Weir(INI % ("127.0.0.1:1", "127.0.0.1:2"))
    with open(weir.path("token"), "w", encoding="ascii") as f:
        f.write(token)
    os.chmod(weir.path("token"), mode)
    text = weir.read("weir.ini")
    with open(weir.path("weir.ini"), "w", encoding="ascii") as f:
        f.write(text.replace("[weir]\n", "[weir]\n" + lines, 1))
    with pytest.raises(AssertionError, match=re.escape(said)):
        weir.__enter__()


# --- weirctl --------------------------------------------------------------------------------------------------------------


def test_weirctl_reads_and_changes(origins):
    a, b = origins
    with start(origins) as weir:
        code, said = weir.ctl("routes")
        assert code == 0 and said.splitlines()[1].split() == ["main", "main.test/*", "a"]
        assert weir.ctl("routes", "set", "main", "upstream=b", "--dry-run") == (0, "it could be done; nothing was changed\n")
        code, said = weir.ctl("routes", "set", "main", "upstream=b", "method=GET", "match=main.test/*", "match=more.test/*", "--revision", "0")
        assert code == 0 and said.startswith("revision 1, generation 2: every thread uses it after ")
        code, said = weir.ctl("routes", "main")
        assert code == 0 and said.splitlines()[1:] == [
            "[route main]", "match = main.test/*", "match = more.test/*", "upstream = b", "method = GET"], said
        assert weir.ask("/", "more.test").body == "b" and weir.ask("/", "more.test", "PUT").status == 404
        assert weir.ctl("routes", "set", "main", "method-")[0] == 0
        assert weir.ask("/", "more.test", "PUT").body == "b"
        code, said = weir.ctl("--json", "routes", "set", "main", "upstream=a", "--revision=1")
        assert code == 4 and json.loads(said)["revision"] == 2
        code, said = weir.ctl("routes", "set", "main", "upstreem=a")
        assert code == 1 and "[route main] upstreem: error: unknown key `upstreem`, did you mean `upstream`?" in said
        assert weir.ctl("routes", "add", "new route", "match=x/*")[0] == 1
        assert weir.ctl("routes", "add", "new", "match=new.test/*", "upstream=a")[0] == 0
        assert weir.ask("/", "new.test").body == "a"
        assert weir.ctl("servers", "a", "add", b, "weight=2")[0] == 0
        assert weir.ctl("servers", "a", "drain", a)[0] == 0
        assert weir.ask("/", "new.test").body == "b"
        code, said = weir.ctl("servers", "a")
        assert [line.split() for line in said.splitlines()[1:]] == [[a, "0", "no"], [b, "2", "no"]]
        assert weir.ctl("servers", "a", "set", a, "weight=1", "backup=yes")[0] == 0
        assert weir.ctl("servers", "a", "remove", a)[0] == 0
        code, said = weir.ctl("export")
        assert code == 0 and f"[upstream a]\nserver = {b} weight=2\n" in said
        with open(weir.path("table"), "w", encoding="ascii") as f:
            json.dump({"routes": {"only": {"match": "only.test/*", "upstream": "b"}}}, f)
        assert weir.ctl("routes", "replace", weir.path("table"))[0] == 0
        assert weir.ctl("--json", "routes") == (0, '{"revision":8,"routes":{"only":{"match":"only.test/*","upstream":"b"}}}\n')
        assert weir.ctl("revert", "upstreams", "a")[0] == 0 and weir.ctl("revert")[0] == 0
        assert weir.ask("/", "main.test").body == "a"
        for wrong in (["routes", "set", "main"], ["routes", "set", "main", "upstream"], ["servers"],
                      ["servers", "a", "add"], ["servers", "a", "set", a, "weight=x"], ["revert", "main"], ["export", "x"],
                      ["routes", "patch", weir.path("none")], ["routes", "--bogus"], ["routes", "--revision", "a b"]):
            assert weir.ctl(*wrong)[0] == 2, wrong


def test_bash_completes_names(origins):
    with start(origins) as weir:
        source = os.path.join(os.environ["top_srcdir"], "tools/weirctl.bash")
        for words, expected in ((["rou"], "routes"), (["routes", "set", "m"], "main"), (["servers", "a", "drain", "1"], origins[0]),
                                (["balance", "s"], "servers")):
            line = ["weirctl", "-s", weir.path("admin.sock"), *words]
            script = f"""
                weirctl() {{ "$WEIRCTL" "$@"; }}
                . '{source}'
                COMP_WORDS=({' '.join(line)}) COMP_CWORD={len(line) - 1}
                _weirctl; printf '%s\n' "${{COMPREPLY[@]}}" """
            done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
            assert done.stdout.split() == [expected], (words, done)
