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
    with scene.Weir(ini(hall, "same_host = no")) as weir:
        with Client(weir, hall) as client:
            assert client.ask(host="two.test")[0] == 200


def test_who_speaks_plain_http_is_told(hall):
    with scene.Weir(ini(hall)) as weir:
        answer = weir.say(b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ") and b"HTTPS" in answer


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
