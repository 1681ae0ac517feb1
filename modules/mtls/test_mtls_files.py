#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files of certificates and keys: read without a stall, noticed when they change, never trusted when they are broken."""
import os
import shutil
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import certificates  # noqa: E402
import scene  # noqa: E402

PLAIN = """
[module route]
[module mtls]
[upstream origin]
server = {server}
[route all]
match = */*
upstream = origin
"""

ADMIN = PLAIN + """
[route admin]
match = */secure_admin/*
upstream = origin
mtls.certificate = proxy.pem
mtls.key = proxy.key
"""


class Watching(scene.Weir):
    """One that looks at its files every twentieth of a second."""

    def write(self, ini):
        super().write(ini)
        text = self.read("weir.ini").replace("[weir]", "[weir]\nwatch = 50ms", 1)
        certificates.write(self.path("weir.ini"), text)


@pytest.fixture(name="origin")
def an_origin():
    with scene.Origin("there") as origin:
        yield origin


@pytest.fixture(name="root", scope="module")
def an_authority():
    return certificates.Identity("Root", authority=True)


def identity(root, name="proxy"):
    return certificates.Identity(name, root, purpose="client")


def lines(weir, text):
    return [line for line in weir.read("stderr").splitlines() if text in line]


def reload_aside(weir, outcome):
    thread = threading.Thread(target=lambda: outcome.append(weir.ctl("reload")))
    thread.start()
    return thread


def test_a_reload_waits_for_a_key_while_everything_else_goes_on(origin, root):
    with scene.Weir(PLAIN.format(server=origin.address)) as weir:
        identity_ = identity(root)
        identity_.save(weir.folder, "proxy")
        os.remove(weir.path("proxy.key"))
        os.mkfifo(weir.path("proxy.key"), 0o600)
        weir.write(ADMIN.format(server=origin.address))
        outcome = []
        thread = reload_aside(weir, outcome)
        scene.until(lambda: lines(weir, "asks: reload"), "the reload begins")
        for _ in range(50):
            assert weir.ask("/").body == "there"
            code, text = weir.ctl("status")
            assert code == 0 and "generation" in text
        assert thread.is_alive() and not outcome
        assert weir.metric("weir_generation") == 1
        with open(weir.path("proxy.key"), "wb") as key:
            key.write(identity_.secret)
        thread.join(scene.PATIENCE)
        assert outcome and outcome[0][0] == 0, outcome
        assert weir.metric("weir_generation") == 2


def test_a_route_that_is_added_waits_for_its_key_too(origin, root):
    with scene.Weir(PLAIN.format(server=origin.address)) as weir:
        identity_ = identity(root)
        identity_.save(weir.folder, "proxy")
        os.remove(weir.path("proxy.key"))
        os.mkfifo(weir.path("proxy.key"), 0o600)
        route = {"match": "*/secure_admin/*", "upstream": "origin", "mtls.certificate": weir.path("proxy.pem"),
                 "mtls.key": weir.path("proxy.key")}
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(weir.call("PUT", "/v1/routes/admin", route)))
        thread.start()
        for _ in range(20):
            assert weir.ask("/").body == "there"
            assert weir.ctl("status")[0] == 0
        assert not outcome and weir.metric("weir_generation") == 1
        with open(weir.path("proxy.key"), "wb") as key:
            key.write(identity_.secret)
        thread.join(scene.PATIENCE)
        assert outcome[0][0] == 200, outcome
        assert weir.metric("weir_generation") == 2
        route.update({"match": "*/other/*", "mtls.key": weir.path("proxy.pem")})
        status, why = weir.call("PUT", "/v1/routes/other", route)
        assert status == 422 and "there is no private key in it" in str(why)
        assert weir.call("GET", "/v1/routes/other")[0] == 404


def test_a_key_that_never_comes_does_not_hold_up_the_end(origin, root):
    with scene.Weir(PLAIN.format(server=origin.address)) as weir:
        identity(root).save(weir.folder, "proxy")
        os.remove(weir.path("proxy.key"))
        os.mkfifo(weir.path("proxy.key"), 0o600)
        weir.write(ADMIN.format(server=origin.address))
        thread = reload_aside(weir, [])
        scene.until(lambda: lines(weir, "asks: reload"), "the reload begins")
        assert weir.ask("/").body == "there"
    thread.join(scene.PATIENCE)
    assert not thread.is_alive()


