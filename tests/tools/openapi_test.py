"""docs/openapi.yaml against the server: every path, method and answer that it names is asked for, and is as it says."""

import http.client
import json
import pathlib
import re
import unittest

import command
from command import CONTENT, ServeTest
from resume_test import Ranged

try:
    import jsonschema
    import yaml
except ImportError:
    jsonschema = None

API = pathlib.Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
METRIC = re.compile(r'([a-z_]+)(\{[a-z_]+="[^"\\\n]*"\})? (\d+(?:\.\d+)?(?:e[-+]?\d+)?)')


def json_schema(part):
    """OpenAPI 3.0's `nullable` is a type of JSON Schema's."""
    if isinstance(part, list):
        return [json_schema(each) for each in part]
    if not isinstance(part, dict):
        return part
    made = {name: json_schema(value) for name, value in part.items() if name != "nullable"}
    if part.get("nullable"):
        made["type"] = [part["type"], "null"]
    return made


@unittest.skipIf(jsonschema is None, "needs python3-jsonschema and python3-yaml")
class OpenApi(ServeTest):
    def setUp(self):
        super().setUp()
        self.api = yaml.safe_load(API.read_text())
        self.asked = set()
        origin = self.serve({"/a": Ranged(CONTENT, pause=0.001), "/b": Ranged(CONTENT)})
        self.process, self.url = self.start("--origin", origin.url("/"))
        self.host = self.url.split("/")[2]

    def tearDown(self):
        self.stop(self.process)

    def check(self, path, status, template=None, method="get", body=None, event=False, **fields):
        """The answer, once it has been held against what is written of it."""
        template = template or path.split("?")[0]
        connection = http.client.HTTPConnection(self.host, timeout=command.LIMIT)
        self.addCleanup(connection.close)
        headers = {} if body is None else {"Content-Type": "application/json"}
        headers.update({name.replace("_", "-"): value for name, value in fields.items()})
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
        chunked = headers.get("Transfer-Encoding") == "chunked"
        connection.request(method.upper(), path, [sent] if chunked else sent, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        self.assertEqual(answer.status, status, path)
        said = self.api["paths"][template][method]["responses"][str(status)]
        if "$ref" in said:
            said = self.api["components"]["responses"][said["$ref"].rsplit("/", 1)[1]]
        [(media, content)] = said["content"].items()
        self.assertEqual(answer.getheader("Content-Type").split(";")[0], media, path)
        self.asked.add((template, method, str(status)))
        if event:
            lines = iter(answer.readline, b"\n")
            text = dict(line.decode().rstrip("\n").split(": ", 1) for line in lines)
            self.assertEqual(text["event"], "state")
            text = text["data"]
        else:
            text = answer.read()
        if media == "application/json" or event:
            value = json.loads(text)
            schema = json_schema({**content["schema"], "components": self.api["components"]})
            jsonschema.Draft4Validator(schema).validate(value)
            return value
        return text.decode()

    def test_every_answer(self):
        one = "/-/api/objects/{id}"
        prefetch, purge, objects = "/-/api/prefetch", "/-/api/purge", "/-/api/objects"
        self.assertEqual(self.check("/-/healthz", 200), "ok\n")
        self.assertEqual(self.check("/-/api/openapi.yaml", 200), API.read_text())
        identity = self.check(prefetch, 202, method="post", body={"url": "/b", "range": [10, 20]})["id"]
        self.check(prefetch, 400, method="post", body={"url": 1})
        self.check(prefetch, 404, method="post", body={"url": "/"})
        reading = http.client.HTTPConnection(self.host, timeout=command.LIMIT)
        self.addCleanup(reading.close)
        reading.request("GET", "/a")
        with reading.getresponse() as answer:
            answer.read(10)
            self.check("/-/api/events?cells=8", 200, event=True)
            self.check("/-/api/events?cells=0", 400)
            self.assertEqual(self.check(purge, 200, method="post", body={"url": "/none"}), {"purged": 0, "in_use": 0})
            found = self.check(objects + "?prefix=/a", 200)["objects"]
            self.assertEqual([each["url"] for each in found], ["/a"])
            answer.read()
        self.check(objects + "?cells=0", 400)
        self.until(lambda: self.check(f"{one.format(id=identity)}?cells=1&from=10&to=20", 200, one)["strip"] == "#")
        self.check(one.format(id=identity) + "?from=x", 400, one)
        self.check(one.format(id="0" * 16), 404, one)
        self.check(purge, 400, method="post", body={})
        for path in (prefetch, purge):
            self.check(path, 403, method="post", body={}, Origin="http://evil.example")
            self.check(path, 411, method="post", body=b"{}", Transfer_Encoding="chunked")
            self.check(path, 413, method="post", body=b" " * 70_000)
            self.check(path, 415, method="post", body={}, Content_Type="text/plain")
        self.check_metrics(self.check("/-/metrics", 200))
        named = {
            (path, method, status)
            for path, methods in self.api["paths"].items()
            for method, operation in methods.items()
            for status in operation["responses"]
        }
        # What a server answers that is overloaded, or ending, or whose disk fails, tests/serve/control asks for.
        self.assertEqual({each for each in named - self.asked if each[2] not in ("500", "503")}, set())

    def test_what_is_not_there_is_not_written_of(self):
        connection = http.client.HTTPConnection(self.host, timeout=command.LIMIT)
        self.addCleanup(connection.close)
        for path, methods in self.api["paths"].items():
            other = "POST" if "get" in methods else "GET"
            connection.request(other, path.format(id="0" * 16), "{}" if other == "POST" else None,
                               {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                self.assertEqual(answer.status, 405, path)
                text = answer.read()
                if path.startswith("/-/api/"):
                    self.assertEqual(list(json.loads(text)), ["error"], path)

    def check_metrics(self, text):
        """Prometheus' text format, version 0.0.4: each metric with its help, its type, and lines that fit it."""
        self.assertTrue(text.endswith("\n"))
        families = {}
        name = kind = None
        for line in text.splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ")[2]
                self.assertNotIn(name, families)
                families[name] = []
            elif line.startswith("# TYPE "):
                self.assertEqual(line.split(" ")[2], name)
                kind = line.split(" ")[3]
                self.assertIn(kind, ("counter", "gauge", "histogram"))
                self.assertEqual(kind == "counter", name.endswith("_total"), name)
            else:
                found = METRIC.fullmatch(line)
                self.assertTrue(found, line)
                suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
                self.assertIn(found[1], [name + suffix for suffix in suffixes])
                families[name].append((found[1], found[2], float(found[3])))
        for name, lines in families.items():
            self.assertEqual(len({line[:2] for line in lines}), len(lines), name)
            buckets = [value for metric, _, value in lines if metric == name + "_bucket"]
            self.assertEqual(buckets, sorted(buckets))
            if buckets:
                self.assertEqual(buckets[-1], dict(line[::2] for line in lines)[name + "_count"])
        for name in ("hit_bytes_total", "miss_bytes_total", "inflight_ranges", "waiters", "wait_seconds",
                     "origin_first_byte_seconds", "evicted_bytes_total", "validator_changes_total", "connections"):
            self.assertIn("strandline_" + name, families)


if __name__ == "__main__":
    command.main()
