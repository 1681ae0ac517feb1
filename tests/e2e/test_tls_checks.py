#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Active checks over TLS: they trust as requests do, and who shows another certificate is out before a request meets it. They
show the upstream's own certificate, and go through its proxies."""
import json
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import proxies  # noqa: E402
import scene  # noqa: E402
from certificates import Identity  # noqa: E402
from test_tls_origins import Folder, Origin  # noqa: E402

INI = """
[module route]
[module balance]
[upstream origins]
{servers}
tls = yes
ca = {ca}
sni = api.test
balance.check = {kind}
balance.check_interval = 1s
balance.check_rise = 1
balance.check_fall = 1
{more}
[route all]
match = */*
upstream = origins
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("certificates"))


def ini(made, origins, kind="http", ca=None, more=""):
    servers = "\n".join(f"server = {origin.address}" for origin in origins)
    return INI.format(servers=servers, ca=ca or made.ca, kind=kind, more=more)


def states(weir, *origins):
    code, text = weir.ctl("--json", "balance", "servers", "origins")
    assert code == 0, text
    shown = {server["server"]: server for server in json.loads(text)["servers"]}
    return [(shown[origin.address]["state"], shown[origin.address]["check"]) for origin in origins]


GOOD, OUT = ("in", "good"), ("down", "no answer")


@pytest.mark.parametrize("kind", ["http", "connect"])
def test_who_shows_another_certificate_is_out_and_back_with_the_expected_one(made, kind):
    with Origin(made.server("api.test")) as good, Origin(made.server("evil.test")) as wrong:
        with scene.Weir(ini(made, [good, wrong], kind), threads=2) as weir:
            scene.until(lambda: states(weir, good, wrong) == [GOOD, OUT], "the wrong one is out")
            assert good.seen[0]["sni"] == "api.test"
            assert {weir.ask(f"/{number}").status for number in range(6)} == {200}
            assert not any(b"GET /" in connection.received for connection in wrong.connections)
            wrong.context.load_cert_chain(*made.server("api.test"))
            scene.until(lambda: states(weir, good, wrong) == [GOOD, GOOD], "it shows the expected one")


def test_who_is_signed_by_nobody_known_is_out(made):
    with Origin(made.server("api.test", issuer=made.other)) as origin, scene.Weir(ini(made, [origin])) as weir:
        scene.until(lambda: states(weir, origin) == [OUT], "it is out")
        weir.reload(ini(made, [origin], ca=made.other_ca))
        scene.until(lambda: states(weir, origin) == [GOOD], "its authority is trusted")


def test_a_check_shows_the_certificate_that_requests_show(made):
    files = made.save(Identity("Weir", made.root, purpose="client"))
    lines = f"mtls.certificate = {files[0]}\nmtls.key = {files[1]}"
    with Origin(made.server("api.test"), ca=made.ca) as origin, scene.Weir(ini(made, [origin])) as weir:
        scene.until(lambda: states(weir, origin) == [OUT], "without a certificate it is out")
        weir.reload("[module mtls]\n" + ini(made, [origin], more=lines))
        scene.until(lambda: states(weir, origin) == [GOOD], "with it, it is in")
        assert origin.seen[-1]["client"] == "Weir"


def test_a_check_goes_through_the_upstreams_proxy(made):
    with Origin(made.server("api.test")) as origin, proxies.Proxy(to=origin.address) as proxy:
        text = ini(made, [origin], more=f"tunnel.via = {proxy.address}").replace(origin.address, "api.test:443")
        with scene.Weir("[module tunnel]\n" + text) as weir:
            scene.until(lambda: '"check":"good"' in weir.ctl("--json", "balance", "servers")[1], "it is in")
            assert proxy.heads[0].startswith("CONNECT api.test:443 HTTP/1.1\r\n")
