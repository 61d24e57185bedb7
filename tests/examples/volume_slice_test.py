"""examples/volume_slice.cpp: of a volume of 10,000 chunks that is being fetched, a slice comes first."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

import origin

PROGRAM = ""
CHUNKS = (25, 20, 20)
WIDTH, HEIGHT, DEPTH = 32, 32, 64  # of a chunk, in voxels of one byte
PLANE = 13 * DEPTH + 40
ALL = CHUNKS[0] * CHUNKS[1] * CHUNKS[2]
HELD_BACK = 20  # seconds, at the most: then the slice has not come first
CUT = CHUNKS[0] * CHUNKS[1]  # chunks that the plane cuts


def chunk(path):
    """Planes of which each has one value, by chunk and z."""
    x, y, z = map(int, path.rsplit("/", 1)[1].split("."))
    return b"".join(bytes([(31 * x + 17 * y + 7 * z + plane) % 256]) * (WIDTH * HEIGHT) for plane in range(DEPTH))


def picture():
    """The slice as it must be."""
    z, plane = divmod(PLANE, DEPTH)
    rows = []
    for y in range(CHUNKS[1]):
        row = b"".join(bytes([(31 * x + 17 * y + 7 * z + plane) % 256]) * WIDTH for x in range(CHUNKS[0]))
        rows += [row] * HEIGHT
    return b"P5 %d %d 255\n" % (CHUNKS[0] * WIDTH, CHUNKS[1] * HEIGHT) + b"".join(rows)


class VolumeSlice(unittest.TestCase):
    def test_the_slice_comes_before_the_volume(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="strandline-volume-"))
        self.addCleanup(shutil.rmtree, folder)
        begin = PLANE % DEPTH * WIDTH * HEIGHT
        wanted = threading.Event()

        def answer(_, asked):
            """What nobody waits for is kept back until somebody waits: so the slice does not win by chance."""
            if asked.start == begin:
                wanted.set()
            wanted.wait(HELD_BACK)

        server = origin.Origin(chunk, answer=answer)
        self.addCleanup(server.close)
        done = subprocess.run(
            [PROGRAM, server.url("/volume"), *map(str, CHUNKS), str(PLANE), str(folder / "slice.pgm")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=origin.LIMIT,
            text=True,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual((folder / "slice.pgm").read_bytes(), picture())
        said = re.fullmatch(
            rf"slice: {CUT * WIDTH * HEIGHT} bytes, by then (\d+) of {ALL} chunks were complete\n"
            rf"volume: {ALL} of {ALL} chunks complete\n",
            done.stdout,
        )
        self.assertTrue(said, done.stdout)
        self.assertLess(int(said[1]), ALL // 4)

        layer = str(PLANE // DEPTH)
        last = max(n for n, (path, asked) in enumerate(server.requests) if path.endswith("." + layer) and begin in asked)
        print(f"slice: the last of {CUT} was request {last + 1} of {len(server.requests)}; {said[0].splitlines()[0]}")
        self.assertLess(last, ALL // 4)
        # Every byte once, but for what a busy machine made seem silent.
        self.assertLessEqual(server.sent, ALL * WIDTH * HEIGHT * DEPTH * 101 // 100)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
