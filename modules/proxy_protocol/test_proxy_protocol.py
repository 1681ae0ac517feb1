#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Connections that begin with a PROXY header, from those who may say so and from those who may not."""
import contextlib
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import certificates  # noqa: E402
import proxies  # noqa: E402
import scene  # noqa: E402
import wire  # noqa: E402

INI = """
[module route]
[module respond]
[module access]
rule = deny 192.0.2.66
[module header]
[module accesslog]
file = {folder}/access.log
format = ${client_address} ${proxy_protocol_sender} ${method} ${target}
[module proxy_protocol]
accept = 127.0.0.1
%s
[route all]
match = */*
respond.body = hello
"""
ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def v1(client="192.0.2.7"):
    return f"PROXY TCP4 {client} 198.51.100.2 56324 443\r\n".encode()


def v2(client="192.0.2.7", command=0x21, family=0x11, rest=None):
    if rest is None:
        rest = socket.inet_aton(client) + socket.inet_aton("198.51.100.2") + struct.pack(">HH", 56324, 443)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", command, family, len(rest)) + rest


@contextlib.contextmanager
def weir_with(more="", listen=""):
    weir = scene.Weir(INI % more)
    text = weir.read("weir.ini").replace("[listen web]\n", f"[listen web]\n{listen}\n", 1)
    with open(weir.path("weir.ini"), "w", encoding="utf-8") as f:
        f.write(text)
    with weir:
        yield weir


def logged(weir, count):
    scene.until(lambda: weir.read("access.log").count("\n") >= count, f"{count} lines")
    return weir.read("access.log").splitlines()


def closed_without_a_word(client):
    assert client.rest_cut()[0] == b""


@pytest.mark.parametrize("header", [v1(), v2(), v2(rest=v2()[16:] + b"\x04\0\2xx")])
def test_the_client_is_whom_the_header_tells(header):
    with weir_with() as weir, wire.connect(weir) as client:
        client.send(header + ASK)
        assert wire.body_of(client) == (200, b"hello")
        client.send(LAST)
        assert wire.body_of(client) == (200, b"hello")
        assert logged(weir, 2) == ["192.0.2.7 127.0.0.1 GET /", "192.0.2.7 127.0.0.1 GET /last"]


def test_access_is_decided_by_the_address_that_was_told():
    with weir_with() as weir:
        assert b" 403 " in weir.say(v1("192.0.2.66") + LAST)
        assert b" 200 " in weir.say(v1("192.0.2.65") + LAST)
        assert b" 403 " in weir.say(v2("192.0.2.66") + LAST)


def test_ipv6_and_mapped_addresses():
    with weir_with() as weir:
        ipv6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + b"\0\1\0\2"
        mapped = socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.66") + bytes(16) + b"\0\1\0\2"
        assert b" 200 " in weir.say(v2(family=0x21, rest=ipv6) + LAST)
        assert b" 403 " in weir.say(v2(family=0x21, rest=mapped) + LAST)
        assert logged(weir, 2)[0].startswith("2001:db8::7 ")


def test_a_header_byte_by_byte_and_requests_right_behind_it():
    with weir_with() as weir, wire.connect(weir) as client:
        for byte in v2()[:-1]:
            client.send(bytes([byte]))
        client.send(v2()[-1:] + ASK + ASK + LAST)
        assert [wire.body_of(client)[0] for _ in range(3)] == [200, 200, 200]
        assert client.rest() == b""


@pytest.mark.parametrize("header", [v2(command=0x20, family=0, rest=b""), b"PROXY UNKNOWN\r\n",
                                    v2(family=0x31, rest=bytes(216))])
def test_one_that_tells_nothing_leaves_the_socket_s_address(header):
    with weir_with() as weir:
        assert b" 200 " in weir.say(header + LAST)
        assert logged(weir, 1) == ["127.0.0.1 127.0.0.1 GET /last"]


@pytest.mark.parametrize("bytes_", [ASK, b"PROXY TCP4 1.1.1.1\r\n", v2(command=0x31), v2(family=0x12),
                                    b"PROXY UNKNOWN " + b"x" * 200, v2()[:14] + b"\xff\xff"])
