"""The Odoo program: unpacked from Debian's package, or one that is there already (`ODOO_BIN`).

Debian takes out files that it ships elsewhere or not at all. Without them the web client's assets do not compile and
its pages have no icons. The packages that hold them are unpacked over it; one file that exists nowhere is left empty;
and the icons, of which `sid` has only a later edition with other file names, come from their package on PyPI.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from . import debian, python
from .system import HarnessError, built_aside, cache_dir, lock, run, say

PACKAGE = "odoo-19"
COMPLETED_BY = [
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
    "fonts-montserrat",
    "fonts-roboto-unhinted",
]
ICONS = "XStatic-Font-Awesome==4.7.0.0"
ICON_FOLDERS = ["odoo/addons/web/static/src/libs/fontawesome/fonts", "odoo/addons/web/static/lib/fontawesome/fonts"]
# Increased when the unpacked content changes, so that an older cache does not count as complete.
RECIPE = 2
EMPTY_FILES = ["odoo/addons/mail/static/lib/selfie_segmentation/selfie_segmentation.js"]


@dataclass(frozen=True)
class Odoo:
    """How to run Odoo: command, environment and version."""

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
    home = _unpacked(interpreter)
    library = home / "usr/lib/python3/dist-packages"
    command = [str(interpreter), str(home / "usr/bin/odoo")]
    return Odoo(command, {"PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": ""}, home.name.rpartition("_")[0])


def _given(program: Path) -> Odoo:
    if not program.is_file():
        raise HarnessError(f"ODOO_BIN names {program}, which is not a file")
    command = [str(program.resolve())] if os.access(program, os.X_OK) else ["python3", str(program.resolve())]
    answer = run([*command, "--version"], "asking ODOO_BIN for its version").stdout
    found = re.search(r"(\d+\.\d+\S*)", answer)
    if not found:
        raise HarnessError(f"ODOO_BIN does not say its version: {answer.strip()[:200]}")
    return Odoo(command, {}, found.group(1))


def _unpacked(interpreter: Path) -> Path:
    folder = cache_dir() / PACKAGE
    if not _complete(folder):
        with lock(cache_dir() / "odoo.lock", "the Odoo package"):
            if not _complete(folder):
                _fetch(folder, interpreter)
    return _complete(folder)[-1]


def _complete(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob(f"[0-9]*_{RECIPE}") if p.is_dir()), key=lambda p: p.stat().st_mtime)


def _fetch(folder: Path, interpreter: Path) -> None:
    say(f"downloading {PACKAGE} from Debian {debian.SUITE} (about 130 MB)")
    download = folder / "download"
    shutil.rmtree(download, ignore_errors=True)
    with built_aside(download) as part:
        debian.download([PACKAGE, *COMPLETED_BY], part)
        pip = [interpreter, "-m", "pip", "--no-input", "--disable-pip-version-check", "download", "--quiet"]
        run([*pip, "--no-deps", "--only-binary=:all:", "-d", part, ICONS], "downloading the icons")
    debs = sorted(download.glob("*.deb"), key=lambda deb: not deb.name.startswith(PACKAGE))
    version = re.sub(r"[^A-Za-z0-9.+~-]", "-", debs[0].name.split("_")[1])
    say(f"unpacking {PACKAGE} {version}")
    with built_aside(folder / f"{version}_{RECIPE}") as home:
        for deb in debs:
            run(["dpkg-deb", "-x", deb, home], f"unpacking {deb.name}")
        library = home / "usr/lib/python3/dist-packages"
        for name in EMPTY_FILES:
            (library / name).parent.mkdir(parents=True, exist_ok=True)
            (library / name).touch()
        for wheel in download.glob("*.whl"):
            _unpack_icons(wheel, library)
    shutil.rmtree(download, ignore_errors=True)


def _unpack_icons(wheel: Path, library: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if "/fonts/" in member:
                for folder in ICON_FOLDERS:
                    path = library / folder / Path(member).name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.unlink(missing_ok=True)  # a link to nowhere
                    path.write_bytes(archive.read(member))
