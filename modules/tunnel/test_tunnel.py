#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Origins behind CONNECT proxies: honest ones, real ones, chains, and those that answer anything but a tunnel."""
import base64
import contextlib
import json
import os
import socket
import sys

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import proxies  # noqa: E402
import scene  # noqa: E402
import wire  # noqa: E402

INI = """
[module route]
[module tunnel]
[module accesslog]
file = {{folder}}/access.log
format = json
[upstream origin]
server = {server}
{upstream}
[route all]
match = */*
upstream = origin
{route}
"""


def weir_to(server, route="", upstream="", **more):
    return scene.Weir(INI.format(server=server, route=route, upstream=upstream), **more)


def failures(weir, count=1):
    """What the access log says went wrong, of that many requests."""
    scene.until(lambda: weir.read("access.log").count("\n") >= count, f"{count} lines in the access log")
    return [json.loads(line)["failure"] for line in weir.read("access.log").splitlines()]


def requested(head):
    """The request line and the fields of a CONNECT."""
    line, *fields = head.rstrip("\r\n").split("\r\n")
    return line, fields


@contextlib.contextmanager
def origin_behind(proxy, **more):
    with scene.Origin("far") as origin, proxy:
        with weir_to(origin.address, f"tunnel.via = {proxy.address}", **more) as weir:
            yield origin, weir


def test_a_request_goes_through_the_tunnel():
    proxy = proxies.Proxy()
    with origin_behind(proxy) as (origin, weir):
        assert weir.ask("/a").body == "far"
        assert [requested(head) for head in proxy.heads] == [
            (f"CONNECT {origin.address} HTTP/1.1", [f"Host: {origin.address}"])]
        assert [line for line, _ in origin.requests] == ["GET /a HTTP/1.1"]


def test_a_tunnel_is_kept_and_used_again():
    proxy = proxies.Proxy()
    with origin_behind(proxy) as (_, weir):
        for _ in range(3):
            assert weir.ask().body == "far"
        assert len(proxy.heads) == 1
        assert weir.metric("weir_upstream_reused_total") == 2


def test_names_are_looked_up_by_the_proxy():
    with scene.Origin("far") as origin, proxies.Proxy(to=origin.address) as proxy:
        with weir_to("no-such-host.invalid:8443", f"tunnel.via = {proxy.address}") as weir:
            assert weir.ask().body == "far"
            assert proxy.heads[0].startswith("CONNECT no-such-host.invalid:8443 HTTP/1.1\r\nHost: no-such-host.invalid:8443\r\n")


def test_an_ipv6_address_is_asked_for_in_brackets():
    with scene.Origin("far") as origin, proxies.Proxy(to=origin.address) as proxy:
        with weir_to("[2001:db8::1]:80", f"tunnel.via = {proxy.address}") as weir:
            assert weir.ask().body == "far"
            assert requested(proxy.heads[0]) == ("CONNECT [2001:db8::1]:80 HTTP/1.1", ["Host: [2001:db8::1]:80"])


def test_a_proxy_may_be_known_by_name():
    with scene.Origin("far") as origin, proxies.Proxy() as proxy:
        with weir_to(origin.address, f"tunnel.via = localhost:{proxy.port}") as weir:
            assert weir.ask().body == "far"
        with weir_to(origin.address, "tunnel.via = no-such-proxy.invalid:3128") as weir:
            assert weir.ask().status == 502
            assert failures(weir) == [f"{origin.address}: its name has no address"]


def test_a_proxy_may_be_a_unix_socket(tmp_path):
    proxy = proxies.Proxy(str(tmp_path / "proxy"))
    with origin_behind(proxy) as (origin, weir):
        assert weir.ask().body == "far"
        assert proxy.heads[0].startswith(f"CONNECT {origin.address} HTTP/1.1\r\n")


