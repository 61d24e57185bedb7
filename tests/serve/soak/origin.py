"""The origin of `tools/serve_soak`: objects whose versions change, and answers of which a share goes wrong."""
import collections
import email.utils
import http.server
import multiprocessing
import os
import random
import re
import socket
import struct
import threading
import time

from . import content

PIECE = 65536
RATE = 40e6  # bytes per second of each answer
LATENCY = (0.001, 0.015)  # seconds
STALLED = 45  # seconds, at the most: nobody holds a thread for ever
CHANGES_EVERY = 12  # seconds, on average, of each object

# What goes wrong with an answer, each in its turn.
FAULTS = (
    "drop",  # FIN in the midst of the body
    "reset",  # RST in the midst of the body
    "stall",  # nothing more in the midst of the body, the connection open
    "silence",  # the connection ends without a head
    "500",
    "503",  # with Retry-After
    "short",  # fewer bytes than were asked for, and says so
    "length",  # Content-Length is not what Content-Range says
    "elsewhere",  # another range than was asked for, and says so
    "ignored",  # the whole object for a range
    "change",  # another version in the midst of the body, and the connection ends
)


class State:
    """What all connections share."""

    def __init__(self, seed, share, lies):
        self.random = random.Random(seed)
        self.share, self.lies = share, lies
        self.lock = threading.Lock()
        self.versions = [1] * content.OBJECTS
        self.requests = 0
        self.bytes = 0
        self.faults = collections.Counter()
        self.turn = []

    def next_fault(self):
        with self.lock:
            self.requests += 1
            if self.random.random() >= self.share:
                return None
            if not self.turn:
                self.turn = list(FAULTS)
                self.random.shuffle(self.turn)
            return self.turn.pop()

    def injected(self, fault):
        with self.lock:
            self.faults[fault] += 1

    def give_back(self, fault):
        """It could not be done to that answer: to another one, then."""
        with self.lock:
            self.turn.append(fault)

    def change(self, number):
        with self.lock:
            self.versions[number] += 1

    def change_now_and_then(self):
        while True:
            time.sleep(self.random.expovariate(content.OBJECTS / CHANGES_EVERY))
            self.change(self.random.randrange(content.OBJECTS))

    def counts(self):
        with self.lock:
            return {"requests": self.requests, "bytes": self.bytes, "changes": sum(self.versions) - len(self.versions),
                    "faults": dict(self.faults), "cpu": time.process_time()}


class Ended(Exception):
    """The connection is to end here."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120
    state = None  # given when the server starts

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        try:
            self.speak(with_body)
        except (Ended, OSError):
            self.close_connection = True

    def speak(self, with_body):
        found = re.fullmatch(r"/o(\d+)", self.path)
        if not found or int(found[1]) >= content.OBJECTS:
            self.head(404, 0)
            return
        number = int(found[1])
        fault = self.state.next_fault()
        version = self.state.versions[number]
        time.sleep(random.uniform(*LATENCY))
        if fault in ("500", "503", "silence"):
            self.state.injected(fault)
            if fault != "silence":
                self.head(int(fault), 0, *(["Retry-After: 1"] if fault == "503" else []))
                return
            raise Ended
        kind = content.kind_of(number)
        date = email.utils.formatdate(content.date_of(version), usegmt=True)
        tag = content.tag_of(number, version)
        lines = [*kind.lines, "Accept-Ranges: bytes", f"Last-Modified: {date}"] + ([] if kind.dated else [f"ETag: {tag}"])
        mine = date if kind.dated else tag
        wanted = self.headers.get("If-Match") or self.headers.get("If-Unmodified-Since")
        if wanted and mine not in wanted:
            self.head(412, 0, *lines)
            return
        if mine in (self.headers.get("If-None-Match") or self.headers.get("If-Modified-Since") or ""):
            self.head(304, None, *lines)
            return
        size = content.size_of(number, version)
        first, end, status = 0, size, 200
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and self.headers.get("If-Range", mine) == mine:
            first, end, status = int(asked[1]), min(size, int(asked[2] or size) + 1), 206
            if first >= size:
                self.head(416, 0, f"Content-Range: bytes */{size}")
                return
        # The rest of what may go wrong needs a body; some of it a range.
        if fault and (not with_body or (status == 200 and fault in ("short", "length", "elsewhere", "ignored"))):
            self.state.give_back(fault)
            fault = None
        elif fault:
            self.state.injected(fault)
        if fault == "short":
            end = first + max(1, (end - first) // 2)
        elif fault == "elsewhere":
            first, end = (0, end - first) if first else (min(4096, size - 1), size)
        elif fault == "ignored":
            first, end, status = 0, size, 200
        if status == 206:
            lines.append(f"Content-Range: bytes {first}-{end - 1}/{size}")
        self.head(status, end - first + (1 if fault == "length" else 0), *lines)
        if with_body:
            self.body(number, version, first, end, fault)

    def head(self, status, length, *lines):
        sized = [] if length is None else [f"Content-Length: {length}"]
        self.wfile.write("\r\n".join([f"HTTP/1.1 {status} -", *sized, *lines, "", ""]).encode())

    def body(self, number, version, first, end, fault):
        breaks = fault in ("drop", "reset", "stall", "change", "length")
        until = end if not breaks or fault == "length" else random.randint(first, end - 1)
        began = time.monotonic()
        lies = random.random() < self.state.lies
        for at in range(first, until, PIECE):
            part = content.part_of(number, version, at, min(until, at + PIECE))
            if lies and at == first:
                part = bytes([part[0] ^ 1]) + part[1:]
            self.wfile.write(part)
            with self.state.lock:
                self.state.bytes += len(part)
            early = (at - first) / RATE - (time.monotonic() - began)
            if early > 0.002:
                time.sleep(early)
        if not breaks:
            return
        if fault == "stall":
            self.connection.settimeout(STALLED)
            self.connection.recv(1)
        elif fault == "change":
            self.state.change(number)
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        raise Ended


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass  # a client that has gone


def _serve(pipe, seed, share, lies):
    state = State(seed, share, lies)
    Handler.state = state
    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=state.change_now_and_then, daemon=True).start()
    pipe.send(server.server_address[1])
    try:
        while pipe.recv():
            pipe.send(state.counts())
    except EOFError:
        pass  # whoever started it has gone
    os._exit(0)


class Origin:
    """In a process of its own, ended with this one. Of its answers `share` fail and `lies` have a wrong byte."""

    def __init__(self, seed, share, lies):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=_serve, args=(other, seed, share, lies), daemon=True)
        self.process.start()
        other.close()
        self.port = self.pipe.recv()

    def counts(self):
        self.pipe.send(True)
        return self.pipe.recv()

    def end(self):
        self.pipe.send(False)
        self.process.join()
