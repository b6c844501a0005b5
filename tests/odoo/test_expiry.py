"""The main job on a real Odoo: every date and every answer is compared with the simulator's truth."""

import pytest

from conftest import PROTOCOLS
from kit.truth import check_all, check_books, counts, differences, just_now

PERMITS = 600
NEARLY_EVERY_FAULT = (
    "error-500 error-502 error-503 error-408 maintenance-200 database-500 database-200 empty "
    "php-warning broken truncated timeout slow invalid-utf8 redirect oversized"
).split()
# These come with a `Retry-After`, so each costs seconds.
WITH_RETRY_AFTER = {"error-429": 1, "maintenance-503": 2}
COMMON_FAULTS = {"error-500": 0.05, "empty": 0.03, "php-warning": 0.03, "broken": 0.02}


def office(site, simulate, *flags, permits=PERMITS):
    """A simulator with every quirk, its permits in Odoo, and their connector."""
    simulator = simulate("--permits", permits, *flags)
    truth = simulator.truth()
    connector = site.odoo.connector(simulator.api_url)
    site.odoo.load(truth, connector)
    simulator.post("reset-log")
    return simulator, truth, connector


def breaks_the_query(permit):
    """Whether asking about the permit's number always fails: such a permit rests like one without a date."""
    return bool(permit["no_surat"]) and permit["reason"] == "invalid_number"


