#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which route a request takes, seen from outside; each route answers with its name."""
import os
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402

MODULES = "[module route]\n[module respond]\n"


def route(name, *lines):
    return f"[route {name}]\n" + "\n".join(lines) + f"\nrespond.body = {name}\n"


SITE = MODULES + "".join([
    route("rest", "match = */*"),
    route("static", "match = */static/* */favicon.ico"),
    route("site", "match = example.com/*"),
    route("admin", "match = example.com/secure_admin/* www.example.com/secure_admin/*"),
    route("one", "match = example.com/secure_admin/one"),
    route("below", "match = *.example.com/*"),
    route("port", "match = example.com:8443/*"),
    route("upload", "match = */upload/*", "method = PUT POST"),
    route("token", "match = */upload/*", "method = PUT", "match_field = X-Token"),
    route("blue", "match = */upload/*", "match_field = X-Colour: blue"),
    route("latin", "match = */b%c3%bcro/%7eme"),
])


def test_the_closest_pattern_wins():
    with scene.Weir(SITE) as weir:
        for host, target, name in [
                ("other.test", "/", "rest"),
                ("other.test", "/static/x?y", "static"),
                ("example.com", "/static/x", "site"),
                ("EXAMPLE.com", "/", "site"),
                ("example.com.", "/", "site"),
                ("example.com:81", "/", "site"),
                ("example.com:8443", "/secure_admin/one", "port"),
                ("example.com", "/secure_admin", "admin"),
                ("example.com", "/secure_admin/", "admin"),
                ("example.com", "/secure_admin/one", "one"),
                ("example.com", "/secure_admin/one/", "admin"),
                ("example.com", "/secure_administrator", "site"),
                ("example.com", "/x/../secure_admin/y", "admin"),
                ("example.com", "/%73ecure_admin/y", "admin"),
                ("www.example.com", "/secure_admin/y", "admin"),
                ("www.example.com", "/secure", "below"),
                ("a.b.example.com", "/", "below"),
                ("other.test", "/b%C3%BCro/~me", "latin")]:
            assert weir.ask(target, host).body == name, (host, target)


def test_conditions_are_asked_and_a_miss_falls_back():
    with scene.Weir(SITE) as weir:
        for method, headers, name in [
                ("GET", {}, "rest"),
                ("POST", {}, "upload"),
                ("PUT", {}, "upload"),
                ("PUT", {"x-token": "1"}, "token"),
                ("POST", {"X-Token": "1"}, "upload"),
                ("GET", {"X-Colour": "blue"}, "blue"),
                ("GET", {"X-Colour": "Blue"}, "rest")]:
            assert weir.ask("/upload/x", "other.test", method, headers=headers).body == name, (method, headers)


def test_what_no_route_matches_is_404_and_counted():
    with scene.Weir(MODULES + route("site", "match = example.com/a/*")) as weir:
        assert weir.ask("/a", "example.com").status == 200
        assert weir.ask("/b", "example.com").status == 404
        assert weir.ask("/a", "example.org").status == 404
        assert weir.metric("weir_route_unmatched_total") == 2


def test_requests_without_a_path_or_host_take_the_widest_route():
    with scene.Weir(SITE) as weir:
        assert weir.say(b"OPTIONS * HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n").endswith(b"site")
        assert weir.say(b"GET /static/ HTTP/1.0\r\n\r\n").endswith(b"static")


def test_mistakes_are_named_with_their_line():
    code, text = scene.check(MODULES + route("first", "match = example.com/x/*", "method = GET")
                             + route("second", "match = EXAMPLE.com/%78/* example.com/y", "method = GET"))
    assert code == 1
    assert "routes `first` and `second` both match example.com/x/*" in text
    assert "weir.ini:14: " in text

    code, text = scene.check(MODULES + route("a", "match = /api/*", "method = get") + route("b", "match_field = a b"))
    assert code == 1
    for expected in ["weir.ini:11: error: `match = /api/*`: `/api/*`: the host is missing: write * for any",
                     "weir.ini:12: error: `method = get`: `get` is not in upper case",
                     "weir.ini:15: error: `match_field = a b`", "[route b] needs `match`"]:
        assert expected in text, text


def test_many_routes_are_no_burden():
    many = MODULES + "".join(route(f"r{i}", f"match = tenant{i}.example.com/service/*") for i in range(20000))
    with scene.Weir(many) as weir:
        for i in [0, 7777, 19999]:
            assert weir.ask("/service/x", f"tenant{i}.example.com").body == f"r{i}"
        assert weir.ask("/service/x", "tenant20000.example.com").status == 404


def test_a_reload_changes_the_routes():
    with scene.Weir(MODULES + route("old", "match = */*")) as weir:
        assert weir.ask().body == "old"
        weir.reload(MODULES + route("new", "match = */*"))
        scene.until(lambda: weir.ask().body == "new", "the new route answers")
