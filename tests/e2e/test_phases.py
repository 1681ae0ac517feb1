#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The phases of a request, as modules see them: which run, in which order, and what a verdict does in each.

The module probe notes every phase in a file and gives the verdicts that a request's field Act orders; zeal and witness stand
around it and only note.
"""
import contextlib
import re
import socket
import struct
import subprocess

import pytest

import scene

INI = """
[module route]
[module probe]
file = {folder}/trace
[module zeal]
file = {folder}/trace
[module witness]
file = {folder}/trace
[upstream origin]
%s
[route all]
match = */*
upstream = origin
[route other]
match = */other/*
upstream = origin
probe.mark = 7
"""

BEGIN = ["request", "route", "access", "cache"]
ASK = ["peer", "connected", "upstream_request"]
ANSWER = ["upstream_response", "store", "response", "response_body"]
PROXIED = BEGIN + ASK + ANSWER + ["log"]


@pytest.fixture(scope="module")
def origin():
    with scene.Origin("a") as a:
        yield a


@pytest.fixture(scope="module")
def shared(origin):
    """One Weir for the scenes that leave nothing behind; each request has an Id of its own."""
    with weir_with(INI % f"server = {origin.address}") as weir:
        yield weir


@contextlib.contextmanager
def weir_with(ini, **more):
    with scene.Weir(ini, modules=[scene.MODULES], **more) as weir:
        with open(weir.path("trace"), "ab"):
            yield weir


def notes(weir, number, module="probe"):
    """What the module noted of this request, once it is logged."""
    def lines():
        return re.findall(rf"^{number} {module} (.*)$", weir.read("trace"), re.M)
    scene.until(lambda: "log" in lines(), f"the log phase of {number}")
    return lines()


def phases(weir, number, module="probe"):
    return [line for line in notes(weir, number, module) if " " not in line]


def end(weir, number):
    return [line for line in notes(weir, number) if line.startswith("end ")][0]


def ask(weir, number, act="", target="/", **more):
    return weir.ask(target, headers={"Id": number, **({"Act": act} if act else {})}, **more)


def reset(connection):
    """Go as a program that dies does: with RST, not FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# --- which phases run ------------------------------------------------------------------------------------------------


def test_a_proxied_request_sees_all_phases_in_order(shared):
    assert ask(shared, "proxied").body == "a"
    assert phases(shared, "proxied") == PROXIED


def test_a_body_is_a_phase_between(shared):
    ask(shared, "upload", method="POST", body=b"abc")
    assert phases(shared, "upload") == BEGIN + ASK + ["request_body"] + ANSWER + ["log"]


@pytest.mark.parametrize("phase, before", [
    ("request", []), ("route", BEGIN[:1]), ("access", BEGIN[:2]), ("cache", BEGIN[:3]), ("peer", BEGIN),
    ("upstream_request", BEGIN + ASK[:2]), ("upstream_response", BEGIN + ASK)])
def test_respond_goes_to_the_response_at_once(shared, phase, before):
    answer = ask(shared, f"respond-{phase}", f"{phase}=respond:418")
    assert (answer.status, answer.body) == (418, "from the probe")
    assert phases(shared, f"respond-{phase}") == before + [phase, "response", "response_body", "log"]
    assert ask(shared, f"after-{phase}").body == "a"


@pytest.mark.parametrize("phase, status", [
    ("request", 500), ("route", 500), ("access", 403), ("cache", 500), ("peer", 502), ("connected", 502),
    ("upstream_request", 500), ("upstream_response", 502), ("store", 500), ("response", 500)])
def test_fail_is_answered_by_the_status_of_its_phase(shared, phase, status):
    number = f"fail-{phase}"
    answer = ask(shared, number, f"{phase}=fail")
    assert answer.status == status and answer.body.startswith(str(status))
    seen = phases(shared, number)
    at = PROXIED.index(phase) + 1
    assert seen[:at] == PROXIED[:at]
    assert seen[at:] == ["error", "response"] + ["response_body"] * (phase != "response" or "response_body" in seen) + ["log"]
    assert "a module failed the request" in end(shared, number)


@pytest.mark.parametrize("phase", ["request", "access", "peer", "upstream_response", "response"])
def test_fail_may_name_its_status(shared, phase):
    assert ask(shared, f"named-{phase}", f"{phase}=fail:429").status == 429
    assert "failure=probe was told to fail" in end(shared, f"named-{phase}")


@pytest.mark.parametrize("phase", PROXIED[:-2])
def test_done_leaves_the_phase_only(shared, phase):
    if phase == "response_body":
        pytest.skip("a body's DONE is another thing")
    number = f"done-{phase}"
    assert ask(shared, number, f"{phase}=done").status == 200
    before, after = phases(shared, number, "zeal"), phases(shared, number, "witness")
    assert phase in before and phase not in after
    assert after == [p for p in PROXIED if p not in (phase, "response_body")]


def test_an_error_may_be_answered_by_a_module(shared):
    answer = ask(shared, "page", "access=fail error=respond:410")
    assert (answer.status, answer.body) == (410, "from the probe")
    assert phases(shared, "page") == BEGIN[:3] + ["error", "response", "response_body", "log"]


def test_a_request_without_a_route_ends_before_access(shared):
    with weir_with((INI % "server = 127.0.0.1:1").replace("*/*", "only.test/*")) as weir:
        assert ask(weir, "lost", host="else.test").status == 404
        assert phases(weir, "lost") == ["request", "error", "response", "response_body", "log"]


def test_a_malformed_request_is_logged_once(shared):
    before = shared.read("trace").count("- probe log")
    assert shared.say(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    scene.until(lambda: shared.read("trace").count("- probe log") == before + 1, "the log phase")
    lines = re.findall(r"^- probe (.*)$", shared.read("trace"), re.M)
    first = len(lines) - 1 - lines[::-1].index(next(line for line in lines[::-1] if line.startswith("handshake")))
    assert [line for line in lines[first + 1:] if " " not in line] == ["error", "response", "response_body", "log"]
    assert any(line.startswith("end status=400 method= ") for line in lines)


# --- trying again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["connected", "upstream_response"])
def test_retry_chooses_a_peer_anew(shared, phase):
    number = f"retry-{phase}"
    assert ask(shared, number, f"{phase}=retry").body == "a"
    stop = ASK.index(phase) + 1 if phase in ASK else len(ASK) + 1
    once = (ASK + ["upstream_response"])[:stop]
    assert phases(shared, number) == BEGIN + once + ASK + ANSWER + ["log"]


def test_retry_after_a_failure_asks_another_server(origin):
    with weir_with(INI % f"server = 127.0.0.1:1\nserver = {origin.address}") as weir:
        assert ask(weir, "other", "failed=retry").body == "a"
        assert phases(weir, "other") == BEGIN + ["peer", "failed"] + ASK + ANSWER + ["log"]
        assert ask(weir, "none").status == 502
        assert phases(weir, "none") == BEGIN + ["peer", "failed", "error", "response", "response_body", "log"]
        assert ask(weir, "page", "failed=respond:200").body == "from the probe"


def test_retry_has_an_end(shared):
    assert ask(shared, "endless", "upstream_response=retry:always").status == 502
    assert phases(shared, "endless").count("peer") == 16
    assert "may not be sent again" in end(shared, "endless")


def test_what_is_not_idempotent_is_not_sent_again(shared, origin):
    before = len(origin.requests)
    assert ask(shared, "post", "upstream_response=retry", method="POST", body=b"x").status == 502
    assert len(origin.requests) == before + 1


# --- guards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["access=wrong", "access=retry:always", "access=wait"])
def test_a_guard_that_errs_refuses(shared, order):
    number = order.replace("=", "-").replace(":", "-")
    refused = shared.metric("weir_verdict_refused_total")
    said = shared.read("stderr").count("module probe returned a verdict that phase access does not allow")
    assert ask(shared, number, order).status == 403
    assert shared.metric("weir_verdict_refused_total") == refused + 1
    assert shared.read("stderr").count("module probe returned a verdict that phase access does not allow") == said + 1
    assert "peer" not in phases(shared, number)


def until_refused(weir, count):
    """The verdict of the phase log is judged after the hook has noted it."""
    scene.until(lambda: weir.metric("weir_verdict_refused_total") >= count, "the verdict is refused")
    assert weir.metric("weir_verdict_refused_total") == count


@pytest.mark.parametrize("phase, status", [
    ("store", 500), ("response", 500), ("connected", 502), ("log", 200), ("error", 403)])
def test_verdicts_that_a_phase_does_not_allow_are_refused(shared, phase, status):
    refused = shared.metric("weir_verdict_refused_total")
    order = f"{phase}=respond"
    if phase in ("error", "store"):
        order = f"access={'fail' if phase == 'error' else 'next'} {phase}=retry:always"
    number = f"refused-{phase}"
    assert ask(shared, number, order).status == status
    assert phases(shared, number).count("log") == 1
    # The error of a failed response passes the phase response once more, and is refused once more there.
    until_refused(shared, refused + (2 if phase == "response" else 1))


@pytest.mark.parametrize("phase", ["request", "access", "upstream_request", "upstream_response", "response", "log"])
def test_a_wait_that_a_hook_forgets_is_refused(shared, phase):
    refused = shared.metric("weir_verdict_refused_total")
    answer = ask(shared, f"left-{phase}", f"{phase}=left")
    assert answer.status == {"access": 403, "upstream_response": 502, "log": 200}.get(phase, 500)
    notes(shared, f"left-{phase}")
    until_refused(shared, refused + (2 if phase == "response" else 1))


def test_a_connection_may_be_refused(shared):
    with weir_with((INI % "server = 127.0.0.1:1").replace("[module zeal]", "refuse = yes\n[module zeal]")) as weir:
        with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as s:
            assert s.recv(1) == b""
        assert weir.metric("weir_client_refused_total") == 1
        assert weir.metric("weir_probe_accepted_total") == 1


# --- rewriting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["access", "cache"])
def test_a_rewrite_after_routing_runs_route_and_access_again(shared, phase):
    number = f"rewrite-{phase}"
    answer = ask(shared, number, f"{phase}=path:/other/x")
    assert (answer.status, answer.headers["Mark"]) == (200, "7")     # the other route's setting
    expected = BEGIN[:BEGIN.index(phase) + 1] + ["route", "access", "cache"] + ASK + ANSWER + ["log"]
    assert phases(shared, number) == expected


def test_a_rewrite_before_routing_needs_no_second_run(shared):
    answer = ask(shared, "early", "request=path:/other/x")
    assert answer.headers["Mark"] == "7"
    assert phases(shared, "early") == PROXIED


def test_rewriting_without_end_is_stopped(shared):
    assert ask(shared, "again", "access=path:/again").status == 500
    assert phases(shared, "again").count("access") == 11
    assert "rewritten too often" in end(shared, "again")


def test_a_bad_rewrite_fails_the_request(shared):
    assert ask(shared, "bad", "access=path:no-slash").status in (403, 500)
    assert "module probe set a bad path" in end(shared, "bad")


# --- structs that Weir keeps -----------------------------------------------------------------------------------------


def test_states_live_as_long_as_what_they_belong_to(origin):
    with weir_with(INI % f"server = {origin.address}") as weir:
        request = "GET / HTTP/1.1\r\nHost: a\r\nId: {}\r\n\r\n"
        weir.say("".join(request.format(f"one-{i}") for i in range(3)).encode())
        weir.say("".join(request.format(f"two-{i}") for i in range(2)).encode())
        phases(weir, "two-1")
        states = re.findall(r"^(\S+) probe states request=(\d) connection=(\d) thread=(\d) number=0$", weir.read("trace"), re.M)
        assert states == [("one-0", "0", "0", "0"), ("one-1", "0", "1", "1"), ("one-2", "0", "2", "2"),
                          ("two-0", "0", "0", "3"), ("two-1", "0", "1", "4")]
        assert weir.read("trace").count("probe handshake accepted=1\n") == 2
        # A module that declares no struct is given none.
        assert " with a state" not in weir.read("trace")


def test_a_thread_leaves_its_modules_last_and_once(origin):
    """Also those that a reload has left out; each generation has ticked a last time by then."""
    with weir_with(INI % f"server = {origin.address}", threads=2) as weir:
        for ini in (INI, (INI % "server = 127.0.0.1:1").replace("[module probe]\nfile = {folder}/trace\n", "").replace("probe.mark = 7\n", "")):
            weir.reload(ini % f"server = {origin.address}" if "%s" in ini else ini)
        weir.process.terminate()
        assert weir.process.wait(scene.PATIENCE) == 0
        said = weir.read("stderr")
        assert sorted(re.findall(r"probe leaves (thread \d.*)", said)) == ["thread 0", "thread 1"]
        assert "ticks after its end" not in said


@pytest.mark.parametrize("size", ["large", "crumbs"])
@pytest.mark.parametrize("phase", ["request", "access", "upstream_response", "response"])
def test_a_request_without_memory_is_answered_503(shared, phase, size):
    number = f"{size}-{phase}"
    refused = shared.metric("weir_memory_refused_total")
    assert ask(shared, number, f"{phase}={size}").status == 503
    assert phases(shared, number).count("log") == 1
    assert shared.metric("weir_memory_refused_total") > refused
    assert ask(shared, f"after-{number}").status == 200


# --- log, exactly once -----------------------------------------------------------------------------------------------


def test_log_runs_once_when_the_client_is_gone(origin):
    with weir_with(INI % f"server = {origin.address}") as weir:
        origin.mood = "hang"
        connection = socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nId: gone\r\n\r\n")
        scene.until(lambda: "gone probe upstream_request" in weir.read("trace"), "the request is sent")
        reset(connection)
        assert phases(weir, "gone") == BEGIN + ASK + ["log"]
        assert "failure=the client is gone" in end(weir, "gone")
        assert weir.metric("weir_client_gone_total") == 1
        scene.until(lambda: weir.metric("weir_requests_active") == 0, "no request is under way")
        origin.mood = "good"
        assert ask(weir, "next").body == "a"


def test_log_runs_once_at_timeouts(origin):
    ini = (INI % f"server = {origin.address}\nfirst_byte_timeout = 100ms").replace("match = */*", "match = */*\nbody_grace = 100ms")
    with weir_with(ini) as weir:
        origin.mood = "hang"
        assert ask(weir, "silent").status == 504
        assert phases(weir, "silent") == BEGIN + ASK + ["failed", "error", "response", "response_body", "log"]
        origin.mood = "good"
        with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as s:
            s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nId: slow\r\nContent-Length: 1000\r\n\r\nx")
            assert s.recv(100).startswith(b"HTTP/1.1 408 ")
        assert phases(weir, "slow").count("log") == 1


def test_log_runs_once_when_the_process_ends(origin):
    with weir_with(INI % f"server = {origin.address}") as weir:
        origin.mood = "hang"
        connection = socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nId: stop\r\n\r\n")
        scene.until(lambda: "stop probe upstream_request" in weir.read("trace"), "the request is sent")
        weir.process.terminate()
        scene.until(lambda: "notice: stopping" in weir.read("stderr"), "it drains")
        weir.process.terminate()
        assert weir.process.wait(scene.PATIENCE) == 0
        assert phases(weir, "stop") == BEGIN + ASK + ["log"]
        connection.close()
    origin.mood = "good"


# --- chains and their order ------------------------------------------------------------------------------------------


ORDERED = """
[module route]
[module trailing]
file = {folder}/trace
[module probe]
file = {folder}/trace
[module eager]
file = {folder}/trace
[module witness]
file = {folder}/trace
[module zeal]
file = {folder}/trace
[upstream origin]
server = 127.0.0.1:1
[route all]
match = */*
upstream = origin
[route quiet]
match = */quiet/*
upstream = origin
eager.enable = no
probe.enable = no
trailing.enable = no
witness.enable = no
zeal.enable = no
"""


def chain(weir):
    """`weir --chain`: the modules of each phase, by section."""
    done = subprocess.run(weir.command("--chain"), capture_output=True, text=True, timeout=scene.PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    sections, now = {}, None
    for line in done.stdout.splitlines():
        if not line.startswith(" "):
            now = sections.setdefault(line.split("]")[0].strip("["), {})
        elif line.strip():
            phase, module = line.split()[:2]
            now.setdefault(phase, []).append(module)
    return sections


def test_order_is_by_class_then_by_word_then_by_name():
    with weir_with(ORDERED) as weir:
        assert weir.ask("/", headers={"Id": "order"}).status == 502
        scene.until(lambda: "order trailing log" in weir.read("trace"), "the last log phase")
        seen = [line.split()[1] for line in weir.read("trace").splitlines() if line.endswith(" access")]
        assert seen == ["eager", "zeal", "probe", "witness", "trailing"]
        assert chain(weir)["route all"]["access"] == seen


def test_the_operators_order_overrules():
    with weir_with(ORDERED) as weir:
        with open(weir.path("weir.ini"), encoding="utf-8") as f:
            text = f.read()
        with open(weir.path("weir.ini"), "w", encoding="utf-8") as f:
            f.write(text.replace("[weir]", "[weir]\norder = trailing zeal witness\norder = probe eager"))
        code, said = weir.ctl("reload")
        assert code == 0, said
        weir.ask("/", headers={"Id": "ordered"})
        scene.until(lambda: "ordered eager log" in weir.read("trace"), "the last log phase")
        seen = [line.split()[1] for line in weir.read("trace").splitlines() if line == f"ordered {line.split()[1]} access"]
        assert seen.index("trailing") < seen.index("zeal") < seen.index("witness")
        assert seen.index("probe") < seen.index("eager")
        assert chain(weir)["route all"]["access"] == seen


def test_what_a_route_does_not_use_is_not_in_its_chain():
    with weir_with(ORDERED) as weir:
        shown = chain(weir)
        assert shown["route quiet"] == {} or set(sum(shown["route quiet"].values(), [])) == {"route"}
        assert shown["route all"]["log"] == ["eager", "zeal", "probe", "witness", "trailing"]
        weir.ask("/quiet/", headers={"Id": "quiet"})
        weir.ask("/", headers={"Id": "loud"})
        notes(weir, "loud")
        # Before a route is known the listener's chain holds; afterwards the route's, which is empty.
        assert set(re.findall(r"^quiet \w+ (\w+)$", weir.read("trace"), re.M)) == {"request", "route"}


def test_a_cycle_in_the_order_is_an_error():
    weir = scene.Weir(ORDERED, modules=[scene.MODULES])
    with open(weir.path("weir.ini"), encoding="utf-8") as f:
        text = f.read()
    with open(weir.path("weir.ini"), "w", encoding="utf-8") as f:
        f.write(text.replace("[weir]", "[weir]\norder = probe zeal\norder = zeal witness probe"))
    code, said = weir.check()
    assert code == 1 and "weir.ini:" in said and "order" in said
