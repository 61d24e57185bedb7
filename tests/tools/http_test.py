"""The command against HTTP servers, honest and hostile. Test names carry the rows of the fault list (f46 to f60)."""

import gzip
import socket
import threading

import command
from command import CONTENT, ServerTest, chunked, response, sized

SIZE = len(CONTENT)
OK = "200 OK"
PART = "206 Partial Content"


def run(*args):
    """What may pass is not asked again, but told."""
    return command.run(*args, "--give-up", "0")


class Whole(ServerTest):
    def check_whole(self, route):
        server = self.serve({"/a": route})
        for args in (["get", server.url("/a"), "-o", self.out], ["cat", server.url("/a")]):
            result = run(*args)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(result.stdout, CONTENT)
        self.assertEqual(self.out.read_bytes(), CONTENT)
        return server

    def check_refused(self, route, *words, out=b""):
        """No file, and no part of one but for what can be gone on from."""
        server = self.serve({"/a": route})
        result = run("get", server.url("/a"), "-o", self.out)
        self.check_fails(result, 1, server.url("/a"), *words)
        self.assertFalse(self.out.exists())
        self.assertEqual(self.parts(), ["out.part.data", "out.part.journal"] if out else [])
        for part in self.dir.glob("out.part.*"):
            part.unlink()
        result = run("cat", server.url("/a"))
        self.check_fails(result, 1, server.url("/a"), *words)
        self.assertEqual(result.stdout, out)

    def test_with_a_length(self):
        server = self.check_whole(sized(OK))
        for _, headers in server.requests:
            self.assertEqual(headers["accept-encoding"], "identity")
            self.assertEqual(headers["range"], "bytes=0-4194303")
            self.assertRegex(headers["user-agent"], r"^strandline/\d")

    def test_chunked(self):
        self.check_whole(response(OK, "Transfer-Encoding: chunked", body=chunked(CONTENT)))

    def test_chunked_with_trailers_and_a_lying_length(self):
        body = chunked(CONTENT, last=b"0\r\nContent-Length: 7\r\n\r\n")
        self.check_whole(response(OK, "Transfer-Encoding: chunked", body=body))

    def test_until_the_connection_closes(self):
        self.check_whole(response(OK, body=CONTENT))

    def test_after_an_early_hint(self):
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: </b>\r\nContent-Length: 3\r\n\r\n"

        def route(connection, headers):
            connection.sendall(hint)
            sized(OK)(connection, headers)

        self.check_whole(route)

    def test_empty(self):
        server = self.serve({"/a": sized(OK, body=b""), "/b": response(OK)})
        for path in ("/a", "/b"):
            result = run("get", server.url(path), "-o", self.dir / path[1:])
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertEqual((self.dir / path[1:]).read_bytes(), b"")

    def test_f48_body_shorter_than_announced(self):
        half = CONTENT[: SIZE // 2]
        self.check_refused(response(OK, f"Content-Length: {SIZE}", body=half), "io", f"{SIZE // 2} of {SIZE}", out=half)

    def test_f48_no_body_at_all(self):
        self.check_refused(response(OK, f"Content-Length: {SIZE}"), "0 of 1000003")

    def test_f48_body_longer_than_announced(self):
        short = b"ten bytes."
        url = self.serve({"/a": response(OK, "Content-Length: 10", body=short + b"more")}).url("/a")
        # The download may be complete before the rest is seen; never is any of that used.
        for args in (["get", url, "-o", self.out], ["cat", url]):
            result = run(*args)
            if result.returncode != 0:
                self.check_fails(result, 1, "corrupt", "longer")
            self.assertEqual(self.out.read_bytes() if self.out.exists() else short, short)
        self.assertEqual(result.stdout, short)

    def test_f48_chunk_cut(self):
        body = chunked(CONTENT[:100_000], last=b"c350\r\ncut")
        self.check_refused(response(OK, "Transfer-Encoding: chunked", body=body), out=CONTENT[:100_000] + b"cut")

    def test_two_lengths(self):
        self.check_refused(response(OK, f"Content-Length: {SIZE}", "Content-Length: 5", body=CONTENT))

    def test_a_length_that_is_none(self):
        for length in ("-1", "5x", "99999999999999999999"):
            self.check_refused(response(OK, f"Content-Length: {length}", body=CONTENT))

    def test_f51_content_encoding(self):
        self.check_refused(sized(OK, "Content-Encoding: gzip", body=gzip.compress(CONTENT)), "corrupt", "gzip")

    def test_identity_said_aloud(self):
        self.check_whole(sized(OK, "Content-Encoding: identity"))

    def test_statuses(self):
        for status, word in {
            "404 Not Found": "not_found",
            "403 Forbidden": "permission_denied",
            "500 Oops": "io",
            "503 Later": "io",
            "304 Not Modified": "corrupt",
            "300 Choose": "corrupt",
            "204 No Content": "corrupt",
        }.items():
            with self.subTest(status=status):
                bodiless = status[:3] in ("304", "204")
                route = response(status) if bodiless else sized(status, body=b"an apology")
                self.check_refused(route, word, f"HTTP status {status[:3]}")

    def test_f47_a_part_that_nobody_asked_for(self):
        self.check_refused(sized(PART, f"Content-Range: bytes 1-{SIZE - 1}/{SIZE}", body=CONTENT[1:]), "corrupt", "Content-Range")

    def test_nonsense_instead_of_http(self):
        def route(connection, _):
            connection.sendall(b"220 mail.example ESMTP\r\n")

        self.check_refused(route)

    def test_f54_redirects(self):
        hops = {f"/{i}": response("302 Found", f"Location: /{i + 1}", "Content-Length: 0") for i in range(11)}
        server = self.serve({**hops, "/11": sized(OK), "/loop": response("301 Moved", "Location: /loop", "Content-Length: 0")})
        self.assertEqual(run("cat", server.url("/1")).stdout, CONTENT)
        self.check_fails(run("cat", server.url("/0")), 1, server.url("/0"), "redirects")
        self.check_fails(run("get", server.url("/loop"), "-o", self.out), 1, "redirects")
        self.check_nothing_left()

    def test_f54_redirects_to_other_schemes(self):
        secret = self.file("secret")
        for target in (f"file://{secret}", "ftp://127.0.0.1/a", "gopher://127.0.0.1/a"):
            with self.subTest(target=target):
                self.check_refused(response("302 Found", f"Location: {target}", "Content-Length: 0"))

    def test_f54_no_credentials_to_another_host(self):
        other = self.serve({"/b": sized(OK)})
        server = self.serve({"/a": response("302 Found", f"Location: {other.url('/b')}", "Content-Length: 0"),
                             "/gone": sized("404 Gone", body=b"")})
        result = run("cat", server.url("/a", login="user:secret@"))
        self.assertEqual(result.stdout, CONTENT)
        self.assertIn("authorization", server.requests[0][1])
        self.assertNotIn("authorization", other.requests[0][1])
        result = run("cat", server.url("/gone", login="user:secret@"))
        self.check_fails(result, 1, server.url("/gone"))
        self.assertNotIn(b"secret", result.stderr)

    def test_f55_a_server_that_falls_silent(self):
        gate = threading.Event()

        def route(connection, _):
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n".encode() + CONTENT[:1000])
            gate.wait(command.LIMIT)

        server = self.serve({"/a": route})
        self.addCleanup(gate.set)  # before the server is closed: cleanups go backwards
        result = run("get", server.url("/a"), "-o", self.out, "--timeout", "1")
        self.check_fails(result, 1, "timed_out", server.url("/a"))
        self.assertFalse(self.out.exists())

    def test_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.check_fails(run("get", f"http://127.0.0.1:{port}/a", "-o", self.out), 1, "io", f"127.0.0.1:{port}")
        self.check_nothing_left()

    def test_f60_tls_with_one_who_speaks_none(self):
        # It takes the client's hello for a request without an end, and hangs up on the timeout's account.
        server = self.serve({})
        url = server.url("/a").replace("http:", "https:")
        self.check_fails(run("get", url, "-o", self.out, "--timeout", "1"), 1, url)
        self.check_nothing_left()

    def test_a_failed_download_keeps_the_old_file(self):
        self.out.write_bytes(b"precious")
        server = self.serve({"/a": response(OK, f"Content-Length: {SIZE}", body=CONTENT[:-1]), "/b": sized(OK)})
        self.check_fails(run("get", server.url("/a"), "-o", self.out, "--force"), 1, "1000002 of 1000003")
        self.assertEqual(self.out.read_bytes(), b"precious")
        self.check_fails(run("get", server.url("/b"), "-o", self.out, "--force", "--sha256", "0" * 64), 4, "SHA-256")
        self.assertEqual(self.out.read_bytes(), b"precious")
        self.assertEqual(run("get", server.url("/b"), "-o", self.out, "--force").returncode, 0)
        self.assertEqual(self.out.read_bytes(), CONTENT)


class Ranges(ServerTest):
    def cat(self, route, text):
        server = self.serve({"/a": route})
        result = run("cat", server.url("/a"), f"--range={text}")
        self.assertEqual([headers["range"] for _, headers in server.requests if "range" in headers], self.asked(text))
        return result

    @staticmethod
    def asked(text):
        """No byte past the range; of one without an end, a first request's worth. The length is asked for before -N."""
        first, last = text.split("-")
        if first == "":
            return [f"bytes={max(0, SIZE - int(last))}-{SIZE - 1}"]
        return [f"bytes={first}-{min(int(last or 1e18), int(first) + 4 * 2**20 - 1)}"]

    def check_cat(self, route, text, expected):
        result = self.cat(route, text)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(result.stdout, expected)

    def test_parts(self):
        for text, first, last in (("0-0", 0, 0), ("10-99", 10, 99), ("999000-", 999000, SIZE - 1), ("-7", SIZE - 7, SIZE - 1),
                                  (f"{SIZE - 1}-{SIZE + 10}", SIZE - 1, SIZE - 1), (f"-{SIZE + 1}", 0, SIZE - 1)):
            with self.subTest(text=text):
                part = CONTENT[first : last + 1]
                ranged = sized(PART, f"Content-Range: bytes {first}-{last}/{SIZE}", body=part)
                self.check_cat(lambda c, h, r=ranged: (r if "range" in h else sized(OK))(c, h), text, part)

    def test_a_part_of_unknown_total(self):
        self.check_cat(sized(PART, "Content-Range: bytes 10-99/*", body=CONTENT[10:100]), "10-99", CONTENT[10:100])

    def test_a_chunked_part(self):
        headers = ["Transfer-Encoding: chunked", f"Content-Range: bytes 10-99999/{SIZE}"]
        self.check_cat(response(PART, *headers, body=chunked(CONTENT[10:100_000])), "10-99999", CONTENT[10:100_000])
        for cut in (CONTENT[10:99_999], CONTENT[10:100_001]):
            result = self.cat(response(PART, *headers, body=chunked(cut)), "10-99999")
            self.check_fails(result, 1, "99989 of 99990" if len(cut) < 99_990 else "corrupt")
            self.assertTrue(CONTENT[10:100_000].startswith(result.stdout))

    def test_f47_wrong_content_range(self):
        body = CONTENT[10:100]
        for header in (
            [],
            ["Content-Range: bytes 0-89/1000003"],
            ["Content-Range: bytes 11-100/1000003"],
            ["Content-Range: bytes 10-98/1000003"],
            ["Content-Range: bytes 10-99/99"],
            ["Content-Range: bytes 10-99/50"],
            ["Content-Range: bytes 10-50/*"],
            ["Content-Range: bytes 99-10/1000003"],
            ["Content-Range: 10-99/1000003"],
            ["Content-Range: items 10-99/1000003"],
            ["Content-Range: bytes 10-99"],
            ["Content-Range: bytes 10-99/"],
            ["Content-Range: bytes 10-99/1000003, bytes 200-300/1000003"],
            ["Content-Range: bytes 10-99/18446744073709551716"],
            ["Content-Range: bytes */1000003"],
            ["Content-Range: bytes 10-99/1000003", "Content-Range: bytes 20-109/1000003"],
            ["Content-Type: multipart/byteranges; boundary=x"],
        ):
            with self.subTest(header=header):
                result = self.cat(sized(PART, *header, body=body), "10-99")
                self.check_fails(result, 1, "corrupt")
                self.assertEqual(result.stdout, b"")

    def test_f47_length_and_content_range_disagree(self):
        result = self.cat(sized(PART, f"Content-Range: bytes 10-99/{SIZE}", body=CONTENT[10:90]), "10-99")
        self.check_fails(result, 1, "corrupt", "contradicts")
        self.assertEqual(result.stdout, b"")

    def test_f46_200_to_a_range_request(self):
        for text, expected in (("0-9", CONTENT[:10]), ("500000-600000", CONTENT[500000:600001]), ("999000-", CONTENT[999000:]),
                               ("-7", CONTENT[-7:]), (f"-{SIZE + 1}", CONTENT), (f"10-{SIZE + 5}", CONTENT[10:])):
            with self.subTest(text=text):
                self.check_cat(sized(OK), text, expected)
                if not text.startswith("-"):
                    self.check_cat(response(OK, "Transfer-Encoding: chunked", body=chunked(CONTENT)), text, expected)

    def test_f46_200_cut_before_or_inside_the_range(self):
        for sent, expected in ((100, b""), (1000, CONTENT[500:1000])):
            result = self.cat(response(OK, f"Content-Length: {SIZE}", body=CONTENT[:sent]), "500-1500")
            self.check_fails(result, 1, f"after {sent} of")
            self.assertEqual(result.stdout, expected)

    def test_f46_200_where_the_range_cannot_be_found(self):
        for route, text, word in (
            (sized(OK), f"{SIZE}-", "invalid_range"),
            (response(OK, "Transfer-Encoding: chunked", body=chunked(CONTENT)), f"{SIZE}-", "invalid_range"),
            (response(OK, "Transfer-Encoding: chunked", body=chunked(CONTENT)), "-7", "unsupported"),
        ):
            result = run("cat", self.serve({"/a": route}).url("/a"), f"--range={text}")
            self.check_fails(result, 1, word)
            self.assertEqual(result.stdout, b"")

    def test_f51_an_encoded_part(self):
        headers = [f"Content-Range: bytes 10-99/{SIZE}", "Content-Encoding: br"]
        result = self.cat(sized(PART, *headers, body=CONTENT[10:100]), "10-99")
        self.check_fails(result, 1, "corrupt", "br")
        self.assertEqual(result.stdout, b"")

    def test_f53_416(self):
        result = self.cat(sized("416 No", f"Content-Range: bytes */{SIZE}", body=b"sorry"), f"{SIZE}-")
        self.check_fails(result, 1, "invalid_range", "/a", str(SIZE))
        self.assertEqual(result.stdout, b"")

    def test_the_range_survives_a_redirect(self):
        part = sized(PART, f"Content-Range: bytes 10-99/{SIZE}", body=CONTENT[10:100])
        server = self.serve({"/a": response("307 There", "Location: /b", "Content-Length: 9", body=b"not here."), "/b": part})
        self.assertEqual(run("cat", server.url("/a"), "--range", "10-99").stdout, CONTENT[10:100])


if __name__ == "__main__":
    command.main()
