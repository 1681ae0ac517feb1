#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of the process: start, reload, drain, end; what it tells a service manager, and the admin socket.

Each scene starts Weir of its own in a folder of its own, on ports that the kernel chooses, and ends it.
"""
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

import pytest

import scene

WEIR = os.environ["WEIR"]
WEIRCTL = os.environ["WEIRCTL"]
MODULES = os.environ.get("WEIR_MODULES", "")
PATIENCE = 20

PAGE = """
[weir]
threads = 2
admin = admin.sock
{weir}
[listen web]
address = 127.0.0.1:0
{listen}
[module route]
[module balance]
[module respond]
{sections}
[route all]
match = */*
{route}
"""


def until(condition, what):
    """Wait for a condition, and no longer than that."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"waited in vain: {what}")


class Weir:
    def __init__(self, folder):
        self.folder = folder
        self.ini = os.path.join(folder, "weir.ini")
        self.admin = os.path.join(folder, "admin.sock")
        self.output = os.path.join(folder, "stderr")
        self.process = None

    def write(self, route="respond.status = 200\nrespond.body = one", weir="", sections="", listen=""):
        with open(self.ini, "w") as f:
            f.write(PAGE.format(weir=weir, sections=sections, route=route, listen=listen))

    def command(self):
        return [WEIR] + (["-M", MODULES] if MODULES else []) + ["-c", self.ini]

    def start(self, command=None, ready=True, **more):
        with open(self.output, "ab") as f:
            self.process = subprocess.Popen(command or self.command(), stderr=f, stdin=subprocess.DEVNULL, **more)
        if ready:
            until(lambda: self.port() or self.process.poll() is not None, "Weir listens")
            assert self.process.poll() is None, self.log()
        return self

    def log(self):
        with open(self.output) as f:
            return f.read()

    def ports(self):
        return [int(port) for port in re.findall(r"listening on 127\.0\.0\.1:(\d+)", self.log())]

    def port(self):
        ports = self.ports()
        return ports[-1] if ports else None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(PATIENCE)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def until_logged(self, text, count=1):
        until(lambda: self.log().count(text) >= count, f"{text!r} in the log:\n{self.log()}")

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port(), timeout=PATIENCE)

    def get(self, path="/"):
        connection = self.connect()
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body

    def ask(self, method, path, body=None, headers=None):
        """Ask the admin socket."""
        connection = http.client.HTTPConnection("weir", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(self.admin)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response, text

    def status(self):
        return json.loads(self.ask("GET", "/v1/status")[1])

    def ctl(self, *words):
        return subprocess.run([WEIRCTL, "-s", self.admin, *words], capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture
def weir():
    folder = tempfile.mkdtemp(prefix="weir-process-")
    weir = Weir(folder)
    yield weir
    weir.end()
    shutil.rmtree(folder)


class Origin:
    """Answers each request after `release` is set."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.release = threading.Event()
        self.asked = threading.Semaphore(0)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            self.asked.release()
            self.release.wait(PATIENCE * 2)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\norigin")

    def close(self):
        self.release.set()
        self.socket.close()


@pytest.fixture
def origin():
    origin = Origin()
    yield origin
    origin.close()


def proxying(origin):
    return {"sections": f"[upstream origin]\nserver = 127.0.0.1:{origin.port}\n", "route": "upstream = origin"}


class Client(threading.Thread):
    """Asks once, in the background."""

    def __init__(self, weir):
        super().__init__(daemon=True)
        self.weir, self.result = weir, None
        self.start()

    def run(self):
        try:
            self.result = self.weir.get()
        except (OSError, http.client.HTTPException) as error:
            self.result = error


# --- start ---------------------------------------------------------------------------------------------------------


def test_starts_serves_and_ends(weir):
    weir.write()
    weir.start()
    assert weir.get() == (200, "one")
    assert stat.S_IMODE(os.stat(weir.admin).st_mode) == 0o660
    weir.signal(signal.SIGTERM)
    assert weir.wait() == 0
    assert not os.path.exists(weir.admin)
    assert weir.log().rstrip().endswith("notice: stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_other_signals_end_it_as_well(weir, number):
    weir.write()
    weir.start().signal(number)
    assert weir.wait() == 0


def test_a_bad_configuration_is_told_whole(weir):
    weir.write(route="respond.statuz = 200\nupstream = nowhere", weir="thread = 3")
    weir.start(ready=False)
    assert weir.wait() == 1
    for error in ("`thread`", "respond.statuz", "nowhere"):
        assert error in weir.log()
    assert weir.log().count("error:") == 3


def test_an_address_in_use_is_told(weir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        weir.write(listen=f"address = 127.0.0.1:{other.getsockname()[1]}")
        weir.start(ready=False)
        assert weir.wait() == 1
    assert "[listen web] cannot listen on 127.0.0.1" in weir.log()
    assert not os.path.exists(weir.admin)


def test_an_error_log_that_cannot_be_had_is_told(weir):
    weir.write(weir="error_log = /nowhere/at/all")
    weir.start(ready=False)
    assert weir.wait() == 1
    assert "cannot open `error_log = /nowhere/at/all`: No such file or directory" in weir.log()


# --- reload --------------------------------------------------------------------------------------------------------


def test_a_reload_under_load_fails_no_request(weir):
    weir.write()
    weir.start()
    pid = weir.process.pid
    with scene.Load(weir.port()) as load:
        load.until_seen(200, "one")
        for number in range(2, 12):
            weir.write(route=f"respond.status = 200\nrespond.body = {number}")
            weir.signal(signal.SIGHUP)
            load.until_seen(200, str(number))
    assert load.failures == []
    assert {status for status, _ in load.seen} == {200}
    status = weir.status()
    assert status["pid"] == pid and status["generation"] == 11
    until(lambda: weir.status()["generations"] == 1, "old generations are freed")


def test_a_bad_file_leaves_the_old_one_serving(weir):
    weir.write()
    weir.start()
    with scene.Load(weir.port()) as load:
        weir.write(route="respond.statuz = 200")
        weir.signal(signal.SIGHUP)
        weir.until_logged("the configuration was not reloaded; generation 1 serves on")
        assert "unknown key `respond.statuz`" in weir.log()
    assert load.failures == [] and load.seen == {(200, "one")}
    assert weir.status()["reload_failures"] == 1


def test_many_requests_to_reload_become_few(weir):
    weir.write()
    weir.start()
    weir.write(route="respond.status = 200\nrespond.body = last")
    for _ in range(200):
        weir.signal(signal.SIGHUP)
    until(lambda: weir.get() == (200, "last"), "the new page")
    assert weir.status()["reload_failures"] == 0
    assert weir.status()["reloads"] < 200


def test_whoever_asks_gets_a_reload_that_began_later(weir):
    weir.write()
    weir.start()
    wrong = []

    def ask():
        for _ in range(30):
            before = weir.status()["generation"]
            response, text = weir.ask("POST", "/v1/reload")
            if response.status != 200 or json.loads(text)["generation"] <= before:
                wrong.append((response.status, before, text))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert wrong == []
    assert weir.get() == (200, "one")
    until(lambda: weir.status()["generations"] == 1, "old generations are freed")


def test_a_reload_moves_listeners(weir):
    weir.write()
    weir.start()
    first = weir.port()
    with scene.claim() as other:
        second = other.getsockname()[1]
        weir.write(listen=f"address = 127.0.0.1:{second}")
        assert weir.ctl("reload").returncode == 0
        assert {l["address"] for l in weir.status()["listeners"]} == {f"127.0.0.1:{first}", f"127.0.0.1:{second}"}
        assert weir.ports() == [first, second]
        assert weir.get() == (200, "one")
        weir.write()
        assert weir.ctl("reload").returncode == 0
        until(lambda: refused(second), "nobody listens there any more")
    socket.create_connection(("127.0.0.1", first), PATIENCE).close()


def test_a_reload_that_cannot_bind_changes_nothing(weir):
    weir.write()
    weir.start()
    with socket.create_server(("127.0.0.1", 0)) as other:
        weir.write(listen=f"address = 127.0.0.1:{other.getsockname()[1]}", route="respond.status = 200\nrespond.body = two")
        result = weir.ctl("reload")
    assert result.returncode == 1 and "cannot listen on" in result.stderr
    assert weir.get() == (200, "one")
    weir.write(route="respond.status = 200\nrespond.body = two")
    assert weir.ctl("reload").returncode == 0
    assert weir.get() == (200, "two")


def test_what_needs_a_new_process_is_said_at_each_reload(weir):
    weir.write()
    weir.start()
    with open(weir.ini) as f:
        text = f.read()
    with open(weir.ini, "w") as f:
        f.write(text.replace("threads = 2", "threads = 3\nresolver = 127.0.0.1"))
    for _ in range(2):
        result = weir.ctl("reload")
        assert result.returncode == 0
        for name in ("threads", "resolver"):
            assert f"`{name}` in [weir] has changed; that needs a restart" in result.stderr
        assert "`admin`" not in result.stderr
    assert weir.status()["threads"] == 2


# --- the end -------------------------------------------------------------------------------------------------------


def test_running_requests_are_served_to_their_end(weir, origin):
    weir.write(**proxying(origin))
    weir.start()
    idle = weir.connect()
    idle.connect()
    client = Client(weir)
    origin.asked.acquire(timeout=PATIENCE)
    weir.signal(signal.SIGTERM)
    weir.until_logged("notice: stopping")
    until(lambda: weir.status()["draining"], "it drains")
    assert weir.ask("GET", "/healthz")[0].status == 503
    assert weir.ctl("reload").returncode == 1
    assert idle.sock.recv(1) == b""        # idle connections are closed
    until(lambda: refused(weir.port()), "new connections are refused")
    assert weir.process.poll() is None
    origin.release.set()
    client.join(PATIENCE)
    assert client.result == (200, "origin")
    assert weir.wait() == 0


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_second_signal_ends_at_once(weir, origin):
    weir.write(**proxying(origin))
    weir.start()
    client = Client(weir)
    origin.asked.acquire(timeout=PATIENCE)
    weir.signal(signal.SIGTERM)
    weir.until_logged("notice: stopping")
    assert weir.process.poll() is None
    weir.signal(signal.SIGINT)
    assert weir.wait() == 0
    client.join(PATIENCE)
    assert not isinstance(client.result, tuple)


def test_draining_has_a_deadline(weir, origin):
    weir.write(weir="drain_timeout = 100ms", **proxying(origin))
    weir.start()
    client = Client(weir)
    origin.asked.acquire(timeout=PATIENCE)
    weir.signal(signal.SIGTERM)
    assert weir.wait() == 0
    assert "1 connections were open at the end of drain_timeout" in weir.log()
    client.join(PATIENCE)


def test_stopping_while_reloading(weir):
    weir.write()
    weir.start()
    for _ in range(10):
        weir.signal(signal.SIGHUP)
    weir.signal(signal.SIGTERM)
    assert weir.wait() == 0


# --- logs ----------------------------------------------------------------------------------------------------------


def test_logs_are_opened_anew(weir):
    log, moved = os.path.join(weir.folder, "error.log"), os.path.join(weir.folder, "error.log.1")
    weir.write(weir="error_log = error.log")
    weir.start(ready=False)
    until(lambda: os.path.exists(log) and "listening" in open(log).read(), "the log")
    os.rename(log, moved)
    weir.signal(signal.SIGUSR1)
    until(lambda: os.path.exists(log) and "opened anew" in open(log).read(), "the new log")
    assert "opened anew" not in open(moved).read()
    weir.signal(signal.SIGTERM)
    assert weir.wait() == 0
    assert "stopped" in open(log).read()


def test_a_reload_moves_the_log(weir):
    log = os.path.join(weir.folder, "error.log")
    weir.write()
    weir.start()
    weir.write(weir="error_log = error.log")
    assert weir.ctl("reload").returncode == 0
    assert "generation 2 serves" in open(log).read()
    weir.write(weir="error_log = /nowhere/error.log")
    result = weir.ctl("reload")
    assert result.returncode == 0 and "the old one stays" in result.stderr
    assert "generation 3 serves" in open(log).read()


# --- service managers ----------------------------------------------------------------------------------------------

LAUNCHER = """
import os, sys
fd = int(sys.argv[1])
if fd != 3:
    os.dup2(fd, 3)
    os.close(fd)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = "1", str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_sockets_are_taken_over(weir):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        weir.write()
        with open(weir.ini) as f:
            text = f.read()
        with open(weir.ini, "w") as f:
            f.write(text.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        early = socket.create_connection(("127.0.0.1", port))    # before anybody accepts
        early.sendall(b"GET / HTTP/1.0\r\n\r\n")
        fd = listener.fileno()
        weir.start([sys.executable, "-c", LAUNCHER, str(fd), *weir.command()], pass_fds=[fd])
    assert early.recv(100).startswith(b"HTTP/1.1 200")
    assert weir.port() == port and weir.get() == (200, "one")
    assert weir.status()["listeners"][0]["inherited"] is True
    assert weir.ctl("reload").returncode == 0
    assert weir.get() == (200, "one")


def test_a_socket_that_no_section_names_is_closed_and_told(weir):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        weir.write()
        weir.start([sys.executable, "-c", LAUNCHER, str(fd), *weir.command()], pass_fds=[fd])
    assert f"a socket on 127.0.0.1:{port} was handed over, but no [listen] section has that address" in weir.log()
    assert weir.port() != port and refused(port)


def test_the_manager_is_told(weir):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = os.path.join(weir.folder, "notify")
        manager.bind(path)
        manager.settimeout(PATIENCE)
        weir.write()
        weir.start(env={**os.environ, "NOTIFY_SOCKET": path})
        lines = manager.recv(4096).decode().splitlines()
        assert "READY=1" in lines and f"MAINPID={weir.process.pid}" in lines
        weir.signal(signal.SIGHUP)
        lines = manager.recv(4096).decode().splitlines()
        assert "RELOADING=1" in lines
        usec = [int(line.split("=")[1]) for line in lines if line.startswith("MONOTONIC_USEC=")]
        assert abs(usec[0] - time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6) < PATIENCE * 1e6
        assert "READY=1" in manager.recv(4096).decode().splitlines()
        weir.signal(signal.SIGTERM)
        assert "STOPPING=1" in manager.recv(4096).decode().splitlines()
        assert weir.wait() == 0


def test_root_becomes_the_user(weir):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    user = pwd.getpwnam("nobody")
    weir.write(weir="user = nobody\nerror_log = log/error.log")
    os.chmod(weir.folder, 0o755)
    os.mkdir(os.path.join(weir.folder, "log"))
    os.chown(os.path.join(weir.folder, "log"), user.pw_uid, -1)
    log = os.path.join(weir.folder, "log", "error.log")
    weir.start(ready=False)
    until(lambda: weir.process.poll() is not None or os.path.exists(log) and "listening" in open(log).read(), "it listens")
    if "Permission denied" in weir.log():
        pytest.skip("the modules' folder is closed to nobody")
    assert weir.process.poll() is None, weir.log()
    facts = dict(line.split(":\t", 1) for line in open(f"/proc/{weir.process.pid}/status").read().splitlines() if ":\t" in line)
    assert facts["Uid"].split() == [str(user.pw_uid)] * 4
    assert facts["Gid"].split() == [str(user.pw_gid)] * 4
    assert "0" not in facts["Groups"].split()
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(facts.get(name, "0"), 16) == 0
    for task in os.listdir(f"/proc/{weir.process.pid}/task"):
        assert f"Uid:\t{user.pw_uid}\t" in open(f"/proc/{weir.process.pid}/task/{task}/status").read()
    assert os.stat(log).st_uid == user.pw_uid
    assert os.stat(weir.admin).st_uid == user.pw_uid
    assert weir.ctl("reload").returncode == 0


@pytest.mark.parametrize("lines, error", [
    ("user = nobody-at-all", "there is no user nobody-at-all"),
    ("user = nobody\ngroup = no-such-group", "there is no group no-such-group"),
    ("group = nogroup", "`group = nogroup` is set, but no `user`"),
])
def test_users_that_make_no_sense_are_told(weir, lines, error):
    weir.write(weir=lines)
    weir.start(ready=False)
    assert weir.wait() == 1
    assert error in weir.log()


# --- the admin socket ----------------------------------------------------------------------------------------------


def test_a_stale_socket_is_replaced(weir):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(weir.admin)
    weir.write()
    weir.start()
    assert weir.status()["ready"]


def test_a_running_server_keeps_its_socket(weir):
    weir.write()
    weir.start()
    second = subprocess.run(weir.command(), capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 1
    assert f"belongs to a running process ({weir.process.pid})" in second.stderr
    assert weir.status()["ready"]


def test_a_file_in_the_way_is_left(weir):
    with open(weir.admin, "w") as f:
        f.write("precious")
    weir.write()
    weir.start(ready=False)
    assert weir.wait() == 1
    assert "is there already and is no socket" in weir.log()
    assert open(weir.admin).read() == "precious"


def test_a_missing_folder_is_told(weir):
    weir.write()
    with open(weir.ini) as f:
        text = f.read()
    with open(weir.ini, "w") as f:
        f.write(text.replace("admin.sock", "not/there/admin.sock"))
    weir.start(ready=False)
    assert weir.wait() == 1
    assert "not/there does not exist; create it" in weir.log()


def test_what_makes_no_sense_is_answered_so(weir):
    weir.write()
    weir.start()
    for method, path, body, status in [
        ("GET", "/", None, 404), ("GET", "/v1/nothing", None, 404), ("GET", "/v1/modules/respond", None, 404),
        ("POST", "/v1/status", None, 405), ("GET", "/v1/reload", None, 405), ("GET", "/v1/stop", None, 405),
        ("DELETE", "/v1/status", None, 405), ("GET", "/v1/modules/balance/servers", None, 405),
        ("POST", "/v1/modules/nothing/verb", None, 404), ("POST", "/v1/modules/balance/nothing", None, 404),
        ("POST", "/v1/modules/balance/servers/more", None, 404),
        ("POST", "/v1/modules/balance/servers", '{"arguments": [1]}', 400),
        ("POST", "/v1/modules/balance/servers", '{"arguments": "x"}', 400),
        ("POST", "/v1/modules/balance/servers", '["x"]', 400),
        ("POST", "/v1/modules/balance/servers", json.dumps({"arguments": ["x"] * 65}), 400),
        ("POST", "/v1/modules/balance/servers", '{"arguments": ["x", ]}', 400),
    ]:
        response, text = weir.ask(method, path, body)
        assert (method, path, response.status) == (method, path, status)
        assert json.loads(text)["error"]
    assert json.loads(text)["error"].startswith("line 1, column 21")
    assert weir.ask("HEAD", "/v1/status")[1] == ""
    assert weir.ask("POST", "/v1/status")[0].getheader("Allow") == "GET, HEAD"


def test_what_is_too_long_is_refused(weir):
    weir.write()
    weir.start()
    for head, body in [
        (b"GET /v1/status HTTP/1.1\r\nHost: weir\r\nX: " + b"x" * 10000 + b"\r\n\r\n", b""),
        (b"POST /v1/modules/balance/servers HTTP/1.1\r\nHost: weir\r\nContent-Length: 307200\r\n\r\n", b"x" * 307200),
    ]:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(weir.admin)
            try:
                s.sendall(head + body)
                answer = s.recv(4096)
            except (BrokenPipeError, ConnectionResetError):
                answer = b""
            assert answer == b"" or answer.split()[1] in (b"400", b"413")
    assert weir.status()["ready"]


def test_health_and_metrics(weir):
    weir.write()
    weir.start()
    for _ in range(3):
        weir.get()
    assert weir.ask("GET", "/healthz")[1] == "ok\n"
    until(lambda: "\nweir_responses_2xx_total 3\n" in weir.ask("GET", "/metrics")[1], "the answers are counted")
    response, text = weir.ask("GET", "/metrics")
    assert response.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    values, kinds = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in kinds
            kinds[name] = kind
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name.split("{")[0]] = float(value)
    assert values["weir_requests_total"] == 3 and kinds["weir_requests_total"] == "counter"
    assert values["weir_responses_2xx_total"] == 3
    assert values["weir_generation"] == 1 and kinds["weir_generation"] == "gauge"
    assert any(name.startswith("weir_balance_") for name in values)
    assert set(values) == set(kinds)
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in kinds.items())


def test_weirctl_speaks_to_people_and_programs(weir):
    weir.write(sections="[upstream two]\nserver = 127.0.0.1:1\nserver = 127.0.0.1:2 weight=3\n")
    weir.start()
    shown = weir.ctl("status")
    assert shown.returncode == 0 and f"process {weir.process.pid}, serving" in shown.stdout
    assert f"127.0.0.1:{weir.port()}" in shown.stdout
    assert json.loads(weir.ctl("--json", "status").stdout)["generation"] == 1
    shown = weir.ctl("modules")
    assert re.search(r"^balance +1\.\d+ +yes  ", shown.stdout, re.M)
    assert "weirctl balance servers [UPSTREAM]" in shown.stdout
    shown = weir.ctl("balance", "servers", "two")
    assert shown.returncode == 0 and "127.0.0.1:2" in shown.stdout
    assert json.loads(weir.ctl("--json", "balance", "servers", "two").stdout)
    assert weir.ctl("reload").stdout.startswith("generation 2 serves, after ")
    assert "weir_generation 2" in weir.ctl("metrics").stdout
    weir.write(route="respond.statuz = 200")
    shown = weir.ctl("reload")
    assert shown.returncode == 1 and re.search(r"weir\.ini:\d+: error: unknown key `respond.statuz`", shown.stderr)
    line = open(weir.ini).read().splitlines().index("respond.statuz = 200") + 1
    answer = weir.ctl("--json", "reload")
    assert answer.returncode == 1
    assert [m["line"] for m in json.loads(answer.stdout)["messages"]] == [line]
    for words in ([], ["nothing"], ["status", "x/y"], ["--wrong"]):
        assert weir.ctl(*words).returncode == 2
    assert weir.ctl("balance", "nothing").returncode == 1
    assert weir.ctl("stop").returncode == 0
    assert weir.wait() == 0
    gone = weir.ctl("status")
    assert gone.returncode == 3 and "is Weir running" in gone.stderr


def test_who_changes_something_is_logged(weir):
    weir.write()
    weir.start()
    weir.ctl("reload")
    weir.ctl("status")
    assert re.search(rf"admin socket: user number {os.getuid()} \(process \d+\) asks: reload", weir.log())
    assert "asks: status" not in weir.log()


def test_callers_that_leave_harm_nobody(weir):
    weir.write()
    weir.start()
    for _ in range(50):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(weir.admin)
            s.sendall(b"POST /v1/reload HTTP/1.1\r\nHost: weir\r\nContent-Length: 0\r\n\r\n")
    assert weir.ctl("reload").returncode == 0
    assert weir.get() == (200, "one")
