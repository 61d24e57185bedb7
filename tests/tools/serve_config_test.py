"""strandline serve's configuration file: what it says, what is wrong with it, and what reading it again changes."""

import base64
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import time
import unittest.mock
import urllib.error

import command
from command import CONTENT, ServeTest, response, run, sized
from resume_test import Ranged


class Config(ServeTest):
    def write(self, text, name="strandline.toml"):
        return self.file(name, text.encode())

    def told(self, text, *args):
        """What is printed of a configuration."""
        result = run("serve", "--config", self.write(text), "--print-config", *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.decode()

    def status(self, url, **headers):
        try:
            self.read(url, **headers)
            return 200
        except urllib.error.HTTPError as refused:
            refused.close()
            return refused.code

    def start_for_a_manager(self, *args):
        """The socket that it is told at, of a server that says that it is ready; and the server."""
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.settimeout(command.LIMIT)
        manager.bind(os.fspath(self.dir / "notify"))
        with unittest.mock.patch.dict(os.environ, NOTIFY_SOCKET=manager.getsockname()):
            process, url = self.start(*args)
        self.assertEqual(manager.recv(1000), b"READY=1")
        return manager, process, url

    def test_a_file_says_what_the_command_line_could(self):
        self.file("a", b"here")
        config = self.write(f"""
            cache = "{self.cache}"
            max_size = "64M"
            grace = "0s"
            [[origin]]
            name = "disk"
            url = "{self.dir}"
            [[rule]]
            path = "/disk/*"
            fresh_for = "1h"
        """)
        process, url = self.start_with("--config", config)
        self.assertEqual(self.read(url + "disk/a"), b"here")
        self.stop(process)

    def test_what_is_printed_says_the_same_and_no_password(self):
        text = self.told("""
            listen = "127.0.0.1:8080"
            cache = "c"
            cache_size = "1G"
            threads = 2
            timeout = "2m"
            stale_if_error = 0
            [[origin]]
            url = "http://ann:secret@127.0.0.1:1/x?"
            [[origin]]
            name = "b"
            url = "http://127.0.0.1:2/"
            [[rule]]
            path = "/**.m3u8"
            cache = false
            ignore_client_cache_control = true
            fresh_for = "1d"
            stale_while_revalidate = 5
            stale_if_error = 6
            read_ahead = "2M"
        """.replace("x?", "x/"))
        self.assertNotIn("secret", text)
        for line in ("cache_size = 1073741824", "timeout = 120", "threads = 2", "fresh_for = 86400", "cache = false",
                     "read_ahead = 2097152", "stale_if_error = 0", "stale_if_error = 6", 'name = "b"'):
            self.assertIn("\n" + line + "\n", text)
        self.assertEqual(self.told(text), text)

    def test_the_command_line_wins(self):
        config = f"""
            threads = 2
            cache = "{self.cache}"
            [[origin]]
            url = "/somewhere"
        """
        self.assertIn("threads = 3", self.told(config, "--threads", "3"))
        self.assertNotIn("somewhere", self.told(config, "--origin", "/elsewhere"))

    def test_what_is_wrong_is_told_with_its_place(self):
        cases = (
            ("threads = 1\nthread = 2", ":2:1: there is no setting thread"),
            ("threads = 'two'", ":1:11: threads: a whole number"),
            ("threads = -1", ":1:11: threads: a whole number"),
            ("threads = 1.5", ":1:11: threads: a whole number"),
            ("threads = 5000", ":1:11: threads: "),
            ("threads = 1\nthread = 2\nlisten = 3", ":3:10: listen: a string"),
            ("cache_size = '3M'", ":1:14: cache_size: '3M': a cache needs 4M at least"),
            ("max_size = 1", ":1:12: max_size: '1': a cache needs 4M at least"),
            ("max_size = '-5'", ":1:12: max_size: '-5': bytes are wanted"),
            ("max_size = '20X'", ":1:12: max_size: '20X': bytes are wanted"),
            ("max_size = '8M'\ncache_size = '9M'", ":1:1: max_size: cache_size is there"),
            ("listen = 'foo'", ":1:10: listen foo: ADDRESS:PORT"),
            ("\nlisten = 'example.org:80'", ":2:10: listen example.org:80: no IP address"),
            ("host_name = ['a', 'b:80']", ":1:19: host_name b:80: a name without a port"),
            ("cors = ['*',\n'x']", ":2:1: cors x: https://HOST"),
            ("allow_redirects_to = ['*', 'a b']", ":1:28: allow_redirects_to a b: a host"),
            ("tls_cert = 'none'", ":1:12: tls_cert: --tls-cert and --tls-key are wanted both"),
            ("listen = 80", ":1:10: listen: a string"),
            ("grace = '5 weeks'", ":1:9: grace: seconds"),
            ("host_name = 'a'", ":1:13: host_name: an array"),
            ("host_name = ['a', 1]", ":1:19: host_name: a string"),
            ("origin = 'a'", ":1:10: [[origin]]"),
            ("[[origin]]\nname = 'a'", ":1:1: an origin has a url"),
            ("[[origin]]\nuri = 'a'", ":2:1: there is no setting uri"),
            ("[[rule]]\nfresh_for = 1", ":1:1: a rule has a path"),
            ("[[rule]]\npath = 'a'", ":1:1: a rule has a path"),
            ("[[rule]]\npath = '/'\ncache = 'no'", ":3:9: cache: true or false"),
            ("[[rule]]\npath = '/'\nread_ahead = '2x'", ":3:14: read_ahead: 1M to 1G"),
            ("[[rule]]\npath = '/'\nttl = 1", ":3:1: there is no setting ttl"),
            ("threads = = 1", ":1:"),
            ("threads = 1\nthreads = 2", ":2:"),
        )
        for text, words in cases:
            with self.subTest(text=text):
                config = self.write(text)
                result = run("serve", "--config", config, "--origin", self.dir, "--cache", self.cache, "--check")
                self.check_fails(result, 2, "invalid_argument", f"{config}{words}")
                self.assertEqual(result.stderr.count(b"--cache-size"), 0)
        for text, code, words in (
            ("listen = '0.0.0.0:80'", "permission_denied", ":1:10: listen 0.0.0.0:80: only this machine"),
            (f"token_file = '{self.dir}/none'", "not_found", f":1:14: token_file {self.dir}/none: No such file"),
            (f"token_file = '{self.dir}'", "invalid_argument", f":1:14: token_file {self.dir}: no regular file"),
            ("tls_cert = 'a'\ntls_key = 'none'", "not_found", ":2:11: tls_key none: No such file"),
        ):
            with self.subTest(text=text):
                config = self.write(text)
                result = run("serve", "--config", config, "--origin", self.dir, "--cache", self.cache, "--check")
                self.check_fails(result, 2, f"strandline: serve: {code}: {config}{words}")
        self.check_fails(run("serve", "--config", self.dir / "none"), 2, "not_found")
        self.check_fails(run("serve", "--config", self.write("")), 2, "--origin is wanted")
        self.check_fails(run("serve", "--origin", self.dir), 2, "--cache is wanted")

    def test_what_is_wrong_with_an_origin_is_told_with_its_place(self):
        for text, code, words in (
            ("[[origin]]\nurl = 'ftp://x'", "unsupported", ":2:7: url: ftp://x: scheme"),
            ("[[origin]]\nurl = ''", "invalid_argument", ":2:7: url: an empty URL"),
            ("[[origin]]\nurl = 'http://x:99999/'", "invalid_argument", ":2:7: url: http://x:99999/: "),
            ("[[origin]]\nurl = 'http://x/?a'", "invalid_argument", ":2:7: url: http://x/?a: a place has no query"),
            ("[[origin]]\nurl = '/x'\nname = 'a b'", "invalid_argument", ":3:8: name: 'a b': a name has letters"),
            ("[[origin]]\nurl = '/x'\nname = ''", "invalid_argument", ":3:8: name: '': a name has letters"),
            ("[[origin]]\nurl = '/x'\n[[origin]]\nurl = '/y'", "invalid_argument", ":4:7: url: two origins at /"),
            ("[[origin]]\nname = 'a'\nurl = '/x'\n[[origin]]\nname = 'a'\nurl = '/y'", "invalid_argument",
             ":5:8: name: two origins at /a/"),
            ("[[origin]]\nname = 'a'\nurl = '/x'\n[[origin]]\nname = 'b'\nurl = '/x/'", "invalid_argument",
             ":6:7: url: two origins at file:///x/"),
        ):
            with self.subTest(text=text):
                config = self.write(text)
                result = run("serve", "--config", config, "--cache", self.cache, "--check")
                self.check_fails(result, 2, f"strandline: serve: {code}: {config}{words}")

    def test_times_and_sizes_are_the_same_texts_as_on_the_command_line(self):
        args = ("--origin", self.dir, "--cache", self.cache, "--print-config")
        for key, text, number in (("stale_if_error", "1d", 86400), ("grace", "90", 90), ("timeout", "2m", 120),
                                  ("grace", "12h", 43200), ("least_rate", "2k", 2048), ("max_size", "1G", 1 << 30)):
            line = f"\n{key.replace('max', 'cache')} = {number}\n"
            with self.subTest(key=key, text=text):
                self.assertIn(line, self.told(f"{key} = '{text}'", *args[:-1]))
                result = run("serve", *args, "--" + key.replace("_", "-"), text)
                self.assertIn(line, result.stdout.decode(), result.stderr)
        for option in ("--grace", "--timeout", "--stale-if-error"):
            for text in ("1w", "-1", "", "1.5h", "99999d"):
                with self.subTest(option=option, text=text):
                    self.check_fails(run("serve", *args, f"{option}={text}"), 2, option)

    def test_a_url_with_an_equals_sign_has_no_name(self):
        text = self.told(f"cache = '{self.cache}'\n[[origin]]\nurl = 'a/b=c'")
        self.assertIn('url = "a/b=c"', text)
        self.assertNotIn("name", text)
        self.assertEqual(self.told(text), text)

    def test_a_check_serves_nothing(self):
        result = run("serve", "--origin", self.dir, "--cache", self.cache, "--check")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))
        self.assertFalse(self.cache.exists())

    def test_a_hang_up_reads_it_again_and_what_is_wrong_changes_nothing(self):
        self.file("a", b"here")
        tokens = self.file("tokens", b"ann 0123456789abcdef\n")
        tokens.chmod(0o600)
        config = self.write("")
        process, url = self.start("--config", config, "--origin", self.dir)
        self.assertEqual(self.status(url + "a"), 200)
        config.write_text("this is no TOML")
        process.send_signal(signal.SIGHUP)
        line = process.stderr.readline().decode()
        self.assertTrue(line.startswith("strandline: serve: not reloaded: invalid_argument: " + os.fspath(config)), line)
        self.assertEqual(self.status(url + "a"), 200)
        config.write_text(f"token_file = '{tokens}'")
        process.send_signal(signal.SIGHUP)
        self.until(lambda: self.status(url + "a") == 401)
        self.assertEqual(self.status(url + "a", Authorization="Bearer 0123456789abcdef"), 200)
        tokens.write_text("bob fedcba9876543210\n")
        process.send_signal(signal.SIGHUP)
        self.until(lambda: self.status(url + "a", Authorization="Bearer fedcba9876543210") == 200)
        self.assertEqual(self.status(url + "a", Authorization="Bearer 0123456789abcdef"), 401)
        self.stop(process)

    def test_a_hang_up_says_what_needs_a_new_start(self):
        self.file("a", b"here")
        config = self.write("threads = 2")
        manager, process, url = self.start_for_a_manager("--config", config, "--origin", self.dir)
        config.write_text("threads = 3\nlisten = '127.0.0.1:1'\noffline = true\ntimeout = 31\n"
                          f"access_log = '{self.dir}/log'\n[[rule]]\npath = '/'\n")
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
            self.assertEqual(process.stderr.readline(), b"strandline: serve: changed, but needs a new start: "
                                                        b"listen, threads, offline, access_log\n")
            self.assertEqual(self.read(url + "a"), b"here")
            self.assertIn(b"RELOADING=1", manager.recv(1000))
            self.assertEqual(manager.recv(1000), b"READY=1")
        config.write_text("threads = 2\n[[rule]]\npath = '/'\n")
        process.send_signal(signal.SIGHUP)
        self.assertIn(b"RELOADING=1", manager.recv(1000))
        self.assertEqual(manager.recv(1000), b"READY=1")
        self.stop(process)
        self.assertEqual(process.stderr.read(), b"")
        self.assertFalse((self.dir / "log").exists())

    def test_hang_ups_that_change_nothing_leave_nothing_behind(self):
        origin = self.serve({f"/{i}": Ranged(CONTENT) for i in range(8)})
        manager, process, url = self.start_for_a_manager("--config", self.write(""), "--origin", origin.url("/"))
        threads = []
        for i in range(8):
            self.assertEqual(self.read(url + str(i)), CONTENT)
            process.send_signal(signal.SIGHUP)
            self.assertIn(b"RELOADING=1", manager.recv(1000))
            self.assertEqual(manager.recv(1000), b"READY=1")
            threads.append(len(list(pathlib.Path(f"/proc/{process.pid}/task").iterdir())))
        self.assertLess(threads[-1], threads[1] + 4, threads)  # an origin each would be six more
        self.stop(process)

    def test_the_log_is_made_anew_at_a_hang_up_and_knows_no_query(self):
        self.file("a", b"here")
        log = self.dir / "log"
        process, url = self.start("--origin", self.dir, "--access-log", log)
        self.assertEqual(self.status(url + "a"), 200)
        self.assertEqual(self.status(url + "b?key=secret"), 404)
        self.until(lambda: log.read_text().count("\n") == 2)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertEqual([(line["path"], line["status"]) for line in lines], [("/a", 200), ("/b", 404)])
        self.assertEqual(stat.S_IMODE(log.stat().st_mode) & 0o037, 0)
        log.rename(self.dir / "log.1")
        process.send_signal(signal.SIGHUP)
        self.until(log.exists)
        self.assertEqual(self.status(url + "a"), 200)
        self.until(lambda: log.read_text().count("\n") == 1)
        self.stop(process)
        self.assertNotIn("secret", (self.dir / "log.1").read_text())

    def test_a_service_manager_is_told(self):
        manager, process, _ = self.start_for_a_manager("--config", self.write(""), "--origin", self.dir)
        process.send_signal(signal.SIGHUP)
        self.assertRegex(manager.recv(1000), rb"RELOADING=1\nMONOTONIC_USEC=\d+")
        self.assertEqual(manager.recv(1000), b"READY=1")
        self.stop(process)
        self.assertEqual(manager.recv(1000), b"STOPPING=1")

    def test_offline_no_origin_is_asked(self):
        origin = self.serve({"/a": sized("200 OK")})
        process, url = self.start("--origin", origin.url("/"), "--offline")
        self.assertEqual(self.status(url + "a"), 504)
        self.stop(process)
        self.assertEqual(origin.requests, [])

    def test_offline_what_an_earlier_run_has_brought_is_served(self):
        origin = self.serve({"/a": Ranged(CONTENT)})
        process, url = self.start("--origin", origin.url("/"))
        self.assertEqual(self.read(url + "a"), CONTENT)
        until = time.monotonic() + command.LIMIT
        while not json.loads(run("ls", self.cache, "--json").stdout)["complete"] and time.monotonic() < until:
            pass  # its last byte is there a moment before it is said to be
        process.kill()
        process.wait(command.LIMIT)
        asked = len(origin.requests)
        process, url = self.start("--origin", origin.url("/"), "--offline")
        for _ in range(2):
            self.assertEqual(self.read(url + "a"), CONTENT)
            self.assertEqual(self.read(url + "a", Range="bytes=5-9"), CONTENT[5:10])
        self.assertEqual(self.status(url + "none"), 504)
        self.stop(process)
        self.assertEqual(len(origin.requests), asked)

    def test_f68_an_origin_redirects_to_itself_and_hosts_that_are_listed(self):
        other = self.serve({"/b": sized("200 OK", body=b"here")})
        elsewhere = f"Location: http://localhost:{other.port}/b"  # another name, of the same address
        origin = self.serve({"/a": response("302 Found", elsewhere, "Content-Length: 0"),
                             "/c": response("302 Found", "Location: /d", "Content-Length: 0"),
                             "/d": sized("200 OK", body=b"there")})
        process, url = self.start("--origin", origin.url("/"))
        self.assertEqual(self.status(url + "a"), 403)
        self.assertEqual(self.read(url + "c"), b"there")
        self.stop(process)
        self.assertEqual(other.requests, [])
        for allowed in ("LOCALHOST", "*"):
            process, url = self.start("--origin", origin.url("/"), "--allow-redirects-to", allowed)
            self.assertEqual(self.read(url + "a"), b"here")
            self.stop(process)
            shutil.rmtree(self.cache)

    def test_credentials_are_in_no_log_and_no_file(self):
        origin = self.serve({"/a": sized("200 OK", 'ETag: "1"'), "/b": response("500 No", "Content-Length: 0"),
                             "/b?signature=hunter3": response("500 No", "Content-Length: 0")})
        log = self.dir / "log"
        tokens = self.file("tokens", b"ann 0123456789abcdef\n")
        tokens.chmod(0o600)
        process, url = self.start("--origin", origin.url("/", login="ann:hunter2@"), "--access-log", log,
                                  "--token-file", tokens)
        token = {"Authorization": "Bearer 0123456789abcdef"}
        self.assertEqual(self.read(url + "a", **token), CONTENT)
        self.assertIn(self.status(url + "b", **token), (502, 504))
        self.assertIn(self.status(url + "b?signature=hunter3", **token), (502, 504))
        self.assertIn("authorization", origin.requests[0][1])
        self.stop(process)
        told = process.stderr.read() + process.stdout.read() + log.read_bytes()
        for path in self.cache.rglob("*"):
            told += os.fsencode(path) + (path.read_bytes() if path.is_file() else b"")
        for secret in (b"hunter2", b"hunter3", b"0123456789abcdef", base64.b64encode(b"ann:hunter2")):
            self.assertNotIn(secret, told)

    def test_the_log_on_standard_output_with_queries(self):
        process, url = self.start("--origin", self.dir, "--access-log", "-", "--log-queries")
        self.assertEqual(self.status(url + "b?key=1"), 404)
        line = json.loads(process.stdout.readline())
        self.assertEqual((line["path"], line["query"], line["status"]), ("/b", "key=1", 404))
        self.stop(process)
        self.check_fails(run("serve", "--origin", self.dir, "--cache", self.cache, "--access-log", self.dir / "x" / "y"),
                         1, "not_found")


if __name__ == "__main__":
    command.main()
