"""strandline purge, prefetch and top: what they ask of a server that runs, and what they make of its answers."""

import json

import command
from command import CONTENT, ServeTest, run
from resume_test import Ranged


class Remote(ServeTest):
    def setUp(self):
        super().setUp()
        self.route = Ranged(CONTENT)
        self.origin = super().serve({"/a": self.route, "/b": Ranged(CONTENT)})
        self.process, self.url = self.start("--origin", self.origin.url("/"))

    def tearDown(self):
        self.stop(self.process)

    def ask(self, *args, **options):
        return run(*args, "--server", self.url, **options)

    def lines(self, result, exit_code=0):
        self.assertEqual(result.returncode, exit_code, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_what_is_prefetched_is_not_asked_for_again(self):
        listed = self.file("list", b"# films\n\n/a\n/b 1000-1999\n")
        found = self.lines(self.ask("prefetch", listed, "--json"))
        self.assertEqual(sorted(each["path"] for each in found), ["/a", "/b"])
        self.assertEqual({each["state"] for each in found}, {"done"})
        sent = self.route.sent
        self.assertEqual(self.read(self.url + "a"), CONTENT)
        self.assertEqual(self.route.sent, sent)

    def test_a_prefetch_says_what_is_not_to_be_had(self):
        listed = self.file("list", b"/a\n/none\n")
        result = self.ask("prefetch", listed, "--json")
        found = {each["path"]: each for each in self.lines(result, 1)}
        self.assertEqual(found["/a"]["state"], "done")
        self.assertEqual(found["/none"]["state"], "failed")
        self.assertIn("not_found", found["/none"]["error"])
        self.assertIn(b"/none: ", result.stderr)
        self.assertEqual(self.ask("prefetch", listed, "--no-wait").returncode, 0)

    def test_lists_that_are_none(self):
        for text, words in ((b"a\n", "line 1"), (b"/a\n/b x\n", "line 2"), (b"/a 5-2\n", "line 1")):
            with self.subTest(text=text):
                self.check_fails(self.ask("prefetch", self.file("list", text)), 2, words)
        self.check_fails(self.ask("prefetch", self.dir / "none"), 1, "No such file")

    def test_what_is_purged_is_fetched_anew(self):
        self.assertEqual(self.read(self.url + "a"), CONTENT)
        self.until(lambda: self.lines(self.ask("purge", "/a", "--json")) == [{"path": "/a", "purged": 1, "in_use": 0}])
        self.assertEqual(self.lines(self.ask("purge", "--all", "--json")), [{"path": None, "purged": 0, "in_use": 0}])
        before = self.route.sent
        self.assertEqual(self.read(self.url + "a"), CONTENT)
        self.assertEqual(self.route.sent, before + len(CONTENT))
        self.until(lambda: self.lines(self.ask("purge", "--prefix", "/", "--json"))[0]["purged"] == 1)

    def test_wrong_command_lines(self):
        self.check_fails(self.ask("purge"), 2, "one of them")
        self.check_fails(self.ask("purge", "/a", "--all"), 2, "one of them")
        self.check_fails(self.ask("purge", "a"), 1, "invalid_argument: a: ", "does not begin with '/' (400)")
        self.check_fails(run("top", "--server", "ftp://x"), 2, "--server ftp://x")
        self.check_fails(run("top", "--server", "http://127.0.0.1:1"), 1, "127.0.0.1:1")

    def test_a_path_that_is_none_is_named_and_what_is_wrong_with_it(self):
        for args in (("/f/../x",), ("--prefix", "/f/../x")):
            self.check_fails(self.ask("purge", *args), 1, "invalid_argument: /f/../x: ", "a segment . or .. (400)")
        self.check_fails(self.ask("purge", "--prefix", "n"), 1, "invalid_argument: n: ", "does not begin with '/' (400)")
        result = self.ask("prefetch", self.file("list", "/f/\u00fc.txt\n".encode()))
        self.check_fails(result, 1, "/f/\u00fc.txt: ", "a path with a character that no path has")

    def test_what_answers_is_another_server(self):
        class Anything(dict):
            def get(self, path):
                return self["/"]

        page = b"<html>\n<p>here</p>\n\n</html>\n"
        listed = self.file("list", b"/a\n")
        for status in ("404 Not Found", "200 OK", "301 Moved Permanently", "204 No Content"):
            other = super().serve(Anything({"/": command.sized(status, "Content-Type: text/html", body=page)}))
            server = ("--server", other.url(""))
            for args in (("top",), ("top", "--once"), ("purge", "/a"), ("prefetch", listed)):
                with self.subTest(status=status, args=args):
                    result = run(*args, *server)
                    self.check_fails(result, 1, other.url(""), "what answers there is not strandline serve")
                    self.assertNotIn(b"html", result.stderr)
                    self.assertEqual(b"(404)" in result.stderr, status.startswith("404"))

        other = self.serve({})  # with a 404 of no type, and then one of plain text
        self.check_fails(run("top", "--server", other.url("")), 1, "is not strandline serve (404)")
        plain = command.sized("404 Not Found", "Content-Type: text/plain", body=b"404 page not found\n")
        other = super().serve(Anything({"/": plain}))
        self.check_fails(run("top", "--server", other.url("")), 1, "is not strandline serve (404)")

    def test_who_may_not_ask_is_told_why(self):
        tokens = self.file("tokens", b"ann 0123456789abcdef\n")
        tokens.chmod(0o600)
        process, url = self.start_with("--origin", self.dir, "--cache", self.dir / "other", "--token-file", tokens,
                                       "--grace", "0")
        token = self.file("token", b"0123456789abcdef\n")
        token.chmod(0o600)
        for args in (("top", "--once"), ("purge", "/a"), ("prefetch", self.file("list", b"/a\n"), "--no-wait")):
            with self.subTest(args=args):
                self.check_fails(run(*args, "--server", url), 1, "permission_denied", "a token is wanted (401)")
                self.assertEqual(run(*args, "--server", url, "--token-file", token).returncode, 0)
        self.stop(process)

    def test_top(self):
        self.assertEqual(self.read(self.url + "a"), CONTENT)
        state = self.lines(self.ask("top", "--once", "--json"))[0]
        self.assertEqual(state["totals"]["sent_bytes"], len(CONTENT))
        text = self.ask("top").stdout.decode()
        self.assertIn("requests 1  errors 0", text)
        self.assertNotIn("\033", text)
        watched = self.popen("top", "--json", "--server", self.url)
        self.assertIn("totals", json.loads(watched.stdout.readline()))


if __name__ == "__main__":
    command.main()