def test_credentials_and_fields_are_sent_to_the_proxy_alone():
    with scene.Origin("far") as origin, proxies.Proxy() as proxy:
        route = [f"tunnel.via = {proxy.address}", "tunnel.authorization = scott:tiger:blood",
                 "tunnel.field = X-Zone: a b", "tunnel.field = X-Empty:"]
        with weir_to(origin.address, "\n".join(route)) as weir:
            assert weir.ask().body == "far"
            secret = base64.b64encode(b"scott:tiger:blood").decode()
            assert requested(proxy.heads[0])[1] == [
                f"Host: {origin.address}", f"Proxy-Authorization: Basic {secret}", "X-Zone: a b", "X-Empty:"]


def test_credentials_may_stand_in_a_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text("-\nscott:tiger\n")
    path.chmod(0o600)
    with scene.Origin("far") as origin, proxies.Proxy() as near, proxies.Proxy() as far:
        route = f"tunnel.via = {near.address}\ntunnel.via = {far.address}\ntunnel.authorization_file = {path}"
        with weir_to(origin.address, route) as weir:
            assert weir.ask().body == "far"
            assert requested(near.heads[0]) == (f"CONNECT {far.address} HTTP/1.1", [f"Host: {far.address}"])
            assert requested(far.heads[0])[1] == [f"Host: {origin.address}", "Proxy-Authorization: Basic c2NvdHQ6dGlnZXI="]
            assert str(path) not in weir.read("stderr")


def test_chains_lead_through_each_proxy_in_turn():
    with scene.Origin("far") as origin, proxies.Proxy() as first, proxies.Proxy() as second, proxies.Proxy() as third:
        via = "\n".join(f"tunnel.via = {proxy.address}" for proxy in (first, second, third))
        with weir_to(origin.address, via) as weir:
            assert weir.ask().body == "far"
            assert weir.ask().body == "far"
            assert [proxy.heads[0].split()[1] for proxy in (first, second, third)] == [
                second.address, third.address, origin.address]
            assert [len(proxy.heads) for proxy in (first, second, third)] == [1, 1, 1]


def test_a_route_overrules_its_upstream_and_may_go_directly():
    ini = INI + "[route direct]\nmatch = */direct\nupstream = origin\ntunnel.via = direct\n" \
        + "[route other]\nmatch = */other\nupstream = origin\ntunnel.via = {other}\n"
    with scene.Origin("far") as origin, proxies.Proxy() as one, proxies.Proxy() as other:
        ini = ini.format(server=origin.address, upstream=f"tunnel.via = {one.address}", route="", other=other.address)
        with scene.Weir(ini) as weir:
            for path, counts in [("/", (1, 0)), ("/direct", (1, 0)), ("/other", (1, 1)), ("/direct", (1, 1)), ("/", (1, 1))]:
                assert weir.ask(path).body == "far"
                assert (len(one.heads), len(other.heads)) == counts


def test_one_tunnel_serves_no_other_credentials():
    ini = INI + "[route b]\nmatch = */b\nupstream = origin\ntunnel.via = {proxy}\ntunnel.authorization = b:b\n"
    with scene.Origin("far") as origin, proxies.Proxy() as proxy:
        route = f"tunnel.via = {proxy.address}\ntunnel.authorization = a:a"
        with scene.Weir(ini.format(server=origin.address, upstream="", route=route, proxy=proxy.address)) as weir:
            for path in "/a", "/b", "/a", "/b":
                assert weir.ask(path).body == "far"
            assert [requested(head)[1][1][-4:] for head in proxy.heads] == ["YTph", "Yjpi"]


@pytest.mark.parametrize("program", [proxies.tinyproxy, proxies.squid])
def test_real_proxies(program):
    with scene.Origin("far") as origin, program() as proxy:
        # squid lets CONNECT go to any port, as it was told
        with weir_to(origin.address, f"tunnel.via = {proxy.address}") as weir:
            for _ in range(2):
                assert weir.ask().body == "far", failures(weir)
            assert weir.metric("weir_upstream_reused_total") == 1


def test_a_chain_of_real_proxies():
    with scene.Origin("far") as origin, proxies.tinyproxy() as near, proxies.squid() as far:
        with weir_to(origin.address, f"tunnel.via = {near.address}\ntunnel.via = {far.address}") as weir:
            assert weir.ask().body == "far", failures(weir)


