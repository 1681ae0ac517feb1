#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Generations: a new configuration takes over under load, and what began before ends as it began. And calls that fail under load:
the process serves on.
"""
import http.client
import json
import os
import re
import socket
import threading
import time

import pytest

import scene

INI = """
[module route]
[module header]
response_set = Generation: %s
[upstream origin]
server = %s
[route all]
match = */*
upstream = origin
"""


@pytest.fixture
def origin():
    with scene.Origin("a") as a:
        yield a


def is_sanitized():
    with open(os.environ["WEIR"], "rb") as f:
        return b"__asan_init" in (text := f.read()) or b"__tsan_init" in text


class Load:
    """Clients that ask all the time on connections that stay, and keep what they saw."""

    def __init__(self, port, clients=16):
        self.stopped, self.seen, self.failures, self.count = threading.Event(), set(), [], 0
        self.threads = [threading.Thread(target=self.run, args=(port,), daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=scene.PATIENCE)
        while not self.stopped.is_set():
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                if response.read() != b"a":
                    self.failures.append(response.status)
                self.seen.add(response.headers["Generation"])
                self.count += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.stopped.set()
        for thread in self.threads:
            thread.join(scene.PATIENCE)


def status(weir):
    return json.loads(weir.admin("/v1/status"))


def tasks(weir):
    return sorted(os.listdir(f"/proc/{weir.process.pid}/task"))


def memory(weir):
    with open(f"/proc/{weir.process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4096


def until_one_generation(weir):
    scene.until(lambda: status(weir)["generations"] == 1, "former generations are freed")


def test_thirty_reloads_under_load_fail_no_request(origin):
    with scene.Weir(INI % (0, origin.address), threads=2) as weir:
        threads = tasks(weir)
        with Load(weir.port()) as load:
            scene.until(lambda: load.seen or load.failures, "the first generation serves")
            for number in range(1, 31):
                if number % 2:
                    weir.reload(INI % (number, origin.address))
                else:
                    weir.write(INI % (number, origin.address))
                    weir.process.send_signal(1)
                scene.until(lambda n=number: str(n) in load.seen or load.failures, f"generation {number} serves")
        assert load.failures == [] and len(load.seen) == 31
        assert tasks(weir) == threads
        until_one_generation(weir)
        assert weir.read("stderr").count("listening on") == 1


def test_a_request_ends_in_the_generation_that_it_began_with():
    asked, released = threading.Semaphore(0), threading.Event()

    def talk(connection, stream):
        while head := scene.read_head(stream):
            asked.release()
            if "/slow" in head[0]:
                released.wait(scene.PATIENCE)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")

    with scene.Peer(talk) as peer, scene.Weir(INI % ("old", peer.address)) as weir:
        connection = http.client.HTTPConnection("127.0.0.1", weir.port(), timeout=scene.PATIENCE)
        connection.request("GET", "/slow")
        assert asked.acquire(timeout=scene.PATIENCE)
        weir.reload(INI % ("new", peer.address))
        assert weir.ask("/").headers["Generation"] == "new"
        assert status(weir)["generations"] == 2
        released.set()
        response = connection.getresponse()
        assert (response.read(), response.headers["Generation"]) == (b"a", "old")
        until_one_generation(weir)
        connection.request("GET", "/")       # the connection goes on, in the new one
        response = connection.getresponse()
        assert (response.read(), response.headers["Generation"]) == (b"a", "new")
        connection.close()


def test_a_bad_file_leaves_the_old_generation_and_says_where(origin):
    with scene.Weir(INI % ("old", origin.address)) as weir, Load(weir.port()) as load:
        weir.write((INI % ("new", origin.address)).replace("upstream = origin", "upstreem = origin"))
        line = weir.read("weir.ini").splitlines().index("upstreem = origin") + 1
        code, said = weir.ctl("reload")
        assert code == 1 and f"weir.ini:{line}: error: " in said and "upstream" in said
        weir.process.send_signal(1)
        scene.until(lambda: weir.read("stderr").count("serves on") == 2, "the second refusal")
        assert weir.read("stderr").count(f"weir.ini:{line}: ") == 2
        count = load.count
        scene.until(lambda: load.count > count + 100, "a hundred more requests")
        assert load.failures == [] and load.seen == {"old"}


def test_listeners_come_and_go(origin):
    with scene.Weir(INI % (1, origin.address), threads=2) as weir:
        first = weir.port()
        kept = http.client.HTTPConnection("127.0.0.1", first, timeout=scene.PATIENCE)
        kept.request("GET", "/")
        kept.getresponse().read()
        weir.reload(INI % (2, origin.address) + "[listen more]\naddress = 127.0.0.2:0\n")
        second = int(re.search(r"127\.0\.0\.2:(\d+)", json.dumps(status(weir)["listeners"])).group(1))
        assert re.findall(r"listening on (\S+)", weir.read("stderr")) == [f"127.0.0.1:{first}", f"127.0.0.2:{second}"]
        other = http.client.HTTPConnection("127.0.0.2", second, timeout=scene.PATIENCE)
        other.request("GET", "/")
        response = other.getresponse()
        assert (response.read(), response.headers["Generation"]) == (b"a", "2")
        weir.reload(INI % (3, origin.address))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", second), scene.PATIENCE)
        assert other.sock.recv(1) == b""         # idle: closed with its listener
        other.close()
        kept.request("GET", "/")
        response = kept.getresponse()
        assert (response.read(), response.headers["Generation"]) == (b"a", "3")
        kept.close()
        assert weir.port() == first


def test_modules_and_settings_come_with_a_reload(origin):
    with scene.Weir(INI % (1, origin.address), modules=[scene.MODULES], threads=2) as weir:
        assert weir.ask("/").headers["Mark"] is None
        weir.reload(INI % (2, origin.address) + "probe.mark = 5\n[module probe]\nfile = {folder}/trace\n")
        assert weir.ask("/").headers["Mark"] == "5"
        weir.reload(INI % (3, origin.address) + "[module probe]\nmark = 6\n")
        assert weir.ask("/").headers["Mark"] == "6"
        weir.reload(INI % (4, origin.address) + "probe.enable = no\n[module probe]\nmark = 7\n")
        assert weir.ask("/").headers["Mark"] is None
        weir.reload(INI % (5, origin.address))
        assert weir.ask("/").headers["Mark"] is None
        until_one_generation(weir)


def test_a_tunnel_stays_open_through_reloads():
    def talk(connection, stream):
        scene.read_head(stream)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        while piece := connection.recv(65536):
            connection.sendall(piece)

    with scene.Peer(talk) as peer, scene.Weir(INI % (0, peer.address)) as weir:
        connection = socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        stream = connection.makefile("rb")
        assert scene.read_head(stream)[0].startswith("HTTP/1.1 101 ")
        for number in range(1, 11):
            connection.sendall(b"%04d" % number)
            weir.reload(INI % (number, peer.address))
            assert stream.read(4) == b"%04d" % number
        scene.until(lambda: status(weir)["generations"] == 2, "the tunnel's and the newest are left")
        connection.close()
        stream.close()
        until_one_generation(weir)


def test_three_hundred_reloads_leave_nothing(origin):
    ini = INI + "[module probe]\n[module balance]\n[module accesslog]\n[upstream second]\nserver = 127.0.0.1:1\n"
    with scene.Weir(ini % (0, origin.address), threads=2, modules=[scene.MODULES]) as weir, Load(weir.port(), 2) as load:
        for _ in range(100):
            weir.reload(ini % ("first", origin.address))
        before, files = memory(weir), len(os.listdir(f"/proc/{weir.process.pid}/fd"))
        for _ in range(200):
            weir.reload(ini % ("last", origin.address))
        until_one_generation(weir)
        assert len(os.listdir(f"/proc/{weir.process.pid}/fd")) <= files + 4
        # Sanitizers keep what is freed for a while.
        assert memory(weir) - before < (400 if is_sanitized() else 4) * 1024 * 1024
        assert load.failures == []
        assert status(weir)["generation"] == 301


# --- calls that fail ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(is_sanitized(), reason="a sanitizer has its own malloc")
@pytest.mark.parametrize("calls, each", [
    ("malloc", 3), ("malloc", 50), ("socket", 2), ("accept", 3), ("connect", 2), ("epoll_ctl", 3), ("recv", 7), ("send", 7),
    ("malloc socket accept connect epoll_ctl recv send", 20)])
def test_the_process_outlives_calls_that_fail(origin, calls, each):
    """Every request gets an answer or a close, and afterwards all is well."""
    shim = os.path.join(os.environ.get("top_builddir", "."), "tests/e2e/shim_fail.so")
    environment = {**os.environ, "LD_PRELOAD": shim, "FAIL": calls, "FAIL_EACH": str(each), "FAIL_SEED": "7"}
    ini = INI % ("{folder}", f"{origin.address}\nkeepalive = 0\nfirst_byte_timeout = 500ms")
    weir = scene.Weir(ini + "[module probe]\n", modules=[scene.MODULES], threads=2, env=environment)
    environment["FAIL_GATE"] = weir.path("gate")
    with weir:
        scene.until(lambda: weir.ask("/").body == "a", "it serves")
        with open(weir.path("gate"), "w", encoding="ascii"):
            pass
        outcomes = [try_once(weir.port(), i) for i in range(40 if calls == "accept" else 200)]
        assert weir.process.poll() is None, weir.read("stderr")
        assert len(set(outcomes)) > 1 or weir.metric("weir_accept_failed_total") > 0, "something did fail"
        assert set(outcomes) <= {"200", "502", "503", "504", "closed"}, outcomes
        for _ in range(3):
            weir.ctl("reload")
        os.unlink(weir.path("gate"))
        scene.until(lambda: [try_once(weir.port(), i) for i in range(20)] == ["200"] * 20, "all is well again")
        scene.until(lambda: weir.metric("weir_requests_active") == 0, "no request is under way")


def try_once(port, number):
    """The status of an answer, or "closed". Some ask with a body."""
    body = b"x" * 40000 if number % 3 == 0 else b""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            s.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            answer = s.recv(65536)
            return answer.split()[1].decode() if answer else "closed"
    except (ConnectionError, TimeoutError):
        return "closed"


def test_a_thread_without_work_costs_nothing(origin):
    with scene.Weir(INI % (1, origin.address), threads=2) as weir:
        assert weir.ask("/").body == "a"
        scene.until(lambda: scene.is_still(weir), "it waits")
