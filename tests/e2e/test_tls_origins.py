#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS to origins: whom it is for, what is refused and how the log says so, what is resumed, what is shared."""
import contextlib
import functools
import json
import os
import socket
import ssl
import sys
import threading

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import proxies  # noqa: E402
import scene  # noqa: E402
import wire  # noqa: E402
from certificates import Identity, write  # noqa: E402

INI = """
[module route]
[module accesslog]
file = {{folder}}/access.log
format = json
[upstream origin]
server = {server}
tls = yes
{upstream}
[route all]
match = */*
upstream = origin
"""


class Folder:
    """Authorities, and what they have signed, in files."""

    def __init__(self, path):
        self.path = str(path)
        self.root = Identity("Root", authority=True)
        self.other = Identity("Other", authority=True)
        self.ca = self.save(self.root)[0]
        self.other_ca = self.save(self.other)[0]

    def save(self, identity, name=None):
        return identity.save(self.path, name)

    @functools.lru_cache(maxsize=None)
    def server(self, *names, issuer=None, **more):
        name = f"server-{len(os.listdir(self.path))}"
        return self.save(Identity(name, issuer or self.root, names=names, **more))

    def write(self, name, data):
        return write(os.path.join(self.path, name), data)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("certificates"))


class Origin(wire.Origin):
    """Speaks TLS, then the script; keeps what it saw of each handshake."""

    def __init__(self, files, script=wire.polite, ca=None, alpn=None, address=("127.0.0.1", 0), require=True, **limits):
        super().__init__(self.shake, address)
        self.inner, self.seen = script, []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*files)
        self.context.sni_callback = self.note_sni
        for name, value in limits.items():
            setattr(self.context, name, value)
        if ca is not None:
            self.context.load_verify_locations(ca)
            self.context.verify_mode = ssl.CERT_REQUIRED if require else ssl.CERT_OPTIONAL
        if alpn is not None:
            self.context.set_alpn_protocols(alpn)

    @staticmethod
    def note_sni(sock, name, _):
        sock.asked = name

    def shake(self, connection):
        plain = connection.sock
        try:
            connection.sock = self.context.wrap_socket(plain, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.seen.append({"error": str(error)})
            return
        peer = connection.sock.getpeercert()
        self.seen.append({"sni": getattr(connection.sock, "asked", None), "alpn": connection.sock.selected_alpn_protocol(),
                          "resumed": connection.sock.session_reused, "version": connection.sock.version(),
                          "client": dict(field[0] for field in peer["subject"])["commonName"] if peer else None})
        self.inner(connection)


def polite_once(connection):
    connection.answer(connection.head().split(b" ", 2)[1], fields=b"Connection: close\r\n")


def ini(server, *upstream, more=""):
    return INI.format(server=server, upstream="\n".join(upstream)) + more


def weir_to(server, *upstream, more="", **how):
    return scene.Weir(ini(server, *upstream, more=more), **how)


def failures(weir, count=1):
    """What the access log says went wrong, of that many requests."""
    scene.until(lambda: weir.read("access.log").count("\n") >= count, f"{count} lines in the access log")
    return [json.loads(line)["failure"] for line in weir.read("access.log").splitlines()]


# --- names ---------------------------------------------------------------------------------------------------------------


def test_the_logical_host_is_asked_for_and_verified(made):
    with Origin(made.server("weir.test")) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
        answer = weir.ask("/a", "weir.test")
        assert answer.body == "/a", failures(weir)
        assert origin.seen == [{"sni": "weir.test", "alpn": None, "resumed": False, "version": "TLSv1.3", "client": None}]
        assert weir.ask("/b", "weir.test:8443").body == "/b"
        assert len(origin.seen) == 1        # kept


def test_what_the_operator_names_goes_before_what_the_client_does(made):
    with Origin(made.server("secure.api.test")) as origin:
        for more in ["sni = secure.api.test"], ["host = secure.api.test"], ["host = secure.api.test:443"]:
            with weir_to(origin.address, f"ca = {made.ca}", *more) as weir:
                assert weir.ask("/a", "weir.test").body == "/a", failures(weir)
                assert origin.seen[-1]["sni"] == "secure.api.test"


def test_sni_and_the_verified_name_can_differ(made):
    with Origin(made.server("inner.test")) as origin:
        with weir_to(origin.address, f"ca = {made.ca}", "sni = outer.test", "verify_name = inner.test") as weir:
            assert weir.ask().status == 200, failures(weir)
            assert origin.seen[-1]["sni"] == "outer.test"
        with weir_to(origin.address, f"ca = {made.ca}", "sni =", "verify_name = inner.test") as weir:
            assert weir.ask().status == 200, failures(weir)
            assert origin.seen[-1]["sni"] is None


def test_addresses_are_verified_and_not_sent_as_sni(made):
    with Origin(made.server("127.0.0.1", "::1")) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
        assert weir.ask(host="127.0.0.1").status == 200, failures(weir)
        assert origin.seen[-1]["sni"] is None
        assert weir.ask(host="[::1]:80").status == 200, failures(weir)
        assert weir.ask(host="127.0.0.2").status == 502
        assert "it is not for 127.0.0.2" in failures(weir, 3)[-1]


@pytest.mark.parametrize("host, names", [("a.weir.test", ("*.weir.test",)), ("under_score.weir.test", ("*.weir.test",)),
                                         ("under_score.test", ("under_score.test",)), ("WEIR.test", ("weir.TEST",)),
                                         ("weir.test.", ("weir.test",)), ("b.test", ("a.test", "b.test"))])
def test_names_that_fit(made, host, names):
    with Origin(made.server(*names)) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
        assert weir.ask(host=host).status == 200, failures(weir)


def test_names_that_do_not_fit(made):
    cases = [("weir.test", ("*.weir.test",)), ("a.b.weir.test", ("*.weir.test",)), ("weir.test", ("weir.test.evil",)),
             ("weir.test", ("wwweir.test",)), ("10.0.0.1", ("10.0.0.2",)), ("weir.test", ())]
    for host, names in cases:
        with Origin(made.server(*names)) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
            assert weir.ask(host=host).status == 502, (host, names)
            failure = failures(weir)[0]
            assert failure.startswith(f"{origin.address}: its certificate is not good: it is not for {host}"), failure
            for name in names:
                assert name in failure
            assert "received" not in failure and not origin.connections[0].received.count(b"GET")


def test_without_a_name_there_is_nothing_to_verify(made):
    """HTTP/1.0 without Host: then it is the server's own name that counts, and an address is one."""
    with Origin(made.server("127.0.0.1")) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
        assert wire.status(weir.say(b"GET / HTTP/1.0\r\n\r\n")) == 200, failures(weir)


# --- verification ----------------------------------------------------------------------------------------------------------


def refused(made, files, cause, *upstream, host="weir.test"):
    with Origin(files) as origin, weir_to(origin.address, f"ca = {made.ca}", *upstream) as weir:
        assert weir.ask(host=host).status == 502
        assert failures(weir) == [f"{origin.address}: its certificate is not good: {cause}"]
        assert weir.metric("weir_upstream_idle") == 0
        scene.until(lambda: origin.seen, "the handshake ends")
        assert "error" in origin.seen[0]


def test_an_unknown_authority(made):
    refused(made, made.server("weir.test", issuer=made.other), "it leads to none of the authorities")


def test_a_self_signed_certificate(made):
    refused(made, made.save(Identity("Self", names=["weir.test"])), "it is self-signed, and none of the authorities")


def test_an_authority_of_the_same_name(made):
    refused(made, made.server("weir.test", issuer=Identity("Root", authority=True)), "it leads to none of the authorities")


def test_times(made):
    with Origin(made.server("weir.test", begins=-20, ends=-3)) as old, Origin(made.server("weir.test", begins=3)) as early:
        for origin, said in (old, "it expired on "), (early, "it is not valid before "):
            with weir_to(origin.address, f"ca = {made.ca}") as weir:
                assert weir.ask(host="weir.test").status == 502
                assert failures(weir)[0].startswith(f"{origin.address}: its certificate is not good: {said}2")


def test_a_certificate_for_clients(made):
    refused(made, made.server("weir.test", purpose="client"), "it is not meant for a server")


def test_a_chain_without_its_middle(made):
    middle = Identity("Middle", made.root, authority=True)
    leaf = Identity("Leaf", middle, names=["weir.test"])
    files = made.save(leaf)
    with Origin(files) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
        assert weir.ask(host="weir.test").status == 200, failures(weir)
    made.write("Leaf.pem", leaf.pem)
    refused(made, files, "it leads to none of the authorities")


def test_a_revoked_certificate(made):
    leaf = Identity("Revoked", made.root, names=["weir.test"])
    refused(made, made.save(leaf), "it is revoked", "crl = " + made.write("revoked.crl", made.root.revoke(leaf)))


def test_ca_alone_and_nothing_at_all(made):
    with Origin(made.server("other.test")) as origin:
        with weir_to(origin.address, f"ca = {made.ca}", "verify = ca") as weir:
            assert weir.ask(host="weir.test").status == 200, failures(weir)
        with weir_to(origin.address, f"ca = {made.other_ca}", "verify = ca") as weir:
            assert weir.ask(host="weir.test").status == 502
            assert "it leads to none of the authorities" in failures(weir)[0]
        with weir_to(origin.address, "verify = no") as weir:
            assert weir.ask(host="weir.test").status == 200, failures(weir)
            assert "whoever is on the way" in weir.read("stderr")


def test_by_default_this_machine_s_authorities_count(made):
    with Origin(made.server("weir.test")) as origin, weir_to(origin.address) as weir:
        assert weir.ask(host="weir.test").status == 502
        assert failures(weir) == [f"{origin.address}: its certificate is not good: it leads to none of the authorities"]


# --- the handshake ---------------------------------------------------------------------------------------------------------


def test_versions_and_priorities(made):
    with Origin(made.server("weir.test"), maximum_version=ssl.TLSVersion.TLSv1_2) as origin:
        with weir_to(origin.address, f"ca = {made.ca}") as weir:
            assert weir.ask(host="weir.test").status == 200, failures(weir)
            assert origin.seen[-1]["version"] == "TLSv1.2"
        with weir_to(origin.address, f"ca = {made.ca}", "priority = NORMAL:-VERS-ALL:+VERS-TLS1.3") as weir:
            assert weir.ask(host="weir.test").status == 502
            assert failures(weir)[0].startswith(f"{origin.address}: the TLS handshake failed: ")


def test_alpn(made):
    for alpn, offers, chosen in [(["h2", "http/1.1"], [], "http/1.1"), (["http/1.0"], ["alpn = http/1.1 http/1.0"], "http/1.0"),
                                 (["http/1.1"], ["alpn ="], None), (None, [], None)]:
        with Origin(made.server("weir.test"), alpn=alpn) as origin:
            with weir_to(origin.address, f"ca = {made.ca}", *offers) as weir:
                assert weir.ask(host="weir.test").status == 200, failures(weir)
                assert origin.seen[-1]["alpn"] == chosen


def test_an_origin_that_speaks_no_tls(made):
    for said in b"HTTP/1.1 400 Bad\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b"\x00" * 100, b"":
        with wire.Origin(lambda c, said=said: (c.read(5), c.send(said), c.end(), c.rest())) as origin:
            with weir_to(origin.address, f"ca = {made.ca}") as weir:
                assert weir.ask().status == 502, said
                assert failures(weir)[0].startswith(f"{origin.address}: the TLS handshake failed: "), said


def test_an_origin_that_is_silent(made):
    with wire.Origin(lambda c: c.rest()) as origin:
        with weir_to(origin.address, f"ca = {made.ca}", "connect_timeout = 200ms") as weir:
            assert weir.ask().status == 504
            assert failures(weir) == [f"{origin.address}: TLS with it took too long"]
            scene.until(lambda: origin.connections[0].ended, "the connection is closed")


def test_a_post_waits_for_the_handshake_and_is_whole(made):
    body = os.urandom(2_000_000)

    def echo(connection):
        head = connection.head()
        connection.answer(connection.read(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])))

    with Origin(made.server("weir.test"), echo) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
        assert weir.ask(host="weir.test", method="POST", body=body).body == body.decode("latin-1"), failures(weir)


