#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Upstreams whose servers DNS tells by SRV records: by priority and weight, as long as the records live."""
import collections
import socket
import struct
import threading

import scene

INI = """
[module route]
[module balance]
[upstream shop]
server = srv:_http._tcp.shop.test
keepalive = 0
{settings}
[route all]
match = */*
upstream = shop
"""

SRV, A, AAAA = 33, 1, 28


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class Names:
    """A name server. `services`: (ttl, [(priority, weight, port, target)]) by name; every host is 127.0.0.1."""

    def __init__(self, services, host="127.0.0.1"):
        self.services, self.asked = services, collections.Counter()
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.end = self.socket.getsockname()
        self.address = f"[{host}]:{self.end[1]}" if ":" in host else f"{host}:{self.end[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *what):
        self.socket.sendto(b"", self.end)     # wakes it up to end
        self.socket.close()

    def serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
                if not question:
                    return
                self.socket.sendto(self.answer(question), client)
            except OSError:
                return

    def answer(self, question):
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        name, kind = ".".join(labels), struct.unpack("!H", question[at + 1:at + 3])[0]
        self.asked[name, kind] += 1
        ttl, records = 60, []
        if kind == SRV and name in self.services:
            ttl, lines = self.services[name]
            records = [struct.pack("!HHH", *line[:3]) + encode(line[3]) for line in lines]
        elif kind == A:
            records = [bytes([127, 0, 0, 1])]
        code = 3 if kind == SRV and name not in self.services else 0
        head = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0) + question[12:at + 5]
        return head + b"".join(struct.pack("!HHHIH", 0xc00c, kind, 1, ttl, len(data)) + data for data in records)


class Weir(scene.Weir):
    def __init__(self, names, *settings, **more):
        self.names = names
        super().__init__(INI.format(settings="\n".join(settings)), **more)

    def write(self, ini):
        super().write(ini)
        text = self.read("weir.ini").replace("[weir]\n", f"[weir]\nresolver = {self.names.address}\n", 1)
        with open(self.path("weir.ini"), "w", encoding="ascii") as f:
            f.write(text)


def shop(*lines, ttl=60):
    return {"_http._tcp.shop.test": (ttl, [(priority, weight, origin.port, f"{origin.name}.test")
                                           for priority, weight, origin in lines])}


def test_servers_have_requests_by_priority_and_weight():
    with scene.Origin("a") as a, scene.Origin("b") as b, scene.Origin("c") as c:
        with Names(shop((10, 60, a), (10, 20, b), (20, 100, c))) as names, Weir(names) as weir:
            assert weir.ask().status == 200
            asked = names.asked["_http._tcp.shop.test", SRV]
            seen = collections.Counter(weir.ask().body for _ in range(80))
            assert set(seen) == {"a", "b"} and seen["a"] > seen["b"]
            a.stop()
            assert {weir.ask().body for _ in range(20)} == {"b"}
            b.stop()
            assert {weir.ask().body for _ in range(5)} == {"c"}
            assert names.asked["_http._tcp.shop.test", SRV] == asked     # known for its time


def test_the_name_server_may_have_an_ipv6_address():
    with scene.Origin("a") as a, Names(shop((10, 0, a)), "::1") as names, Weir(names) as weir:
        assert weir.ask().body == "a"
        assert names.asked["_http._tcp.shop.test", SRV] > 0 and names.asked["a.test", A] > 0


def test_records_are_asked_for_again_when_their_time_is_over():
    with scene.Origin("a") as a, scene.Origin("b") as b:
        with Names(shop((10, 0, a), ttl=1)) as names, Weir(names) as weir:
            assert weir.ask().body == "a"
            names.services = shop((10, 0, b), ttl=1)
            scene.until(lambda: weir.ask().body == "b", "the new server")
            names.services = {}
            assert weir.ask().body == "b"


def test_checks_find_a_service_too():
    with scene.Origin("a") as a, Names(shop((0, 0, a))) as names:
        with Weir(names, "balance.check = http") as weir:
            scene.until(lambda: '"check":"good"' in weir.ctl("--json", "balance", "servers")[1], "a good check")


def test_a_service_that_is_not_there():
    with Names({"_http._tcp.shop.test": (60, [(0, 0, 0, "")])}) as names, Weir(names) as weir:
        assert weir.ask().status == 502
        with scene.Origin("a") as a:
            names.services = shop((0, 0, a))
            scene.until(lambda: weir.ask().body == "a", "it is there now")


def test_a_service_has_a_name():
    for name in ("srv:", "srv:a b", "srv:-..-"):
        code, text = scene.check(INI.format(settings="").replace("srv:_http._tcp.shop.test", name))
        assert code == 1 and "error" in text, text
