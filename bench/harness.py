# SPDX-License-Identifier: Apache-2.0
"""
The processes of the comparison: how each is configured, started, sampled and ended.

A Peer is one proxy, whose configuration is a template beside this file. Every process is started with the
CPUs that it may use and with a signal for the case that bench/run dies; who starts one ends it, by its pid.
Listening ports come from the kernel: our own programs print theirs; for a proxy a free one is looked up, and
another one is tried when somebody took it in between.
"""
import collections
import ctypes
import glob
import http.client
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import ssl
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = ("origin", "load", "relay", "crowd")
LIBRARIES = {"load": ("-lgnutls",)}
FILES = 65536
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A process did not do what it should; the text is for the reader of the table."""


Sample = collections.namedtuple("Sample", "cpu wait")


def raise_file_limit():
    """As many descriptors as we may have; returns how many that is."""
    for limit in (FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def build_programs(build):
    """Compile the C programs that are missing or older than their source."""
    os.makedirs(build, exist_ok=True)
    for name in PROGRAMS:
        source, program = os.path.join(HERE, name + ".c"), os.path.join(build, name)
        if os.path.exists(program) and os.path.getmtime(program) >= os.path.getmtime(source):
            continue
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
                        "-o", program, source, *LIBRARIES.get(name, ())], check=True, timeout=120)


def make_certificate(directory):
    """One ECDSA certificate for all servers: certificate, key, and both in one file, as each wants it."""
    files = [os.path.join(directory, name) for name in ("certificate.pem", "key.pem", "both.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=www.example.com", "-addext", "subjectAltName=DNS:www.example.com",
                    "-out", files[0], "-keyout", files[1]], check=True, timeout=20, stderr=subprocess.DEVNULL)
    with open(files[2], "w") as both:
        for name in files[:2]:
            with open(name) as f:
                both.write(f.read())
    return dict(zip(("certificate", "key", "both"), files))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# Without these, glibc gives large buffers back to the kernel after use, and page faults are what is measured.
MALLOC = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000",
          "MALLOC_TOP_PAD_": "16777216"}


def spawn(argv, cpus, **options):
    def prepare():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, cpus)
    return subprocess.Popen(argv, preexec_fn=prepare, text=True, **options)


def end(process):
    """TERM, and KILL for one that does not listen."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def read_line(process, seconds, what):
    """One line of a program's stdout, within a time; the programs keep time themselves, this is the net."""
    if not select.select([process.stdout], [], [], seconds)[0]:
        raise Failed(f"{what}: no answer in {seconds} s")
    line = process.stdout.readline().strip()
    if not line:
        process.wait(5)
        raise Failed(f"{what}: ended with {process.returncode}")
    return line


def fill(template, values):
    with open(os.path.join(HERE, template)) as f:
        return re.sub(r"@(\w+)@", lambda m: str(values[m[1]]) if m[1] in values else m[0], f.read())


def process_tree(pid):
    pids = [pid]
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path) as f:
                for child in f.read().split():
                    pids += process_tree(int(child))
        except OSError:
            pass
    return pids


class Origin:
    """The server behind all proxies of a run."""

    def __init__(self, build, cpus):
        self.process = spawn([os.path.join(build, "origin")], cpus, stdout=subprocess.PIPE)
        self.port = int(read_line(self.process, 5, "origin"))
        self.client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)

    def connections(self):
        return self.number("/connections")

    def slow_requests(self):
        return self.number("/slow")

    def number(self, path):
        self.client.request("GET", path)
        return int(self.client.getresponse().read())

    def stop(self):
        self.client.close()
        end(self.process)


