"""A database that only Odoo's command line works on: to install one module, and another one over it."""

import os
import shutil
import subprocess
import time

from harness import odoo as programs
from harness.instance import (
    addons_path,
    configuration,
    copy_database,
    drop_files,
    template,
)
from harness.postgres import Postgres
from harness.system import free_port, state_dir, write_whole


class Offline:
    """One database, and an Odoo for each command. All commands together have `patience` seconds."""

    def __init__(self, name, patience=90):
        self.database = f"sicantik_{name}_{os.getpid()}"
        self.home = state_dir() / "tests" / self.database
        self.log = self.home / "odoo.log"
        self.deadline = time.monotonic() + patience
        self.program, self.postgres = programs.find(), Postgres()
        self.settings = {**self.postgres.environment(), "ODOO_DB": self.database}

    def create(self, source=None):
        """Makes the database, as a copy of another one or with Odoo's own modules only."""
        self.home.mkdir(parents=True, exist_ok=True)
        copy_database(self.postgres, source or template(self.program, self.postgres), self.database)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.postgres.drop(self.database)
        drop_files(self.database)
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, addons, *arguments, script=None):
        """Runs Odoo with these addons to its end, or its shell with a script; gives the log and what was printed."""
        conf = self.home / "odoo.conf"
        paths = addons_path(self.program, str(addons))
        write_whole(conf, configuration(self.database, free_port(), paths, self.postgres))
        self.log.unlink(missing_ok=True)
        command = [*self.program.command, *(["shell"] if script else []), "-c", conf, "--no-http",
                   "--logfile", self.log, *arguments]
        done = subprocess.run(
            list(map(str, command)), input=script or "", capture_output=True, text=True, check=False, cwd=self.home,
            env=self.program.run_environment(), timeout=max(1, self.deadline - time.monotonic()))
        log = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        assert done.returncode == 0, f"exit {done.returncode}\n{log[-3000:]}\n{done.stderr[-3000:]}"
        return log, done.stdout
