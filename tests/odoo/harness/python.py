"""The Python environment: what Odoo imports and what the tests need, in one folder of the cache.

Its name carries the digest of the list of requirements, so that a changed list makes a new one and an old checkout
keeps its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from .system import HarnessError, cache_dir, lock, run, say

REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"
SUITABLE = ("3.12", "3.13", "3.11")


def environment() -> Path:
    """The interpreter of the environment; makes the environment if it is not there."""
    base, version = _base()
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + version.encode()).hexdigest()[:10]
    folder = cache_dir() / f"python-{version}-{digest}"
    interpreter = folder / "bin/python"
    # A virtual environment holds its own path in its scripts, so it is built in place and marked when complete.
    marker = folder / "complete"
    if not marker.exists():
        with lock(cache_dir() / "python.lock", "the Python environment"):
            if not marker.exists():
                _make(base, folder, interpreter)
                marker.touch()
    return interpreter


def _make(base: str, folder: Path, interpreter: Path) -> None:
    say(f"making the Python environment with {base} (about 450 MB)")
    shutil.rmtree(folder, ignore_errors=True)
    run([base, "-m", "venv", folder], "making a virtual environment (Debian: the package python3-venv)")
    pip = [interpreter, "-m", "pip", "--no-input", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--prefer-binary", "-r", REQUIREMENTS], "installing the Python packages")


def _base() -> tuple[str, str]:
    """The Python to build on: `PYTHON` if it is set, else the first suitable one on the path."""
    chosen = os.environ.get("PYTHON")
    names = [chosen] if chosen else ["/usr/bin/python3", *(f"python{v}" for v in SUITABLE), "python3"]
    for name in names:
        program = shutil.which(name)
        if program:
            version = _version(program)
            if version in SUITABLE:
                return program, version
    tried = ", ".join(names)
    raise HarnessError(f"no Python 3.11 to 3.13 with venv found (tried {tried}); install python3-venv or set PYTHON")


def _version(program: str) -> str:
    probe = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([program, "-c", probe], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
