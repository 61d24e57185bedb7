"""Origins as clients meet them: slow ones, and those that break off, fall silent, have no ranges, or change."""

import command
from resume_test import Ranged

PAUSE = 0.001  # between pieces of 16 KiB: at most 16 MB/s for a connection


class Dropping(Ranged):
    """Ends each connection after 700 KB."""

    def breaks_off(self, connection, first, at):
        return at - first >= 700_000


class Stalling(Ranged):
    """Falls silent once, half way, with its connection open."""

    stalled = False

    def breaks_off(self, connection, first, at):
        with self.lock:
            silent = not self.stalled and at >= len(self.content) // 2
            self.stalled = self.stalled or silent
        if silent:
            connection.settimeout(command.LIMIT)
            connection.recv(1)  # until it is given up
        return silent


class Changing(Ranged):
    """Is another once so much of it has been sent; what was being sent then breaks off."""

    other = b""
    after = 100_000

    def breaks_off(self, connection, first, at):
        with self.lock:
            changes = self.etag == '"1"' and self.sent >= self.after
            if changes:
                self.content, self.etag = self.other, '"2"'
        return changes


def slow(content):
    return Ranged(content, pause=PAUSE)


def dropping(content):
    return Dropping(content, pause=PAUSE)


def stalling(content):
    return Stalling(content, pause=PAUSE)


def without_ranges(content):
    route = Ranged(content, pause=PAUSE)
    route.ranges = False
    return route


def changing(content):
    route = Changing(content, pause=PAUSE)
    route.other = content[::-1]
    return route


# By name: those that bring the object in the end.
KINDS = {"slow": slow, "drops": dropping, "stalls": stalling, "no ranges": without_ranges}
