#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Weir as a forward proxy: tunnels, requests in absolute-form, and who is kept out of where."""
import base64
import contextlib
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import certificates  # noqa: E402
import proxies  # noqa: E402
import scene  # noqa: E402
import wire  # noqa: E402

INI = """
[module route]
[module balance]
[module connect]
[module access]
[module accesslog]
file = {folder}/access.log
format = ${method} ${target} ${status} ${bytes_received} ${bytes_sent} ${connect_user} ${failure}
[route proxy]
match = */*
%s
"""


@contextlib.contextmanager
def proxy(*lines, allow="*", networks="networks = 127.0.0.0/8", process=""):
    keys = [f"allow = {allow}", *([networks] if networks else []), *lines]
    weir = scene.Weir(INI % "\n".join(f"connect.{key}" for key in keys))
    text = weir.read("weir.ini").replace("[weir]\n", f"[weir]\n{process}\n", 1)
    with open(weir.path("weir.ini"), "w", encoding="utf-8") as f:
        f.write(text)
    with weir:
        yield weir


def connect(weir, target, fields="", behind=b""):
    client = wire.connect(weir)
    client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{fields}\r\n".encode() + behind)
    return client


def status_of(weir, target, fields=""):
    with connect(weir, target, fields) as client:
        return wire.status(client.head())


def logged(weir, count):
    scene.until(lambda: weir.read("access.log").count("\n") >= count, f"{count} lines")
    return weir.read("access.log").splitlines()


def echo(connection):
    """A script: what comes goes back; then the end."""
    while connection.more():
        connection.send(connection.take(len(connection.received) - connection.taken))


