#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients with certificates: who gets in, who does not, what is told of them, and that it is told nowhere else.

Clients are Python's ssl (OpenSSL) and, for what is refused, `openssl s_client`, gnutls-cli and curl.
"""
import base64
import os
import shutil
import ssl
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402
import wire  # noqa: E402
from certificates import Identity, write  # noqa: E402

INI = """tls = yes
{listen}
[certificate open]
host = open.test
certificate = {folder}/open.pem
key = {folder}/open.key
[certificate closed]
host = closed.test
certificate = {folder}/closed.pem
key = {folder}/closed.key
mtls.client = require
mtls.ca = {folder}/root.pem
{closed}
[module route]
[module access]
[module accesslog]
file = {weir}/access.log
format = ${failure}
[module respond]
[module header]
[module mtls]
[upstream origin]
server = {origin}
[route who]
match = */who
respond.status = 200
respond.body = ${mtls_verified} ${client_subject} ${mtls_issuer} ${mtls_names} ${mtls_serial} ${client_fingerprint}
[route guarded]
match = */guarded
respond.status = 200
respond.body = come in
access.rule = allow san:friend.test
access.rule = deny all
[route all]
match = */*
upstream = origin
mtls.send = chain
"""


class Hall:
    """The authority of all scenes, and whom it has certified."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="weir-mtls-")
        self.root = Identity("root", authority=True)
        self.root.save(self.folder)
        for name in ("open", "closed"):
            Identity(name, self.root, names=[name + ".test"]).save(self.folder)
        self.middle = Identity("middle", self.root, authority=True)
        self.low = Identity("low", self.middle, authority=True)
        self.stranger = Identity("root", authority=True)
        self.friend = self.client("friend", self.root, names=["friend.test", "spiffe://weir.test/friend"])

    def client(self, name, issuer=None, purpose="client", **more):
        identity = Identity(name, issuer, purpose=purpose, **more)
        identity.save(self.folder, name)
        return identity

    def path(self, name):
        return os.path.join(self.folder, name)


@pytest.fixture(scope="module", name="hall")
def make_hall():
    hall = Hall()
    yield hall
    shutil.rmtree(hall.folder)


def ini(hall, listen="", closed="", origin="127.0.0.1:1"):
    text = INI.replace("{folder}", hall.folder).replace("{listen}", listen).replace("{closed}", closed)
    return text.replace("{origin}", origin).replace("{weir}", "{folder}")


def context(hall, name=None, version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations(hall.path("root.pem"))
    if version is not None:
        c.minimum_version = c.maximum_version = version
    if name is not None:
        c.load_cert_chain(hall.path(name + ".pem"), hall.path(name + ".key"))
    return c


def ask(weir, c, sni="closed.test", target="/who", host=None, session=None, fields=""):
    """Status and body of one answer, and the session it came in. Raises ssl.SSLError or OSError where there is none."""
    with wire.connect(weir).sock as plain, c.wrap_socket(plain, server_hostname=sni, session=session) as s:
        s.sendall(f"GET {target} HTTP/1.1\r\nHost: {host or sni}\r\nConnection: close\r\n{fields}\r\n".encode())
        answer = b""
        while piece := s.recv(65536):
            answer += piece
        if not answer:
            raise ConnectionResetError("no answer")
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode(), s.session, s.session_reused


def refused(weir, c, **more):
    """Is there no answer at all?"""
    try:
        ask(weir, c, **more)
    except (ssl.SSLError, OSError):
        return True
    return False


def serial(identity):
    text = f"{identity.serial:x}"
    return text if len(text) % 2 == 0 else "0" + text


# --- who gets in -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_good_certificate_is_let_in_and_told_of(hall, version):
    friend = hall.friend
    with scene.Weir(ini(hall)) as weir:
        status, body, *_ = ask(weir, context(hall, "friend", version))
        assert status == 200
        assert body == ("yes CN=friend,O=Weir Scenes CN=root,O=Weir Scenes DNS:friend.test,URI:spiffe://weir.test/friend "
                        f"{serial(friend)} {friend.fingerprint}")
        assert weir.metric("weir_mtls_verified_total") == 1


def test_a_name_that_asks_for_none_tells_of_none(hall):
    with scene.Weir(ini(hall)) as weir:
        assert ask(weir, context(hall, "friend"), sni="open.test")[1] == "no - - - - -"
        assert ask(weir, context(hall), sni="open.test")[1] == "no - - - - -"


# --- who does not ----------------------------------------------------------------------------------------------------------

REFUSED = {
    "none": None,
    "expired": lambda hall: hall.client("expired", hall.root, begins=-20, ends=-10),
    "not-yet-valid": lambda hall: hall.client("not-yet-valid", hall.root, begins=10, ends=20),
    "self-signed": lambda hall: hall.client("self-signed"),
    "other-ca-of-the-same-name": lambda hall: hall.client("other-ca-of-the-same-name", hall.stranger),
    "for-servers": lambda hall: hall.client("for-servers", hall.root, purpose="server"),
    "for-mail": lambda hall: hall.client("for-mail", hall.root, purpose="mail"),
    "broken-chain": lambda hall: write(hall.path("broken-chain.pem"), hall.client("broken-chain", hall.middle).pem),
    "too-deep": lambda hall: hall.client("too-deep", hall.low),
    "by-a-client": lambda hall: hall.client("by-a-client", hall.client("no-authority", hall.root)),
}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("who", REFUSED)
def test_who_is_refused(hall, who, version):
    if REFUSED[who] is not None:
        REFUSED[who](hall)
    with scene.Weir(ini(hall)) as weir:
        assert refused(weir, context(hall, who if REFUSED[who] is not None else None, version))
        assert ask(weir, context(hall, "friend", version))[0] == 200
        assert weir.metric("weir_requests_total") == 1


@pytest.mark.parametrize("who", ["expired", "self-signed", "for-servers"])
def test_a_bad_certificate_is_refused_where_none_is_needed_too(hall, who):
    REFUSED[who](hall)
    with scene.Weir(ini(hall, closed="").replace("= require", "= request")) as weir:
        assert refused(weir, context(hall, who))
        assert ask(weir, context(hall))[1].startswith("no ")
        assert ask(weir, context(hall, "friend"))[1].startswith("yes ")


def test_the_revoked_are_refused_also_when_they_are_revoked_later(hall):
    hall.client("revoked", hall.root)
    revoked = hall.client("later", hall.root)
    crl = write(hall.path("crl.pem"), hall.root.revoke(hall.client("revoked", hall.root)))
    with scene.Weir(ini(hall, closed=f"mtls.crl = {crl}")) as weir:
        assert refused(weir, context(hall, "revoked"))
        c = context(hall, "later", ssl.TLSVersion.TLSv1_2)
        *_, session, _ = ask(weir, c)
        write(crl, hall.root.revoke(revoked))
        assert weir.ctl("reload")[0] == 0
        assert refused(weir, c)
        assert refused(weir, c, session=session)
        assert ask(weir, context(hall, "friend"))[0] == 200


def test_depth_may_be_more(hall):
    hall.client("deep", hall.low)
    with scene.Weir(ini(hall, closed="mtls.depth = 2")) as weir:
        assert ask(weir, context(hall, "deep"))[0] == 200
    with scene.Weir(ini(hall, closed="mtls.depth = 0")) as weir:
        hall.client("near", hall.middle)
        assert refused(weir, context(hall, "near"))
        assert ask(weir, context(hall, "friend"))[0] == 200


@pytest.mark.parametrize("command", [
    ["openssl", "s_client", "-quiet", "-servername", "closed.test", "-connect", "127.0.0.1:{port}",
     "-CAfile", "{folder}/root.pem", "-cert", "{folder}/{who}.pem", "-key", "{folder}/{who}.key"],
    ["gnutls-cli", "--sni-hostname=closed.test", "--verify-hostname=closed.test", "--x509cafile={folder}/root.pem",
     "--x509certfile={folder}/{who}.pem", "--x509keyfile={folder}/{who}.key", "127.0.0.1", "-p", "{port}"],
    ["curl", "-sS", "--cacert", "{folder}/root.pem", "--cert", "{folder}/{who}.pem", "--key", "{folder}/{who}.key",
     "--resolve", "closed.test:{port}:127.0.0.1", "https://closed.test:{port}/who"]])
def test_tools_get_along(hall, command):
    REFUSED["expired"](hall)
    with scene.Weir(ini(hall)) as weir:
        for who, good in [("friend", True), ("expired", False)]:
            words = [w.format(port=weir.port(), folder=hall.folder, who=who) for w in command]
            said = subprocess.run(words, input=b"GET /who HTTP/1.1\r\nHost: closed.test\r\nConnection: close\r\n\r\n",
                                  capture_output=True, timeout=scene.PATIENCE, check=False)
            assert (b"CN=friend,O=Weir Scenes" in said.stdout) == good, said


# --- nowhere else ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_proves_nothing_to_another_name(hall, version):
    with scene.Weir(ini(hall)) as weir:
        c = context(hall, "friend", version)
        *_, session, _ = ask(weir, c)
        assert ask(weir, c, session=session)[1].startswith("yes ")
        status, body, _, reused = ask(weir, c, sni="open.test", session=session)
        assert (status, body[:3], reused) == (200, "no ", False)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_without_a_certificate_opens_nothing(hall, version):
    with scene.Weir(ini(hall)) as weir:
        c = context(hall, None, version)
        *_, session, _ = ask(weir, c, sni="open.test")
        assert ask(weir, c, sni="open.test", session=session)[3]
        assert refused(weir, c, session=session)


def test_another_host_than_the_one_that_was_verified_is_421(hall):
    with scene.Weir(ini(hall)) as weir:
        assert ask(weir, context(hall), sni="open.test", host="closed.test")[0] == 421
        assert ask(weir, context(hall, "friend"), sni="closed.test", host="open.test")[0] == 421


def test_a_listener_s_rule_holds_where_its_certificates_say_nothing(hall):
    listen = "mtls.client = require\nmtls.ca = " + hall.path("root.pem")
    with scene.Weir(ini(hall, listen).replace("host = open.test", "host = open.test\nmtls.client = no")) as weir:
        assert ask(weir, context(hall), sni="open.test")[0] == 200
    with scene.Weir(ini(hall, listen)) as weir:
        assert refused(weir, context(hall), sni="open.test")
        assert ask(weir, context(hall, "friend"), sni="open.test")[0] == 200


def test_a_listener_without_tls_lets_nobody_in_who_must_prove_something(hall):
    listen = "mtls.client = require\nmtls.ca = " + hall.path("root.pem")
    with scene.Weir(ini(hall, listen).replace("tls = yes", "tls = no")) as weir:
        with wire.connect(weir).sock as s:
            assert s.recv(1) == b""
        assert weir.metric("weir_mtls_refused_total") == 1


# --- what is told ----------------------------------------------------------------------------------------------------------


def test_origins_are_told_by_rfc_9440_and_by_nobody_else(hall):
    heads = []

    def keep(connection):
        heads.append(connection.head().decode())
        connection.answer(b"seen")

    forged = "Client-Cert: :AAAA:\r\nclient-cert-chain: :AAAA:\r\n"
    deep = hall.client("told", hall.middle)
    with wire.Origin(keep) as origin, scene.Weir(ini(hall, origin=origin.address)) as weir:
        ask(weir, context(hall, "told"), target="/", fields=forged)
        ask(weir, context(hall), sni="open.test", target="/", fields=forged)
    told = [{n.lower(): v for n, v in (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)} for head in heads]
    assert told[0]["client-cert"] == ":" + base64.b64encode(deep.der).decode() + ":"
    assert told[0]["client-cert-chain"] == ":" + base64.b64encode(hall.middle.der).decode() + ":"
    assert "client-cert" not in told[1] and "client-cert-chain" not in told[1]


def test_access_is_granted_by_name(hall):
    hall.client("other", hall.root, names=["other.test"])
    with scene.Weir(ini(hall)) as weir:
        assert ask(weir, context(hall, "friend"), target="/guarded")[:2] == (200, "come in")
        assert ask(weir, context(hall, "other"), target="/guarded")[0] == 403
        assert ask(weir, context(hall), sni="open.test", target="/guarded")[0] == 403


@pytest.mark.parametrize("closed,expected", [
    ("mtls.depth = 9", "mtls.depth"),
    ("mtls.crl = {folder}/nothing.pem", "the list of revocations"),
])
def test_mistakes_are_named(hall, closed, expected):
    code, text = scene.check(ini(hall, closed=closed.replace("{folder}", hall.folder)))
    assert code == 1 and expected in text


def test_who_asks_must_say_whose_certificates_are_good(hall):
    code, text = scene.check(ini(hall).replace(f"mtls.ca = {hall.folder}/root.pem", ""))
    assert code == 1 and "must say whose are good" in text
