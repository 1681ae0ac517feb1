#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS that is passed through: routed by the name that a ClientHello asks for, read by nobody on the way."""
import contextlib
import socket
import ssl
import struct
import subprocess
import threading

import pytest

import proxies
import scene
import wire

INI = """
[module route]
[module access]
[module balance]
[module respond]
[module accesslog]
file = {folder}/access.log
format = ${method} ${host} ${scheme} ${target} ${status} ${bytes_received} ${bytes_sent} ${route} ${failure}
[upstream a]
server = %(a)s
[upstream b]
server = %(dead)s
server = %(b)s
[route a]
match = a.example/*
upstream = a
[route b]
match = *.b.example:443/*
upstream = b
%(silence)s
[route page]
match = page.example/*
respond.status = 200
[route guarded]
match = guarded.example/*
upstream = a
access.rule = deny all
%(more)s
"""


@pytest.fixture(scope="module", name="origins")
def _origins(tmp_path_factory):
    """Two origins with TLS, each with a certificate for its name; they answer each line with their name and the line."""
    folder = tmp_path_factory.mktemp("tls")
    with contextlib.ExitStack() as stack:
        ports = {}
        for name in ("a.example", "x.b.example"):
            made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                                   f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", f"{name}.key", "-out",
                                   f"{name}.crt"], cwd=folder, capture_output=True, timeout=scene.PATIENCE, check=False)
            assert made.returncode == 0, made.stderr
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
            context.set_alpn_protocols(["weir-test"])

            def talk(connection, _, context=context, name=name):
                with context.wrap_socket(connection.dup(), server_side=True) as tls, tls.makefile("rb") as stream:
                    for line in stream:
                        tls.sendall(f"{name}: ".encode() + line)

            ports[name] = stack.enter_context(scene.Peer(talk)).address
        yield folder, ports


@contextlib.contextmanager
def passing(origins, more="", listen="", modules="", silence=""):
    folder, ports = origins
    dead = proxies.free_port()
    weir = scene.Weir(modules + INI % {"a": ports["a.example"], "b": ports["x.b.example"], "dead": f"127.0.0.1:{dead}", "more": more,
                                      "silence": silence})
    text = weir.read("weir.ini").replace("[listen web]\n", f"[listen web]\ntls = passthrough\n{listen}\n", 1)
    with open(weir.path("weir.ini"), "w", encoding="utf-8") as f:
        f.write(text)
    with weir:
        weir.certificates = folder
        yield weir


def trusting(weir, name):
    return ssl.create_default_context(cafile=str(weir.certificates / f"{name}.crt"))


def ask(weir, name, line=b"hello\n"):
    context = trusting(weir, name)
    context.set_alpn_protocols(["weir-test"])
    with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as raw:
        with context.wrap_socket(raw, server_hostname=name) as tls, tls.makefile("rb") as stream:
            assert tls.selected_alpn_protocol() == "weir-test"
            tls.sendall(line)
            return stream.readline()


