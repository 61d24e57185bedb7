"""The questions of `tools/bench serve`: each yields rows of what was measured beside whom, and what is wanted."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import statistics
import tempfile
import time

from . import clients, programs
from .clients import MIB, Answer, Beside, must

RATE, LATENCY_MS = 20_000_000, 75
PARKED_BYTES, PARKED_STEP = 4096, 65536  # of each client's range, and from one to the next
PROGRAMS = ("tools/strandline", "bench/bench_slow_origin", "bench/bench_parked")


class Row:
    """One figure; `gate`: a function of `value` and of what the others had, and its words."""

    def __init__(self, question, figure, unit, value, others=None, wanted="", met=None):
        self.question, self.figure, self.unit, self.value = question, figure, unit, value
        self.others, self.wanted, self.met = others or {}, wanted, met


def at_most(question, figure, unit, value, limit, words, others=None):
    return Row(question, figure, unit, value, others, f"<= {words}", value <= limit)


def at_least(question, figure, unit, value, limit, words, others=None):
    return Row(question, figure, unit, value, others, f">= {words}", value >= limit)


class Scene:
    """Folders, and where our programs are."""

    def __init__(self, built, quick, progress):
        self.strandline, self.slow_origin, self.parked = (str(built / name) for name in PROGRAMS)
        self.quick, self.progress = quick, progress
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="strandline-serve-"))
        self.root.chmod(0o755)
        self.size = (32 if quick else 1024) * MIB
        self.slow_size = (16 if quick else 256) * MIB
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        shutil.rmtree(self.root, ignore_errors=True)

    def folder(self, name):
        self.count += 1
        return self.root / f"{self.count}-{name}"

    def file(self):
        www = self.root / "www"
        if not www.exists():
            www.mkdir()
            with open(www / "file", "wb") as file:
                for _ in range(self.size // MIB):
                    file.write(os.urandom(MIB))
        return www

    def ours(self, upstream, folder=None):
        return programs.Strandline(self.strandline, folder or self.folder("ours"), upstream)

    def origin(self, size=None, **settings):
        folder = self.folder("origin")
        folder.mkdir()
        return programs.SlowOrigin(self.slow_origin, folder, size or self.slow_size, **settings)

    def reference(self, origin):
        return bytes(Answer(origin.port, "/reference").bytes)


def cold_and_warm(scene, runs):
    """1 GiB through an empty cache, again, and 64 KiB at random of what is there."""
    origin = programs.file_server(scene.folder("nginx"), scene.file())
    content = (scene.file() / "file").read_bytes()
    peers = {
        "nginx": lambda: programs.nginx_cache(scene.folder("nginx-cache"), origin.port),
        "Varnish": lambda: programs.Varnish(scene.folder("varnish"), origin.port),
        "ours": lambda: scene.ours(origin.port),
    }
    kinds = ("cold", "cpu", "first", "memory", "warm", "warm_cpu", "ranges", "range_cpu", "p99")
    got = {kind: {name: [] for name in peers} for kind in kinds}
    for turn in range(runs):
        for name, start in peers.items():
            scene.progress(f"  cold and warm: {name}, {turn + 1} of {runs}")
            cache = start()
            try:
                idle = cache.cpu()
                cold = must(Answer(cache.port, "/file", keep=False, piece=MIB), b"", name)
                time.sleep(0.5)  # what it still does for it is part of the price
                got["cold"][name].append(cold.size / MIB / cold.to_end)
                got["cpu"][name].append((cache.cpu() - idle) * 1024 * MIB / cold.size)
                got["first"][name].append(cold.to_first * 1e3)
                got["memory"][name].append(cache.memory() / MIB)
                if turn == 0:
                    must(Answer(cache.port, "/file"), content, name)
                before = cache.cpu()
                warm = must(Answer(cache.port, "/file", keep=False, piece=MIB), b"", name)
                got["warm"][name].append(warm.size / MIB / warm.to_end)
                got["warm_cpu"][name].append((cache.cpu() - before) * 1024 * MIB / warm.size)
                before = cache.cpu()
                rate, p99, requests = clients.random_ranges(cache.port, "/file", scene.size, scene.root, 1 if scene.quick else 5)
                got["ranges"][name].append(rate)
                got["range_cpu"][name].append((cache.cpu() - before) / requests * 1e6)
                got["p99"][name].append(p99)
            finally:
                cache.end()
    origin.end()
    middle = {kind: {name: statistics.median(values) for name, values in by.items()} for kind, by in got.items()}

    def row(kind, question, figure, unit, limit, words, gate):
        others = {name: value for name, value in middle[kind].items() if name != "ours"}
        return gate(question, figure, unit, middle[kind]["ours"], limit(others), words, others)

    of = f"{scene.size // MIB} MiB"
    yield row("cold", f"cold {of}", "speed", "MiB/s", lambda o: max(1240, *o.values()), "1240 and the best", at_least)
    yield row("cpu", f"cold {of}", "CPU per GiB", "s", lambda o: 0.9, "0.9", at_most)
    yield row("first", f"cold {of}", "first byte", "ms", lambda o: 1.0, "1", at_most)
    yield row("memory", f"cold {of}", "peak memory", "MiB", lambda o: 30, "30", at_most)
    yield row("warm", f"warm {of}", "speed", "MiB/s", lambda o: o["nginx"], "nginx", at_least)
    yield row("warm_cpu", f"warm {of}", "CPU per GiB", "s", lambda o: o["nginx"], "nginx", at_most)
    yield row("ranges", "warm 64 KiB at random, 8 connections", "requests", "/s", lambda o: o["nginx"], "nginx", at_least)
    yield row("range_cpu", "warm 64 KiB at random, 8 connections", "CPU each", "us", lambda o: o["nginx"], "nginx", at_most)
    yield row("p99", "warm 64 KiB at random, 8 connections", "99th percentile", "ms", lambda o: o["nginx"], "nginx", at_most)


def seek_once(scene, name, start, seeks):
    """64 KiB at nine tenths, and so many more behind it, at once, while all of it is read from 0."""
    origin = scene.origin(rate=RATE, latency_ms=LATENCY_MS)
    cache = start(origin.port)
    try:
        content = scene.reference(origin)
        stream = Beside(cache.port if cache else origin.port, "/a", piece=65536)
        time.sleep(0.3 if scene.quick else 2)
        there = [scene.slow_size * (90 + i) // 100 // 65536 * 65536 for i in range(seeks)]
        beside = [Beside(cache.port if cache else origin.port, "/a", first=at, last=at + 65535) for at in there]
        for one, at in zip(beside, there):
            one.join()
            must(one.answer, content[at:at + 65536], f"{name}'s seek")
        stream.join()
        must(stream.answer, content, f"{name}'s stream")
        return [one.answer.to_end * 1e3 for one in beside], stream.answer, origin.sent()[0]
    finally:
        if cache:
            cache.end()
        origin.end()


def seeks(scene, runs):
    starts = {
        "direct": lambda port: None,
        "rclone": lambda port: programs.Rclone(scene.folder("rclone"), port),
        "nginx slices": lambda port: programs.nginx_cache(scene.folder("slices"), port, sliced=True),
        "ours": scene.ours,
    }
    for count in (1, 8):
        got = {name: [] for name in starts}
        for turn in range(runs):
            for name, start in starts.items():
                scene.progress(f"  {count} at 90 % while reading from 0: {name}, {turn + 1} of {runs}")
                got[name].append(seek_once(scene, name, start, count))

        def middle(of):
            values = {name: statistics.median(of(one) for one in all_of) for name, all_of in got.items()}
            return values.pop("ours"), values

        if count == 1:
            question = "64 KiB at 90 % while reading from 0"
            value, others = middle(lambda one: one[0][0])
            yield at_most(question, "seek", "ms", value, others["direct"] + 8, "direct + 8", others)
            value, others = middle(lambda one: one[1].to_end)
            yield at_most(question, "the stream's time", "s", value, others["rclone"], "rclone", others)
            value, others = middle(lambda one: one[1].gap * 1e3)
            yield at_most(question, "the stream's longest gap", "ms", value, 20, "20", others)
            value, others = middle(lambda one: one[2] / scene.slow_size)
            yield at_most(question, "origin bytes", "", value, 1.005, "1.00", {**others, "direct": 1 + 65536 / scene.slow_size})
        else:
            question = "eight such seeks at once"
            value, others = middle(lambda one: statistics.median(one[0]))
            yield at_most(question, "median", "ms", value, others["direct"] + 15, "direct + 15", others)
            value, others = middle(lambda one: max(one[0]))
            yield at_most(question, "worst", "ms", value, others["direct"] + 15, "direct + 15", others)


def readers(scene, runs):
    """Several readers of one cold object at once."""
    for count in (2, 8):
        scene.progress(f"  {count} readers of one cold object")
        firsts, shares, direct = [], [], []
        for _ in range(runs):
            origin = scene.origin(rate=RATE, latency_ms=LATENCY_MS)
            direct.append(Answer(origin.port, "/a", first=0, last=0).to_first * 1e3)
            cache = scene.ours(origin.port)
            content = scene.reference(origin)
            asked = origin.sent()[0]
            beside = [Beside(cache.port, "/a") for _ in range(count)]
            for one in beside:
                one.join()
                must(one.answer, content, "a reader")
            firsts.append(max(one.answer.to_first for one in beside) * 1e3)
            shares.append((origin.sent()[0] - asked) / scene.slow_size)
            cache.end()
            origin.end()
        question = f"{count} readers of one cold object"
        # An opening asks what the object is, and then for it: the origin's time twice, for who does not know it yet.
        yield at_most(question, "worst first byte", "ms", statistics.median(firsts), statistics.median(direct) + 5, "direct + 5", {"direct": statistics.median(direct)})
        yield at_most(question, "origin bytes", "", max(shares), 1.005, "1.00")


def restarts(scene, runs):
    """Ended midway, and started again."""
    for number, words, limit in ((signal.SIGKILL, "kill -9", MIB), (signal.SIGTERM, "SIGTERM", 0)):
        scene.progress(f"  {words} midway")
        again = []
        for turn in range(runs):
            origin = scene.origin(rate=RATE, latency_ms=LATENCY_MS)
            content = scene.reference(origin)
            folder = scene.folder("ours")
            cache = scene.ours(origin.port, folder)
            Answer(cache.port, "/a", keep=False, stop_after=scene.slow_size // 2)
            cache.end(number)
            cache = scene.ours(origin.port, folder)
            must(Answer(cache.port, "/a"), content, f"after {words}")
            again.append(origin.sent()[1])
            cache.end()
            origin.end()
        yield at_most(f"{words} midway, and again", "sent twice by the origin", "KiB", max(again) / 1024, limit / 1024, f"{limit // 1024}")


def faults(scene, runs):
    """What goes wrong at the origin is not seen by the client."""
    cases = {
        "drops every 700 KB": {"drop_after": 700_000},
        "drops every 8 MiB": {"drop_after": 8 * MIB},
        "stalls once": {"silent_at": scene.slow_size // 3},
    }
    base = []
    for words, settings in {"nothing": {}, **cases}.items():
        scene.progress(f"  origin: {words}")
        times, shares = [], []
        for _ in range(runs):
            origin = scene.origin(rate=RATE, latency_ms=LATENCY_MS, **settings)
            content = scene.reference(origin)
            cache = scene.ours(origin.port)
            times.append(must(Answer(cache.port, "/a"), content, words).to_end)
            shares.append(origin.sent()[0] / scene.slow_size)
            cache.end()
            origin.end()
        if not settings:
            base = times
            continue
        yield at_most(f"origin {words}", "origin bytes", "", max(shares), 1.02, "1.02")
        took = statistics.median(times)
        if "silent_at" in settings:
            cost = took - statistics.median(base)
            yield at_most(f"origin {words}", "costs", "s", cost, 3, "3")
        else:
            yield Row(f"origin {words}", "time", "s", took, {"without": statistics.median(base)})


def changes(scene, runs):
    """Another version while one reads the old."""
    scene.progress("  another version midway")
    for _ in range(runs):
        origin = scene.origin(rate=RATE, latency_ms=LATENCY_MS, max_age=0)
        old = scene.reference(origin)
        cache = scene.ours(origin.port)
        reader = Beside(cache.port, "/a")
        time.sleep(0.3)
        origin.ask("change")
        new = scene.reference(origin)
        must(Answer(cache.port, "/a"), new, "the next reader")
        reader.join()
        got = bytes(reader.answer.bytes)
        if got != old[:len(got)] or (len(got) < len(old)) != bool(reader.answer.error):
            raise RuntimeError("the reader of the old version got something else")
        cache.end()
        origin.end()
    yield Row("object changes while it is read", "old: all of it or a clear break; next: the new one", "", 1, {}, "never a mix", True)


def parked_once(scene, clients):
    folder = scene.folder("parked")
    folder.mkdir()
    origin = programs.Told([scene.parked, clients, PARKED_BYTES, PARKED_STEP], folder)
    cache = scene.ours(origin.port)
    try:
        # What the object and the first connection take is not the clients'.
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", cache.port)) as first:
            first.request("HEAD", "/a")
            first.getresponse().read()
        idle = cache.pss()
        origin.ask(f"park {cache.port}")
        until = time.monotonic() + 30
        while cache.metrics()["waiters"] < clients:
            if time.monotonic() > until:
                raise RuntimeError(f"{cache.metrics()['waiters']:.0f} of {clients} clients wait")
            time.sleep(0.1)
        each = (cache.pss() - idle) / clients
        used = cache.cpu()
        served = json.loads(origin.ask("open"))
        return {**served, "each": each, "cpu": (cache.cpu() - used) / clients}
    finally:
        cache.end()
        origin.end()


def parked(scene, runs):
    """Many clients wait, each for a range of its own that the origin holds back; then it lets go."""
    clients = 500 if scene.quick else 9000
    got = []
    for turn in range(runs):
        scene.progress(f"  {clients} parked, {turn + 1} of {runs}")
        got.append(parked_once(scene, clients))
    question = f"{clients} connections, each waiting on a range; then all served"
    yield at_most(question, "errors and wrong bytes", "", sum(one["errors"] + one["wrong"] for one in got), 0, "0")
    yield at_most(question, "memory of each", "KiB", max(one["each"] for one in got) / 1024, 32, "32")
    yield Row(question, "median wake", "ms", statistics.median(one["wake_ms"][0] for one in got))
    yield at_most(question, "wake, 99th percentile", "ms", statistics.median(one["wake_ms"][1] for one in got), 50, "50")
    yield Row(question, "longest wake", "ms", max(one["wake_ms"][2] for one in got))
    yield Row(question, "all served after", "s", statistics.median(one["all_ms"] for one in got) / 1e3)
    yield Row(question, "CPU each, once let go", "us", statistics.median(one["cpu"] for one in got) * 1e6)


ALL = {"cold": cold_and_warm, "seeks": seeks, "readers": readers, "restarts": restarts, "faults": faults, "changes": changes,
       "parked": parked}


def shown(value, unit):
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def table(rows):
    lines = ["| Question | Figure | Ours | Others | Wanted | |", "|---|---|---|---|---|---|"]
    asked = None
    for row in rows:
        others = ", ".join(f"{name} {shown(value, row.unit)}" for name, value in row.others.items())
        verdict = "" if row.met is None else "met" if row.met else "**missed**"
        question = row.question if row.question != asked else ""
        asked = row.question
        lines.append(f"| {question} | {row.figure} | {shown(row.value, row.unit)} | {others} | {row.wanted} | {verdict} |")
    return "\n".join(lines)
