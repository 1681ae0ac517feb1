#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""weirctl where the command line, the server or its own output is not as it should be: exit codes tell it, and what is asked with
--json is JSON.
"""
import json
import os
import socket
import subprocess
import threading

import pytest

import scene

INI = """
[module route]
[module balance]
[upstream a]
server = 127.0.0.1:1
[route main]
match = main.test/*
upstream = a
"""


def ask(path, *words, **more):
    return subprocess.run([os.environ["WEIRCTL"], "-s", path, *words], timeout=scene.PATIENCE, check=False,
                          **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})


@pytest.fixture(scope="module")
def shared():
    with scene.Weir(INI) as weir:
        yield weir


@pytest.mark.parametrize("words, code, said", [
    (["status", "now"], 2, "status takes no words"),
    (["stop", "now"], 2, "stop takes no words"),
    (["servers", "n" * 3000], 1, "no such path"),
    (["servers", "n" * 3000, "remove", "s" * 3000], 1, "no such path"),
    (["routes", "delete", "n" * 3000], 1, "no such path"),
    (["revert", "routes", b"\xff"], 2, "UTF-8"),
    (["routes", "set", "main", "upstream=a", "--revision", "0&dry_run=no"], 2, "is no number"),
    (["routes", "set", "main", "upstream=a", "--revision", "0", "--revision", "7"], 1, "stands twice"),
])
def test_what_makes_no_sense_is_told_and_changes_nothing(shared, words, code, said):
    done = ask(shared.path("admin.sock"), *words)
    assert (done.returncode, done.stdout) == (code, b"") and said in done.stderr.decode(), done
    assert shared.call("GET", "/v1/status")[1]["revision"] == 0


@pytest.mark.parametrize("words, code", [
    (["status"], 0), (["metrics"], 0), (["export"], 0), (["export", "--all"], 0), (["modules"], 0), (["upstreams"], 0),
    (["routes", "none"], 1), (["routes", "set", "main", "bogus=1"], 1), (["balance", "none"], 1),
    (["revert", "--revision", "7"], 4)])
def test_json_is_json(shared, words, code):
    done = ask(shared.path("admin.sock"), "--json", *words)
    assert done.returncode == code and isinstance(json.loads(done.stdout), dict)


@pytest.mark.parametrize("words", [["status"], ["metrics"], ["--json", "routes"]])
def test_an_answer_that_cannot_be_printed_is_a_failure(shared, words):
    """A copy of the table on a full disk would be no copy."""
    with open("/dev/full", "wb") as full:
        done = ask(shared.path("admin.sock"), *words, stdout=full)
    assert done.returncode == 5 and b"cannot be printed" in done.stderr


def test_a_file_that_is_too_large_is_refused_and_not_called_an_absent_server(shared):
    with open(shared.path("large"), "w", encoding="ascii") as f:
        f.write('{"routes": {"main": {"match": "%s"}}}' % ("x" * (65 << 20)))
    done = ask(shared.path("admin.sock"), "--json", "routes", "patch", shared.path("large"))
    assert done.returncode == 1 and json.loads(done.stdout) == {"error": "the server answers 413"}


@pytest.mark.parametrize("answer, code", [
    (b"", 3), (b"HTTP/1.1 200 OK\r\nConte", 3), (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", 3),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 3), (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", 3),
    (b"HTTP/1.1 302 No\r\nContent-Length: 2\r\n\r\n{}", 1), (b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\n<b>\x1b[", 1)])
def test_a_server_that_dies_or_is_no_weir(tmp_path, answer, code):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def play():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        peer = threading.Thread(target=play, daemon=True)
        peer.start()
        done = ask(str(tmp_path / "s"), "status")
        peer.join(scene.PATIENCE)
    assert (done.returncode, done.stdout) == (code, b"") and done.stderr.startswith(b"weirctl: ") and b"\x1b" not in done.stderr


def test_a_name_is_completed_and_not_run(shared):
    """Whoever may make a route shall not have the shell of whoever presses the tab key."""
    mark = shared.path("mark")
    name = f"$(touch${{IFS}}{os.path.basename(mark)})"
    assert shared.call("PATCH", "/v1/routes", {"routes": {name: {"match": "x.test/*", "upstream": "a"}}})[0] == 200
    source = os.path.join(os.environ["top_srcdir"], "tools/weirctl.bash")
    script = f"""
        weirctl() {{ "$WEIRCTL" "$@"; }}
        . '{source}'
        COMP_WORDS=(weirctl -s '{shared.path("admin.sock")}' routes delete '$') COMP_CWORD=5
        _weirctl; printf '%s\n' "${{COMPREPLY[@]}}"; eval "echo ${{COMPREPLY[0]}}" """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=shared.folder)
    quoted, plain = done.stdout.splitlines()
    assert plain == name != quoted and not os.path.exists(mark)
    assert shared.call("POST", "/v1/revert")[0] == 200
