#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Certificates shown to origins: on the routes that say so, and never on another's connection."""
import os
import ssl
import sys

import pytest

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import proxies  # noqa: E402
import scene  # noqa: E402
import wire  # noqa: E402
from certificates import Identity  # noqa: E402

INI = """
[module route]
[module mtls]
[upstream origin]
server = {server}
host = origin.test
tls = yes
ca = root.pem
{upstream}
[route all]
match = */*
upstream = origin
{rest}
"""

ADMIN = """
[route admin]
match = */secure_admin/*
upstream = origin
mtls.certificate = proxy.pem
mtls.key = proxy.key
"""


class Origin(wire.Origin):
    """Asks for a certificate, and answers with the name in the one it was shown, or nobody. `shaken` are those names, by
    connection."""

    def __init__(self, folder, required=False):
        super().__init__(self.shake)
        self.shaken = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder + "/origin.pem", folder + "/origin.key")
        self.context.load_verify_locations(folder + "/root.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL

    def shake(self, connection):
        try:
            connection.sock = self.context.wrap_socket(connection.sock, server_side=True)
        except ssl.SSLError as error:
            self.shaken.append(error.reason)
            return
        shown = connection.sock.getpeercert()
        name = dict(field[0] for field in shown["subject"])["commonName"] if shown else "nobody"
        self.shaken.append(name)
        while b"\r\n\r\n" in connection.head():
            connection.answer(name.encode())


@pytest.fixture(name="root", scope="module")
def an_authority():
    return Identity("Root", authority=True)


@pytest.fixture(name="files")
def some_files(root, tmp_path):
    """What the root has issued: an origin and a proxy; their folder."""
    root.save(str(tmp_path), "root")
    Identity("origin", root, names=["origin.test"]).save(str(tmp_path), "origin")
    Identity("proxy", root, purpose="client").save(str(tmp_path), "proxy")
    return str(tmp_path)


def weir_to(origin, files, upstream="", rest="", **more):
    weir = scene.Weir(INI.format(server=origin.address, upstream=upstream, rest=rest), **more)
    for name in os.listdir(files):
        os.symlink(os.path.join(files, name), weir.path(name))
    return weir


def test_only_the_route_that_says_so_shows_the_certificate(files):
    with Origin(files) as origin, weir_to(origin, files, rest=ADMIN) as weir:
        for _ in range(3):
            assert weir.ask("/").body == "nobody"
            assert weir.ask("/secure_admin/").body == "proxy"
            assert weir.ask("/secure_admins").body == "nobody"
        assert origin.shaken == ["nobody", "proxy"]


def test_an_origin_that_insists_is_reached_by_that_route_alone(files):
    with Origin(files, required=True) as origin, weir_to(origin, files, rest=ADMIN) as weir:
        assert weir.ask("/secure_admin/").body == "proxy"
        assert weir.ask("/").status == 502
        assert weir.ask("/secure_admin/").body == "proxy"
        assert origin.shaken.count("proxy") == 1


def test_an_upstream_s_certificate_is_shown_unless_the_route_has_another_or_none(files, root):
    Identity("other", root, purpose="client").save(files, "other")
    rest = ADMIN.replace("proxy.", "other.") + "[route public]\nmatch = */public\nupstream = origin\nmtls.certificate =\n"
    with Origin(files) as origin, weir_to(origin, files, "mtls.certificate = proxy.pem\nmtls.key = proxy.key", rest) as weir:
        for target, name in [("/", "proxy"), ("/secure_admin/", "other"), ("/public", "nobody")] * 2:
            assert weir.ask(target).body == name
        assert sorted(origin.shaken) == ["nobody", "other", "proxy"]


def test_equal_names_and_serials_of_two_issuers_are_two_identities(files, root):
    one, two = Identity("One", root, authority=True), Identity("Two", root, authority=True)
    Identity("twin", one, purpose="client", serial=4711).save(files, "proxy")
    Identity("twin", two, purpose="client", serial=4711).save(files, "other")
    rest = ADMIN + ADMIN.replace("proxy.", "other.").replace("admin", "other")
    with Origin(files) as origin, weir_to(origin, files, rest=rest) as weir:
        for _ in range(3):
            assert weir.ask("/secure_admin/").body == "twin"
            assert weir.ask("/secure_other/").body == "twin"
        assert origin.shaken == ["twin", "twin"]


def test_equal_files_are_one_identity(files):
    for kind in ("pem", "key"):
        with open(f"{files}/proxy.{kind}", "rb") as from_file, open(f"{files}/copy.{kind}", "wb") as to:
            to.write(from_file.read())
    rest = ADMIN + ADMIN.replace("proxy.", "copy.").replace("admin", "other")
    with Origin(files) as origin, weir_to(origin, files, rest=rest) as weir:
        for target in ("/secure_admin/", "/secure_other/") * 2:
            assert weir.ask(target).body == "proxy"
        assert origin.shaken == ["proxy"]


def test_intermediates_are_shown_with_the_certificate(files, root):
    middle = Identity("Middle", root, authority=True)
    proxy = Identity("deep", middle, purpose="client")
    proxy.save(files, "proxy")
    with Origin(files, required=True) as origin, weir_to(origin, files, rest=ADMIN) as weir:
        assert weir.ask("/secure_admin/").body == "deep"
    with open(files + "/proxy.pem", "wb") as alone:
        alone.write(proxy.pem)
    with Origin(files, required=True) as origin, weir_to(origin, files, rest=ADMIN) as weir:
        assert weir.ask("/secure_admin/").status == 502
        scene.until(lambda: origin.shaken, "the origin has judged")
        assert origin.shaken[0] == "CERTIFICATE_VERIFY_FAILED"


def test_a_renewed_certificate_is_shown_on_new_connections(files, root):
    with Origin(files) as origin, weir_to(origin, files, rest=ADMIN) as weir:
        assert weir.ask("/secure_admin/").body == "proxy"
        Identity("renewed", root, purpose="client").save(files, "proxy")
        assert weir.ctl("reload")[0] == 0
        assert weir.ask("/secure_admin/").body == "renewed"
        assert origin.shaken == ["proxy", "renewed"]


def test_nginx_sees_who_asks(files):
    port = proxies.free_port()
    conf = f"""
daemon off; pid {{folder}}/pid; error_log {{folder}}/log; worker_processes 1; events {{}}
http {{ access_log off; client_body_temp_path {{folder}}/b; proxy_temp_path {{folder}}/p; fastcgi_temp_path {{folder}}/f;
uwsgi_temp_path {{folder}}/u; scgi_temp_path {{folder}}/s;
server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {files}/origin.pem; ssl_certificate_key {files}/origin.key;
ssl_client_certificate {files}/root.pem; ssl_verify_client optional;
location / {{ return 200 "$ssl_client_verify $ssl_client_s_dn"; }} }} }}
"""
    nginx = proxies.Program(port, "nginx", "-c", "{folder}/conf", "-p", "{folder}", "-e", "{folder}/log",
                            files=[("conf", conf), ("log", "")])
    with nginx as origin, weir_to(origin, files, rest=ADMIN) as weir:
        for _ in range(2):
            assert weir.ask("/").body == "NONE "
            assert weir.ask("/secure_admin/").body == "SUCCESS CN=proxy,O=Weir Scenes"
