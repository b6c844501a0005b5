"""The Odoo servers that `tests/odoo/server` starts, by name."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[1] / "server"


def _settings(printed):
    return dict(shlex.split(line)[0].split("=", 1) for line in printed.splitlines() if "=" in line)


def _command(*words, script=None, timeout=300):
    done = subprocess.run([sys.executable, PROGRAM, *words], input=script, capture_output=True,
                          text=True, timeout=timeout, check=False)
    if done.returncode:
        raise RuntimeError(f"tests/odoo/server {' '.join(words)}: {done.stderr[-3000:]}")
    return done.stdout


def up(name="main", *flags):
    """Starts the server and gives its settings."""
    return _settings(_command("up", "--name", name, *map(str, flags)))


def env(name="main"):
    """The settings of a running server; its process id changes with each start."""
    return _settings(_command("env", "--name", name))


def down(name):
    """Stops the server."""
    _command("down", "--name", name)


def shell(script, name="main"):
    """Runs a script in Odoo's shell and returns its output."""
    return _command("shell", "--name", name, script=script)


def kill(settings):
    """Kills the server of these settings, as the kernel does when memory is short."""
    pid = int(settings["ODOO_PID"])
    if b"odoo" not in Path(f"/proc/{pid}/cmdline").read_bytes():
        raise RuntimeError(f"process {pid} is not the Odoo of {settings['ODOO_DB']}")
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _alive(pid):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Odoo, process {pid}, does not end")
        time.sleep(0.02)


def _alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
