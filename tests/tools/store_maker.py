"""Stores for the tests of the command, made by the program store_maker: it says what it can be told."""

import json
import os
import pathlib
import subprocess

from command import CommandTest, run


def tree(path):
    """Every file below, with its bytes."""
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(pathlib.Path(path).rglob("*")) if f.is_file()}


class Maker:
    """Another process that has the store open, as long as the block lasts."""

    def __init__(self, store):
        self.process = subprocess.Popen([os.environ["STRANDLINE_STORE_MAKER"], store], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait() != 0:
            raise RuntimeError("store_maker failed")

    def tell(self, *lines):
        for line in lines:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            if answer != "ok\n":
                raise RuntimeError(f"{line}: {answer}")

    def fill(self, key, length):
        digits = key.hex()
        self.tell(f"acquire {digits}", f"write {digits} 0 {length}", f"commit {digits} {length}", f"release {digits}")


class StoreTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.store = self.dir / "store"

    def made(self):
        with Maker(self.store):
            pass

    def films(self):
        """A complete entry, a half one, one of unknown length, and one without bytes."""
        with Maker(self.store) as maker:
            maker.fill(b"films/a", 1_000_000)
            b, c, other = (key.hex() for key in (b"films/b", b"films/c", b"other"))
            maker.tell(f"acquire {b}", f"length {b} 200000", f"write {b} 0 100000", f"release {b}")
            maker.tell(f"acquire {c}", f"write {c} 0 5", f"release {c}", f"acquire {other}", f"release {other}")

    def output(self, *args):
        result = run(*args)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return result.stdout.decode()

    def objects(self, *args):
        name, store, *rest = args
        return [json.loads(line) for line in self.output(name, store, "--json", *rest).splitlines()]

    @staticmethod
    def key_of(entry):
        return bytes.fromhex(entry["key_hex"]) if "key_hex" in entry else entry["key"].encode()
