#!/usr/bin/env python3
"""Reads an entry's journal, NAME.journal, by docs/format.md alone; for looking at one, and for checking the library.

Usage: tools/read_journal.py [--json] [--records] [--after-power-cut] FILE

  --json             one JSON object
  --records          every record as well, in order
  --after-power-cut  what may be believed if the system has stopped since

Exit code: 0 read (a torn tail is reported, and no error), 1 no journal of a version that this reads, 2 usage.
"""
import argparse
import json
import struct
import sys

UNKNOWN = 2**64 - 1
MAX_OFFSET = 2**63 - 1
NAMES = dict(enumerate("? range evict barrier length commit reopen blocks ranges checksums doomed cipher pieces".split()))
NAMES[128] = "note"


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc_table()


def crc32c(before, data):
    crc = before ^ 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Bad(Exception):
    """No journal, or a record that contradicts those before it."""


class Ranges:
    """Disjoint ranges, sorted; plain lists, for nothing here has to be fast."""

    def __init__(self):
        self.runs = []

    def take(self, begin, end):
        kept = []
        for a, b in self.runs:
            kept += [(x, y) for x, y in ((a, min(b, begin)), (max(a, end), b)) if x < y]
        self.runs = kept

    def add(self, begin, end):
        touching = [(a, b) for a, b in self.runs if a <= end and begin <= b]
        apart = [(a, b) for a, b in self.runs if not (a <= end and begin <= b)]
        whole = (min([begin] + [a for a, _ in touching]), max([end] + [b for _, b in touching]))
        self.runs = sorted(apart + [whole])

    def covers(self, begin, end):
        return begin >= end or any(a <= begin and end <= b for a, b in self.runs)

    def meets(self, begin, end):
        return any(a < end and begin < b for a, b in self.runs)


def read_header(data):
    if len(data) < 92 or data[:8] != b"\x89STRJ\r\n\x1a":
        raise Bad("no journal")
    major, minor, size = struct.unpack_from("<HHI", data, 8)
    if major != 1:
        raise Bad(f"version {major}")
    generation, boot, inode, born, length, block, kind, key, validator, zero = struct.unpack_from("<Q16sQQQIIIIQ", data, 16)
    if key > 65536 or validator > 4096 or size != 92 + key + validator or size > len(data):
        raise Bad("the header's sizes")
    crc = crc32c(0, data[: size - 4])
    if crc != struct.unpack_from("<I", data, size - 4)[0]:
        raise Bad("the header's CRC")
    if block != 65536 or kind > 2 or zero or (length > MAX_OFFSET and length != UNKNOWN):
        raise Bad("the header")
    return {
        "version": f"{major}.{minor}",
        "generation": generation,
        "boot": boot.hex(),
        "inode": inode,
        "born": born,
        "length": None if length == UNKNOWN else length,
        "validator": ["none", "strong", "weak"][kind],
        "validator_value": data[88 + key : 88 + key + validator].decode("latin-1"),
        "key": data[88 : 88 + key].decode("latin-1"),
    }, size, crc


