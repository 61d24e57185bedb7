"""Downloads that end before their time and are gone on with, by a server that has ranges and counts what it sends."""

import hashlib
import json
import os
import pty
import random
import re
import resource
import signal
import threading

import command
from command import CONTENT, HeadOnly, ServerTest, response, run, sized

KILLS = int(os.environ.get("STRANDLINE_KILLS", "20"))
MIB = 1 << 20
ON_ITS_WAY = MIB * int(os.environ.get("STRANDLINE_SLOW", "1"))  # what may be sent for nothing when something ends


class Ranged:
    """An object with ranges and an ETag, sent in small pieces, a few milliseconds apart. Counts every byte taken."""

    def __init__(self, content, etag='"1"', pause=0.0):
        self.content = content
        self.etag = etag
        self.pause = threading.Event()  # never set: waiting for it is the pause between pieces
        self.seconds = pause
        self.sent = 0
        self.asked = []
        self.ranges = True  # else all, whatever is asked for
        self.lines = []  # in the head, besides
        self.lock = threading.Lock()

    def __call__(self, connection, headers):
        size = len(self.content)
        found = self.ranges and re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        if headers.get("if-match", self.etag) != self.etag:
            return response("412 Precondition Failed", "Content-Length: 0")(connection, headers)
        first, last = (int(found[1]), min(int(found[2] or size), size - 1)) if found else (0, size - 1)
        head = [f"HTTP/1.1 206 Part\r\nContent-Range: bytes {first}-{last}/{size}"] if found else ["HTTP/1.1 200 OK"]
        head += [f"Content-Length: {last + 1 - first}", f"ETag: {self.etag}"]
        head += ["Accept-Ranges: bytes"] * self.ranges + [*self.lines, "", ""]
        connection.sendall("\r\n".join(head).encode())
        if isinstance(connection, HeadOnly):
            return
        with self.lock:
            self.asked.append((first, last + 1))
        content = self.content
        for at in range(first, last + 1, 16384):
            if self.breaks_off(connection, first, at):
                return
            piece = content[at : min(at + 16384, last + 1)]
            connection.sendall(piece)
            with self.lock:
                self.sent += len(piece)
            if self.seconds:
                self.pause.wait(self.seconds)

    def breaks_off(self, connection, first, at):
        """Is nothing more sent, of an answer that began at `first` and has come to `at`?"""
        return False


class Shrinking(Ranged):
    """Says what it has, by 416 to a range past that, though the version is the one that was asked for."""

    def __call__(self, connection, headers):
        size = len(self.content)
        found = re.fullmatch(r"bytes=(\d+)-\d*", headers.get("range", ""))
        if found and int(found[1]) >= size:
            head = (f"Content-Range: bytes */{size}", f"ETag: {self.etag}", "Content-Length: 0")
            return response("416 No such range", *head)(connection, headers)
        super().__call__(connection, headers)


