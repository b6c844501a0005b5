"""Whatever dies in the middle, nothing is lost, no counter drifts, and nothing that is stored is asked again."""

import base64
import json
import re
import signal
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from conftest import PROTOCOLS
from kit import servers
from kit.truth import check_all, stored_counts

DEADLINE = 30


def wait_until(true, what, seconds=DEADLINE):
    """Returns what `true` gives as soon as it is something."""
    ends = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > ends:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return found


def when_asked(simulator, number):
    wait_until(lambda: simulator.traffic()["requests"] >= number, f"{number} requests")


def when_stored(place, number):
    count = "SELECT count(*) FROM sicantik_permit WHERE expiry_check_state = 'found'"
    wait_until(lambda: place.db.rows(count)[0][0] >= number, f"{number} dates")


def ended(process, seconds=DEADLINE):
    stdout, stderr = process.communicate(timeout=seconds)
    return process.returncode, stdout, stderr


def asked_numbers(simulator):
    """The permit numbers that the simulator was asked for."""
    log = simulator.get("log")["requests"]
    queries = [parse_qs(urlsplit(request["target"]).query) for request in log]
    return [base64.b64decode(query["no_izin"][0]).decode() for query in queries if "no_izin" in query]


def stored_numbers(place):
    found = place.odoo.permits(["permit_number"], [("expiry_check_state", "=", "found")])
    return {permit["permit_number"] for permit in found}


def check_total(place, connector, number):
    """The connector has counted each date once, over however many runs."""
    stored = place.odoo.call("sicantik.connector", "read", [connector])[0]
    runs = place.odoo.call("sicantik.sync.run", "search_read", [], fields=["found_count", "state"])
    assert stored["total_expiry_synced"] == sum(run["found_count"] for run in runs) == number
    assert not {"queued", "running"} & {run["state"] for run in runs}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_a_signal_stops_asking_and_keeps_what_was_answered(place, clerks, processes, sent):
    simulator, connector = clerks(400, "--latency", "200ms")
    process = place.start("--json", SICANTIK_REQUEST_RATE="150")
    processes.append(process)
    when_asked(simulator, 150)
    process.send_signal(sent)
    began = time.monotonic()
    code, stdout, stderr = ended(process)
    assert code == 130
    assert time.monotonic() - began < 4
    summary = json.loads(stdout)
    kept = summary["total"]
    assert 100 < kept < 390 and not summary["success"]
    assert f"{kept} permits were answered; a second run continues" in stderr
    assert stored_counts(place.odoo)["found"] == summary["found"] == kept
    run = place.odoo.call("sicantik.sync.run", "read", [summary["run_id"]])[0]
    assert (run["state"], run["found_count"]) == ("cancelled", kept)
    asked = simulator.traffic()["endpoints"]["cekperizinan"]
    assert asked == kept, "what was asked was waited for"
    stored = stored_numbers(place)
    simulator.post("reset-log")
    second = place.sync()
    assert (second.code, second.json["total"]) == (0, 400 - kept)
    assert not stored & set(asked_numbers(simulator))
    check_all(place.odoo, simulator.truth())
    check_total(place, connector, 400)


def test_after_a_kill_the_lease_runs_out_and_the_next_run_goes_on(place, clerks, processes):
    simulator, connector = clerks(400)
    process = place.start(SICANTIK_REQUEST_RATE="150")
    processes.append(process)
    when_stored(place, 100)
    process.kill()
    ended(process)
    stored = stored_numbers(place)
    assert 100 <= len(stored) < 400
    at_once = place.sync()
    assert at_once.code == 4
    assert re.search(rf"\S+:{process.pid}:\w+", at_once.stderr), "it names who holds the connector"
    place.db.expire_leases()
    simulator.post("reset-log")
    second = place.sync()
    assert (second.code, second.json["found"]) == (0, 400 - len(stored))
    assert not stored & set(asked_numbers(simulator))
    check_all(place.odoo, simulator.truth())
    check_total(place, connector, 400)
    killed = place.odoo.call("sicantik.sync.run", "search_read", [("state", "=", "failed")],
                             fields=["found_count", "message"])
    assert [run["found_count"] for run in killed] == [len(stored)]
    assert "ended without finishing" in killed[0]["message"]


