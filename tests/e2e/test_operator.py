#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator meets beside the changes themselves: who may ask, calls that break off, an export that is put into the files,
module files that change under a running process.
"""
import os
import pwd
import shutil
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402
import test_upgrade  # noqa: E402

INI = """
[module route]
[upstream a]
server = 127.0.0.1:1
[upstream b]
server = 127.0.0.1:2
[route main]
match = main.test/*
upstream = a
"""


def untouched(weir):
    return weir.call("GET", "/v1/status")[1]["generation"] == 1 and weir.call("GET", "/v1/routes")[1]["revision"] == 0


# --- who may ask ----------------------------------------------------------------------------------------------------------


def test_who_may_not_open_the_socket_changes_nothing():
    """Its mode is 0660. Root may open any socket, so it becomes somebody else; others take the right from themselves."""
    def become_nobody():
        user = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    with scene.Weir(INI) as weir:
        path = weir.path("admin.sock")
        assert os.stat(path).st_mode & 0o777 == 0o660
        os.chmod(weir.folder, 0o755)
        if os.geteuid() != 0:
            os.chmod(path, 0)
        code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        done = subprocess.run(["/usr/bin/python3", "-c", code, path], capture_output=True, text=True, timeout=scene.PATIENCE,
                              check=False, preexec_fn=become_nobody if os.geteuid() == 0 else None)
        assert done.returncode == 1 and "PermissionError" in done.stderr, done.stderr
        os.chmod(path, 0o660)
        assert untouched(weir)


# --- calls that break off -------------------------------------------------------------------------------------------------

BREAKS = {
    "before the end of its body": b"PATCH /v1/routes/main HTTP/1.1\r\nHost: weir\r\nContent-Length: 100\r\n\r\n{\"upstream\": \"b\"}",
    "in its head": b"PATCH /v1/routes/main HTTP/1.1\r\nHost: we",
    "before its last chunk": b"PATCH /v1/routes/main HTTP/1.1\r\nHost: weir\r\nTransfer-Encoding: chunked\r\n\r\n"
                             b"11\r\n{\"upstream\": \"b\"}\r\n",
}


@pytest.mark.parametrize("data", BREAKS.values(), ids=BREAKS)
def test_a_call_that_breaks_off_changes_nothing(data):
    with scene.Weir(INI) as weir:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(scene.PATIENCE)
            s.connect(weir.path("admin.sock"))
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            try:
                assert b" 200 " not in s.recv(4096)
            except ConnectionResetError:
                pass
        assert untouched(weir)


# --- the export -----------------------------------------------------------------------------------------------------------


def test_what_was_exported_says_in_the_files_what_was_changed():
    with scene.Weir(INI) as weir:
        assert weir.call("PUT", "/v1/upstreams/c", {"server": ["127.0.0.1:3 weight=2", "127.0.0.1:4"]})[0] == 200
        assert weir.call("PUT", "/v1/routes/more", {"match": ["more.test/*", "x.test/a/*"], "upstream": "c"})[0] == 200
        assert weir.call("PATCH", "/v1/routes/main", {"body_size": "7M"})[0] == 200
        changed = [weir.call("GET", path)[1][kind] for path, kind in (("/v1/routes", "routes"), ("/v1/upstreams", "upstreams"))]
        whole = weir.ctl("export", "--all")
        assert whole[0] == 0, whole
        assert weir.call("POST", "/v1/revert")[0] == 200
        assert list(weir.call("GET", "/v1/routes")[1]["routes"]) == ["main"]
        weir.reload("[module route]\n" + whole[1])
        assert [weir.call("GET", path)[1][kind]
                for path, kind in (("/v1/routes", "routes"), ("/v1/upstreams", "upstreams"))] == changed


# --- module files ---------------------------------------------------------------------------------------------------------

OLD, NEW = b"Changes bodies as requests order.", b"Alters the body as ordered, anew."


def test_a_module_file_that_changes_on_disk_is_told_and_arrives_with_an_upgrade():
    """The new code is the same file with another summary, which the admin socket shows."""
    with open(os.path.join(scene.MODULES, "shaper.so"), "rb") as f:
        code = f.read()
    assert code.count(OLD) == 1

    class Weir(test_upgrade.Weir):
        def summary(self):
            return next(m["summary"] for m in self.call("GET", "/v1/modules")[1]["modules"] if m["name"] == "shaper").encode()

        def put(self, content):
            with open(self.path("shaper.new"), "wb") as f:
                f.write(content)
            os.replace(self.path("shaper.new"), os.path.join(self.folders[0], "shaper.so"))

    weir = Weir(test_upgrade.ini("old") + "[module shaper]\nfile = {folder}/notes\n")
    weir.folders = [weir.path("more")]
    os.mkdir(weir.folders[0])
    shutil.copy(os.path.join(scene.MODULES, "shaper.so"), weir.folders[0])
    with weir:
        assert weir.ctl("reload")[0] == 0 and weir.summary() == OLD
        weir.put(code.replace(OLD, NEW))
        status, said = weir.call("POST", "/v1/reload")
        assert status == 200 and any("shaper.so) has changed on disk since it was loaded" in m["text"] for m in said["messages"]), said
        assert weir.summary() == OLD
        weir.put(b"no module at all")
        refused = weir.ctl("upgrade")
        assert refused[0] == 1 and "shaper" in refused[1], refused
        assert weir.summary() == OLD and weir.ask("/page").body == "old"
        weir.put(code.replace(OLD, NEW))
        before = weir.pid
        weir.upgrade()
        assert weir.summary() == NEW and weir.ask("/page").body == "old"
        weir.until_ended(before)
