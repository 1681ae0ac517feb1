# SPDX-License-Identifier: Apache-2.0
"""What scenes are made of: a Weir in a folder of its own, and origins that do as they are told.

    with scene.Weir(INI) as weir, scene.Origin("a") as a: ...

Everything listens on ports that the kernel chooses, ends with its scene, and waits for conditions with a limit.
"""
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import weakref

PATIENCE = 30

# Where the modules of tests/e2e/modules are built.
MODULES = os.path.join(os.environ.get("top_builddir", "."), "tests/e2e/modules")

PROCESS = """
[weir]
threads = {threads}
admin = {folder}/admin.sock
state_dir = {folder}
[listen web]
address = 127.0.0.1:0
"""


def until(condition, what):
    """Wait for a condition, and no longer than that; what it was."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"waited in vain: {what}")


def claim(host="127.0.0.1"):
    """A socket that holds a port, so that the kernel gives it to nobody else; to connect there is refused. A server that asks for
    the port by its number (with SO_REUSEADDR, as they do) can have it meanwhile."""
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, 0))
    return s


def check(ini):
    """`weir -t` with this configuration: the exit code, and what it says without the folder's name."""
    weir = Weir(ini)
    try:
        return weir.check()
    finally:
        shutil.rmtree(weir.folder)


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body.decode("latin-1")
        self.headers = response.headers