class Journal:
    def __init__(self, header):
        self.length = header["length"]
        self.there, self.durable = Ranges(), Ranges()
        self.pending = []  # (end of record, evicted, begin, end)
        self.committed = self.doomed = self.evicted = False
        self.checksums = {}
        self.algorithm, self.pieces = None, []  # pieces: (begin, end), disjoint
        self.note = b""

    def hold(self, runs, durable, end):
        for a, b in runs:
            if not a < b <= (MAX_OFFSET if self.length is None else self.length):
                raise Bad("a range that cannot be")
            if self.algorithm is not None and not self.sealed().covers(a, b):
                raise Bad("bytes that are in no piece")
        for a, b in runs:
            self.there.add(a, b)
            if durable:
                self.durable.add(a, b)
            else:
                self.pending.append((end, False, a, b))

    def give_up(self, begin, end, at):
        self.there.take(begin, end)
        self.durable.take(begin, end)
        self.pending.append((at, True, begin, end))
        for block in [b for b in self.checksums if b * 65536 < end and begin < (b + 1) * 65536]:
            del self.checksums[block]
        self.forget_empty_pieces(self.there, begin, end)

    def sealed(self):
        all_of_them = Ranges()
        for begin, end in self.pieces:
            all_of_them.add(begin, end)
        return all_of_them

    def forget_empty_pieces(self, there, begin, end):
        apart = [(a, b) for a, b in self.pieces if b <= begin or end <= a]
        self.pieces = apart + [(a, b) for a, b in self.pieces if a < end and begin < b and there.meets(a, b)]

    def seal(self, begin, end, at):
        for old in [piece for piece in self.pieces if piece[0] < end and begin < piece[1]]:
            if self.there.meets(*old):
                self.give_up(*old, at)
            self.pieces = [piece for piece in self.pieces if piece != old]
        self.pieces.append((begin, end))

    def barrier(self, covered):
        fresh = Ranges()
        for end, evicted, a, b in self.pending:
            if evicted:
                fresh.take(a, b)
            elif end <= covered:
                fresh.add(a, b)
        self.pending = [one for one in self.pending if one[0] > covered]
        for a, b in fresh.runs:
            self.durable.add(a, b)

    def set_length(self, length):
        if length > MAX_OFFSET or (self.length is not None and self.length != length):
            raise Bad("another length")
        self.length = length

    def apply(self, kind, payload, at, end, is_first):
        if kind == 128 and len(payload) <= 4088:
            self.note = payload
        if kind >= 128:
            return
        numbers = struct.unpack(f"<{len(payload) // 8}Q", payload[: len(payload) // 8 * 8])
        wanted = {1: 16, 2: 16, 3: 8, 4: 8, 5: 8, 6: 0, 10: 0}.get(kind)
        if wanted is not None and len(payload) != wanted:
            raise Bad("a payload of another size")
        if kind == 1:
            self.hold([numbers], False, end)
        elif kind == 2:
            if not numbers[0] < numbers[1] <= MAX_OFFSET:
                raise Bad("a range that cannot be")
            self.evicted = True
            self.give_up(*numbers, end)
        elif kind == 3:
            if numbers[0] > at:
                raise Bad("a barrier past itself")
            self.barrier(numbers[0])
        elif kind == 4:
            if self.there.runs and numbers[0] < self.there.runs[-1][1]:
                raise Bad("a length below what is there")
            self.set_length(numbers[0])
        elif kind == 5:
            if numbers[0] > MAX_OFFSET or not (self.evicted or self.there.covers(0, numbers[0])):
                raise Bad("a commit over a gap")
            self.set_length(numbers[0])
            if numbers[0] < MAX_OFFSET:
                self.give_up(numbers[0], MAX_OFFSET, end)
            self.committed = True
        elif kind == 6:
            if self.length is not None and self.length % 65536:
                self.checksums.pop(self.length // 65536, None)
            self.committed, self.length = False, None
        elif kind == 7:
            self.hold(list(self.block_runs(payload)), payload[0] & 1, end)
        elif kind == 8:
            if len(payload) < 8 or len(payload) % 16 != 8:
                raise Bad("a payload of another size")
            self.hold(list(zip(numbers[1::2], numbers[2::2])), payload[0] & 1, end)
        elif kind == 9:
            if len(payload) < 8 or len(payload) % 4:
                raise Bad("a payload of another size")
            sums = struct.unpack(f"<{len(payload) // 4 - 2}I", payload[8:])
            if numbers[0] + len(sums) > MAX_OFFSET // 65536:
                raise Bad("a block that cannot be")
            self.checksums.update(enumerate(sums, numbers[0]))
        elif kind == 10:
            self.doomed = True
        elif kind == 11:
            algorithm, zero = struct.unpack_from("<II", payload) if len(payload) >= 8 else (0, 0)
            if not is_first or algorithm == 0 or zero or (algorithm == 1 and len(payload) != 40):
                raise Bad("a cipher that cannot be")
            self.algorithm = algorithm
        elif kind == 12:
            pieces = [struct.unpack_from("<QQ", payload, i) for i in range(0, len(payload) // 44 * 44, 44)]
            if self.algorithm is None or not pieces or len(payload) % 44:
                raise Bad("pieces that cannot be")
            for begin, stop in pieces:
                if not begin < stop <= MAX_OFFSET or begin // 65536 != (stop - 1) // 65536:
                    raise Bad("a piece that cannot be")
            for begin, stop in pieces:
                self.seal(begin, stop, end)
        else:
            raise Bad("an unknown type")

    @staticmethod
    def block_runs(payload):
        if len(payload) < 16 or len(payload) % 8:
            raise Bad("a payload of another size")
        shift, first = struct.unpack_from("<IQ", payload, 4)
        count = (len(payload) - 16) * 8
        if shift > 30 or first + count > (MAX_OFFSET >> shift) + 1:
            raise Bad("a block that cannot be")
        bits = int.from_bytes(payload[16:], "little")
        begin = None
        for block in range(count + 1):
            there = block < count and bits >> block & 1
            if there and begin is None:
                begin = block
            elif not there and begin is not None:
                yield (first + begin) << shift, (first + block) << shift
                begin = None


def read(data, after_power_cut):
    header, at, chain = read_header(data)
    journal = Journal(header)
    records = []
    while len(data) - at >= 8:
        crc, head = struct.unpack_from("<II", data, at)
        kind, end = head & 0xFF, at + 8 + (head >> 8)
        if end > len(data) or crc32c(chain, data[at + 4 : end]) != crc:
            break
        try:
            journal.apply(kind, data[at + 8 : end], at, end, not records)
        except Bad as bad:
            records.append(f"{at}: not believed: {bad}")
            break
        name = NAMES.get(kind, f"type {kind}")
        records.append(f"{at}: {name} {data[at + 8 : min(end, at + 40)].hex(' ', 8)}")
        at, chain = end, crc
    there = Ranges() if journal.doomed else journal.durable if after_power_cut else journal.there
    journal.forget_empty_pieces(there, 0, MAX_OFFSET)
    return header | {
        "length": journal.length,
        "committed": journal.committed,
        "doomed": journal.doomed,
        "available": [list(run) for run in there.runs],
        "algorithm": journal.algorithm,
        "pieces": len(journal.pieces),
        "checksums": len(journal.checksums),
        "note": journal.note.hex(),
        "valid_bytes": at,
        "torn_bytes": len(data) - at,
    }, records


def main():
    parser = argparse.ArgumentParser(prog="tools/read_journal.py", usage=__doc__, add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--records", action="store_true")
    parser.add_argument("--after-power-cut", action="store_true")
    parser.add_argument("file", nargs="?")
    arguments = parser.parse_args()
    if arguments.help:
        print(__doc__)
        return 0
    if arguments.file is None:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(arguments.file, "rb") as journal:
            answer, records = read(journal.read(), arguments.after_power_cut)
    except (Bad, OSError) as error:
        print(f"read_journal: {arguments.file}: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(answer | ({"records": records} if arguments.records else {})))
        return 0
    for name, value in answer.items():
        print(f"{name:16} {value}")
    if arguments.records:
        print("\n".join(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