def test_a_real_proxy_asks_for_credentials():
    with scene.Origin("far") as origin, proxies.tinyproxy("scott:tiger") as proxy:
        with weir_to(origin.address, f"tunnel.via = {proxy.address}") as weir:
            for route in "", "tunnel.authorization = scott:wrong":
                weir.reload(INI.format(server=origin.address, upstream="", route=f"tunnel.via = {proxy.address}\n{route}"))
                assert weir.ask().status == 502
            assert [" with 40" in said for said in failures(weir, 2)] == [True, True]
            assert "tiger" not in weir.read("stderr") and "wrong" not in weir.read("access.log")
            weir.reload(INI.format(server=origin.address, upstream="",
                                   route=f"tunnel.via = {proxy.address}\ntunnel.authorization = scott:tiger"))
            assert weir.ask().body == "far"


OK = b"HTTP/1.1 200 OK\r\n"
HOSTILE = {
    "refused": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "with 403 Forbidden"),
    "asked for credentials": (b"HTTP/1.1 407 Authentication\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", "with 407 Authentication"),
    "redirected": (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "with 302 Found"),
    "bad gateway": (b"HTTP/1.0 502 Bad Gateway\r\n\r\nhtml", "with 502 Bad Gateway"),
    "switched": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "with 101 Switching"),
    "a body": (OK + b"Content-Length: 5\r\n\r\nhello", "with 200 and a body"),
    "a body to come": (OK + b"Content-Length: 5\r\n\r\n", "with 200 and a body"),
    "chunked": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "with 200 and a body"),
    "chunked to come": (OK + b"Transfer-Encoding: chunked\r\n\r\n", "with 200 and a body"),
    "two framings": (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", "malformed answer"),
    "bytes behind": (OK + b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "bytes behind its answer"),
    "a byte behind": (OK + b"\r\nx", "bytes behind its answer"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "malformed answer"),
    "HTTP/2": (b"HTTP/2 200\r\n\r\n", "malformed answer"),
    "bare LF": (b"HTTP/1.1 200 OK\nX: y\n\n\r\n\r\n", "malformed answer"),
    "folded": (OK + b"X: a\r\n b\r\n\r\n", "malformed answer"),
    "no status": (b"HTTP/1.1 OK\r\n\r\n", "malformed answer"),
    "no fields end": (OK + b"X" * 17000, "malformed answer"),
    "fields without end": (OK + b"X: y\r\n" * 200 + b"\r\n", "malformed answer"),
    "interims without end": (b"HTTP/1.1 102 Wait\r\n\r\n" * 40, "malformed answer"),
    "closed at once": (b"", "closed the connection before it answered"),
    "closed in the head": (OK + b"X-A: ", "closed the connection before it answered"),
    "closed after an interim": (b"HTTP/1.1 100 Continue\r\n\r\n", "closed the connection before it answered"),
}


def test_all_but_a_tunnel_is_a_502_and_nothing_is_kept():
    """One proxy that answers differently each time, each twice."""
    words = [said for said in HOSTILE.values() for _ in range(2)]
    turn = iter(words)

    def talk(connection):
        connection.head()
        connection.send(next(turn)[0])
        connection.end()
        connection.rest()

    with wire.Origin(talk) as proxy, weir_to("origin.test:80", f"tunnel.via = {proxy.address}") as weir:
        for said, cause in words:
            answer = weir.ask()
            assert answer.status == 502 and "evil" not in answer.body, said
            assert weir.metric("weir_upstream_idle") == 0
        for (said, cause), failure in zip(words, failures(weir, len(words)), strict=True):
            assert failure.startswith(f"origin.test:80: the proxy {proxy.address} ") and cause in failure, said
        # nothing but the question was ever sent
        assert len(proxy.connections) == len(words)
        assert {connection.received for connection in proxy.connections} == {
            b"CONNECT origin.test:80 HTTP/1.1\r\nHost: origin.test:80\r\n\r\n"}


