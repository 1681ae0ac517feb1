# SPDX-License-Identifier: Apache-2.0
"""Both ends of a scene that speaks bytes: an origin that follows a script, and a client that says what it is told.

    with wire.Origin(lambda c: (c.head(), c.send(b"HTTP/1.1 204 So\\r\\n\\r\\n"))) as origin: ...

An origin runs its script once for each connection, in a thread, and keeps all that it ever received.
"""
import socket
import struct
import threading

PATIENCE = 30


class Connection:
    """A socket with a memory: `received` is all that came."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.received = b""
        self.taken = 0
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def more(self):
        piece = self.sock.recv(65536)
        self.ended = self.ended or not piece
        self.received += piece
        return piece

    def take(self, length):
        self.taken += length
        return self.received[self.taken - length:self.taken]

    def until(self, mark):
        """Everything up to and with the mark. What there is when the other side ends first."""
        while (at := self.received.find(mark, self.taken)) < 0:
            if not self.more():
                return self.take(len(self.received) - self.taken)
        return self.take(at + len(mark) - self.taken)

    def head(self):
        return self.until(b"\r\n\r\n")

    def read(self, length):
        while len(self.received) - self.taken < length and self.more():
            pass
        return self.take(min(length, len(self.received) - self.taken))

    def rest(self):
        """All until the other side ends. A reset is an error."""
        while self.more():
            pass
        return self.take(len(self.received) - self.taken)

    def rest_cut(self):
        """All until the other side ends in whatever way, and whether that was a reset."""
        try:
            return self.rest(), False
        except ConnectionResetError:
            return self.take(len(self.received) - self.taken), True

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def answer(self, body=b"", fields=b"", status=b"200 OK"):
        self.send(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), fields, body))

    def end(self):
        """No more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.ended = True
        self.sock.close()


class Origin:
    def __init__(self, script, address=("127.0.0.1", 0), backlog=128):
        self.script = script
        if isinstance(address, str):
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(address)
            self.listener.listen(backlog)
            self.address = "unix:" + address
        else:
            self.listener = socket.create_server(address, backlog=backlog)
            self.port = self.listener.getsockname()[1]
            self.address = f"{address[0]}:{self.port}"
        self.connections = []

    def __enter__(self):
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def __exit__(self, *what):
        for s in [self.listener, *(connection.sock for connection in self.connections)]:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def listen(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            connection = Connection(sock)
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            self.script(connection)
        except OSError:
            pass
        connection.close()

    @property
    def received(self):
        """All that ever came, on all connections."""
        return b"".join(connection.received for connection in self.connections)


def polite(connection):
    """A script: answer every request that has no body."""
    while head := connection.head():
        if b"\r\n\r\n" not in head:
            return
        connection.answer(head.split(b" ", 2)[1])


def connect(weir, receive=None):
    sock = socket.socket()
    if receive is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", weir.port()))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)     # what a scene says goes when it says it
    return Connection(sock)


def status(head):
    return int(head.split(b" ", 2)[1])


def body_of(connection):
    """Read one response with Content-Length: its status and body."""
    head = connection.head()
    length = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return status(head), connection.read(int(length[0]) if length else 0)
