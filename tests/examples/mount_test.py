"""examples/mount.cpp: ffprobe, which knows nothing of Strandline, reads a film through a file that is being fetched."""

import contextlib
import json
import os
import signal
import subprocess
import unittest

import film
import origin


class Mount(film.FilmTest):
    def setUp(self):
        super().setUp()
        self.folder = self.dir / "mounted"
        self.folder.mkdir()
        self.process = subprocess.Popen(
            [film.PROGRAM, self.url, str(self.dir / "store"), str(self.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=film.environment(),
            text=True,
        )
        self.addCleanup(self.end)
        said = self.process.stdout.readline()
        if not said:
            why = self.process.stderr.read()
            if why.startswith("fuse"):
                self.skipTest("no FUSE here: " + why.strip())
            self.fail(why)
        self.file = self.folder / "film.mp4"
        self.assertEqual(said, f"{self.file}\n")

    def end(self):
        """Whatever the test has left of it."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(origin.LIMIT)
        self.process.stdout.close()
        self.process.stderr.close()

    def test_ffprobe_finds_the_index_at_the_end(self):
        self.assertEqual(os.listdir(self.folder), ["film.mp4"])
        self.assertEqual(self.file.stat().st_size, len(self.film))
        done = subprocess.run(
            ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", str(self.file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=origin.LIMIT,
            check=True,
        )
        told = json.loads(done.stdout)
        self.assertEqual(float(told["format"]["duration"]), film.SECONDS)
        self.assertEqual(int(told["streams"][0]["nb_frames"]), 25 * film.SECONDS)
        self.check_index_came_first()
        self.check_most_is_missing()
        with open(self.file, "rb") as file:
            file.seek(self.index.start)
            self.assertEqual(file.read(), self.film[self.index.start :])

    def test_a_signal_ends_it_and_the_reads_that_wait(self):
        file = os.open(self.file, os.O_RDONLY)
        try:
            self.process.send_signal(signal.SIGTERM)
            with self.assertRaises(OSError):
                while os.read(file, 1 << 20):  # the film has not come by far
                    pass
        finally:
            with contextlib.suppress(OSError):  # there is nobody left to be told
                os.close(file)
        self.assertEqual(self.process.wait(origin.LIMIT), 0, self.process.stderr.read())
        self.assertEqual(os.listdir(self.folder), [])

    def test_umount_ends_it(self):
        command = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
        subprocess.run([*command, str(self.folder)], check=True, timeout=origin.LIMIT)
        self.assertEqual(self.process.wait(origin.LIMIT), 0, self.process.stderr.read())


if __name__ == "__main__":
    film.main()
