"""The command with files and paths: what it accepts, what it refuses, and what it leaves behind."""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess

import command
from command import CONTENT, CommandTest, run


class Usage(CommandTest):
    def test_help_everywhere(self):
        for args in ([], ["get"], ["cat"], ["ls"], ["inspect"], ["verify"], ["evict"], ["rm"]):
            result = run(*args, "--help")
            self.assertEqual(result.returncode, 0)
            self.assertEqual(result.stderr, b"")
            for word in (b"Usage:", b"Examples:", b"Exit codes:"):
                self.assertIn(word, result.stdout)

    def test_version(self):
        result = run("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout.decode(), r"^strandline \d+\.\d+\.\d+ \(.*\)\n$")

    def test_wrong_command_lines(self):
        path = self.file("a")
        for args in (
            [],
            ["put", "a"],
            ["cat"],
            ["cat", ""],
            ["cat", path, "b"],
            ["cat", path, "--colour"],
            ["get", path],
            ["get", "-o", self.out],
            ["get", path, "-o", self.out, "--timeout", "0"],
            ["get", path, "-o", self.out, "--timeout", "soon"],
            ["cat", "ftp://127.0.0.1/a"],
            ["cat", "file://example/a"],
            ["cat", "file:///a%zz"],
            ["cat", "file:///a%00"],
            ["cat", "file:///a%4"],
        ):
            with self.subTest(args=args):
                result = run(*args)
                self.check_fails(result, 2)
                self.assertEqual(result.stdout, b"")
        self.check_nothing_left()

    def test_wrong_ranges(self):
        path = self.file("a")
        for text in ("", "-", "5", "5-4", "-0", "a-b", "1-b", "+1-2", "1--2", "--2", " 1-2", "1-2 ", "0-1,4-5", "bytes=0-1",
                     "9223372036854775807-", "99999999999999999999-", "0-99999999999999999999x", "--99999999999999999999"):
            with self.subTest(text=text):
                result = run("cat", path, f"--range={text}")
                self.check_fails(result, 2, "range", text)
                self.assertEqual(result.stdout, b"")

    def test_no_http_without_libcurl(self):
        if os.environ["STRANDLINE_HTTP"] == "no":
            self.check_fails(run("cat", "http://user:secret@127.0.0.1/a"), 2, "unsupported", "without HTTP", "127.0.0.1/a")
            self.assertIn(b"without http", run("--version").stdout)
        else:
            self.assertIn(b"libcurl", run("--version").stdout)


class Cat(CommandTest):
    def test_f23_a_limit_on_files_is_an_error_of_cat_and_no_signal(self):
        result = run("cat", self.file("a"), preexec_fn=command.limited(resource.RLIMIT_FSIZE, 1_000_000))
        self.check_fails(result, 1, "too_large", "File too large")
        self.assertEqual(result.stdout, b"")

    def test_paths_and_file_urls(self):
        path = self.file("a b%41:c")
        quoted = str(path).replace("%", "%25").replace(" ", "%20")
        for url in (path, f"file://{quoted}", f"file://localhost{quoted}", f"file:{quoted}", f"FILE://{quoted}"):
            with self.subTest(url=url):
                result = run("cat", url)
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                self.assertEqual(result.stdout, CONTENT)
        result = run("cat", "a b%41:c", cwd=self.dir)
        self.assertEqual(result.stdout, CONTENT)

    def test_ranges(self):
        path = self.file("a")
        size = len(CONTENT)
        for text, expected in {
            "0-0": CONTENT[:1],
            "0-99": CONTENT[:100],
            "10-9": None,
            "500000-700000": CONTENT[500000:700001],
            f"0-{size - 1}": CONTENT,
            f"0-{size}": CONTENT,
            "0-9223372036854775806": CONTENT,
            "0-9223372036854775807": CONTENT,
            "7-99999999999999999999": CONTENT[7:],
            "-9223372036854775807": CONTENT,
            "-99999999999999999999": CONTENT,
            "999999-": CONTENT[999999:],
            f"{size - 1}-": CONTENT[-1:],
            f"{size - 1}-{size + 5}": CONTENT[-1:],
            "0-": CONTENT,
            "-1": CONTENT[-1:],
            "-1000": CONTENT[-1000:],
            f"-{size + 1}": CONTENT,
        }.items():
            for args in ([f"--range={text}"], ["--range", text]):
                with self.subTest(args=args):
                    result = run("cat", path, *args)
                    if expected is None:
                        self.check_fails(result, 2)
                    else:
                        self.assertEqual((result.returncode, result.stderr), (0, b""))
                        self.assertEqual(result.stdout, expected)

    def test_ranges_past_the_end(self):
        path, empty = self.file("a"), self.file("empty", b"")
        size = len(CONTENT)
        for where, text in ((path, f"{size}-"), (path, f"{size}-{size + 9}"), (path, "9223372036854775806-"),
                            (path, "9223372036854775806-9223372036854775806"), (empty, "0-0")):
            with self.subTest(text=text):
                result = run("cat", where, "--range", text)
                self.check_fails(result, 1, "invalid_range", text, where)
                self.assertEqual(result.stdout, b"")

    def test_empty_file(self):
        path = self.file("empty", b"")
        for args in ([], ["--range=-5"]):
            result = run("cat", path, *args)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))

    def test_what_is_not_a_file(self):
        fifo = self.dir / "fifo"
        os.mkfifo(fifo)
        for path, words in (
            (self.dir / "missing", ["not_found"]),
            (self.dir, ["folder"]),
            (fifo, ["FIFO, not a file"]),
            ("/dev/zero", ["device, not a file"]),
            ("/proc/self/status", ["does not say its size"]),
        ):
            with self.subTest(path=path):
                self.check_fails(run("cat", path), 1, path, *words)

    def test_odd_names_stay_on_one_line(self):
        self.check_fails(run("cat", self.dir / "a\nb\x1b[31m"), 1, "a?b?[31m")

    def test_output_that_takes_nothing(self):
        path = self.file("a")
        with open("/dev/full", "wb") as full:
            self.check_fails(run("cat", path, stdout=full), 1, "no_space", "standard output")
        closed = subprocess.run(["sh", "-c", '"$0" cat "$1" >&-', command.COMMAND, str(path)], stderr=subprocess.PIPE,
                                timeout=command.LIMIT, check=False)
        self.check_fails(closed, 1, "standard output")

    def test_broken_pipe_ends_quietly_as_cat_does(self):
        path = self.dir / "big"
        with open(path, "wb") as big:
            big.truncate(64 * 1024 * 1024)
        process = self.popen("cat", path)
        self.assertEqual(process.stdout.read(1), b"\0")
        process.stdout.close()
        self.assertEqual(process.wait(command.LIMIT), -signal.SIGPIPE)
        self.assertEqual(process.stderr.read(), b"")

    def test_memory_is_bounded(self):
        path = self.dir / "big"
        with open(path, "wb") as big:
            big.truncate(400 * 1024 * 1024)
        with open(os.devnull, "wb") as null:
            process = self.popen("cat", path, stdout=null)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        self.assertLess(usage.ru_maxrss, 200 * 1024)  # KiB; mostly the sanitizers'

    def test_a_pipe_is_written_in_large_pieces_and_keeps_its_mode(self):
        path, size = self.dir / "big", 64 * 1024 * 1024
        with open(path, "wb") as big:
            big.truncate(size)
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        process = self.popen("cat", path, stdout=writer)
        left = size - len(os.read(reader, 1))
        self.assertTrue(os.get_blocking(writer))  # others may hold the same pipe
        os.close(writer)
        while left > 0:
            left -= len(os.read(reader, 1 << 20))
        self.assertEqual(os.read(reader, 1), b"")
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        account = pathlib.Path(f"/proc/{process.pid}/io")
        counts = account.read_text(encoding="ascii") if account.exists() else ""  # not every kernel counts
        self.assertEqual(process.wait(command.LIMIT), 0)
        if not counts:
            self.skipTest("no /proc/PID/io")
        writes = int(counts.split("syscw:")[1].split()[0])
        self.assertLess(writes, size // 8192)  # a pipe's room is mostly 64 KiB; a page at a time would be 16384

    def test_a_file_that_changes_is_no_version_at_all(self):
        for change in ("cut", "grown"):
            with self.subTest(change=change):
                path = self.dir / change
                with open(path, "wb") as big:
                    big.truncate(48 * 1024 * 1024)
                process = self.popen("cat", path)
                # The pipe and the ring hold less than the file: its end has not been read yet.
                process.stdout.read(1)
                with open(path, "r+b") as big:
                    big.truncate((40 if change == "cut" else 50) * 1024 * 1024)
                while process.stdout.read(1 << 20):
                    pass
                self.assertEqual(process.wait(command.LIMIT), 1)
                self.assertIn(b"changed: ", process.stderr.read())


class Get(CommandTest):
    def test_copies_quietly(self):
        for name, content in (("a", CONTENT), ("empty", b"")):
            with self.subTest(name=name):
                result = run("get", self.file(name, content), "-o", self.dir / f"{name}.out")
                self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))
                self.assertEqual((self.dir / f"{name}.out").read_bytes(), content)
        self.assertEqual(sorted(os.listdir(self.dir)), ["a", "a.out", "empty", "empty.out"])

    def test_existing_file_is_kept_unless_forced(self):
        path = self.file("a")
        self.out.write_bytes(b"precious")
        for extra in ([], ["--tee"]):
            result = run("get", path, "-o", self.out, *extra)
            self.check_fails(result, 3, "exists", self.out)
            self.assertEqual(result.stdout, b"")
            self.assertEqual(self.out.read_bytes(), b"precious")
        self.check_fails(run("get", self.dir / "missing", "-o", self.out, "--force"), 1, "not_found")
        self.assertEqual(self.out.read_bytes(), b"precious")
        self.assertEqual(run("get", path, "-o", self.out, "--force").returncode, 0)
        self.assertEqual(self.out.read_bytes(), CONTENT)
        self.out.write_bytes(b"precious")
        self.assertEqual(run("get", path, "-o", self.out, "--force", "--tee").stdout, CONTENT)
        self.assertEqual(self.out.read_bytes(), CONTENT)
        self.assertEqual(self.parts(), [])

    def test_over_itself(self):
        path = self.file("a")
        self.check_fails(run("get", path, "-o", path), 3)
        self.assertEqual(run("get", path, "-o", path, "--force").returncode, 0)
        self.assertEqual(path.read_bytes(), CONTENT)
        part = self.file("out.part.data")
        self.check_fails(run("get", part, "-o", self.out), 2, "out.part")
        self.assertEqual(part.read_bytes(), CONTENT)

    def test_missing_source_leaves_nothing(self):
        self.check_fails(run("get", self.dir / "missing", "-o", self.out), 1, "not_found", "missing")
        self.check_nothing_left()

    def test_f22_f24_targets_that_cannot_be_written(self):
        path = self.file("a")
        fifo, link = self.dir / "fifo", self.dir / "link"
        os.mkfifo(fifo)
        link.symlink_to(path)
        for target in (self.dir / "none" / "out", path / "out", self.dir, fifo, link, "/dev/null"):
            with self.subTest(target=target):
                self.check_fails(run("get", path, "-o", target, "--force"), 1, target)
        self.assertEqual(path.read_bytes(), CONTENT)

    def test_f23_file_size_limit(self):
        path = self.file("a")

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

        self.check_fails(run("get", path, "-o", self.out, preexec_fn=limit), 1, "out.part.data")
        self.assertFalse(self.out.exists())
        self.assertEqual(run("get", path, "-o", self.out).returncode, 0)  # goes on with what there was room for
        self.assertEqual(self.out.read_bytes(), CONTENT)

    @staticmethod
    def sanitizer_was_blind(result):
        """UBSan looks at an object's memory through a pipe; without a descriptor for one it complains of any object: that
        it is none, or none of the type that it then says it is of."""
        blind = b"(errno: 24)" in result.stderr or b"<memory cannot be printed>" in result.stderr
        itself = re.search(rb"not point to an object of type '(.+)'\n.*: note: object is of type '\1'", result.stderr)
        return blind and (b"object has invalid vptr" in result.stderr or itself is not None)

    def test_f29_out_of_descriptors(self):
        path = self.file("a")
        failures = 0
        for descriptors in range(5, 24):
            result = run("get", path, "-o", self.out, preexec_fn=command.limited(resource.RLIMIT_NOFILE, descriptors))
            if result.returncode == 0:
                self.assertEqual(self.out.read_bytes(), CONTENT)
                break
            if not self.sanitizer_was_blind(result):
                self.check_fails(result, 1, "too_many_files: ", "/", "Too many open files")
            self.assertFalse(self.out.exists())
            failures += 1
        self.assertEqual(result.returncode, 0)
        self.assertGreater(failures, 0)

    def test_tee_is_file_and_stream(self):
        result = run("get", self.file("a"), "-o", self.out, "--tee")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(result.stdout, CONTENT)
        self.assertEqual(self.out.read_bytes(), CONTENT)

    def test_tee_into_a_full_disk_still_keeps_the_file(self):
        with open("/dev/full", "wb") as full:
            self.check_fails(run("get", self.file("a"), "-o", self.out, "--tee", stdout=full), 1, "standard output")
        self.assertEqual(self.out.read_bytes(), CONTENT)

    def test_events_that_are_lost_are_an_error(self):
        with open("/dev/full", "wb") as full:
            self.check_fails(run("get", self.file("a"), "-o", self.out, "--json", stdout=full), 1, "--json", "No space")
        self.assertEqual(self.out.read_bytes(), CONTENT)
        with open("/dev/full", "wb") as full:
            result = run("get", self.file("a"), "-o", self.out, "--json", stdout=full)
        self.assertEqual(result.returncode, 3)  # that there is a file comes before
        self.assertIn(b"--json", result.stderr)

    def test_a_reader_of_events_that_went_away_does_not_end_the_download(self):
        reader, writer = os.pipe()
        os.close(reader)
        result = run("get", self.file("a"), "-o", self.out, "--json", stdout=writer)
        os.close(writer)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(self.out.read_bytes(), CONTENT)

    def test_tee_says_when_what_arrived_cannot_be_read_back(self):
        path = self.dir / "big"
        with open(path, "wb") as big:
            big.truncate(16 * 1024 * 1024)
        process = self.popen("get", path, "-o", self.out, "--tee")
        # The download does not wait for the stream, which nobody reads yet: most of it is read from FILE.
        self.until(self.out.exists)
        os.truncate(self.out, 4096)
        self.assertLess(len(process.stdout.read()), 4 * 1024 * 1024)
        self.assertEqual(process.wait(command.LIMIT), 1)
        error = process.stderr.read().decode()
        self.assertIn(str(self.out), error)
        self.assertEqual(error.count("\n"), 1, error)

    def test_json(self):
        path = self.file("a")
        result = run("get", path, "-o", self.out, "--json")
        events = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(result.returncode, 0)
        self.assertEqual(events[0], {"event": "start", "url": str(path), "file": str(self.out)})
        done = events[-1]
        self.assertEqual((done["event"], done["bytes"], done["bytes_out"]), ("done", len(CONTENT), 0))
        self.assertLessEqual(0, done["first_byte_in_ms"])
        self.assertLessEqual(done["first_byte_in_ms"], done["last_byte_in_ms"])
        self.assertLessEqual(done["last_byte_in_ms"], done["elapsed_ms"])
        self.assertIsNone(done["first_byte_out_ms"])

    def test_json_with_tee_is_on_stderr_alone(self):
        result = run("get", self.file("a"), "-o", self.out, "--json", "--tee")
        self.assertEqual(result.stdout, CONTENT)
        done = [json.loads(line) for line in result.stderr.splitlines()][-1]
        self.assertEqual((done["event"], done["bytes_out"]), ("done", len(CONTENT)))
        self.assertLessEqual(done["first_byte_in_ms"], done["first_byte_out_ms"])
        self.assertLessEqual(done["first_byte_out_ms"], done["last_byte_out_ms"])

    def test_json_error(self):
        name = os.fsencode(self.dir) + b"/mis\xffsing\n"
        result = run("get", name, "-o", self.out, "--json")
        event = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual((event["event"], event["exit"], event["code"]), ("failed", 1, "not_found"))
        self.assertIn("mis\ufffdsing\n", event["message"])
        self.assertEqual(result.stderr.count(b"\n"), 1)

    def test_a_signal_stops_a_stream_that_nobody_reads(self):
        path = self.dir / "big"
        with open(path, "wb") as big:
            big.truncate(16 * 1024 * 1024)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                process = self.popen("get", path, "-o", self.dir / f"out{int(number)}", "--tee")
                process.stdout.read(1)  # it runs, and has filled the pipe or soon will
                process.send_signal(number)
                self.assertEqual(process.wait(command.LIMIT), 128 + number)
                self.assertIn(b"interrupted", process.stderr.read())


if __name__ == "__main__":
    command.main()
