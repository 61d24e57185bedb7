"""The store's commands: ls, inspect, evict and rm. store_damage_test.py has verify."""

import json
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

import command
import read_journal
from command import CommandTest, run
from store_maker import Maker, StoreTest, tree

COMMANDS = ("ls", "inspect", "verify", "evict", "rm")
WITH_KEY = {"inspect": ["key"], "evict": ["key"], "rm": ["key"]}
ODD = (b"a\nb", b"\x1b[31mred", b"\xff\x00", b"back\\slash", "häß日本".encode(), b"\xc2\x9b", b"-dash", b" ", b"\xed\xa0\x80")


class Usage(CommandTest):
    def test_help(self):
        for name in COMMANDS:
            result = run(name, "--help")
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            for word in (b"Usage:", b"Examples:", b"Exit codes:", b"--json"):
                self.assertIn(word, result.stdout)

    def test_wrong_command_lines(self):
        store = self.dir / "store"
        for args in (
            ["ls"],
            ["ls", store, "a", "b"],
            ["ls", store, "--sort", "size"],
            ["ls", store, "--key-hex", "abc"],
            ["ls", store, "--key-hex", "zz"],
            ["inspect", store],
            ["inspect", store, ""],
            ["inspect", store, "k" * 65537],
            ["inspect", store, "--key-hex", "0x"],
            ["verify"],
            ["verify", store, "key"],
            ["evict", store],
            ["evict", store, "key", "--bytes", "1"],
            ["evict", store, "--to", "1", "--bytes", "1"],
            ["evict", store, "--bytes", "1", "--range", "0-1"],
            ["evict", store, "--bytes", "1", "--key-hex"],
            ["evict", store, "--bytes", "-1"],
            ["evict", store, "--bytes", "1X"],
            ["evict", store, "--bytes", "K"],
            ["evict", store, "--bytes", "99999999999G"],
            ["evict", store, "--bytes", "18446744073709551616"],
            ["evict", store, "key", "--range", "5-4"],
            ["rm", store],
            ["rm", store, "key", "--prefix", "k"],
            ["rm", store, "key", "--all"],
            ["rm", store, "--prefix", ""],
            ["rm", store, ""],
        ):
            with self.subTest(args=args):
                result = run(*args)
                self.check_fails(result, 2)
                self.assertEqual(result.stdout, b"")
        self.assertEqual(list(self.dir.iterdir()), [])

    def test_what_is_no_store(self):
        empty, full = self.dir / "empty", self.dir / "full"
        empty.mkdir(mode=0o700)
        full.mkdir(mode=0o700)
        self.file("full/file")
        before = tree(self.dir)
        for path in (self.dir / "missing", empty, full, full / "file"):
            for name in COMMANDS:
                with self.subTest(name=name, path=path):
                    args = [name, path, *WITH_KEY.get(name, [])]
                    self.check_fails(run(*args), 1, "not_found", path)
                    result = run(*args, "--json")
                    self.check_fails(result, 1, "not_found", path)
                    event = json.loads(result.stdout)
                    self.assertEqual((event["event"], event["exit"], event["code"]), ("error", 1, "not_found"))
        self.assertEqual(tree(self.dir), before)

    def test_a_store_of_a_later_version(self):
        store = self.dir / "store"
        store.mkdir(mode=0o700)
        self.file("store/strandline-store", b"strandline store 2\n")
        for name in COMMANDS:
            self.check_fails(run(name, store, *WITH_KEY.get(name, [])), 1, "unsupported", store)
        self.assertEqual(tree(store), {"strandline-store": b"strandline store 2\n"})


