#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients and origins that cut, stall, reset and chop their bytes, all at once: nobody gets another's answer, and when
all have gone nothing is left behind.

What each side does is drawn from a seed. What must hold holds for every order in which it happens.
"""
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
import scene  # noqa: E402
import wire  # noqa: E402

INI = """
head_timeout = 2s
[module route]
[module balance]
[upstream origin]
server = {a}
server = {b}
first_byte_timeout = 300ms
between_bytes_timeout = 300ms
keepalive = 4
keepalive_timeout = 500ms
[route all]
match = */*
upstream = origin
body_rate = 1K
body_grace = 500ms
total_timeout = 3s
"""

CLIENTS, AT_ONCE = 200, 10
INTERIM = b"HTTP/1.1 103 Hints\r\nLink: </x>\r\n\r\n"


def chop(draw, connection, data):
    """Send it in one piece, or in pieces with pauses."""
    if draw.random() < 0.6:
        connection.send(data)
        return
    while data:
        length = draw.choice([1, 50, 1000, 70000])
        connection.send(data[:length])
        data = data[length:]
        time.sleep(draw.choice([0, 0, 0.003]))


def read_body(connection, head):
    length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head)
    if length:
        return connection.read(int(length.group(1)))
    body, size = b"", b"transfer-encoding: chunked" in head.lower()
    while size:
        size = int(connection.until(b"\r\n").split(b";")[0] or b"0", 16)
        body += connection.read(size)
        connection.read(2)
    return body


def response(draw, name):
    body = name + b"|" + b"x" * draw.choice([0, 100, 5000, 70000, 600000])
    if draw.random() < 0.5:
        return b"HTTP/1.1 200 OK\r\nX-Name: %s\r\nContent-Length: %d\r\n\r\n%s" % (name, len(body), body)
    pieces = [body[:10], body[10:5000], body[5000:]]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return b"HTTP/1.1 200 OK\r\nX-Name: %s\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (name, chunks)


def origin(connection):
    head = connection.head()
    while head.endswith(b"\r\n\r\n"):
        name = re.search(rb"\r\nX-Name: (\S+)\r\n", head).group(1)
        draw = random.Random(name + bytes([head[0]]))
        fate = draw.random()
        if fate < 0.05:
            return
        if fate < 0.10:
            connection.reset()
            return
        if fate < 0.12:
            time.sleep(0.4)
        if fate < 0.90:
            read_body(connection, head)
        connection.send(INTERIM * draw.choice([0, 0, 2]))
        answer = response(draw, name)
        if draw.random() < 0.08:
            connection.send(answer[:draw.randrange(len(answer))])
            return
        chop(draw, connection, answer)
        if fate >= 0.90:	# it has not read the request's body
            return
        head = connection.head()


class Client:
    def __init__(self, weir, number):
        self.draw = random.Random(number)
        self.number = number
        self.connection = wire.connect(weir, receive=self.draw.choice([None, None, 4096]))

    def requests(self, turn):
        for place in range(self.draw.choice([1, 1, 2, 8])):
            name = b"%d-%d-%d" % (self.number, turn, place)
            method = self.draw.choice([b"GET", b"POST", b"PUT"])
            body = b"" if method == b"GET" else b"u" * self.draw.choice([1, 100, 60000, 400000])
            fields, framed = b"", body
            if body and self.draw.random() < 0.5:
                fields, framed = b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            elif body:
                fields = b"Content-Length: %d\r\n" % len(body)
            yield name, b"%s / HTTP/1.1\r\nHost: a\r\nX-Name: %s\r\n%s\r\n%s" % (method, name, fields, framed)

    def answer(self, name):
        """Read one. False when the connection ended."""
        head = self.connection.head()
        while head.startswith(b"HTTP/1.1 103"):
            head = self.connection.head()
        if not head.endswith(b"\r\n\r\n"):
            return False
        body = read_body(self.connection, head)
        if wire.status(head) == 200:
            assert b"\r\nX-Name: %s\r\n" % name in head, (name, head)
            assert (name + b"|").startswith(body[:len(name) + 1]), (name, body[:50])
        return b"\r\nConnection: close\r\n" not in head

    def run(self):
        for turn in range(self.draw.choice([1, 3])):
            asked = list(self.requests(turn))
            data = b"".join(request for _, request in asked)
            fate = self.draw.random()
            if fate < 0.1:
                chop(self.draw, self.connection, data[:self.draw.randrange(len(data))])
                self.draw.choice([self.connection.reset, self.connection.close, self.connection.end])()
                return
            sender = threading.Thread(target=quietly, args=(lambda: chop(self.draw, self.connection, data),))
            sender.start()
            if fate < 0.15:
                time.sleep(self.draw.random() / 50)
                self.connection.reset()
                return
            if not all(self.answer(name) for name, _ in asked):
                return
            sender.join()


def quietly(call):
    try:
        call()
    except OSError:
        pass


def test_chaos_ends_in_order():
    def work(numbers):
        for number in numbers:
            client = Client(weir, number)
            try:
                quietly(client.run)
            except AssertionError as error:
                wrong.append(error)
            client.connection.close()
        done.append(True)

    wrong, done = [], []
    with wire.Origin(origin) as a, wire.Origin(origin) as b:
        with scene.Weir(INI.format(a=a.address, b=b.address), threads=2) as weir:
            workers = [threading.Thread(target=work, args=(range(i, CLIENTS, AT_ONCE),)) for i in range(AT_ONCE)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(4 * scene.PATIENCE)
            assert (wrong, len(done)) == ([], AT_ONCE)
            assert weir.metric("weir_responses_2xx_total") > AT_ONCE       # many more, where the machine is not busy
            scene.until(lambda: weir.metric("weir_requests_active") == 0, "no request is under way")
            scene.until(lambda: weir.metric("weir_client_connections") == 0, "no client is left")
            scene.until(lambda: all(c.sock.fileno() < 0 for o in (a, b) for c in o.connections),
                        "the pooled connections were closed after their time, and no other is left")