def test_sicantik_dies_in_the_middle(place, clerks, processes):
    simulator, connector = clerks(400)
    process = place.start("--json", SICANTIK_REQUEST_RATE="150")
    processes.append(process)
    when_asked(simulator, 150)
    simulator.post("set?fault=error-500%3D1")
    code, stdout, stderr = ended(process)
    assert code == 1
    assert "SICANTIK stopped answering" in stderr and "a second run continues" in stderr
    kept = json.loads(stdout)["found"]
    assert 100 < kept < 400
    run = place.odoo.call("sicantik.sync.run", "search_read", [], fields=["state", "found_count", "message"])
    assert [(one["state"], one["found_count"]) for one in run] == [("failed", kept)]
    assert "stopped answering" in run[0]["message"]
    simulator.post("set?fault=none")
    simulator.post("reset-log")
    stored = stored_numbers(place)
    assert place.sync().json["found"] == 400 - kept == 400 - len(stored)
    assert not stored & set(asked_numbers(simulator))
    check_all(place.odoo, simulator.truth())
    check_total(place, connector, 400)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_two_runs_at_once(place, clerks, processes, protocol):
    simulator, connector = clerks(200, name="Kabanjahe")
    process = place.start("--json", SICANTIK_REQUEST_RATE="40")
    processes.append(process)
    when_asked(simulator, 5)
    second = place.sync(ODOO_PROTOCOL=protocol)
    assert second.code == 4
    assert second.json["success"] is False and second.json["total"] == 0
    assert re.search(rf"\S+:{process.pid}:\w+", second.stderr)
    assert "Kabanjahe" in second.stderr and "wait for its end" in second.stderr
    process.send_signal(signal.SIGINT)
    code, stdout, _ = ended(process)
    assert code == 130
    check_total(place, connector, json.loads(stdout)["found"])


def test_a_stop_in_odoo(place, clerks, processes):
    simulator, connector = clerks(400)
    process = place.start("--json", SICANTIK_REQUEST_RATE="40")
    processes.append(process)
    when_asked(simulator, 20)
    run_id = place.odoo.call("sicantik.sync.run", "search", [("state", "=", "running")])[0]
    place.odoo.call("sicantik.sync.run", "cancel", run_id=run_id)
    code, stdout, stderr = ended(process)
    assert code == 130
    assert "stopped in Odoo" in stderr
    run = place.odoo.call("sicantik.sync.run", "read", [run_id])[0]
    assert run["state"] == "cancelled"
    assert run["found_count"] == json.loads(stdout)["found"] == stored_counts(place.odoo)["found"]
    check_total(place, connector, run["found_count"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_odoo_dies_in_the_middle_and_the_run_goes_on(place, clerks, processes, protocol):
    simulator, connector = clerks(600)
    process = place.start("--json", SICANTIK_REQUEST_RATE="150", ODOO_PROTOCOL=protocol)
    processes.append(process)
    when_stored(place, 100)
    servers.kill(servers.env("main"))
    # More than a batch, so that the sidecar meets an Odoo that is not there.
    when_asked(simulator, simulator.traffic()["requests"] + 150)
    again = servers.up("main")
    assert again["ODOO_URL"] == place.settings["ODOO_URL"]
    code, stdout, stderr = ended(process, 90)
    assert code == 0, stderr
    assert "asking again" in stderr, "it noticed"
    assert "Traceback" not in stderr and place.settings["ODOO_API_KEY"] not in stderr
    summary = json.loads(stdout)
    assert (summary["total"], summary["found"]) == (600, 600)
    check_all(place.odoo, simulator.truth())
    check_total(place, connector, 600)
    assert simulator.traffic()["endpoints"]["cekperizinan"] == 600, "nothing was asked twice"
