"""Plain mode: permits and connectors of another module, without the bridge."""

from collections import Counter

import pytest

from conftest import PROTOCOLS
from kit.processes import run
from kit.truth import expected, just_now, plain_expected

REFUSED_DATE, REFUSED_PERMIT = "sicantik.refused_date", "sicantik.refused_permit"


def office(plain, simulate, *flags):
    simulator = simulate("--permits", 300, *flags)
    truth = simulator.truth()
    connector = plain.odoo.connector(simulator.api_url)
    plain.odoo.load(truth)
    simulator.post("reset-log")
    return simulator, truth, connector


def identity(plain):
    """The field that tells permits apart, here and in the simulator's truth."""
    if "registration_id" in plain.odoo.fields("sicantik.permit"):
        return "registration_id", "pendaftaran_id"
    return "permit_number", "no_surat"


def true_dates(plain, truth):
    """The date that each permit gets: by its registration where the module has one, else by its number alone."""
    here, _ = identity(plain)
    if here == "permit_number":
        return plain_expected(truth)
    return {permit["pendaftaran_id"]: expected(permit)[1] for permit in truth}


def check_dates(plain, truth, refused=()):
    """Every permit has its true date, but those `refused`. Returns how many have one."""
    dates = true_dates(plain, truth)
    here, there = identity(plain)
    wrong = {}
    for permit in plain.odoo.permits([here, "expiry_date", "last_sync_date", "status"]):
        name, date = permit[here] or "", permit["expiry_date"]
        if date != (False if name in refused else dates[name]):
            wrong[name] = (date, dates[name])
        assert bool(permit["last_sync_date"]) == bool(date)
        assert not date or just_now(permit["last_sync_date"])
        assert permit["status"] == "active"
    assert not wrong, f"{len(wrong)} permits: {dict(list(wrong.items())[:5])}"
    return sum(1 for permit in truth if dates[permit[there]] and permit[there] not in refused)


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
    if plain.may_write_connectors:
        assert stored["total_expiry_synced"] == 7 + found
        assert just_now(stored["last_expiry_sync_date"])
        assert stored["last_expiry_sync_duration"] == pytest.approx(summary["duration"], abs=0.01)
    else:
        assert (stored["total_expiry_synced"], stored["last_expiry_sync_date"]) == (7, False)
        assert "statistics" in result.stderr, "it says why they stay"
    assert not stored["last_sync_date"] and not stored["total_permits_synced"]
    second = plain.sync(ODOO_PROTOCOL=protocol)
    assert second.json["found"] == 0
    assert second.json["total"] == summary["total"] - found


@pytest.mark.parametrize("plain_server", ["least"], indirect=True)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_refused_date_does_not_stop_the_others(plain, simulate, protocol):
    _, truth, connector = office(plain, simulate)
    dates = plain_expected(truth)
    often = Counter(dates[permit["no_surat"]] for permit in truth if dates[permit["no_surat"]])
    date, times = often.most_common(1)[0]
    refused = {number for number in dates if dates[number] == date}
    plain.odoo.set_parameter(REFUSED_DATE, date)
    try:
        result = plain.sync(ODOO_PROTOCOL=protocol)
    finally:
        plain.odoo.set_parameter(REFUSED_DATE, False)
    found = check_dates(plain, truth, refused)
    assert result.code == 3
    assert result.json["found"] == found
    assert result.json["errors"] >= times
    assert result.stderr.count(f"closed for good on {date}") == times
    assert "Traceback" not in result.stderr
    again = plain.sync(ODOO_PROTOCOL=protocol)
    assert again.json["found"] == times
    stored = plain.odoo.call("sicantik.connector", "read", connector)[0]
    assert stored["total_expiry_synced"] == found + times


@pytest.mark.parametrize("plain_server", ["predecessor"], indirect=True)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_refused_permit_does_not_stop_the_others(plain, simulate, protocol):
    _, truth, _ = office(plain, simulate)
    numbers = Counter(permit["no_surat"] for permit in truth)
    refused = next(permit for permit in truth if numbers[permit["no_surat"]] == 1 and expected(permit)[1])
    plain.odoo.set_parameter(REFUSED_PERMIT, refused["no_surat"])
    try:
        result = plain.sync(ODOO_PROTOCOL=protocol)
    finally:
        plain.odoo.set_parameter(REFUSED_PERMIT, False)
    found = check_dates(plain, truth, {refused["pendaftaran_id"]})
    assert (result.code, result.json["found"]) == (3, found)
    assert result.stderr.count("is in court") == 1 and "Traceback" not in result.stderr
    assert plain.sync(ODOO_PROTOCOL=protocol).json["found"] == 1
    assert check_dates(plain, truth) == found + 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_dry_run_writes_nothing(plain, simulate, protocol):
    simulator, truth, _ = office(plain, simulate)
    before = plain.db.dump()
    result = plain.sync("--dry-run", ODOO_PROTOCOL=protocol)
    dates, (_, there) = true_dates(plain, truth), identity(plain)
    assert result.json["found"] == sum(1 for permit in truth if dates[permit[there]])
    assert simulator.traffic()["requests"] > 300
    assert plain.db.dump() == before


def test_a_limit_and_another_address(plain, simulate):
    """With `--api-url` the connector's own address is not used."""
    simulator, _, connector = office(plain, simulate)
    point_elsewhere(plain, connector, "http://127.0.0.1:9/gone")
    result = plain.sync("--max-permits", 40, "--api-url", simulator.api_url)
    assert result.json["total"] == 40
    dated = plain.odoo.permits(["expiry_date"], [("expiry_date", "!=", False)])
    assert len(dated) == result.json["found"] > 20


def point_elsewhere(plain, connector, address):
    """Gives the connector, or its configuration, another address."""
    if "config_id" in plain.odoo.fields("sicantik.connector"):
        configuration = plain.odoo.call("sicantik.connector", "read", [connector])[0]["config_id"][0]
        plain.odoo.call("sicantik.config", "write", [configuration], {"api_url": address})
    else:
        plain.odoo.call("sicantik.connector", "write", [connector], {"api_url": address})


def test_doctor_reports_plain_mode(plain, simulate):
    office(plain, simulate)
    result = plain.run("doctor")
    assert result.code == 0, result.stdout + result.stderr
    assert "The addon `sicantik_sidecar` is not installed" in result.stdout
    assert "The user may write sicantik.permit" in result.stdout
    assert result.stdout.rstrip().endswith("No problems found.")


@pytest.mark.parametrize("plain_server", ["predecessor"], indirect=True)
def test_the_rate_of_the_office_is_kept(plain, simulate):
    """Its configuration says 5 per second."""
    simulator = simulate("--clean", "--permits", 25)
    plain.odoo.connector(simulator.api_url)
    plain.odoo.load(simulator.truth())
    simulator.post("reset-log")
    result = run("sync", "expiry", "--json", settings=plain.settings)
    assert result.json["found"] == 25, result.stderr
    assert simulator.traffic()["max_in_any_second"] <= 5
