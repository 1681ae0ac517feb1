# SPDX-License-Identifier: Apache-2.0
"""Scenes of the cache: what is stored and for whom it answers, and how an operator sees and purges it."""
import os
import re
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene    # noqa: E402
import wire     # noqa: E402

INI = """
[module cache]
size = 8M
%s
[module route]
[upstream u]
server = %s
first_byte_timeout = 20s
[route all]
match = */*
upstream = u
%s
"""


class Cached:
    """A Weir with a cache before an origin that answers by the path: `answers[path]` is (fields, body[, status]) or a function
    of the request's head and the connection that returns them, "said" if it has answered itself, or None to close. `asked` holds
    the heads that came."""

    def __init__(self, options="", route="", **more):
        self.answers, self.asked = {}, []
        self.origin = wire.Origin(self.talk)
        self.options, self.route, self.more = options, route, more

    def __enter__(self):
        self.origin.__enter__()
        self.weir = scene.Weir(INI % (self.options, self.origin.address, self.route), **self.more).__enter__()
        return self

    def __exit__(self, *what):
        try:
            self.weir.__exit__(*what)
        finally:
            self.origin.__exit__(*what)

    def talk(self, connection):
        while head := connection.head():
            path = head.split(b" ", 2)[1].decode()
            self.asked.append(head.decode("latin-1"))
            answer = self.answers.get(path, ("Cache-Control: max-age=60", path))
            if callable(answer):
                answer = answer(head, connection)
            if answer is None:
                return
            if answer == "said":
                continue
            fields, body = answer[:2]
            status = answer[2] if len(answer) > 2 else "200 OK"
            fields = "".join(f + "\r\n" for f in fields.split("\n") if f)
            connection.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
                            + ("" if head.startswith(b"HEAD") or status.startswith("304") else body))

    def ask(self, target="/", **more):
        return self.weir.ask(target, **more)

    def status_of(self, target="/", **more):
        return self.ask(target, **more).headers["Cache-Status"]

    def counted(self, name):
        return self.weir.metric(f"weir_cache_{name}_total")


def dated(seconds):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))


@pytest.fixture(name="cached", scope="module")
def shared():
    with Cached() as cached:
        yield cached


def count(cached, path):
    return sum(head.split(" ")[1] == path for head in cached.asked)


# --- what is stored ----------------------------------------------------------------------------------------------------------

def test_a_hit_says_so(cached):
    first, second = cached.ask("/hit"), cached.ask("/hit")
    assert (first.body, second.body, count(cached, "/hit")) == ("/hit", "/hit", 1)
    assert re.fullmatch(r"weir; fwd=uri-miss; ttl=(60|5\d); stored", first.headers["Cache-Status"])
    assert "Age" not in first.headers or "ttl=60" not in first.headers["Cache-Status"]      # a second may pass at any time
    assert second.headers["Cache-Status"].startswith("weir; hit; ttl=") and int(second.headers["Age"]) < 60
    assert second.headers["Content-Length"] == "4" and second.headers.get_all("Date") == first.headers.get_all("Date")


def test_the_query_and_the_host_are_of_the_key(cached):
    for target, host in (("/key?a", "one.test"), ("/key?b", "one.test"), ("/key", "one.test"), ("/key?a", "two.test")):
        cached.ask(target, host=host)
    assert sum(head.split(" ")[1].startswith("/key") for head in cached.asked) == 4
    assert "hit" in cached.status_of("/%6bey?a", host="ONE.test")


def test_spellings_and_disagreeing_hosts_poison_nothing(cached):
    for target in ("/trick/a%2Fb", "/trick/a/b", "/trick/a%3Fb", "/trick/a?b"):
        assert "uri-miss" in cached.status_of(target) and "hit" in cached.status_of(target)
    assert "hit" in cached.status_of("/trick/x/%2e%2e/a/./b")
    before = len(cached.asked)
    for target in ("http://evil.test/trick/new", "/trick/new\\", "/trick/new%00"):
        assert cached.ask(target).status == 400
    assert len(cached.asked) == before and "uri-miss" in cached.status_of("/trick/new")


@pytest.mark.parametrize("fields", [
    "Cache-Control: no-store", "Cache-Control: private", "Cache-Control: max-age=0", "", "Cache-Control: max-age=60\nVary: *",
    "Cache-Control: max-age=60\nSet-Cookie: a=b", "Expires: 0", "CDN-Cache-Control: no-store\nCache-Control: max-age=60",
    "Cache-Control: max-age=60\n" + "\n".join(f"Vary: x{i}" for i in range(50))])
