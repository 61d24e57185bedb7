"""The clients of `tools/bench serve`: they time what they get, and know whether it is right."""
import re
import socket
import subprocess
import threading
import time

MIB = 1 << 20


class Answer:
    """One response. `seconds`: from the request to its head, its first byte and its last; `gap`: the longest time
    without a byte behind the first one."""

    def __init__(self, port, path, first=None, last=None, keep=True, stop_after=None, piece=256 * 1024, timeout=120):
        self.bytes = bytearray() if keep else None
        self.size = 0
        self.gap = 0.0
        self.error = None
        self.status = None
        began = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout) as connection:
                wanted = f"Range: bytes={first}-{'' if last is None else last}\r\n" if first is not None else ""
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{wanted}Connection: close\r\n\r\n".encode())
                self._read(connection, began, stop_after, bytearray(piece))
        except OSError as error:
            self.error = str(error) or type(error).__name__
        self.to_end = time.monotonic() - began

    def _read(self, connection, began, stop_after, buffer):
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                self.error = "ended within its head"
                return
            head += more
        head, _, rest = head.partition(b"\r\n\r\n")
        self.status = int(head.split(None, 2)[1])
        length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
        expected = int(length[1]) if length else None
        self.to_first = None
        if rest:
            self._take(rest, began)
        view = memoryview(buffer)
        latest = time.monotonic()
        while expected is None or self.size < expected:
            if stop_after is not None and self.size >= stop_after:
                return
            count = connection.recv_into(buffer)
            now = time.monotonic()
            if count == 0:
                break
            if self.size:
                self.gap = max(self.gap, now - latest)
            latest = now
            self._take(view[:count], began)
        if expected is not None and self.size != expected:
            self.error = f"{self.size} of {expected} bytes"

    def _take(self, part, began):
        if self.to_first is None:
            self.to_first = time.monotonic() - began
        self.size += len(part)
        if self.bytes is not None:
            self.bytes += part


class Beside(threading.Thread):
    """An answer that is read while others are; join(), then `answer`."""

    def __init__(self, *arguments, **options):
        super().__init__()
        self.arguments, self.options = arguments, options
        self.answer = None
        self.start()

    def run(self):
        self.answer = Answer(*self.arguments, **self.options)


def must(answer, expected, what):
    if answer.error or (answer.bytes is not None and answer.bytes != expected):
        raise RuntimeError(f"{what}: {answer.error or 'not the bytes that the origin has'} (status {answer.status})")
    return answer


WRK = """
local blocks = {blocks}
math.randomseed({seed})
request = function()
  local first = math.random(0, blocks - 1) * 65536
  return wrk.format("GET", "{path}", {{["Range"] = "bytes=" .. first .. "-" .. (first + 65535)}})
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("result %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(99.0),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def random_ranges(port, path, size, folder, seconds, connections=8):
    """Requests per second, and the 99th percentile in milliseconds."""
    script = folder / "ranges.lua"
    script.write_text(WRK.format(blocks=size // 65536, seed=1, path=path))
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, check=True)
    requests, micros, p99, errors = (int(word) for word in re.search(r"result (\d+) (\d+) (\d+) (\d+)", done.stdout).groups())
    if errors:
        raise RuntimeError(f"wrk: {errors} errors")
    return requests / micros * 1e6, p99 / 1e3, requests