def test_a_reset_is_a_502():
    def talk(connection):
        connection.head()
        connection.reset()

    with wire.Origin(talk) as proxy, weir_to("origin.test:80", f"tunnel.via = {proxy.address}") as weir:
        assert weir.ask().status == 502
        assert "closed the connection before it answered CONNECT origin.test:80" in failures(weir)[0]


def test_a_proxy_that_stalls_is_a_504():
    words = [b"", OK, b"HTTP/1.1 100 Continue\r\n\r\n"]
    turn = iter(words)

    def talk(connection):
        connection.head()
        connection.send(next(turn))
        connection.rest()

    with wire.Origin(talk) as proxy:
        with weir_to("origin.test:80", f"tunnel.via = {proxy.address}", "connect_timeout = 200ms") as weir:
            for _ in words:
                assert weir.ask().status == 504
                scene.until(lambda: proxy.connections[-1].ended, "its connection is closed")
            assert failures(weir, len(words)) == [
                f"origin.test:80: the proxy {proxy.address} did not answer CONNECT origin.test:80 in time"] * len(words)


def test_nobody_listens_where_the_proxy_should_be():
    with scene.Origin("far") as origin, weir_to(origin.address, f"tunnel.via = 127.0.0.1:{proxies.free_port()}") as weir:
        assert weir.ask().status == 502
        assert "cannot connect: Connection refused" in failures(weir)[0]
        assert not origin.requests


def test_every_2xx_without_a_body_is_a_tunnel():
    words = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.0 200 Connection established\r\n\r\n",
             b"HTTP/1.1 299 \r\nServer: x\r\n\r\n", b"HTTP/1.1 204 None\r\n\r\n",
             b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"]
    proxy = proxies.Proxy()
    with origin_behind(proxy, upstream="keepalive = 0") as (_, weir):
        for proxy.answer_bytes in words:
            assert weir.ask().body == "far", proxy.answer_bytes
        assert len(proxy.heads) == len(words)


def test_an_answer_may_come_byte_by_byte():
    def talk(connection):
        connection.head()
        for byte in b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n":
            connection.send(bytes([byte]))
        wire.polite(connection)

    with wire.Origin(talk) as proxy, weir_to("origin.test:80", f"tunnel.via = {proxy.address}") as weir:
        assert weir.ask("/a").body == "/a"


def test_the_second_proxy_may_fail_too():
    with scene.Origin("far") as origin, proxies.Proxy() as near:
        with wire.Origin(lambda c: (c.head(), c.send(b"HTTP/1.1 403 No\r\n\r\n"))) as far:
            with weir_to(origin.address, f"tunnel.via = {near.address}\ntunnel.via = {far.address}") as weir:
                assert weir.ask().status == 502
                assert failures(weir) == [
                    f"{origin.address}: the proxy {far.address} answered CONNECT {origin.address} with 403 No"]


def test_upgrades_go_through_tunnels():
    def talk(connection):
        connection.head()
        connection.send(b"HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n")
        connection.send(connection.read(4))

    with wire.Origin(talk) as origin, proxies.Proxy() as proxy:
        with weir_to(origin.address, f"tunnel.via = {proxy.address}") as weir, wire.connect(weir) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n")
            assert wire.status(client.head()) == 101
            client.send(b"ping")
            assert client.read(4) == b"ping"


def test_bodies_of_any_size_go_through():
    body = os.urandom(3_000_000)

    def talk(connection):
        head = connection.head()
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        connection.answer(connection.read(length))

    with wire.Origin(talk) as origin, proxies.Proxy() as proxy:
        with weir_to(origin.address, f"tunnel.via = {proxy.address}") as weir:
            assert weir.ask(method="POST", body=body).body == body.decode("latin-1")


def test_a_dead_tunnel_is_replaced_by_a_new_one():
    proxy = proxies.Proxy()
    with origin_behind(proxy) as (origin, weir):
        assert weir.ask().body == "far"
        for connection in origin.connections:
            connection.shutdown(socket.SHUT_RDWR)
        assert weir.ask().body == "far"
        assert len(proxy.heads) == 2


