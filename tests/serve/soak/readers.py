"""The readers of `tools/serve_soak`: they ask as players, browsers and copying programs do, and look at every byte."""
import collections
import email.utils
import http.client
import random
import re
import threading
import time

from . import content
from .content import MIB

PIECE = 65536
PATIENCE = 150  # seconds; the server gives up sooner


class Wrong(Exception):
    """Bytes or fields that no version has. The soak has failed."""


class BrokenOff(Exception):
    """A clear break: the answer ended before it said."""


class Answer:
    """The head of an answer, held against the version that it names."""

    def __init__(self, reader, number, response):
        self.reader, self.number, self.response = reader, number, response
        self.status = response.status
        self.version = None
        tag = response.getheader("ETag")
        if tag is not None:
            found = re.fullmatch(r'"o(\d+)-v(\d+)"', tag)
            if not found or int(found[1]) != number:
                raise Wrong(f"the tag {tag} for object {number}")
            self.version = int(found[2])
        elif self.status in (200, 206, 304) and response.getheader("Last-Modified"):
            seconds = email.utils.mktime_tz(email.utils.parsedate_tz(response.getheader("Last-Modified")))
            self.version = content.version_of_date(seconds)
        if self.status in (200, 206) and self.version is None:
            raise Wrong(f"object {number}: {self.status} of no version: {response.getheaders()}")
        self.size = None if self.version is None else content.size_of(number, self.version)

    def field(self, name):
        return self.response.getheader(name)

    def range(self, text, total=None):
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", text or "")
        if not found or int(found[3]) != self.size or int(found[2]) >= self.size or int(found[1]) > int(found[2]):
            raise Wrong(f"object {self.number} version {self.version} has {self.size} bytes; Content-Range is {text}")
        return int(found[1]), int(found[2]) + 1

    def check(self, at, part):
        if part != content.part_of(self.number, self.version, at, at + len(part)):
            raise Wrong(f"object {self.number} version {self.version}: wrong bytes in [{at}, {at + len(part)}), "
                        f"answer {self.status} {self.field('Content-Range')}; {part.count(0)} of them are zeros")
        self.reader.counts["bytes"] += len(part)

    def body(self, first, end, stop_after=None, pause=0.0):
        """Reads and checks [first, end); False when it left after `stop_after` bytes."""
        at = first
        while at < end:
            if stop_after is not None and at - first >= stop_after:
                return False
            part = self._read(min(PIECE, end - at))
            self.check(at, part)
            at += len(part)
            if pause:
                time.sleep(pause)
        if self.response.read(1):
            raise Wrong(f"object {self.number}: bytes behind the end")
        return True

    def _read(self, count):
        try:
            part = self.response.read(count)
        except http.client.IncompleteRead as error:
            raise BrokenOff from error
        if not part:
            raise BrokenOff
        return part

    def rest(self):
        """All of a body that is kept as it is."""
        try:
            text = self.response.read()
        except http.client.IncompleteRead as error:
            raise BrokenOff from error
        return text


