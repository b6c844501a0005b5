"""Demonstrates the main job: 500 expiry dates, fetched from a simulated SICANTIK into a real Odoo.

It removes first what an earlier demonstration left, so it can be run again. Odoo and the simulator
stay when it ends; `--stop` ends them, by the process ids that were noted when they were started.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import requests

from harness.system import HarnessError, started_at, state_dir, stop_process, write_whole
from kit.odoo import Odoo
from kit.processes import ROOT, SIDECAR, environment

SERVER = Path(__file__).resolve().parent / "server"
NAME = "demo"
WANTED = 500
# Among this many simulated permits, somewhat more than 500 have a date that can be fetched.
SIMULATED = 660
SIMULATOR = ["--permits", str(SIMULATED), "--latency", "250ms", "--jitter", "150ms"]
STATE = state_dir() / "demo-simulator.json"
FINISHED = {0: "every permit is answered", 3: "finished; some permits have no usable answer, and the run says why"}


def main():
    parser = argparse.ArgumentParser(prog="tests/odoo/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--stop", action="store_true", help="end the demonstration")
    arguments = parser.parse_args()
    try:
        return stop() if arguments.stop else show()
    except HarnessError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What was started runs on; `make demo-stop` ends it.", file=sys.stderr)
        return 130


def stop():
    if stop_simulator():
        print("Stopped the simulated SICANTIK.")
    return subprocess.run([SERVER, "down", "--name", NAME], check=False).returncode


def show():
    title("1. A real Odoo and a simulated SICANTIK")
    settings = fresh_odoo()
    api_url = start_simulator()
    odoo = Odoo(settings)
    print(f"Odoo      {settings['ODOO_URL']}  (database {settings['ODOO_DB']})")
    print(f"SICANTIK  {api_url}  (simulated: the real one is never asked)")

    title("2. Permits without an expiry date")
    truth = permits_to_load(api_url)
    connector_id = odoo.connector(api_url, name="SICANTIK (simulated)")
    odoo.load(truth, connector_id)
    kinds = Counter(permit["expected"] if permit["no_surat"] else "no_number" for permit in truth)
    print(f"{len(truth)} permits are in Odoo now, as an office has them, and none has an expiry date:")
    print(f"  {kinds['found']:>4}  have a date in SICANTIK: these are to be fetched")
    print(f"  {kinds['no_date']:>4}  have no date there: some permits never end")
    print(f"  {kinds['not_registered']:>4}  are unknown there, as most practice licences are")
    print(f"  {kinds['failed']:>4}  share their number with another permit, and only that one is found")
    print(f"  {kinds['no_number']:>4}  have no number, so nobody can ask about them")
    sample = [permit["pendaftaran_id"] for permit in truth if permit["expected"] == "found"][:5]
    print_sample(odoo, sample)

    title("3. The sidecar at work, 10 requests per second")
    for words in (["doctor", "--no-service"], ["sync", "expiry"]):
        code = sidecar(words, settings)
        if code == 130:
            raise KeyboardInterrupt
        if code not in FINISHED or (words[0] == "doctor" and code):
            raise HarnessError(f"`{words[0]}` ended with exit code {code}. `make demo-stop` ends what was started.")
    print(f"(exit code {code}: {FINISHED[code]})")

    title("4. What happened")
    print_sample(odoo, sample)
    ok = compare(odoo, truth, api_url)
    leave_open(settings, ok)
    return 0 if ok else 1


def title(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}\n{'-' * len(text)}", flush=True)


def server(*words):
    done = subprocess.run([SERVER, *words, "--name", NAME], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise HarnessError("Odoo could not be started; the lines above say why")
    return dict(line.split("=", 1) for line in shlex.split(done.stdout))


def fresh_odoo():
    """The settings of an Odoo that knows no permits yet."""
    print("Starting them; the first time this downloads Odoo, which takes some minutes.", flush=True)
    settings = server("up")
    if Odoo(settings).call("sicantik.connector", "search_count", []):
        print("Removing the database of the last demonstration.", flush=True)
        settings = server("reset")
    return settings


def start_simulator():
    """The address of a simulator that outlives this program."""
    stop_simulator()
    if not Path(SIDECAR).exists():
        raise HarnessError(f"{SIDECAR} is not built: run `make build`, or `make demo`, which does")
    address, log = STATE.with_suffix(".url"), STATE.with_suffix(".log")
    with open(address, "wb") as out, open(log, "wb") as err:
        process = subprocess.Popen([SIDECAR, "simulate", "--listen", "127.0.0.1:0", *SIMULATOR], stdout=out, stderr=err,
                                   stdin=subprocess.DEVNULL, start_new_session=True, env=environment())
    write_whole(STATE, json.dumps({"pid": process.pid, "begun": started_at(process.pid)}))
    deadline = time.monotonic() + 10
    while not (said := address.read_text(encoding="utf-8")).endswith("\n"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise HarnessError(f"the simulator did not start\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.02)
    return said.strip()


def stop_simulator():
    if not STATE.exists():
        return False
    known = json.loads(STATE.read_text(encoding="utf-8"))
    STATE.unlink()
    return stop_process(known["pid"], known["begun"])


def control(api_url, path):
    return requests.get(api_url.removesuffix("/backoffice/api") + "/_simulator/" + path, timeout=30).text


def permits_to_load(api_url):
    """The simulator's permits in order, up to the 500th whose date can be fetched."""
    chosen, dated = [], 0
    for line in control(api_url, "truth?format=ndjson").splitlines():
        chosen.append(json.loads(line))
        dated += chosen[-1]["expected"] == "found" and chosen[-1]["no_surat"] != ""
        if dated == WANTED:
            return chosen
    raise HarnessError(f"the simulator has only {dated} permits whose date can be had")