# --- the end ---------------------------------------------------------------------------------------------------------------


def unframed(clean):
    def talk(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nsome")
        if clean:
            connection.sock = connection.sock.unwrap()
        else:
            socket.socket(fileno=os.dup(connection.sock.fileno())).shutdown(socket.SHUT_RDWR)
    return talk


def test_an_end_that_tls_does_not_tell_is_a_cut(made):
    with Origin(made.server("weir.test"), unframed(True)) as clean, Origin(made.server("weir.test"), unframed(False)) as cut:
        with weir_to(clean.address, f"ca = {made.ca}") as weir:
            assert weir.ask(host="weir.test").body == "some"
        with weir_to(cut.address, f"ca = {made.ca}") as weir, wire.connect(weir) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: weir.test\r\n\r\n")
            answer = client.rest_cut()[0]
            assert not answer.endswith(b"0\r\n\r\n")
            assert weir.metric("weir_upstream_truncated_total") == 1


def test_an_idle_connection_that_is_closed_is_not_used(made):
    def talk(connection):
        connection.answer(connection.head().split(b" ", 2)[1])
        connection.sock.unwrap()

    with Origin(made.server("weir.test"), talk) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
        for path in "/a", "/b":
            assert weir.ask(path, "weir.test").body == path
            scene.until(lambda: weir.metric("weir_upstream_idle") == 0, "it is closed")
        assert len(origin.seen) == 2


# --- resumption ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(made, version):
    with Origin(made.server("weir.test"), polite_once, maximum_version=version) as origin:
        with weir_to(origin.address, f"ca = {made.ca}") as weir:
            for _ in range(3):
                assert weir.ask(host="weir.test").status == 200, failures(weir)
            assert [seen["resumed"] for seen in origin.seen] == [False, True, True]


def test_a_session_is_not_resumed_for_another_identity(made):
    more = "[upstream lax]\nserver = {0}\ntls = yes\nca = {1}\nverify = ca\n[route lax]\nmatch = */lax\nupstream = lax\n"
    with Origin(made.server("weir.test", "b.test"), polite_once) as origin:
        with weir_to(origin.address, f"ca = {made.ca}", more=more.format(origin.address, made.ca)) as weir:
            for path, host in ("/", "weir.test"), ("/", "b.test"), ("/lax", "weir.test"), ("/", "weir.test"), ("/lax", "weir.test"):
                assert weir.ask(path, host).status == 200, failures(weir)
            assert [seen["resumed"] for seen in origin.seen] == [False, False, False, True, True]


def test_a_ticket_that_the_origin_does_not_know_is_no_harm(made):
    files = made.server("weir.test")
    with Origin(files, polite_once) as origin:
        with weir_to(origin.address, f"ca = {made.ca}") as weir:
            assert weir.ask(host="weir.test").status == 200
            origin.context = Origin(files).context      # with other ticket keys
            assert weir.ask(host="weir.test").status == 200, failures(weir)
            assert [seen["resumed"] for seen in origin.seen] == [False, False]


def test_a_changed_authority_ends_what_was_resumed(made):
    """The file of authorities changes under the same name: what was verified by the old ones counts no more."""
    ca = made.write("changing.pem", made.root.pem)
    with Origin(made.server("weir.test")) as origin, weir_to(origin.address, f"ca = {ca}") as weir:
        assert weir.ask(host="weir.test").status == 200
        made.write("changing.pem", made.other.pem)
        weir.reload(ini(origin.address, f"ca = {ca}"))
        scene.until(lambda: weir.ask(host="weir.test").status == 502, "it is judged by the new ones")
        made.write("changing.pem", made.root.pem)
        weir.reload(ini(origin.address, f"ca = {ca}"))
        scene.until(lambda: weir.ask(host="weir.test").status == 200, "and by the old ones again")


def test_a_reload_with_equal_files_keeps_connections(made):
    copy = made.write("copy.pem", made.root.pem)
    with Origin(made.server("weir.test")) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
        assert weir.ask(host="weir.test").status == 200
        weir.reload(ini(origin.address, f"ca = {copy}"))
        assert weir.ask(host="weir.test").status == 200
        assert len(origin.seen) == 1


# --- real origins ----------------------------------------------------------------------------------------------------------


def nginx(files, version):
    port = proxies.free_port()
    conf = f"""
daemon off; pid {{folder}}/pid; error_log {{folder}}/log; worker_processes 1; events {{}}
http {{ access_log off; client_body_temp_path {{folder}}/b; proxy_temp_path {{folder}}/p; fastcgi_temp_path {{folder}}/f;
uwsgi_temp_path {{folder}}/u; scgi_temp_path {{folder}}/s;
server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {files[0]}; ssl_certificate_key {files[1]};
ssl_protocols {version}; ssl_session_cache shared:a:1m; keepalive_requests 1;
location / {{ return 200 "$ssl_protocol $ssl_server_name $ssl_session_reused\\n"; }} }} }}
"""
    return proxies.Program(port, "nginx", "-c", "{folder}/conf", "-p", "{folder}", "-e", "{folder}/log", files=[("conf", conf), ("log", "")])


def s_server(files):
    port = proxies.free_port()
    return proxies.Program(port, "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", files[0], "-cert_chain", files[0],
                           "-key", files[1], "-www")


def gnutls_serv(files):
    port = proxies.free_port()
    return proxies.Program(port, "gnutls-serv", "--port", str(port), "--x509certfile", files[0], "--x509keyfile", files[1], "--http",
                           "--quiet")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_nginx_sees_names_and_resumption(made, version):
    with nginx(made.server("weir.test"), version) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
        assert weir.ask(host="weir.test").body == f"{version} weir.test .\n", failures(weir)
        assert weir.ask(host="weir.test").body == f"{version} weir.test r\n", failures(weir)


@pytest.mark.parametrize("program", [s_server, gnutls_serv])
def test_other_origins(made, program):
    with program(made.server("weir.test")) as origin, weir_to(origin.address, f"ca = {made.ca}") as weir:
        for _ in range(3):
            answer = weir.ask(host="weir.test")
            assert answer.status == 200, failures(weir)
            assert "TLS" in answer.body


# --- what shares a connection, and what never does ----------------------------------------------------------------------------

SHARES = """
[module mtls]
[upstream {name}]
server = {server}
tls = yes
{lines}
[route {name}]
match = */{name}
upstream = {name}
{more}
"""


def test_every_part_of_an_identity_counts(made):
    """Many ways to one origin, each other than the first in one part: all have connections of their own. Those that are
    equal to the first, though their files are others, share its."""
    bundle = made.write("bundle.pem", made.root.pem + made.other.pem)
    mine = made.save(Identity("Weir", made.root, purpose="client", serial=77), "mine")
    theirs = made.save(Identity("Weir", made.other, purpose="client", serial=77), "theirs")
    copies = [made.write("copy" + os.path.basename(path), open(path, "rb").read()) for path in (made.ca, *mine)]
    files = made.server("weir.test", "b.test", "127.0.0.1")
    with contextlib.ExitStack() as stack:
        origin = stack.enter_context(Origin(files, ca=bundle))
        second = stack.enter_context(Origin(files, ca=bundle, address=("127.0.0.2", origin.port)))
        proxy, proxy2 = stack.enter_context(proxies.Proxy()), stack.enter_context(proxies.Proxy())
        base = {"server": f"127.0.0.1:{origin.port}", "host": "weir.test", "ca": made.ca, "sni": "weir.test", "verify": "yes",
                "mtls.certificate": mine[0], "mtls.key": mine[1]}
        ways = {
            "first": {}, "address": {"server": f"127.0.0.2:{origin.port}"}, "local": {"bind": "127.0.0.3"}, "host": {"host": "b.test"},
            "sni": {"sni": "b.test"}, "nosni": {"sni": ""}, "verify": {"verify": "ca"}, "unverified": {"verify": "no"},
            "name": {"verify_name": "b.test"}, "ca": {"ca": bundle}, "alpn": {"alpn": ""}, "priority": {"priority": "NORMAL"},
            "issuer": {"mtls.certificate": theirs[0], "mtls.key": theirs[1]},
            "crl": {"crl": made.write("empty.crl", made.root.revoke())},
            "proxy": {"tunnel.via": proxy.address}, "another": {"tunnel.via": proxy2.address},
            "credentials": {"tunnel.via": proxy.address, "tunnel.authorization": "a:b"},
            "equal": {"ca": copies[0], "mtls.certificate": copies[1], "mtls.key": copies[2]},
        }
        text = TUNNEL
        for name, change in ways.items():
            keys = {**base, **change}
            server = keys.pop("server")
            text += SHARES.format(name=name, server=server, lines="\n".join(f"{key} = {value}" for key, value in keys.items()),
                                  more="").replace("[module mtls]\n", "[module mtls]\n" if name == "first" else "")
        with weir_to(origin.address, more=text) as weir:
            for count, name in enumerate(ways):
                assert weir.ask("/" + name).status == 200, (name, failures(weir))
                assert len(origin.seen) + len(second.seen) == count + (name != "equal"), name
            for name in ways:
                assert weir.ask("/" + name).status == 200, (name, failures(weir))
            assert len(origin.seen) + len(second.seen) == len(ways) - 1
            assert all(seen["client"] == "Weir" for seen in origin.seen + second.seen)


def test_sessions_move_between_threads(made):
    with Origin(made.server("weir.test")) as origin, weir_to(origin.address, f"ca = {made.ca}", threads=4) as weir:
        def ask_often():
            for n in range(25):
                assert weir.ask(f"/{n}", "weir.test").body == f"/{n}"

        askers = [threading.Thread(target=ask_often) for _ in range(4)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(scene.PATIENCE)
        scene.until(lambda: weir.metric("weir_responses_2xx_total") == 100, "all are answered")
        assert weir.metric("weir_upstream_shelved_total") > 0
        assert len(origin.seen) < 50


# --- through proxies --------------------------------------------------------------------------------------------------------

TUNNEL = "[module tunnel]\n"


def tls_proxy(files, **more):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return proxies.Proxy(wrap=lambda sock: context.wrap_socket(sock, server_side=True), **more)


@contextlib.contextmanager
def behind(made, *chain):
    """An origin behind these proxies."""
    with contextlib.ExitStack() as stack:
        origin = stack.enter_context(Origin(made.server("weir.test")))
        for proxy in chain:
            stack.enter_context(proxy)
        yield origin


def test_tls_inside_a_tunnel_is_for_the_logical_host(made):
    proxy = proxies.Proxy()
    with behind(made, proxy) as origin:
        with weir_to("10.255.0.1:443", f"ca = {made.ca}", f"tunnel.via = {proxy.address}", more=TUNNEL) as weir:
            proxy.to = origin.address
            assert weir.ask("/a", "weir.test").body == "/a", failures(weir)
            assert weir.ask("/b", "weir.test").body == "/b"
            assert [head.split()[1] for head in proxy.heads] == ["10.255.0.1:443"]
            assert [seen["sni"] for seen in origin.seen] == ["weir.test"]
            assert weir.ask("/b", "other.test").status == 502
            assert "it is not for other.test" in failures(weir, 3)[-1]
            assert weir.metric("weir_upstream_idle") == 1


@pytest.mark.parametrize("program", [proxies.tinyproxy, proxies.squid])
def test_tls_through_real_proxies(made, program):
    with behind(made) as origin, program() as proxy:
        with weir_to(origin.address, f"ca = {made.ca}", f"tunnel.via = {proxy.address}", more=TUNNEL) as weir:
            assert weir.ask("/a", "weir.test").body == "/a", failures(weir)


def test_tls_to_the_proxy_and_tls_inside(made):
    """Two proxies by TLS, one in the other, and the origin's in both."""
    near, far = tls_proxy(made.server("near.test")), tls_proxy(made.server("127.0.0.1"))
    with behind(made, near, far) as origin:
        chain = [f"tunnel.via = tls://{near.address} sni=near.test", f"tunnel.via = tls://{far.address}", f"tunnel.ca = {made.ca}"]
        with weir_to(origin.address, f"ca = {made.ca}", *chain, more=TUNNEL) as weir:
            for path in "/a", "/b":
                assert weir.ask(path, "weir.test").body == path, failures(weir)
            assert [head.split()[1] for head in near.heads + far.heads] == [far.address, origin.address]
            assert [seen["sni"] for seen in origin.seen] == ["weir.test"]
            assert weir.metric("weir_upstream_idle") == 1


def test_bodies_of_any_size_through_tls_in_tls(made):
    body = os.urandom(3_000_000)

    def echo(connection):
        head = connection.head()
        connection.answer(connection.read(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])))

    proxy = tls_proxy(made.server("near.test"))
    with proxy, Origin(made.server("weir.test"), echo) as origin:
        chain = [f"tunnel.via = tls://{proxy.address} sni=near.test", f"tunnel.ca = {made.ca}"]
        with weir_to(origin.address, f"ca = {made.ca}", *chain, more=TUNNEL) as weir:
            assert weir.ask("/a", "weir.test", "POST", body).body == body.decode("latin-1"), failures(weir)