class Reader(threading.Thread):
    """One client, which asks, pauses, and asks again. `wrong`: what it found, and then stopped."""

    def __init__(self, port, seed, pause, ending):
        super().__init__(daemon=True)
        self.port, self.pause, self.ending = port, pause, ending
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.known = {}  # by object: a version that was served
        self.connection = None
        self.wrong = None

    def run(self):
        behaviours = list(BEHAVIOURS)
        weights = [BEHAVIOURS[each] for each in behaviours]
        while not self.ending.wait(self.random.expovariate(1 / self.pause)):
            behaviour = self.random.choices(behaviours, weights)[0]
            name = behaviour.__name__
            try:
                behaviour(self, self.random.randrange(content.OBJECTS))
                self.counts["whole " + name] += 1
            except Wrong as error:
                self.wrong = f"{name}: {error}"
                self.ending.set()
            except BrokenOff:
                self.counts["broken off"] += 1
                self.leave()
            except (OSError, http.client.HTTPException) as error:
                self.counts["ended"] += 1
                self.counts[f"ended: {type(error).__name__}"] += 1
                self.leave()
        self.leave()

    def leave(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def ask(self, number, method="GET", **fields):
        """The head of the answer; None where it is one of 5xx, which has been read."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.counts["requests"] += 1
        self.connection.request(method, f"/o{number}", headers={name.replace("_", "-"): value for name, value in fields.items()})
        response = self.connection.getresponse()
        if response.status >= 500:
            response.read()
            self.counts[f"{response.status}"] += 1
            return None
        answer = Answer(self, number, response)
        if answer.version is not None:
            if answer.version < self.known.get(number, 0):
                self.counts["older"] += 1
            self.known[number] = answer.version
        return answer

    def expect(self, answer, *statuses):
        if answer.status not in statuses:
            raise Wrong(f"object {answer.number}: {answer.status} instead of {statuses}")

    def somewhere(self, number, most):
        """A range of some version of the object; it may be that another version ends before it."""
        size = content.size_of(number, self.known.get(number, 1))
        first = self.random.randrange(size)
        return first, min(size, first + self.random.randint(1, most))

    def take(self, answer, first, end):
        """What has to come for [first, end): that, or the whole; or 416 where the version is too short."""
        if answer.status == 416:
            answer.rest()
            found = re.fullmatch(r"bytes \*/(\d+)", answer.field("Content-Range") or "")
            if not found or int(found[1]) > first:
                raise Wrong(f"object {answer.number}: 416 for [{first}, {end}) and {answer.field('Content-Range')}")
            return
        self.expect(answer, 206)
        if answer.range(answer.field("Content-Range")) != (first, min(end, answer.size)):
            raise Wrong(f"object {answer.number}: [{first}, {end}) was asked for, {answer.field('Content-Range')} came")
        answer.body(first, min(end, answer.size))


def span(first, end):
    return f"bytes={first}-{end - 1}"


def part(reader, number):
    first, end = reader.somewhere(number, MIB)
    answer = reader.ask(number, Range=span(first, end))
    if answer:
        reader.take(answer, first, end)


def whole(reader, number, pause=0.0):
    answer = reader.ask(number)
    if answer:
        reader.expect(answer, 200)
        answer.body(0, answer.size, pause=pause)


def slow(reader, number):
    whole(reader, number, pause=0.02)


def sequence(reader, number):
    first, _ = reader.somewhere(number, 1)
    for at in range(first, first + MIB, MIB // 8):
        answer = reader.ask(number, Range=span(at, at + MIB // 8))
        if not answer:
            return
        reader.take(answer, at, at + MIB // 8)


def if_none_match(reader, number):
    version = reader.known.get(number)
    if version is None or content.kind_of(number).dated:
        return
    answer = reader.ask(number, If_None_Match=content.tag_of(number, version))
    if not answer:
        return
    reader.expect(answer, 200, 304)
    if answer.status == 304:
        answer.rest()
        if answer.version not in (None, version):
            raise Wrong(f"object {number}: 304 of version {answer.version} to who has {version}")
    elif answer.version == version:
        raise Wrong(f"object {number}: 200 of version {version} to who has it")
    else:
        answer.body(0, answer.size)


def if_range(reader, number):
    if content.kind_of(number).dated:
        return
    version = max(1, reader.known.get(number, 1) - reader.random.choice((0, 0, 1)))
    first, end = reader.somewhere(number, MIB // 2)
    answer = reader.ask(number, Range=span(first, end), If_Range=content.tag_of(number, version))
    if not answer:
        return
    reader.expect(answer, 200, 206, 416)
    if answer.status == 200:
        if answer.version == version:
            raise Wrong(f"object {number}: all of version {version}, of which a part was asked for")
        answer.body(0, answer.size)
        return
    if answer.version not in (None, version):
        raise Wrong(f"object {number}: a part of version {answer.version} to who has {version}")
    reader.take(answer, first, end)


def several(reader, number):
    size = content.size_of(number, reader.known.get(number, 1)) - 200_000  # all versions have these
    apart = size // 4
    parts = [(at, at + reader.random.randint(1, 40_000)) for at in range(0, 3 * apart + 1, apart)][:reader.random.randint(2, 4)]
    answer = reader.ask(number, Range="bytes=" + ",".join(f"{first}-{end - 1}" for first, end in parts))
    if not answer:
        return
    reader.expect(answer, 206)
    boundary = re.fullmatch(r'multipart/byteranges; *boundary="?([^"]+)"?', answer.field("Content-Type") or "")
    if not boundary:
        raise Wrong(f"object {number}: {len(parts)} ranges as {answer.field('Content-Type')}")
    expected = int(answer.field("Content-Length"))
    text = answer.rest()
    if len(text) != expected:
        raise BrokenOff
    pieces = text.split(b"--" + boundary[1].encode())
    if len(pieces) != len(parts) + 2 or not pieces[-1].startswith(b"--"):
        raise Wrong(f"object {number}: {len(pieces) - 2} parts instead of {len(parts)}")
    for (first, end), piece in zip(parts, pieces[1:]):
        head, _, body = piece.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)content-range: *([^\r\n]+)", head)
        if answer.range(found[1].decode() if found else None) != (first, end) or len(body) != end - first + 2:
            raise Wrong(f"object {number}: the part {head!r} of {len(body)} bytes for [{first}, {end})")
        answer.check(first, body[:-2])


def suffix(reader, number):
    count = reader.random.randint(1, 100_000)
    answer = reader.ask(number, Range=f"bytes=-{count}")
    if answer:
        reader.take(answer, answer.size - count, answer.size)


def head(reader, number):
    answer = reader.ask(number, "HEAD")
    if answer:
        reader.expect(answer, 200)
        if int(answer.field("Content-Length")) != answer.size:
            raise Wrong(f"object {number} version {answer.version}: Content-Length {answer.field('Content-Length')}")
        answer.rest()


def leave(reader, number):
    answer = reader.ask(number)
    if answer:
        reader.expect(answer, 200)
        answer.body(0, answer.size, stop_after=reader.random.randrange(answer.size))
    reader.leave()


def seek(reader, number):
    """A player: from somewhere on, and before that is over, from somewhere else on."""
    for _ in range(3):
        first, _ = reader.somewhere(number, 1)
        answer = reader.ask(number, Range=f"bytes={first}-")
        if not answer:
            return
        reader.expect(answer, 206, 416)
        if answer.status == 206:
            if answer.range(answer.field("Content-Range")) != (first, answer.size):
                raise Wrong(f"object {number}: from {first} on was asked for, {answer.field('Content-Range')} came")
            answer.body(first, answer.size, stop_after=256 * 1024)
        reader.leave()


# How often each, by weight.
BEHAVIOURS = {part: 30, whole: 4, slow: 1, sequence: 6, if_none_match: 8, if_range: 10, several: 6, suffix: 6, head: 6, leave: 6, seek: 5}


class Readers:
    def __init__(self, port, seed, count, pause):
        self.ending = threading.Event()
        self.all = [Reader(port, f"{seed}/{i}", pause, self.ending) for i in range(count)]
        for each in self.all:
            each.start()

    def wrong(self):
        return next((each.wrong for each in self.all if each.wrong), None)

    def counts(self):
        total = collections.Counter()
        for each in self.all:
            total.update(dict(each.counts))
        return total

    def end(self):
        """True when all of them did."""
        self.ending.set()
        until = time.monotonic() + PATIENCE
        for each in self.all:
            each.join(max(0.0, until - time.monotonic()))
        return not any(each.is_alive() for each in self.all)