def finished(site, simulator, truth, connector, result, before=0):
    """Checks what must hold after any run that asked for all permits."""
    check_all(site.odoo, truth)
    run = check_books(site.odoo, result, connector, before)
    assert run["state"] == "done" and not run["message"]
    summary = result.json
    known = counts(truth)
    assert {name: summary["errors" if name == "failed" else name] for name in known} == known
    assert run["total"] == summary["total"] == sum(known.values())
    assert result.code == (3 if known["failed"] else 0)
    traffic = simulator.traffic()
    assert summary["requests"] == traffic["requests"]
    return traffic


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_quirk_of_the_data(site, simulate, protocol):
    simulator, truth, connector = office(site, simulate, permits=2000)
    result = site.sync(ODOO_PROTOCOL=protocol)
    known = counts(truth)
    assert all(known.values()), "the office has a permit for each outcome"
    finished(site, simulator, truth, connector, result)
    assert result.json["retries"] < 50, "only what is not UTF-8 is asked for again, as XML"
    lines = site.odoo.call("sicantik.sync.run.line", "search_read", [], fields=["permit_name", "reason"])
    reasons = {permit["reason"] for permit in truth if permit["expected"] == "failed" and permit["no_surat"]}
    assert {line["reason"] for line in lines} == reasons
    broken = {permit["pendaftaran_id"] for permit in truth if breaks_the_query(permit)}
    for permit in site.odoo.permits(["registration_id", "expiry_check_state", "last_sync_date", "expiry_checked_at",
                                      "expiry_next_check_at", "expiry_check_count", "status"]):
        state = permit["expiry_check_state"]
        rests = state in ("no_date", "not_registered") or permit["registration_id"] in broken
        assert bool(permit["last_sync_date"]) == (state == "found")
        assert bool(permit["expiry_checked_at"]) == bool(state)
        assert bool(permit["expiry_next_check_at"]) == rests
        assert permit["expiry_check_count"] == (1 if rests else 0)
        assert permit["status"] == "active"
        assert not state or just_now(permit["expiry_checked_at"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_common_faults_together(site, simulate, protocol):
    flags = [word for fault in COMMON_FAULTS.items() for word in ("--fault", "{}={}".format(*fault))]
    simulator, truth, connector = office(site, simulate, *flags, permits=2000)
    result = site.sync(ODOO_PROTOCOL=protocol)
    traffic = finished(site, simulator, truth, connector, result)
    assert traffic["faults"].keys() == COMMON_FAULTS.keys()
    assert 0 < result.json["retries"] <= traffic["repeated"]


@pytest.mark.parametrize(("fault", "protocol"), list(zip(COMMON_FAULTS, PROTOCOLS * 2, strict=True)))
def test_one_fault(site, simulate, fault, protocol):
    simulator, truth, connector = office(site, simulate, "--fault", f"{fault}=0.1")
    result = site.sync(ODOO_PROTOCOL=protocol)
    traffic = finished(site, simulator, truth, connector, result)
    assert traffic["faults"][fault] > PERMITS / 20


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_little_of_nearly_every_fault(site, simulate, protocol):
    """Redirects and oversized bodies are not retried in the same run; the next run gets these permits."""
    flags = [word for fault in NEARLY_EVERY_FAULT for word in ("--fault", f"{fault}=0.008")]
    simulator, truth, connector = office(site, simulate, *flags, "--slow", "300ms", permits=800)
    result = site.sync(ODOO_PROTOCOL=protocol, SICANTIK_TIMEOUT="1")
    assert result.code == 3
    assert simulator.traffic()["faults"].keys() == set(NEARLY_EVERY_FAULT)
    check_books(site.odoo, result, connector)
    late = differences(site.odoo, truth)
    assert 0 < len(late) < 30
    assert {stored for stored, _ in late.values()} == {("failed", False)}
    lines = site.odoo.call(
        "sicantik.sync.run.line", "search_read", [("permit_id.registration_id", "in", list(late))],
        fields=["reason"])
    assert {line["reason"] for line in lines} == {"unavailable", "unreadable"}
    before = result.json["found"]
    for _ in range(3):
        result = site.sync(ODOO_PROTOCOL=protocol, SICANTIK_TIMEOUT="1")
        check_books(site.odoo, result, connector, before)
        before += result.json["found"]
        if not differences(site.odoo, truth):
            break
    check_all(site.odoo, truth)
    assert before == counts(truth)["found"]


@pytest.mark.parametrize(("fault", "seconds"), list(WITH_RETRY_AFTER.items()))
def test_a_server_that_asks_for_a_pause(site, simulate, fault, seconds):
    simulator, truth, connector = office(site, simulate, "--fault", f"{fault}=0.06", permits=100)
    result = site.sync(SICANTIK_MAX_IN_FLIGHT="4")
    traffic = finished(site, simulator, truth, connector, result)
    assert traffic["faults"][fault] > 0
    log = simulator.get("log")["requests"]
    asked = min(request["time_us"] for request in log if request["fault"])
    in_flight = 200_000
    after = [request["time_us"] - asked for request in log if request["time_us"] > asked + in_flight]
    assert min(after) >= seconds * 1_000_000, "it is left alone for as long as it asked for"


@pytest.mark.parametrize(("flags", "protocol"), [
    (["--format", "xml"], "jsonrpc"),
    (["--old"], "json2"),
    (["--old", "--format", "xml", "--fault", "php-warning=0.2"], "json2"),
], ids=["xml", "old", "old-xml"])
def test_other_deployments(site, simulate, flags, protocol):
    simulator, truth, connector = office(site, simulate, *flags)
    result = site.sync(ODOO_PROTOCOL=protocol)
    traffic = finished(site, simulator, truth, connector, result)
    second = traffic["endpoints"].get("cekperizinanizin", 0)
    if "--old" in flags:
        in_flight = 32
        assert second <= in_flight, "it is asked no more once it said that it does not know the method"
    else:
        assert second > 0


def test_a_second_run_asks_only_what_is_due(site, simulate):
    simulator, truth, connector = office(site, simulate)
    first = site.sync()
    simulator.post("reset-log")
    second = site.sync()
    due = counts(truth)["failed"] - sum(map(breaks_the_query, truth))
    assert (second.json["total"], second.json["errors"]) == (due, due)
    check_books(site.odoo, second, connector, before=first.json["found"])
    everything = site.sync("--include-not-due")
    assert everything.json["total"] == sum(counts(truth).values()) - first.json["found"]
    check_all(site.odoo, truth)


def test_old_dates_are_asked_again_and_replaced(site, simulate):
    simulator, truth, connector = office(site, simulate)
    found = site.sync().json["found"]
    assert site.sync("--refresh-older-than", 30).json["found"] == 0
    site.db.rows("UPDATE sicantik_permit SET expiry_checked_at = expiry_checked_at - interval '40 days'")
    simulator.post("renew?count=50")
    renewed = simulator.truth()
    assert renewed != truth
    result = site.sync("--refresh-older-than", 30, "--include-not-due")
    check_all(site.odoo, renewed)
    assert result.json["found"] == counts(renewed)["found"] > found
    changed = [old for old, new in zip(truth, renewed, strict=True)
               if old["obtainable"] and old["expiry_date"] != new["expiry_date"]]
    run = check_books(site.odoo, result, connector, before=found)
    assert run["changed_count"] == len(changed) > 0


def test_the_rate_is_kept_with_retries_counted(site, clean_office):
    simulator, _ = clean_office(40, "--fault", "error-500=0.2", "--latency", "100ms", request_rate=10)
    simulator.post("reset-log")
    result = site.sync(SICANTIK_REQUEST_RATE="10")
    traffic = simulator.traffic()
    assert result.code == 0 and result.json["found"] == 40
    assert result.json["retries"] > 2
    assert traffic["max_in_any_second"] <= 10
    assert result.json["duration"] < traffic["requests"] / 10 + 2, "the rate is used"
