#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests among real origins that come, go, refuse and stall."""
import collections
import contextlib
import json
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402

INI = """
[module route]
[module balance]
[upstream origins]
{servers}
{settings}
[route all]
match = */*
upstream = origins
"""


def ini_of(origins, *settings):
    """`origins` are origins, or pairs of one and what else its line says."""
    pairs = [origin if isinstance(origin, tuple) else (origin, "") for origin in origins]
    servers = "\n".join(f"server = {origin.address} {more}".strip() for origin, more in pairs)
    return INI.format(servers=servers, settings="\n".join(settings))


@contextlib.contextmanager
def origins(names):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(scene.Origin(name)) for name in names]


def asked(weir, count, **more):
    return "".join(weir.ask(**more).body for _ in range(count))


def servers(weir, name="origins"):
    code, text = weir.ctl("--json", "balance", "servers", name)
    assert code == 0, text
    return {server["server"]: server for server in json.loads(text)["servers"]}


def test_turns_go_by_weight():
    with origins("ab") as (a, b), scene.Weir(ini_of([(a, "weight=2"), b])) as weir:
        assert asked(weir, 9) == "abaabaaba"


def test_each_policy_serves():
    for policy in ["round_robin", "least_connections", "two_choices", "hash", "random"]:
        with origins("ab") as (a, b), scene.Weir(ini_of([a, b], f"balance = {policy}")) as weir:
            assert set(asked(weir, 8)) <= set("ab")


def test_the_busy_one_is_spared():
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], "balance = least_connections")) as weir:
        a.mood = "hang"
        waiting = threading.Thread(target=weir.ask)
        waiting.start()
        scene.until(lambda: a.requests, "the first request is at a")
        assert servers(weir)[a.address]["active"] == 1
        assert asked(weir, 6) == "bbbbbb"
        a.mood = "good"
        a.released.set()
        waiting.join(scene.PATIENCE)
        scene.until(lambda: all(s["active"] == 0 for s in servers(weir).values()), "nothing is under way")


def test_equal_keys_go_to_one_server_and_stay_when_another_leaves():
    def homes(weir):
        return {key: weir.ask(f"/{key}").body for key in range(60)}

    settings = ["balance = hash", "balance.hash = ${path}"]
    with origins("abc") as (a, b, c), scene.Weir(ini_of([a, b, c], *settings)) as weir:
        before = homes(weir)
        assert before == homes(weir)
        assert min(collections.Counter(before.values()).values()) > 5
        weir.reload(ini_of([a, b], *settings))
        scene.until(lambda: "c" not in homes(weir).values(), "c has left")
        after = homes(weir)
        assert all(after[key] == home for key, home in before.items() if home != "c")


def test_a_server_that_refuses_is_replaced_at_once_and_left_alone():
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], "balance.max_fails = 2", "balance.fail_time = 3s")) as weir:
        assert asked(weir, 2) == "ab"
        a.stop()
        assert asked(weir, 8) == "bbbbbbbb"
        assert servers(weir)[a.address]["state"] == "out"
        assert weir.metric("weir_balance_retries_total") == 2
        assert weir.metric("weir_balance_outages_total") == 1
        weir.ask(method="POST", body=b"x")  # nothing has reached an origin yet: safe
        a.start()
        scene.until(lambda: weir.ask().body == "a", "a probe lets it in again")
        assert sorted(asked(weir, 4)) == list("aabb")
        assert servers(weir)[a.address]["state"] == "in"


def test_what_may_have_been_done_is_not_done_twice():
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b])) as weir:
        a.mood = b.mood = "close"
        assert weir.ask(method="POST", body=b"pay").status == 502
        assert len(a.requests) + len(b.requests) == 1
        b.mood = "good"
        assert weir.ask().body == "b"
        assert weir.ask(method="PUT", body=b"x" * 1000).body == "b"
        assert b.requests[-1][1] == b"x" * 1000


def test_a_slow_server_times_out_and_another_answers():
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], "first_byte_timeout = 1s")) as weir:
        a.mood = "hang"
        assert asked(weir, 2) == "bb"
        a.released.set()


def test_a_status_may_be_tried_again():
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], "balance.retry_on = 503")) as weir:
        a.mood = 503
        assert asked(weir, 4) == "bbbb"
        b.mood = 503
        assert weir.ask().status == 503  # both were asked: the last answer is passed on
        a.mood = 500
        b.mood = 500
        assert weir.ask().status == 500


