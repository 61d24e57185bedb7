"""An HTTP origin on loopback with a limited rate, which remembers what it was asked for and what it has sent."""

import pathlib
import re
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from command import LIMIT, Server  # noqa: E402  (found through the line above)

PIECES = 50  # a second, with a rate


class Origin(Server):
    """Serves GET and HEAD of `content(path)`, bytes or None, in ranges over connections that stay.

    rate: bytes per second of each connection. answer(path, range): called before a GET is answered, and may wait.
    """

    def __init__(self, content, rate=0, answer=lambda path, asked: None):
        self.content = content
        self.rate = rate
        self.answer = answer
        self.sent = 0  # bytes of bodies
        self.lock = threading.Lock()
        self.ending = threading.Event()
        super().__init__({})  # `requests` are GETs here, in the order in which they came: (path, range)

    def close(self):
        self.ending.set()
        super().close()

    def _serve(self, connection):
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(0.2)  # to notice the end
            buffer = b""
            while not self.ending.is_set():
                try:
                    part = connection.recv(65536)
                except TimeoutError:
                    continue
                except OSError:
                    return
                if not part:
                    return
                buffer += part
                while b"\r\n\r\n" in buffer:
                    head, buffer = buffer.split(b"\r\n\r\n", 1)
                    try:
                        self._respond(connection, head.decode("latin-1"))
                    except OSError:
                        return  # the client left

    def _respond(self, connection, head):
        method, path, _ = head.split("\r\n")[0].split(" ")
        content = self.content(path)
        if content is None:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        asked = re.search(r"\r\nrange: bytes=(\d+)-(\d*)", head, re.IGNORECASE)
        begin = int(asked[1]) if asked else 0
        end = min(len(content), int(asked[2]) + 1) if asked and asked[2] else len(content)
        if method == "GET":
            with self.lock:
                self.requests.append((path, range(begin, end)))
            self.answer(path, range(begin, end))
        lines = [
            "HTTP/1.1 206 Partial Content" if asked else "HTTP/1.1 200 OK",
            'ETag: "one"',
            "Accept-Ranges: bytes",
            f"Content-Length: {end - begin}",
        ]
        if asked:
            lines.append(f"Content-Range: bytes {begin}-{end - 1}/{len(content)}")
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        if method == "GET":
            self._send(connection, content, begin, end)

    def _send(self, connection, content, begin, end):
        piece = max(1, self.rate // PIECES) if self.rate else end - begin
        began = time.monotonic()
        for at in range(begin, end, piece):
            if self.rate:
                wait = began + (at - begin) / self.rate - time.monotonic()
                if self.ending.wait(max(0, wait)):
                    raise OSError("the test is over")
            part = content[at : min(at + piece, end)]
            connection.sendall(part)
            with self.lock:
                self.sent += len(part)