class Weir:
    """A process with this configuration behind [weir] and one listener. "{folder}" in it is the folder; `modules` are
    folders of more modules, `more` is for subprocess.Popen."""

    def __init__(self, ini, threads=1, modules=(), **more):
        self.folder = tempfile.mkdtemp(prefix="weir-scene-")
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)     # of one that never ran, too
        self.threads, self.folders, self.more = threads, modules, more
        self.process = None
        self.write(ini)

    def write(self, ini):
        process = PROCESS.format(threads=self.threads, folder=self.folder)
        with open(self.path("weir.ini"), "w") as f:
            f.write(process + ini.replace("{folder}", self.folder))

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), encoding="latin-1") as f:
            return f.read()

    def command(self, *arguments):
        folders = [folder for folder in (os.environ.get("WEIR_MODULES", ""), *self.folders) if folder]
        named = [word for folder in folders for word in ("-M", folder)]
        return [os.environ["WEIR"], *named, "-c", self.path("weir.ini"), *arguments]

    def check(self):
        done = subprocess.run(self.command("-t"), capture_output=True, text=True, timeout=PATIENCE, check=False)
        return done.returncode, (done.stdout + done.stderr).replace(self.folder + "/", "")

    def __enter__(self):
        with open(self.path("stderr"), "wb") as errors:
            self.process = subprocess.Popen(self.command(), stderr=errors, stdin=subprocess.DEVNULL, **self.more)
        try:
            until(lambda: self.port() or self.process.poll() is not None, "Weir listens")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        if self.process.poll() is not None:
            said = self.read("stderr")
            shutil.rmtree(self.folder)
            raise AssertionError(said)
        return self

    def __exit__(self, *what):
        try:
            self.process.terminate()
            code = self.process.wait(PATIENCE)
            assert code == 0 or what[0] is not None, (code, self.read("stderr"))
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            shutil.rmtree(self.folder)

    def port(self):
        ports = re.findall(r"listening on 127\.0\.0\.1:(\d+)", self.read("stderr"))
        return int(ports[-1]) if ports else None

    def ask(self, target="/", host="weir.test", method="GET", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=PATIENCE)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": host, **(headers or {})}.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    def say(self, data):
        """Send bytes as they are; all that comes back until the end."""
        with socket.create_connection(("127.0.0.1", self.port()), PATIENCE) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
            return answer

    def signal(self, number):
        self.process.send_signal(number)

    def admin(self, target):
        connection = http.client.HTTPConnection("weir", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(self.path("admin.sock"))
        connection.request("GET", target)
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def call(self, method, target, body=None, **headers):
        """Status and JSON of a call on the admin socket; a body that is no text is sent as JSON."""
        connection = http.client.HTTPConnection("weir", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(self.path("admin.sock"))
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text) if text.startswith(b"{") else text.decode()

    def metric(self, name):
        return int(re.search(rf"^{name} (\d+)$", self.admin("/metrics"), re.M).group(1))

    def ctl(self, *words):
        done = subprocess.run([os.environ["WEIRCTL"], "-s", self.path("admin.sock"), *words],
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        return done.returncode, done.stdout + done.stderr

    def reload(self, ini):
        self.write(ini)
        code, text = self.ctl("reload")
        assert code == 0, text


def cpu_seconds(weir):
    """How much time of a processor the process has used."""
    with open(f"/proc/{weir.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_still(weir):
    """The process has used no time to speak of for a while. What spins is never still, on a busy machine either."""
    before = cpu_seconds(weir)
    time.sleep(0.3)
    return cpu_seconds(weir) - before <= 0.02


class Load:
    """Clients that ask all the time, half of them on connections that stay and half on new ones, and keep what they saw."""

    def __init__(self, port, target="/", clients=4):
        self.port, self.target, self.stopped = port, target, threading.Event()
        self.seen, self.failures, self.count = set(), [], 0
        self.threads = [threading.Thread(target=self.run, args=(i % 2 == 0,), daemon=True) for i in range(clients)]

    def run(self, keep):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        while not self.stopped.is_set():
            try:
                connection.request("GET", self.target)
                response = connection.getresponse()
                self.seen.add((response.status, response.read().decode()))
                self.count += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            if not keep:
                connection.close()
        connection.close()

    def until_seen(self, *answer):
        until(lambda: answer in self.seen or self.failures, f"{answer} under load")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *what):
        self.stopped.set()
        for thread in self.threads:
            thread.join(PATIENCE)


class Origin:
    """Answers with its name. Its `mood` can be changed: "good", a status, "close" (after the request) or "hang"."""

    def __init__(self, name, mood="good"):
        self.name, self.mood = name, mood
        self.requests = []
        self.claim = claim()     # also while it is stopped
        self.port = self.claim.getsockname()[1]
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self.address = f"127.0.0.1:{self.port}"
        self.connections = []
        self.released = threading.Event()

    def __enter__(self):
        threading.Thread(target=self.listen, args=(self.listener,), daemon=True).start()
        return self

    def __exit__(self, *what):
        self.released.set()
        self.stop()
        self.claim.close()

    def stop(self):
        """Refuse connections, and close those that are there."""
        if self.listener is not None:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connections.clear()

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.listen, args=(self.listener,), daemon=True).start()

    def listen(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        stream = connection.makefile("rb")
        try:
            while self.serve_one(connection, stream):
                pass
        except OSError:
            pass
        stream.close()
        connection.close()

    def serve_one(self, connection, stream):
        line = stream.readline().decode("latin-1").strip()
        if not line:
            return False
        fields = {}
        while field := stream.readline().decode("latin-1").strip():
            name, value = field.split(":", 1)
            fields[name.lower()] = value.strip()
        body = stream.read(int(fields.get("content-length", 0)))
        self.requests.append((line, body))
        mood = self.mood
        if mood == "close":
            return False
        if mood == "hang":
            self.released.wait(PATIENCE)
            return False
        status = 200 if mood == "good" else mood
        connection.sendall(f"HTTP/1.1 {status} So\r\nContent-Length: {len(self.name)}\r\n\r\n{self.name}".encode())
        return True


class Peer:
    """An origin that a function plays: talk(connection, stream) for each connection, in a thread."""

    def __init__(self, talk):
        self.talk = talk
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def __exit__(self, *what):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def listen(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.settimeout(PATIENCE)
        with connection, connection.makefile("rb") as stream:
            try:
                self.talk(connection, stream)
            except (OSError, ValueError):
                pass


def read_head(stream):
    """The first line of a message and its fields, names in lower case; None at the end."""
    line = stream.readline().decode("latin-1").strip()
    if not line:
        return None
    fields = {}
    while field := stream.readline().decode("latin-1").strip():
        name, value = field.split(":", 1)
        fields[name.lower()] = value.strip()
    return line, fields


def read_body(stream, fields):
    if fields.get("transfer-encoding") != "chunked":
        return stream.read(int(fields.get("content-length", 0)))
    pieces = []
    while length := int(stream.readline(), 16):
        pieces.append(stream.read(length))
        stream.readline()
    while stream.readline().strip():
        pass
    return b"".join(pieces)
