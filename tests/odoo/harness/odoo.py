"""The Odoo program: unpacked from Debian's package, or one that is there already (`ODOO_BIN`).

Debian takes out files that it ships elsewhere or not at all. Without them the web client has no icons and its assets
do not compile, so the packages that hold them are unpacked over it, and the one file that exists nowhere is empty.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import debian, python
from .system import Trouble, built_aside, cache_dir, lock, run, say

PACKAGE = "odoo-19"
COMPLETED_BY = [
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
    "fonts-font-awesome",
    "fonts-inconsolata",
    "fonts-montserrat",
    "fonts-ocr-b",
    "fonts-roboto-unhinted",
]
EMPTY_FILES = ["odoo/addons/mail/static/lib/selfie_segmentation/selfie_segmentation.js"]


@dataclass(frozen=True)
class Odoo:
    """How to call Odoo: its command, the variables it needs, its version and its own addons."""

    command: list[str]
    environment: dict[str, str]
    version: str

    @property
    def series(self) -> int:
        return int(re.match(r"\d+", self.version).group())

    def run_environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}


def find() -> Odoo:
    """The Odoo to use; fetches and unpacks it the first time."""
    given = os.environ.get("ODOO_BIN")
    if given:
        return _given(Path(given))
    interpreter = python.environment()
    home = _unpacked()
    library = home / "usr/lib/python3/dist-packages"
    command = [str(interpreter), str(home / "usr/bin/odoo")]
    return Odoo(command, {"PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": ""}, home.name)


def _given(program: Path) -> Odoo:
    if not program.is_file():
        raise Trouble(f"ODOO_BIN names {program}, which is not a file")
    command = [str(program.resolve())] if os.access(program, os.X_OK) else ["python3", str(program.resolve())]
    answer = run([*command, "--version"], "asking ODOO_BIN for its version").stdout
    found = re.search(r"(\d+\.\d+\S*)", answer)
    if not found:
        raise Trouble(f"ODOO_BIN does not say its version: {answer.strip()[:200]}")
    return Odoo(command, {}, found.group(1))


def _unpacked() -> Path:
    folder = cache_dir() / PACKAGE
    if not _complete(folder):
        with lock(cache_dir() / "odoo.lock", "the Odoo package"):
            if not _complete(folder):
                _fetch(folder)
    return _complete(folder)[-1]


def _complete(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("[0-9]*") if p.is_dir()), key=lambda p: p.stat().st_mtime)


def _fetch(folder: Path) -> None:
    say(f"downloading {PACKAGE} from Debian {debian.SUITE} (about 130 MB)")
    with built_aside(folder / "download") as part:
        debs = debian.download([PACKAGE, *COMPLETED_BY], part)
    debs = sorted((folder / "download").glob("*.deb"), key=lambda deb: not deb.name.startswith(PACKAGE))
    version = debs[0].name.split("_")[1].replace("%3a", "-")
    say(f"unpacking {PACKAGE} {version}")
    with built_aside(folder / version) as home:
        for deb in debs:
            run(["dpkg-deb", "-x", deb, home], f"unpacking {deb.name}")
        for name in EMPTY_FILES:
            path = home / "usr/lib/python3/dist-packages" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    shutil.rmtree(folder / "download", ignore_errors=True)
