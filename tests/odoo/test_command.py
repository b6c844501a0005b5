"""`sync expiry` on the command line: options, progress, result, and dry runs that write nothing."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from conftest import PROTOCOLS
from kit.processes import SIDECAR, environment
from kit.truth import OUTCOMES, check_all, stored_counts

KEYS = {
    "success": bool, "total": int, "synced": int, "failed": int, "duration": float, "found": int,
    "no_date": int, "not_registered": int, "errors": int, "requests": int, "retries": int,
    "rate": float, "odoo_calls": int, "run_id": int, "dry_run": bool, "upgraded": bool,
}


def test_the_result_as_json(site, clean_office):
    clean_office(30)
    result = site.sync()
    lines = result.stdout.splitlines()
    assert len(lines) == 1, "stdout is data"
    summary = json.loads(lines[0])
    assert {name: type(value) for name, value in summary.items()} == KEYS
    assert result.code == 0 and summary["success"]
    assert (summary["total"], summary["synced"], summary["failed"]) == (30, 30, 0)
    assert summary["rate"] == pytest.approx(30 / summary["duration"], rel=0.1)


def test_the_result_for_people(site, clean_office):
    clean_office(30)
    result = site.run("sync", "expiry")
    assert result.code == 0
    assert re.search(r"^30 permits answered in \d+\.\d s$", result.stdout, re.MULTILINE)
    assert re.search(r"^ +30  with an expiry date$", result.stdout, re.MULTILINE)
    assert "SICANTIK at 127.0.0.1:" in result.stderr


def test_nothing_to_do_is_a_success(site, clean_office):
    simulator, _ = clean_office(0)
    result = site.sync()
    assert result.code == 0
    assert result.json["total"] == 0 and result.json["success"]
    assert simulator.traffic()["endpoints"].keys() == {"listpermohonanterbit"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_limit_on_the_number_of_permits(site, clean_office, protocol):
    simulator, _ = clean_office(250)
    result = site.sync("--max-permits", 120, ODOO_PROTOCOL=protocol)
    assert (result.json["total"], result.json["found"]) == (120, 120)
    assert stored_counts(site.odoo)["found"] == 120
    assert simulator.traffic()["endpoints"]["cekperizinan"] == 120
    run = site.odoo.call("sicantik.sync.run", "read", [result.json["run_id"]])[0]
    assert (run["total"], run["max_permits"], run["state"]) == (120, 120, "done")
    assert site.sync("--max-permits", 1000).json["total"] == 130


def test_the_connector_by_name_and_by_id(site, clean_office):
    first, first_id = clean_office(20, name="Kabanjahe")
    second, second_id = clean_office(20, "--seed", 2, name="Berastagi")
    site.odoo.call("sicantik.connector", "write", [first_id, second_id], {"active": True})
    assert site.sync("--connector", "Berastagi").json["found"] == 20
    assert (first.traffic()["requests"], second.traffic()["requests"]) == (0, 21)
    check_all_of(site, second, second_id)
    assert site.sync("--connector", first_id).json["found"] == 20
    check_all_of(site, first, first_id)


def check_all_of(site, simulator, connector):
    dates = {permit["pendaftaran_id"]: permit["expiry_date"] for permit in simulator.truth()}
    stored = site.odoo.permits(["registration_id", "expiry_date"], [("connector_id", "=", connector)])
    assert {permit["registration_id"]: permit["expiry_date"] for permit in stored} == dates


def test_another_address_than_the_connectors(site, clean_office, simulate):
    silent, connector = clean_office(20)
    other = simulate("--clean", "--permits", 20)
    assert site.sync("--api-url", other.api_url).json["found"] == 20
    assert silent.traffic()["requests"] == 0
    check_all(site.odoo, other.truth())
    stored = site.odoo.call("sicantik.connector", "read", [connector])[0]
    assert stored["api_url"] == silent.api_url and stored["total_expiry_synced"] == 20


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_dry_run_asks_and_writes_nothing_at_all(site, simulate, protocol):
    simulator = simulate("--permits", 1000)
    truth = simulator.truth()
    site.odoo.load(truth, site.odoo.connector(simulator.api_url))
    before = site.db.dump()
    result = site.sync("--dry-run", ODOO_PROTOCOL=protocol)
    assert site.db.dump() == before
    assert simulator.traffic()["requests"] == result.json["requests"]
    assert result.json["dry_run"] and result.json["run_id"] is None
    simulator.post("reset-log")
    real = site.sync(ODOO_PROTOCOL=protocol)
    for name in ("total", "synced", "failed", "errors", *OUTCOMES[:3]):
        assert result.json[name] == real.json[name]
    assert result.code == real.code == 3
    assert site.db.dump() != before


def test_nothing_is_asked_beside_a_run(site, clean_office, processes):
    """A dry run and `doctor` would add to the run's rate, beyond the limit."""
    simulator, _ = clean_office(300, "--latency", "50ms")
    running = site.start(SICANTIK_REQUEST_RATE="10")
    processes.append(running)
    deadline = time.monotonic() + 10
    while not (runs := site.odoo.call("sicantik.sync.run", "search", [("found_count", ">", 0)])):
        assert time.monotonic() < deadline, "the run has not begun"
        time.sleep(0.05)
    dry = site.sync("--dry-run")
    assert (dry.code, f"is being asked by run {runs[0]} now" in dry.stderr) == (4, True), dry.stderr
    found = site.run("doctor", "--no-service")
    assert found.code == 0 and f"Run {runs[0]} is using SICANTIK" in found.stdout, found.stdout
    endpoints = simulator.traffic()["endpoints"]
    assert endpoints.get("jumlahPerizinan", 0) == 0 and endpoints["listpermohonanterbit"] == 1