def test_what_is_not_stored_is_not_waited_for(cached, fields):
    path = f"/not{abs(hash(fields))}"
    cached.answers[path] = (fields, "no")
    for _ in range(3):
        assert cached.ask(path).body == "no"
    assert count(cached, path) == 3


def test_credentials_are_stored_only_where_the_response_allows(cached):
    cached.answers["/public"] = ("Cache-Control: public, max-age=60", "all")
    for path, times in (("/secret", 2), ("/public", 1)):
        for _ in range(2):
            cached.ask(path, headers={"Authorization": "Basic eA=="})
        assert count(cached, path) == times


def test_vary_keeps_variants_apart(cached):
    cached.answers["/vary"] = lambda head, c: ("Cache-Control: max-age=60\nVary: Accept-Language",
                                               "de" if b"Language: de" in head else "other")
    for _ in range(2):
        assert cached.ask("/vary", headers={"Accept-Language": "de"}).body == "de"
        assert cached.ask("/vary", headers={"Accept-Language": "en"}).body == "other"
        assert cached.ask("/vary").body == "other"
    assert count(cached, "/vary") == 3
    assert "fwd=vary-miss" in cached.status_of("/vary", headers={"Accept-Language": "fr"})


def test_one_url_of_two_upstreams_is_two_responses():
    route = "[upstream other]\nserver = %s\n[route beta]\nmatch = */*\nmatch_field = X-Beta\nupstream = other\n"
    with Cached() as beta, wire.Origin(lambda c: c.head() and c.answer(b"beta", b"Cache-Control: max-age=60\r\n")) as origin:
        beta.weir.reload(INI % ("", beta.origin.address, route % origin.address))
        for _ in range(2):
            assert beta.ask("/p").body == "/p"
            assert beta.ask("/p", headers={"X-Beta": "1"}).body == "beta"
        assert len(beta.asked) == 1 and beta.counted("hits") == 2


def test_a_body_without_a_length_is_a_body(cached):
    """What a GET with a body brings is for nobody else: the body is not of the key."""
    def fat(head, connection):
        if b"chunked" in head:
            connection.head()  # its body looks like one
        return "Cache-Control: max-age=60", "/fat"

    before, cached.answers["/fat"] = len(cached.asked), fat
    with wire.connect(cached.weir) as client:
        client.send(b"GET /fat HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n")
        assert wire.body_of(client) == (200, b"/fat")
    cached.ask("/fat", headers={"Host": "a"})
    assert len(cached.asked) == before + 2


def test_a_key_of_the_operator_and_what_is_bypassed():
    with Cached("key = ${host}${path}\nbypass = ${request.Nocache}", "cache.ignore = set_cookie") as cached:
        cached.answers["/a?2"] = ("Cache-Control: max-age=60\nSet-Cookie: a=b", "x")
        cached.ask("/a?1")
        assert "hit" in cached.status_of("/a?2")
        assert cached.status_of("/a?2", headers={"Nocache": "1"}) == "weir; fwd=bypass"
        assert "hit" in cached.status_of("/a?2", headers={"Nocache": "0"})
        cached.answers["/b"] = ("Cache-Control: max-age=60\nSet-Cookie: a=b", "x")
        cached.ask("/b")
        assert "hit" in cached.status_of("/b") and "Set-Cookie" not in cached.ask("/b").headers


def test_lifetimes_of_the_operator():
    with Cached("ttl = 404 1h\nttl = 5xx 1m\nttl = 200 0\nstatus_name = edge") as cached:
        cached.answers.update({"/404": ("", "no", "404 No"), "/500": ("", "no", "501 No")})
        for path, stored in (("/404", True), ("/500", True), ("/200", False)):
            cached.ask(path)
            assert ("edge; hit" in cached.status_of(path)) == stored


def test_a_route_may_leave_the_cache_out():
    with Cached(route="cache.enable = no") as cached:
        assert cached.ask("/").headers["Cache-Status"] is None
        cached.ask("/")
        assert count(cached, "/") == 2


# --- how it answers ----------------------------------------------------------------------------------------------------------

def test_head_is_answered_from_get(cached):
    assert "fwd=uri-miss" in cached.status_of("/head", method="HEAD")
    cached.ask("/head")
    head = cached.ask("/head", method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, "", "5") and "hit" in head.headers["Cache-Status"]
    assert [h.split(" ")[0] for h in cached.asked if h.split(" ")[1] == "/head"] == ["HEAD", "GET"]


