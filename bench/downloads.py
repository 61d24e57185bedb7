"""Downloads through `strandline get` beside curl and aria2, from an nginx on loopback, in turn: time, CPU, memory.

Used by `tools/bench download`. Every program writes the same file to the same folder; the copy is compared with what is
served after the clock has stopped. CPU is the user's and the system's of the program alone, as wait4(2) tells it; memory
the most that was resident.
"""
import filecmp
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

MIB = 1 << 20
CONFIG = """
daemon off; master_process on; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port} reuseport; root {folder}/www; {limit} }}
}}
"""


class Server:
    """nginx with one file; `rate` in bytes per second limits each connection."""

    def __init__(self, folder, rate):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = folder / f"nginx-{rate}.conf"
        config.write_text(CONFIG.format(folder=folder, port=self.port, limit=f"limit_rate {rate};" if rate else ""))
        self.process = subprocess.Popen(["nginx", "-c", str(config), "-e", str(folder / "error.log")])
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise RuntimeError("nginx does not start: " + (folder / "error.log").read_text())

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def stop(self):
        self.process.terminate()
        self.process.wait()


def run(command, folder):
    """Seconds, CPU seconds and bytes of memory."""
    began = time.monotonic()
    child = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, str(folder / "stderr"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)],
    )
    _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - began
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {status}: {(folder / 'stderr').read_text()}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def programs(strandline, url, target):
    aria2 = [shutil.which("aria2c"), "-q", "--allow-overwrite=true", "--file-allocation=none", "-k1M"]
    folder, name = os.path.split(target)
    return {
        "curl": [shutil.which("curl"), "-sS", "-f", "-o", target, url],
        "aria2 -x1": aria2 + ["-x1", "-s1", "-d", folder, "-o", name, url],
        "aria2 -x16": aria2 + ["-x16", "-s16", "-d", folder, "-o", name, url],
        "strandline get": [strandline, "get", "-q", "--force", "-o", target, url],
    }


def measure(strandline, size, rates, runs, progress):
    """{rate: {program: [(seconds, CPU seconds, bytes), ...]}}"""
    results = {}
    with tempfile.TemporaryDirectory(prefix="strandline-bench-") as scratch:
        folder = pathlib.Path(scratch)
        (folder / "www").mkdir()
        folder.chmod(0o755)
        served = folder / "www" / "file"
        with open(served, "wb") as file:
            for _ in range(0, size, MIB):
                file.write(os.urandom(MIB))
        for rate in rates:
            server = Server(folder, rate)
            rows = results[rate] = {}
            try:
                for turn in range(runs):
                    for name, command in programs(strandline, server.url("file"), str(folder / "copy")).items():
                        progress(f"  {rate or 'unlimited'}: {name}, {turn + 1} of {runs}")
                        copy = folder / "copy"
                        copy.unlink(missing_ok=True)
                        rows.setdefault(name, []).append(run(command, folder))
                        if not filecmp.cmp(served, copy, shallow=False):
                            raise RuntimeError(f"{name}: not what was served")
            finally:
                server.stop()
    return results


def table(results, size):
    lines = [
        "| Origin | Program | Time | CPU per GiB | Memory | Time / best of the others | CPU / curl | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rate, rows in results.items():
        times = {name: [row[0] for row in measured] for name, measured in rows.items()}
        cpus = {name: [row[1] for row in measured] for name, measured in rows.items()}
        for name, measured in rows.items():
            turns = range(len(measured))
            best = [min(times[other][turn] for other in rows if other != "strandline get") for turn in turns]
            ratios = [times[name][turn] / best[turn] for turn in turns]
            cpu_ratios = [cpus[name][turn] / cpus["curl"][turn] for turn in turns]
            ours = name == "strandline get"
            met = statistics.median(ratios) <= 1.02 and statistics.median(cpu_ratios) <= 1.25
            lines.append(
                f"| {f'{rate / 1e6:.0f} MB/s a connection' if rate else 'unlimited'} | {name} "
                f"| {statistics.median(times[name]):.2f} s | {statistics.median(cpus[name]) * 2**30 / size:.2f} s "
                f"| {max(row[2] for row in measured) / MIB:.0f} MiB | {', '.join(f'{r:.2f}' for r in ratios)} "
                f"| {', '.join(f'{r:.2f}' for r in cpu_ratios)} | {('met' if met else '**missed**') if ours else ''} |"
            )
    return "\n".join(lines)