class Ls(StoreTest):
    def test_an_empty_store(self):
        self.made()
        for args in (["ls", self.store], ["ls", self.store, "--json"], ["ls", self.store, "prefix"], ["verify", self.store],
                     ["rm", self.store, "key"], ["rm", self.store, "--all"]):
            result = run(*args)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))
        for args in (["inspect", self.store, "key"], ["evict", self.store, "key"]):
            self.check_fails(run(*args), 1, "not_found", "key in ", self.store)

    def test_what_is_there(self):
        self.films()
        lines = self.output("ls", self.store).splitlines()
        self.assertEqual([line.split()[-1] for line in lines], ["films/a", "films/b", "films/c", "other"])
        self.assertEqual(lines[0].split()[:3], ["complete", "976.6", "KiB"])
        self.assertTrue(lines[1].startswith("50% "), lines[1])
        self.assertTrue(lines[2].startswith("5 B "), lines[2])
        self.assertEqual(lines[2].split()[2], "?")
        self.assertTrue(lines[3].startswith("nothing "), lines[3])
        self.assertEqual(self.output("ls", self.store, "films/").count("\n"), 3)
        self.assertEqual(self.output("ls", self.store, "--key-hex", "6f").split()[-1], "other")

    def test_json(self):
        self.films()
        entries = self.objects("ls", self.store)
        self.assertEqual([e["key"] for e in entries], ["films/a", "films/b", "films/c", "other"])
        self.assertEqual([e["complete"] for e in entries], [True, False, False, False])
        self.assertEqual([e["available"] for e in entries], [1_000_000, 100_000, 5, 0])
        self.assertEqual([e["length"] for e in entries], [1_000_000, 200_000, None, None])
        for entry in entries:
            self.assertFalse(entry["writing"])
            files = [f for f in self.store.rglob(entry["name"] + ".*")]
            self.assertEqual(entry["disk"], sum(f.stat().st_blocks * 512 for f in files))

    def test_orders(self):
        self.films()
        with Maker(self.store) as maker:
            maker.tell(f"peek {b'films/b'.hex()}")
        newest = [e["key"] for e in self.objects("ls", self.store, "--sort", "newest")]
        self.assertEqual(newest[0], "films/b")
        self.assertEqual([e["key"] for e in self.objects("ls", self.store, "--sort", "oldest")], newest[::-1])

    def test_odd_keys(self):
        with Maker(self.store) as maker:
            for key in ODD:
                maker.fill(key, 100)
        texts = [line.split("  ")[-1] if not line.endswith("   ") else " " for line in self.output("ls", self.store).splitlines()]
        self.assertEqual(len(texts), len(ODD))
        for text in texts:
            self.assertNotRegex(text, "[\x00-\x1f\x7f-\x9f]")
        for key, text in ((b"a\nb", r"a\x0ab"), (b"\xff\x00", r"\xff\x00"), (b"back\\slash", r"back\\slash"), (b"\xc2\x9b", r"\xc2\x9b")):
            self.assertIn(text, texts)
        self.assertIn("häß日本", texts)
        found = [self.key_of(e) for e in self.objects("ls", self.store)]
        self.assertEqual(found, sorted(ODD))
        for key in ODD:
            with self.subTest(key=key):
                self.assertEqual(self.key_of(*self.objects("inspect", self.store, "--key-hex", key.hex())), key)
                if b"\0" not in key:
                    self.assertEqual(self.key_of(*self.objects("inspect", self.store, "--", key)), key)
        self.check_fails(run("inspect", self.store, "no\nkey"), 1, r"no\x0akey")
        removed = self.objects("rm", self.store, "--key-hex", *(key.hex() for key in ODD))
        self.assertEqual([self.key_of(e) for e in removed], list(ODD))
        self.assertEqual(self.output("ls", self.store), "")

    def test_output_that_takes_nothing(self):
        self.films()
        with open("/dev/full", "wb") as full:
            for name in (["ls", self.store], ["inspect", self.store, "films/a"]):
                self.check_fails(run(*name, stdout=full), 1, "no_space", "standard output")
        read, write = os.pipe()
        os.close(read)
        with open(write, "wb") as gone:
            result = run("ls", self.store, stdout=gone)
        self.assertEqual((result.returncode, result.stderr), (128 + signal.SIGPIPE, b""))