def test_a_dry_run_gives_way_to_a_run(site, clean_office, processes):
    clean_office(300, "--latency", "50ms")
    dry = site.start("--dry-run", SICANTIK_REQUEST_RATE="10")
    processes.append(dry)
    time.sleep(1)
    run = site.sync("--max-permits", "100", SICANTIK_REQUEST_RATE="10")
    assert run.code == 0, run.stderr
    _, said = dry.communicate(timeout=10)
    assert (dry.returncode, "made way for it" in said) == (4, True), said


def test_a_line_every_50_permits(site, clean_office):
    clean_office(120)
    result = site.sync(SICANTIK_REQUEST_RATE="200")
    pattern = r"^Progress: ([\d.]+)% \((\d+)/120\), elapsed ([\d.]+) s, remaining ([\d.]+) s$"
    found = re.findall(pattern, result.stderr, re.MULTILINE)
    assert [(percent, answered) for percent, answered, *_ in found] == [("41.7", "50"), ("83.3", "100")]
    elapsed, remaining = float(found[0][2]), float(found[0][3])
    assert remaining == pytest.approx(elapsed * 70 / 50, abs=0.15)
    assert "\x1b" not in result.stderr


def test_a_bar_on_a_terminal(site, clean_office):
    clean_office(200)
    screen, shown = on_a_terminal(site, SICANTIK_REQUEST_RATE="100")
    frames = re.findall(r" (\d+)% (\d+)/200  ([\d.]+)/s, (\d+) failed  ([\d:]+), ([\d:]+) left", screen)
    percents = [int(frame[0]) for frame in frames]
    assert percents == sorted(percents)
    assert len(set(percents)) >= 5 and percents[0] < 30 and percents[-1] > 80
    for percent, answered, *_ in frames:
        assert int(percent) == pytest.approx(int(answered) / 2, abs=1)
    assert any(frame[5] == "00:00:01" for frame in frames), "it says how long it still takes"
    assert "Progress:" not in screen
    assert json.loads(shown)["found"] == 200


def on_a_terminal(site, deadline=30, **env):
    """What is drawn on a terminal (stderr), and what goes to stdout, a pipe."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [SIDECAR, "sync", "expiry", "--json"], stdout=subprocess.PIPE, stderr=terminal, text=True,
        env=environment(site.settings, TERM="xterm-256color", **env))
    os.close(terminal)
    screen, ends = b"", time.monotonic() + deadline
    try:
        while time.monotonic() < ends:
            if not select.select([controller], [], [], 0.2)[0]:
                continue
            try:
                drawn = os.read(controller, 65536)
            except OSError:  # the other end is closed
                break
            screen += drawn
        stdout, _ = process.communicate(timeout=5)
    finally:
        process.kill()
        os.close(controller)
    assert process.returncode == 0
    return screen.decode(), stdout


def test_a_refused_date_is_that_permits_failure(site, clean_office):
    simulator, connector = clean_office(150)
    date = simulator.truth()[70]["expiry_date"]
    refused = [permit["pendaftaran_id"] for permit in simulator.truth() if permit["expiry_date"] == date]
    site.db.rows(f"ALTER TABLE sicantik_permit ADD CONSTRAINT closed_that_day CHECK (expiry_date <> '{date}')")
    try:
        result = site.sync()
    finally:
        site.db.rows("ALTER TABLE sicantik_permit DROP CONSTRAINT closed_that_day")
    assert result.code == 3
    assert (result.json["found"], result.json["errors"]) == (150 - len(refused), len(refused))
    lines = site.odoo.call("sicantik.sync.run.line", "search_read", [],
                            fields=["reason", "permit_id"])
    assert [line["reason"] for line in lines] == ["rejected_by_odoo"] * len(refused)
    failed = site.odoo.permits(["registration_id", "expiry_date"], [("expiry_check_state", "=", "failed")])
    assert [permit["registration_id"] for permit in failed] == refused
    assert not any(permit["expiry_date"] for permit in failed)
    assert site.sync().json["found"] == len(refused)
    check_all(site.odoo, simulator.truth())
    stored = site.odoo.call("sicantik.connector", "read", [connector])[0]
    assert stored["total_expiry_synced"] == 150