@contextlib.contextmanager
def names(table):
    """A DNS server of our own: {name: [addresses of each answer in turn]}; AAAA has none."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    asked = []

    def serve():
        while True:
            try:
                question, client = s.recvfrom(512)
            except OSError:
                return
            if not question:
                return
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
                at += 1 + question[at]
            kind = struct.unpack(">H", question[at + 1:at + 3])[0]
            found = table.get(".".join(labels), []) if kind == 1 else []
            if kind == 1:
                asked.append(".".join(labels))
            answer = b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address) for address in found)
            s.sendto(question[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, len(found), 0, 0) + question[12:at + 5] + answer, client)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"resolver = 127.0.0.1:{s.getsockname()[1]}", asked
    finally:
        s.sendto(b"", s.getsockname())
        s.close()


# --- tunnels ---------------------------------------------------------------------------------------------------------------


def test_a_tunnel_carries_bytes_both_ways_and_its_ends():
    with wire.Origin(echo) as origin, proxy(f"ports = {origin.port}") as weir:
        with connect(weir, origin.address) as client:
            head = client.head()
            assert head == b"HTTP/1.1 200 OK\r\n\r\n"        # no framing: RFC 9110, 9.3.6
            client.send(b"hello")
            assert client.read(5) == b"hello"
            client.end()                                     # half of it: the other side still speaks
            assert client.rest() == b""
        assert logged(weir, 1) == [f"CONNECT {origin.address} 200 5 5 - -"]
        assert weir.metric("weir_connect_tunnels_total") == 1
        assert weir.metric("weir_connect_tunnels") == 0


def test_bytes_sent_behind_connect_are_not_lost():
    with wire.Origin(echo) as origin, proxy(f"ports = {origin.port}") as weir:
        with connect(weir, origin.address, behind=b"early") as client:
            client.end()
            assert client.head().startswith(b"HTTP/1.1 200 ")
            assert client.rest() == b"early"


def test_the_origin_may_speak_first_and_end_first():
    def greet(connection):
        connection.send(b"220 hello\r\n")
        connection.end()
        connection.until(b"\n")

    with wire.Origin(greet) as origin, proxy(f"ports = {origin.port}") as weir:
        with connect(weir, origin.address) as client:
            client.head()
            assert client.rest() == b"220 hello\r\n"
            client.send(b"bye\n")
            scene.until(lambda: origin.received == b"bye\n", "the other half went on")


def test_much_passes_in_both_directions_at_once():
    size = 4 << 20
    with wire.Origin(echo) as origin, proxy(f"ports = {origin.port}") as weir:
        with connect(weir, origin.address) as client:
            client.head()
            threading.Thread(target=lambda: (client.send(b"x" * size), client.end()), daemon=True).start()
            assert len(client.rest()) == size
        assert logged(weir, 1) == [f"CONNECT {origin.address} 200 {size} {size} - -"]


def test_spelling_of_targets():
    with wire.Origin(echo) as origin, proxy(f"ports = {origin.port}", allow="LocalHost 127.0.0.1") as weir:
        assert status_of(weir, f"LOCALHOST:{origin.port}") == 200
        assert status_of(weir, f"localhost.:{origin.port}") in (200, 502)     # allowed; the name may have no address
        for bad in ("localhost", "localhost:", "localhost:0x50", "localhost:99999", ":443", "a@localhost:443", "http://localhost/",
                    "/", "[::1:443", "[::1%25lo]:443", "localhost:443/x"):
            assert status_of(weir, bad) == 400, bad
        assert status_of(weir, "localhost:0") == 403
        assert status_of(weir, "localhost:00") == 403
        assert status_of(weir, "127.1:443") == 403
        with wire.connect(weir) as client:
            client.send(f"connect localhost:{origin.port} HTTP/1.1\r\nHost: a\r\n\r\n")
            assert wire.status(client.head()) == 400          # another method, with a target that is none of its own


def test_a_tunnel_to_ipv6():
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener, proxy(f"ports = {listener.getsockname()[1]}", networks="networks = ::1") as weir:
        with connect(weir, f"[0:0::1]:{listener.getsockname()[1]}", behind=b"six") as client:
            assert wire.status(client.head()) == 200
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(scene.PATIENCE)
                assert peer.recv(3) == b"six"
        assert status_of(weir, f"127.0.0.1:{listener.getsockname()[1]}") == 403


@pytest.mark.parametrize("fields", ["Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n"])
def test_connect_with_a_body_is_refused(fields):
    with wire.Origin(echo) as origin, proxy(f"ports = {origin.port}") as weir:
        with connect(weir, origin.address, fields, b"body") as client:
            assert wire.status(client.head()) == 400
        assert origin.connections == []


def test_a_target_that_refuses_or_stalls():
    full, gone = scene.claim(), scene.claim()
    full.listen(0)
    port = gone.getsockname()[1]
    with full, gone, contextlib.ExitStack() as stack, proxy(f"ports = {port} {full.getsockname()[1]}", "connect_timeout = 1s") as weir:
        for _ in range(4):                                   # its backlog is full: nobody answers any more
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        assert status_of(weir, f"127.0.0.1:{port}") == 502
        assert status_of(weir, f"127.0.0.1:{full.getsockname()[1]}") == 504
        assert "connecting took too long" in logged(weir, 2)[1]
        assert weir.metric("weir_connect_tunnels") == 0


def test_a_connection_is_never_shared_between_tunnels():
    with wire.Origin(wire.polite) as origin, proxy(f"ports = {origin.port}", f"http_ports = {origin.port}") as weir:
        with wire.connect(weir) as plain:
            plain.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n\r\n")
            assert wire.body_of(plain)[0] == 200               # its connection is kept
            for _ in range(3):
                assert status_of(weir, origin.address) == 200
            scene.until(lambda: len(origin.connections) == 4, "one for each tunnel")
            plain.send(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n\r\n")
            assert wire.body_of(plain)[0] == 200
            assert len(origin.connections) == 4


def test_a_tunnel_outlives_a_reload():
    with wire.Origin(echo) as origin, proxy(f"ports = {origin.port}") as weir:
        with connect(weir, origin.address) as client:
            client.head()
            weir.reload(INI % "respond.status = 200\n[module respond]")
            client.send(b"still")
            assert client.read(5) == b"still"
            assert status_of(weir, origin.address) == 501    # a page with 200 would be taken for a tunnel


# --- bounds ----------------------------------------------------------------------------------------------------------------


def test_silence_time_and_bytes_are_bounded():
    with wire.Origin(echo) as origin:
        with proxy(f"ports = {origin.port}", "idle = 200ms") as weir, connect(weir, origin.address) as client:
            client.head()
            assert client.rest() == b""
            assert "silent for too long" in logged(weir, 1)[0]
        with proxy(f"ports = {origin.port}", "total = 300ms") as weir, connect(weir, origin.address) as client:
            client.head()
            begun = time.monotonic()
            with contextlib.suppress(OSError):
                while True:                                  # never silent
                    client.send(b"x")
                    if not client.more():
                        break
                    time.sleep(0.02)
            assert time.monotonic() - begun < 10
            assert "over its time" in logged(weir, 1)[0]
        with proxy(f"ports = {origin.port}", "bytes = 1K") as weir, connect(weir, origin.address) as client:
            client.head()
            with contextlib.suppress(OSError):
                client.send(b"x" * 4096)
            client.rest_cut()
            assert "more bytes than it may" in logged(weir, 1)[0]


def test_tunnels_of_one_client_and_in_all_are_bounded():
    with wire.Origin(echo) as origin:
        for bound in ("tunnels_per_client", "tunnels"):
            with proxy(f"ports = {origin.port}", f"{bound} = 2") as weir, contextlib.ExitStack() as stack:
                clients = [stack.enter_context(connect(weir, origin.address)) for _ in range(2)]
                assert [wire.status(client.head()) for client in clients] == [200, 200]
                assert status_of(weir, origin.address) == 503
                clients[0].close()
                scene.until(lambda: weir.metric("weir_connect_tunnels") == 1, "one has ended")
                assert status_of(weir, origin.address) == 200
                assert weir.metric("weir_connect_limited_total") == 1


# --- where to --------------------------------------------------------------------------------------------------------------


def test_who_is_led_to_another_route_keeps_no_place():
    weir = scene.Weir("""