def test_long_downloads_through_tls_in_tls(made):
    """More than one read takes, so that the outer session may hold what no event announces."""
    body = os.urandom(1 << 20) * 12

    def serve(connection):
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        connection.sock = connection.sock.unwrap()

    proxy = tls_proxy(made.server("near.test"))
    with proxy, Origin(made.server("weir.test"), serve) as origin:
        chain = [f"tunnel.via = tls://{proxy.address} sni=near.test", f"tunnel.ca = {made.ca}"]
        with weir_to(origin.address, f"ca = {made.ca}", *chain, more=TUNNEL) as weir:
            for _ in range(2):
                assert weir.ask("/a", "weir.test").body.encode("latin-1") == body
            assert len(proxy.heads) == 1


def test_a_proxy_s_certificate_that_is_not_good(made):
    proxy = tls_proxy(made.server("near.test"))
    with behind(made, proxy) as origin:
        for chain, cause in [([f"tunnel.via = tls://{proxy.address}", f"tunnel.ca = {made.ca}"], "it is not for 127.0.0.1 but for near.test"),
                             ([f"tunnel.via = tls://{proxy.address} verify=ca", f"tunnel.ca = {made.other_ca}"],
                              "it leads to none of the authorities")]:
            with weir_to(origin.address, f"ca = {made.ca}", *chain, more=TUNNEL) as weir:
                assert weir.ask("/a", "weir.test").status == 502
                assert failures(weir) == [f"{origin.address}: the proxy {proxy.address}: its certificate is not good: {cause}"]
        assert not proxy.heads and not origin.seen
        for words in "verify=ca", "verify=no", "verify_name=near.test":
            with weir_to(origin.address, f"ca = {made.ca}", f"tunnel.via = tls://{proxy.address} {words}", f"tunnel.ca = {made.ca}",
                         more=TUNNEL) as weir:
                assert weir.ask("/a", "weir.test").body == "/a", failures(weir)


