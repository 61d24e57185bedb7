"""Programs that speak HTTP, with strandline serve between them and an origin: the right bytes, or a clear error."""

import email.parser
import functools
import hashlib
import http.client
import json
import os
import random
import shutil
import subprocess
import unittest
import urllib.error
import urllib.request

import command
import origins
from command import ServeTest
from resume_test import ON_ITS_WAY

CONTENT = random.Random(23).randbytes(3_000_003)
PYTHON = "/usr/bin/python3"  # whose packages Debian has
WINDOW = 16 << 20  # bytes, at most, that are fetched ahead of a reader
TIMEOUT = "1"  # until an origin's silence is given up


def has(*programs):
    """Skips a test where one of them is missing."""
    missing = [name for name in programs if not shutil.which(name)]
    return unittest.skipIf(missing, f"no {', '.join(missing)}: tools/setup clients installs it")


def has_fsspec():
    found = subprocess.run([PYTHON, "-c", "import fsspec, aiohttp, requests"], stderr=subprocess.DEVNULL).returncode == 0
    return unittest.skipUnless(found, "no fsspec with aiohttp: tools/setup clients installs it")


def environment():
    return command.environment() | {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}


def output(*args, **options):
    """What a program says that must not fail."""
    return subprocess.run(list(map(os.fspath, args)), check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env=environment(), timeout=command.LIMIT, **options).stdout


def may_fail(*args):
    """A program that may end with an error, but not silently."""
    done = subprocess.run(list(map(os.fspath, args)), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, env=environment(), timeout=command.LIMIT)
    if done.returncode != 0 and not done.stderr:
        raise AssertionError(f"{args[0]} ended with {done.returncode} and no word")
    return done


class Clients(ServeTest):
    content = CONTENT
    name = "object.bin"

    def in_front(self, route):
        """A server in front of this origin's object: its URL."""
        origin = self.serve({"/" + self.name: route})
        _, url = self.start("--origin", origin.url("/"), "--timeout", TIMEOUT)
        return url + self.name


def each_origin(test):
    """Makes a test of test(self, route, URL), for each kind of origin with an empty cache."""

    @functools.wraps(test)
    def tests(self):
        for kind, make in origins.KINDS.items():
            with self.subTest(origin=kind):
                self.cache = self.dir / kind
                route = make(self.content)
                test(self, route, self.in_front(route))

    return tests


def changing_origin(test):
    """Makes a test of test(self, route, URL), for an origin that changes in the midst."""

    @functools.wraps(test)
    def tests(self):
        route = origins.changing(self.content)
        test(self, route, self.in_front(route))

    return tests


