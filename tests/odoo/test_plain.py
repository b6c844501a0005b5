"""Plain mode: an Odoo whose permits and connectors come from another module, with the least fields."""

from collections import Counter

import pytest

from conftest import PROTOCOLS
from kit.truth import just_now, plain_expected

REFUSED = "sicantik.refused_date"
FIELDS = ["permit_number", "expiry_date", "last_sync_date", "status"]


def office(plain, simulate, *flags):
    simulator = simulate("--permits", 300, *flags)
    truth = simulator.truth()
    connector = plain.odoo.connector(simulator.api_url)
    plain.odoo.load(truth)
    simulator.post("reset-log")
    return simulator, truth, connector


def check_dates(plain, truth, refused=None):
    """Every permit has the date that its number brings. Returns how many have one."""
    dates = plain_expected(truth)
    wrong = {}
    for permit in plain.odoo.permits(FIELDS):
        number, date = permit["permit_number"] or "", permit["expiry_date"]
        if date != (False if dates[number] == refused else dates[number]):
            wrong[number] = (date, dates[number])
        assert bool(permit["last_sync_date"]) == bool(date)
        assert not date or just_now(permit["last_sync_date"])
        assert permit["status"] == "active"
    assert not wrong, f"{len(wrong)} permits: {dict(list(wrong.items())[:5])}"
    return sum(1 for permit in truth if dates[permit["no_surat"]] and dates[permit["no_surat"]] != refused)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_date_and_the_statistics(plain, simulate, protocol):
    faults = ["--fault", "error-500=0.05", "--fault", "empty=0.03", "--fault", "php-warning=0.03",
              "--fault", "broken=0.02"]
    _, truth, connector = office(plain, simulate, *faults)
    plain.odoo.call("sicantik.connector", "write", connector, {"total_expiry_synced": 7})
    result = plain.sync(ODOO_PROTOCOL=protocol)
    found = check_dates(plain, truth)
    summary = result.json
    assert (summary["found"], summary["synced"]) == (found, found)
    assert summary["total"] == sum(1 for permit in truth if permit["no_surat"])
    assert summary["total"] == sum(summary[name] for name in ("found", "no_date", "not_registered", "errors"))
    assert summary["run_id"] is None
    assert result.code == (3 if summary["errors"] else 0)
    stored = plain.odoo.call("sicantik.connector", "read", connector)[0]
    assert stored["total_expiry_synced"] == 7 + found
    assert just_now(stored["last_expiry_sync_date"])
    assert stored["last_expiry_sync_duration"] == pytest.approx(summary["duration"], abs=0.01)
    assert not stored["last_sync_date"] and not stored["total_permits_synced"]
    second = plain.sync(ODOO_PROTOCOL=protocol)
    assert second.json["found"] == 0
    assert second.json["total"] == summary["total"] - found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_date_that_odoo_refuses_stops_no_other(plain, simulate, protocol):
    _, truth, connector = office(plain, simulate)
    dates = plain_expected(truth)
    often = Counter(dates[permit["no_surat"]] for permit in truth if dates[permit["no_surat"]])
    refused, times = often.most_common(1)[0]
    plain.odoo.set_parameter(REFUSED, refused)
    try:
        result = plain.sync(ODOO_PROTOCOL=protocol)
    finally:
        plain.odoo.set_parameter(REFUSED, False)
    found = check_dates(plain, truth, refused)
    assert result.code == 3
    assert result.json["found"] == found
    assert result.json["errors"] >= times
    assert result.stderr.count(f"closed for good on {refused}") == times
    assert "Traceback" not in result.stderr
    again = plain.sync(ODOO_PROTOCOL=protocol)
    assert again.json["found"] == times
    stored = plain.odoo.call("sicantik.connector", "read", connector)[0]
    assert stored["total_expiry_synced"] == found + times


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_dry_run_writes_nothing(plain, simulate, protocol):
    simulator, truth, _ = office(plain, simulate)
    before = plain.db.dump()
    result = plain.sync("--dry-run", ODOO_PROTOCOL=protocol)
    assert result.json["found"] == sum(1 for permit in truth if plain_expected(truth)[permit["no_surat"]])
    assert simulator.traffic()["requests"] > 300
    assert plain.db.dump() == before


def test_a_limit_and_an_address_of_ones_own(plain, simulate):
    simulator, _, connector = office(plain, simulate)
    plain.odoo.call("sicantik.connector", "write", connector, {"api_url": "http://127.0.0.1:9/gone"})
    result = plain.sync("--max-permits", 40, "--api-url", simulator.api_url)
    assert result.json["total"] == 40
    dated = plain.odoo.permits(FIELDS, [("expiry_date", "!=", False)])
    assert len(dated) == result.json["found"] > 20


def test_doctor_says_that_it_is_plain(plain, simulate):
    office(plain, simulate)
    result = plain.run("doctor")
    assert result.code == 0, result.stdout + result.stderr
    assert "The addon is not installed" in result.stdout
    assert "The user may write sicantik.permit" in result.stdout
    assert result.stdout.rstrip().endswith("All is well.")