def test_a_proxy_that_wants_a_certificate(made):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made.server("near.test"))
    context.load_verify_locations(made.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = made.save(Identity("Egress", made.root, purpose="client"))
    proxy = proxies.Proxy(wrap=lambda sock: context.wrap_socket(sock, server_side=True))
    with behind(made, proxy) as origin:
        via = [f"tunnel.via = tls://{proxy.address} sni=near.test", f"tunnel.ca = {made.ca}"]
        with weir_to(origin.address, f"ca = {made.ca}", *via, more=TUNNEL) as weir:
            assert weir.ask("/a", "weir.test").status == 502
        with weir_to(origin.address, f"ca = {made.ca}", *via, f"tunnel.certificate = {certificate}", f"tunnel.key = {key}",
                     more=TUNNEL) as weir:
            assert weir.ask("/a", "weir.test").body == "/a", failures(weir)


def test_a_proxy_that_is_silent_in_the_handshake(made):
    with wire.Origin(lambda c: c.rest()) as proxy:
        with weir_to("origin.test:443", f"tunnel.via = tls://{proxy.address}", "connect_timeout = 200ms", more=TUNNEL) as weir:
            assert weir.ask().status == 504
            assert failures(weir) == [f"origin.test:443: TLS with the proxy {proxy.address} took too long"]


MISTAKES = {
    "alpn = h2": "Weir speaks http/1.1",
    "priority = NORMAL:+NO-SUCH-THING": "GnuTLS does not understand it from `",
    "sni = 10.0.0.1": "an IP address is not sent as SNI",
    "sni = a.test:443": "without a port",
    "verify = maybe": "there are yes, ca, no",
    "verify_name =": "write a host name or an IP address",
    "crl = x.pem": "`crl` needs `ca`",
    "ca = /no/such/ca.pem": "/no/such/ca.pem",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes_are_named(line):
    code, text = scene.check(ini("127.0.0.1:1", line))
    assert code != 0 and MISTAKES[line] in text and "weir.ini:" in text, text


def test_keys_that_do_nothing_are_warned_about(made):
    code, text = scene.check(ini("127.0.0.1:1", f"ca = {made.ca}").replace("tls = yes", "tls = no"))
    assert code == 0 and "do nothing without `tls = yes`" in text
