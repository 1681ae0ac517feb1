#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hooks that wait: where they may, who may resume them, and what becomes of a wait whose client, time or process ends.

The module waiter waits where the request's field Wait orders it; `weirctl waiter resume` resumes what it holds.
"""
import contextlib
import json
import re
import resource
import socket
import struct
import threading
import time

import pytest

import scene

INI = """
[module route]
[module waiter]
file = {folder}/trace
[module probe]
file = {folder}/trace
[upstream origin]
%s
[route all]
match = */*
upstream = origin
"""

PHASES = ["request", "route", "access", "cache", "peer", "connected", "upstream_request", "upstream_response", "response"]
# What a failure becomes where nobody names a status.
FAILED = {"access": 403, "peer": 502, "connected": 502, "upstream_response": 502}


@contextlib.contextmanager
def weir_with(server, **more):
    with scene.Weir(INI % server, modules=[scene.MODULES], **more) as weir:
        with open(weir.path("trace"), "ab"):
            yield weir


@pytest.fixture(scope="module")
def origin():
    with scene.Origin("a") as a:
        yield a


@pytest.fixture(scope="module")
def shared(origin):
    with weir_with(f"server = {origin.address}", threads=2) as weir:
        yield weir


def ask(weir, number, wait, **fields):
    return weir.ask("/", headers={"Id": number, "Wait": wait, **{k.title(): str(v) for k, v in fields.items()}})


def start(weir, number, wait, **fields):
    """Ask, and leave the answer on its way."""
    connection = socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    connection.sendall(f"GET / HTTP/1.1\r\nHost: a\r\nId: {number}\r\nWait: {wait}\r\n{lines}\r\n".encode())
    return connection


def until_noted(weir, text, count=1):
    scene.until(lambda: len(re.findall(rf"^{text}$", weir.read("trace"), re.M)) >= count, text)


def resume(weir, *words):
    """Resume what is held: how many that resumed, and for how many it was too late."""
    code, text = weir.ctl("--json", "waiter", "resume", *words)
    assert code == 0, text
    answer = json.loads(text)
    return answer["resumed"], answer["late"]


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("how", ["now", "soon", "thread"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_wait_goes_on_where_it_was(shared, phase, how):
    number = f"{phase}-{how}"
    answer = ask(shared, number, f"{phase}={how}")
    assert (answer.status, answer.body) == (200, "a")
    until_noted(shared, f"{number} waiter resumed")
    until_noted(shared, f"{number} probe log")
    seen = re.findall(rf"^{number} probe (\w+)$", shared.read("trace"), re.M)
    assert seen == PHASES[:-1] + ["store", "response", "response_body", "log"]
    assert f"{number} waiter cancel" not in shared.read("trace")


def test_a_wait_in_every_phase_of_one_request(shared):
    assert ask(shared, "all", " ".join(f"{phase}=thread" for phase in PHASES)).body == "a"
    until_noted(shared, "all waiter resumed", len(PHASES))


@pytest.mark.parametrize("phase", PHASES)
def test_a_wait_may_end_in_failure(shared, phase):
    number = f"{phase}-fails"
    # Whoever waits in the phase response waits again when the error passes there.
    assert ask(shared, number, f"{phase}=soon", resume="fail").status == FAILED.get(phase, 500)


@pytest.mark.parametrize("phase", ["request", "access", "cache", "peer", "upstream_response"])
def test_a_wait_may_end_in_a_response(shared, phase):
    answer = ask(shared, f"{phase}-responds", f"{phase}=respond", resume="respond")
    assert (answer.status, answer.body) == (418, "waited")


@pytest.mark.parametrize("verdict", ["wait", "retry", "nonsense"])
def test_a_resume_with_a_verdict_that_is_not_allowed_refuses(shared, verdict):
    refused = shared.metric("weir_verdict_refused_total")
    assert ask(shared, f"refused-{verdict}", "access=now", resume=verdict).status == 403
    assert shared.metric("weir_verdict_refused_total") == refused + 1


@pytest.mark.parametrize("phase", ["store", "failed", "error", "log"])
def test_some_phases_cannot_wait(shared, phase):
    refused = shared.metric("weir_verdict_refused_total")
    fields = {"Act": "access=fail"} if phase == "error" else {}
    if phase == "failed":
        with weir_with("server = 127.0.0.1:1") as weir:
            assert ask(weir, "failed", "failed=held").status == 502
            until_noted(weir, "failed waiter cancel")
            assert resume(weir, "failed") == (0, 1)
        return
    number = f"cannot-{phase}"
    ask(shared, number, f"{phase}=held", **fields)
    until_noted(shared, f"{number} waiter cancel")
    scene.until(lambda: shared.metric("weir_verdict_refused_total") == refused + 1, "it is refused, once")
    assert resume(shared, number) == (0, 1)
    assert shared.read("trace").count(f"{number} waiter cancel\n") == 1


# --- tokens are good for one time ------------------------------------------------------------------------------------


def test_the_second_resume_does_nothing_and_is_counted(shared):
    late = shared.metric("weir_resumed_late_total")
    assert ask(shared, "twice", "access=twice").body == "a"
    until_noted(shared, "twice waiter late")
    until_noted(shared, "twice probe log")
    assert shared.metric("weir_resumed_late_total") == late + 1
    assert resume(shared, "twice") == (0, 1)
    # Any thread's late call is counted: this one was the main thread's.
    assert shared.metric("weir_resumed_late_total") == late + 2


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("late", ["next", "fail"])
def test_a_wait_ends_with_its_deadline(shared, phase, late):
    number = f"late-{phase}-{late}"
    status = FAILED.get(phase, 500) if late == "fail" or phase == "access" else 200
    assert ask(shared, number, f"{phase}=never", deadline=30, late=late).status == status
    until_noted(shared, f"{number} probe log")
    lines = shared.read("trace").splitlines()
    waits = lines.count(f"{number} waiter waits {phase}")
    assert waits == (2 if phase == "response" and late == "fail" else 1)
    assert lines.count(f"{number} waiter cancel") == waits
    assert f"{number} waiter resumed" not in lines
    failure = re.search(rf"^{number} probe end .*failure=(.*)$", shared.read("trace"), re.M).group(1)
    assert failure == ("none" if status == 200 else "a module's answer came too late")
    assert resume(shared, number) == (0, waits)


def test_a_guard_that_answers_late_may_still_respond(shared):
    # It has set a response beforehand, which is a decision.
    with start(shared, "late-respond", "access=held", Deadline=30, Late="respond") as connection:
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 500 ") or answer.startswith(b"HTTP/1.1 403 ")


# --- ends while it waits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
def test_the_client_is_gone_while_it_waits(shared, phase):
    number = f"gone-{phase}"
    connection = start(shared, number, f"{phase}=held")
    until_noted(shared, f"{number} waiter waits {phase}")
    reset(connection)
    until_noted(shared, f"{number} probe log")
    lines = shared.read("trace").splitlines()
    assert lines.count(f"{number} waiter cancel") == 1
    assert lines.count(f"{number} probe log") == 1
    assert resume(shared, number) == (0, 1)
    assert ask(shared, f"after-{number}", "access=now").body == "a"


def test_a_client_that_only_closes_its_side_is_answered(shared):
    connection = start(shared, "half", "access=held")
    until_noted(shared, "half waiter waits access")
    connection.shutdown(socket.SHUT_WR)
    assert resume(shared, "half") == (1, 0)
    assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    connection.close()


@pytest.mark.parametrize("phase", PHASES)
def test_draining_waits_for_those_that_wait(origin, phase):
    with weir_with(f"server = {origin.address}") as weir:
        connection = start(weir, "drain", f"{phase}=held")
        until_noted(weir, f"drain waiter waits {phase}")
        weir.process.terminate()
        scene.until(lambda: json.loads(weir.admin("/v1/status"))["draining"], "it drains")
        weir.ctl("waiter", "resume")        # it may end before it has told how that went
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.close()
        assert weir.process.wait(scene.PATIENCE) == 0
        assert "drain waiter cancel" not in weir.read("trace")


@pytest.mark.parametrize("how", ["held", "soon", "thread"])
def test_stopping_ends_those_that_wait(origin, how):
    with weir_with(f"server = {origin.address}", threads=2) as weir:
        connections = [start(weir, f"stop{i}", f"access={how}") for i in range(20)]
        until_noted(weir, r"stop\d+ waiter waits access", 20)
        weir.process.terminate()
        with contextlib.suppress(ProcessLookupError):
            scene.until(lambda: "notice: stopping" in weir.read("stderr"), "it drains")
            weir.process.terminate()
        assert weir.process.wait(scene.PATIENCE) == 0
        lines = weir.read("trace").splitlines()
        if how == "held":
            assert sum(line.endswith(" waiter cancel") for line in lines) == 20
        assert sum(line.endswith(" probe log") for line in lines) == 20
        for connection in connections:
            connection.close()


def test_a_thread_ends_with_the_process_though_its_module_is_gone(origin):
    with weir_with(f"server = {origin.address}", threads=2) as weir:
        assert ask(weir, "here", "access=thread").body == "a"
        assert ask(weir, "there", "access=thread").body == "a"
        weir.reload((INI % f"server = {origin.address}").replace("[module waiter]\nfile = {folder}/trace\n", ""))
        assert ask(weir, "without", "access=never").body == "a"


# --- many, and long ones ---------------------------------------------------------------------------------------------


def test_a_thousand_wait_at_once(origin):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("too few file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    try:
        with weir_with(f"server = {origin.address}", threads=2) as weir:
            connections = [start(weir, f"many{i}", "access=held") for i in range(1000)]
            until_noted(weir, r"many\d+ waiter waits access", 1000)
            for connection in connections[::10]:
                reset(connection)
            until_noted(weir, r"many\d+ waiter cancel", 100)
            assert resume(weir) == (900, 100)
            for i, connection in enumerate(connections):
                if i % 10 != 0:
                    answer = connection.recv(4096)
                    assert answer.startswith(b"HTTP/1.1 200 "), (i, answer, weir.read("stderr"))
                    connection.close()
            scene.until(lambda: weir.metric("weir_requests_active") == 0, "all have ended")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_resumes_and_clients_that_go_may_meet(origin):
    """Whoever comes first wins, and nothing is done twice."""
    with weir_with(f"server = {origin.address}", threads=2) as weir:
        for how in ("soon", "thread"):
            for i in range(60):
                connection = start(weir, f"{how}{i}", f"access={how}")
                if i % 3:
                    time.sleep(0.001 * (i % 5))
                    reset(connection)
                else:
                    assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
                    connection.close()
        scene.until(lambda: weir.metric("weir_requests_active") == 0, "all have ended")
        lines = weir.read("trace").splitlines()
        for line in set(lines):
            if line.endswith((" probe log", " waiter cancel", " waiter resumed")):
                assert lines.count(line) == 1, line


@pytest.mark.parametrize("phase", ["connected", "upstream_request"])
def test_an_origin_that_closes_while_a_hook_waits_is_replaced(phase):
    """The pooled connection dies between its choice and its use."""
    asked, second = [], threading.Event()

    def talk(connection, stream):
        while head := scene.read_head(stream):
            asked.append(head)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
            if len(asked) == 1:
                second.wait(scene.PATIENCE)
                return

    with scene.Peer(talk) as peer, weir_with(f"server = {peer.address}\nfirst_byte_timeout = 3s") as weir:
        assert weir.ask("/").body == "a"
        connection = start(weir, "closed", f"{phase}=held")
        until_noted(weir, f"closed waiter waits {phase}")
        second.set()
        time.sleep(0.1)
        assert resume(weir) == (1, 0)
        until_noted(weir, f"closed waiter waits {phase}", 2)     # for the new connection
        assert resume(weir) == (1, 1)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.close()
        assert len(asked) == 2


@pytest.mark.parametrize("phase", ["upstream_response", "response"])
def test_a_wait_stops_neither_direction_for_good(phase):
    """An origin that answers early and goes on reading; the hook waits in between, and costs no CPU time meanwhile."""
    size = 8 * 1024 * 1024

    def talk(connection, stream):
        scene.read_head(stream)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        got = 0
        released.wait(scene.PATIENCE)
        while got < size:
            got += len(stream.read1(65536))
        connection.sendall(b"done")

    released = threading.Event()
    with scene.Peer(talk) as peer, weir_with(f"server = {peer.address}") as weir:
        connection = socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE)
        connection.sendall(f"PUT / HTTP/1.1\r\nHost: a\r\nId: duplex\r\nWait: {phase}=held\r\n"
                           f"Content-Length: {size}\r\n\r\n".encode())
        threading.Thread(target=lambda: connection.sendall(b"x" * size), daemon=True).start()
        until_noted(weir, f"duplex waiter waits {phase}")
        scene.until(lambda: scene.is_still(weir), "nothing is spun on")
        assert resume(weir) == (1, 0)
        released.set()
        answer = b""
        while not answer.endswith(b"done") and (piece := connection.recv(65536)):
            answer += piece
        assert answer.endswith(b"done")
        connection.close()
