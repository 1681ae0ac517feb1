#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line: what weir -t, -T, -m, --chain and -V say, where, and with which exit code."""
import os
import re
import shutil
import subprocess

import pytest

import scene

GOOD = """
[module route]
[module header]
response_set = A: b
[module respond]
[upstream origin]
server = 127.0.0.1:1
[route all]
match = */*
upstream = origin
header.response_set = C: d
[route quiet]
match = quiet.test/*
header.enable = no
respond.body = hush
"""


@pytest.fixture
def weir():
    weir = scene.Weir(GOOD)
    os.mkdir(weir.path("conf.d"))
    yield weir
    shutil.rmtree(weir.folder)


def run(weir, *words, command=None):
    done = subprocess.run(command or weir.command(*words), capture_output=True, text=True, timeout=scene.PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr.replace(weir.folder + "/", "")


def write(weir, name, text):
    with open(weir.path(name), "w", encoding="utf-8") as f:
        f.write(text)


def test_a_good_configuration_is_told_on_stdout(weir):
    code, said, errors = run(weir, "-t")
    assert (code, errors) == (0, "")
    assert "configuration is good: listeners 1, upstreams 1, routes 2, modules 3" in said
    assert sorted(os.listdir(weir.folder)) == ["conf.d", "weir.ini"]


def test_an_empty_file_is_an_error(weir):
    """Such as an editor leaves on a full disk: a reload would close every listener."""
    for text in ("", "; later\n"):
        write(weir, "weir.ini", text)
        code, said, errors = run(weir, "-t")
        assert (code, said) == (1, "") and "weir.ini: error: there is no [listen NAME] section" in errors


@pytest.mark.parametrize("option", ["-t", "-T", "--chain", "-m"])
def test_what_cannot_be_written_is_an_error(weir, option):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(weir.command(option), stdout=full, stderr=subprocess.PIPE, timeout=scene.PATIENCE, check=False)
    assert done.returncode == 1 and b"cannot be written" in done.stderr


def test_all_errors_in_all_files_are_told_at_once(weir):
    write(weir, "conf.d/10-first.ini", "[route second]\nmatch = b.test/*\nupstream = orign\nheader.response_sett = x\n")
    write(weir, "conf.d/20-second.ini", "[module heder]\n[upstream u]\nsever = 127.0.0.1:1\n[listen web2]\naddress = nonsense:x\n")
    write(weir, "conf.d/30-third.ini", "[upstream v]\nserver = 127.0.0.1:1\nconnect_timeout = 5 parsecs\n[rout r]\n")
    write(weir, "conf.d/ignored.conf", "nonsense\n")
    for action in ("-t", "-T", "--chain"):
        code, said, errors = run(weir, action)
        assert (code, said) == (1, "")
        for place, words in [
                ("conf.d/10-first.ini:3", "origin"), ("conf.d/10-first.ini:4", "response_set"),
                ("conf.d/20-second.ini:1", "header"), ("conf.d/20-second.ini:2", "needs `server`"),
                ("conf.d/20-second.ini:5", "nonsense"), ("conf.d/30-third.ini:3", "5 parsecs"),
                ("conf.d/30-third.ini:4", "route")]:
            assert re.search(rf"^{re.escape(place)}: error: .*{re.escape(words)}", errors, re.M), (place, words, errors)
        assert errors.count(": error: ") == 7
        for file in ("10-first", "20-second", "30-third"):
            lines = [int(line) for line in re.findall(rf"^conf\.d/{file}\.ini:(\d+): ", errors, re.M)]
            assert lines == sorted(lines)


def test_a_file_that_cannot_be_read_is_an_error(weir):
    os.mkdir(weir.path("conf.d/folder.ini"))
    code, _, errors = run(weir, "-t")
    assert code == 1 and "conf.d/folder.ini" in errors
    os.unlink(weir.path("weir.ini"))
    code, _, errors = run(weir, "-t")
    assert code == 1 and "weir.ini" in errors and "No such file" in errors


def test_values_are_shown_with_their_origin(weir):
    write(weir, "conf.d/more.ini", "[upstream second]\nserver = 127.0.0.1:2\nconnect_timeout = 1500ms\n")
    code, said, errors = run(weir, "-T")
    assert (code, errors) == (0, "")
    assert re.search(r"connect_timeout = 1500ms.*conf\.d/more\.ini:3", said)
    assert re.search(r"response_set = C: d.*weir\.ini:\d+", said)
    assert re.search(r"first_byte_timeout = \S+.*default", said)


def test_chains_are_shown_with_module_section_and_place(weir):
    code, said, errors = run(weir, "--chain")
    assert (code, errors) == (0, "")
    sections = {text.split("]")[0]: text for text in ("\n" + said).split("\n[")[1:]}
    assert re.search(r"response +header +\[route all\] .*weir\.ini:\d+", sections["route all"])
    assert "header" not in sections["route quiet"]
    assert re.search(r"cache +respond +\[route quiet\]", sections["route quiet"]) and "respond" not in sections["route all"]


def test_modules_are_listed_and_explained(weir):
    code, said, errors = run(weir, "-m")
    assert (code, errors) == (0, "")
    assert re.search(r"^header +\S.*\.$", said, re.M)
    code, said, _ = run(weir, "-m", "header")
    assert code == 0 and "response_set" in said
    code, said, errors = run(weir, "-m", "heder")
    assert code == 1 and said == "" and "header" in errors


def test_versions_are_told(weir):
    code, said, errors = run(weir, "-V")
    assert (code, errors) == (0, "")
    assert re.match(r"weir \d+\.\d+\S*\nmodule ABI \d+\.\d+\nlibevent \d", said)


@pytest.mark.parametrize("words, complaint", [
    (["-x"], "unknown option -x"), (["-t", "-T"], "only one of"), (["-t", "more"], "unexpected `more`"),
    (["--chains"], "unknown option --chains"), (["-M"], "-M needs a value")])
def test_wrong_usage_is_another_code(weir, words, complaint):
    code, said, errors = run(weir, *words)
    assert (code, said) == (2, "") and complaint in errors and "usage: weir" in errors


# --- what is shipped -----------------------------------------------------------------------------------------------


def test_what_is_shipped_serves_and_logs_each_request_once():
    """Weir is its own origin there; but for addresses, all is as installed."""
    weir = scene.Weir("")
    write(weir, "weir.ini", f"[weir]\nadmin = {weir.path('admin.sock')}\nstate_dir = {weir.folder}\nthreads = 1\n")
    os.mkdir(weir.path("conf.d"))
    shipped = os.path.join(os.environ["top_srcdir"], "conf.d")
    for name in os.listdir(shipped):
        with open(os.path.join(shipped, name), encoding="ascii") as f:
            text = f.read().replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:8081", f"unix:{weir.path('welcome')}")
        write(weir, "conf.d/" + name, text)
    with weir:
        assert "Weir works: its own origin was asked for /hello" in weir.ask("/hello").body
        scene.until(lambda: "GET /hello" in weir.read("stderr"), "it is logged")
        weir.ask("/next")
        scene.until(lambda: "GET /next" in weir.read("stderr"), "the next is logged")
        assert weir.read("stderr").count("GET /hello") == 1