class Resume(ServerTest):
    def get(self, url, *more):
        return run("get", url, "-o", self.out, *more)

    def events(self, result):
        return [json.loads(line) for line in result.stdout.splitlines()]

    def start_and_wait(self, route, url, at_least, *more):
        """A download that has got so far."""
        before = route.sent
        process = self.popen("get", url, "-o", self.out, *more)
        self.until(lambda: route.sent - before >= at_least or process.poll() is not None)
        return process

    def test_kill_9_at_random_points(self):
        chance = random.Random(11)
        content = chance.randbytes(24 * MIB)
        route = Ranged(content, pause=0.004)
        url = self.serve({"/a": route}).url("/a")
        kills = twice = whole = 0
        had = None  # on the disk, when the one before was killed
        while kills < KILLS:
            process = self.start_and_wait(route, url, chance.randrange(2 * MIB), "--json")
            if process.poll() is None:
                process.kill()
                kills += 1
            self.assertIn(process.wait(command.LIMIT), (0, -signal.SIGKILL))
            lines = [line for line in process.stdout.read().splitlines() if line.endswith(b"}")]
            found = [event["bytes"] for event in map(json.loads, lines) if event["event"] == "resumed"]
            if found and had is not None:
                twice = max(twice, had - found[0])
            if self.out.exists():  # it came to its end: that was one download, and another begins
                self.assertEqual(self.out.read_bytes(), content)
                self.out.unlink()
                whole += 1
                had = None
            else:
                had = sum(path.stat().st_blocks * 512 for path in self.dir.glob("out.part.data"))
        result = self.get(url, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.out.read_bytes(), content)
        # What lay in the sockets, unread, is sent in vain too: as much as the network has room for, all of them together.
        in_vain = route.sent - (whole + 1) * len(content)
        print(f"{kills} kills, at most {twice} bytes fetched twice for one; {in_vain} sent in vain for all", flush=True)
        self.assertLessEqual(twice, ON_ITS_WAY)
        self.assertLessEqual(in_vain, kills * ON_ITS_WAY)

    def test_sigterm_and_on(self):
        route = Ranged(CONTENT, pause=0.002)
        url = self.serve({"/a": route}).url("/a")
        process = self.start_and_wait(route, url, 400_000)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(command.LIMIT), 143)
        self.assertIn(b"the same command goes on from there", process.stderr.read())
        asked = len(route.asked)
        result = self.get(url, "--json")
        self.assertEqual(result.returncode, 0)
        events = self.events(result)
        resumed = next(event for event in events if event["event"] == "resumed")
        self.assertGreater(resumed["bytes"], 0)
        self.assertEqual(events[-1]["resumed"], resumed["bytes"])
        self.assertEqual(route.asked[asked][0], resumed["bytes"])  # from the first byte that was missing
        self.assertEqual(self.out.read_bytes(), CONTENT)
        self.assertEqual(self.parts(), [])

    def test_another_version_in_between_is_begun_anew(self):
        route = Ranged(CONTENT, pause=0.002)
        url = self.serve({"/a": route}).url("/a")
        process = self.start_and_wait(route, url, 400_000)
        process.kill()
        process.wait(command.LIMIT)
        route.content, route.etag = CONTENT[::-1], '"2"'
        result = self.get(url, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([e["event"] for e in self.events(result) if e["event"] not in ("start", "progress")],
                         ["restarted", "done"])
        self.assertEqual(self.out.read_bytes(), CONTENT[::-1])

    def test_f53_an_object_that_is_shorter_now_under_the_same_tag(self):
        route = Shrinking(CONTENT, pause=0.002)
        url = self.serve({"/a": route}).url("/a")
        process = self.start_and_wait(route, url, 400_000)
        process.kill()
        process.wait(command.LIMIT)
        route.content = CONTENT[:200_000]
        result = self.get(url, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("restarted", [event["event"] for event in self.events(result)])
        self.assertEqual(self.out.read_bytes(), CONTENT[:200_000])

    def test_without_a_validator_nothing_is_gone_on_from(self):
        half = response("200 OK", f"Content-Length: {len(CONTENT)}", body=CONTENT[:500_000])
        routes = {"/a": half}
        url = self.serve(routes).url("/a")
        self.check_fails(self.get(url, "--give-up", "0"), 1, "kept")
        routes["/a"] = sized("200 OK", body=CONTENT[::-1])
        result = self.get(url, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("restarted", [event["event"] for event in self.events(result)])
        self.assertEqual(self.out.read_bytes(), CONTENT[::-1])

    def test_another_url(self):
        route = Ranged(CONTENT, pause=0.03)
        server = self.serve({"/a": route, "/b": Ranged(CONTENT[::-1])})
        process = self.start_and_wait(route, server.url("/a"), 400_000)
        self.check_fails(self.get(server.url("/b"), "--force"), 1, "busy", "another process", "out.part.data")
        process.kill()
        process.wait(command.LIMIT)
        self.check_fails(self.get(server.url("/b")), 1, "conflict", "another URL", "--force")
        self.assertEqual(self.get(server.url("/b"), "--force").returncode, 0)
        self.assertEqual(self.out.read_bytes(), CONTENT[::-1])
        self.assertEqual(self.parts(), [])

    def test_a_connection_that_breaks_is_replaced(self):
        route = Ranged(CONTENT)
        broken = []

        def breaks(connection, headers):
            if len(broken) < 3:
                broken.append(1)
                first = int(re.match(r"bytes=(\d+)", headers["range"])[1])
                part = CONTENT[first : first + 100_000]
                last = len(CONTENT) - 1
                head = (f"HTTP/1.1 206 Part\r\nContent-Range: bytes {first}-{last}/{last + 1}\r\n"
                        f"Content-Length: {last + 1 - first}\r\nETag: \"1\"\r\n\r\n")
                connection.sendall(head.encode() + part)
                return
            route(connection, headers)

        result = self.get(self.serve({"/a": breaks}).url("/a"), "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.out.read_bytes(), CONTENT)
        self.assertEqual(route.asked[0][0], 300_000)

    def test_sha256(self):
        url = self.serve({"/a": Ranged(CONTENT)}).url("/a")
        good = hashlib.sha256(CONTENT).hexdigest()
        self.check_fails(self.get(url, "--sha256", good[:-1] + ("0" if good[-1] != "0" else "1")), 4, good)
        self.check_nothing_left()
        for text in (good, good.upper()):
            self.assertEqual(self.get(url, "--sha256", text, "--force").returncode, 0)
            self.assertEqual(self.out.read_bytes(), CONTENT)
        self.check_fails(self.get(url, "--sha256", good[1:]), 2, "64")

    def test_statuses_say_what_and_where(self):
        for status, word in (("404 Not Found", "not_found"), ("403 Forbidden", "permission_denied"), ("416 No", "HTTP status 416")):
            with self.subTest(status=status):
                url = self.serve({"/a": sized(status, body=b"sorry")}).url("/a")
                self.check_fails(self.get(url), 1, word, url)
                self.check_nothing_left()


class Several(ServerTest):
    def setUp(self):
        super().setUp()
        self.into = self.dir / "into"
        self.into.mkdir()

    def test_several_urls(self):
        contents = {f"/dir/{i}": CONTENT[i * 1000 :] for i in range(8)}
        server = self.serve({path: Ranged(content) for path, content in contents.items()})
        result = run("get", *map(server.url, contents), "-d", self.into, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        done = [event["file"] for event in map(json.loads, result.stdout.splitlines()) if event["event"] == "done"]
        self.assertEqual(sorted(done), [str(self.into / str(i)) for i in range(8)])
        for path, content in contents.items():
            self.assertEqual((self.into / path[5:]).read_bytes(), content)

    def test_one_that_fails_does_not_end_the_others(self):
        server = self.serve({"/a": Ranged(CONTENT), "/b": sized("404 None", body=b""), "/c": Ranged(CONTENT)})
        result = run("get", *map(server.url, ("/a", "/b", "/c")), "-d", self.into)
        self.check_fails(result, 1, "not_found", server.url("/b"))
        self.assertEqual(sorted(os.listdir(self.into)), ["a", "c"])

    def test_f29_many_files_with_few_descriptors(self):
        contents = {f"/{i}": CONTENT[i * 1000 : (i + 1) * 1000] for i in range(200)}
        server = self.serve({path: Ranged(content) for path, content in contents.items()})
        for more in ([], ["--cache", self.dir / "cache"]):
            into = self.dir / f"few{len(more)}"
            into.mkdir()
            result = run("get", *map(server.url, contents), "-d", into, *more,
                         preexec_fn=command.limited(resource.RLIMIT_NOFILE, 80))
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertEqual(sorted(os.listdir(into)), sorted(path[1:] for path in contents))
            for path, content in contents.items():
                self.assertEqual((into / path[1:]).read_bytes(), content)

    def test_names(self):
        routes = {}
        for path, name in {
            "/x/plain.bin": "plain.bin",
            "/a%20b.txt?query=/c": "a b.txt",
            "/..%2F..%2Fetc%2Fpasswd": "_._.._etc_passwd",
            "/.hidden": "_hidden",
            "/%00%0a": "__",
            "/100%": "100%",
        }.items():
            routes[path] = Ranged(CONTENT)
            url = self.serve(routes).url(path)
            with self.subTest(path=path):
                self.assertEqual(run("get", url, "-d", self.into).returncode, 0)
                self.assertEqual(os.listdir(self.into), [name])
                (self.into / name).unlink()
        server = self.serve({"/": Ranged(CONTENT)})
        for args in ([server.url("/")], [server.url("")], [server.url("/a"), server.url("/b/a")], [server.url("/a/")],
                     [server.url("/a"), server.url("/a.part.data")]):
            with self.subTest(args=args):
                self.check_fails(run("get", *args, "-d", self.into), 2)
        self.check_fails(run("get", server.url("/a"), server.url("/b"), "-o", self.out), 2, "-d")
        self.assertEqual(os.listdir(self.into), [])

    def on_a_terminal(self, server, routes, done):
        """What a terminal shows until both say that they are done."""
        screen, terminal = pty.openpty()
        self.addCleanup(os.close, screen)
        process = self.popen("get", *map(server.url, routes), "-d", self.into, stderr=terminal)
        os.close(terminal)
        seen = b""
        while seen.count(done) < 2:
            seen += os.read(screen, 4096)
        self.assertEqual(process.wait(command.LIMIT), 0)
        self.assertEqual(process.stdout.read(), b"")
        return seen

    def test_a_terminal_has_a_line_for_each_and_one_for_all(self):
        routes = {path: Ranged(CONTENT * 2, pause=0.01) for path in ("/first", "/second")}
        server = self.serve(routes)
        seen = self.on_a_terminal(server, routes, b" 1.9 MiB in ")
        self.assertRegex(seen, rb"first  [^\n]* of 1.9 MiB[^\n]*\x1b\[K\r\nsecond  [^\n]* of 1.9 MiB[^\n]*\x1b\[K\r\n"
                               rb"[^\n]* of 3.8 MiB[^\n]*2 under way\x1b\[K")
        self.assertIn(b"\r\x1b[2A", seen)

    def test_a_name_is_not_cut_within_a_character(self):
        routes = {f"/{start}{'%C3%A4' * 20}": Ranged(CONTENT, pause=0.01) for start in ("aa", "bb")}
        server = self.serve(routes)
        seen = self.on_a_terminal(server, routes, b" KiB in ")
        self.assertIn("aa" + "ä" * 8 + "  ", seen.decode())  # a quarter of the line is 19 bytes
        self.assertIn("bb" + "ä" * 20 + ": ", seen.decode())

    def test_quiet(self):
        server = self.serve({"/a": Ranged(CONTENT)})
        screen, terminal = pty.openpty()
        self.addCleanup(os.close, screen)
        process = self.popen("get", server.url("/a"), "-o", self.out, "-q", stderr=terminal)
        self.assertEqual(process.wait(command.LIMIT), 0)
        os.write(terminal, b"nothing else")
        os.close(terminal)
        self.assertEqual(os.read(screen, 4096), b"nothing else")

    def test_rates_are_numbers(self):
        url = self.serve({"/a": Ranged(CONTENT)}).url("/a")
        self.assertEqual(run("get", url, "-o", self.out, "--rate", "100M").returncode, 0)
        self.check_fails(run("get", url, "-o", self.out, "--rate", "fast"), 2, "fast")
        self.check_fails(run("get", url, "-o", self.out, "--rate", "-5"), 2, "--rate", "bytes are wanted")


class Playing(ServerTest):
    def test_play_has_the_bytes_in_order_while_they_come(self):
        route = Ranged(CONTENT * 8, pause=0.001)
        url = self.serve({"/a": route}).url("/a")
        process = self.popen("get", url, "-o", self.out, "--play", "--json")
        first = process.stdout.read(100_000)
        self.assertFalse(self.out.exists())
        self.assertLess(route.sent, len(route.content))
        self.assertEqual(first + process.stdout.read(), route.content)
        self.assertEqual(process.wait(command.LIMIT), 0)
        self.assertEqual(self.out.read_bytes(), route.content)

    def test_play_of_what_is_there_in_part(self):
        route = Ranged(CONTENT * 8, pause=0.001)
        url = self.serve({"/a": route}).url("/a")
        process = self.popen("get", url, "-o", self.out)
        self.until(lambda: route.sent > 3_000_000)
        process.kill()
        process.wait(command.LIMIT)
        result = run("get", url, "-o", self.out, "--play")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(result.stdout, route.content)

    def test_cat_asks_for_no_byte_past_its_range(self):
        route = Ranged(CONTENT * 40)
        url = self.serve({"/a": route}).url("/a")
        for first, last in ((7, 30_000_000), (39_000_000, 39_000_000)):
            result = run("cat", url, "--range", f"{first}-{last}")
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertEqual(result.stdout, route.content[first : last + 1])
            self.assertTrue(all(first <= begin and end <= last + 1 for begin, end in route.asked), route.asked)
            route.asked.clear()

    def test_cat_asks_for_parts_worth_a_request(self):
        route = Ranged(CONTENT * 40, pause=0.002)
        result = run("cat", self.serve({"/a": route}).url("/a"))
        self.assertEqual(result.stdout, route.content)
        self.assertLess(len(route.asked), 25)


if __name__ == "__main__":
    command.main()
