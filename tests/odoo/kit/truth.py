"""Compares what a run has stored in Odoo with what the simulator knows to be true."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone

OUTCOMES = ("found", "no_date", "not_registered", "failed")
# How many permits a failure's message shows.
SHOWN = 5


def expected(permit):
    """The answer and the date expected for a permit; both `False` where it has no number."""
    if not permit["no_surat"]:
        return False, False
    return permit["expected"], permit["expiry_date"] if permit["obtainable"] else False


def differences(odoo, truth):
    """Permits with a wrong answer or date, as `{registration: (is, should be)}`."""
    stored = {permit["registration_id"]: (permit["expiry_check_state"], permit["expiry_date"])
              for permit in odoo.permits(["registration_id", "expiry_check_state", "expiry_date"])}
    assert stored.keys() == {permit["pendaftaran_id"] for permit in truth}, "other permits than those loaded"
    return {
        permit["pendaftaran_id"]: (stored[permit["pendaftaran_id"]], expected(permit))
        for permit in truth
        if stored[permit["pendaftaran_id"]] != expected(permit)
    }


def check_all(odoo, truth):
    """Every date and every answer is right."""
    wrong = differences(odoo, truth)
    assert not wrong, f"{len(wrong)} of {len(truth)} permits: {dict(list(wrong.items())[:SHOWN])}"


def counts(truth):
    """The number of permits by expected outcome, of those that can be asked for."""
    found = Counter(permit["expected"] for permit in truth if permit["no_surat"])
    return {outcome: found[outcome] for outcome in OUTCOMES}


def stored_counts(odoo):
    """The same, as the permits in Odoo have it."""
    found = Counter(permit["expiry_check_state"] for permit in odoo.permits(["expiry_check_state"]))
    return {outcome: found[outcome] for outcome in OUTCOMES}


def check_books(odoo, result, connector_id, before=0):
    """The permits, the run's counters, its failures, the connector's statistics and the printed summary agree.

    `before` is what the connector had counted when the run began. Returns the run.
    """
    summary = result.json
    run = odoo.call("sicantik.sync.run", "read", [summary["run_id"]])[0]
    answered = {outcome: run[f"{outcome}_count"] for outcome in OUTCOMES}
    permits = odoo.permits(["expiry_check_state"], [("expiry_run_id", "=", run["id"])])
    stored = Counter(permit["expiry_check_state"] for permit in permits)
    assert answered == {outcome: stored[outcome] for outcome in OUTCOMES}
    printed = {outcome: summary["errors" if outcome == "failed" else outcome] for outcome in OUTCOMES}
    assert answered == printed
    assert summary["total"] == sum(answered.values()) == run["answered_count"]
    assert (summary["synced"], summary["failed"]) == (
        answered["found"], summary["total"] - answered["found"])
    assert (run["requests"], run["retries"]) == (summary["requests"], summary["retries"])
    lines = odoo.call("sicantik.sync.run.line", "search_read", [("run_id", "=", run["id"])],
                      fields=["permit_id", "reason", "detail"])
    failed = {permit["id"] for permit in permits if permit["expiry_check_state"] == "failed"}
    assert {line["permit_id"][0] for line in lines} == failed
    assert len(lines) == answered["failed"]
    assert all(line["detail"] for line in lines)
    connector = odoo.call("sicantik.connector", "read", [connector_id])[0]
    assert connector["total_expiry_synced"] == before + answered["found"]
    assert connector["last_expiry_sync_date"] == run["finished_at"]
    assert just_now(connector["last_expiry_sync_date"])
    assert abs(connector["last_expiry_sync_duration"] - summary["duration"]) < 3
    assert run["trigger"] == "cli" and not run["lease_until"]
    return run


def just_now(text, seconds=120):
    """Whether a time in Odoo's format is at most two minutes ago."""
    moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    return abs(datetime.now(timezone.utc) - moment) < timedelta(seconds=seconds)


def plain_expected(truth):
    """The date by permit number, where Odoo knows no registration: the one on which all rows agree."""
    by_number = defaultdict(list)
    for permit in truth:
        by_number[permit["no_surat"]].append(permit)
    dates = {}
    for number, permits in by_number.items():
        # The second endpoint is asked only where the first finds nobody.
        rows = ([permit for permit in permits if permit["via"] == "cekperizinan"]
                or [permit for permit in permits if permit["via"]])
        found = {permit["expiry_date"] for permit in rows}
        dates[number] = found.pop() or False if len(found) == 1 and number else False
    return dates