MISTAKES = {
    "tunnel.via = proxy": "the port is missing",
    "tunnel.via = http://proxy:1": "without a scheme",
    "tunnel.via = proxy:0": "the port of a proxy is not 0",
    "tunnel.via = a:1\ntunnel.via = direct": "stands alone",
    "tunnel.via = a:1\ntunnel.via = unix:/b": "only the first `via` can be a Unix socket",
    "tunnel.via = a:1\n" * 9: "9 proxies stand in a row",
    "tunnel.via = a:1 sni=b": "only after tls://",
    "tunnel.via = tls://a:1 sni:b": "is none of sni=NAME",
    "tunnel.via = tls://a:1 verify=maybe": "is none of sni=NAME",
    "tunnel.via = tls://a:1\ntunnel.crl = x": "`crl` needs `ca`",
    "tunnel.via = tls://a:1\ntunnel.key = x": "`key` needs `certificate`",
    "tunnel.via = tls://a:1\ntunnel.ca = /no/such/ca.pem": "/no/such/ca.pem",
    "tunnel.via = a:1\ntunnel.authorization = tiger": "write USER:PASSWORD",
    "tunnel.via = a:1\ntunnel.authorization = :tiger": "the user is missing",
    "tunnel.via = a:1\ntunnel.authorization = a:b\ntunnel.authorization = c:d": "credentials for 2 proxies, and 1 proxies",
    "tunnel.via = a:1\ntunnel.authorization = a:b\ntunnel.authorization_file = x": "exclude each other",
    "tunnel.via = a:1\ntunnel.authorization_file = /no/such/file": "cannot read /no/such/file: No such file",
    "tunnel.via = a:1\ntunnel.authorization_file = /dev/null": "is not a file of at most",
    "tunnel.via = a:1\ntunnel.field = X-A": "write a field",
    "tunnel.via = a:1\ntunnel.field = X A: b": "write a field",
    "tunnel.via = a:1\ntunnel.field = Host: b": "Weir's own",
    "tunnel.via = a:1\ntunnel.field = transfer-encoding: b": "Weir's own",
    "tunnel.via = a:1\ntunnel.field = Proxy-Authorization: b": "Weir's own",
}


@pytest.mark.parametrize("route", MISTAKES)
def test_mistakes_are_named_with_file_and_line(route):
    code, text = scene.check(INI.format(server="127.0.0.1:80", upstream="", route=route))
    assert code != 0
    assert MISTAKES[route] in text and "weir.ini:" in text
    assert "tiger" not in text


@pytest.mark.parametrize("content, said", [(b"", "is empty"), (b"tiger\n", "secret:1: write USER:PASSWORD"), (b"a:b\0c\n", "is no text"),
                                           (b"a:b\n" * 9, "secret:9: there are too many lines"),
                                           (b"a:b\r\n\r\n\n-\ntiger", "secret:5: write USER:PASSWORD")])
def test_mistakes_in_the_file_are_named(tmp_path, content, said):
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    code, text = scene.check(INI.format(server="127.0.0.1:80", upstream="",
                                        route=f"tunnel.via = a:1\ntunnel.authorization_file = {path}"))
    assert code != 0 and said in text and "tiger" not in text


def test_a_file_that_others_can_read_is_warned_about(tmp_path):
    path = tmp_path / "secret"
    path.write_text("a:b\n")
    path.chmod(0o644)
    code, text = scene.check(INI.format(server="127.0.0.1:80", upstream="",
                                        route=f"tunnel.via = a:1\ntunnel.authorization_file = {path}"))
    assert code == 0 and "can be read by others" in text


def test_no_secret_is_printed():
    route = "tunnel.via = a:1\ntunnel.authorization = scott:tiger\ntunnel.field = X-Key: tiger"
    with weir_to("127.0.0.1:80", route) as weir:
        done = scene.subprocess.run(weir.command("-T"), capture_output=True, text=True, timeout=scene.PATIENCE, check=True)
        assert "tiger" not in done.stdout and "tunnel.authorization = ***" in done.stdout
