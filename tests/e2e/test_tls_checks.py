#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Active checks over TLS: they trust as requests do, and who shows another certificate is out before a request meets it."""
import json
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402
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
[route all]
match = */*
upstream = origins
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("certificates"))


def ini(made, origins, kind="http", ca=None):
    servers = "\n".join(f"server = {origin.address}" for origin in origins)
    return INI.format(servers=servers, ca=ca or made.ca, kind=kind)


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
