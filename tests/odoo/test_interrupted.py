"""Interruptions: nothing is lost, no counter drifts, and nothing stored is asked for again."""

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
from kit.waiting import DEADLINE, wait_until

def when_asked(simulator, number):
    wait_until(lambda: simulator.traffic()["requests"] >= number, f"{number} requests")


def when_stored(site, number):
    count = "SELECT count(*) FROM sicantik_permit WHERE expiry_check_state = 'found'"
    wait_until(lambda: site.db.rows(count)[0][0] >= number, f"{number} dates")


def ended(process, seconds=DEADLINE):
    stdout, stderr = process.communicate(timeout=seconds)
    return process.returncode, stdout, stderr


def asked_numbers(simulator):
    """The permit numbers that were requested."""
    log = simulator.get("log")["requests"]
    queries = [parse_qs(urlsplit(request["target"]).query) for request in log]
    return [base64.b64decode(query["no_izin"][0]).decode() for query in queries if "no_izin" in query]


def stored_numbers(site):
    found = site.odoo.permits(["permit_number"], [("expiry_check_state", "=", "found")])
    return {permit["permit_number"] for permit in found}


def check_total(site, connector, number):
    """The connector has counted each date once, over all runs."""
    stored = site.odoo.call("sicantik.connector", "read", [connector])[0]
    runs = site.odoo.call("sicantik.sync.run", "search_read", [], fields=["found_count", "state"])
    assert stored["total_expiry_synced"] == sum(run["found_count"] for run in runs) == number
    assert not {"queued", "running"} & {run["state"] for run in runs}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_a_signal_stops_asking_and_keeps_what_was_answered(site, clean_office, processes, sent):
    simulator, connector = clean_office(400, "--latency", "200ms")
    process = site.start("--json", SICANTIK_REQUEST_RATE="150")
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
    assert stored_counts(site.odoo)["found"] == summary["found"] == kept
    run = site.odoo.call("sicantik.sync.run", "read", [summary["run_id"]])[0]
    assert (run["state"], run["found_count"]) == ("cancelled", kept)
    asked = simulator.traffic()["endpoints"]["cekperizinan"]
    assert asked == kept, "what was asked was waited for"
    stored = stored_numbers(site)
    simulator.post("reset-log")
    second = site.sync()
    assert (second.code, second.json["total"]) == (0, 400 - kept)
    assert not stored & set(asked_numbers(simulator))
    check_all(site.odoo, simulator.truth())
    check_total(site, connector, 400)


def test_after_a_kill_the_lease_runs_out_and_the_next_run_goes_on(site, clean_office, processes):
    simulator, connector = clean_office(400)
    process = site.start(SICANTIK_REQUEST_RATE="150")
    processes.append(process)
    when_stored(site, 100)
    process.kill()
    ended(process)
    stored = stored_numbers(site)
    assert 100 <= len(stored) < 400
    at_once = site.sync()
    assert at_once.code == 4
    assert re.search(rf"\S+:{process.pid}:\w+", at_once.stderr), "it names who holds the connector"
    site.db.expire_leases()
    simulator.post("reset-log")
    second = site.sync()
    assert (second.code, second.json["found"]) == (0, 400 - len(stored))
    assert not stored & set(asked_numbers(simulator))
    check_all(site.odoo, simulator.truth())
    check_total(site, connector, 400)
    killed = site.odoo.call("sicantik.sync.run", "search_read", [("state", "=", "failed")],
                             fields=["found_count", "message"])
    assert [run["found_count"] for run in killed] == [len(stored)]
    assert "ended without finishing" in killed[0]["message"]


def test_sicantik_dies_in_the_middle(site, clean_office, processes):
    simulator, connector = clean_office(400)
    process = site.start("--json", SICANTIK_REQUEST_RATE="150")
    processes.append(process)
    when_asked(simulator, 150)
    simulator.post("set?fault=error-500%3D1")
    code, stdout, stderr = ended(process)
    assert code == 1
    assert "SICANTIK stopped answering" in stderr and "a second run continues" in stderr
    kept = json.loads(stdout)["found"]
    assert 100 < kept < 400
    run = site.odoo.call("sicantik.sync.run", "search_read", [], fields=["state", "found_count", "message"])
    assert [(one["state"], one["found_count"]) for one in run] == [("failed", kept)]
    assert "stopped answering" in run[0]["message"]
    simulator.post("set?fault=none")
    simulator.post("reset-log")
    stored = stored_numbers(site)
    assert site.sync().json["found"] == 400 - kept == 400 - len(stored)
    assert not stored & set(asked_numbers(simulator))
    check_all(site.odoo, simulator.truth())
    check_total(site, connector, 400)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_two_runs_at_once(site, clean_office, processes, protocol):
    simulator, connector = clean_office(200, name="Kabanjahe")
    process = site.start("--json", SICANTIK_REQUEST_RATE="40")
    processes.append(process)
    when_asked(simulator, 5)
    second = site.sync(ODOO_PROTOCOL=protocol)
    assert second.code == 4
    assert second.json["success"] is False and second.json["total"] == 0
    assert re.search(rf"\S+:{process.pid}:\w+", second.stderr)
    assert "Kabanjahe" in second.stderr and "wait for its end" in second.stderr
    process.send_signal(signal.SIGINT)
    code, stdout, _ = ended(process)
    assert code == 130
    check_total(site, connector, json.loads(stdout)["found"])


def test_a_stop_in_odoo(site, clean_office, processes):
    simulator, connector = clean_office(400)
    process = site.start("--json", SICANTIK_REQUEST_RATE="40")
    processes.append(process)
    when_asked(simulator, 20)
    run_id = site.odoo.call("sicantik.sync.run", "search", [("state", "=", "running")])[0]
    site.odoo.call("sicantik.sync.run", "cancel", run_id=run_id)
    code, stdout, stderr = ended(process)
    assert code == 130
    assert "stopped in Odoo" in stderr
    run = site.odoo.call("sicantik.sync.run", "read", [run_id])[0]
    assert run["state"] == "cancelled"
    assert run["found_count"] == json.loads(stdout)["found"] == stored_counts(site.odoo)["found"]
    check_total(site, connector, run["found_count"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_odoo_dies_in_the_middle_and_the_run_goes_on(site, clean_office, processes, protocol):
    simulator, connector = clean_office(600)
    process = site.start("--json", SICANTIK_REQUEST_RATE="150", ODOO_PROTOCOL=protocol)
    processes.append(process)
    when_stored(site, 100)
    servers.kill(servers.env("main"))
    # More than a batch, so that the sidecar notices that Odoo is gone.
    when_asked(simulator, simulator.traffic()["requests"] + 150)
    again = servers.up("main")
    assert again["ODOO_URL"] == site.settings["ODOO_URL"]
    code, stdout, stderr = ended(process, 90)
    assert code == 0, stderr
    assert "asking again" in stderr, "it noticed"
    assert "Traceback" not in stderr and site.settings["ODOO_API_KEY"] not in stderr
    summary = json.loads(stdout)
    assert (summary["total"], summary["found"]) == (600, 600)
    check_all(site.odoo, simulator.truth())
    check_total(site, connector, 600)
    assert simulator.traffic()["endpoints"]["cekperizinan"] == 600, "nothing was asked twice"