def test_conditions_of_a_client(cached):
    cached.answers["/cond"] = (f'Cache-Control: max-age=60\nETag: "a"\nLast-Modified: {dated(-1000)}\nX: y', "cond")
    first = cached.ask("/cond", headers={"If-None-Match": '"a"'})       # the origin is asked for the whole all the same
    assert first.status == 304 and "If-None-Match" not in cached.asked[-1]
    for name, value, status in (("If-None-Match", 'W/"a"', 304), ("If-None-Match", '"b"', 200),
                                ("If-Modified-Since", dated(-500), 304), ("If-Modified-Since", dated(-2000), 200)):
        answer = cached.ask("/cond", headers={name: value})
        assert (answer.status, answer.body) == (status, "cond" if status == 200 else "")
        assert answer.headers["ETag"] == '"a"' and (answer.status == 200 or "Content-Length" not in answer.headers)
    assert count(cached, "/cond") == 1


def test_ranges_of_a_stored_whole(cached):
    cached.answers["/range"] = ('Cache-Control: max-age=60\nETag: "a"\nContent-Type: text/x', "0123456789")
    part = cached.ask("/range", headers={"Range": "bytes=2-4"})         # a miss: the whole is fetched
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, "234", "bytes 2-4/10")
    assert "Range:" not in cached.asked[-1]
    for value, body in (("bytes=-3", "789"), ("bytes=8-", "89"), ("bytes=0-99", "0123456789")):
        part = cached.ask("/range", headers={"Range": value})
        assert (part.status, part.body, part.headers["Content-Length"]) == (206, body, str(len(body)))
    parts = cached.ask("/range", headers={"Range": "bytes=0-1,5-6"})
    boundary = parts.headers["Content-Type"].split("boundary=")[1]
    assert parts.status == 206 and parts.body.count("--" + boundary) == 3 and "bytes 5-6/10\r\n\r\n56\r\n" in parts.body
    assert int(parts.headers["Content-Length"]) == len(parts.body)
    none = cached.ask("/range", headers={"Range": "bytes=10-"})
    assert (none.status, none.headers["Content-Range"], none.body) == (416, "bytes */10", "")
    assert cached.ask("/range", headers={"Range": "bytes=2-4", "If-Range": '"b"'}).status == 200
    assert cached.ask("/range", headers={"Range": "bytes=2-4", "If-Range": '"a"'}).status == 206
    assert cached.ask("/range", headers={"Range": "lines=1"}).body == "0123456789"
    assert count(cached, "/range") == 1


def test_a_body_in_chunks_with_trailers_is_answered_from_the_cache(cached):
    def chunks(head, connection):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\n"
                        "3\r\nabc\r\n3\r\ndef\r\n0\r\nSum: 1\r\n\r\n")
        return "said"

    cached.answers["/chunks"] = chunks
    for _ in range(2):
        assert cached.ask("/chunks").body == "abcdef"
    assert cached.ask("/chunks", headers={"Range": "bytes=4-"}).body == "ef"
    assert count(cached, "/chunks") == 1


def test_directives_of_a_request(cached):
    cached.ask("/told")
    assert cached.ask("/told", headers={"Cache-Control": "only-if-cached"}).status == 200
    assert cached.ask("/untold", headers={"Cache-Control": "only-if-cached"}).status == 504
    cached.ask("/told", headers={"Cache-Control": "no-cache"})
    assert count(cached, "/told") == 2
    assert cached.status_of("/told", headers={"Cache-Control": "no-store"}) == "weir; fwd=request"
    assert count(cached, "/told") == 3


def test_an_unsafe_method_invalidates(cached):
    for path in ("/doc", "/list"):
        cached.ask(path)
    cached.answers["/doc"] = lambda head, c: (("Location: /list", "") if head.startswith(b"POST")
                                              else ("Cache-Control: max-age=60", "n"))
    assert cached.ask("/doc", method="POST", body=b"").status == 200
    for path in ("/doc", "/list"):
        assert "fwd=uri-miss" in cached.status_of(path)


# --- validation --------------------------------------------------------------------------------------------------------------

def test_a_304_brings_a_stored_response_up_to_date(cached):
    answers = [("Cache-Control: max-age=0, s-maxage=1\nETag: \"a\"\nX: old", "body"),
               ("Cache-Control: s-maxage=60\nETag: \"a\"\nX: new", "", "304 Not Modified")]
    cached.answers["/valid"] = lambda head, c: answers.pop(0)
    before = cached.counted("revalidated")
    cached.ask("/valid")
    time.sleep(1.1)
    fresh = cached.ask("/valid", headers={"If-None-Match": '"client"'})
    assert (fresh.status, fresh.body, fresh.headers["X"]) == (200, "body", "new")
    assert 'If-None-Match: "a"' in cached.asked[-1] and "client" not in cached.asked[-1]
    assert "fwd=stale; fwd-status=304" in fresh.headers["Cache-Status"]
    assert "hit" in cached.status_of("/valid") and cached.counted("revalidated") == before + 1


