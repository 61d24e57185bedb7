"""strandline verify: damage that is found, told and repaired."""

import json
import os
import pty
import signal
import unittest

import command
from command import run
from store_maker import Maker, StoreTest, tree

BLOCK = 65536


class Verify(StoreTest):
    def setUp(self):
        super().setUp()
        with Maker(self.store) as maker:
            maker.fill(b"good", 300_000)
            maker.fill(b"bad", 300_000)
        self.name = self.objects("inspect", self.store, "bad")[0]["name"]

    def files(self, ending):
        return next(self.store.rglob(self.name + ending))

    def damage(self, *offsets):
        with open(self.files(".data"), "r+b") as data:
            for offset in offsets:
                data.seek(offset)
                byte = data.read(1)
                data.seek(offset)
                data.write(bytes([byte[0] ^ 1]))

    def verify(self, exit_code, *args):
        result = run("verify", self.store, "--json", *args)
        self.assertEqual((result.returncode, result.stderr), (exit_code, b""))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_clean(self):
        result = run("verify", self.store)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))
        self.assertEqual(self.verify(0), [{"event": "done", "entries": 2, "bytes": 600_000, "bad_bytes": 0, "repaired_bytes": 0,
                                           "unreadable": 0, "torn_journals": 0}])

    def test_bad_blocks_are_told_and_left(self):
        self.damage(0, 70_000, 299_999)
        before = tree(self.store / "entries")
        events = self.verify(1)
        self.assertEqual(events[:-1], [
            {"event": "bad", "key": "bad", "begin": 0, "end": 2 * BLOCK, "repaired": False},
            {"event": "bad", "key": "bad", "begin": 4 * BLOCK, "end": 300_000, "repaired": False},
        ])
        self.assertEqual((events[-1]["bad_bytes"], events[-1]["repaired_bytes"]), (2 * BLOCK + 300_000 - 4 * BLOCK, 0))
        result = run("verify", self.store)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout.decode().splitlines()[:2], [f"bad 0-{2 * BLOCK - 1} bad", f"bad {4 * BLOCK}-299999 bad"])
        self.assertEqual(tree(self.store / "entries"), before)

    def test_repaired(self):
        self.damage(200_000)
        events = self.verify(1, "--repair")
        self.assertEqual(events[0], {"event": "bad", "key": "bad", "begin": 3 * BLOCK, "end": 4 * BLOCK, "repaired": True})
        self.assertEqual(events[1]["repaired_bytes"], BLOCK)
        self.verify(0)
        self.assertEqual(self.objects("inspect", self.store, "bad")[0]["ranges"], [[0, 3 * BLOCK], [4 * BLOCK, 300_000]])
        with Maker(self.store) as maker:
            key = b"bad".hex()
            maker.tell(f"acquire {key}", f"write {key} {3 * BLOCK} {4 * BLOCK}", f"commit {key} 300000")
        self.verify(0)
        self.assertTrue(self.objects("ls", self.store, "bad")[0]["complete"])

    def test_what_another_process_writes_is_left_to_it(self):
        self.output("evict", self.store, "bad", "--range", "0-9")
        self.damage(200_000)
        with Maker(self.store) as maker:
            maker.tell(f"acquire {b'bad'.hex()}")
            self.assertFalse(self.verify(1, "--repair")[0]["repaired"])
        self.assertTrue(self.verify(1, "--repair")[0]["repaired"])

    def test_a_journal_that_cannot_be_read(self):
        journal = self.files(".journal")
        content = journal.read_bytes()
        journal.write_bytes(b"x" + content[1:])
        events = self.verify(1)
        self.assertEqual((events[0]["event"], events[0]["name"], events[0]["code"], events[0]["removed"]),
                         ("unreadable", self.name, "corrupt", False))
        self.assertEqual(events[-1]["unreadable"], 1)
        self.assertEqual(self.objects("ls", self.store, "bad")[0]["error"].split(":")[0], "corrupt")
        self.assertIn("unreadable", self.output("ls", self.store, "bad"))
        self.assertTrue(self.verify(1, "--repair")[0]["removed"])
        self.assertEqual(list(self.store.rglob(self.name + ".*")), [])
        self.verify(0)
        self.assertEqual([e["key"] for e in self.objects("ls", self.store)], ["good"])

    def test_what_cannot_be_read_can_be_removed(self):
        def header():
            with open(self.files(".journal"), "r+b") as journal:
                journal.write(b"x")

        def gone():
            self.files(".data").unlink()

        def another():
            gone()
            self.files(".journal").with_suffix(".data").write_bytes(b"x" * 1000)

        for harm in (header, gone, another):
            for remove in (lambda: run("rm", self.store, "bad", "--must-exist").returncode == 0,
                           lambda: self.verify(1, "--repair")[0]["removed"]):
                with self.subTest(harm=harm.__name__):
                    harm()
                    self.assertEqual(len(self.objects("ls", self.store)), 2)
                    self.assertEqual(self.verify(1)[0]["event"], "unreadable")
                    self.assertTrue(remove())
                    self.assertEqual(list(self.store.rglob(self.name + ".*")), [])
                    self.verify(0)
                    self.assertEqual([e["key"] for e in self.objects("ls", self.store)], ["good"])
                    with Maker(self.store) as maker:
                        maker.fill(b"bad", 300_000)

    def test_a_journal_of_a_later_version_is_left_alone(self):
        journal = self.files(".journal")
        content = bytearray(journal.read_bytes())
        content[8] = 2
        journal.write_bytes(bytes(content))
        events = self.verify(1, "--repair")
        self.assertEqual((events[0]["code"], events[0]["removed"]), ("unsupported", False))
        self.assertEqual(journal.read_bytes(), bytes(content))

    def test_a_torn_journal_is_what_a_crash_leaves(self):
        with open(self.files(".journal"), "ab") as journal:
            journal.write(b"\0" * 7)
        self.assertEqual(self.verify(0)[-1]["torn_journals"], 1)
        self.assertEqual(self.verify(0)[-1]["torn_journals"], 0)

    def test_a_file_cut_short(self):
        os.truncate(self.files(".data"), 100_000)
        events = self.verify(0)  # what is behind the end is not believed, and no byte before it is another
        self.assertEqual(events[-1]["bytes"], 400_000)
        self.assertFalse(self.objects("ls", self.store, "bad")[0]["complete"])

    def test_on_a_terminal(self):
        self.damage(0)
        here, there = pty.openpty()
        process = self.popen("verify", self.store, stdout=there, stderr=there)
        os.close(there)
        text = b""
        try:
            while part := os.read(here, 65536):
                text += part
        except OSError:
            pass  # how a terminal says that the other side has gone
        os.close(here)
        self.assertEqual(process.wait(command.LIMIT), 1)
        self.assertIn(b"bad 0-65535 bad\r\n", text)
        self.assertIn(b"2 entries, 585.9 KiB read: 65536 bytes bad, 0 of them given up; 0 unreadable", text)


if __name__ == "__main__":
    command.main()
