"""One Odoo with its database: created from a template, started, stopped, reset.

An instance is a folder with its settings, configuration and log; its databases are in the cluster of the checkout.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from . import odoo as programs
from .postgres import Postgres
from .system import (
    HarnessError,
    free_port,
    lock,
    port_is_free,
    run,
    say,
    started_at,
    state_dir,
    stop_process,
    write_whole,
)

BASE_MODULES = "base,web,mail"
PROVISION = Path(__file__).resolve().parent / "provision.py"
SKIPPED_FOLDERS = {"__pycache__", ".git"}


def data_dir() -> Path:
    return state_dir() / "data"


def instances() -> list[Instance]:
    return [Instance(p.parent.name) for p in sorted((state_dir() / "instances").glob("*/instance.json"))]


class Instance:
    def __init__(self, name: str) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
            raise HarnessError(f"{name!r} is no name for a server: small letters, digits and _ only")
        self.name = name
        self.home = state_dir() / "instances" / name
        self.file = self.home / "instance.json"
        self.log = self.home / "odoo.log"
        self.database = f"sicantik_{name}"
        self.known: dict = {}
        if self.file.exists():
            self.known = json.loads(self.file.read_text(encoding="utf-8"))

    def remember(self, **values) -> None:
        self.known.update(values)
        self.home.mkdir(parents=True, exist_ok=True)
        write_whole(self.file, json.dumps(self.known, indent=1) + "\n")

    def running(self) -> bool:
        return bool(self.known.get("begun")) and started_at(self.known["pid"]) == self.known["begun"]

    def settings(self, postgres: Postgres) -> dict[str, str]:
        """The settings for the tests and the sidecar, as environment variables."""
        return {
            "ODOO_URL": f"http://127.0.0.1:{self.known['port']}",
            "ODOO_DB": self.database,
            "ODOO_LOGIN": self.known["login"],
            "ODOO_API_KEY": self.known["key"],
            "ODOO_ADMIN_LOGIN": self.known["admin_login"],
            "ODOO_ADMIN_PASSWORD": self.known["admin_password"],
            "ODOO_SERIES": re.match(r"\d+", self.known["odoo"][-1]).group(),
            "ODOO_PID": str(self.known.get("pid") or ""),
            "ODOO_LOG": str(self.log),
            **postgres.environment(),
        }

    def configure(self, odoo: programs.Odoo, postgres: Postgres) -> None:
        port = self.known.get("port")
        if not port or not port_is_free(port):
            self.remember(port=free_port())
        addons = addons_path(odoo, self.known.get("addons"))
        write_whole(self.home / "odoo.conf", configuration(self.database, self.known["port"], addons, postgres))

    def create(self, odoo: programs.Odoo, postgres: Postgres) -> None:
        """A fresh database from the template, with the modules, the technical user and a new key."""
        copy_database(postgres, template(odoo, postgres), self.database)
        self.provision(odoo)

    def provision(self, odoo: programs.Odoo, upgrade: bool = False) -> None:
        modules = self.known["install"]
        if upgrade and modules:
            say(f"upgrading {modules}")
            run_odoo(odoo, self.home / "odoo.conf", self.home / "setup.log", ["-u", modules, "--stop-after-init"])
        asked = json.dumps({"modules": modules.split(",") if modules else []})
        script = PROVISION.read_text(encoding="utf-8").replace('"@ASKED@"', repr(asked))
        answer = run_odoo(odoo, self.home / "odoo.conf", self.home / "setup.log", [], "shell", script)
        lines = [line for line in answer.splitlines() if line.startswith("PROVISIONED ")]
        if not lines:
            raise HarnessError(f"the database could not be set up; see {self.home / 'setup.log'}\n{answer[-3000:]}")
        self.remember(**json.loads(lines[-1].partition(" ")[2]), fingerprint=self.fingerprint())

    def fingerprint(self) -> str:
        """A digest of the installed modules' files, to notice that a database is out of date."""
        digest = hashlib.sha256()
        modules = [module for module in (self.known.get("install") or "").split(",") if module]
        roots = [Path(root) for root in (self.known.get("addons") or "").split(",") if root]
        for module, root in itertools.product(modules, roots):
            for folder, folders, files in os.walk(root / module):
                folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
                for name in sorted(files):
                    path = Path(folder) / name
                    digest.update(f"{path}\0".encode() + path.read_bytes())
        return digest.hexdigest()

    def start(self, odoo: programs.Odoo) -> None:
        log = open(self.home / "odoo.out", "ab")  # noqa: SIM115
        command = [*odoo.command, "-c", str(self.home / "odoo.conf"), "--logfile", str(self.log)]
        with log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=odoo.run_environment(),
                cwd=self.home,
                start_new_session=True,
            )
        self.remember(pid=process.pid, begun=started_at(process.pid))
        deadline = time.monotonic() + 120
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise HarnessError(f"Odoo did not start\n{tail(self.log)}\n{tail(self.home / 'odoo.out')}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        url = f"http://127.0.0.1:{self.known['port']}/web/login"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with contextlib.suppress(OSError, urllib.error.URLError):
            with opener.open(url, timeout=30) as answer:
                return answer.status == 200
        return False

    def stop(self) -> bool:
        ended = stop_process(self.known.get("pid") or 0, self.known.get("begun") or "")
        if self.known:
            self.remember(pid=0, begun="")
        return ended


def addons_path(odoo: programs.Odoo, own: str | None) -> str:
    folders = [Path(folder) for folder in own.split(",")] if own else []
    beside = Path(odoo.command[-1]).parent / "addons"  # a source checkout of Odoo
    if beside.is_dir():
        folders.insert(0, beside)
    return ",".join(str(folder) for folder in folders)


def configuration(database: str, port: int, addons: str, postgres: Postgres) -> str:
    where = postgres.environment()
    values = {
        "db_host": where["PGHOST"],
        "db_port": where["PGPORT"],
        "db_user": where["PGUSER"],
        "db_name": database,
        "dbfilter": f"^{database}$",
        "data_dir": data_dir(),
        "http_interface": "127.0.0.1",
        "http_port": port,
        "workers": 0,
        "max_cron_threads": 1,
    }
    if addons:
        values["addons_path"] = addons
    return "[options]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def run_odoo(odoo, conf: Path, log: Path, arguments: list[str], subcommand: str = "", script: str = "") -> str:
    """Runs Odoo to its end without HTTP; the log goes to a file, the output is returned."""
    command = [*odoo.command, *([subcommand] if subcommand else []), "-c", str(conf), "--no-http"]
    options = {"input": script, "stdin": None} if script else {}
    environment = odoo.run_environment()
    try:
        done = run([*command, "--logfile", log, *arguments], "Odoo", env=environment, cwd=conf.parent, **options)
    except HarnessError as error:
        raise HarnessError(f"{error}\n{tail(log)}") from None
    return done.stdout


def tail(path: Path, lines: int = 25) -> str:
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(text.splitlines()[-lines:])


def template(odoo: programs.Odoo, postgres: Postgres) -> str:
    """The name of the database that new ones are copied from; created on first use."""
    version = re.sub(r"[^a-z0-9]+", "_", odoo.version.lower()).strip("_")
    name = f"template_{version}_{BASE_MODULES.replace(',', '_')}"
    with lock(state_dir() / "template.lock", "the template database"):
        if name not in postgres.databases():
            say(f"making the template database ({BASE_MODULES})")
            building = f"building_{name}"
            postgres.drop(building)
            drop_files(building)
            conf = state_dir() / "template.conf"
            write_whole(conf, configuration(building, free_port(), addons_path(odoo, None), postgres))
            without_demo = "True" if odoo.series >= 19 else "all"
            arguments = ["-i", BASE_MODULES, f"--without-demo={without_demo}", "--stop-after-init"]
            run_odoo(odoo, conf, state_dir() / "template.log", arguments)
            drop_files(name)
            if files_of(building).exists():
                files_of(building).rename(files_of(name))
            postgres.sql("postgres", f'ALTER DATABASE "{building}" RENAME TO "{name}"')
    return name


def files_of(database: str) -> Path:
    return data_dir() / "filestore" / database


def drop_files(database: str) -> None:
    shutil.rmtree(files_of(database), ignore_errors=True)


def copy_database(postgres: Postgres, source: str, name: str) -> None:
    """A database and its attachments, which are named by their content and never changed: links will do."""
    drop_files(name)
    if files_of(source).exists():
        shutil.copytree(files_of(source), files_of(name), copy_function=os.link)
    postgres.copy(source, name)
