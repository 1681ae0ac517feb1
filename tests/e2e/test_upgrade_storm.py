#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One upgrade after another under load, on sockets of its own and on the manager's."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402
from test_upgrade import CRASHES, Activated, Weir, ini  # noqa: E402


@pytest.mark.parametrize("kind", [Weir, Activated], ids=["own sockets", "the manager's"])
def test_a_storm_of_upgrades_fails_no_request(kind):
    """Binaries that crash at their start take turns with good ones, forth to another number of threads and back. A longer one:
    UPGRADES=50 CLIENTS=64."""
    with kind(ini("0"), threads=2) as weir:
        with scene.Load(weir.port(), "/page", int(os.environ.get("CLIENTS", "8"))) as load:
            for number in range(1, int(os.environ.get("UPGRADES", "2")) + 1):
                before, weir.threads = weir.pid, 1 + number % 2
                weir.install(CRASHES)
                assert weir.ctl("upgrade")[0] == 1 and weir.status()["pid"] == before
                weir.install(os.environ["WEIR"])
                weir.write(ini(str(number)))
                weir.upgrade()
                load.until_seen(200, str(number))
                weir.until_ended(before)
                assert load.failures == []
            count = load.count
            scene.until(lambda: load.count > count + 100, "a hundred more requests")
        assert load.failures == []