class Inspect(StoreTest):
    def test_everything(self):
        with Maker(self.store) as maker:
            key = b"key".hex()
            maker.tell(f'acquire {key} "v1"', f"length {key} 1000000", f"write {key} 0 131072", f"write {key} 500000 600000", f"release {key}")
        found, = self.objects("inspect", self.store, "key")
        self.assertEqual(found["state"], "partial")
        self.assertEqual(found["generation"], 1)
        self.assertEqual(found["validator"], {"kind": "strong", "value": '"v1"'})
        self.assertEqual((found["length"], found["available"]), (1_000_000, 231_072))
        self.assertEqual(found["ranges"], [[0, 131072], [500000, 600000]])
        self.assertEqual(found["checked"], 131_072 + 65_536)  # and one whole block in the midst: 524288 to 589824
        self.assertEqual((found["lost"], found["writing"], found["locked"], found["pins"]), (0, False, False, []))
        self.assertEqual(found["journal"]["torn"], 0)
        self.assertEqual((found["this_boot"], found["this_data"]), (True, True))
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
            self.assertEqual(found["boot_id"], boot.read().strip().replace("-", ""))
        text = self.output("inspect", self.store, "key")
        for words in ("partial, 23%", '"v1" (strong)', "range       0-131071", "range       500000-599999", "writer      nobody"):
            self.assertIn(words, text)
        self.assertRegex(text.splitlines()[-1], r"^#{10}\+\.+\+#+\+?\.+$")
        self.assertEqual(len(text.splitlines()[-1]), 79)

    def test_a_note(self):
        key = b"key".hex()
        for note, field, lines in (
            (b"one\ntwo\x1b", ("note", "one\ntwo\x1b"), ["note        one", r"note        two\x1b"]),
            (b"\xff", ("note_hex", "ff"), [r"note        \xff"]),
            (b"", ("note", None), ["note        none"]),
        ):
            with Maker(self.store) as maker:
                maker.tell(f"acquire {key}", f"note {key} {note.hex()}", f"release {key}")
            found, = self.objects("inspect", self.store, "key")
            self.assertEqual((field[0], found[field[0]]), field)
            self.assertFalse(found["encrypted"])
            text = self.output("inspect", self.store, "key").splitlines()
            self.assertEqual([line for line in text if line.startswith("note ")], lines)

    def test_the_map_is_drawn_as_the_locale_can(self):
        with Maker(self.store) as maker:
            maker.fill(b"key", 1000)
        env = dict(command.environment(), LC_ALL="C.UTF-8")
        result = subprocess.run([command.COMMAND, "inspect", self.store, "key"], env=env, stdout=subprocess.PIPE, check=True)
        self.assertEqual(result.stdout.decode().splitlines()[-1], "█" * 79)

    def test_nothing_is_changed_however_the_store_was_left(self):
        self.films()
        journal = next(self.store.rglob(self.objects("inspect", self.store, "films/b")[0]["name"] + ".journal"))
        with open(journal, "ab") as tail:
            tail.write(b"torn")
        before = tree(self.store)
        found, = self.objects("inspect", self.store, "films/b")
        self.assertEqual((found["journal"]["torn"], found["available"]), (4, 100_000))
        read, records = read_journal.read(journal.read_bytes(), False)
        self.assertEqual((found["ranges"], found["journal"]["records"]), (read["available"], len(records)))
        self.assertIn("4 torn bytes", self.output("inspect", self.store, "films/b"))
        self.check_fails(run("inspect", self.store, "none"), 1, "not_found")
        self.assertEqual(tree(self.store), before)

    def test_after_another_start_of_the_system(self):
        self.films()
        journal = next(self.store.rglob(self.objects("inspect", self.store, "films/b")[0]["name"] + ".journal"))
        data = bytearray(journal.read_bytes())
        # The same journal with another boot id: every checksum changes with it (docs/format.md).
        size = int.from_bytes(data[12:16], "little")
        data[24] ^= 1
        chain = read_journal.crc32c(0, data[: size - 4])
        data[size - 4 : size] = chain.to_bytes(4, "little")
        while size < len(data):
            end = size + 8 + int.from_bytes(data[size + 5 : size + 8], "little")
            chain = read_journal.crc32c(chain, data[size + 4 : end])
            data[size : size + 4] = chain.to_bytes(4, "little")
            size = end
        journal.write_bytes(data)
        before = tree(self.store)
        found, = self.objects("inspect", self.store, "films/b")
        self.assertEqual((found["this_boot"], found["available"], found["journal"]["torn"]), (False, 0, 0))
        self.assertIn("the system has started again", self.output("inspect", self.store, "films/b"))
        self.assertEqual(tree(self.store), before)
        self.assertEqual(self.objects("ls", self.store, "films/b")[0]["available"], 0)

    def test_data_that_is_gone_or_another_file(self):
        self.films()
        name = self.objects("inspect", self.store, "films/a")[0]["name"]
        data = next(self.store.rglob(name + ".data"))
        data.rename(data.with_suffix(".old"))
        for make in (lambda: None, lambda: data.write_bytes(b"x" * 1000)):
            make()
            found, = self.objects("inspect", self.store, "films/a")
            self.assertEqual((found["state"], found["available"], found["this_data"]), ("no data", 0, False))

    def test_evicted_and_empty(self):
        self.films()
        self.output("evict", self.store, "films/a", "--range", "0-99999")
        self.assertEqual(self.objects("inspect", self.store, "films/a")[0]["state"], "evicted")
        self.assertEqual(self.objects("inspect", self.store, "other")[0]["state"], "empty")
        self.assertFalse(self.objects("ls", self.store, "films/a")[0]["complete"])

    def test_an_entry_that_another_process_writes(self):
        key = b"key".hex()
        with Maker(self.store) as maker:
            maker.tell(f"acquire {key}", f"write {key} 0 100000", f"pin {key} 0 65536", f"pin {key} 80000 90000")
            before = tree(self.store)
            found, = self.objects("inspect", self.store, "key")
            self.assertEqual((found["writing"], found["locked"], found["available"]), (True, True, 100_000))
            self.assertEqual(found["pins"], [[0, 65536], [80000, 90000]])
            self.assertEqual(found["holders"], [{"pid": maker.process.pid, "command": "store_maker", "writing": True}])
            text = self.output("inspect", self.store, "key")
            for words in (f"writer      process {maker.process.pid} (store_maker)", "pinned      0-65535", "pinned      80000-89999"):
                self.assertIn(words, text)
            self.assertEqual(tree(self.store), before)
            self.assertTrue(self.objects("ls", self.store)[0]["writing"])
            for args in (["evict", self.store, "key"], ["rm", self.store, "key"], ["rm", self.store, "--all"]):
                self.check_fails(run(*args), 1, "busy", "key in ", self.store)
            self.assertEqual(run("verify", self.store, "--repair").returncode, 0)
            # It was not disturbed.
            maker.tell(f"write {key} 100000 200000", f"commit {key} 200000")
            self.assertTrue(self.objects("ls", self.store)[0]["complete"])
        self.assertFalse(self.objects("inspect", self.store, "key")[0]["writing"])