def test_what_is_no_header_closes_the_connection(bytes_):
    with weir_with() as weir, wire.connect(weir) as client:
        client.send(bytes_)
        closed_without_a_word(client)
        assert weir.metric("weir_proxy_protocol_refused_total") == 1
        assert weir.metric("weir_requests_total") == 0
        assert "closes a connection of 127.0.0.1: its PROXY header is refused" in weir.read("stderr")


def test_optional_lets_connections_speak_for_themselves():
    with weir_with("header = optional") as weir:
        assert b" 200 " in weir.say(LAST)
        assert b" 200 " in weir.say(v1() + LAST)
        assert logged(weir, 2) == ["127.0.0.1 - GET /last", "192.0.2.7 127.0.0.1 GET /last"]


def test_nobody_else_is_believed():
    with scene.Weir((INI % "").replace("accept = 127.0.0.1", "accept = 10.0.0.0/8")) as weir:
        assert b" 400 " in weir.say(v1() + LAST)
        assert b" 400 " in weir.say(v2() + LAST)
        assert b" 200 " in weir.say(LAST)
        assert logged(weir, 3)[2] == "127.0.0.1 - GET /last"


def test_who_sends_nothing_or_half_is_closed_in_time():
    with weir_with(listen="head_timeout = 300ms") as weir, wire.connect(weir) as silent, wire.connect(weir) as slow:
        slow.send(v2()[:20])
        closed_without_a_word(silent)
        closed_without_a_word(slow)
        scene.until(lambda: weir.metric("weir_client_connections") == 0, "both are gone")


def test_who_leaves_in_the_middle_leaves_nothing_behind():
    with weir_with() as weir:
        assert weir.say(v2()[:20]) == b""
        assert weir.say(b"") == b""
        scene.until(lambda: weir.metric("weir_client_connections") == 0, "both are gone")


def test_connections_are_counted_by_the_client_that_was_told():
    with weir_with(listen="connections_per_client = 2") as weir, contextlib.ExitStack() as stack:
        for number in range(5):
            client = stack.enter_context(wire.connect(weir))
            client.send(v1(f"192.0.2.{number}") + ASK)
            assert wire.body_of(client)[0] == 200
        for status in (200, None):
            client = stack.enter_context(wire.connect(weir))
            client.send(v1("192.0.2.1") + ASK)
            if status is None:
                closed_without_a_word(client)
            else:
                assert wire.body_of(client)[0] == status


def test_a_header_that_waits_outlives_a_reload():
    with weir_with() as weir, wire.connect(weir) as client:
        client.send(v2()[:20])
        scene.until(lambda: weir.metric("weir_client_connections") == 1, "it is there")
        time.sleep(0.05)
        weir.reload(INI % "header = optional")
        client.send(v2()[20:] + LAST)
        assert wire.body_of(client)[0] == 200
        assert logged(weir, 1) == ["192.0.2.7 127.0.0.1 GET /last"]


def test_tls_begins_behind_the_header(tmp_path):
    identity = certificates.Identity("one", names=["one.test"])
    trust, _ = identity.save(str(tmp_path))
    more = f"[certificate one]\nhost = one.test\ncertificate = {tmp_path}/one.pem\nkey = {tmp_path}/one.key"
    context = ssl.create_default_context(cafile=trust)
    with weir_with(more, "tls = yes") as weir:
        for header in (v1(), v2()):
            with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as raw:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)      # the hello goes with the header
                raw.sendall(header)
                with context.wrap_socket(raw, server_hostname="one.test") as client:
                    client.sendall(LAST)
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
                    assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as raw:
            with pytest.raises(OSError):
                context.wrap_socket(raw, server_hostname="one.test")        # without it nobody gets in
        assert logged(weir, 2) == ["192.0.2.7 127.0.0.1 GET /last"] * 2


# --- to origins ------------------------------------------------------------------------------------------------------------

OUT = """
[module route]
[module proxy_protocol]
accept = 127.0.0.1
header = optional
[upstream origin]
server = %(origin)s
%(upstream)s
[route all]
match = */*
upstream = origin
%(route)s
[route plain]
match = */plain/*
upstream = origin
proxy_protocol.send = no
"""


