"""What `tools/serve_soak` samples of the server, and how it judges it."""
import os
import pathlib
import statistics
import time

WARM_UP = 1 / 6  # of the time: until the cache is full, and every kind of answer has been given
LONG_ENOUGH = 600  # seconds; of less nobody can say what is flat
FLAT = 0.01  # more in the second half than in the first, as a share
SLACK = 2 << 20  # bytes: files are looked at one after the other, while some of them go and others grow


def _on_disk(folder):
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_blocks * 512
            except FileNotFoundError:
                pass  # evicted meanwhile
    return total


class Watch:
    """Samples of one process."""

    def __init__(self, server, cache):
        self.server, self.cache = server, cache
        self.proc = pathlib.Path(f"/proc/{server.process.pid}")
        self.began = time.monotonic()
        self.samples = []

    def sample(self):
        one = {
            "at": round(time.monotonic() - self.began, 1),
            "descriptors": len(os.listdir(self.proc / "fd")),
            "threads": len(os.listdir(self.proc / "task")),
            "memory": self.server.memory("RssAnon"),
            "rss": self.server.memory("VmRSS"),
            "cpu": self.server.cpu(),
            "disk": _on_disk(self.cache / "entries"),
        }
        self.samples.append(one)
        return one

    def verdict(self, seconds, cap):
        """The growth of each figure, and what is wrong with them."""
        after = [each for each in self.samples if each["at"] >= seconds * WARM_UP]
        middle = len(after) // 2
        faults, growth = [], {}
        for name in ("descriptors", "threads", "memory", "rss"):
            before, later = (statistics.median(each[name] for each in half) if half else 0 for half in (after[:middle], after[middle:]))
            growth[name] = {"first": before, "second": later, "growth": later / before - 1 if before else 0.0}
            if seconds >= LONG_ENOUGH and growth[name]["growth"] > FLAT:
                faults.append(f"{name} grew by {growth[name]['growth']:.1%}: {before:.0f}, then {later:.0f}")
        most = max(each["disk"] for each in self.samples)
        if most > cap + SLACK:
            faults.append(f"{most} bytes of entries on the disk, of {cap} at the most")
        return growth, faults
