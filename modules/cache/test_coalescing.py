# SPDX-License-Identifier: Apache-2.0
"""Many requests for one thing at one time: one is sent to the origin, all are answered as it arrives, and whatever goes wrong
with that one is made good by one other."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene    # noqa: E402
import wire     # noqa: E402

INI = """
[module cache]
size = %s
%s
[module route]
[upstream u]
server = %s
first_byte_timeout = 20s
[route all]
match = */*
upstream = u
"""
HEAD = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n"
CROWD = 40
BODY = bytes(range(251)) * 8355         # 2 MiB, and no two pages of it are the same


class Stage:
    """An origin whose requests wait for the scene: `next()` is the connection of the next one that comes, its head read."""

    def __init__(self, options="", size="8M", threads=4):
        self.origin = wire.Origin(self.talk, backlog=1024)
        self.options, self.size, self.threads = options, size, threads
        self.came, self.asked, self.arrived = [], 0, threading.Condition()
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        self.stack.enter_context(self.origin)
        self.weir = self.stack.enter_context(scene.Weir(self.ini(), threads=self.threads))
        return self

    def __exit__(self, *what):
        self.stack.__exit__(*what)

    def ini(self):
        return INI % (self.size, self.options, self.origin.address)

    def talk(self, connection):
        while True:
            head = connection.head()
            if not head.endswith(b"\r\n\r\n"):
                return
            connection.asked = head
            connection.done = threading.Event()
            with self.arrived:
                self.asked += 1
                self.came.append(connection)
                self.arrived.notify()
            connection.done.wait(scene.PATIENCE)
            if connection.ended:
                return

    def next(self):
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.came, scene.PATIENCE), "nothing is asked of the origin"
            return self.came.pop(0)

    def answer(self, connection, body=b"body", fields=b"", head=HEAD):
        connection.send(head + fields + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        connection.done.set()

    @contextlib.contextmanager
    def answering(self, body):
        """Whatever else is asked for meanwhile is answered at once."""
        def play():
            while not over.is_set():
                with self.arrived:
                    if not self.arrived.wait_for(lambda: self.came, 0.05):
                        continue
                    connection = self.came.pop(0)
                self.answer(connection, body)

        over = threading.Event()
        player = threading.Thread(target=play)
        player.start()
        try:
            yield
        finally:
            over.set()
            player.join()

    def die(self, connection):
        connection.close()
        connection.done.set()

    def client(self, target="/", fields="", **more):
        client = self.stack.enter_context(wire.connect(self.weir, **more))
        client.send(f"GET {target} HTTP/1.1\r\nHost: weir.test\r\n{fields}\r\n")
        return client

    def crowd(self, count=CROWD, target="/", fields="", leads=True):
        """So many clients, of whom the first leads, unless one does already; the others wait."""
        before, waiting = self.misses(), self.waiting()
        clients = [self.client(target, fields) for _ in range(count)]
        self.until_waiting(waiting + count - leads)
        scene.until(lambda: self.misses() - before >= leads, "who leads is counted")
        assert self.misses() - before == leads
        return clients

    def waiting(self):
        return int(re.search(r"^waiting +(\d+)$", self.weir.ctl("cache", "stats")[1], re.M).group(1))

    def until_waiting(self, count):
        scene.until(lambda: self.waiting() == count, f"{count} wait")

    def misses(self):
        return self.weir.metric("weir_cache_misses_total")

    def settles(self):
        """Nothing is left of it."""
        scene.until(lambda: self.weir.metric("weir_requests_active") == 0
                    and self.weir.metric("weir_bodies_taken_active") + self.weir.metric("weir_errands_active") == 0
                    and "flights        0\n" in self.weir.ctl("cache", "stats")[1], "all is over")


def all_get(clients, body=b"body", status=200):
    for client in clients:
        assert wire.body_of(client) == (status, body)


def test_one_is_asked_for_and_all_are_answered():
    with Stage() as stage:
        clients = stage.crowd()
        stage.answer(stage.next())
        all_get(clients)
        assert stage.asked == 1 and stage.weir.metric("weir_cache_coalesced_total") == CROWD - 1
        all_get([stage.client()])
        assert stage.asked == 1
        stage.settles()


def test_a_body_is_passed_on_as_it_arrives():
    with Stage() as stage:
        clients = stage.crowd()
        origin = stage.next()
        origin.send(HEAD + b"Content-Length: 10\r\n\r\n01234")
        late = stage.client()       # that joins in the middle
        for client in [*clients, late]:
            client.head()
            assert client.read(5) == b"01234"
        origin.send(b"56789")
        origin.done.set()
        for client in [*clients, late]:
            assert client.read(5) == b"56789"
        stage.settles()


def test_a_leader_that_fails_is_followed_by_one():
    with Stage() as stage:
        clients = stage.crowd()
        stage.die(stage.next())
        second = stage.next()
        assert stage.asked == 2
        stage.answer(second)
        answers = sorted(wire.body_of(client)[0] for client in clients)
        assert answers == [200] * (CROWD - 1) + [502]
        assert stage.asked == 2
        stage.settles()


@pytest.mark.parametrize("when", ["before the head", "after the head", "in the body"])
def test_a_client_that_leaves_does_not_stop_the_fetch(when):
    with Stage() as stage:
        leader = stage.client()
        origin = stage.next()
        clients = stage.crowd(leads=False)
        if when != "before the head":
            origin.send(HEAD + b"Content-Length: 10\r\n\r\n" + (b"01234" if when == "in the body" else b""))
            leader.head()
        leader.reset()
        scene.until(lambda: stage.weir.metric("weir_client_connections") == CROWD, "it is gone")
        if when == "before the head":
            stage.answer(origin, b"0123456789")
        else:
            origin.send(b"56789" if when == "in the body" else b"0123456789")
            origin.done.set()
        all_get(clients, b"0123456789")
        assert stage.asked == 1
        stage.settles()


def test_what_nobody_got_is_not_logged_as_sent():
    with Stage("[module accesslog]\nfile = {folder}/access\nformat = json") as stage:
        leader = stage.client()
        origin = stage.next()
        leader.reset()
        scene.until(lambda: stage.weir.metric("weir_client_connections") == 0, "it is gone")
        assert stage.weir.metric("weir_client_gone_total") == 1
        stage.answer(origin, b"0123456789")
        line = json.loads(scene.until(lambda: os.path.exists(stage.weir.path("access")) and stage.weir.read("access"), "it is logged"))
        assert (line["status"], line["bytes_sent"]) == (200, 0)
        stage.settles()


def test_all_clients_leave_and_nothing_is_left():
    with Stage() as stage:
        clients = stage.crowd()
        origin = stage.next()
        for client in clients:
            client.reset()
        scene.until(lambda: stage.weir.metric("weir_client_connections") == 0, "all are gone")
        stage.answer(origin)
        stage.settles()
        all_get([stage.client()])
        assert stage.asked == 1


@pytest.mark.parametrize("part", [b"", b"01234"], ids=["after the head", "in the body"])
def test_an_origin_that_dies_in_the_middle_poisons_nothing(part):
    with Stage() as stage:
        clients = stage.crowd()
        origin = stage.next()
        origin.send(HEAD + b"Content-Length: 10\r\n\r\n" + part)
        for client in clients:
            client.head()
            assert client.read(len(part)) == part
        stage.die(origin)
        for client in clients:
            assert client.rest_cut() == (b"", True)
        again = stage.client()
        stage.answer(stage.next())
        all_get([again])
        stage.settles()


def test_what_cannot_be_stored_is_not_serialised():
    with Stage() as stage:
        clients = stage.crowd()
        stage.answer(stage.next(), b"mine", head=b"HTTP/1.1 200 OK\r\nCache-Control: private\r\n")
        connections = [stage.next() for _ in range(CROWD - 1)]      # all of them, before one is answered
        for connection in connections:
            stage.answer(connection, b"mine", head=b"HTTP/1.1 200 OK\r\nCache-Control: private\r\n")
        all_get(clients, b"mine")
        more = [stage.client() for _ in range(5)]                   # and it is remembered
        for connection in [stage.next() for _ in range(5)]:
            stage.answer(connection, b"mine")
        all_get(more, b"mine")
        stage.settles()


def test_a_slow_leader_is_joined_by_one_at_a_time():
    with Stage("lock_timeout = 1s") as stage:
        begun = time.monotonic()
        clients = [stage.client() for _ in range(CROWD)]
        first, second = stage.next(), stage.next()
        stage.answer(second, b"late")
        stage.die(first)
        with stage.answering(b"late"):
            got = [wire.body_of(client) for client in clients]
        assert got.count((200, b"late")) >= len(clients) - 1, got  # the leader's own may have failed with it
        assert stage.asked <= 3 + (time.monotonic() - begun)
        stage.settles()


def test_who_has_waited_too_long_is_told():
    with Stage("lock_timeout = 400ms\nlock_age = 1s", threads=1) as stage:
        begun = time.monotonic()
        clients = [stage.client() for _ in range(20)]
        first = stage.next()
        scene.until(lambda: stage.weir.metric("weir_responses_5xx_total") >= 10, "they are told")
        assert stage.asked <= 1 + (time.monotonic() - begun) / 0.4
        stage.answer(first)
        with stage.answering(b"body"):
            statuses = [wire.body_of(client)[0] for client in clients]
        assert set(statuses) == {200, 504}
        stage.settles()


def test_variants_are_fetched_side_by_side():
    with Stage() as stage:
        one = stage.crowd(10, fields="X: one\r\n")
        two = stage.crowd(10, fields="X: two\r\n", leads=False)
        stage.answer(stage.next(), b"1", b"Vary: X\r\n")
        all_get(one, b"1")
        other = stage.next()
        assert b"X: two" in other.asked
        stage.answer(other, b"2", b"Vary: X\r\n")
        all_get(two, b"2")
        assert stage.asked == 2
        stage.settles()


def test_a_purge_during_the_fetch():
    with Stage() as stage:
        clients = stage.crowd(10)
        origin = stage.next()
        origin.send(HEAD + b"Content-Length: 10\r\n\r\n01234")
        for client in clients:
            client.head()
        assert stage.weir.ctl("cache", "purge", "http://weir.test/")[0] == 0
        after = stage.client()
        new = stage.next()
        origin.send(b"56789")
        origin.done.set()
        for client in clients:
            assert client.read(10) == b"0123456789"
        stage.answer(new, b"new")
        all_get([after, stage.client()], b"new")
        assert stage.asked == 2
        stage.settles()


def test_a_purge_before_the_head():
    with Stage() as stage:
        clients = stage.crowd(10)
        origin = stage.next()
        assert stage.weir.ctl("cache", "purge", "http://weir.test/")[0] == 0
        stage.answer(origin, b"old")            # it was asked for before the purge: only who asked for it has it
        stage.answer(stage.next(), b"new")
        assert sorted(wire.body_of(client)[1] for client in clients) == [b"new"] * 9 + [b"old"]
        stage.settles()


def test_a_reload_during_the_fetch():
    with Stage() as stage:
        clients = stage.crowd(10)
        origin = stage.next()
        stage.weir.reload(stage.ini())
        clients += stage.crowd(10, leads=False)
        stage.answer(origin)
        all_get(clients)
        assert stage.asked == 1
        stage.settles()


def test_a_slow_reader_slows_nobody():
    body = bytes(range(256)) * 8192
    with Stage(size="32M") as stage:
        slow = stage.client(receive=4096)
        origin = stage.next()
        clients = stage.crowd(5, leads=False)
        stage.answer(origin, body)
        all_get(clients, body)
        scene.until(lambda: stage.weir.metric("weir_bodies_taken_active") == 0, "it was fetched at the pace of the fast")
        all_get([slow], body)
        stage.settles()


def test_slow_readers_hold_no_more_than_the_size():
    """What they are still to be sent lies within it, and what finds no room passes by, whole."""
    body = BODY * 3                         # more than the kernel takes for a client that does not read
    with Stage("object_size = 8M", size="8M") as stage:
        slow, senders = [], concurrent.futures.ThreadPoolExecutor(5)
        for i in range(4):                  # three times what there is room for
            slow.append(stage.client(f"/{i}", receive=4096))
            senders.submit(stage.answer, stage.next(), body)
        for client in slow:
            client.head()
        facts = dict(line.split(None, 1) for line in stage.weir.ctl("cache", "stats")[1].splitlines() if " " in line)
        assert int(facts["used"]) <= int(facts["size"]) == 8 << 20, facts
        with concurrent.futures.ThreadPoolExecutor(5) as readers:
            rest = [readers.submit(client.read, len(body)) for client in slow]
            quick = stage.client("/quick")
            senders.submit(stage.answer, stage.next(), BODY)
            all_get([quick], BODY)
            assert [read.result() == body for read in rest] == [True] * 4
        stage.settles()
        other = stage.client("/other")      # and there is room again
        senders.submit(stage.answer, stage.next(), BODY)
        all_get([other, stage.client("/other")], BODY)
        senders.shutdown()


def test_eviction_while_it_is_filled_and_read():
    piece = b"x" * 60000
    with Stage(size="1M") as stage:
        clients = stage.crowd(5)
        origin = stage.next()
        origin.send(HEAD + b"Content-Length: 120000\r\n\r\n" + piece)
        for client in clients:
            client.head()
            assert client.read(60000) == piece
        for i in range(40):
            other = stage.client(f"/{i}")
            stage.answer(stage.next(), piece)
            all_get([other], piece)
        origin.send(piece)
        origin.done.set()
        for client in clients:
            assert client.read(60000) == piece
        stage.settles()


def in_chunks(client):
    """The body of one response in chunks; what is cut off is an error."""
    response = http.client.HTTPResponse(client.sock)
    response.begin()
    return response.read()


def chunked(body, size=4096):
    return b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size]) for i in range(0, len(body), size))


@pytest.mark.parametrize("pieces", ["at once", "in pieces"])
def test_what_turns_out_too_large_is_passed_on_whole(pieces):
    """Whoever has begun to read it gets all of it; who comes later asks the origin, and waits for nobody."""
    with Stage("object_size = 64K") as stage:
        slow = stage.client(receive=4096)
        origin = stage.next()
        clients = stage.crowd(5, leads=False)
        first = 8192 if pieces == "in pieces" else len(BODY)
        begin = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY[:first])
        sender = threading.Thread(target=origin.send, args=(begin,))
        sender.start()
        if pieces == "in pieces":       # all read along, then it turns out to be too large
            sender.join()
            readers = [http.client.HTTPResponse(client.sock) for client in [*clients, slow]]
            for reader in readers:
                reader.begin()
                assert reader.read(8192) == BODY[:8192]
            sender = threading.Thread(target=origin.send, args=(chunked(BODY[8192:]),))
            sender.start()
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                bodies = [pool.submit(reader.read) for reader in readers]
                sender.join(scene.PATIENCE)
                origin.send(b"0\r\n\r\n")
                origin.done.set()
                assert [body.result() == BODY[8192:] for body in bodies] == [True] * 6
            assert stage.asked == 1
        else:                           # it was too large with its head: the first has it, the others ask for themselves
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                bodies = [pool.submit(in_chunks, client) for client in [slow, *clients]]
                sender.join(scene.PATIENCE)
                origin.send(b"0\r\n\r\n")
                origin.done.set()
                while not all(body.done() for body in bodies):
                    with stage.arrived:
                        if not stage.arrived.wait_for(lambda: stage.came, 0.05):
                            continue
                    other = stage.next()
                    other.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY) + b"0\r\n\r\n")
                    other.done.set()
                assert [body.result() == BODY for body in bodies] == [True] * 6
        before = stage.asked
        late = [stage.client() for _ in range(3)]
        for connection in [stage.next() for _ in range(3)]:
            stage.answer(connection)
        all_get(late)
        assert stage.asked == before + 3
        stage.settles()


@pytest.mark.parametrize("how", ["confirmed", "changed", "failed"])
def test_many_ask_for_what_is_stale(how):
    with Stage("stale_if_error = 1h") as stage:
        first = stage.client()
        stage.answer(stage.next(), b"old", b'ETag: "a"\r\n', b"HTTP/1.1 200 OK\r\nCache-Control: max-age=1\r\n")
        all_get([first], b"old")
        time.sleep(2.1)
        clients = stage.crowd()
        origin = stage.next()
        assert b'If-None-Match: "a"' in origin.asked
        if how == "confirmed":
            origin.send(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nCache-Control: max-age=60\r\n\r\n')
            origin.done.set()
        elif how == "changed":
            stage.answer(origin, b"new")
        else:
            stage.answer(origin, b"no", b"", b"HTTP/1.1 503 No\r\n")
        all_get(clients, b"new" if how == "changed" else b"old")
        assert stage.asked == 2
        stage.weir.ctl("cache", "stats")


@pytest.mark.parametrize("lie", [
    HEAD + b"Content-Length: 100\r\n\r\nshort",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nmalformed",
    HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nshort",
    HEAD + b"".join(b"X%d: y\r\n" % i for i in range(5000)) + b"\r\n",
    b"HTTP/1.1 206 Part\r\nCache-Control: max-age=60\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nshort",
    b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
], ids=["short", "chunks", "lengths", "endless", "part", "unchanged", "switched"])
def test_an_origin_that_lies_poisons_nothing(lie):
    with Stage() as stage:
        liar = stage.client()
        origin = stage.next()
        origin.send(lie)
        stage.die(origin)
        with contextlib.suppress(ValueError, IndexError, ConnectionError):
            wire.body_of(liar)
        liar.close()
        clients = [stage.client() for _ in range(3)]
        stage.answer(stage.next(), b"true")
        all_get(clients, b"true")
        stage.settles()


def test_storms():
    """Many keys, many clients, some of which leave, an origin that fails at times: nothing is lost or stays."""
    with Stage("lock_timeout = 500ms", size="2M") as stage:
        over = threading.Event()

        def play():
            turn = 0
            while not over.is_set():
                with stage.arrived:
                    if not stage.arrived.wait_for(lambda: stage.came, 0.1):
                        continue
                    connection = stage.came.pop(0)
                turn += 1
                try:
                    if turn % 7 == 0:
                        stage.die(connection)
                    elif turn % 5 == 0:
                        stage.answer(connection, b"p", head=b"HTTP/1.1 200 OK\r\nCache-Control: private\r\n")
                    else:
                        stage.answer(connection, b"x" * 20000, b"Vary: X\r\n" if turn % 3 == 0 else b"")
                except OSError:
                    connection.done.set()

        def ask(number):
            for i in range(40):
                with wire.connect(stage.weir) as client:
                    client.send(f"GET /{(i * 7 + number) % 9} HTTP/1.1\r\nHost: weir.test\r\nX: {number % 3}\r\n\r\n")
                    if (i + number) % 6 == 0:
                        client.reset()
                        continue
                    with contextlib.suppress(ConnectionError):
                        assert wire.body_of(client)[0] in (200, 502)

        player = threading.Thread(target=play, daemon=True)
        player.start()
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            clients = [pool.submit(ask, number) for number in range(12)]
            for i in range(10):
                stage.weir.ctl("cache", "purge", *(["--soft"] if i % 2 else []), f"http://weir.test/{i % 9}")
        for client in clients:
            client.result()         # what went wrong in its thread
        stage.settles()
        over.set()
        player.join()