def test_a_304_of_something_else_is_not_believed(cached):
    answers = [("Cache-Control: no-cache\nETag: \"a\"", "one"), ("ETag: \"other\"", "", "304 Not Modified"),
               ("Cache-Control: max-age=60\nETag: \"b\"", "two")]
    cached.answers["/lies"] = lambda head, c: answers.pop(0)
    assert cached.ask("/lies").body == "one"
    assert cached.ask("/lies").body == "two"
    assert "If-None-Match" not in cached.asked[-1]


def test_a_304_that_nobody_asked_for_is_an_error(cached):
    cached.answers["/unasked"] = ("", "", "304 Not Modified")
    assert cached.ask("/unasked").status == 502
    assert cached.ask("/unasked").status == 502


# --- stale ------------------------------------------------------------------------------------------------------------------

def test_stale_while_revalidate_refreshes_once_in_the_background(cached):
    answers = [("Cache-Control: max-age=1, stale-while-revalidate=60", "one"), ("Cache-Control: max-age=60", "two")]
    cached.answers["/swr"] = lambda head, c: answers.pop(0)
    cached.ask("/swr")
    time.sleep(1.1)
    before = cached.counted("refreshes")
    assert cached.ask("/swr").body == "one"
    scene.until(lambda: count(cached, "/swr") == 2, "it is refreshed")
    scene.until(lambda: cached.ask("/swr").body == "two", "the refresh is stored")
    assert cached.counted("refreshes") == before + 1 and not answers


def test_what_a_forward_proxy_fetched_is_refreshed_too():
    answers = [(b"one", b"1"), (b"two", b"60")]

    def talk(connection):
        while connection.head():
            body, age = answers.pop(0)
            connection.answer(body, b"Cache-Control: max-age=%s, stale-while-revalidate=60\r\n" % age)

    with wire.Origin(talk) as origin:
        ini = ("[module cache]\n[module route]\n[module connect]\n[route all]\nmatch = */*\nconnect.allow = *\n"
               f"connect.networks = 127.0.0.0/8\nconnect.http_ports = {origin.port}\n")
        with scene.Weir(ini) as weir, wire.connect(weir) as client:
            def ask():
                client.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n\r\n")
                return wire.body_of(client)[1]

            assert ask() == b"one"
            time.sleep(1.1)
            assert ask() == b"one"
            scene.until(lambda: ask() == b"two", "it is refreshed")
            assert weir.metric("weir_cache_refreshes_total") == 1


@pytest.mark.parametrize("how", ["503", "close", "refused"])
def test_stale_if_error(how):
    with Cached("stale_if_error = 1h") as cached:
        cached.answers["/sie"] = ("Cache-Control: max-age=1", "old")
        cached.ask("/sie")
        time.sleep(1.1)
        if how == "refused":
            cached.origin.__exit__()
        cached.answers["/sie"] = ("", "no", "503 No") if how == "503" else lambda head, c: None
        begun = time.monotonic()
        for _ in range(3):
            answer = cached.ask("/sie")
            assert (answer.status, answer.body) == (200, "old") and int(answer.headers["Age"]) >= 1
        if how == "503":
            assert count(cached, "/sie") <= 2 + int(time.monotonic() - begun)       # the failure is remembered for a second
        cached.answers["/other"] = ("Cache-Control: max-age=60", "x", "500 No")
        assert cached.ask("/other").status in (500, 502)


def test_must_revalidate_is_not_stale_on_error():
    with Cached("stale_if_error = 1h") as cached:
        cached.answers["/must"] = ("Cache-Control: max-age=1, must-revalidate", "old")
        cached.ask("/must")
        time.sleep(1.1)
        cached.answers["/must"] = ("", "no", "503 No")
        assert cached.ask("/must").status == 503


# --- operators ---------------------------------------------------------------------------------------------------------------

