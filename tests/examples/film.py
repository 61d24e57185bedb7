"""A film with its index at the end, as a camera leaves it, served slowly; what a test is skipped for."""

import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import origin

PROGRAM = ""
RATE = 300_000  # bytes per second of a connection: all of the film would take half a minute over four
SECONDS = 20


def skip(reason):
    """As meson wants it."""
    print("skipped: " + reason)
    sys.exit(77)


def environment():
    return {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | {"LC_ALL": "C"}


def make(path):
    """Noise, which does not compress, in frames of 50 KB, each a key frame; the index comes last."""
    source = "testsrc=size=320x240:rate=25,noise=alls=60:allf=t"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-t", str(SECONDS)]
        + ["-c:v", "mpeg4", "-q:v", "2", "-g", "1", str(path)],
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=origin.LIMIT,
    )
    return path.read_bytes()


def atoms(film):
    """The parts of an MP4 file, by name: where each begins and ends (ISO/IEC 14496-12, 4.2)."""
    found = {}
    at = 0
    while at < len(film):
        size, name = struct.unpack_from(">I4s", film, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", film, at + 8)
        found[name.decode()] = range(at, at + size)
        at += size
    return found


class FilmTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="strandline-film-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.film = make(self.dir / "film.mp4")
        self.index = atoms(self.film)["moov"]
        self.assertEqual(self.index.stop, len(self.film))
        self.assertGreater(len(self.film), 20_000_000)
        self.origin = origin.Origin(lambda path: self.film if path == "/film.mp4" else None, rate=RATE)
        self.addCleanup(self.origin.close)
        self.url = self.origin.url("/film.mp4")

    def check_index_came_first(self):
        """Its bytes were asked for among the first, in a request that begins close before them."""
        first = next(number for number, (_, asked) in enumerate(self.origin.requests) if self.index.start in asked)
        # Before it: the film's first bytes, two or three in the background, and what a busy machine made seem silent.
        self.assertLess(first, 8, self.origin.requests)
        self.assertGreater(self.origin.requests[first][1].start, self.index.start - (1 << 20), self.origin.requests)

    def check_most_is_missing(self):
        self.assertLess(self.origin.sent, len(self.film) // 2)


def main():
    global PROGRAM
    if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
        skip("Debian's package ffmpeg is not installed")
    PROGRAM = sys.argv.pop(1)
    result = unittest.main(exit=False).result
    if result.skipped:
        skip(result.skipped[0][1])
    sys.exit(not result.wasSuccessful())
