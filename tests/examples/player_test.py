"""examples/player.cpp plays a film that is still far away: its index, its beginning, and whatever it seeks to."""

import re
import subprocess
import unittest

import film
import origin


class Player(film.FilmTest):
    def play(self, *seconds):
        """What it said: of each picture, when it is to be shown, and how much of the film was there by then."""
        done = subprocess.run(
            [film.PROGRAM, self.url, str(self.dir / "store"), *map(str, seconds)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=film.environment(),
            timeout=origin.LIMIT,
            text=True,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        first, *rest = done.stdout.splitlines()
        self.assertRegex(first, rf"mp4.*, {film.SECONDS}\.00 s, mpeg4 320x240$")
        pictures = [re.fullmatch(r"picture at (\S+) s; here are (\d+) of (\d+) bytes", line) for line in rest]
        self.assertEqual([int(picture[3]) for picture in pictures], [len(self.film)] * (1 + len(seconds)))
        return [(float(picture[1]), int(picture[2])) for picture in pictures]

    def test_pictures_long_before_the_film_is_here(self):
        pictures = self.play(15, 5)
        self.assertEqual([at for at, _ in pictures], [0, 15, 5])
        self.assertLess(pictures[-1][1], len(self.film) // 2)
        self.check_index_came_first()
        self.check_most_is_missing()

    def test_what_was_here_is_not_asked_for_again(self):
        self.play()
        before = len(self.origin.requests)
        self.play()
        self.assertFalse(any(self.index.start in asked for _, asked in self.origin.requests[before:]))


if __name__ == "__main__":
    film.main()