def test_purges(cached):
    weir = cached.weir
    cached.answers["/p/tag"] = ("Cache-Control: max-age=60\nCache-Tag: red, green\nSurrogate-Key: blue", "t")
    paths = ["/p/one", "/p/two", "/p/tag"]

    def stored():
        for path in paths:
            cached.ask(path)

    def gone():
        return [path for path in paths if "hit" not in cached.status_of(path)]

    for words, expected in ((["http://weir.test/p/one"], ["/p/one"]), (["--prefix", "http://weir.test/p/"], paths),
                            (["--tag", "green"], ["/p/tag"]), (["--tag", "blue"], ["/p/tag"]), (["--tag", "gree"], []),
                            (["--soft", "http://weir.test/p/two"], ["/p/two"])):
        stored()
        code, text = weir.ctl("cache", "purge", *words)
        assert (code, text.split()) == (0, ["purged", str(len(expected))]), text
        assert gone() == expected
    assert weir.ctl("cache", "purge")[0] != 0 and weir.ctl("cache", "show")[0] != 0 and weir.ctl("cache", "stats", "x")[0] != 0


def test_show_and_stats(cached):
    cached.answers["/show"] = ('Cache-Control: max-age=60\nETag: "e"\nVary: x', "0123")
    cached.ask("/show")
    text = cached.weir.ctl("cache", "show", "http://weir.test/show")[1]
    assert "http://weir.test/show" in text and '"e"' in text and "vary" in text
    stats = dict(line.split() for line in cached.weir.ctl("cache", "stats")[1].splitlines())
    assert int(stats["objects"]) > 0 and 0 < int(stats["used"]) <= int(stats["size"]) == 8 * 1024 * 1024


def test_the_store_survives_a_reload():
    with Cached() as cached:
        cached.ask("/kept")
        cached.weir.reload(INI % ("lock_timeout = 1s", cached.origin.address, ""))
        assert "hit" in cached.status_of("/kept")
        cached.weir.reload(INI.replace("8M", "2M") % ("", cached.origin.address, ""))
        assert "hit" in cached.status_of("/kept")
        scene.until(lambda: "2097152" in cached.weir.ctl("cache", "stats")[1], "the store is smaller")
        assert "hit" in cached.status_of("/kept")
        cached.weir.reload(INI.replace("8M", "32M") % ("object_size = 5K", cached.origin.address, ""))
        scene.until(lambda: "33554432" in cached.weir.ctl("cache", "stats")[1], "the store is larger")
        assert "hit" in cached.status_of("/kept")
        cached.answers["/large"] = ("Cache-Control: max-age=60", "x" * 6000)
        assert cached.ask("/large").body == "x" * 6000 and "stored" not in cached.status_of("/large")


def test_what_is_hot_survives_a_restart():
    with Cached("file = {folder}/hot") as cached:
        weir = cached.weir
        weir.process.kill()
        weir.process.wait(scene.PATIENCE)
        with open(weir.path("hot"), "w") as file:
            file.write("what a crash has left")
        weir.__enter__()
        scene.until(lambda: "is damaged" in weir.read("stderr"), "the damage is seen")
        cached.answers["/tagged"] = ("Cache-Control: max-age=60\nCache-Tag: a b", "x" * 50000)
        for target in "/hot", "/hot", "/tagged", "/tagged", "/cold":
            assert cached.ask(target).status == 200
        weir.process.terminate()
        assert weir.process.wait(scene.PATIENCE) == 0
        assert "wrote 2 objects" in weir.read("stderr")
        weir.__enter__()
        scene.until(lambda: "2 objects" in weir.read("stderr"), "they are back")
        assert not os.path.exists(weir.path("hot"))
        assert "hit" in cached.status_of("/hot") and cached.ask("/tagged").body == "x" * 50000
        assert "hit" in cached.status_of("/tagged") and "hit" not in cached.status_of("/cold")
        assert "1" in weir.ctl("cache", "purge", "--tag", "b")[1]


def test_no_request_waits_for_what_was_hot():
    with Cached("file = {folder}/hot") as cached:
        weir = cached.weir
        weir.process.kill()
        weir.process.wait(scene.PATIENCE)
        os.mkfifo(weir.path("hot"))              # a disk that takes its time
        weir.__enter__()
        assert "stored" in cached.status_of("/early") and "hit" in cached.status_of("/early")
        assert "is damaged" not in weir.read("stderr")
        with open(weir.path("hot"), "w") as file:
            file.write("no store")
        scene.until(lambda: "is damaged" in weir.read("stderr"), "it is read in the end")
        assert "hit" in cached.status_of("/early")


@pytest.mark.parametrize("line, says", [
    ("ttl = 99 1m", "must begin with a status"), ("ttl = 200", "must have a time"), ("ttl = 200 1m loud", "behind the time"),
    ("ignore = cookies", "ignore"), ("size = 1K", "size"), ("status_name =", "status_name")])
def test_mistakes_in_the_configuration(line, says):
    code, text = scene.check(INI % (line, "127.0.0.1:1", ""))
    assert code != 0 and says in text, text
