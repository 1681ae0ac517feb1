#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lines that a running Weir writes, and where they go."""
import json
import os
import re
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402

INI = """
[module route]
[module respond]
[module accesslog]
{settings}
[route all]
match = */*
respond.body = hello
{more}
"""

TO_FILE = "file = {folder}/access.log"
COMBINED = re.compile(r'^(\S+) - - \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "(.*)" (\d{3}) (\d+) "(.*)" "(.*)"$')


def ini(*settings, more=""):
    return INI.format(settings="\n".join(settings), more=more)


def lines(weir, count, name="access.log"):
    """That many lines, and no more; they come within about a second."""
    scene.until(lambda: weir.read(name).count("\n") >= count, f"{count} lines in {name}")
    text = weir.read(name)
    assert text.endswith("\n") and text.count("\n") == count, text
    return text.splitlines()


def test_combined_is_what_log_readers_expect():
    with scene.Weir(ini(TO_FILE)) as weir:
        weir.ask("/a%41?b=c", headers={"User-Agent": "scene/1.0", "Referer": "http://example.com/\"x\""})
        weir.ask("/", method="POST", body=b"12345")
        weir.say(b"nonsense\r\n\r\n")
        first, second, third = [COMBINED.match(line).groups() for line in lines(weir, 3)]
        assert first[0] == "127.0.0.1"
        assert first[2:] == ("GET /aA?b=c HTTP/1.1", "200", "5", "http://example.com/\\x22x\\x22", "scene/1.0")
        assert second[2:] == ("POST / HTTP/1.1", "200", "5", "-", "-")
        assert third[2:4] == ("-", "400")
        assert os.stat(weir.path("access.log")).st_mode & 0o777 == 0o640