def test_backups_are_for_when_all_others_are_out():
    settings = ["balance.max_fails = 1", "balance.fail_time = 1s"]
    with origins("ab") as (a, b), scene.Weir(ini_of([a, (b, "backup")], *settings)) as weir:
        assert asked(weir, 3) == "aaa"
        a.stop()
        assert asked(weir, 3) == "bbb"
        a.start()
        scene.until(lambda: weir.ask().body == "a", "it is in again")
        assert asked(weir, 3) == "aaa"


def test_when_all_are_out_all_are_tried():
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], "balance.max_fails = 1", "balance.fail_time = 1h")) as weir:
        a.stop()
        b.stop()
        assert weir.ask().status == 502
        a.start()
        scene.until(lambda: weir.ask().body == "a", "a answers, long before its hour is over")
        assert asked(weir, 3) == "aaa"


def test_a_reload_remembers_who_is_out():
    settings = ["balance.max_fails = 1", "balance.fail_time = 1h"]
    with origins("abc") as (a, b, c), scene.Weir(ini_of([a, b], *settings)) as weir:
        a.stop()
        assert asked(weir, 2) == "bb"
        tried = weir.metric("weir_balance_failures_total")
        weir.reload(ini_of([c, b, a], *settings))
        scene.until(lambda: weir.ask().body == "c", "the new server answers")
        assert set(asked(weir, 6)) == set("bc")
        assert servers(weir)[a.address]["state"] == "out"
        assert weir.metric("weir_balance_failures_total") == tried


def test_retries_have_a_budget():
    settings = ["balance.max_fails = 0", "balance.retry_budget = 0", "balance = round_robin"]
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], *settings)) as weir:
        a.stop()
        for _ in range(40):
            weir.ask()
        assert weir.metric("weir_balance_denials_total") > 0
        assert weir.metric("weir_balance_retries_total") < 20


def test_an_upstream_that_nobody_knows():
    with origins("a") as (a,), scene.Weir(ini_of([a])) as weir:
        code, text = weir.ctl("balance", "servers", "nobody")
        assert code != 0 and "there is no upstream `nobody`" in text


def test_a_server_has_as_many_requests_as_it_may():
    settings = ["balance.max_connections = 1"]
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], *settings), threads=2) as weir:
        a.mood = b.mood = "hang"
        waiting = [threading.Thread(target=weir.ask) for _ in range(2)]
        for thread in waiting:
            thread.start()
        scene.until(lambda: a.requests and b.requests, "each has one")
        answer = weir.ask()
        assert answer.status == 503 and (len(a.requests), len(b.requests)) == (1, 1)
        assert weir.metric("weir_balance_overflows_total") == 1
        a.mood = b.mood = "good"
        a.released.set()
        b.released.set()
        for thread in waiting:
            thread.join(scene.PATIENCE)
        scene.until(lambda: weir.ask().status == 200, "there is room again")
        # One that has just answered may still be counted as busy: its turn is then the other's.
        assert set(asked(weir, 8)) == {"a", "b"}


