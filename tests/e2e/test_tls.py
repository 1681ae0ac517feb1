#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS with clients: which certificate whom is shown, what is agreed on, how sessions are resumed and how they end.

Clients are Python's ssl (OpenSSL) where bytes are counted, curl, `openssl s_client` and gnutls-cli where tools must get along.
"""
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

import certificates
import scene
import wire

INI = """tls = yes
{listen}
[certificate one]
host = one.test *.one.test
certificate = {folder}/one.pem
key = {folder}/one.key
certificate = {folder}/one-rsa.pem
key = {folder}/one-rsa.key
[certificate two]
host = two.test
certificate = {folder}/two.pem
key = {folder}/two.key
{more}
[module route]
[module respond]
[module forwarded]
[module header]
[upstream origin]
server = {origin}
[route hello]
match = */hello
respond.status = 200
respond.body = hello
header.response_set = X-TLS: ${tls_version} ${tls_cipher} ${tls_name} ${tls_resumed} ${scheme}
[route all]
match = */*
upstream = origin
"""


class Hall:
    """The certificates of all scenes: of one authority, made once."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="weir-tls-")
        self.root = certificates.Identity("root", authority=True)
        self.trust, _ = self.root.save(self.folder)
        one = ["one.test", "*.one.test", "127.0.0.1"]
        self.one = certificates.Identity("one", self.root, names=one)
        self.rsa = certificates.Identity("one-rsa", self.root, names=one, key="rsa")
        self.two = certificates.Identity("two", self.root, names=["two.test"])
        for identity in (self.one, self.rsa, self.two):
            identity.save(self.folder)


@pytest.fixture(scope="module", name="hall")
def make_hall():
    hall = Hall()
    yield hall
    shutil.rmtree(hall.folder)


def ini(hall, listen="", more="", origin="127.0.0.1:1"):
    text = INI.replace("{folder}", hall.folder).replace("{listen}", listen)
    return text.replace("{more}", more).replace("{origin}", origin)


def context(hall, version=None, ciphers=None, alpn=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations(hall.trust)
    if version is not None:
        c.minimum_version = c.maximum_version = version
    if ciphers is not None:
        c.set_ciphers(ciphers)
    if alpn is not None:
        c.set_alpn_protocols(alpn)
    return c


class Client(wire.Connection):
    """A client with TLS; `session` is one to resume."""

    def __init__(self, weir, hall, name="one.test", session=None, made=None, **how):
        self.context = made if made is not None else context(hall, **how)
        plain = socket.create_connection(("127.0.0.1", weir.port()), wire.PATIENCE)
        if name is None:
            self.context.check_hostname = False
        super().__init__(self.context.wrap_socket(plain, server_hostname=name, session=session))

    @property
    def subject(self):
        parts = dict(part[0] for part in self.sock.getpeercert()["subject"])
        return parts["commonName"]

    def ask(self, target="/hello", host="one.test"):
        self.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        return self.response()

    def response(self):
        head = self.head().decode()
        length = re.search(r"content-length: (\d+)", head, re.I)
        body = self.read(int(length.group(1))) if length is not None else b""
        return int(head.split(" ")[1]), head, body


def tool(*command, stdin=""):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=scene.PATIENCE, check=False)
    return done.returncode, done.stdout + done.stderr


BOTH = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


# --- which certificate ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_the_name_chooses_the_certificate(hall, version):
    with scene.Weir(ini(hall)) as weir:
        for name, subject in (("one.test", "one"), ("deep.one.test", "one"), ("two.test", "two"), ("ONE.test", "one")):
            with Client(weir, hall, name, version=version) as client:
                assert client.subject == subject
                assert client.ask(host=name)[0] == 200


def test_an_unknown_name_gets_the_first_certificate_or_the_default(hall):
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.load_verify_locations(hall.trust)
    anybody.check_hostname = False
    with scene.Weir(ini(hall)) as weir:
        for name in ("three.test", None, "a.b.one.test"):
            with Client(weir, hall, name, made=anybody) as client:
                assert client.subject == "one"
    text = ini(hall).replace("host = two.test", "host = two.test\ndefault = yes")
    with scene.Weir(text) as weir:
        with Client(weir, hall, "three.test", made=anybody) as client:
            assert client.subject == "two"


def test_an_unknown_name_is_refused_where_names_are_strict(hall):
    with scene.Weir(ini(hall, "strict_sni = yes")) as weir:
        for name in ("three.test", None):
            with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
                Client(weir, hall, name)
        with Client(weir, hall, "two.test") as client:
            assert client.ask(host="two.test")[0] == 200


@pytest.mark.parametrize("version, arguments", [
    ("tls1_2", ["-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]), ("tls1_3", ["-sigalgs", "rsa_pss_rsae_sha256"])])
def test_who_does_not_understand_ecdsa_is_shown_the_rsa_certificate(hall, version, arguments):
    with scene.Weir(ini(hall)) as weir:
        address = f"127.0.0.1:{weir.port()}"
        base = ["openssl", "s_client", "-connect", address, "-servername", "one.test", "-" + version, "-CAfile", hall.trust]
        _, text = tool(*base, *arguments)
        assert "CN = one-rsa" in text and "Verify return code: 0 (ok)" in text, text
        _, text = tool(*base)
        assert "CN = one\n" in text and "Verify return code: 0 (ok)" in text, text


def test_what_is_agreed_on_is_told(hall):
    with scene.Weir(ini(hall)) as weir:
        with Client(weir, hall) as client:
            assert "X-TLS: TLSv1.3 TLS_AES_128_GCM_SHA256 one.test no https" in client.ask()[1]
        with Client(weir, hall, version=ssl.TLSVersion.TLSv1_2) as client:
            assert "X-TLS: TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 one.test no https" in client.ask()[1]


@pytest.mark.parametrize("version", BOTH)
def test_pipelined_requests_are_answered_in_order_and_sealed(hall, version):
    with scene.Weir(ini(hall)) as weir, Client(weir, hall, version=version) as client:
        client.send("GET /hello HTTP/1.1\r\nHost: one.test\r\n\r\n" * 16)
        for _ in range(16):
            status, _, body = client.response()
            assert (status, body) == (200, b"hello")


def test_http_1_1_is_agreed_on_and_nothing_else(hall):
    with scene.Weir(ini(hall)) as weir:
        with Client(weir, hall, alpn=["h2", "http/1.1"]) as client:
            assert client.sock.selected_alpn_protocol() == "http/1.1"
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            Client(weir, hall, alpn=["h2"])


# --- whom a request may be for ----------------------------------------------------------------------------------------


def test_a_host_of_another_certificate_is_misdirected(hall):
    with scene.Weir(ini(hall)) as weir:
        with Client(weir, hall) as client:
            assert client.ask(host="deep.one.test")[0] == 200
            assert client.ask(host="two.test")[0] == 421
        with Client(weir, hall) as client:  # a dot at the end makes no other host of it
            assert client.ask(host="deep.one.test.")[0] == 200
            assert client.ask(host="two.test.")[0] == 421
    with scene.Weir(ini(hall, "same_host = no")) as weir:
        with Client(weir, hall) as client:
            assert client.ask(host="two.test")[0] == 200


def test_who_speaks_plain_http_is_told(hall):
    with scene.Weir(ini(hall)) as weir:
        answer = weir.say(b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ") and b"HTTPS" in answer


# --- handshakes that come to nothing ------------------------------------------------------------------------------------


def talk(weir, data, end=True):
    """Send bytes to a port where TLS is spoken; all that comes back, though it ends by a reset."""
    with socket.create_connection(("127.0.0.1", weir.port()), wire.PATIENCE) as s:
        connection = wire.Connection(s)
        connection.send(data)
        if end:
            connection.end()
        return connection.rest_cut()[0]


def hello_of(hall, name="one.test"):
    """A ClientHello in its record."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context(hall).wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def test_garbage_ends_by_an_alert_and_is_counted(hall):
    hello = hello_of(hall)
    bad = [b"\x16\x03\x01\x00\x05hello", b"\x00" * 100, b"\xff" * 3000, b"\x16\x03\x01\xff\xff" + b"x" * 70000,
           hello[:60] + b"\x00" + hello[61:80] + b"\xff" * (len(hello) - 80)]
    with scene.Weir(ini(hall)) as weir:
        for data in bad:
            answer = talk(weir, data)
            assert answer == b"" or answer[0] == 0x15, data[:20]
        assert talk(weir, hello[:40]) == b"" and talk(weir, b"") == b""
        scene.until(lambda: weir.metric("weir_client_connections") == 0, "all are gone")
        assert weir.metric("weir_tls_failed_total") >= len(bad)
        with Client(weir, hall) as client:
            assert client.ask()[0] == 200


def test_a_handshake_has_its_time(hall):
    with scene.Weir(ini(hall, "handshake_timeout = 300ms")) as weir:
        assert talk(weir, hello_of(hall)[:50], end=False) == b""
        assert weir.metric("weir_client_timeout_total") == 1


def test_a_handshake_may_come_byte_by_byte(hall):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context(hall).wrap_bio(incoming, outgoing, server_hostname="one.test")
    with scene.Weir(ini(hall)) as weir, socket.create_connection(("127.0.0.1", weir.port()), wire.PATIENCE) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def drip():
            for byte in outgoing.read():
                s.sendall(bytes([byte]))

        def until_done(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    drip()
                    incoming.write(s.recv(65536))
        until_done(session.do_handshake)
        session.write(b"GET /hello HTTP/1.1\r\nHost: one.test\r\n\r\n")
        drip()
        assert until_done(lambda: session.read(65536)).startswith(b"HTTP/1.1 200 ")


def test_old_versions_are_refused_whatever_the_priority_says(hall):
    with scene.Weir(ini(hall, "priority = NORMAL:+VERS-TLS1.1:+VERS-TLS1.0")) as weir:
        address = f"127.0.0.1:{weir.port()}"
        for version in ("-tls1", "-tls1_1"):
            code, text = tool("openssl", "s_client", "-connect", address, version, "-cipher", "ALL:@SECLEVEL=0")
            assert code != 0 and "alert protocol version" in text, text
        code, text = tool("openssl", "s_client", "-connect", address, "-tls1_2")
        assert code == 0, text


def test_nobody_negotiates_anew(hall):
    with scene.Weir(ini(hall)) as weir:
        _, text = tool("openssl", "s_client", "-connect", f"127.0.0.1:{weir.port()}", "-tls1_2", stdin="R\nQ\n")
        assert "RENEGOTIATING" in text and ("no renegotiation" in text or "error" in text or "closed" in text), text


def test_what_is_wrong_in_the_configuration_is_told(hall):
    for text, said in (
            (ini(hall, "priority = NONSENSE"), "write intermediate, or a priority string"),
            (ini(hall).replace("host = two.test", "host = ONE.test"), "has the host one.test, which [certificate one]"),
            (ini(hall).replace("host = two.test", "host = two test/"), "write a host name"),
            (ini(hall).replace("key = " + hall.folder + "/one-rsa.key", ""), "2 lines `certificate`, 1 lines `key`"),
            (ini(hall).replace("host = two.test", "hast = two.test"), "hast"),
            ("tls = yes\n", "there is no certificate")):
        code, report = scene.check(text)
        assert code != 0 and said in report, report


def test_rsa_keys_alone_are_warned_of(hall):
    code, report = scene.check(ini(hall).replace("two.pem", "one-rsa.pem").replace("two.key", "one-rsa.key"))
    assert code == 0 and "[certificate two] has RSA keys only" in report and "[certificate one]" not in report, report


# --- sessions resumed ---------------------------------------------------------------------------------------------------


def resume(weir, hall, made, session, name="one.test"):
    """Was it, and what session comes of it?"""
    with Client(weir, hall, name, session=session, made=made) as client:
        assert client.ask(host=name)[0] == 200
        return client.sock.session_reused, client.sock.session


@pytest.mark.parametrize("version", BOTH)
def test_a_session_is_resumed_on_any_thread(hall, version):
    with scene.Weir(ini(hall), threads=4) as weir:
        made = context(hall, version)
        reused, session = resume(weir, hall, made, None)
        assert not reused
        for _ in range(12):
            reused, _ = resume(weir, hall, made, session)
            assert reused
        assert weir.metric("weir_tls_resumed_total") == 12


@pytest.mark.parametrize("version", BOTH)
def test_a_session_is_resumed_nowhere_else(hall, version):
    """The key of a ticket is its section's: at another one it is worth nothing, though the server is the same."""
    with scene.Weir(ini(hall)) as weir:
        made = context(hall, version)
        made.check_hostname = False
        _, session = resume(weir, hall, made, None)
        with Client(weir, hall, "two.test", session=session, made=made) as client:
            assert not client.sock.session_reused and client.subject == "two"
        with Client(weir, hall, "one.test", session=session, made=made) as client:
            assert client.sock.session_reused


def test_a_session_ends_with_the_keys_that_it_was_made_under(hall):
    with scene.Weir(ini(hall)) as weir:
        rotating = weir.read("weir.ini").replace("[weir]\n", "[weir]\nticket_rotation = 2s\n", 1)
        with open(weir.path("weir.ini"), "w", encoding="ascii") as f:
            f.write(rotating)
        assert weir.ctl("reload")[0] == 0
        made = context(hall)
        _, session = resume(weir, hall, made, None)
        begun = time.monotonic()
        assert resume(weir, hall, made, session)[0]
        scene.until(lambda: time.monotonic() - begun > 4.5, "the key is as good as gone")
        assert not resume(weir, hall, made, session)[0]


def set_rotation(weir, seconds):
    text = re.sub(r"ticket_rotation = .*\n", "", weir.read("weir.ini"))
    with open(weir.path("weir.ini"), "w", encoding="ascii") as f:
        f.write(text.replace("[weir]\n", f"[weir]\nticket_rotation = {seconds}s\n", 1))
    assert weir.ctl("reload")[0] == 0


@pytest.mark.parametrize("version", BOTH)
def test_a_ticket_outlives_one_rotation_and_not_two(hall, version):
    """The secret is replaced by the first handshake after its time. Where the machine is so slow that two times have
    passed, it begins again with a longer one."""
    for rotation in (3, 6, 12, 24):
        with scene.Weir(ini(hall)) as weir:
            set_rotation(weir, rotation)
            made = context(hall, version)
            begun = time.monotonic()
            resume(weir, hall, made, None)
            born = time.monotonic()
            scene.until(lambda: time.monotonic() - born > rotation * 0.7, "the secret is old")
            _, ticket = resume(weir, hall, made, None)
            taken = time.monotonic()
            scene.until(lambda: time.monotonic() - born > rotation + 0.1, "its time is over")
            resume(weir, hall, made, None)
            known, _ = resume(weir, hall, made, ticket)
            if taken - begun < rotation and time.monotonic() - taken < rotation - 1:
                assert known
                scene.until(lambda: time.monotonic() - born > 2 * rotation + 1, "the time of the second secret is over")
                assert not resume(weir, hall, made, ticket)[0]
                return
    raise AssertionError("this machine is too slow")


def test_without_tickets_nothing_is_resumed(hall):
    with scene.Weir(ini(hall, "tickets = no")) as weir:
        made = context(hall)
        _, session = resume(weir, hall, made, None)
        assert session is None or not resume(weir, hall, made, session)[0]


# --- bytes --------------------------------------------------------------------------------------------------------------


BIG = bytes(range(256)) * 4096 * 3 + b"end"


def test_what_follows_the_handshake_at_once_is_not_lost(hall):
    """The client's last flight and a large upload in one send."""
    body = BIG[:1000000]

    def count(c):
        c.head()
        c.answer(b"%d" % len(c.read(len(body))))

    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context(hall, ssl.TLSVersion.TLSv1_3).wrap_bio(incoming, outgoing, server_hostname="one.test")
    with wire.Origin(count) as origin, scene.Weir(ini(hall, origin=origin.address)) as weir:
        with socket.create_connection(("127.0.0.1", weir.port()), wire.PATIENCE) as s:
            with pytest.raises(ssl.SSLWantReadError):
                session.do_handshake()
            s.sendall(outgoing.read())
            while True:
                incoming.write(s.recv(65536))
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    pass
            session.write(b"PUT / HTTP/1.1\r\nHost: one.test\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            s.sendall(outgoing.read())
            answer = b""
            while not answer.endswith(b"\r\n\r\n1000000"):
                incoming.write(s.recv(65536))
                try:
                    answer += session.read(65536)
                except ssl.SSLWantReadError:
                    pass


@pytest.mark.parametrize("version", BOTH)
def test_big_bodies_both_ways(hall, version):
    def echo(c):
        while head := c.head():
            c.answer(c.read(int(re.search(rb"content-length: (\d+)", head, re.I).group(1))))

    with wire.Origin(echo) as origin, scene.Weir(ini(hall, origin=origin.address)) as weir:
        with Client(weir, hall, version=version) as client:
            for body in (b"x", BIG, b"y" * 16384, BIG):
                client.send(b"PUT /echo HTTP/1.1\r\nHost: one.test\r\nContent-Length: %d\r\n\r\n" % len(body))
                client.send(body)
                status, _, answer = client.response()
                assert status == 200 and answer == body


def test_a_slow_reader_gets_it_all(hall):
    with wire.Origin(lambda c: (c.head(), c.answer(BIG))) as origin, scene.Weir(ini(hall, origin=origin.address)) as weir:
        with Client(weir, hall) as client:
            client.send(b"GET /big HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n")
            client.head()
            time.sleep(0.2)
            assert client.rest() == BIG


def test_pipelined_requests_in_one_record(hall):
    with scene.Weir(ini(hall)) as weir, Client(weir, hall) as client:
        client.send(b"GET /hello HTTP/1.1\r\nHost: one.test\r\n\r\n" * 50)
        assert [client.response()[0] for _ in range(50)] == [200] * 50


def test_a_websocket_moves_bytes_both_ways(hall):
    def switch(c):
        c.head()
        c.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome")
        while piece := c.more():
            c.send(piece.upper())

    with wire.Origin(switch) as origin, scene.Weir(ini(hall, origin=origin.address)) as weir:
        with Client(weir, hall) as client:
            client.send(b"GET /chat HTTP/1.1\r\nHost: one.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            assert b" 101 " in client.head() and client.read(7) == b"welcome"
            for word in (b"one", b"two" * 10000):
                client.send(word)
                assert client.read(len(word)) == word.upper()


def test_the_origin_is_told_that_it_was_https(hall):
    with wire.Origin(wire.polite) as origin, scene.Weir(ini(hall, origin=origin.address)) as weir:
        with Client(weir, hall) as client:
            assert client.ask("/")[0] == 200
        assert b"X-Forwarded-Proto: https" in origin.received


# --- ends ---------------------------------------------------------------------------------------------------------------


def test_the_end_is_said_before_the_connection_is_closed(hall):
    """Python reports an end without close_notify as an error."""
    with wire.Origin(lambda c: (c.head(), c.send(b"HTTP/1.0 200 So\r\n\r\nuntil the end"))) as origin:
        with scene.Weir(ini(hall, origin=origin.address)) as weir, Client(weir, hall) as client:
            client.sock.suppress_ragged_eofs = False
            client.send(b"GET / HTTP/1.0\r\nHost: one.test\r\n\r\n")
            assert client.rest().endswith(b"\r\n\r\nuntil the end")


def test_a_response_that_was_cut_off_does_not_end_well(hall):
    def broken(c):
        c.head()
        c.send(b"HTTP/1.1 200 So\r\nContent-Length: 1000\r\n\r\nsome of it")

    with wire.Origin(broken) as origin, scene.Weir(ini(hall, origin=origin.address)) as weir:
        with Client(weir, hall) as client:
            client.sock.suppress_ragged_eofs = False
            client.send(b"GET / HTTP/1.0\r\nHost: one.test\r\n\r\n")
            with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
                client.rest()


def test_an_idle_client_that_says_the_end_is_let_go(hall):
    with scene.Weir(ini(hall)) as weir, Client(weir, hall) as client:
        client.ask()
        assert weir.metric("weir_client_connections") == 1
        plain = client.sock.unwrap()
        scene.until(lambda: weir.metric("weir_client_connections") == 0, "it is gone")
        plain.close()


def test_a_drain_says_the_end_to_idle_clients(hall):
    with scene.Weir(ini(hall)) as weir, Client(weir, hall) as client:
        client.sock.suppress_ragged_eofs = False
        client.ask()
        weir.process.terminate()
        assert client.rest() == b""


def test_connections_outlive_a_reload_and_new_ones_get_the_new_certificate(hall):
    other = certificates.Identity("renewed", hall.root, names=["one.test"])
    other.save(hall.folder)
    with scene.Weir(ini(hall)) as weir, Client(weir, hall) as old:
        assert old.ask()[0] == 200
        weir.reload(ini(hall).replace("/one.", "/renewed."))
        assert old.ask()[0] == 200
        with Client(weir, hall) as new:
            assert (old.subject, new.subject) == ("one", "renewed") and new.ask()[0] == 200


# --- other clients ------------------------------------------------------------------------------------------------------


def test_a_staple_is_shown_to_who_asks(hall):
    certificates.write(hall.folder + "/one.ocsp", hall.one.staple())
    text = ini(hall).replace("host = one.test *.one.test", "host = one.test\nocsp = " + hall.folder + "/one.ocsp")
    with scene.Weir(text) as weir:
        for version in ("-tls1_2", "-tls1_3"):
            _, said = tool("openssl", "s_client", "-connect", f"127.0.0.1:{weir.port()}", "-servername", "one.test", "-status",
                           version)
            assert "OCSP Response Status: successful" in said and "Cert Status: good" in said, said


@pytest.mark.parametrize("how", [["--tlsv1.3"], ["--tls-max", "1.2"]])
def test_curl(hall, how):
    with scene.Weir(ini(hall)) as weir:
        url = f"https://one.test:{weir.port()}/hello"
        code, text = tool("curl", "-sS", *how, "--cacert", hall.trust, "--resolve", f"one.test:{weir.port()}:127.0.0.1", url, url)
        assert (code, text) == (0, "hellohello")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_gnutls_cli(hall, version):
    with scene.Weir(ini(hall)) as weir:
        code, text = tool("gnutls-cli", "--x509cafile", hall.trust, "--sni-hostname", "one.test", "--verify-hostname", "one.test",
                          "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "-p", str(weir.port()), "127.0.0.1",
                          stdin="GET /hello HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n")
        assert code == 0 and "HTTP/1.1 200" in text and f"TLS{version}" in text, text


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