def test_json_is_json_whatever_clients_send():
    more = "[upstream down]\nserver = 127.0.0.1:1\n[route down]\nmatch = down.test/*\nupstream = down\n"
    with scene.Weir(ini(TO_FILE, "format = json", more=more)) as weir:
        weir.ask("/x?y", headers={"User-Agent": "a\"},{\"b\\", "Referer": "gr\u00c3\u00bc\u00c3\u009f\u00ff"})
        weir.ask("/", "down.test")
        weir.say(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        first, second, third = [json.loads(line.encode("latin-1")) for line in lines(weir, 3)]
        assert list(first) == ["time", "client", "method", "target", "version", "status", "bytes_sent", "bytes_received",
                               "duration_ms", "host", "route", "upstream", "server", "attempts", "referer", "user_agent",
                               "failure"]
        assert (first["target"], first["status"], first["bytes_sent"]) == ("/x?y", 200, 5)
        assert (first["host"], first["route"], first["upstream"]) == ("weir.test", "all", None)
        assert (first["user_agent"], first["referer"]) == ("a\"},{\"b\\", "gr\u00fc\u00df\u00ff")
        assert first["failure"] is None and 0 < first["duration_ms"] < 30000
        assert (second["status"], second["upstream"], second["server"]) == (502, "down", "127.0.0.1:1")
        assert second["failure"] and second["attempts"] == 1
        assert third["status"] == 400 and third["route"] is None and third["failure"]


def test_a_format_of_ones_own():
    own = 'format = {"status":${status},"agent":"${request.User-Agent}","cost":"$$1"}'
    with scene.Weir(ini(TO_FILE, own, "escape = json")) as weir:
        weir.ask(headers={"User-Agent": "\"quoted\""})
        assert json.loads(lines(weir, 1)[0]) == {"status": 200, "agent": "\"quoted\"", "cost": "$1"}


def test_routes_choose_their_own():
    more = ("[route quiet]\nmatch = */healthz\nrespond.body = ok\naccesslog.file = off\n"
            "[route apart]\nmatch = */apart/*\nrespond.body = ok\naccesslog.file = {folder}/apart.log\n")
    with scene.Weir(ini(TO_FILE, "format = ${path}", more=more)) as weir:
        for target in ["/", "/healthz", "/apart/x", "/healthz", "/end"]:
            weir.ask(target)
        assert lines(weir, 2) == ["/", "/end"]
        assert lines(weir, 1, "apart.log") == ["/apart/x"]


def test_logrotate_loses_no_line():
    with scene.Weir(ini(TO_FILE, "format = ${path}"), threads=2) as weir:
        weir.ask("/before")
        lines(weir, 1)
        os.rename(weir.path("access.log"), weir.path("access.log.1"))
        weir.signal(signal.SIGUSR1)
        scene.until(lambda: "opened anew" in weir.read("stderr"), "the new file is in use")
        weir.ask("/after")
        assert lines(weir, 1) == ["/after"]
        assert lines(weir, 1, "access.log.1") == ["/before"]


def test_under_load_with_reloads_and_rotations_every_line_is_whole():
    answered = []

    def ask_many(weir, number):
        for i in range(150):
            assert weir.ask(f"/{number}/{i}").status == 200
            answered.append(f"/{number}/{i}")

    configuration = ini(TO_FILE, "format = begin ${path} end")
    with scene.Weir(configuration, threads=2) as weir:
        threads = [threading.Thread(target=ask_many, args=(weir, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for number in range(4):
            weir.reload(configuration)
            os.rename(weir.path("access.log"), weir.path(f"access.log.{number}"))
            weir.signal(signal.SIGUSR1)
            scene.until(lambda: os.path.exists(weir.path("access.log")), "the new file")
        for thread in threads:
            thread.join()

        def logged():
            names = [name for name in os.listdir(weir.folder) if name.startswith("access.log")]
            return "".join(weir.read(name) for name in names).splitlines()

        scene.until(lambda: len(logged()) >= len(answered), "a line for each request")
        assert sorted(logged()) == sorted(f"begin {path} end" for path in answered)
        assert len(answered) == 600


def test_what_is_in_the_buffer_at_the_end_is_written():
    weir = scene.Weir(ini(TO_FILE, "format = ${path}"))
    log = os.open("/dev/null", os.O_RDONLY)
    try:
        with weir:
            weir.ask("/last")
            os.close(log)
            log = os.open(weir.path("access.log"), os.O_RDONLY)
        assert os.read(log, 100) == b"/last\n"
    finally:
        os.close(log)


def test_a_full_disk_is_counted_and_the_server_goes_on():
    with scene.Weir(ini("file = /dev/full")) as weir:
        weir.ask()
        scene.until(lambda: weir.ask().status == 200 and weir.metric("weir_accesslog_errors_total") > 0, "it is counted")
        assert weir.read("stderr").count("/dev/full: No space left on device") == 1


def test_stderr_and_syslog():
    with scene.Weir(ini("file = stderr", "format = line of ${path}")) as weir:
        weir.ask("/x")
        scene.until(lambda: "line of /x\n" in weir.read("stderr"), "the line on stderr")
    with scene.Weir(ini("file = syslog:{folder}/syslog", "format = line of ${path}")) as weir:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
            daemon.settimeout(scene.PATIENCE)
            daemon.bind(weir.path("syslog"))  # it comes up after Weir
            weir.ask("/x")
            assert re.fullmatch(r"<190>\w{3} [ \d]\d \d\d:\d\d:\d\d weir: line of /x", daemon.recv(1000).decode())


def test_a_check_leaves_no_trace_and_names_mistakes():
    weir = scene.Weir(ini(TO_FILE))
    with weir:
        os.unlink(weir.path("access.log"))
        assert weir.check()[0] == 0
        assert not os.path.exists(weir.path("access.log"))
    code, text = scene.check(ini("file = relative", "format = ${nobody}"))
    assert code == 1
    assert re.search(r"weir\.ini:\d+: error: `file = relative`: stderr, syslog", text)
    assert "${nobody}" in text
    code, text = scene.check(ini("file = /nowhere/access.log"))
    assert code == 1 and "cannot write to `/nowhere/access.log`" in text
