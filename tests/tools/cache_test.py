"""Commands that read through a store: what is fetched, by whom, how often, and what is there without the server."""

import json
import os
import random
import re
import signal
import subprocess
import threading

import command
from command import CONTENT, HeadOnly, ServerTest, chunked, response, run, sized
from resume_test import MIB, ON_ITS_WAY, Ranged

KILLS = int(os.environ.get("STRANDLINE_CACHE_KILLS", "8"))
LARGE = random.Random(5).randbytes(40 * MIB)


class CacheTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.cache = self.dir / "cache"

    def cat(self, *args):
        return run("cat", *args, "--cache", self.cache)

    def check_cat(self, content, *args):
        result = self.cat(*args)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(result.stdout, content)

    def on_disk(self):
        return sum(path.stat().st_blocks * 512 for path in self.cache.glob("entries/*/*"))


class Reader:
    """A cat whose output somebody takes."""

    def __init__(self, test, *args):
        self.process = test.popen("cat", *args, "--cache", test.cache)
        self.got = bytearray()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while part := os.read(self.process.stdout.fileno(), 1 << 16):
            self.got += part

    def end(self):
        self.thread.join(command.LIMIT)
        return self.process.wait(command.LIMIT)


class Meter:
    """How many bodies were under way at once, at the most."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    def add(self, count):
        with self.lock:
            self.now += count
            self.most = max(self.most, self.now)


class Metered(Ranged):
    """To the meter a body ends before its last byte goes: what that sets off comes after it."""

    def __init__(self, content, meter):
        super().__init__(content, pause=0.001)
        self.meter = meter

    def __call__(self, connection, headers):
        if isinstance(connection, HeadOnly):
            return super().__call__(connection, headers)
        self.meter.add(1)
        body = LastSeen(connection, lambda: self.meter.add(-1))
        try:
            super().__call__(body, headers)
        finally:
            body.leave()


class LastSeen:
    """A connection that calls a function, once, before the last of a response is sent."""

    def __init__(self, connection, last):
        self.connection = connection
        self.last = last
        self.left = None

    def sendall(self, data):
        if self.left is None:
            head, body = data.split(b"\r\n\r\n", 1)
            self.left = int(re.search(rb"Content-Length: (\d+)", head)[1]) - len(body)
        else:
            self.left -= len(data)
        if self.left == 0:
            self.leave()
        self.connection.sendall(data)

    def leave(self):
        last, self.last = self.last, None
        if last:
            last()


class Sharing(CacheTest):
    def test_two_at_once_from_0_and_from_90_percent(self):
        route = Ranged(LARGE, pause=0.003)
        url = self.serve({"/a": route}).url("/a")
        first = Reader(self, url)
        self.until(lambda: len(first.got) > 0)
        last = Reader(self, url, "--range", f"{36 * MIB}-")
        self.assertEqual(last.end(), 0, last.process.stderr)
        self.assertIsNone(first.process.poll())  # at once, not one after the other
        self.assertLess(len(first.got), 36 * MIB)
        self.assertEqual(first.end(), 0)
        self.assertEqual(bytes(last.got), LARGE[36 * MIB :])
        self.assertEqual(bytes(first.got), LARGE)
        print(f"sent {route.sent} of {len(LARGE)}", flush=True)
        self.assertLessEqual(route.sent, len(LARGE) + ON_ITS_WAY)

    def test_the_one_that_fetches_is_killed_and_the_other_goes_on(self):
        route = Ranged(LARGE, pause=0.003)
        url = self.serve({"/a": route}).url("/a")
        first = Reader(self, url)
        self.until(lambda: len(first.got) > MIB)
        other = Reader(self, url)
        self.until(lambda: len(other.got) > 2 * MIB)
        first.process.kill()
        self.assertEqual(first.end(), -signal.SIGKILL)
        self.assertEqual(other.end(), 0)
        self.assertEqual(bytes(other.got), LARGE)
        self.assertLessEqual(route.sent, len(LARGE) + 4 * ON_ITS_WAY)  # what was on its way over each connection

    def test_get_and_cat_share_too(self):
        route = Ranged(LARGE[: 16 * MIB], pause=0.003)
        url = self.serve({"/a": route}).url("/a")
        reader = Reader(self, url)
        self.until(lambda: len(reader.got) > 0)
        result = run("get", url, "-o", self.out, "--cache", self.cache)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(reader.end(), 0)
        self.assertEqual(bytes(reader.got), route.content)
        self.assertEqual(self.out.read_bytes(), route.content)
        self.assertLessEqual(route.sent, len(route.content) + ON_ITS_WAY)


class Keeping(CacheTest):
    def test_a_second_run_asks_for_the_version_and_no_more(self):
        route = Ranged(CONTENT)
        server = self.serve({"/a": route})
        self.check_cat(CONTENT, server.url("/a"))
        self.assertEqual(route.sent, len(CONTENT))
        asked = len(route.asked)
        requests = len(server.requests)
        self.check_cat(CONTENT, server.url("/a"))
        result = run("get", server.url("/a"), "-o", self.out, "--cache", self.cache, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(self.out.read_bytes(), CONTENT)
        self.assertEqual(self.parts(), [])
        self.assertEqual((route.sent, len(route.asked)), (len(CONTENT), asked))
        self.assertEqual(len(server.requests), requests + 2)

    def test_ranges_and_no_byte_past_them(self):
        route = Ranged(LARGE)
        url = self.serve({"/a": route}).url("/a")
        self.check_cat(LARGE[7:30_000_000], url, "--range", "7-29999999")
        self.assertEqual(route.sent, 29_999_993)
        self.check_cat(LARGE[-1000:], url, "--range=-1000")
        self.check_cat(LARGE[20_000_000:30_001_000], url, "--range", "20000000-30000999")
        self.assertEqual(route.sent, 29_999_993 + 1000 + 1000)
        self.check_fails(self.cat(url, "--range", f"{len(LARGE)}-"), 1, "invalid_range", url)

    def test_a_new_version(self):
        route = Ranged(CONTENT)
        url = self.serve({"/a": route}).url("/a")
        self.check_cat(CONTENT, url)
        route.content, route.etag = CONTENT[::-1], '"2"'
        self.check_cat(CONTENT[::-1], url)

    def test_without_validator_length_or_ranges(self):
        for name, route in {"validator": sized("200 OK"), "length": response("200 OK", "ETag: \"x\"", body=CONTENT),
                            "both": response("200 OK", "Transfer-Encoding: chunked", body=chunked(CONTENT))}.items():
            with self.subTest(without=name):
                url = self.serve({"/" + name: route}).url("/" + name)
                for _ in range(2):
                    self.check_cat(CONTENT, url)

    def test_kill_9_at_random_points(self):
        chance = random.Random(12)
        route = Ranged(LARGE, pause=0.002)
        url = self.serve({"/a": route}).url("/a")
        for kill in range(KILLS):
            before = route.sent
            at = before + chance.randrange(3 * MIB)
            arguments = ["get", url, "-o", self.out] if kill % 2 else ["cat", url]
            process = self.popen(*arguments, "--cache", self.cache, stdout=subprocess.DEVNULL)
            self.until(lambda: route.sent >= at or process.poll() is not None)
            process.kill()
            process.wait(command.LIMIT)
            for part in self.dir.glob("out.part.*"):
                part.unlink()  # what the cache has is enough
        self.check_cat(LARGE, url)
        print(f"{KILLS} kills, {route.sent - len(LARGE)} bytes sent in vain", flush=True)
        self.assertLessEqual(route.sent, len(LARGE) + KILLS * ON_ITS_WAY)

    def test_get_goes_on_from_its_part_and_from_the_cache(self):
        route = Ranged(LARGE, pause=0.002)
        url = self.serve({"/a": route}).url("/a")
        process = self.popen("get", url, "-o", self.out, "--cache", self.cache)
        self.until(lambda: route.sent > 5 * MIB)
        process.kill()
        process.wait(command.LIMIT)
        result = run("get", url, "-o", self.out, "--cache", self.cache, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("resumed", [json.loads(line)["event"] for line in result.stdout.splitlines()])
        self.assertEqual(self.out.read_bytes(), LARGE)
        self.assertLessEqual(route.sent, len(LARGE) + ON_ITS_WAY)

    def test_several_and_files(self):
        paths = [f"/{number}" for number in range(5)]
        server = self.serve({path: Ranged(CONTENT[int(path[1:]) :]) for path in paths})
        local = self.file("local")
        into = self.dir / "into"
        into.mkdir()
        for _ in range(2):
            result = run("get", *map(server.url, paths), local, "-d", into, "--cache", self.cache, "--force")
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertEqual((into / "3").read_bytes(), CONTENT[3:])
            self.assertEqual((into / "local").read_bytes(), CONTENT)
        self.assertEqual(sum(route.sent for route in server.routes.values()), sum(len(CONTENT) - n for n in range(5)))


class Small(CacheTest):
    def test_an_object_ten_times_as_large(self):
        route = Ranged(LARGE)
        url = self.serve({"/a": route}).url("/a")
        self.check_cat(LARGE, url, "--cache-size", "4M")
        self.assertLessEqual(route.sent, len(LARGE) + ON_ITS_WAY)
        self.assertLessEqual(self.on_disk(), 4 * MIB)
        result = run("get", url, "-o", self.out, "--cache", self.cache, "--cache-size", "4M")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(self.out.read_bytes(), LARGE)
        self.assertLessEqual(self.on_disk(), 4 * MIB)

    def test_two_readers_of_it(self):
        route = Ranged(LARGE[: 20 * MIB], pause=0.001)
        server = self.serve({"/a": route, "/b": Ranged(LARGE[20 * MIB :], pause=0.001)})
        readers = [Reader(self, server.url(path), "--cache-size", "16M") for path in ("/a", "/b", "/a")]
        for reader, content in zip(readers, (LARGE[: 20 * MIB], LARGE[20 * MIB :], LARGE[: 20 * MIB])):
            self.assertEqual(reader.end(), 0)
            self.assertTrue(bytes(reader.got) == content)

    def test_several_servers_have_the_room_of_one(self):
        meter = Meter()
        urls = [self.serve({f"/{n}": Metered(LARGE[n * MIB : (n + 3) * MIB], meter)}).url(f"/{n}") for n in range(3)]
        into = self.dir / "into"
        into.mkdir()
        result = run("get", *urls, "-d", into, "--cache", self.cache, "--cache-size", "4M")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        for n in range(3):
            self.assertTrue((into / str(n)).read_bytes() == LARGE[n * MIB : (n + 3) * MIB])
        self.assertEqual(meter.most, 1)

    def test_what_only_comes_as_a_whole_goes_past_it(self):
        url = self.serve({"/a": sized("200 OK", 'ETag: "1"', body=LARGE)}).url("/a")
        result = self.cat(url, "--cache-size", "4M")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stdout, LARGE)
        self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
        self.assertIn(b"does not go through the cache", result.stderr)

    def test_wrong_command_lines(self):
        url = self.serve({"/a": Ranged(CONTENT)}).url("/a")
        for size in ("3M", "1", "-5", "x", "1.5G", "20X", "99999999999999999999"):
            self.check_fails(self.cat(url, "--cache-size", size), 2, "--cache-size", f"'{size}': ")
        self.check_fails(run("cat", url, "--cache-size", "5M"), 2, "--cache")
        self.check_fails(run("get", url, "-o", self.out, "--cache", ""), 1, "not_found")
        self.check_fails(run("get", url, "-o", self.out, "--cache", self.file("file")), 2, "file")
        self.check_nothing_left()


class Offline(CacheTest):
    def setUp(self):
        super().setUp()
        self.route = Ranged(CONTENT)
        self.routes = {"/a": self.route}
        self.server = self.serve(self.routes)
        self.url = self.server.url("/a")

    def check_stale(self, *args):
        result = self.cat(self.url, *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
        self.assertIn(b"may be out of date", result.stderr)
        return result.stdout

    def test_what_is_complete_is_served_and_said_to_be_old(self):
        self.check_cat(CONTENT, self.url)
        self.routes["/a"] = response("503 Busy", "Content-Length: 0")
        self.assertEqual(self.check_stale(), CONTENT)
        self.server.stop_listening()
        self.assertEqual(self.check_stale(), CONTENT)
        self.assertEqual(self.check_stale("--range=-1000"), CONTENT[-1000:])
        result = run("get", self.url, "-o", self.out, "--cache", self.cache, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertIn("stale", [json.loads(line)["event"] for line in result.stdout.splitlines()])
        self.assertEqual(self.out.read_bytes(), CONTENT)

    def test_what_is_not_complete_is_not(self):
        self.check_cat(CONTENT[:1000], self.url, "--range", "0-999")
        self.routes["/a"] = response("503 Busy", "Content-Length: 0")
        self.check_fails(self.cat(self.url, "--give-up", "0"), 1, "503", self.url)

    def test_a_refusal_counts(self):
        self.check_cat(CONTENT, self.url)
        for status, word in (("404 Not Found", "not_found"), ("401 No", "permission_denied")):
            self.routes["/a"] = response(status, "Content-Length: 0")
            self.check_fails(self.cat(self.url), 1, word, self.url)


if __name__ == "__main__":
    command.main()
