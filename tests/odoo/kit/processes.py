"""Runs the program under test: the simulator in the background, commands to their end."""

import json
import os
import re
import select
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[3]
SIDECAR = os.environ.get("SIDECAR_BIN", str(ROOT / "target/release/sicantik-sidecar"))
# The sidecar's settings: set by a test, never inherited from the shell.
OURS = re.compile(r"^(ODOO_|SICANTIK_|SIDECAR_)")


def environment(settings=None, **more):
    """This process's environment, with the sidecar's settings replaced by those given."""
    clean = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    wanted = ("ODOO_URL", "ODOO_DB", "ODOO_LOGIN", "ODOO_API_KEY")
    return clean | {name: value for name, value in (settings or {}).items() if name in wanted} | more


class Simulator:
    """`sicantik-sidecar simulate` on a free port."""

    def __init__(self, *flags):
        self.process = subprocess.Popen(
            [SIDECAR, "simulate", "--listen", "127.0.0.1:0", *map(str, flags)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment())
        ready, _, _ = select.select([self.process.stdout], [], [], 10)
        self.api_url = self.process.stdout.readline().strip() if ready else ""
        if not self.api_url.startswith("http"):
            self.process.kill()
            raise RuntimeError("the simulator did not start")
        self.control = self.api_url.removesuffix("/backoffice/api") + "/_simulator"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def get(self, path):
        return requests.get(f"{self.control}/{path}", timeout=60).json()

    def post(self, path):
        answer = requests.post(f"{self.control}/{path}", timeout=60)
        answer.raise_for_status()
        return answer.json()

    def truth(self):
        """What is true about each permit."""
        answer = requests.get(f"{self.control}/truth?format=ndjson", timeout=60)
        return [json.loads(line) for line in answer.text.splitlines()]

    def traffic(self):
        """The summary of its log of requests."""
        return self.get("log/summary")


class MemoryWatch(threading.Thread):
    """The peak memory of a process, polled until it ends.

    Not `ru_maxrss`, which a child inherits from whoever forked it.
    """

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{pid}/status")
        self.peak_mib = 0.0
        self.start()

    def run(self):
        while True:
            try:
                lines = self.status.read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                return
            peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
            if not peaks:
                return
            self.peak_mib = max(self.peak_mib, peaks[0] / 1024)
            time.sleep(0.02)


@dataclass
class Result:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    peak_mib: float
    json: dict = field(default_factory=dict)


def start(*args, settings=None, **env):
    """Starts the sidecar and does not wait for it."""
    return subprocess.Popen([SIDECAR, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=environment(settings, **env))


def run(*args, settings=None, timeout=300, **env):
    """Runs the sidecar to its end."""
    began = time.monotonic()
    process = start(*args, settings=settings, **env)
    watch = MemoryWatch(process.pid)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        raise
    seconds = time.monotonic() - began
    result = Result(process.returncode, stdout, stderr, seconds, watch.peak_mib)
    if "--json" in args:
        result.json = json.loads(stdout.splitlines()[-1])
    return result