[module route]
[module meddler]
[module connect]
networks = 127.0.0.0/8
[route proxy]
match = proxied.test/*
connect.allow = proxied.test
[route other]
match = other.test/*
""", modules=[scene.MODULES])
    with weir:
        assert status_of(weir, "proxied.test:443", "Meddle: cache=to:other.test:443\r\n") == 501
        assert status_of(weir, "proxied.test:443", "Meddle: cache=to:nowhere.test:443\r\n") == 404
        assert weir.metric("weir_connect_tunnels_total") == 2
        scene.until(lambda: weir.metric("weir_connect_tunnels") == 0, "none of them is counted any longer")


def test_without_allow_nothing_is_proxied():
    with wire.Origin(echo) as origin, scene.Weir(INI % "connect.networks = all\nconnect.ports = 1 2") as weir:
        assert status_of(weir, origin.address) == 501
        assert b" 404 " in weir.say(f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n"
                                    "Connection: close\r\n\r\n".encode())
        assert origin.connections == []


def test_names_and_ports_that_are_not_allowed():
    with wire.Origin(echo) as origin, proxy(f"ports = {origin.port}", allow="a.example *.b.example 127.0.0.2") as weir:
        for target in (origin.address, f"b.example:{origin.port}", f"127.0.0.2:{origin.port + 1}", f"a.example.evil:{origin.port}"):
            assert status_of(weir, target) == 403, target
        assert origin.connections == []
        assert f"127.0.0.2:{origin.port + 1} is not allowed" in logged(weir, 4)[2]


@pytest.mark.parametrize("target", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "0.0.0.0", "[::]",
                                    "192.168.1.1", "[fe80::1]", "[64:ff9b::7f00:1]", "localhost", "127.1", "2130706433", "0x7f.1"])
def test_private_addresses_are_refused_by_default(target, inside):
    origin, weir = inside
    assert status_of(weir, f"{target}:{origin.port}") in (403, 502)     # 502: it is a name, and there is none
    if target in ("localhost", "127.0.0.1", "10.0.0.1"):
        assert status_of(weir, f"{target}:{origin.port}") == 403
    assert origin.connections == []


@pytest.fixture(scope="module", name="inside")
def _inside():
    with names({}) as (resolver, _), wire.Origin(echo, ("0.0.0.0", 0)) as origin:
        with proxy(f"ports = {origin.port}", networks=None, process=resolver) as weir:
            yield origin, weir


def test_a_name_that_leads_inside_does_not():
    """DNS rebinding: what a name's owner puts into DNS is looked at for each connection, not once."""
    table = {"rebind.example": ["127.0.0.1"], "mixed.example": ["10.1.2.3", "127.0.0.1"]}
    with names(table) as (resolver, asked), wire.Origin(echo) as origin:
        with proxy(f"ports = {origin.port}", f"http_ports = {origin.port}", networks=None, process=resolver) as weir:
            assert status_of(weir, f"rebind.example:{origin.port}") == 403
            assert status_of(weir, f"mixed.example:{origin.port}") == 403
            assert b" 403 " in weir.say(f"GET http://rebind.example:{origin.port}/ HTTP/1.1\r\nHost: rebind.example:{origin.port}\r\n"
                                        "Connection: close\r\n\r\n".encode())
            assert "none of its addresses may be connected to" in logged(weir, 3)[0]
        assert origin.connections == []
        with proxy(f"ports = {origin.port}", process=resolver) as weir:
            assert status_of(weir, f"rebind.example:{origin.port}") == 200
            assert status_of(weir, f"mixed.example:{origin.port}") == 200     # by the address that is permitted
            assert status_of(weir, f"none.example:{origin.port}") == 502
        assert "rebind.example" in asked


def test_what_is_refused_is_never_looked_up():
    with names({"a.example": ["127.0.0.1"]}) as (resolver, asked):
        with proxy(allow="b.example", process=resolver) as weir:
            assert status_of(weir, "a.example:443") == 403
        assert asked == []


def test_what_is_sent_behind_a_refused_connect_is_no_request():
    with wire.Origin(wire.polite) as origin, proxy(f"http_ports = {origin.port}", "user = ann:secret") as weir:
        behind = f"GET http://{origin.address}/ HTTP/1.1\r\nHost: {origin.address}\r\n{basic('ann:secret')}\r\n".encode()
        for fields, status in ((basic("ann:secret"), 403), ("", 407)):
            with connect(weir, "127.0.0.1:1", fields, behind) as client:
                head = client.head()
                assert wire.status(head) == status and b"Connection: close" in head
                assert b"HTTP/1.1" not in client.rest()
        assert origin.connections == []


# --- who -------------------------------------------------------------------------------------------------------------------


def basic(text):
    return "Proxy-Authorization: Basic " + base64.b64encode(text.encode()).decode() + "\r\n"


def test_credentials_are_asked_for_and_not_passed_on():
    with wire.Origin(wire.polite) as origin:
        weir = scene.Weir(INI % f"connect.allow = *\nconnect.networks = all\nconnect.ports = {origin.port}\n"
                          f"connect.http_ports = {origin.port}\nconnect.user = ann:secret\nconnect.users = {{folder}}/users")
        with open(weir.path("users"), "w", encoding="utf-8") as f:
            f.write("# of the file\nbob:b:c\n")
        os.chmod(weir.path("users"), 0o600)
        with weir:
            with connect(weir, origin.address) as client:
                head = client.head()
                assert wire.status(head) == 407
                assert b'\r\nProxy-Authenticate: Basic realm="Weir", charset="UTF-8"\r\n' in head
                client.read(len(b"407 Proxy Authentication Required\n"))
                client.send(f"CONNECT {origin.address} HTTP/1.1\r\nHost: {origin.address}\r\n" + basic("ann:secret") + "\r\n")
                assert wire.status(client.head()) == 200     # on the same connection
            for wrong in ("ann:Secret", "ann:", "ann", ":secret", "bob:b", "ann:secret\0"):
                assert status_of(weir, origin.address, basic(wrong)) == 407, wrong
            assert status_of(weir, origin.address, basic("bob:b:c")) == 200
            answer = weir.say((f"GET http://{origin.address}/x HTTP/1.1\r\nHost: {origin.address}\r\nConnection: close\r\n"
                               + basic("bob:b:c") + "\r\n").encode())
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"authorization" not in origin.received.lower()
            assert sum(" bob " in line for line in logged(weir, 10)) == 2
            assert scene.until(lambda: weir.metric("weir_connect_unauthorised_total") == 7, "all were counted")
            assert "secret" not in subprocess.run(weir.command("-T"), capture_output=True, text=True, timeout=scene.PATIENCE,
                                                  check=True).stdout


def test_a_file_of_users_that_cannot_be_read():
    code, said = scene.check(INI % "connect.allow = *\nconnect.users = {folder}/none")
    assert code != 0 and "cannot read none: No such file or directory" in said, said


# --- absolute-form ---------------------------------------------------------------------------------------------------------


def test_requests_in_absolute_form_go_to_their_authority():
    with wire.Origin(wire.polite) as origin, wire.Origin(wire.polite) as other:
        with proxy(f"http_ports = {origin.port} {other.port}", networks="networks = all") as weir, wire.connect(weir) as client:
            for to, path in ((origin, "/a?b=c"), (other, "/d"), (origin, "/e")):
                client.send(f"GET http://{to.address}{path} HTTP/1.1\r\nHost: {to.address}\r\nProxy-Connection: keep-alive\r\n\r\n")
                assert wire.body_of(client) == (200, path.encode())
            assert origin.received.startswith(f"GET /a?b=c HTTP/1.1\r\nHost: {origin.address}\r\n".encode())
            assert b"Proxy-Connection" not in origin.received
            assert len(origin.connections) == 1                # kept, and found again
            client.send("GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
            assert wire.body_of(client)[0] == 501
            client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            assert wire.body_of(client)[0] == 404              # for us, and we have nothing
            client.send("GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n")
            assert wire.body_of(client)[0] == 403


def test_a_kept_connection_is_not_used_where_its_address_is_forbidden():
    with wire.Origin(wire.polite) as origin:
        ini = INI % f"connect.allow = *\nconnect.networks = all\nconnect.http_ports = {origin.port}" + """
[route strict]
match = localhost/strict/*
connect.allow = *
connect.http_ports = %d
""" % origin.port
        with scene.Weir(ini) as weir, wire.connect(weir) as client:
            for path, status in (("/open", 200), ("/strict/", 403), ("/open", 200)):
                client.send(f"GET http://localhost:{origin.port}{path} HTTP/1.1\r\nHost: localhost:{origin.port}\r\n\r\n")
                assert wire.body_of(client)[0] == status


# --- what a tunnel says first ----------------------------------------------------------------------------------------------


def hello(name=None):
    extension = b"" if name is None else struct.pack(">HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name.encode()
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + struct.pack(">H", len(extension)) + extension
    message = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\3\1" + struct.pack(">H", len(message)) + message


@contextlib.contextmanager
def matching():
    with names({"a.example": ["127.0.0.1"]}) as (resolver, _), wire.Origin(echo) as origin:
        with proxy(f"ports = {origin.port}", "sni = match", process=resolver) as weir:
            yield weir, origin


def test_the_sni_must_be_the_target_s():
    with matching() as (weir, origin):
        with connect(weir, f"A.example:{origin.port}", behind=hello("A.Example")[:20]) as client:
            client.head()
            client.send(hello("A.Example")[20:] + b"more")
            assert client.read(len(hello("A.Example")) + 4) == hello("A.Example") + b"more"
        with connect(weir, origin.address, behind=hello()) as client:
            client.head()
            assert client.read(len(hello())) == hello()
        seen = len(origin.received)
        for target, first in ((f"a.example:{origin.port}", hello("b.example")), (f"a.example:{origin.port}", hello()),
                              (origin.address, hello("a.example")), (f"a.example:{origin.port}", b"GET / HTTP/1.1\r\n\r\n"),
                              (f"a.example:{origin.port}", b"\x16\3\1\0\0")):
            with connect(weir, target, behind=first) as client:
                client.head()
                assert client.rest_cut() == (b"", True)
        with connect(weir, f"a.example:{origin.port}", behind=hello("a.example")[:-1]) as client:
            client.head()
            client.end()
            client.rest_cut()
        text = "\n".join(logged(weir, 8))
        assert text.count("the tunnel is for a.example, and its ClientHello for b.example") == 1
        assert text.count("the tunnel is for a.example, and its ClientHello for no name") == 1
        assert text.count("the tunnel is for no name, and its ClientHello for a.example") == 1
        assert text.count("no good ClientHello") == 2
        assert text.count("ended within its ClientHello") == 1
        assert len(origin.received) == seen


def test_who_says_nothing_in_a_matching_tunnel_may_end_it():
    with matching() as (weir, origin), connect(weir, f"a.example:{origin.port}") as client:
        client.head()
        client.end()
        assert client.rest() == b""


# --- real clients ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="tls")
def _tls(tmp_path_factory):
    """openssl s_server with a certificate of its own, which answers every request with a page."""
    folder = tmp_path_factory.mktemp("tls")
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                           "/CN=a.example", "-addext", "subjectAltName=DNS:a.example", "-keyout", "key", "-out", "cert"],
                          cwd=folder, capture_output=True, timeout=scene.PATIENCE, check=False)
    assert made.returncode == 0, made.stderr
    port = proxies.free_port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-key", "key", "-cert", "cert", "-www"],
                              cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def listens():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    scene.until(listens, "s_server listens")
    yield port, str(folder / "cert")
    server.terminate()
    server.wait(scene.PATIENCE)


def test_curl_and_openssl_through_the_proxy(tls):
    port, certificate = tls
    with names({"a.example": ["127.0.0.1"]}) as (resolver, _):
        with proxy(f"ports = {port}", "sni = match", "user = ann:secret", process=resolver) as weir:
            got = subprocess.run(["curl", "-sS", "--cacert", certificate, "-x", f"http://ann:secret@127.0.0.1:{weir.port()}",
                                  f"https://a.example:{port}/"], capture_output=True, timeout=scene.PATIENCE, check=False)
            assert got.returncode == 0 and b"s_server" in got.stdout, got
            got = subprocess.run(["openssl", "s_client", "-proxy", f"127.0.0.1:{weir.port()}", "-proxy_user", "ann", "-proxy_pass",
                                  "pass:secret", "-connect", f"a.example:{port}", "-servername", "a.example", "-CAfile", certificate,
                                  "-verify_return_error"], input=b"GET / HTTP/1.0\r\n\r\n", capture_output=True,
                                 timeout=scene.PATIENCE, check=False)
            assert b"Verify return code: 0" in got.stdout, got
            got = subprocess.run(["curl", "-sS", "-k", "-x", f"http://127.0.0.1:{weir.port()}", f"https://a.example:{port}/"],
                                 capture_output=True, timeout=scene.PATIENCE, check=False)
            assert b"407" in got.stderr


@contextlib.contextmanager
def proxy_by_tls(folder, *lines):
    identity = certificates.Identity("proxy", names=["127.0.0.1", "proxy.test"])
    identity.save(str(folder))
    weir = scene.Weir(INI % "\n".join(f"connect.{line}" for line in lines))
    text = weir.read("weir.ini").replace("[listen web]\n", f"[certificate proxy]\nhost = proxy.test\ncertificate = {folder}/proxy.pem\n"
                                         f"key = {folder}/proxy.key\n[listen web]\ntls = yes\n", 1)
    with open(weir.path("weir.ini"), "w", encoding="utf-8") as f:
        f.write(text)
    with weir:
        yield weir


def test_the_proxy_itself_may_be_spoken_to_by_tls(tls, tmp_path):
    port, certificate = tls
    with proxy_by_tls(tmp_path, "allow = *", "networks = all", f"ports = {port}", f"http_ports = {port}") as weir:
        got = subprocess.run(["curl", "-sSk", "--proxy-insecure", "--resolve", f"a.example:{port}:127.0.0.1", "-x",
                              f"https://127.0.0.1:{weir.port()}", f"https://127.0.0.1:{port}/"],
                             capture_output=True, timeout=scene.PATIENCE, check=False)
        assert got.returncode == 0 and b"s_server" in got.stdout, got
        assert certificate


@contextlib.contextmanager
def tunnel_in_tls(weir, target):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as raw:
        client = context.wrap_socket(raw, server_hostname="proxy.test")
        client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        yield client


@pytest.mark.parametrize("first", [b"", hello()[:20]], ids=["nothing", "a-part"])
def test_who_is_gone_without_an_end_of_tls_says_nothing_in_a_matching_tunnel(tmp_path, first):
    with wire.Origin(echo) as origin:
        with proxy_by_tls(tmp_path, "allow = *", "networks = all", f"ports = {origin.port}", "sni = match") as weir:
            with tunnel_in_tls(weir, origin.address) as client:
                client.sendall(first)
                client.shutdown(socket.SHUT_WR)      # of the socket alone
                assert "one side of the tunnel broke" in logged(weir, 1)[0]
            assert b"" == origin.received


def test_ends_and_much_through_a_tunnel_that_begins_in_tls(tmp_path):
    size = 2 << 20
    with wire.Origin(lambda c: (c.rest(), c.send(b"all of it"))) as origin:
        with proxy_by_tls(tmp_path, "allow = *", "networks = all", f"ports = {origin.port}") as weir:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as raw:
                client = context.wrap_socket(raw, server_hostname="proxy.test")
                client.sendall(f"CONNECT {origin.address} HTTP/1.1\r\nHost: {origin.address}\r\n\r\nearly".encode())
                assert client.recv(100).startswith(b"HTTP/1.1 200 ")
                client.sendall(b"x" * size)
                with contextlib.suppress(ssl.SSLError):      # what still comes is no close_notify
                    client.unwrap()
                scene.until(lambda: len(origin.received) == size + 5, "the end was passed on behind all bytes")
            scene.until(lambda: origin.connections[0].ended, "and seen")
