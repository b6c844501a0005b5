"""Runs the addons' own tests on a fresh database, and reads the log, because the exit code is not enough.

Odoo's exit code is 0 when no test was found, when browser tests were skipped and when the log is full of warnings.
Here all of that is a failure.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from .bases import DEFAULT
from .instance import addons_path, configuration, copy_database, drop_files, run_odoo, tail, template
from .odoo import Odoo
from .postgres import Postgres
from .system import HarnessError, free_port, say, started_at, state_dir, write_whole

LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ \d+ (?P<level>[A-Z]+) (?P<db>\S+) (?P<logger>[\w.]+): (?P<text>.*)")
SUMMARY = re.compile(r"(\d+) failed, (\d+) error\(s\) of (\d+) tests")
NOT_OURS: list[tuple[str, str, str]] = [
    # (logger, beginning of the message as a pattern, why it says nothing about the addon)
]


def run_tests(odoo: Odoo, postgres: Postgres, base: str, wanted: dict, tags: str) -> int:
    """Installs what is wanted on a fresh database and runs the tests of these tags."""
    if not wanted["install"]:
        raise HarnessError("there is nothing to test: name a module with --install")
    _clean(postgres)
    database = f"sicantik_test_{os.getpid()}"
    home = state_dir() / "tests" / str(os.getpid())
    home.mkdir(parents=True, exist_ok=True)
    conf, log = home / "odoo.conf", state_dir() / f"addon-tests-{base}.log"
    log.unlink(missing_ok=True)
    try:
        copy_database(postgres, template(odoo, postgres), database)
        addons = addons_path(odoo, wanted["addons"])
        write_whole(conf, configuration(database, free_port(), addons, postgres))
        say(f"testing {wanted['install']} on {base} (log: {log})")
        tested = ["--test-enable", "--test-tags", tags, "--stop-after-init"]
        if base == DEFAULT:
            # Running the tests in an update tests the update as well.
            run_odoo(odoo, conf, log, ["-i", wanted["install"], "--stop-after-init"])
            arguments = ["-u", wanted["install"], *tested]
        else:
            arguments = ["-i", wanted["install"], *tested]
        code = 0
        try:
            run_odoo(odoo, conf, log, arguments)
        except HarnessError as error:
            found = re.search(r"\(exit (\d+)\)", str(error))
            code = int(found.group(1)) if found else 1
        return report(log, code)
    finally:
        with contextlib.suppress(HarnessError):
            postgres.drop(database)
        drop_files(database)
        shutil.rmtree(home, ignore_errors=True)


def _clean(postgres: Postgres) -> None:
    """Removes the databases of interrupted test runs."""
    for name in postgres.databases():
        pid = name.removeprefix("sicantik_test_")
        if pid != name and pid.isdigit() and not started_at(int(pid)):
            postgres.drop(name)
            drop_files(name)


def report(log: Path, code: int) -> int:
    """Prints what the log shows and returns the exit code: Odoo's own, or 1 where only the log shows a failure."""
    complaints, skipped = [], []
    ran = failed = 0
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        found = LINE.match(line)
        if not found:
            continue
        text = found["text"]
        summary = SUMMARY.match(text)
        if summary:
            # The last summary counts all that came before it.
            ran, failed = int(summary[3]), int(summary[1]) + int(summary[2])
        elif found["level"] in ("WARNING", "ERROR", "CRITICAL") and not _known(found["logger"], text):
            complaints.append(line)
        elif text.startswith("skipped ") and found["logger"].startswith("odoo.addons."):
            skipped.append(text)
    for line in complaints:
        print(f"  {line}")
    for text in skipped:
        print(f"  not run: {text}")
    if code not in (0, 1):
        print(tail(log, 60))
    verdict = _verdict(code, ran, failed, complaints, skipped)
    if verdict:
        print(f"  {verdict}")
    print(f"{ran - failed} passed, {failed} failed")
    return code or (1 if verdict else 0)


def _verdict(code: int, ran: int, failed: int, complaints: list, skipped: list) -> str:
    if ran == 0:
        return "no test ran"
    if failed or code:
        return f"Odoo ended with exit code {code}"
    if skipped:
        return f"{len(skipped)} tests were skipped: is chromium installed?"
    if complaints:
        return f"{len(complaints)} lines of the log are warnings or errors"
    return ""


def _known(logger: str, text: str) -> bool:
    return any(logger == name and re.match(pattern, text) for name, pattern, _ in NOT_OURS)