class Evict(StoreTest):
    def test_a_key_and_a_range(self):
        self.films()
        done, = self.objects("evict", self.store, "films/a", "--range", "0-131071")
        self.assertEqual(done, {"key": "films/a", "evicted": 131072, "freed": 131072})
        self.objects("evict", self.store, "films/a", "--range=-1000")
        self.objects("evict", self.store, "films/a", "--range", "500000-")
        self.assertEqual(self.objects("inspect", self.store, "films/a")[0]["ranges"], [[131072, 500000]])
        self.assertRegex(self.output("evict", self.store, "films/a"), r"^evicted 360.3 KiB, freed \d+\.\d KiB on the disk\n$")
        self.assertEqual(self.objects("evict", self.store, "films/a")[0]["evicted"], 0)

    def test_ranges_of_an_unknown_length(self):
        self.films()
        self.check_fails(run("evict", self.store, "films/c", "--range=-3"), 1, "invalid_range", "films/c")
        self.assertEqual(self.objects("evict", self.store, "films/c", "--range", "3-99")[0]["evicted"], 2)
        self.assertEqual(self.objects("evict", self.store, "films/c", "--range", "1-")[0]["evicted"], 2)
        self.check_fails(run("evict", self.store, "films/b", "--range", "200000-"), 1, "invalid_range")

    def test_a_key_that_is_not_there_is_not_made(self):
        self.films()
        self.check_fails(run("evict", self.store, "none"), 1, "not_found", "none in ")
        self.assertEqual(len(self.objects("ls", self.store)), 4)

    def test_the_oldest_go_first(self):
        self.films()
        first = self.objects("ls", self.store, "--sort", "oldest")[0]["key"]
        done, = self.objects("evict", self.store, "--bytes", "1K")
        left = self.objects("ls", self.store)
        self.assertNotIn(first, [e["key"] for e in left])
        self.assertEqual(len(left), 3)
        self.assertGreaterEqual(done["freed"], 1024)
        self.assertEqual(done["used"], sum(e["disk"] for e in left))

    def test_down_to(self):
        self.films()
        self.assertEqual(self.objects("evict", self.store, "--to", "1G")[0]["freed"], 0)
        self.assertIn("in use", self.output("evict", self.store, "--to", "500KiB"))
        self.assertLessEqual(sum(e["disk"] for e in self.objects("ls", self.store)), 500 * 1024)
        self.assertEqual(self.objects("evict", self.store, "--to", "0")[0]["used"], 0)
        self.assertEqual(self.output("ls", self.store), "")

    def test_less_than_asked(self):
        key = b"key".hex()
        with Maker(self.store) as maker:
            maker.fill(b"other", 300_000)
            maker.tell(f"acquire {key}", f"write {key} 0 100000")
            result = run("evict", self.store, "--to", "0")
            self.check_fails(result, 1, "no_space", self.store)
            self.assertIn(b"in use", result.stdout)
            self.assertEqual([e["key"] for e in self.objects("ls", self.store)], ["key"])


