"""Runs the built command, and a server that misbehaves on request. Nothing here waits for time to pass."""

import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

COMMAND = ""
LIMIT = 120  # seconds until a hang is a failure

CONTENT = random.Random(7).randbytes(1_000_003)


def environment():
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    env["LC_ALL"] = "C"
    return env


def run(*args, **options):
    """The finished process; stdout and stderr are bytes."""
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(
        [COMMAND, *map(os.fspath, args)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=LIMIT,
        **options,
    )


def limited(limit, value):
    """For preexec_fn: a soft resource limit of the command's."""
    return lambda: resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


def start(*args, **options):
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([COMMAND, *map(os.fspath, args)], stdin=subprocess.DEVNULL, env=environment(), **options)


def scratch(add_cleanup):
    """A folder that goes with the test, or with the class of tests, whose function that is."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="strandline-test-"))
    add_cleanup(shutil.rmtree, folder)
    return folder


class CommandTest(unittest.TestCase):
    """Each test gets a folder of its own."""

    def setUp(self):
        self.dir = scratch(self.addCleanup)
        self.out = self.dir / "out"

    def file(self, name, content=CONTENT):
        path = self.dir / name
        path.write_bytes(content)
        return path

    def check_fails(self, result, exit_code, *words):
        """The exit code, and one line on stderr that says what and where."""
        text = result.stderr.decode()
        self.assertEqual(result.returncode, exit_code, text)
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.startswith("strandline: "), text)
        for word in words:
            self.assertIn(str(word), text)

    def check_nothing_left(self):
        self.assertFalse(self.out.exists())
        self.assertEqual(self.parts(), [])

    def parts(self, name="out"):
        """What an unfinished download has left of it."""
        return sorted(path.name for path in self.dir.glob(f"{name}.part*"))

    def until(self, condition):
        limit = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.001)

    def popen(self, *args, **options):
        process = start(*args, **options)

        def end():
            process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()

        self.addCleanup(end)
        return process


class HeadOnly:
    """A connection that leaves out the body: of the first thing sent, all behind the head, and what comes then."""

    def __init__(self, connection):
        self.connection = connection
        self.sent = False

    def sendall(self, data):
        if not self.sent:
            self.sent = True
            self.connection.sendall(data.split(b"\r\n\r\n")[0] + b"\r\n\r\n")


class Server:
    """Answers path P with routes[P](socket, headers): whatever that writes, and then the connection is closed."""

    def __init__(self, routes):
        self.routes = routes
        self.requests = []  # (path, headers), names in lower case
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = []
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def url(self, path, login=""):
        return f"http://{login}127.0.0.1:{self.port}{path}"

    def stop_listening(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()

    def close(self):
        self.stop_listening()
        for thread in [self.accepting, *self.threads]:
            thread.join(LIMIT)

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with connection:
            connection.settimeout(LIMIT)
            data = b""
            try:
                while b"\r\n\r\n" not in data:
                    part = connection.recv(65536)
                    if not part:
                        return
                    data += part
                lines = data.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
                path = lines[0].split(" ")[1]
                headers = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
                self.requests.append((path, headers))
                route = self.routes.get(path) or response("404 Not Found", "Content-Length: 0")
                route(HeadOnly(connection) if lines[0].startswith("HEAD ") else connection, headers)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # a reset would take away what the client has not read yet
                    pass
            except OSError:
                pass  # the client left


def response(status, *headers, body=b""):
    """A route that answers with just this."""
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()

    def route(connection, _):
        connection.sendall(head + body)

    return route


def sized(status, *headers, body=CONTENT):
    return response(status, f"Content-Length: {len(body)}", *headers, body=body)


def chunked(body, last=b"0\r\n\r\n", size=50_000):
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + last


class GatedRoute:
    """Sends the first half, then waits until the test opens the gate, then sends the rest."""

    def __init__(self, content=CONTENT):
        self.content = content
        self.half = len(content) // 2
        self.gate = threading.Event()

    def __call__(self, connection, _):
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.content)}\r\n\r\n".encode()
        connection.sendall(head + self.content[: self.half])
        if self.gate.wait(LIMIT):
            connection.sendall(self.content[self.half :])


class ServerTest(CommandTest):
    def serve(self, routes):
        server = Server(routes)
        self.addCleanup(server.close)
        for route in routes.values():
            if isinstance(route, GatedRoute):
                self.addCleanup(route.gate.set)  # runs first: cleanups go backwards
        return server


class ServeTest(ServerTest):
    """strandline serve, in front of such servers."""

    def setUp(self):
        super().setUp()
        self.cache = self.dir / "cache"

    def start(self, *args):
        """A server that listens: its process, and where."""
        return self.start_with(*args, "--cache", self.cache, "--grace", "0")

    def start_with(self, *args):
        process = self.popen("serve", *args)
        line = process.stdout.readline().decode()
        found = re.fullmatch(r"listening on (https?://[\d.]+:\d+/)\n", line)
        self.assertTrue(found, line + ("" if line else process.stderr.read().decode()))
        return process, found[1]

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT), 0, process.stderr.read())

    def read(self, url, **headers):
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=LIMIT) as answer:
            return answer.read()


def main():
    global COMMAND
    COMMAND = os.path.abspath(sys.argv.pop(1))
    result = unittest.main(verbosity=2, exit=False).result
    if result.skipped and result.testsRun <= len(result.skipped):
        print(result.skipped[0][1])  # meson's word for it is 77
        sys.exit(77)
    sys.exit(not result.wasSuccessful())
