# SPDX-License-Identifier: Apache-2.0
"""Proxies that speak CONNECT: one of ours that keeps what it was asked, and the real ones.

    with proxies.Proxy() as proxy, scene.Weir(...) as weir: ...
"""
import os
import select
import socket
import ssl
import subprocess
import tempfile
import threading

import scene
import wire


def relay_tls(a, b):
    """The same where one of them speaks TLS, until one has ended: a session of OpenSSL is for one thread at a time."""
    while True:
        ready = [s for s in (a, b) if isinstance(s, ssl.SSLSocket) and s.pending()] or select.select([a, b], [], [], scene.PATIENCE)[0]
        if not ready:
            return
        for source, sink in [(a, b), (b, a)]:
            if source not in ready:
                continue
            source.setblocking(False)
            try:
                piece = source.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue                        # it was no content: a ticket, say
            except OSError:
                return
            finally:
                source.setblocking(True)
            if not piece:
                return
            sink.sendall(piece)


def relay(a, b):
    """Bytes both ways, until both have ended."""
    if isinstance(a, ssl.SSLSocket) or isinstance(b, ssl.SSLSocket):
        relay_tls(a, b)
        return

    def copy(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    back = threading.Thread(target=copy, args=(b, a), daemon=True)
    back.start()
    copy(a, b)
    back.join(scene.PATIENCE)


class Proxy(wire.Origin):
    """Makes every tunnel that it is asked for. `heads` are the questions; `wrap` makes of a connection's socket another one (TLS);
    `to` is where all tunnels go, whatever is asked for."""

    def __init__(self, address=("127.0.0.1", 0), wrap=None, to=None, answer=b"HTTP/1.1 200 Connected\r\n\r\n"):
        super().__init__(self.tunnel, address)
        self.heads, self.wrap, self.to, self.answer_bytes = [], wrap, to, answer

    def tunnel(self, connection):
        if self.wrap is not None:
            connection.sock = self.wrap(connection.sock)
        head = connection.head()
        if b"\r\n\r\n" not in head:
            return
        self.heads.append(head.decode("latin-1"))
        name, port = (self.to or self.heads[-1].split()[1]).rsplit(":", 1)
        with socket.create_connection((name.strip("[]"), int(port)), scene.PATIENCE) as there:
            connection.send(self.answer_bytes)
            relay(connection.sock, there)


class Program:
    """A server of Debian in a folder of its own, stopped with its scene."""

    def __init__(self, port, *command, files=(), **more):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-proxy-")
        self.port, self.address = port, f"127.0.0.1:{port}"
        for name, text in files:
            with open(os.path.join(self.folder.name, name), "w") as f:
                f.write(text.replace("{folder}", self.folder.name))
        self.command = [word.replace("{folder}", self.folder.name) for word in command]
        self.more = more

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def said(self, name="output"):
        with open(self.path(name), encoding="latin-1") as f:
            return f.read()

    def answers(self):
        assert self.process.poll() is None, self.said()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def __enter__(self):
        with open(self.path("output"), "wb") as output:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            cwd=self.folder.name, **self.more)
        try:
            scene.until(self.answers, f"{self.command[0]} listens")
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *what):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.folder.cleanup()


claimed = []


def free_port():
    """A port that nobody else is given: for programs that do not tell which one the kernel gave them."""
    claimed.append(scene.claim())
    return claimed[-1].getsockname()[1]


def tinyproxy(user=None):
    port = free_port()
    lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 30", "MaxClients 20", 'LogFile "{folder}/log"', "LogLevel Connect",
             "Allow 127.0.0.1", 'ViaProxyName "tiny"']
    if user is not None:
        lines.append("BasicAuth " + user.replace(":", " "))
    return Program(port, "tinyproxy", "-d", "-c", "{folder}/conf", files=[("conf", "\n".join(lines) + "\n")])


def squid():
    port = free_port()
    lines = [f"http_port 127.0.0.1:{port}", "acl here src 127.0.0.1", "http_access allow here", "cache deny all", "access_log none",
             "cache_log {folder}/log", "pid_filename none", "shutdown_lifetime 0 seconds", "coredump_dir {folder}",
             "visible_hostname squid.test", "max_filedescriptors 256", "pinger_enable off", "netdb_filename none",
             "cache_effective_user " + ("proxy" if os.getuid() == 0 else "nobody")]
    program = Program(port, "squid", "-N", "-f", "{folder}/conf", files=[("conf", "\n".join(lines) + "\n"), ("log", "")])
    if os.getuid() == 0:    # it becomes another user
        os.chmod(program.folder.name, 0o777)
        os.chmod(program.path("log"), 0o666)
    return program