class Rm(StoreTest):
    def keys(self):
        return [e["key"] for e in self.objects("ls", self.store)]

    def test_keys(self):
        self.films()
        self.assertEqual(self.output("rm", self.store, "films/a", "none", "other"), "")
        self.assertEqual(self.keys(), ["films/b", "films/c"])
        files = [f for f in (self.store / "entries").rglob("*") if f.is_file()]
        self.assertEqual(len(files), 4)

    def test_must_exist(self):
        self.films()
        self.check_fails(run("rm", self.store, "none", "films/a", "--must-exist"), 1, "not_found", "none in ", self.store)
        self.assertEqual(self.keys(), ["films/b", "films/c", "other"])

    def test_a_prefix(self):
        self.films()
        before = tree(self.store / "entries")
        self.assertEqual(self.output("rm", self.store, "--prefix", "films/", "--dry-run"), "films/a\nfilms/b\nfilms/c\n")
        self.assertEqual([e["removed"] for e in self.objects("rm", self.store, "--all", "--dry-run")], [False] * 4)
        self.assertEqual(tree(self.store / "entries"), before)
        self.output("rm", self.store, "--prefix", "films/")
        self.assertEqual(self.keys(), ["other"])
        self.output("rm", self.store, "--all")
        self.assertEqual(self.keys(), [])

    def test_more_than_a_page(self):
        with Maker(self.store) as maker:
            for number in range(300):
                maker.tell("acquire " + (b"k%d" % number).hex())
        self.assertEqual(len(self.objects("rm", self.store, "--prefix", "k")), 300)
        self.assertEqual(self.keys(), [])

    def test_others_go_on_reading(self):
        with Maker(self.store) as maker:
            maker.fill(b"key", 1000)
            maker.tell(f"peek {b'key'.hex()}")
            self.output("rm", self.store, "key")
            self.assertEqual(self.keys(), [])
            maker.fill(b"key", 500)
            self.assertEqual(self.objects("ls", self.store)[0]["length"], 500)


if __name__ == "__main__":
    command.main()