def sidecar(words, settings):
    print(f"\n$ sicantik-sidecar {' '.join(words)}", flush=True)
    return subprocess.run([SIDECAR, *words], env=environment(settings), check=False).returncode


def print_sample(odoo, registrations):
    found = odoo.permits(["permit_number", "permit_type_name", "expiry_date"],
                         [("registration_id", "in", registrations)])
    print(f"\n  {'Permit':38}  {'Type':36}  Expires on")
    for permit in found:
        kind = permit["permit_type_name"] or ""
        kind = kind if len(kind) <= 36 else kind[:35] + "…"
        print(f"  {permit['permit_number']:38.38}  {kind:36}  {permit['expiry_date'] or '-'}")
    print()


def compare(odoo, truth, api_url):
    """Compares what is in Odoo now with what the simulator knows to be true."""
    true_date = {permit["pendaftaran_id"]: permit["expiry_date"] for permit in truth if permit["expected"] == "found"}
    permits = odoo.permits(["registration_id", "expiry_date"])
    dates = {permit["registration_id"]: permit["expiry_date"] for permit in permits if permit["expiry_date"]}
    wrong = [registration for registration, date in dates.items() if true_date.get(registration) != date]
    missing = true_date.keys() - dates.keys()
    traffic = json.loads(control(api_url, "log/summary"))
    print(f"{len(dates)} permits have an expiry date in Odoo now; before it was none.")
    print(f"Compared with what is true in SICANTIK: {len(missing)} missing, {len(wrong)} wrong.")
    print(f"SICANTIK was asked {traffic['requests']} times, at most {traffic['max_in_any_second']} times in any one "
          f"second,\nwith up to {traffic['max_in_flight']} questions on their way at once.")
    return len(dates) == WANTED and not wrong and not missing


def leave_open(settings, ok):
    title("Odoo is open" if ok else "Something is wrong here; Odoo is open to find out")
    built = os.path.relpath(SIDECAR, ROOT) if Path(SIDECAR).is_relative_to(ROOT) else SIDECAR
    print(f"""\
Address  {settings['ODOO_URL']}/odoo/action-sicantik_sidecar.sicantik_permit_action
Login    {settings['ODOO_ADMIN_LOGIN']}
Password {settings['ODOO_ADMIN_PASSWORD']}

Look at  SICANTIK > Permits: the dates; filter "Not Registered", or group by "Last Answer"
         SICANTIK > Synchronisations: the run, its counters, and its failures one by one
         SICANTIK > Configuration > Connectors: the statistics

Go on    set -a; eval "$(tests/odoo/server env --name {NAME})"; set +a
         {built} sync expiry --include-not-due

Stop     make demo-stop""")


if __name__ == "__main__":
    sys.exit(main())