def answer(connection):
    """A script: answer each request with the first line that this connection brought."""
    while head := connection.head():
        if b"\r\n\r\n" not in head:
            return
        connection.answer(connection.received.split(b"\r\n")[0])


def test_the_origin_is_told_on_a_connection_for_each_client():
    with wire.Origin(answer) as origin:
        ini = OUT % {"origin": origin.address, "upstream": "", "route": "proxy_protocol.send = v1"}
        with scene.Weir(ini) as weir, wire.connect(weir) as one, wire.connect(weir) as two:
            one.send(v1("192.0.2.1") + ASK)
            assert wire.body_of(one)[1] == b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443"
            two.send(v1("192.0.2.2") + ASK)
            assert wire.body_of(two)[1] == b"PROXY TCP4 192.0.2.2 198.51.100.2 56324 443"
            one.send(ASK)
            assert wire.body_of(one)[1] == b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443"
            assert len(origin.connections) == 2      # kept, and shared by nobody
            one.send(ASK.replace(b"/ ", b"/plain/ "))
            assert wire.body_of(one)[1] == b"GET /plain/ HTTP/1.1"
            with wire.connect(weir) as plain:
                plain.send(ASK)
                told = wire.body_of(plain)[1].decode().split()
                assert told[:4] == ["PROXY", "TCP4", "127.0.0.1", "127.0.0.1"] and told[5] == str(weir.port())


def test_an_upstream_may_say_so_for_all_its_routes():
    with wire.Origin(lambda c: (c.read(len(v2())), wire.polite(c))) as origin:
        ini = OUT % {"origin": origin.address, "upstream": "proxy_protocol.send = v2", "route": ""}
        with scene.Weir(ini) as weir, wire.connect(weir) as client:
            client.send(v1())
            for path in (b"/ ", b"/plain/ "):
                client.send(ASK.replace(b"/ ", path, 1))
                assert wire.body_of(client)[0] == 200
            assert len(origin.connections) == 1 and origin.received.startswith(v2() + b"GET / ")
            assert origin.received.count(v2()) == 1


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port} proxy_protocol;
        location / {{ return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr"; }}
    }}
}}
"""
HAPROXY_ORIGIN = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend origin
    bind 127.0.0.1:{port} accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst]"
"""


def listens(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def origin_of(program, text):
    port = proxies.free_port()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.format(folder=folder, port=port))
        process = subprocess.Popen([*program, path], stderr=subprocess.DEVNULL)
        try:
            scene.until(lambda: listens(port), "the origin listens")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(scene.PATIENCE)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("program, text", [(["/usr/sbin/nginx", "-c"], NGINX), (["/usr/sbin/haproxy", "-db", "-f"], HAPROXY_ORIGIN)])
def test_nginx_and_haproxy_understand_it(program, text, version):
    with origin_of(program, text) as address:
        ini = OUT % {"origin": address, "upstream": "", "route": f"proxy_protocol.send = {version}"}
        with scene.Weir(ini) as weir:
            with wire.connect(weir) as client:
                client.send(v2("192.0.2.9") + ASK)
                assert wire.body_of(client) == (200, b"192.0.2.9 56324 198.51.100.2")
                client.send(LAST)
                assert wire.body_of(client) == (200, b"192.0.2.9 56324 198.51.100.2")


HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen front
    bind 127.0.0.1:%d
    server weir 127.0.0.1:%d %s
"""


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_haproxy_in_front(option):
    port = proxies.free_port()
    with weir_with() as weir, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as f:
            f.write(HAPROXY % (port, weir.port(), option))
        haproxy = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", path], stderr=subprocess.DEVNULL)
        try:
            def asked():
                try:
                    with socket.create_connection(("127.0.0.1", port), scene.PATIENCE) as s:
                        s.sendall(LAST)
                        return s.recv(65536)
                except ConnectionRefusedError:
                    return b""
            assert b" 200 " in scene.until(asked, "haproxy listens")
            assert logged(weir, 1) == ["127.0.0.1 127.0.0.1 GET /last"]
        finally:
            haproxy.terminate()
            haproxy.wait(scene.PATIENCE)
