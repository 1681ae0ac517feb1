#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Between real peers: curl in front; nginx and Python's http.server behind."""
import contextlib
import gzip
import hashlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402

INI = """
[module route]
[upstream origin]
server = {origin}
[route all]
match = */*
upstream = origin
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
	access_log {folder}/access.log combined;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	types {{ text/plain txt; }}
	gzip on;
	gzip_types text/plain;
	gzip_proxied any;
	server {{
		listen unix:{folder}/nginx.sock;
		root {folder}/www;
		absolute_redirect off;
		location /moved {{ return 301 /small.txt; }}
		location /upload {{ client_max_body_size 1m; proxy_pass http://unix:{folder}/nginx.sock:/small.txt; proxy_method GET; }}
	}}
}}
"""

BIG = random.Random(1).randbytes(20 * 1024 * 1024)
TEXT = b"the same line over and over\n" * 1000

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing")


@pytest.fixture(scope="module")
def folder():
    folder = tempfile.mkdtemp(prefix="weir-peers-")
    os.chmod(folder, 0o755)		# nginx' worker is somebody else when we are root
    os.mkdir(os.path.join(folder, "www"))
    for name, content in {"small.txt": b"small\n", "big.bin": BIG, "text.txt": TEXT}.items():
        with open(os.path.join(folder, "www", name), "wb") as f:
            f.write(content)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def running(command, ready):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        scene.until(lambda: process.poll() is not None or ready(), f"{command[0]} is ready")
        assert process.poll() is None, f"{command[0]} ended"
        yield
    finally:
        process.terminate()
        process.wait(scene.PATIENCE)


def connects(path):
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        return True
    return False


@pytest.fixture(scope="module")
def nginx(folder):
    """A Weir in front of nginx."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.path.exists(program):
        pytest.skip("nginx is missing")
    with open(os.path.join(folder, "nginx.conf"), "w") as f:
        f.write(NGINX.format(folder=folder))
    path = os.path.join(folder, "nginx.sock")
    command = [program, "-c", os.path.join(folder, "nginx.conf"), "-e", os.path.join(folder, "nginx.log")]
    with running(command, lambda: connects(path)), scene.Weir(INI.format(origin="unix:" + path)) as weir:
        yield weir


@pytest.fixture(scope="module")
def python(folder):
    """A Weir in front of Python's http.server: HTTP/1.0, and it closes after each response."""
    log = os.path.join(folder, "python.log")
    script = ("import http.server, functools, sys\n"
              f"handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory={folder + '/www'!r})\n"
              "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)\n"
              f"open({log!r}, 'w').write(f'{{server.server_port}}\\n')\n"
              "server.serve_forever()\n")

    def port():
        with contextlib.suppress(FileNotFoundError), open(log) as f:
            text = f.read()
            return text.endswith("\n") and text.strip()
        return None

    with running([sys.executable, "-c", script], port):
        with scene.Weir(INI.format(origin=f"127.0.0.1:{port()}")) as weir:
            yield weir


def curl(weir, targets, *options):
    """What curl got, and of each transfer the status and how many connections it opened."""
    urls = [f"http://127.0.0.1:{weir.port()}{target}" for target in targets.split()]
    told = ["-sS", "--max-time", str(scene.PATIENCE), "-w", "%{stderr}%{http_code} %{num_connects}\n"]
    done = subprocess.run(["curl", *told, *options, *urls], capture_output=True, timeout=2 * scene.PATIENCE, check=False)
    said = done.stderr.decode()
    assert done.returncode == 0, said
    return done.stdout, [tuple(map(int, line.split())) for line in said.splitlines()]


@pytest.fixture(params=["nginx", "python"])
def weir(request):
    return request.getfixturevalue(request.param)


def test_files_small_and_large_and_none(weir):
    assert curl(weir, "/small.txt") == (b"small\n", [(200, 1)])
    body, said = curl(weir, "/big.bin")
    assert said == [(200, 1)]
    assert hashlib.sha256(body).digest() == hashlib.sha256(BIG).digest()
    assert curl(weir, "/nothing")[1] == [(404, 1)]


def test_curl_keeps_its_connection_whatever_the_origin_does(weir):
    body, said = curl(weir, "/small.txt /text.txt /small.txt")
    assert body == b"small\n" + TEXT + b"small\n"
    assert said == [(200, 1), (200, 0), (200, 0)]


def test_a_head_has_the_files_length(weir):
    head, said = curl(weir, "/big.bin", "-I")
    assert said == [(200, 1)]
    assert b"\r\nContent-Length: %d\r\n" % len(BIG) in head


def test_a_client_of_http_1_0(weir):
    head_and_body, said = curl(weir, "/text.txt", "-0", "-i")
    assert said == [(200, 1)]
    assert head_and_body.endswith(TEXT)
    assert b"chunked" not in head_and_body


def test_what_has_not_changed_is_not_sent(weir):
    head, _ = curl(weir, "/small.txt", "-I")
    changed = [line.split(b": ", 1)[1].strip() for line in head.splitlines() if line.lower().startswith(b"last-modified")][0]
    assert curl(weir, "/small.txt", "-H", "If-Modified-Since: " + changed.decode()) == (b"", [(304, 1)])


def test_compressed_by_the_origin_as_it_goes(nginx):
    head, _ = curl(nginx, "/text.txt", "-H", "Accept-Encoding: gzip", "-D", "-", "-o", "/dev/null")
    assert b"\r\nContent-Encoding: gzip\r\n" in head
    assert b"\r\nTransfer-Encoding: chunked\r\n" in head
    body, _ = curl(nginx, "/text.txt", "-H", "Accept-Encoding: gzip")
    assert gzip.decompress(body) == TEXT
    assert curl(nginx, "/text.txt", "--compressed")[0] == TEXT


def test_parts_of_a_file(nginx):
    assert curl(nginx, "/big.bin", "-r", "100-199") == (BIG[100:200], [(206, 1)])
    body, said = curl(nginx, "/big.bin", "-r", "0-9,20-29")
    assert said == [(206, 1)]
    assert BIG[:10] in body and BIG[20:30] in body


def test_a_redirect_is_followed(nginx):
    assert curl(nginx, "/moved", "-L") == (b"small\n", [(200, 1)])


def test_uploads_with_and_without_a_known_length(nginx, folder):
    small, large = os.path.join(folder, "upload.small"), os.path.join(folder, "upload.large")
    for name, size in {small: 500000, large: 5000000}.items():
        with open(name, "wb") as f:
            f.write(b"u" * size)
    for how in [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]]:
        assert curl(nginx, "/upload", *how, "--data-binary", "@" + small) == (b"small\n", [(200, 1)])
    # nginx refuses this one as soon as it has seen the head: curl hears of it and is done.
    assert curl(nginx, "/upload", "-H", "Expect: 100-continue", "--data-binary", "@" + large)[1] == [(413, 1)]


def test_connections_to_nginx_are_reused(nginx):
    dialled, reused = nginx.metric("weir_upstream_dialled_total"), nginx.metric("weir_upstream_reused_total")
    curl(nginx, "/small.txt " * 20)
    assert nginx.metric("weir_upstream_dialled_total") - dialled <= 1
    assert nginx.metric("weir_upstream_reused_total") - reused >= 19
