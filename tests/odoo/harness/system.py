"""Folders, locks, processes and messages: what all the other parts use.

Downloads are shared by all checkouts of a user and live in the cache folder. Databases, logs and settings belong to
one checkout, so that two clones can run side by side; they live in a folder of their own, never in the source tree.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


class HarnessError(Exception):
    """An error to show to the person at the terminal, without a traceback."""


def say(text: str) -> None:
    """Prints a message to stderr; stdout is for the settings that scripts read."""
    print(f"server: {text}", file=sys.stderr, flush=True)


def is_root() -> bool:
    return os.geteuid() == 0


def cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or ""
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    path = root / "sicantik-sidecar"
    path.mkdir(parents=True, exist_ok=True)
    return path


def checkout_key() -> str:
    digest = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:10]
    return f"{CHECKOUT.name}-{digest}"


def state_dir() -> Path:
    path = cache_dir() / "checkouts" / checkout_key()
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def lock(path: Path, what: str):
    """Holds a lock file; it is released by the kernel if this process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another command that works on {what}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def built_aside(target: Path):
    """A folder to fill: it becomes `target` atomically, or is removed on failure."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob(f".{target.name}.part-*"):
        shutil.rmtree(stale, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.part-", dir=target.parent))
    try:
        part.chmod(0o755)
        yield part
        os.replace(part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Writes a file atomically."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(part, path)


def run(command: list, what: str, **options) -> subprocess.CompletedProcess:
    """Runs a command without a terminal; its output is shown only if it fails."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.STDOUT)
    try:
        done = subprocess.run([str(part) for part in command], text=True, check=False, **options)
    except FileNotFoundError as error:
        raise HarnessError(f"{what}: there is no program {error.filename!r}") from error
    if done.returncode:
        tail = "\n".join((done.stdout or "").splitlines()[-30:])
        raise HarnessError(f"{what} failed (exit {done.returncode})\n{tail}".rstrip())
    return done


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def started_at(pid: int) -> str:
    """When a process started, with the boot id: tells it from a later process of the same id. Empty when it has
    ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else f"{boot}/{fields[19]}"


def stop_process(pid: int, begun: str, grace: float = 15.0) -> bool:
    """Ends a process that we started, unless its id was reused. True if it was running."""
    if not begun or started_at(pid) != begun:
        return False
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if started_at(pid) != begun:
                return True
            time.sleep(0.05)
    raise HarnessError(f"process {pid} does not end")
