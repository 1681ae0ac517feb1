#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a connection has proven counts where it was proven and nowhere else: hosts that the wildcard of a section does not
cover, and connections that are older than what is demanded now."""
import os
import shutil
import ssl
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402
import wire  # noqa: E402
from certificates import Identity  # noqa: E402

# The routes' wildcard reaches any depth, the sections' one label.
INI = """tls = {tls}
{listen}
[certificate other]
host = other.test {other}
certificate = {hall}/other.pem
key = {hall}/other.key
default = yes
[certificate inner]
host = *.inner.test {inner_host}
certificate = {hall}/inner.pem
key = {hall}/inner.key
mtls.ca = {folder}/ca.pem
{inner}
[module route]
[module respond]
[module mtls]
[module accesslog]
file = {folder}/access.log
format = ${status} ${failure}
[route inner]
match = *.inner.test/*
respond.status = 200
respond.body = inner ${mtls_verified}
[route rest]
match = */*
respond.status = 200
respond.body = rest ${mtls_verified}
"""

REQUIRE = "mtls.client = require"
REQUEST = "mtls.client = request"


class Hall:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="weir-places-")
        self.root = Identity("root", authority=True)
        self.root.save(self.folder)
        for name, names in {"other": ["other.test"], "inner": ["*.inner.test", "a.b.inner.test"]}.items():
            Identity(name, self.root, names=names).save(self.folder)
        self.friend = Identity("friend", self.root, purpose="client")
        self.friend.save(self.folder)
        self.successor = Identity("successor", authority=True)

    def context(self, name=None, version=ssl.TLSVersion.TLSv1_3):
        """Of a client that looks at no names: here the server looks at the client."""
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.minimum_version = c.maximum_version = version
        c.check_hostname = False
        c.load_verify_locations(os.path.join(self.folder, "root.pem"))
        if name is not None:
            c.load_cert_chain(os.path.join(self.folder, name + ".pem"), os.path.join(self.folder, name + ".key"))
        return c


@pytest.fixture(scope="module", name="hall")
def make_hall():
    hall = Hall()
    yield hall
    shutil.rmtree(hall.folder)


def ini(hall, inner=REQUIRE, listen="", tls="yes", other="", inner_host=""):
    text = INI
    for name, value in {"hall": hall.folder, "tls": tls, "listen": listen, "inner": inner, "other": other,
                        "inner_host": inner_host}.items():
        text = text.replace("{" + name + "}", value)
    return text


class Weir(scene.Weir):
    """With a list of authorities of its own, which a scene may change."""

    def __init__(self, hall, text, authority=None):
        super().__init__(text)
        self.trust(authority or hall.root)

    def trust(self, *authorities):
        with open(self.path("ca.new"), "wb") as f:
            f.write(b"".join(authority.pem for authority in authorities))
        os.rename(self.path("ca.new"), self.path("ca.pem"))


def client(weir, c, sni, session=None):
    plain = wire.connect(weir).sock
    return wire.Connection(c.wrap_socket(plain, server_hostname=sni, session=session) if c is not None else plain)


def ask(connection, host, target="/"):
    connection.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
    status, body = wire.body_of(connection)
    return (status, body.decode()) if status == 200 else status


# --- a wildcard covers one label -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listen", ["", "same_host = no"])
def test_a_host_that_only_a_route_s_wildcard_reaches_is_not_served_without_the_certificate(hall, listen):
    with Weir(hall, ini(hall, listen=listen)) as weir:
        with client(weir, hall.context("friend"), "b.inner.test") as near:
            assert ask(near, "b.inner.test") == (200, "inner yes")
        for sni in ("a.b.inner.test", "other.test", None):
            for host in ("a.b.inner.test", "A.b.inner.test.", "x.a.b.inner.test:443"):
                with client(weir, hall.context(), sni) as far:
                    assert ask(far, host) == 421, (sni, host)
        with client(weir, hall.context(), "a.other.test") as elsewhere:
            assert ask(elsewhere, "a.other.test") == (200, "rest no")


def test_a_host_with_a_name_of_its_own_is_served_below_a_wildcard(hall):
    with Weir(hall, ini(hall, other="a.b.inner.test")) as weir:
        with client(weir, hall.context(), "a.b.inner.test") as named:
            assert ask(named, "a.b.inner.test") == (200, "inner no")
    with Weir(hall, ini(hall, inner_host="*.b.inner.test")) as weir:
        with client(weir, hall.context("friend"), "a.b.inner.test") as named:
            assert ask(named, "a.b.inner.test") == (200, "inner yes")


def test_absolute_form_and_http_1_0_lead_nowhere_else(hall):
    with Weir(hall, ini(hall)) as weir:
        for request in ("GET http://a.b.inner.test/ HTTP/1.1\r\nHost: a.b.inner.test\r\n\r\n",
                        "GET http://b.inner.test/ HTTP/1.1\r\nHost: b.inner.test\r\n\r\n",
                        "GET / HTTP/1.0\r\nHost: a.b.inner.test\r\n\r\n"):
            with client(weir, hall.context(), "other.test") as c:
                c.send(request)
                assert wire.status(c.head()) == 421, request


# --- a connection is older than the demand ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_was_let_in_before_certificates_were_required_is_not_served_any_more(hall, version):
    with Weir(hall, ini(hall, inner="")) as weir:
        c = hall.context(None, version)
        with client(weir, c, "b.inner.test") as old, client(weir, c, "other.test") as other:
            assert ask(old, "b.inner.test") == (200, "inner no")
            assert ask(other, "other.test") == (200, "rest no")
            session = old.sock.session
            weir.reload(ini(hall))
            assert ask(old, "b.inner.test") == 421
            assert old.rest() == b"" and old.ended
            assert ask(other, "other.test") == (200, "rest no")
        assert weir.metric("weir_mtls_refused_total") == 1
        with pytest.raises(OSError):    # nor by the session of before
            ask(client(weir, c, "b.inner.test", session), "b.inner.test")
        scene.until(lambda: "421 this connection has not shown a client certificate" in weir.read("access.log"), "the log tells why")


def test_a_listener_s_demand_holds_for_connections_of_before_too(hall):
    demand = f"mtls.client = require\nmtls.ca = {hall.folder}/root.pem"
    with Weir(hall, ini(hall, inner="")) as weir:
        with client(weir, hall.context(), "other.test") as old:
            assert ask(old, "other.test") == (200, "rest no")
            weir.reload(ini(hall, inner="", listen=demand))
            assert ask(old, "other.test") == 421


@pytest.mark.parametrize("tls", ["yes", "no"])
def test_a_connection_without_tls_proves_nothing(hall, tls):
    demand = f"mtls.client = require\nmtls.ca = {hall.folder}/root.pem"
    with Weir(hall, ini(hall, inner="", tls="no")) as weir:
        with client(weir, None, None) as old, client(weir, None, None) as other:
            assert ask(old, "b.inner.test") == (200, "inner no")
            assert ask(other, "other.test") == (200, "rest no")
            weir.reload(ini(hall, tls=tls, listen=demand))
            assert ask(old, "b.inner.test") == 421
            assert ask(other, "other.test") == 421


def test_a_certificate_that_is_good_by_what_holds_now_goes_on(hall):
    with Weir(hall, ini(hall)) as weir:
        with client(weir, hall.context("friend"), "b.inner.test") as old:
            assert ask(old, "b.inner.test") == (200, "inner yes")
            weir.trust(hall.successor, hall.root)
            weir.reload(ini(hall, inner=REQUIRE + "\nmtls.depth = 0"))
            for _ in range(2):
                assert ask(old, "b.inner.test") == (200, "inner yes")
        assert weir.metric("weir_mtls_refused_total") == 0


@pytest.mark.parametrize("demand", [REQUIRE, REQUEST])
def test_a_certificate_whose_authority_is_not_good_any_more_ends_its_connection(hall, demand):
    with Weir(hall, ini(hall, inner=demand)) as weir:
        with client(weir, hall.context("friend"), "b.inner.test") as old:
            assert ask(old, "b.inner.test") == (200, "inner yes")
            weir.trust(hall.successor)
            weir.reload(ini(hall, inner=demand))
            assert ask(old, "b.inner.test") == 421


def test_a_certificate_that_was_revoked_ends_its_connection(hall):
    with Weir(hall, ini(hall)) as weir:
        with open(weir.path("crl.pem"), "wb") as f:
            f.write(hall.root.revoke(hall.friend))
        with client(weir, hall.context("friend"), "b.inner.test") as old:
            assert ask(old, "b.inner.test") == (200, "inner yes")
            weir.reload(ini(hall, inner=REQUIRE + "\nmtls.crl = {folder}/crl.pem"))
            assert ask(old, "b.inner.test") == 421


# --- hosts of other sections where the listener allows them ----------------------------------------------------------------


def test_where_hosts_may_differ_the_host_s_demand_holds_as_well_as_the_name_s(hall):
    with Weir(hall, ini(hall, listen="same_host = no")) as weir:
        with client(weir, hall.context(), "other.test") as c:
            assert ask(c, "other.test") == (200, "rest no")
            assert ask(c, "elsewhere.test") == (200, "rest no")
            assert ask(c, "b.inner.test") == 421
        with client(weir, hall.context("friend"), "b.inner.test") as c:
            assert ask(c, "other.test") == (200, "rest yes")
            assert ask(c, "b.inner.test") == (200, "inner yes")
