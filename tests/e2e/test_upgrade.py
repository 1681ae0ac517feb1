#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Upgrades: a new process takes the place of the running one, under load, and no request fails; or it cannot, and nothing
changes.

The binary is a link in the scene's folder, so that another one can be put in its place.
"""
import contextlib
import ctypes
import http.client
import json
import os
import re
import signal
import socket
import stat
import threading

import pytest

import scene

INI = """
{more}
[module route]
[module respond]
[upstream origin]
server = {origin}
[route page]
match = */page
respond.status = 200
respond.body = {page}
[route all]
match = */*
upstream = origin
"""

PR_SET_CHILD_SUBREAPER = 36


def ini(page="one", origin="127.0.0.1:1", more=""):
    return INI.format(page=page, origin=origin, more=more)


class Weir(scene.Weir):
    """Its process may be replaced: `pid` is the one that serves. All that ever served are gone at the end."""

    def __init__(self, text, process="", **more):
        self.pids, self.lines = [], process
        super().__init__(text, **more)
        self.install(os.environ["WEIR"])

    def write(self, ini):
        super().write(ini)
        text = self.read("weir.ini").replace("[weir]\n", f"[weir]\n{self.lines}\n", 1)
        with open(self.path("weir.ini"), "w", encoding="ascii") as f:
            f.write(text)

    def install(self, target):
        """Put a link to this binary, or a script with this text, where the binary was."""
        new = self.path("new")
        if target.startswith("#!"):
            with open(new, "w", encoding="ascii") as f:
                f.write(target)
            os.chmod(new, 0o755)
        else:
            os.symlink(target, new)
        os.replace(new, self.path("weir"))

    def command(self, *arguments):
        return [self.path("weir"), *super().command(*arguments)[1:]]

    def __enter__(self):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        super().__enter__()
        self.pids.append(self.process.pid)
        return self

    def status(self):
        return json.loads(self.admin("/v1/status"))

    @property
    def pid(self):
        return self.pids[-1]

    def upgrade(self):
        code, text = self.ctl("upgrade")
        assert code == 0, text
        self.pids.append(int(re.search(r"process (\d+) serves", text).group(1)))
        assert self.status()["pid"] == self.pid

    def ended(self, pid):
        """Its exit code; None while it runs. The first is the scene's child; others become so when their parent has ended
        before them, or it has reaped them."""
        if pid == self.process.pid:
            return self.process.poll()
        try:
            done, code = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None if os.path.exists(f"/proc/{pid}") else 0
        return os.waitstatus_to_exitcode(code) if done else None

    def until_ended(self, pid):
        codes = []
        scene.until(lambda: codes.append(self.ended(pid)) or codes[-1] is not None, f"process {pid} ends")
        self.pids.remove(pid)
        assert codes[-1] == 0, self.read("stderr")

    def __exit__(self, *what):
        try:
            for pid in self.pids:
                os.kill(pid, signal.SIGTERM)
            for pid in list(self.pids):
                self.until_ended(pid)
        finally:
            for pid in self.left() if what[0] is not None else self.pids:
                os.kill(pid, signal.SIGKILL)
            super().__exit__(*what)

    def left(self):
        """All that run in the folder: where a scene fails, also processes that it had not expected."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as f:
                if self.path("weir.ini").encode() in f.read():
                    yield int(pid)


def load_on(weir):
    return scene.Load(weir.port(), "/page", 8)


def listening(pid):
    """How many listening TCP sockets the process has."""
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as f:
        inodes = {line.split()[9] for line in f if line.split()[3] == "0A"}
    found = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{fd}")[len("socket:["):-1] in inodes
        except OSError:
            pass
    return found


# --- it works ---------------------------------------------------------------------------------------------------------


def test_upgrades_under_load_fail_no_request():
    """With more threads and with fewer; by weirctl and by signal; each process is gone once it has served its clients."""
    with Weir(ini("0"), threads=2) as weir, load_on(weir) as load:
        load.until_seen(200, "0")
        for number, threads in enumerate([3, 1, 1, 4, 2], 1):
            before = weir.pid
            weir.threads = threads
            weir.write(ini(str(number)))
            weir.upgrade()
            load.until_seen(200, str(number))
            weir.until_ended(before)
            assert weir.status()["threads"] == threads
            assert listening(weir.pid) == 2          # the same two, whoever accepts from them
        scene.until(lambda: "predecessor" not in weir.status(), "the last one has ended")
        count = load.count
        scene.until(lambda: load.count > count + 100, "a hundred more requests")
        assert load.failures == []
        assert load.seen == {(200, str(number)) for number in range(6)}


def test_a_signal_does_it_and_many_do_it_once():
    with Weir(ini("old")) as weir, load_on(weir) as load:
        before = weir.pid
        weir.write(ini("new"))
        for _ in range(20):
            os.kill(before, signal.SIGUSR2)
        load.until_seen(200, "new")
        scene.until(lambda: weir.status()["pid"] != before, "the new one answers there, too")
        weir.pids.append(weir.status()["pid"])
        weir.until_ended(before)
        assert load.failures == []
        assert weir.read("stderr").count("upgrade: starting") == 1
        assert weir.status()["pid"] == weir.pid


def test_what_runs_in_the_old_one_ends_there():
    """A WebSocket goes on, a slow answer comes whole, an idle connection may ask once more."""
    asked, released = threading.Semaphore(0), threading.Event()

    def talk(connection, stream):
        head = scene.read_head(stream)
        if "/slow" in head[0]:
            asked.release()
            released.wait(scene.PATIENCE)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
            return
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        while piece := connection.recv(65536):
            connection.sendall(piece)

    with scene.Peer(talk) as peer, Weir(ini("old", peer.address)) as weir:
        tunnel = socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE)
        tunnel.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        stream = tunnel.makefile("rb")
        assert scene.read_head(stream)[0].startswith("HTTP/1.1 101 ")
        slow = http.client.HTTPConnection("127.0.0.1", weir.port(), timeout=scene.PATIENCE)
        slow.request("GET", "/slow")
        assert asked.acquire(timeout=scene.PATIENCE)
        idle = http.client.HTTPConnection("127.0.0.1", weir.port(), timeout=scene.PATIENCE)
        idle.request("GET", "/page")
        assert idle.getresponse().read() == b"old"
        before = weir.pid
        for number in range(3):
            weir.write(ini(f"new {number}", peer.address))
            weir.upgrade()
            tunnel.sendall(b"%04d" % number)
            assert stream.read(4) == b"%04d" % number
            assert weir.ask("/page").body == f"new {number}"
        idle.request("GET", "/page")
        answer = idle.getresponse()
        assert (answer.read(), answer.headers["Connection"]) == (b"old", "close")
        released.set()
        assert slow.getresponse().read() == b"slow"
        assert weir.ended(before) is None
        for pid in weir.pids[1:-1]:
            weir.until_ended(pid)
        tunnel.close()
        stream.close()
        slow.close()
        weir.until_ended(before)


def test_the_admin_port_goes_over_at_once():
    """Nobody who asks there is left to the old process, which drains and takes no more."""
    token = "abcdefghijklmnop"

    def ask(port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=scene.PATIENCE)
        connection.request("GET", "/v1/status", headers={"Authorization": f"Bearer {token}"})
        status = json.loads(connection.getresponse().read())
        connection.close()
        return status["pid"]

    def talk(connection, stream):
        scene.read_head(stream)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        connection.recv(1)

    with scene.Peer(talk) as peer:
        weir = Weir(ini("old", peer.address), process="admin_address = 127.0.0.1:0\nadmin_token = token")
        with open(weir.path("token"), "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write(token)
        with weir:
            tunnel = socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE)
            tunnel.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            with tunnel.makefile("rb") as stream:
                assert scene.read_head(stream)[0].startswith("HTTP/1.1 101 ")
            port = int(re.search(r"the admin port is (\d+)", weir.read("stderr")).group(1))
            before = weir.pid
            assert ask(port) == before
            weir.upgrade()
            assert {ask(port) for _ in range(16)} == {weir.pid}
            assert weir.ended(before) is None
            tunnel.close()
            weir.until_ended(before)


def test_a_tunnel_is_cut_at_the_end_of_drain_timeout():
    def talk(connection, stream):
        scene.read_head(stream)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        stream.read()

    with scene.Peer(talk) as peer, Weir(ini("old", peer.address), "drain_timeout = 3s") as weir:
        with socket.create_connection(("127.0.0.1", weir.port()), scene.PATIENCE) as tunnel:
            tunnel.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            assert tunnel.recv(100).startswith(b"HTTP/1.1 101 ")
            before = weir.pid
            weir.upgrade()
            assert weir.status()["predecessor"] == before
            assert f"process {before} still drains" in weir.ctl("status")[1]
            weir.until_ended(before)
            assert "1 connections were open at the end of drain_timeout" in weir.read("stderr")


def test_listeners_come_and_go_with_an_upgrade():
    """A Unix socket stays; one address is new; clients that wait at one that goes are still served by the old process."""
    with Weir(ini(more="[listen unix]\naddress = unix:{folder}/web\n[listen gone]\naddress = 127.0.0.2:0\n"), threads=2) as weir:
        gone = int(re.search(r"127\.0\.0\.2:(\d+)", json.dumps(weir.status()["listeners"])).group(1))
        before = weir.pid
        weir.write(ini(more="[listen unix]\naddress = unix:{folder}/web\n[listen new]\naddress = 127.0.0.3:0\n"))
        with socket.create_connection(("127.0.0.2", gone), scene.PATIENCE) as early:
            weir.upgrade()
            early.sendall(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"Connection: close" in early.recv(1000)
        weir.until_ended(before)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", gone), scene.PATIENCE)
        assert {one["listen"] for one in weir.status()["listeners"]} == {"web", "unix", "new"}
        with socket.socket(socket.AF_UNIX) as local:
            local.connect(weir.path("web"))
            local.sendall(b"GET /page HTTP/1.0\r\n\r\n")
            assert local.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert weir.ask("/page").body == "one"


def test_files_go_with_the_last_process():
    with Weir(ini(more="[listen unix]\naddress = unix:{folder}/web\n")) as weir:
        for _ in range(2):
            before = weir.pid
            weir.upgrade()
            weir.until_ended(before)
            for name in ("web", "admin.sock"):
                assert stat.S_ISSOCK(os.stat(weir.path(name)).st_mode), name
        os.kill(weir.pid, signal.SIGTERM)
        weir.until_ended(weir.pid)
        assert not os.path.exists(weir.path("web")) and not os.path.exists(weir.path("admin.sock"))


def test_descriptors_do_not_add_up():
    def descriptors(pid):
        return len(os.listdir(f"/proc/{pid}/fd"))

    with Weir(ini(), threads=2) as weir:
        first = None
        for _ in range(4):
            before = weir.pid
            weir.upgrade()
            weir.until_ended(before)
            scene.until(lambda: "predecessor" not in weir.status(), "the former one is forgotten")
            first = first or descriptors(weir.pid)
        # The first look may have met an admin connection that was about to close.
        scene.until(lambda: descriptors(weir.pid) <= first, "no more than after the first")


def test_the_manager_follows():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        weir = Weir(ini(), env={**os.environ, "NOTIFY_SOCKET": ""})
        manager.bind(weir.path("notify"))
        manager.settimeout(scene.PATIENCE)
        weir.more["env"]["NOTIFY_SOCKET"] = weir.path("notify")
        with weir:
            assert f"MAINPID={weir.pid}" in manager.recv(4096).decode().splitlines()
            before = weir.pid
            weir.upgrade()
            said = [manager.recv(4096).decode().splitlines() for _ in range(2)]
            assert all(f"MAINPID={weir.pid}" in lines for lines in said)
            assert sum("READY=1" in lines for lines in said) == 1
            weir.until_ended(before)
            os.kill(weir.pid, signal.SIGTERM)
            weir.until_ended(weir.pid)
            assert "STOPPING=1" in manager.recv(4096).decode()      # the new one's; the former had no say


LAUNCHER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = "1", str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Activated(Weir):
    """Its listener is the manager's."""

    def __init__(self, text, **more):
        self.listener = socket.create_server(("127.0.0.1", 0))
        super().__init__(text, pass_fds=[self.listener.fileno()], **more)

    def command(self, *arguments):
        return ["/usr/bin/python3", "-c", LAUNCHER, str(self.listener.fileno()), *super().command(*arguments)]

    def write(self, text):
        super().write(text)
        whole = self.read("weir.ini").replace("127.0.0.1:0", "127.0.0.1:%d" % self.listener.getsockname()[1])
        with open(self.path("weir.ini"), "w", encoding="ascii") as f:
            f.write(whole)

    def __exit__(self, *what):
        super().__exit__(*what)
        with self.listener:
            with socket.create_connection(self.listener.getsockname(), scene.PATIENCE):
                pass


def test_the_managers_socket_is_handed_on():
    """It stays the manager's: after the last process has ended, clients still wait there instead of being refused."""
    with Activated(ini("old"), threads=2) as weir, load_on(weir) as load:
        for number in range(2):
            before = weir.pid
            weir.write(ini(f"new {number}"))
            weir.upgrade()
            load.until_seen(200, f"new {number}")
            weir.until_ended(before)
        assert weir.status()["listeners"][0]["inherited"] is True
        assert load.failures == []


# --- it does not ------------------------------------------------------------------------------------------------------

CRASHES = "#!/bin/sh\necho 'all is lost' >&2\nkill -SEGV $$\n"
HANGS = "#!/bin/sh\necho 'one moment' >&2\nexec sleep 60\n"
REFUSES = "#!/bin/sh\necho 'wrong machine' >&2\nexit 7\n"
DIES_LATE = """#!/bin/sh
# Ready, and gone before it hears that it may.
fd=$(echo "$WEIR_UPGRADE" | sed 's/.*channel=\\([0-9]*\\).*/\\1/')
exec /usr/bin/python3 -c "import socket, os, signal
socket.socket(fileno=$fd).send(b'nonsense')
os.kill(os.getpid(), signal.SIGABRT)"
"""


@pytest.mark.parametrize("binary, why, said", [
    (CRASHES, r"was ended by signal 11", "all is lost"),
    (HANGS, r"was not ready after upgrade_timeout", "one moment"),
    (REFUSES, r"ended with exit code 7", "wrong machine"),
    (DIES_LATE, r"was ended by signal 6", ""),
    ("/bin/true", r"ended with exit code 0", ""),
    ("/nowhere/weir", r"cannot be started: No such file or directory", ""),
    ("/etc/passwd", r"cannot be started: Permission denied", ""),
], ids=["crashes", "hangs", "refuses", "dies late", "another program", "nothing there", "no program"])
def test_a_binary_that_cannot_take_over_changes_nothing(binary, why, said):
    with Weir(ini(), "upgrade_timeout = 500ms" if binary == HANGS else "", threads=2) as weir, load_on(weir) as load:
        load.until_seen(200, "one")
        for _ in range(2):
            weir.install(binary)
            code, text = weir.ctl("upgrade")
            assert code == 1 and re.search(why, text) and said in text, text
        weir.ctl("upgrade")
        log = weir.read("stderr")
        assert len(re.findall(r"error: the upgrade failed: .*" + why, log)) == 3
        assert f"process {weir.pid} serves on" in log
        assert weir.status()["pid"] == weir.pid and not weir.status()["draining"]
        weir.install(os.environ["WEIR"])
        weir.lines = ""
        weir.reload(ini("one"))                      # with time enough
        weir.write(ini("two"))
        before = weir.pid
        weir.upgrade()
        load.until_seen(200, "two")
        weir.until_ended(before)
        assert load.failures == []


def test_a_bad_configuration_changes_nothing():
    with Weir(ini(more="[listen unix]\naddress = unix:{folder}/web\n")) as weir, load_on(weir) as load:
        weir.write(ini(more="[listen other]\naddress = 127.0.0.1:0\nbacklogg = 3\n"))
        code, text = weir.ctl("upgrade")
        line = weir.read("weir.ini").splitlines().index("backlogg = 3") + 1
        assert code == 1 and f"weir.ini:{line}: error: unknown key `backlogg`" in text and "exit code 1" in text
        assert f"weir.ini:{line}: error: unknown key" in weir.read("stderr")
        assert os.path.exists(weir.path("web")) and weir.status()["pid"] == weir.pid
        count = load.count
        scene.until(lambda: load.count > count + 100, "a hundred more requests")
        assert load.failures == []


def test_an_address_in_use_changes_nothing():
    with Weir(ini()) as weir, socket.create_server(("127.0.0.4", 0)) as other:
        weir.write(ini(more=f"[listen more]\naddress = 127.0.0.4:{other.getsockname()[1]}\n"))
        code, text = weir.ctl("upgrade")
        assert code == 1 and "Address already in use" in text
        assert weir.ask("/page").body == "one"


def test_a_reload_waits_for_the_upgrade():
    """One that fails: then the reload is done here. One that works: then the new process does it."""
    with Weir(ini("one"), "upgrade_timeout = 3s") as weir:
        weir.install(HANGS)
        os.kill(weir.pid, signal.SIGUSR2)
        scene.until(lambda: "one moment" in weir.read("stderr"), "the new process runs")
        weir.write(ini("two"))
        os.kill(weir.pid, signal.SIGHUP)
        assert weir.ask("/page").body == "one"
        scene.until(lambda: weir.ask("/page").body == "two", "the reload")
        assert "upgrade failed" in weir.read("stderr")
        weir.install(f"#!/bin/sh\nuntil [ -e {weir.path('go')} ]; do sleep 0.01; done\nexec {os.environ['WEIR']} \"$@\"\n")
        before = weir.pid
        os.kill(before, signal.SIGUSR2)
        scene.until(lambda: weir.read("stderr").count("upgrade: starting") == 2, "the upgrade begins")
        os.kill(before, signal.SIGHUP)
        with open(weir.path("go"), "w", encoding="ascii"):
            pass
        weir.until_ended(before)
        weir.pids.append(weir.status()["pid"])
        scene.until(lambda: weir.status()["generation"] == 2, "the new process reloads")


def test_the_end_ends_an_upgrade_too():
    with Weir(ini()) as weir:
        weir.install(HANGS)
        os.kill(weir.pid, signal.SIGUSR2)
        scene.until(lambda: "one moment" in weir.read("stderr"), "the new process runs")
        child = int(re.search(r"process (\d+): one moment", weir.read("stderr")).group(1))
        os.kill(weir.pid, signal.SIGTERM)
        weir.until_ended(weir.pid)
        with pytest.raises(ProcessLookupError):
            scene.until(lambda: os.kill(child, 0) or reap(child), "never")


def reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def test_a_variable_out_of_nowhere_is_refused():
    for value in ("", "channel=0", "channel=77", "listen=1", "channel=9 listen=x"):
        weir = Weir(ini(), env={**os.environ, "WEIR_UPGRADE": value})
        with pytest.raises(AssertionError, match="not from a Weir that hands over its sockets"):
            with weir:
                pass