def test_a_reload_with_a_broken_key_changes_nothing(origin, root):
    with scene.Weir(PLAIN.format(server=origin.address)) as weir:
        identity(root).save(weir.folder, "proxy")
        certificates.write(weir.path("proxy.key"), identity(root, "other").secret)
        weir.write(ADMIN.format(server=origin.address))
        code, text = weir.ctl("reload")
        assert code == 1
        assert "the private key is not that of the certificate" in text
        assert weir.metric("weir_generation") == 1
        assert weir.ask("/secure_admin/").body == "there"
        identity(root).save(weir.folder, "proxy")
        assert weir.ctl("reload")[0] == 0


def test_a_change_is_noticed_without_a_reload(origin, root):
    weir = Watching(ADMIN.format(server=origin.address))
    identity(root).save(weir.folder, "proxy")
    with weir:
        assert not lines(weir, "has changed")
        identity(root, "second").save(weir.folder, "proxy")
        scene.until(lambda: lines(weir, "proxy.pem: it has changed, and is used as it is now"), "the change is noticed")
        assert weir.ask("/secure_admin/").body == "there"
        assert weir.metric("weir_generation") == 1


def test_what_breaks_is_told_once_and_what_was_there_serves_on(origin, root):
    weir = Watching(ADMIN.format(server=origin.address))
    first = identity(root)
    first.save(weir.folder, "proxy")
    with weir:
        certificates.write(weir.path("proxy.key"), first.secret[:100])
        scene.until(lambda: lines(weir, "proxy.key: the private key cannot be used"), "the fault is told")
        assert "what it held before is used on" in lines(weir, "cannot be used")[0]
        os.remove(weir.path("proxy.key"))
        scene.until(lambda: lines(weir, "proxy.key: cannot be read: No such file"), "the loss is told")
        time.sleep(0.5)
        assert len(lines(weir, "proxy.key: the private key cannot be used")) == 1
        assert len(lines(weir, "proxy.key: cannot be read")) == 1
        first.save(weir.folder, "proxy")
        scene.until(lambda: lines(weir, "proxy.pem: it is whole again"), "it is whole again")
        assert weir.ask("/secure_admin/").body == "there"


def test_a_certificate_that_comes_before_its_key_waits_for_it(origin, root):
    weir = Watching(ADMIN.format(server=origin.address))
    identity(root).save(weir.folder, "proxy")
    second = identity(root, "second")
    with weir:
        certificates.write(weir.path("proxy.pem"), second.chain)
        scene.until(lambda: lines(weir, "was only one of the two renewed?"), "the halfway state is told")
        certificates.write(weir.path("proxy.key"), second.secret)
        scene.until(lambda: lines(weir, "proxy.pem: it has changed, and is used"), "both are there")


FAULTS = {
    "nothing": (b"", "there is no certificate in it: it is empty"),
    "binary": (bytes(range(256)) * 4, "there is no certificate in PEM form in it"),
    "large": (b"#" * (10 << 20), "is larger than 1024 KiB"),
    "cut": (None, "is the file whole?"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_check_finds_what_is_wrong_with_a_file(fault, root):
    content, expected = FAULTS[fault]
    weir = scene.Weir(ADMIN.format(server="127.0.0.1:1"))
    try:
        certificate, _ = identity(root).save(weir.folder, "proxy")
        certificates.write(certificate, content if content is not None else identity(root).chain[:-200])
        code, text = weir.check()
        assert code == 1
        line = weir.read("weir.ini").splitlines().index("mtls.certificate = proxy.pem") + 1
        assert f"weir.ini:{line}: error: the certificate proxy.pem: " in text and expected in text
    finally:
        shutil.rmtree(weir.folder)


def test_a_check_warns_of_a_key_that_everybody_can_read(root):
    weir = scene.Weir(ADMIN.format(server="127.0.0.1:1"))
    try:
        _, key = identity(root).save(weir.folder, "proxy")
        os.chmod(key, 0o644)
        code, text = weir.check()
        assert code == 0 and "everybody on this machine can read the private key (mode 0644)" in text
    finally:
        shutil.rmtree(weir.folder)