class Peer:
    """One proxy: start(), sample(), memory(), stop()."""
    pools = True                            # keeps upstream connections of its own
    proxies, caches = True, True            # which rows it is in
    TLS = None                              # what its configuration says for TLS; None: it has none
    CACHE = {}                              # and for the rows of caches, by the name in the template

    def __init__(self, name, settings, logs=False):
        self.name, self.settings, self.logs = name, settings, logs
        self.process = None

    def missing(self):
        """Why this peer cannot run, or None."""
        program = self.name.partition("+")[0]
        return None if shutil.which(program) else f"{program} is not installed"

    def start(self, row, origin_port, directory, cpus, threads=1):
        """Start in `directory` (made anew) and return when a request was answered through it."""
        for attempt in range(3):
            shutil.rmtree(directory, ignore_errors=True)
            os.makedirs(directory)
            self.port = free_port()
            values = {"dir": directory, "port": self.port, "origin": origin_port, "threads": threads,
                      "files": self.settings.files, "connections": self.settings.client_limit, "ttl": 3600}
            values.update(row.peers)
            values["tls"] = self.TLS.format(**self.settings.certificate) if row.tls else ""
            self.tls = row.tls
            values.update({key: text.format(**values) if row.cached else "" for key, text in self.CACHE.items()})
            self.errors = os.path.join(directory, "stderr")
            environment = {**os.environ, **(MALLOC if self.settings.tune_malloc else {})}
            with open(self.errors, "w") as errors:
                output = subprocess.PIPE if self.name in ("relay", "responder") else errors
                self.process = spawn(self.command(row, values), cpus, stdin=subprocess.DEVNULL, stdout=output,
                                     stderr=errors, env=environment)
            try:
                self.await_answer()
                return
            except Failed:
                self.stop()
                if attempt == 2:
                    raise

    def await_answer(self):
        until = time.monotonic() + 10
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            client = self.client()
            try:
                client.request("GET", "/bytes/1", headers={"Connection": "close"})
                if client.getresponse().status == 200:
                    return
            except OSError:
                pass
            except http.client.HTTPException:
                pass
            finally:
                client.close()
            time.sleep(0.02)
        with open(self.errors) as f:
            said = " / ".join(f.read().split("\n"))[:400].strip(" /")
        raise Failed(f"{self.name} does not answer: {said or 'no message'}")

    def client(self):
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        any_server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        any_server.check_hostname, any_server.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=2, context=any_server)

    def pids(self):
        return process_tree(self.process.pid)

    def threads(self):
        return [t for pid in self.pids() for t in glob.glob(f"/proc/{pid}/task/*")]

    def sample(self):
        """Nanoseconds on a CPU, and runnable without one, of all threads of all processes so far."""
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode}")
        cpu = wait = 0
        for path in self.threads():
            with open(path + "/schedstat") as f:
                fields = f.read().split()
            cpu, wait = cpu + int(fields[0]), wait + int(fields[1])
        return Sample(cpu, wait)

    def memory(self):
        """Resident and proportional bytes of all processes."""
        sums = {"Rss": 0, "Pss": 0}
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup") as f:
                for line in f:
                    key, _, rest = line.partition(":")
                    if key in sums:
                        sums[key] += int(rest.split()[0]) * 1024
        return sums

    def stop(self):
        if self.process:
            end(self.process)
        self.process = None


class Nginx(Peer):
    # 120k: 128k would be over malloc's threshold for a mapping of its own, a map and an unmap a request.
    SMALL = "proxy_buffering on;"
    TLS = ("ssl_certificate {certificate};\nssl_certificate_key {key};\nssl_protocols TLSv1.3;\n"
           "ssl_ecdh_curve X25519;\nssl_session_tickets on;")
    CACHE = {
        "cache_path": "proxy_cache_path {dir}/cache keys_zone=c:16m max_size=256m use_temp_path=off;",
        "cache": "proxy_cache c; proxy_cache_lock on; proxy_cache_valid 200 {ttl}s; "
                 "proxy_ignore_headers Cache-Control Expires;"}
    LARGE = "proxy_buffering off; proxy_buffer_size 120k; proxy_buffers 8 120k;"

    def command(self, row, values):
        values["buffers"] = self.LARGE if row.large else self.SMALL
        log = f"{values['dir']}/access.log combined buffer=64k flush=1s"
        values["access_log"] = log if self.logs else "off"
        values["ssl"] = " ssl" if row.tls else ""
        values["reuseport"] = " reuseport" if values["threads"] > 1 else ""
        conf = os.path.join(values["dir"], "nginx.conf")
        with open(conf, "w") as f:
            f.write(fill("nginx.conf.in", values))
        return ["nginx", "-e", "stderr", "-p", values["dir"], "-c", conf]