@has("curl")
class Curl(Clients):
    def curl(self, *args):
        return may_fail("curl", "-sS", "--fail", *args)

    def get(self, *args):
        done = self.curl(*args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @each_origin
    def test_whole_ranges_and_what_is_missing(self, _, url):
        self.assertEqual(self.get("-r", "2900000-2900999", url), CONTENT[2_900_000:2_901_000])
        self.assertEqual(self.get("-r", "-1000", url), CONTENT[-1000:])
        half = self.dir / "half"
        half.write_bytes(CONTENT[:1_000_000])
        self.get("-C", "-", "-o", half, url)
        self.assertEqual(half.read_bytes(), CONTENT)
        self.assertEqual(self.get(url), CONTENT)

    @each_origin
    def test_several_ranges_in_one(self, _, url):
        asked = [(0, 100), (1_500_000, 1_500_200), (2_999_000, 3_000_003)]
        head = self.dir / "head"
        body = self.get("-D", head, "-r", ",".join(f"{b}-{e - 1}" for b, e in asked), url)
        lines = head.read_bytes().split(b"\r\n", 1)[1]
        parts = email.parser.BytesParser().parsebytes(lines + body).get_payload()
        self.assertEqual([part.get_payload(decode=True) for part in parts], [CONTENT[b:e] for b, e in asked])
        self.assertEqual([part["Content-Range"] for part in parts],
                         [f"bytes {b}-{e - 1}/{len(CONTENT)}" for b, e in asked])

    @each_origin
    def test_eight_at_once(self, route, url):
        step = len(CONTENT) // 8 + 1
        args = []
        for i in range(8):
            part = ["-sS", "--fail", "-r", f"{i * step}-{(i + 1) * step - 1}", "-o", self.dir / f"part{i}", url]
            args += part + ["--next"] * (i < 7)
        self.get("-Z", *args)
        self.assertEqual(b"".join((self.dir / f"part{i}").read_bytes() for i in range(8)), CONTENT)

    @changing_origin
    def test_a_change_in_the_midst_is_one_version_or_an_error(self, route, url):
        done = self.curl(url)
        if done.returncode == 0:
            self.assertIn(done.stdout, (CONTENT, route.other))
        else:
            self.assertIn(done.returncode, (18, 22, 56), done.stderr)  # it is shorter; refused; cut off
            self.assertTrue(CONTENT.startswith(done.stdout) or route.other.startswith(done.stdout))
        self.assertEqual(self.get(url), route.other)  # the next has the new one


class Urllib(Clients):
    def read(self, url, begin=0, end=None):
        headers = {} if end is None else {"Range": f"bytes={begin}-{end - 1}"}
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=command.LIMIT) as answer:
            return answer.read()

    @each_origin
    def test_here_and_there_then_all(self, _, url):
        chance = random.Random(5)
        for _ in range(20):
            begin = chance.randrange(len(CONTENT) - 1)
            end = min(len(CONTENT), begin + chance.randrange(1, 100_000))
            self.assertEqual(self.read(url, begin, end), CONTENT[begin:end])
        self.assertEqual(self.read(url), CONTENT)

    @changing_origin
    def test_a_change_in_the_midst_is_one_version_or_an_error(self, route, url):
        try:
            self.assertIn(self.read(url), (CONTENT, route.other))
        except (http.client.IncompleteRead, urllib.error.URLError, ConnectionError) as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        self.assertEqual(self.read(url), route.other)


@has_fsspec()
class Fsspec(Clients):
    SCRIPT = """
import fsspec, hashlib, sys
with fsspec.open(sys.argv[1], "rb", block_size=2**18).open() as file:
    for place in sys.argv[2:]:
        at, size = map(int, place.split(":"))
        file.seek(at)
        print(hashlib.sha256(file.read(size)).hexdigest())
"""

    PLACES = [(0, 100), (2_900_000, 50_000), (1_000_000, 700_000), (10, 20), (0, len(CONTENT))]

    def hashes(self, content):
        return [hashlib.sha256(content[at : at + size]).hexdigest() for at, size in self.PLACES]

    def client(self, url):
        return [PYTHON, "-c", self.SCRIPT, url, *(f"{at}:{size}" for at, size in self.PLACES)]

    @each_origin
    def test_a_file_with_seeks(self, _, url):
        self.assertEqual(output(*self.client(url)).decode().split(), self.hashes(CONTENT))

    @changing_origin
    def test_a_change_in_the_midst_is_in_no_piece(self, route, url):
        done = may_fail(*self.client(url))
        for got, *versions in zip(done.stdout.decode().split(), self.hashes(CONTENT), self.hashes(route.other)):
            self.assertIn(got, versions)
        self.assertEqual(output(*self.client(url)).decode().split(), self.hashes(route.other))


class Film(Clients):
    """A film of a minute, whose index is behind it."""

    name = "film.mp4"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.film = command.scratch(cls.addClassCleanup) / "film.mp4"
        output("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=60", "-c:v", "mpeg4",
               "-threads", "1", "-b:v", "3M", "-g", "25", "-movflags", "-faststart", cls.film)
        cls.content = cls.film.read_bytes()
        assert cls.content.rfind(b"moov") > len(cls.content) // 2