def test_requests_wait_for_room():
    """Over all threads never two at once, and all are served; those who would wait too long or are too many are not."""
    running, most, lock = [0], [0], threading.Lock()

    def talk(connection, stream):
        while scene.read_head(stream):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(0.01)
            with lock:
                running[0] -= 1
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")

    settings = ["balance.max_connections = 1", "balance.max_pending = 100", "balance.pending_timeout = 20s"]
    with scene.Peer(talk) as peer, scene.Weir(ini_of([peer], *settings), threads=2) as weir:
        answers = []
        clients = [threading.Thread(target=lambda: answers.extend(weir.ask().status for _ in range(5))) for _ in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(scene.PATIENCE)
        assert answers == [200] * 40 and most == [1]
        assert weir.metric("weir_balance_waits_total") > 0 and weir.metric("weir_balance_overflows_total") == 0


def test_waiting_for_room_has_bounds():
    settings = ["balance.max_connections = 1", "balance.max_pending = 1", "balance.pending_timeout = 2s"]
    with origins("a") as (a,), scene.Weir(ini_of([a], *settings), threads=2) as weir:
        a.mood = "hang"
        first = threading.Thread(target=weir.ask)
        first.start()
        scene.until(lambda: a.requests, "a has a request")
        with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as leaver:
            leaver.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            scene.until(lambda: weir.metric("weir_balance_waits_total") == 1, "it waits")
            assert weir.ask().status == 503          # one more is too many
        scene.until(lambda: weir.ask().status == 503 and weir.metric("weir_balance_waits_total") == 2, "there is a place again")
        assert len(a.requests) == 1
        a.released.set()
        first.join(scene.PATIENCE)


def test_a_cookie_brings_the_client_back():
    with origins("abc") as (a, b, c), scene.Weir(ini_of([a, b, c], "balance.sticky = home"), threads=2) as weir:
        first = weir.ask()
        cookie = first.headers["Set-Cookie"].split(";")[0]
        assert cookie.startswith("home=") and "HttpOnly" in first.headers["Set-Cookie"]
        home = {"a": a, "b": b, "c": c}[first.body]
        for _ in range(10):
            again = weir.ask(headers={"Cookie": f"other=1; {cookie}"})
            assert (again.body, again.headers["Set-Cookie"]) == (first.body, None)
        weir.reload(ini_of([c, b, a], "balance.sticky = home"))
        assert weir.ask(headers={"Cookie": cookie}).body == first.body
        home.stop()
        moved = weir.ask(headers={"Cookie": cookie})
        assert moved.body != first.body and moved.headers["Set-Cookie"].split(";")[0] != cookie


def test_an_operator_drains_a_server():
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b]), threads=2) as weir:
        a.mood = "hang"
        answers = []
        waiting = threading.Thread(target=lambda: answers.extend(weir.ask().body for _ in range(2)))
        waiting.start()
        scene.until(lambda: a.requests, "a has a request")
        assert weir.ctl("balance", "drain", "origins", a.address)[0] == 0
        assert asked(weir, 6) == "bbbbbb"
        assert (servers(weir)[a.address]["state"], servers(weir)[a.address]["active"]) == ("drained", 1)
        for words in (["upstreams"], ["upstreams", "origins"]):
            assert re.search(rf"^origins +{a.address} .* drained ", weir.ctl(*words)[1], re.M)
        assert "drained" not in weir.ctl("--json", "upstreams")[1]
        weir.reload(ini_of([a, b]))
        assert asked(weir, 6) == "bbbbbb"
        a.mood = "good"
        a.released.set()
        waiting.join(scene.PATIENCE)
        assert answers == ["b", "b"]                 # a closed on the one that hung there
        assert weir.ctl("balance", "undrain", "origins", a.address)[0] == 0
        scene.until(lambda: "a" in asked(weir, 2), "a serves again, at whichever thread's turn")
        for words in (["nobody", a.address], ["origins", "nobody"], ["origins"]):
            assert weir.ctl("balance", "drain", *words)[0] == 1


def few(count, of):
    """One in eleven, give or take one: 10 percent of a weight beside 100."""
    return abs(count - of / 11) <= 1


def half(count, of):
    return abs(count - of / 2) <= 1


def test_a_server_that_failed_gets_its_share_back_bit_by_bit():
    """Each request is told apart by when it was asked, so that the bounds are as true on a busy machine."""
    whole = 1.5
    settings = ["balance.max_fails = 1", "balance.fail_time = 100ms", f"balance.slow_start = {whole * 1000:.0f}ms"]
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], *settings)) as weir:
        assert half(asked(weir, 20).count("a"), 20)  # who was there from the start is not slow
        a.stop()
        assert asked(weir, 4) == "bbbb"
        a.start()
        told = []                                    # of each request: who answered, and the time before and after

        def tell():
            before = time.monotonic()
            told.append((weir.ask().body, before, time.monotonic()))
            return told[-1][0] == "a"

        scene.until(tell, "a probe lets it in again")
        _, earliest, latest = told.pop()             # it came in between these
        told.clear()
        while time.monotonic() < latest + whole + 0.1:
            tell()
            time.sleep(0.005)

        def between(begin, end):
            """The names of those surely asked in this part of the slow start."""
            return [name for name, before, after in told
                    if before >= latest + begin * whole and after <= earliest + end * whole]

        first, later = between(0, 0.25), between(0.5, 0.75)
        assert first.count("a") <= len(first) * 25 / 125 + 2
        assert len(later) * 50 / 150 - 2 <= later.count("a") <= len(later) * 75 / 175 + 2
        assert half(asked(weir, 60).count("a"), 60)
        assert states(weir, a, b) == ["in", "in"]