class Haproxy(Peer):
    CACHE = {"cache_section": "cache c\n\ttotal-max-size 256\n\tmax-object-size 1048576\n\tmax-age {ttl}\n",
             "cache": "http-request del-header cache-control\n\thttp-request cache-use c\n\thttp-response cache-store c"}
    TLS = " ssl crt {both} ssl-min-ver TLSv1.3 curves X25519"

    def command(self, row, values):
        upload = 131072 if self.settings.tune_malloc else 32768
        values["bufsize"] = 65536 if row.large else upload if row.body else 16384
        values["connections"] = min(values["connections"], values["files"] // 2 - 200)
        conf = os.path.join(values["dir"], "haproxy.cfg")
        with open(conf, "w") as f:
            f.write(fill("haproxy.cfg.in", values))
        return ["haproxy", "-db", "-f", conf]


class Varnish(Peer):
    """One pool of threads: as many as it wants, on the one core that all have."""
    proxies = False
    VCL = """vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin}"; }}
sub vcl_recv {{ unset req.http.Cookie; }}
sub vcl_backend_response {{ set beresp.ttl = {ttl}s; set beresp.grace = 0s; }}
"""

    def missing(self):
        return None if shutil.which("varnishd") else "varnishd is not installed"

    def command(self, row, values):
        with open(os.path.join(values["dir"], "default.vcl"), "w") as f:
            f.write(self.VCL.format(**values))
        return ["varnishd", "-F", "-j", "none", "-n", os.path.join(values["dir"], "work"), "-f", os.path.join(values["dir"], "default.vcl"),
                "-a", f"127.0.0.1:{values['port']}", "-s", "malloc,256m", "-p", "thread_pools=1",
                "-p", "thread_queue_limit=100000", "-p", "timeout_idle=3600"]


class Responder(Peer):
    """No proxy: the origin itself, beside the others' core. What it costs to answer at all."""
    proxies = False

    def missing(self):
        return None

    def command(self, row, values):
        return [os.path.join(self.settings.build, "origin")]

    def await_answer(self):
        self.port = int(read_line(self.process, 5, "responder"))
        super().await_answer()


class Relay(Peer):
    pools = caches = False

    def missing(self):
        return None

    def command(self, row, values):
        size = 262144 if row.large else 131072 if row.body else 16384
        return [os.path.join(self.settings.build, "relay"), str(values["origin"]), str(size)]

    def await_answer(self):
        self.port = int(read_line(self.process, 5, "relay"))
        super().await_answer()


class Weir(Peer):
    CACHE = {"cache": "[module cache]\nsize = 256M\nttl = 200 {ttl}s\nignore = request"}
    TLS = "[certificate bench]\ndefault = yes\ncertificate = {certificate}\nkey = {key}"

    def program(self):
        return self.settings.weir

    def missing(self):
        if self.program() is None:
            return "no Weir binary: build it first, or name it with --weir"
        return None if os.access(self.program(), os.X_OK) else f"{self.program()} is no program"

    def command(self, row, values):
        values["modules"] = self.modules()
        values["listen_tls"] = "yes" if row.tls else "no"
        values["pin"] = "yes" if values["threads"] == 1 else "no"
        values["access_log"] = f"[module accesslog]\nfile = {values['dir']}/access.log" if self.logs else ""
        conf = os.path.join(values["dir"], "weir.ini")
        with open(conf, "w") as f:
            f.write(fill("weir.ini.in", values))
        return [self.program(), "-c", conf]

    def modules(self):
        """A build tree has its modules in lib/, an installation in lib/weir/."""
        if self.settings.modules and self.program() == self.settings.weir:
            return os.path.abspath(self.settings.modules)
        tree = os.path.dirname(os.path.abspath(self.program()))
        while os.path.basename(tree) in ("server", "sbin", ".libs"):
            tree = os.path.dirname(tree)
        installed = os.path.join(tree, "lib", "weir")
        return installed if os.path.isdir(installed) else os.path.join(tree, "lib")


class Before(Weir):
    """Weir as it was before a change, with modules of its own: what a change did, in one run."""

    def program(self):
        return self.settings.before

    def missing(self):
        return super().missing() if self.settings.before else "before: name a Weir binary with --before"


class Pingora(Peer):
    caches = False

    def missing(self):
        program = self.settings.pingora
        return None if program and os.access(program, os.X_OK) else "pingora: name its program with --pingora"

    def command(self, row, values):
        conf = os.path.join(values["dir"], "pingora.yaml")
        with open(conf, "w") as f:
            f.write(f"version: 1\nthreads: {values['threads']}\nupstream_keepalive_pool_size: 256\n"
                    f"pid_file: {values['dir']}/pid\nupgrade_sock: {values['dir']}/upgrade.sock\n")
        return [self.settings.pingora, str(values["port"]), str(values["origin"]), conf]


KINDS = {"nginx": Nginx, "haproxy": Haproxy, "relay": Relay, "varnish": Varnish, "responder": Responder, "weir": Weir,
         "before": Before, "pingora": Pingora}


class Load:
    """One run of the load generator: waits at "ready" until go() is called."""

    def __init__(self, settings, port, connections, **options):
        argv = [os.path.join(settings.build, "load"), "--port", str(port), "--connections", str(connections),
                "--timeout", str(settings.timeout)]
        for name, value in options.items():
            if value is True:
                argv.append("--" + name)
            elif value:
                argv += ["--" + name, str(value)]
        self.timeout = settings.timeout + 5
        self.process = spawn(argv, settings.load_cpus, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        try:
            if read_line(self.process, self.timeout, "load") != "ready":
                raise Failed("load: not ready")
        except BaseException:
            end(self.process)
            raise
        return self

    def __exit__(self, *_):
        end(self.process)

    def begin(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def window(self):
        """With --windows: what there was since the last call."""
        self.begin()
        return json.loads(read_line(self.process, self.timeout, "load"))

    def go(self):
        self.begin()
        result = json.loads(read_line(self.process, self.timeout, "load"))
        if result["errors"]:
            raise Failed(f"{result['errors']} requests failed")
        return result


class Pipelined:
    """One connection: 16 requests in one send, their answers, and again. It is the proxy's time that counts, not ours."""
    AT_ONCE = 16

    def __init__(self, settings, port, _, requests, path, **_ignored):
        self.requests, self.head = requests, f"GET {path} HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n".encode()
        self.socket = socket.create_connection(("127.0.0.1", port), settings.timeout)
        self.cpus = settings.load_cpus

    def __enter__(self):
        self.batch(1)
        return self

    def __exit__(self, *_):
        self.socket.close()

    def batch(self, count):
        self.socket.sendall(self.head * count)
        got, left = b"", count
        while left:
            end = got.find(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", got[:end], re.I) if end >= 0 else None
            if length is None or len(got) < end + 4 + int(length[1]):
                piece = self.socket.recv(1 << 18)
                if not piece:
                    raise Failed("a pipelined connection was closed")
                got += piece
                continue
            got, left = got[end + 4 + int(length[1]):], left - 1

    def go(self):
        before, allowed = time.monotonic(), os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.cpus)
        for _ in range(self.requests // self.AT_ONCE):
            self.batch(self.AT_ONCE)
        os.sched_setaffinity(0, allowed)
        seconds = time.monotonic() - before
        return {"requests": self.requests, "seconds": seconds, "resumed": 0, "bytes": 0, "reconnects": 0, "errors": 0,
                "rps": self.requests / seconds, "p50_us": 0, "p99_us": 0}


def count_syscalls(peer, load, directory, seconds=10):
    """Calls by name while `load` runs, of all processes of the peer, as strace -c -f counts them."""
    summary = os.path.join(directory, "strace.txt")
    argv = ["strace", "-f", "-c", "-o", summary]
    for pid in peer.pids():
        argv += ["-p", str(pid)]
    with open(os.path.join(directory, "strace.err"), "w") as errors:
        strace = subprocess.Popen(argv, stdout=errors, stderr=errors)
    try:
        until = time.monotonic() + seconds
        while not all(traced(t) for t in peer.threads()):
            if time.monotonic() > until or strace.poll() is not None:
                raise Failed("strace did not attach")
            time.sleep(0.02)
        result = load.go()
        strace.send_signal(signal.SIGINT)
        strace.wait(seconds)
    finally:
        end(strace)
    calls = {}
    with open(summary) as f:
        for line in f:
            fields = line.split()
            if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
                calls[fields[-1]] = int(fields[3])
    return result["requests"], calls


def traced(task):
    with open(task + "/status") as f:
        return not re.search(r"^TracerPid:\s*0$", f.read(), re.M)
