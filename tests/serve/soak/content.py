"""What the objects of `tools/serve_soak` are: every byte a function of object, version and offset, known to the origin
and to the readers without a word between them."""
import hashlib
import random

MIB = 1 << 20
# A prime number of random bytes, longer than any object. A version is these bytes from a place of its own on: no two
# versions, objects or offsets agree for more than a byte or two, and nobody has to make or keep them.
_LENGTH = 16_777_259
_BYTES = random.Random(20).randbytes(_LENGTH) * 2
# Tags and dates have to tell versions apart, for the readers too.
_FIRST_DATE = 1_700_000_000
_DATE_STEP = 60


class Kind:
    """How an origin speaks of an object. `lines` go with every answer; `dated`: it has a date and no tag."""

    def __init__(self, *lines, dated=False):
        self.lines, self.dated = lines, dated


KINDS = (
    Kind("Cache-Control: max-age=3600"),
    Kind("Cache-Control: max-age=10"),
    Kind("Cache-Control: max-age=1"),
    Kind("Cache-Control: no-cache"),
    Kind("Cache-Control: max-age=5, stale-while-revalidate=5"),
    Kind("Cache-Control: max-age=2", dated=True),
    Kind("Cache-Control: private, no-store"),
)
OBJECTS = 2 * len(KINDS)


def kind_of(number):
    return KINDS[number % len(KINDS)]


def _hash(*words):
    return int.from_bytes(hashlib.blake2b(repr(words).encode(), digest_size=8).digest(), "big")


def size_of(number, version):
    """Bytes: 1 to 12 MiB, and some more or less in each version."""
    return (1 + _hash("size", number) % 12) * MIB + _hash("more", number, version) % 100_000


def part_of(number, version, first, end):
    start = _hash("content", number, version) % _LENGTH
    return _BYTES[start + first:start + end]


def tag_of(number, version):
    return f'"o{number}-v{version}"'


def date_of(version):
    return _FIRST_DATE + version * _DATE_STEP


def version_of_date(seconds):
    return (seconds - _FIRST_DATE) // _DATE_STEP
