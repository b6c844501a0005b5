"""The command line of `tests/odoo/server`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from . import addon_tests, bases, odoo, python
from .instance import Instance, instances, run_odoo
from .postgres import Postgres
from .system import HarnessError, lock, say, state_dir


def main() -> int:
    words, rest = _split(sys.argv[1:])
    arguments = _parser().parse_args(words)
    arguments.rest = rest
    try:
        return arguments.do(arguments) or 0
    except HarnessError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Arguments after `python` go to the interpreter, except for a leading `--name NAME`."""
    if words[:1] != ["python"]:
        return words, []
    end = 3 if words[1:2] == ["--name"] else 1
    return words[:end], words[end:]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests/odoo/server", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do, text: str, named: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(do=do)
        if named:
            made.add_argument("--name", default="main", help="which server; several run side by side")
        return made

    def modules(made: argparse.ArgumentParser) -> None:
        made.add_argument("--addons", metavar="DIR[,DIR]", help="addons path instead of a base's")
        made.add_argument("--install", metavar="MODULE[,MODULE]", help="what to install instead of a base's modules")

    up = command("up", _up, "start, installing what is missing, and print the settings as KEY=value lines")
    modules(up)
    up.add_argument("--base", choices=bases.BASES, default=bases.DEFAULT, help="what the bridge stands on")
    up.add_argument("--without-bridge", action="store_true", help="the base alone")
    up.add_argument("--fresh", action="store_true", help="with a fresh database")
    command("env", _env, "print the settings of a running server")
    command("reset", _reset, "a fresh database; address and users stay, the key is new")
    down = command("down", _down, "stop")
    down.add_argument("--all", action="store_true", help="all servers of this checkout, and its PostgreSQL")
    command("logs", _logs, "print the path of Odoo's log, and its end")
    command("shell", _shell, "run a Python script from standard input in Odoo's shell (variable: env)")
    test = command("test", _test, "run the addons' own tests on a fresh database", named=False)
    modules(test)
    test.add_argument("--base", choices=[*bases.BASES, "all"], default=bases.DEFAULT,
                      help="what the bridge is tested on; all: " + ", ".join(bases.TESTED))
    command("python", _python, "run the Python environment's interpreter: python [--name NAME] ARGUMENT...")
    return parser


def _locked():
    return lock(state_dir() / "server.lock", "this checkout's servers")


def _wanted(arguments, base: str) -> dict:
    """What to install and from where: a base's modules, unless `--addons` or `--install` say otherwise."""
    wanted = bases.wanted(base, bridge=not getattr(arguments, "without_bridge", False))
    if arguments.addons:
        folders = [Path(folder).resolve() for folder in arguments.addons.split(",")]
        for folder in folders:
            if not folder.is_dir():
                raise HarnessError(f"{folder} is not a folder of addons")
        wanted["addons"] = ",".join(map(str, folders))
    if arguments.install is not None:
        wanted["install"] = arguments.install
    return wanted


def _up(arguments) -> None:
    wanted = _wanted(arguments, arguments.base)
    with _locked():
        program, postgres = odoo.find(), Postgres()
        postgres.start()
        instance = Instance(arguments.name)
        current = (
            not arguments.fresh
            and all(instance.known.get(key) == value for key, value in wanted.items())
            and instance.known.get("odoo") == program.command + [program.version]
            and instance.known.get("key")
            and instance.database in postgres.databases()
        )
        if current and instance.running() and instance.fingerprint() == instance.known.get("fingerprint"):
            return _print(instance, postgres)
        instance.stop()
        if current:
            instance.configure(program, postgres)
            if instance.fingerprint() != instance.known.get("fingerprint"):
                instance.provision(program, upgrade=True)
        else:
            _make(instance, program, postgres, wanted)
        instance.start(program)
        return _print(instance, postgres)


def _make(instance: Instance, program: odoo.Odoo, postgres: Postgres, wanted: dict) -> None:
    # Without a key the instance counts as incomplete, should this be interrupted.
    instance.remember(**wanted, odoo=program.command + [program.version], key="")
    instance.configure(program, postgres)
    instance.create(program, postgres)


def _reset(arguments) -> None:
    with _locked():
        program, postgres = odoo.find(), Postgres()
        instance = _known(arguments.name)
        postgres.start()
        instance.stop()
        _make(instance, program, postgres, {})
        instance.start(program)
        _print(instance, postgres)


def _known(name: str) -> Instance:
    instance = Instance(name)
    if "install" not in instance.known:
        raise HarnessError(f"there is no server {name!r}; start it with: tests/odoo/server up")
    return instance


def _running(name: str) -> Instance:
    instance = _known(name)
    if not instance.running():
        raise HarnessError(f"the server {name!r} is not running; start it with: tests/odoo/server up")
    return instance


def _print(instance: Instance, postgres: Postgres) -> None:
    for key, value in instance.settings(postgres).items():
        print(f"{key}={shlex.quote(value)}")


def _env(arguments) -> None:
    _print(_running(arguments.name), Postgres())


def _down(arguments) -> None:
    with _locked():
        chosen = instances() if arguments.all else [Instance(arguments.name)]
        for instance in chosen:
            if instance.stop():
                say(f"stopped Odoo ({instance.name})")
        postgres = Postgres()
        if not postgres.running():
            return
        # Another command of this checkout, such as `test`, may be using the cluster.
        used = postgres.sql(
            "postgres",
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        busy = any(instance.running() for instance in instances()) or (used != "0" and not arguments.all)
        if not busy and postgres.stop():
            say("stopped PostgreSQL")


def _logs(arguments) -> None:
    instance = _known(arguments.name)
    print(instance.log)
    if instance.log.exists():
        print("\n".join(instance.log.read_text(encoding="utf-8", errors="replace").splitlines()[-60:]))


def _shell(arguments) -> None:
    instance = _running(arguments.name)
    script = "" if sys.stdin.isatty() else sys.stdin.read()
    if not script.strip():
        raise HarnessError("give a script on standard input: tests/odoo/server shell < script.py")
    print(run_odoo(odoo.find(), instance.home / "odoo.conf", instance.home / "setup.log", [], "shell", script), end="")


def _test(arguments) -> int:
    with _locked():
        program, postgres = odoo.find(), Postgres()
        postgres.start()
    code = 0
    for base in bases.TESTED if arguments.base == "all" else [arguments.base]:
        wanted = _wanted(arguments, base)
        tags = bases.BASES[base].test_tags
        if arguments.install:
            tags = ",".join(f"/{module}" for module in wanted["install"].split(","))
        code = addon_tests.run_tests(program, postgres, base, wanted, tags) or code
    return code


def _python(arguments) -> None:
    interpreter = python.environment()
    instance = Instance(arguments.name)
    settings = instance.settings(Postgres()) if instance.running() and instance.known.get("key") else {}
    command = [str(interpreter), *arguments.rest]
    os.execve(interpreter, command, {**os.environ, **settings})
