"""strandline serve: what clients get, what the origin is asked for, and how it ends."""

import http.client
import json
import urllib.error
import urllib.request

import command
from command import CONTENT, ServeTest, response, run
from resume_test import ON_ITS_WAY, Ranged


class Serve(ServeTest):
    def test_an_object_is_fetched_once_whoever_asks_and_however_often(self):
        route = Ranged(CONTENT)
        origin = self.serve({"/a": route})
        process, url = self.start("--origin", origin.url("/"))
        self.assertEqual(self.read(url + "a"), CONTENT)
        self.assertEqual(self.read(url + "a", Range="bytes=1000-1999"), CONTENT[1000:2000])
        self.stop(process)
        process, url = self.start("--origin", origin.url("/"))
        self.assertEqual(self.read(url + "a"), CONTENT)
        self.stop(process)
        self.assertEqual(route.sent, len(CONTENT))

    def test_a_server_that_was_killed_goes_on_where_it_was(self):
        content = CONTENT * 8
        route = Ranged(content, pause=0.002)
        origin = self.serve({"/a": route})
        process, url = self.start("--origin", origin.url("/"))
        with urllib.request.urlopen(url + "a", timeout=command.LIMIT) as answer:
            answer.read(len(content) // 2)
            process.kill()
        process.wait(command.LIMIT)
        process, url = self.start("--origin", origin.url("/"))
        self.assertEqual(self.read(url + "a"), content)
        self.stop(process)
        self.assertLessEqual(route.sent, len(content) + ON_ITS_WAY)

    def test_several_origins_have_names_and_one_may_be_a_folder(self):
        origin = self.serve({"/a": Ranged(CONTENT)})
        self.file("b c", b"here")
        process, url = self.start("--origin", "web=" + origin.url(""), "--origin", f"disk={self.dir}")
        self.assertEqual(self.read(url + "web/a"), CONTENT)
        self.assertEqual(self.read(url + "disk/b%20c"), b"here")
        for path in ("a", "disk/", "disk/none", "disk/b%20c?x", "disk/..%2fb"):
            with self.subTest(path=path), self.assertRaises(urllib.error.HTTPError) as refused:
                self.read(url + path)
            self.assertIn(refused.exception.code, (400, 404))
            refused.exception.close()
        self.stop(process)

    def test_origins_are_told_who_asks_and_what_goes_round_is_answered_at_once(self):
        origin = self.serve({"/a": Ranged(CONTENT)})
        log = self.dir / "log"
        process, url = self.start("--origin", origin.url("/"), "--access-log", log)
        origin.routes["/round"] = response("302 Found", f"Location: {url}round", "Content-Length: 0")
        self.assertEqual(self.read(url + "a"), CONTENT)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.read(url + "round")
        self.assertEqual(refused.exception.code, 502)
        refused.exception.close()
        self.stop(process)
        names = {headers.get("via") for _, headers in origin.requests}
        self.assertEqual(len(names), 1)
        self.assertRegex(names.pop(), r"\A1\.1 strandline-[0-9a-f]{16}\Z")
        statuses = [json.loads(line)["status"] for line in log.read_text().splitlines()]
        self.assertEqual((statuses[0], statuses[-1], set(statuses[1:-1])), (200, 502, {508}))

    def test_f68_only_this_machine_is_served(self):
        for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
            self.check_fails(run("serve", "--origin", self.dir, "--cache", self.cache, "--listen", listen), 2,
                             "permission_denied", listen)

    def test_f68_others_are_served_with_a_token(self):
        self.file("a", b"here")
        tokens = self.file("tokens", b"ann 0123456789abcdef\n")
        tokens.chmod(0o600)
        process, url = self.start("--origin", self.dir, "--listen", "0.0.0.0:0", "--token-file", tokens)
        url = url.replace("0.0.0.0", "127.0.0.1")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.read(url + "a")
        self.assertEqual(refused.exception.code, 401)
        refused.exception.close()
        self.assertEqual(self.read(url + "a", Authorization="Bearer 0123456789abcdef"), b"here")
        self.stop(process)

    def test_f68_files_of_tokens_that_are_none(self):
        tokens = self.file("tokens", b"ann 0123456789abcdef\n")
        args = ("serve", "--origin", self.dir, "--cache", self.cache, "--token-file")
        tokens.chmod(0o644)
        self.check_fails(run(*args, tokens), 2, "permission_denied", "others may read")
        self.check_fails(run(*args, self.dir), 2, "no regular file")
        self.check_fails(run(*args, self.dir / "none"), 2, "not_found")
        tokens.write_bytes(b"ann secret")
        tokens.chmod(0o600)
        result = run(*args, tokens)
        self.check_fails(result, 2, f"{tokens}:1: a token has 16")
        self.assertNotIn(b"secret", result.stderr)

    def test_wrong_command_lines(self):
        cases = (
            (("--listen", "127.0.0.1"), "ADDRESS:PORT"),
            (("--listen", "127.0.0.1:99999"), "ADDRESS:PORT"),
            (("--origin", "gopher://x/"), "gopher"),
            (("--origin", str(self.dir)), "two origins at /"),
            (("--host-name", "a:80"), "without a port"),
            (("--listen", "example.org:80"), "no IP address"),
            (("--max-size", "-5"), "bytes are wanted"),
            (("--max-size", "1"), "at least"),
            (("--least-rate", "-1"), "bytes are wanted"),
            (("--allow-redirects-to", "a b"), "a host without a port"),
            (("--allow-redirects-to", "a:80"), "a host without a port"),
            (("--allow-redirects-to", ""), "a host without a port"),
            (("--cache-size", "3M"), "at least"),
        )
        for args, words in cases:
            with self.subTest(args=args):
                self.check_fails(run("serve", "--origin", self.dir, "--cache", self.cache, *args), 2, words)

    def test_a_cap_is_named_as_it_was_typed(self):
        for option in ("--max-size", "--cache-size"):
            other = {"--max-size": "--cache-size", "--cache-size": "--max-size"}[option]
            result = run("serve", "--origin", self.dir, "--cache", self.cache, option, "20X")
            self.check_fails(result, 2, option + ": '20X'")
            self.assertNotIn(other.encode(), result.stderr)
            self.check_fails(run("serve", "--origin", self.dir, option, "20M"), 2, "--cache is wanted")
        self.check_fails(run("serve", "--origin", self.dir, "--cache", self.cache, "--max-size", "20M", "--cache-size",
                             "20M"), 2, "excludes --")

    def test_the_help_says_how_it_ends(self):
        text = run("serve", "--help").stdout.decode()
        for line in ("\nExit codes:\n", "\n  0 ", "\n  1 ", "\n  2 ", "SIGTERM"):
            self.assertIn(line, text)

    def test_f68_an_origin_that_is_none(self):
        cases = (
            ("", "an empty URL"),
            ("a=", "an empty URL"),
            ("=/tmp", "'': a name has letters"),
            ("a/b=/tmp", "'a/b': a name has letters"),
            ("..=/tmp", "'..': a name has letters"),
            ("-=/tmp", "'-': a name has letters"),
            ("http://", "http://: ", "host"),
            ("http:///x", "http:///x: ", "without a host"),
            ("a=http://x:99999/", "http://x:99999/: ", "Port number"),
            ("http://x:0/", "http://x:0/: ", "port"),
            ("http://ann:secret@x:99999/", "Port number"),
            ("http://x/?a=b", "a place has no query"),
            ("file://", "absolute path"),
            ("file://localhost", "absolute path"),
        )
        for origin, *words in cases:
            with self.subTest(origin=origin):
                result = run("serve", "--origin", origin, "--cache", self.cache, "--check")
                self.check_fails(result, 2, "invalid_argument", "--origin: ", *words)
                self.assertNotIn(b"secret", result.stderr)

    def test_places_with_an_equals_sign_and_whole_file_systems_are_meant(self):
        (self.dir / "x=y").mkdir()
        for origin in ("/", "file:///", ".", "./a=b", f"{self.dir}/x=y", f"file://{self.dir}/x=y",
                       "http://ann:a=b@x/", "a=./b=c"):
            with self.subTest(origin=origin):
                result = run("serve", "--origin", origin, "--cache", self.cache, "--check")
                self.assertEqual((result.returncode, result.stderr), (0, b""))

    def test_a_port_that_is_taken(self):
        process, url = self.start("--origin", self.dir)
        port = url.rstrip("/").rsplit(":", 1)[1]
        other = self.dir / "other"
        self.check_fails(run("serve", "--origin", self.dir, "--cache", other, "--listen", f"127.0.0.1:{port}"), 1,
                         f"127.0.0.1:{port}", "Address already in use")
        self.stop(process)

    def test_a_client_that_goes_does_not_end_it(self):
        origin = self.serve({"/a": Ranged(CONTENT * 8, pause=0.005)})
        process, url = self.start("--origin", origin.url("/"))
        host = url.split("/")[2]
        for _ in range(5):
            connection = http.client.HTTPConnection(host, timeout=command.LIMIT)
            connection.request("GET", "/a")
            connection.getresponse().read(1000)
            connection.sock.close()
        self.assertEqual(self.read(url + "a", Range="bytes=0-9"), CONTENT[:10])
        self.stop(process)


if __name__ == "__main__":
    command.main()