def test_a_server_that_is_new_or_undrained_starts_slowly():
    """With an hour for it the share stays what it is at first; with a shorter time it has long been there."""
    slowly, soon = "balance.slow_start = 1h", "balance.slow_start = 100ms"
    with origins("ab") as (a, b), scene.Weir(ini_of([b], slowly)) as weir:
        weir.reload(ini_of([a, b], slowly))
        scene.until(lambda: weir.ask().body == "a", "the new server answers")
        assert states(weir, a, b) == ["slow", "in"]
        assert few(asked(weir, 110).count("a"), 110)
        weir.reload(ini_of([a, b], soon))
        scene.until(lambda: states(weir, a, b) == ["in", "in"], "it is no longer slow")
        scene.until(lambda: half(asked(weir, 20).count("a"), 20), "it has its whole share")
        weir.reload(ini_of([a, b], slowly))
        assert half(asked(weir, 20).count("a"), 20)  # and keeps it
        weir.ctl("balance", "drain", "origins", a.address)
        scene.until(lambda: asked(weir, 4) == "bbbb", "it is drained")
        weir.ctl("balance", "undrain", "origins", a.address)
        scene.until(lambda: weir.ask().body == "a", "it serves again")
        assert states(weir, a, b) == ["slow", "in"]
        assert few(asked(weir, 110).count("a"), 110)


def test_the_log_says_who_is_out_and_no_more():
    settings = ["balance.max_fails = 1", "balance.fail_time = 100ms"]
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], *settings)) as weir:
        begun = time.monotonic()
        a.stop()
        b.stop()
        scene.until(lambda: weir.ask().status == 502 and weir.read("stderr").count(" is out: ") == 2, "both are out")
        for _ in range(50):
            weir.ask()
        a.start()
        scene.until(lambda: weir.ask().status == 200, "a answers")
        a.stop()
        for _ in range(50):
            weir.ask()
        told = len(re.findall(" is out: | is in again", weir.read("stderr")))
        assert 2 <= told <= 2 + (time.monotonic() - begun) // 10 * 2


CHECKED = ["balance.check_interval = 1s", "balance.check_rise = 1", "balance.check_fall = 1"]


def states(weir, *of):
    shown = servers(weir)
    return [shown[origin.address]["state"] for origin in of]


def test_checks_find_out_before_requests_do():
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], "balance.check = http", "balance.check_target = /health?x=1",
                                                    "balance.slow_start = 1h", *CHECKED), threads=2) as weir:
        scene.until(lambda: all(s["check"] == "good" for s in servers(weir).values()), "both are good")
        assert ("GET /health?x=1 HTTP/1.1", b"") in a.requests
        a.mood = 503
        scene.until(lambda: states(weir, a, b) == ["down", "in"], "a is down")
        assert servers(weir)[a.address]["check"] == "status 503"
        assert asked(weir, 6) == "bbbbbb"
        a.mood = "good"
        scene.until(lambda: states(weir, a, b) == ["slow", "in"], "a is in again")
        assert 1 <= asked(weir, 110).count("a") <= 20  # each thread counts its own turns
        assert weir.metric("weir_balance_failures_total") == 0
        assert re.search(rf"server {a.address} is out: it answers checks with a wrong status", weir.read("stderr"))


def test_checks_look_for_a_text_and_for_connections():
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], "balance.check = http", "balance.check_body = a", *CHECKED)) as weir:
        scene.until(lambda: states(weir, a, b) == ["in", "down"], "b does not say a")
        assert servers(weir)[b.address]["check"] == "text missing"
        assert asked(weir, 4) == "aaaa"
        weir.reload(ini_of([a, b], "balance.check = connect", *CHECKED))
        asked_before = len(a.requests)
        scene.until(lambda: states(weir, a, b) == ["in", "in"], "both can be connected")
        b.stop()
        scene.until(lambda: states(weir, a, b) == ["in", "down"], "b cannot")
        assert len(a.requests) <= asked_before + 1     # nothing is sent
        weir.reload(ini_of([a, b]))
        scene.until(lambda: states(weir, a, b) == ["in", "in"], "nobody looks any more")


def test_a_check_has_its_time():
    with origins("ab") as (a, b), scene.Weir(ini_of([a, b], "balance.check = http", "balance.check_timeout = 200ms",
                                                    *CHECKED)) as weir:
        a.mood = "hang"
        scene.until(lambda: states(weir, a, b) == ["down", "in"], "a is down")
        a.released.set()


def test_what_makes_no_sense_of_checks_is_told():
    for line, why in [("check_target = health", "it begins with /"), ("check_target = /a b", "it holds no spaces"),
                      ("check_status = 2xx", "write statuses from 100 to 599"), ("check_interval = 10ms", "check_interval")]:
        code, text = scene.check(ini_of([], "server = 127.0.0.1:1", f"balance.{line}"))
        assert code == 1 and why in text, text
