"""A PostgreSQL of this checkout alone: its own cluster, reached through a socket in a private folder, no TCP port.

Its data is thrown away without regret, so it does not wait for the disk. Should the machine itself have gone down in
the meantime, the cluster is made anew.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import debian
from .system import HarnessError, checkout_key, is_root, run, say, started_at, state_dir

PORT = 5432  # names the socket file only
ROLE = "odoo"
OLDEST = 13
SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 256MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum_naptime = 30s
log_line_prefix = '%m [%p] %d '
"""


class Postgres:
    def __init__(self) -> None:
        self.user = None if not is_root() else _unprivileged_user()
        # The home of root is closed to everybody else, and the server does not run as root.
        self.home = Path("/var/cache/sicantik-sidecar") / checkout_key() if self.user else state_dir() / "postgres"
        self.data = self.home / "data"
        self.sockets = self._socket_dir()
        self._tools: Path | None = None

    def _socket_dir(self) -> Path:
        wanted = self.home / "socket"
        if len(str(wanted)) < 85:  # the kernel allows 107 characters with the file's name
            return wanted
        return Path(tempfile.gettempdir()) / f"sicantik-{os.geteuid()}-{checkout_key()[-10:]}"

    def tool(self, name: str) -> str:
        if not self._tools:
            self._tools = _find_tools() or _install_tools()
        return str(self._tools / name)

    def environment(self) -> dict[str, str]:
        return {"PGHOST": str(self.sockets), "PGPORT": str(PORT), "PGUSER": ROLE}

    def running(self) -> bool:
        return self._postmaster() != 0

    def _postmaster(self) -> int:
        """The server's process id, 0 when it does not run. An id that was reused does not count."""
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            return 0
        return pid if started_at(pid) and os.fsencode(self.data) in command else 0

    def start(self) -> None:
        if self.running():
            return
        self._discard_if_crashed()
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self._private(self.sockets)
        log = self.home / "postgres.log"
        start = [self.tool("pg_ctl"), "start", "--wait", "--timeout=60", "--silent", "-D", self.data, "-l", log]
        self._run(start, f"starting PostgreSQL (its log: {log})")
        role = self.sql("postgres", f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'", user="postgres")
        if not role:
            self.sql("postgres", f"CREATE ROLE {ROLE} LOGIN CREATEDB", user="postgres")

    def stop(self) -> bool:
        if not self.running():
            return False
        self._run([self.tool("pg_ctl"), "stop", "--silent", "--mode=fast", "-D", self.data], "stopping PostgreSQL")
        return True

    def _create(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._private(self.home)
        part = self.home / "data.part"
        shutil.rmtree(part, ignore_errors=True)
        initdb = [self.tool("initdb"), "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres"]
        self._run([*initdb, "--no-sync", "-D", part], "making a PostgreSQL cluster")
        settings = SETTINGS + f"unix_socket_directories = '{self.sockets}'\nport = {PORT}\n"
        with open(part / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(settings)
        boot = self.home / "boot_id"
        boot.write_text(_boot_id(), encoding="utf-8")
        os.replace(part, self.data)

    def _discard_if_crashed(self) -> None:
        """Without fsync a cluster that was running when the machine went down cannot be trusted."""
        boot = self.home / "boot_id"
        same = boot.exists() and boot.read_text(encoding="utf-8") == _boot_id()
        if (self.data / "postmaster.pid").exists() and not same:
            say("the machine went down while PostgreSQL ran: its cluster is made anew")
            shutil.rmtree(self.data)
        elif self.data.exists() and not same:
            boot.write_text(_boot_id(), encoding="utf-8")

    def _private(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = pwd.getpwnam(self.user).pw_uid if self.user else os.geteuid()
        if folder.is_symlink() or folder.stat().st_uid not in (owner, 0):
            raise HarnessError(f"{folder} belongs to somebody else")
        if self.user:
            shutil.chown(folder, self.user)
        folder.chmod(0o700)

    def _run(self, command: list, what: str) -> None:
        options = {"cwd": self.home if self.home.exists() else "/"}
        if self.user:
            account = pwd.getpwnam(self.user)
            options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [account.pw_gid]}
            options["env"] = {**os.environ, "HOME": account.pw_dir, "USER": self.user}
        # A file, not a pipe: the server inherits it and would keep a pipe open for as long as it runs.
        with tempfile.TemporaryFile("w+") as output:
            try:
                run(command, what, stdout=output, stderr=subprocess.STDOUT, **options)
            except HarnessError as error:
                output.seek(0)
                raise HarnessError(f"{error}\n{output.read().strip()}") from None

    def sql(self, database: str, statement: str, user: str = ROLE) -> str:
        """Runs a statement and gives what it returns, one row a line."""
        psql = [self.tool("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement]
        environment = {**os.environ, **self.environment(), "PGUSER": user}
        return run(psql, "a statement in PostgreSQL", env=environment).stdout.strip()

    def databases(self) -> set[str]:
        return set(self.sql("postgres", "SELECT datname FROM pg_database").splitlines())

    def copy(self, template: str, name: str) -> None:
        self.drop(name)
        strategy = " STRATEGY file_copy" if self._major() >= 15 else ""
        self.sql("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{template}"{strategy}')

    def drop(self, name: str) -> None:
        self.sql("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _major(self) -> int:
        return int((self.data / "PG_VERSION").read_text(encoding="utf-8"))


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def _unprivileged_user() -> str:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise HarnessError("PostgreSQL does not run as root, and there is no user postgres or nobody to run it")


def _find_tools() -> Path | None:
    folders = list(Path("/usr/lib/postgresql").glob("[0-9]*/bin"))
    folders.sort(key=lambda folder: int(folder.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(os.path.realpath(on_path)).parent)
    for folder in folders:
        if all((folder / tool).exists() for tool in ("initdb", "pg_ctl", "postgres", "psql")):
            version = run([folder / "postgres", "--version"], "asking PostgreSQL for its version").stdout
            if int(re.search(r"\d+", version).group()) >= OLDEST:
                return folder
    return None


def _install_tools() -> Path:
    # Debian starts a cluster of its own on installation; ours is apart and shares nothing with it.
    debian.install_system(["postgresql"], "PostgreSQL")
    found = _find_tools()
    if not found:
        raise HarnessError(f"no PostgreSQL {OLDEST} or later found after installing it")
    return found
