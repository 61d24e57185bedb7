"""What happens while bytes are still on their way: streaming, signals, a second writer, the progress line.

The server sends half and waits for the test, so each step is proven to come before the rest of the download.
"""

import json
import os
import pty
import signal

import command
from command import CONTENT, GatedRoute, ServerTest, run, sized


class Streaming(ServerTest):
    def setUp(self):
        super().setUp()
        self.route = GatedRoute()
        self.server = self.serve({"/a": self.route, "/b": sized("200 OK")})
        self.url = self.server.url("/a")

    def read_half(self, process):
        """What has been sent comes out, before the rest exists."""
        got = process.stdout.read(self.route.half)
        self.assertEqual(got, CONTENT[: self.route.half])

    def test_cat_streams_while_it_downloads(self):
        process = self.popen("cat", self.url)
        self.read_half(process)
        self.route.gate.set()
        self.assertEqual(process.stdout.read(), CONTENT[self.route.half :])
        self.assertEqual(process.wait(command.LIMIT), 0)

    def test_tee_streams_while_it_downloads(self):
        process = self.popen("get", self.url, "-o", self.out, "--tee", "--json")
        self.read_half(process)
        self.assertFalse(self.out.exists())  # not half a file
        self.assertEqual(self.parts(), ["out.part.data", "out.part.journal"])
        self.route.gate.set()
        self.assertEqual(process.stdout.read(), CONTENT[self.route.half :])
        self.assertEqual(process.wait(command.LIMIT), 0)
        self.assertEqual(self.out.read_bytes(), CONTENT)
        done = [json.loads(line) for line in process.stderr.read().splitlines()][-1]
        self.assertLess(done["first_byte_out_ms"], done["last_byte_in_ms"])

    def test_a_stream_left_early_does_not_end_the_download(self):
        process = self.popen("get", self.url, "-o", self.out, "--tee")
        self.read_half(process)
        process.stdout.close()
        self.route.gate.set()
        self.assertEqual(process.wait(command.LIMIT), 0)
        self.assertEqual(process.stderr.read(), b"")
        self.assertEqual(self.out.read_bytes(), CONTENT)

    def test_cat_ends_at_the_next_byte_when_its_reader_left(self):
        process = self.popen("cat", self.url)
        self.read_half(process)
        process.stdout.close()
        self.route.gate.set()  # the next byte meets the closed pipe
        self.assertEqual(process.wait(command.LIMIT), -signal.SIGPIPE)
        self.assertEqual(process.stderr.read(), b"")

    def test_signals_end_get_and_what_came_is_kept(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number=number):
                out = self.dir / f"out{int(number)}"
                process = self.popen("get", self.url, "-o", out, "--tee")
                self.read_half(process)
                process.send_signal(number)
                self.assertEqual(process.wait(command.LIMIT), 128 + number)
                error = process.stderr.read().decode()
                self.assertEqual(error.count("\n"), 1, error)
                self.assertIn("the same command goes on from there", error)
                self.assertFalse(out.exists())
                self.assertEqual(self.parts(out.name), [f"{out.name}.part.data", f"{out.name}.part.journal"])

    def test_sigint_counts_in_a_background_job_of_a_script(self):
        # There the shell has it ignored.
        def ignore():
            signal.signal(signal.SIGINT, signal.SIG_IGN)

        process = self.popen("get", self.url, "-o", self.out, "--tee", preexec_fn=ignore)
        self.read_half(process)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(command.LIMIT), 130)
        self.assertFalse(self.out.exists())

    def test_sigint_during_a_rewrite_keeps_the_old_file(self):
        self.out.write_bytes(b"precious")
        process = self.popen("get", self.url, "-o", self.out, "--force", "--json", "--timeout", "3600")
        # Two progress events, 250 ms apart: libcurl has then no timer of its own running, and nothing but the signal
        # can end the wait for a silent server.
        events = (json.loads(line) for line in process.stdout)
        under_way = (event for event in events if event.get("bytes", 0) > 0)
        for _ in range(2):
            self.assertEqual(next(under_way)["event"], "progress")
        self.assertNotEqual(self.parts(), [])
        self.assertEqual(self.out.read_bytes(), b"precious")
        process.send_signal(signal.SIGINT)
        error = list(events)[-1]
        self.assertEqual((error["event"], error["exit"], error["code"]), ("failed", 130, "interrupted"))
        self.assertEqual(process.wait(command.LIMIT), 130)
        self.assertEqual(self.out.read_bytes(), b"precious")

    def test_sigint_ends_cat(self):
        process = self.popen("cat", self.url)
        self.read_half(process)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(command.LIMIT), -signal.SIGINT)

    def test_two_gets_of_one_file(self):
        process = self.popen("get", self.url, "-o", self.out, "--tee")
        self.read_half(process)
        self.check_fails(run("get", self.server.url("/b"), "-o", self.out), 1, "busy", "out.part")
        self.route.gate.set()
        self.assertEqual(process.stdout.read(), CONTENT[self.route.half :])
        self.assertEqual(process.wait(command.LIMIT), 0)
        self.assertEqual(self.out.read_bytes(), CONTENT)

    def test_progress_line_on_a_terminal(self):
        screen, terminal = pty.openpty()
        self.addCleanup(os.close, screen)
        process = self.popen("get", self.url, "-o", self.out, stderr=terminal)
        os.close(terminal)
        seen = b""
        while b"]\x1b[K" not in seen:
            seen += os.read(screen, 4096)
        self.assertIn(b"488.3 KiB of 976.6 KiB", seen)
        self.assertIn(b"[" + b"#" * 16 + b"+" + b"." * 15 + b"]", seen)  # 16 cells and one byte
        self.route.gate.set()
        self.assertEqual(process.wait(command.LIMIT), 0)
        self.assertEqual(process.stdout.read(), b"")
        while b"976.6 KiB in " not in seen:
            seen += os.read(screen, 4096)
        self.assertEqual(self.out.read_bytes(), CONTENT)


if __name__ == "__main__":
    command.main()