def hello(name=None, more=b""):
    extension = b"" if name is None else struct.pack(">HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name.encode()
    extension += more
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + struct.pack(">H", len(extension)) + extension
    message = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\3\1" + struct.pack(">H", len(message)) + message


def alert_of(client):
    """The description of the alert that ends the connection; None where there is none."""
    said = client.rest_cut()[0]
    assert said == b"" or (len(said) == 7 and said.startswith(b"\x15\3\1\0\2\2")), said
    return said[6] if said else None


def turned_away(weir, first):
    with wire.connect(weir) as client:
        client.send(first)
        return alert_of(client)


def logged(weir, count):
    scene.until(lambda: weir.read("access.log").count("\n") >= count, f"{count} lines")
    return weir.read("access.log").splitlines()


def test_each_name_leads_to_its_origin_and_its_certificate(origins):
    with passing(origins) as weir:
        assert ask(weir, "a.example") == b"a.example: hello\n"
        logged(weir, 1)                                                # its origin has heard of its end, too
        assert ask(weir, "x.b.example") == b"x.b.example: hello\n"     # its first server is dead, and the second is tried
        lines = logged(weir, 2)
        assert lines[0].startswith("TLS a.example https / 200 ") and lines[0].endswith(" a -")
        received, sent = (int(word) for word in lines[0].split()[5:7])
        assert received > 300 and sent > 500
        assert lines[1].startswith("TLS x.b.example https / 200 ")
        assert weir.metric("weir_tunnels_total") == 2


def test_what_is_routed_nowhere_gets_an_alert(origins):
    with passing(origins) as weir:
        assert turned_away(weir, hello("other.example")) == 112
        assert turned_away(weir, hello()) == 112
        assert turned_away(weir, hello("guarded.example")) == 49
        assert turned_away(weir, hello("page.example")) == 40         # a page is HTTP
        assert turned_away(weir, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") == 50
        lines = logged(weir, 5)
        assert lines[0].startswith("TLS other.example https / 404 0 0 - no route matches")
        assert lines[1].startswith("TLS  https / 404 0 0 ")
        assert " 403 0 0 guarded " in lines[2]
        assert lines[3].endswith("an answer of HTTP is none to TLS that is passed through")
        assert lines[4].endswith("it is no record of a TLS handshake")


def test_without_a_name_the_route_of_all_hosts_is_taken(origins):
    with passing(origins, more="[route all]\nmatch = */*\nupstream = a") as weir:
        context = trusting(weir, "a.example")
        context.check_hostname = False
        with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as raw, context.wrap_socket(raw) as tls:
            tls.sendall(b"x\n")
            assert tls.recv(100) == b"a.example: x\n"


def test_an_origin_that_is_not_there(origins):
    port = proxies.free_port()
    more = f"[upstream gone]\nserver = 127.0.0.1:{port}\n[route gone]\nmatch = gone.example/*\nupstream = gone"
    with passing(origins, more=more) as weir:
        assert turned_away(weir, hello("gone.example")) == 80
        assert " 502 0 0 gone " in logged(weir, 1)[0]


def test_an_upstream_with_tls_of_its_own_is_a_mistake(origins):
    more = (f"[upstream own]\nserver = {origins[1]['a.example']}\ntls = yes\nverify = no\n"
            "[route own]\nmatch = own.example/*\nupstream = own")
    with passing(origins, more=more) as weir:
        assert turned_away(weir, hello("own.example")) == 80
        assert " 500 0 0 own what is passed through is TLS already" in logged(weir, 1)[0]


def test_a_hello_in_pieces_and_in_many_records(origins):
    """The bytes reach the origin as they were sent, all of them and in their order."""
    with wire.Origin(lambda c: (c.read(10 ** 6))) as origin:
        more = f"[upstream raw]\nserver = {origin.address}\n[route raw]\nmatch = raw.example/*\nupstream = raw"
        message = hello("raw.example")[5:]
        many = b"".join(b"\x16\3\1\0\1" + message[i:i + 1] for i in range(len(message)))
        large = hello("raw.example", struct.pack(">HH", 21, 12000) + bytes(12000))
        with passing(origins, more=more) as weir:
            for first in (many, large):
                with wire.connect(weir) as client:
                    for i in range(0, len(first) - 1, len(first) // 40):
                        client.send(first[i:min(i + len(first) // 40, len(first) - 1)])
                    assert not any(first in c.received for c in origin.connections)
                    client.send(first[-1:] + b"behind")
                    scene.until(lambda first=first: any(c.received == first + b"behind" for c in origin.connections), "all came")


def test_a_hello_that_never_ends_is_bounded(origins):
    message = hello("a.example")[5:]
    with passing(origins) as weir:
        assert turned_away(weir, b"\x16\3\1\0\1\1" + b"\x16\3\1\0\4\0\xff\xff\xff") == 50
        assert turned_away(weir, (b"\x16\3\1\0\1" + message[:1]) + b"\x16\3\1\0\3\0\x3f\xff" + b"\x16\3\1\0\1\0" * 5500) == 50
        assert "too many pieces" in logged(weir, 2)[1]


def test_a_slow_hello_is_bounded(origins):
    with passing(origins, listen="head_timeout = 300ms") as weir, wire.connect(weir) as silent, wire.connect(weir) as slow:
        slow.send(hello("a.example")[:-1])
        assert slow.rest_cut()[0] == b"" and silent.rest_cut()[0] == b""
        scene.until(lambda: weir.metric("weir_client_connections") == 0, "all are gone")


def test_who_leaves_within_its_hello(origins):
    with passing(origins) as weir:
        assert weir.say(hello("a.example")[:-1]) == b""
        scene.until(lambda: weir.metric("weir_client_connections") == 0, "it is gone")
        assert weir.metric("weir_requests_total") == 0


def test_silence_is_bounded_by_the_route(origins):
    with passing(origins, silence="tunnel_timeout = 2s") as weir:
        context = trusting(weir, "x.b.example")
        with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as raw:
            with context.wrap_socket(raw, server_hostname="x.b.example", suppress_ragged_eofs=True) as tls:
                assert tls.recv(1) == b""
        assert "silent for too long" in logged(weir, 1)[0]


def test_it_outlives_a_reload(origins):
    with passing(origins) as weir:
        with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as raw, wire.connect(weir) as half:
            half.send(hello("a.example")[:50])
            with trusting(weir, "a.example").wrap_socket(raw, server_hostname="a.example") as tls:
                code, said = weir.ctl("reload")
                assert code == 0, said
                tls.sendall(b"still\n")
                assert tls.recv(100) == b"a.example: still\n"
            half.send(hello("a.example")[50:])
            assert half.more() != b""      # the origin has seen it


def test_a_proxy_header_in_front_of_the_hello(origins):
    modules = "[module proxy_protocol]\naccept = 127.0.0.1\n"
    with passing(origins, modules=modules, more="[route only]\nmatch = only.example/*\nupstream = a\naccess.rule = deny 192.0.2.7") as weir:
        header = b"PROXY TCP4 192.0.2.7 198.51.100.1 1 443\r\n"
        assert turned_away(weir, header + hello("only.example")) == 49
        with wire.connect(weir) as client:
            client.send(header + hello("a.example"))
            assert client.more()[:1] in (b"\x16", b"\x15")     # the origin's, not ours
        assert logged(weir, 2)[1].startswith("TLS a.example https / 200 ")


def test_the_origin_may_be_told_of_the_client(origins):
    with wire.Origin(lambda c: c.read(10 ** 6)) as origin:
        more = (f"[upstream told]\nserver = {origin.address}\nproxy_protocol.send = v2\n"
                "[route told]\nmatch = told.example/*\nupstream = told")
        with passing(origins, modules="[module proxy_protocol]\naccept = 127.0.0.1\n", more=more) as weir, wire.connect(weir) as client:
            client.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 7 443\r\n" + hello("told.example"))
            told = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1")
                    + struct.pack(">HH", 7, 443))
            scene.until(lambda: origin.received == told + hello("told.example"), "the header, then the hello")


def test_many_at_once_on_several_threads(origins):
    folder, ports = origins
    ini = INI % {"a": ports["a.example"], "b": ports["x.b.example"], "dead": ports["x.b.example"], "more": "", "silence": ""}
    weir = scene.Weir(ini, threads=2)
    text = weir.read("weir.ini").replace("[listen web]\n", "[listen web]\ntls = passthrough\n", 1)
    with open(weir.path("weir.ini"), "w", encoding="utf-8") as f:
        f.write(text)
    with weir:
        weir.certificates = folder
        failed = []

        def client(name):
            try:
                for _ in range(4):
                    assert ask(weir, name) == name.encode() + b": hello\n"
            except Exception as e:     # pylint: disable=broad-except
                failed.append(repr(e))

        clients = [threading.Thread(target=client, args=(name,)) for name in ("a.example", "x.b.example") * 4]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join(scene.PATIENCE)
        assert failed == []
        scene.until(lambda: weir.metric("weir_tunnels_total") == 32, "all were counted")


@pytest.mark.parametrize("command", [
    ["curl", "-sSN", "--http0.9", "--cacert", "{folder}/a.example.crt", "--resolve", "a.example:{port}:127.0.0.1",
     "https://a.example:{port}/"],
    ["openssl", "s_client", "-connect", "127.0.0.1:{port}", "-servername", "a.example", "-CAfile", "{folder}/a.example.crt",
     "-verify_return_error", "-quiet"],
    ["gnutls-cli", "--x509cafile", "{folder}/a.example.crt", "--sni-hostname", "a.example", "--verify-hostname", "a.example", "-p",
     "{port}", "127.0.0.1"]])
def test_clients_of_three_libraries(origins, command):
    with passing(origins) as weir:
        words = [word.format(folder=weir.certificates, port=weir.port()) for word in command]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            said = b""
            try:
                client.stdin.write(b"hello\n")
                client.stdin.flush()
                timer = threading.Timer(scene.PATIENCE, client.kill)
                timer.start()
                while b"a.example: " not in said:
                    piece = client.stdout.read1(4096)
                    assert piece, said
                    said += piece
                timer.cancel()
            finally:
                client.kill()
