"""Debian packages: those the machine lacks, and those that are only unpacked into the cache.

Odoo 19 is in Debian's suite `sid` alone. It is fetched from the machine's own Debian mirror, with its keys, proxy and
credentials as apt knows them, by an apt that keeps its lists to itself: the system's sources are never changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .system import HarnessError, is_root, run, say

SUITE = "sid"
DEBIAN_SUITES = {"bullseye", "bookworm", "trixie", "forky", "duke", "oldstable", "stable", "testing", "unstable", "sid"}


def install_system(packages: list[str], reason: str) -> None:
    """Installs packages on the machine, as root or with sudo; says what to do where neither is possible."""
    prefix = [] if is_root() else ["sudo", "-n"]
    can = is_root() or (shutil.which("sudo") and _quiet(["sudo", "-n", "true"]))
    if not shutil.which("apt-get") or not can:
        names = " ".join(packages)
        raise HarnessError(f"{reason} needs Debian packages that are not installed. Install them: apt-get install {names}")
    say(f"installing {' '.join(packages)} ({reason})")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    if not _quiet(install):
        run([*apt, "update"], "apt-get update")
        run(install, "apt-get install")


def _quiet(command: list[str]) -> bool:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0


def sid_sources(parts: list[tuple[str, str]]) -> list[str]:
    """The machine's Debian archives, each as a source of the suite `sid`, without repetition.

    `parts` are (file name, text) of its source files, in either of apt's two formats.
    """
    found: list[str] = []
    for name, text in parts:
        for source in _from_deb822(text) if name.endswith(".sources") else _from_lines(text):
            if source not in found:
                found.append(source)
    return found


def _from_deb822(text: str):
    stanza: dict[str, str] = {}
    key = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and key and line.strip():
            stanza[key] += "\n" + line
        elif ":" in line:
            key, _, value = line.partition(":")
            key = key.strip().lower()
            stanza[key] = value.strip()
        elif not line.strip() and stanza:
            if _is_debian(stanza.get("types", ""), stanza.get("suites", "")) and stanza.get("enabled", "yes") != "no":
                kept = {k: v for k, v in stanza.items() if k not in ("types", "suites", "components", "enabled")}
                kept.pop("architectures", None)
                lines = ["Types: deb", f"Suites: {SUITE}", "Components: main"]
                yield "\n".join([*lines, *(f"{k.title()}: {v}" for k, v in kept.items())]) + "\n"
            stanza, key = {}, ""


def _from_lines(text: str):
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        options = ""
        if "[" in line and "]" in line:
            options = line[line.index("[") : line.index("]") + 1]
            line = line.replace(options, " ")
        fields = line.split()
        if len(fields) >= 4 and _is_debian(fields[0], fields[2]):
            yield f"deb {options} {fields[1]} {SUITE} main\n".replace("  ", " ")


def _is_debian(types: str, suites: str) -> bool:
    return "deb" in types.split() and bool(DEBIAN_SUITES.intersection(suites.split()))


def _machine_sources() -> list[tuple[str, str]]:
    keys = ["MAIN", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"]
    lines = run(["apt-config", "shell", *keys], "reading apt's configuration").stdout.splitlines()
    where = {key: value.strip("'") for key, _, value in (line.partition("=") for line in lines)}
    files = [Path(where.get("MAIN", "/etc/apt/sources.list"))]
    parts = Path(where.get("PARTS", "/etc/apt/sources.list.d/"))
    files += sorted(p for pattern in ("*.list", "*.sources") for p in parts.glob(pattern))
    return [(f.name, f.read_text(encoding="utf-8")) for f in files if f.is_file() and os.access(f, os.R_OK)]


def download(packages: list[str], folder: Path) -> list[Path]:
    """Fetches packages of the suite `sid`, checked by apt against the archive's signature, into `folder`."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise HarnessError("Odoo comes as a Debian package and this machine has no apt: set ODOO_BIN to an Odoo's odoo-bin")
    sources = sid_sources(_machine_sources())
    if not sources:
        raise HarnessError("apt knows no Debian archive on this machine: set ODOO_BIN to an Odoo's odoo-bin")
    failures = []
    for source in sources:
        try:
            return _download_from(source, packages, folder)
        except HarnessError as error:
            failures.append(str(error))
    raise HarnessError("\n".join(failures))


def _download_from(source: str, packages: list[str], folder: Path) -> list[Path]:
    private = folder / "apt"
    shutil.rmtree(private, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial", "empty"):
        (private / part).mkdir(parents=True)
    listing = private / ("sid.sources" if source.startswith("Types:") else "sid.list")
    listing.write_text(source, encoding="utf-8")
    settings = {
        "Dir::Etc::SourceList": listing,
        "Dir::Etc::SourceParts": private / "empty",
        "Dir::State::Lists": private / "lists",
        "Dir::Cache": private / "cache",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
        "Acquire::Retries": "3",
    }
    if is_root():
        settings["APT::Sandbox::User"] = "root"  # the folder is not open to apt's own user
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    run(["apt-get", "-q", *options, "update", "--error-on=any"], f"reading the package list of {SUITE}")
    before = set(folder.glob("*.deb"))
    run(["apt-get", "-q", *options, "download", *packages], f"downloading {packages[0]}", cwd=folder)
    shutil.rmtree(private, ignore_errors=True)
    return sorted(set(folder.glob("*.deb")) - before)
