"""strandline serve over TLS: whose certificates are shown and believed, and what goes through it."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
import warnings

import command
from command import CONTENT, ServeTest, chunked, response, run
from resume_test import Ranged


def openssl(*args):
    subprocess.run(["openssl", *map(os.fspath, args)], check=True, capture_output=True)


class Tls(ServeTest):
    @classmethod
    def setUpClass(cls):
        cls.keys = pathlib.Path(tempfile.mkdtemp(prefix="strandline-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.keys)
        for name, more in (("server", ("-addext", "subjectAltName=IP:127.0.0.1")), ("ann", ()), ("eve", ())):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", cls.keys / f"{name}.key", "-out", cls.keys / f"{name}.pem", *more)

    def tls(self, *more, key="server.key"):
        return ("--tls-cert", self.keys / "server.pem", "--tls-key", self.keys / key, *more)

    def context(self, user=None):
        context = ssl.create_default_context(cafile=self.keys / "server.pem")
        if user:
            context.load_cert_chain(self.keys / f"{user}.pem", self.keys / f"{user}.key")
        return context

    def get(self, url, user=None, **headers):
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=command.LIMIT, context=self.context(user)) as answer:
            return answer.read()

    def test_an_object_and_parts_of_it(self):
        content = CONTENT * 5
        origin = self.serve({"/a": Ranged(content)})
        process, url = self.start("--origin", origin.url("/"), *self.tls())
        self.assertTrue(url.startswith("https://"))
        for _ in range(2):
            self.assertEqual(self.get(url + "a"), content)
        self.assertEqual(self.get(url + "a", Range="bytes=1000000-3999999"), content[1000000:4000000])
        connection = http.client.HTTPSConnection(url.split("/")[2], timeout=command.LIMIT, context=self.context())
        for first in (0, 70000, 4000000):
            connection.request("GET", "/a", headers={"Range": f"bytes={first}-{first + 99999}"})
            self.assertEqual(connection.getresponse().read(), content[first : first + 100000])
        connection.close()
        self.stop(process)

    def test_many_requests_at_once_on_one_connection(self):
        origin = self.serve({"/a": Ranged(CONTENT)})
        process, url = self.start("--origin", origin.url("/"), *self.tls())
        host, port = url.split("/")[2].split(":")
        request = b"GET /a HTTP/1.1\r\nHost: localhost\r\nRange: bytes=%d-%d\r\n\r\n"
        with socket.create_connection((host, int(port)), command.LIMIT) as plain:
            with self.context().wrap_socket(plain, server_hostname=host) as tls:
                tls.sendall(b"".join(request % (first, first + 9) for first in range(0, 3000, 10)))
                answers = tls.makefile("rb")
                for first in range(0, 3000, 10):
                    self.assertEqual(answers.readline(), b"HTTP/1.1 206 Partial Content\r\n")
                    while answers.readline() != b"\r\n":
                        pass
                    self.assertEqual(answers.read(10), CONTENT[first : first + 10])
        self.stop(process)

    def test_what_ends_with_its_connection_and_breaks_off_has_no_end(self):
        lines = ("Transfer-Encoding: chunked", "Cache-Control: private")
        origin = self.serve({"/whole": response("200 OK", *lines, body=chunked(b"hello")),
                             "/half": response("200 OK", *lines, body=chunked(b"hello", last=b""))})
        process, url = self.start("--origin", origin.url("/"), *self.tls())
        host, port = url.split("/")[2].split(":")

        def read(path):
            with socket.create_connection((host, int(port)), command.LIMIT) as plain:
                with self.context().wrap_socket(plain, server_hostname=host, suppress_ragged_eofs=False) as tls:
                    tls.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
                    answer = b""
                    while part := tls.recv(65536):
                        answer += part
            return answer

        self.assertTrue(read("/whole").endswith(b"\r\n\r\nhello"))
        with self.assertRaises(OSError):
            read("/half")
        self.stop(process)

    def test_what_is_no_tls_and_clients_that_go(self):
        self.file("a", b"here")
        process, url = self.start("--origin", self.dir, *self.tls())
        host, port = url.split("/")[2].split(":")
        for said in (b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01", b""):
            with socket.create_connection((host, int(port)), command.LIMIT) as plain:
                plain.sendall(said)
                try:
                    plain.shutdown(socket.SHUT_WR)
                    got = plain.makefile("rb").read()
                except OSError:
                    got = b""  # the server has ended the connection already
                self.assertNotIn(b"here", got)
        old = self.context()
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection((host, int(port)), command.LIMIT) as plain, self.assertRaises(OSError):
            old.wrap_socket(plain, server_hostname=host)
        other = self.context()
        other.set_alpn_protocols(["h2"])
        with socket.create_connection((host, int(port)), command.LIMIT) as plain, self.assertRaises(OSError):
            other.wrap_socket(plain, server_hostname=host).read()
        self.assertEqual(self.get(url + "a"), b"here")
        self.stop(process)

    def test_f68_who_shows_no_certificate_that_is_believed_gets_nothing(self):
        self.file("a", b"here")
        log = self.dir / "log"
        process, url = self.start("--origin", self.dir, "--listen", "0.0.0.0:0", "--access-log", log,
                                  *self.tls("--tls-client-ca", self.keys / "ann.pem"))
        url = url.replace("0.0.0.0", "127.0.0.1")
        self.assertEqual(self.get(url + "a", "ann"), b"here")
        for user in (None, "eve"):
            with self.subTest(user=user), self.assertRaises(OSError):
                self.get(url + "a", user)
        self.until(lambda: log.exists() and log.read_text().count("\n") == 1)
        self.assertEqual(json.loads(log.read_text())["user"], "ann")
        self.stop(process)

    def test_f68_a_certificate_of_the_servers_only_is_not_enough_for_others(self):
        result = run("serve", "--origin", self.dir, "--cache", self.cache, "--listen", "0.0.0.0:0", *self.tls())
        self.check_fails(result, 2, "permission_denied", "only this machine")

    def test_a_new_certificate_is_shown_from_a_hang_up_on(self):
        self.file("a", b"here")
        for end in ("pem", "key"):
            shutil.copy(self.keys / f"eve.{end}", self.dir / f"mine.{end}")
        process, url = self.start("--origin", self.dir, "--tls-cert", self.dir / "mine.pem", "--tls-key",
                                  self.dir / "mine.key")
        with self.assertRaises(urllib.error.URLError):
            self.get(url + "a")
        for end in ("pem", "key"):
            shutil.copy(self.keys / f"server.{end}", self.dir / f"mine.{end}")
        process.send_signal(signal.SIGHUP)

        def shown():
            try:
                return self.get(url + "a") == b"here"
            except urllib.error.URLError:
                return False

        self.until(shown)
        self.stop(process)

    def test_commands_that_ask_it_believe_and_show_what_they_are_told_to(self):
        origin = self.serve({"/a": Ranged(CONTENT)})
        process, url = self.start("--origin", origin.url("/"), *self.tls("--tls-client-ca", self.keys / "ann.pem"))
        ca = ("--server", url, "--ca-file", self.keys / "server.pem")

        def user(name, key=None):
            return ("--client-cert", self.keys / f"{name}.pem", "--client-key", self.keys / f"{key or name}.key")

        listed = self.file("list", b"/a\n")
        for args in (("prefetch", listed), ("top", "--once"), ("purge", "/b")):
            with self.subTest(args=args):
                result = run(*args, *ca, *user("ann"))
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                self.check_fails(run(*args, *ca, *user("eve")), 1, url[:-1], self.keys / "eve.pem")
                self.check_fails(run(*args, *ca), 1, url[:-1], "does it want --client-cert?")
        self.check_fails(run("top", "--server", url, *user("ann")), 1, "permission_denied", "--ca-file")
        others = ("--server", url, "--ca-file", self.keys / "eve.pem", *user("ann"))
        self.check_fails(run("top", *others), 1, "permission_denied", self.keys / "eve.pem")
        self.check_fails(run("top", *ca, *user("ann", "eve")), 1, self.keys / "ann.pem", self.keys / "eve.key")
        self.stop(process)

    def test_files_of_commands_that_are_none(self):
        server = ("top", "--server", "https://127.0.0.1:1")
        cert, key = ("--client-cert", self.keys / "ann.pem"), ("--client-key", self.keys / "ann.key")
        self.check_fails(run(*server, *cert), 2, "both", self.keys / "ann.pem")
        self.check_fails(run(*server, *key), 2, "both", self.keys / "ann.key")
        self.check_fails(run(*server, "--ca-file", self.dir / "none"), 2, f"--ca-file {self.dir}/none", "No such file")
        self.check_fails(run(*server, "--client-cert", self.dir, *key), 2, f"--client-cert {self.dir}")
        open_key = self.file("key", (self.keys / "ann.key").read_bytes())
        open_key.chmod(0o644)
        self.check_fails(run(*server, *cert, "--client-key", open_key), 2, f"--client-key {open_key}", "others may read")
        self.check_fails(run("top", "--server", "http://127.0.0.1:1", *cert, *key), 2, "no https:// URL")
        self.file("a", b"here")
        process, url = self.start("--origin", self.dir, *self.tls())
        junk = self.file("junk", b"no certificate")
        junk.chmod(0o600)
        server = ("top", "--once", "--server", url, "--ca-file")
        self.check_fails(run(*server, junk), 1, "invalid_argument", f"--ca-file {junk}")
        self.check_fails(run(*server, self.keys / "server.pem", "--client-cert", junk, *key), 1, "invalid_argument",
                         f"--client-cert {junk}")
        locked = self.dir / "locked.key"
        openssl("ec", "-in", self.keys / "ann.key", "-aes128", "-passout", "pass:secret", "-out", locked)
        locked.chmod(0o600)
        self.check_fails(run(*server, self.keys / "server.pem", *cert, "--client-key", locked), 1, "invalid_argument",
                         f"--client-key {locked}")
        self.stop(process)

    def test_files_that_are_none(self):
        args = ("serve", "--origin", self.dir, "--cache", self.cache)
        self.check_fails(run(*args, "--tls-cert", self.keys / "server.pem"), 2, "both")
        self.check_fails(run(*args, *self.tls(key="ann.key")), 2, "no key of that certificate", self.keys / "ann.key")
        self.check_fails(run(*args, *self.tls("--tls-client-ca", self.keys / "ann.key")), 2, "no certificates")
        key = self.dir / "key"
        shutil.copy(self.keys / "server.key", key)
        key.chmod(0o644)
        self.check_fails(run(*args, *self.tls(key=key)), 2, "permission_denied", "others may read")


if __name__ == "__main__":
    command.main()
