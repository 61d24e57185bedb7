"""What `tools/bench serve` measures, started and ended: origins, and caches in front of them, all on loopback."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_listening(port, process, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        time.sleep(0.01)
    raise RuntimeError(f"{process.args[0]} does not listen")


def children(pid):
    found = [pid]
    for one in found:
        try:
            found += [int(child) for child in pathlib.Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        except OSError:
            pass  # it has ended
    return found


class Program:
    """A process and what it has used so far, its children's with it."""

    def __init__(self, arguments, folder, **options):
        self.log = open(folder / (pathlib.Path(arguments[0]).name + ".log"), "ab")
        self.process = subprocess.Popen(arguments, stderr=self.log, **options)

    def cpu(self):
        """Seconds of user and system."""
        ticks = 0
        for pid in children(self.process.pid):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def memory(self, name="VmHWM"):
        """Bytes; VmHWM: the most there were; VmRSS: now; RssAnon: of those its own, not a file's."""
        total = 0
        for pid in children(self.process.pid):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            values = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith(("VmHWM", "VmRSS", "RssAnon")))
            total += int(values[name].split()[0]) * 1024
        return total

    def pss(self):
        """Bytes: its own pages, and its share of those that others have, too."""
        rollup = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"(?m)^Pss:\s+(\d+)", rollup)[1]) * 1024

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait()
        self.log.close()


NGINX = """
daemon off; master_process on; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  {more}
}}
"""


class Nginx(Program):
    def __init__(self, folder, more):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.port = free_port()
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, more=more.format(folder=folder, port=self.port)))
        super().__init__(["nginx", "-c", str(config), "-e", str(folder / "error.log")], folder)
        await_listening(self.port, self.process)


def file_server(folder, root):
    return Nginx(folder, f"server {{{{ listen 127.0.0.1:{{port}} reuseport; root {root}; expires 1h; }}}}")


def nginx_cache(folder, upstream, sliced=False):
    """Tuned as its documentation says for large files: one fetch for all, buffers of a mebibyte. With tcp_nopush each
    answer of 64 KiB would wait 40 ms for an acknowledgement."""
    slices = (
        "slice 1m; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range;" if sliced
        else "proxy_cache_key $uri;"
    )
    return Nginx(
        folder,
        "proxy_cache_path {folder}/cache levels=1:2 keys_zone=z:16m max_size=8g inactive=1h use_temp_path=off;"
        f"upstream o {{{{ server 127.0.0.1:{upstream}; keepalive 16; }}}}"
        "server {{ listen 127.0.0.1:{port} reuseport; tcp_nopush off; location / {{ proxy_pass http://o; proxy_http_version 1.1;"
        ' proxy_set_header Connection ""; proxy_cache z; proxy_cache_lock on; proxy_cache_lock_timeout 1h; proxy_cache_lock_age 1h;'
        f" proxy_cache_valid 200 206 1h; proxy_buffers 16 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 512k; {slices} }}}} }}}}",
    )


class Varnish(Program):
    def __init__(self, folder, upstream):
        folder.mkdir(parents=True)
        self.port = free_port()
        super().__init__(
            [shutil.which("varnishd"), "-F", "-a", f"127.0.0.1:{self.port}", "-b", f"127.0.0.1:{upstream}",
             "-s", "malloc,3g", "-n", str(folder), "-T", "none", "-p", "feature=+http2"],
            folder, stdout=subprocess.DEVNULL)
        await_listening(self.port, self.process)


class Rclone(Program):
    def __init__(self, folder, upstream):
        folder.mkdir(parents=True)
        self.port = free_port()
        super().__init__(
            [shutil.which("rclone"), "serve", "http", ":http:", "--http-url", f"http://127.0.0.1:{upstream}/", "--addr", f"127.0.0.1:{self.port}",
             "--vfs-cache-mode", "full", "--cache-dir", str(folder / "cache"), "--config", str(folder / "none.conf"), "--no-checksum"],
            folder, stdout=subprocess.DEVNULL)
        await_listening(self.port, self.process)


class Strandline(Program):
    """The server under test; the same folder again: it goes on with what is there."""

    def __init__(self, command, folder, upstream, *options):
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(
            [command, "serve", "--origin", f"http://127.0.0.1:{upstream}/", "--cache", str(folder / "cache"),
             "--listen", "127.0.0.1:0", *options],
            folder, stdout=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            raise RuntimeError("strandline serve does not start: " + (folder / "strandline.log").read_text())
        self.port = int(line.rstrip("/\n").rpartition(":")[2])

    def metrics(self):
        """Those without labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/metrics", timeout=30) as answer:
            text = answer.read().decode()
        return {name: float(value) for name, value in re.findall(r"(?m)^strandline_(\w+) (\S+)$", text)}


class Told(Program):
    """One of ours that listens on a port and does what lines on its stdin say."""

    def __init__(self, arguments, folder):
        super().__init__([str(each) for each in arguments], folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def ask(self, question):
        self.process.stdin.write(question.encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().strip()


class SlowOrigin(Told):
    def __init__(self, program, folder, size, **settings):
        super().__init__([program, size, *(f"{name}={value}" for name, value in settings.items())], folder)

    def sent(self):
        """Bytes of the body, and those of them that were sent more than once."""
        return tuple(int(word) for word in self.ask("sent").split())