@has("ffmpeg", "ffprobe")
class Ffmpeg(Film):
    def described(self, source):
        said = json.loads(output("ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", source))
        del said["format"]["filename"]
        return said

    def frames(self, source):
        return ["ffmpeg", "-v", "error", "-ss", "47.3", "-i", source, "-frames:v", "5", "-f", "framemd5", "-"]

    @each_origin
    def test_ffprobe_says_what_it_says_of_the_file(self, _, url):
        expected = self.described(self.film)
        self.assertEqual(self.described(url), expected)

    def test_ffprobe_costs_no_more_than_it_takes_and_what_is_read_ahead_of_it(self):
        index = self.content.rfind(b"moov") - 4
        unused = 100 << 20
        gap = unused.to_bytes(4, "big") + b"free" + bytes(unused - 8)  # ISO/IEC 14496-12, 8.1.2
        content = self.content[:index] + gap + self.content[index:]
        direct = origins.slow(content)
        expected = self.described(self.serve({"/film.mp4": direct}).url("/film.mp4"))
        route = origins.slow(content)
        self.assertEqual(self.described(self.in_front(route)), expected)
        print(f"{route.sent} of {len(content)} bytes fetched; {direct.sent} by ffprobe itself, in {len(direct.asked)} requests")
        self.assertLessEqual(route.sent, direct.sent + len(direct.asked) * WINDOW + ON_ITS_WAY)

    @each_origin
    def test_pictures_after_a_seek_are_those_of_the_file(self, _, url):
        self.assertEqual(output(*self.frames(url)), output(*self.frames(self.film)))

    @changing_origin
    def test_a_change_in_the_midst_shows_no_other_picture_unsaid(self, _, url):
        done = may_fail(*self.frames(url))
        if not done.stderr:
            self.assertEqual(done.stdout, output(*self.frames(self.film)))


@has("ffmpeg", "mpv")
class Mpv(Film):
    @each_origin
    def test_mpv_plays_from_the_midst(self, _, url):
        said = output("mpv", "--no-config", "--vo=null", "--ao=null", "--untimed", "--start=40", "--frames=20",
                      "--msg-level=all=error", url, stderr=subprocess.STDOUT)
        self.assertEqual(said, b"")


@has("gdalinfo", "gdal_translate")
class Gdal(Clients):
    """A picture in tiles, each stored by itself. GDAL compares no versions between its requests: it is not asked to notice one."""

    name = "picture.tif"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = command.scratch(cls.addClassCleanup)
        cls.picture = folder / "picture.tif"
        size = 2048
        plain = folder / "plain.ppm"
        plain.write_bytes(b"P6 %d %d 255\n" % (size, size) + random.Random(3).randbytes(3 * size * size))
        output("gdal_translate", "-q", "-co", "TILED=YES", "-co", "BLOCKXSIZE=256", "-co", "BLOCKYSIZE=256", plain, cls.picture)
        cls.content = cls.picture.read_bytes()

    def window(self, source, out):
        return ["gdal_translate", "-q", "-of", "GTiff", "-srcwin", "1500", "1500", "200", "200", source, out]

    def expected(self):
        out = self.dir / "expected"
        output(*self.window(self.picture, out))
        return out.read_bytes()

    @each_origin
    def test_a_window_of_it(self, route, url):
        said = json.loads(output("gdalinfo", "-json", self.picture))
        through = json.loads(output("gdalinfo", "-json", "/vsicurl/" + url))
        self.assertEqual((through["size"], through["bands"]), (said["size"], said["bands"]))
        output(*self.window("/vsicurl/" + url, self.out))
        self.assertEqual(self.out.read_bytes(), self.expected())
        if route.ranges:
            print(f"{route.sent} of {len(self.content)} bytes fetched", flush=True)
            self.assertLess(route.sent, len(self.content) // 2)


if __name__ == "__main__":
    command.main()
