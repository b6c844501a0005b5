"""The listing begins to carry dates, and stops again: the sidecar notices without any configuration."""

import re

import pytest

from conftest import PROTOCOLS
from kit.listing import (
    check_dates,
    check_listing,
    check_listing_books,
    fingerprint,
    obtainable,
    stored,
    two_step,
    upgraded,
)

DETAILS = ("cekperizinan", "cekperizinanizin")


def sync(site, kind, *args, **env):
    """`sync` with its result as JSON."""
    return site.run("sync", kind, "--json", *args, **env)


def asked_one_by_one(simulator):
    """Requests for single permits since the log was last reset."""
    endpoints = simulator.traffic()["endpoints"]
    return sum(endpoints.get(name, 0) for name in DETAILS)


def way(site, connector):
    return site.odoo.call("sicantik.connector", "read", [connector])[0]["listing_way"]


@pytest.mark.parametrize(("protocol", "kind"), list(zip(PROTOCOLS, ("permits", "all"), strict=True)))
def test_the_listing_brings_the_dates(site, new_office, protocol, kind):
    simulator, connector = new_office("--upgraded", "--fault", "error-500=0.05", "--fault", "empty=0.05")
    result = sync(site, kind, ODOO_PROTOCOL=protocol)
    assert result.code == 0, result.stderr
    truth = simulator.truth()
    known = check_listing(site.odoo, connector, truth, received=True)
    check_dates(known, truth, upgraded)
    dated = sum(1 for permit in obtainable(truth) if permit["expiry_date"])
    run = check_listing_books(site.odoo, result, connector)
    assert result.json["listing"]["dated"] == run["found_count"] == result.json["found"] == dated > 300
    assert run["no_date_count"] == len(known) - dated > 0
    assert result.json["upgraded"] is True and run["way"] == way(site, connector) == "upgraded"
    assert site.odoo.call("sicantik.connector", "read", [connector])[0]["total_expiry_synced"] == dated
    assert asked_one_by_one(simulator) == 0
    before = fingerprint(site.db)
    again = sync(site, kind, ODOO_PROTOCOL=protocol)
    assert again.code == 0 and asked_one_by_one(simulator) == 0
    assert fingerprint(site.db) == before, "nothing was written"
    assert again.json["listing"]["unchanged"] == len(known)


def test_expiry_uses_the_listing(site, new_office):
    simulator, connector = new_office("--upgraded")
    truth = simulator.truth()
    site.odoo.load(truth, connector)
    result = sync(site, "expiry")
    assert result.code == 0, result.stderr
    numbered = [permit for permit in truth if permit["no_surat"]]
    assert result.json["total"] == len(numbered)
    assert result.json["found"] == sum(1 for permit in numbered if permit["expected_upgraded"] == "found")
    known = stored(site.odoo, connector)
    assert {permit["pendaftaran_id"] for permit in truth} == known.keys()
    check_dates(known, numbered, upgraded)
    assert result.json["upgraded"] is True and way(site, connector) == "upgraded"
    assert asked_one_by_one(simulator) == 0, "those whose listed date is empty are answered too"
    simulator.post("reset-log")
    everything = sync(site, "expiry", "--include-not-due")
    undated = sum(1 for permit in numbered if not permit["expiry_date"])
    assert everything.json["total"] == undated > 0
    assert asked_one_by_one(simulator) >= undated, "unless asked for"
    assert {name: permit["expiry_date"] for name, permit in stored(site.odoo, connector).items()} == {
        name: permit["expiry_date"] for name, permit in known.items()}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_night_in_two_steps(site, new_office, protocol):
    simulator, connector = new_office()
    result = sync(site, "all", ODOO_PROTOCOL=protocol)
    truth = simulator.truth()
    known = check_listing(site.odoo, connector, truth)
    check_dates(known, truth, two_step)
    failed = sum(1 for permit in obtainable(truth) if two_step(permit)[0] == "failed")
    assert result.code == (3 if failed else 0), result.stderr
    assert result.json["errors"] == failed
    assert result.json["upgraded"] is False and way(site, connector) == "two_step"
    run = check_listing_books(site.odoo, result, connector)
    assert run["kind"] == "all" and run["way"] == "two_step"
    assert run["answered_count"] == result.json["total"] == sum(1 for permit in obtainable(truth) if permit["no_surat"])


@pytest.mark.parametrize(("kind", "moment"), [("all", 4), ("all", 9), ("permits", 4), ("expiry", 3)])
def test_upgraded_in_the_middle_and_downgraded_in_the_next_night(site, new_office, kind, moment):
    simulator, connector = new_office("--at", f"{moment}:upgrade", "--latency", "10ms", max_in_flight=3)
    if kind == "expiry":
        site.odoo.load(obtainable(simulator.truth()), connector)
    first = sync(site, kind)
    assert first.code in (0, 3), first.stderr
    truth = simulator.truth()
    should_be = {permit["pendaftaran_id"]: permit for permit in obtainable(truth)}

    def check_no_date_is_wrong():
        dates = {name: permit["expiry_date"] for name, permit in stored(site.odoo, connector).items()}
        assert dates.keys() == should_be.keys()
        wrong = {name: date for name, date in dates.items() if date and date != should_be[name]["expiry_date"]}
        assert not wrong
        return {name for name, date in dates.items() if date}

    dated = check_no_date_is_wrong()
    lost = {name for name, permit in should_be.items() if permit["obtainable"] and permit["no_surat"]} - dated
    assert kind == "permits" or not lost, f"{len(lost)} dates could be had"
    simulator.post("reset-log")
    simulator.post(f"set?at={moment}:downgrade")
    second = sync(site, "all")
    assert second.code in (0, 3), second.stderr
    after = check_no_date_is_wrong()
    assert dated <= after, "no date was lost"
    assert {name for name, permit in should_be.items() if permit["obtainable"] and permit["no_surat"]} <= after
    third = sync(site, "all")
    assert third.json["upgraded"] is False and way(site, connector) == "two_step"
    assert check_no_date_is_wrong() == after


def test_renewals_are_seen_by_each_listing_and_kept_in_the_history(site, new_office):
    simulator, connector = new_office("--upgraded", permits=400)
    sync(site, "permits")
    before = stored(site.odoo, connector)
    simulator.post("renew?count=40")
    result = sync(site, "permits")
    truth = simulator.truth()
    known = check_listing(site.odoo, connector, truth, received=True)
    check_dates(known, truth, upgraded)
    changed = {name: (permit["expiry_date"], known[name]["expiry_date"]) for name, permit in before.items()
               if permit["expiry_date"] and permit["expiry_date"] != known[name]["expiry_date"]}
    run = check_listing_books(site.odoo, result, connector, before=len(before))
    assert run["changed_count"] == len(changed) > 20
    assert history(site, known) == changed


@pytest.mark.parametrize("setting", [False, True], ids=["flag", "connector"])
def test_old_dates_are_asked_again(site, new_office, setting):
    """By a flag or by the connector's setting; off by default."""
    simulator, connector = new_office(permits=300)
    sync(site, "all")
    before = stored(site.odoo, connector)
    site.db.rows("UPDATE sicantik_permit SET expiry_checked_at = expiry_checked_at - interval '40 days'")
    simulator.post("renew?count=60")
    assert sync(site, "all").json["found"] == 0, "not unless asked for"
    if setting:
        site.odoo.call("sicantik.connector", "write", [connector], {"refresh_older_than": 30})
    result = sync(site, "all", *([] if setting else ["--refresh-older-than", 30]))
    known = stored(site.odoo, connector)
    truth = {permit["pendaftaran_id"]: permit for permit in simulator.truth()}
    wrong = {name for name, permit in known.items() if permit["expiry_date"]
             and permit["expiry_date"] != truth[name]["expiry_date"]}
    assert not wrong
    changed = {name: (permit["expiry_date"], known[name]["expiry_date"]) for name, permit in before.items()
               if permit["expiry_date"] and permit["expiry_date"] != known[name]["expiry_date"]}
    run = site.odoo.call("sicantik.sync.run", "read", [result.json["run_id"]])[0]
    assert run["changed_count"] == len(changed) > 20
    assert history(site, known) == changed
    assert sync(site, "all", "--refresh-older-than", 30).json["found"] == 0, "they are fresh now"


def history(site, known):
    """The changes of dates noted in the permits' history, by registration."""
    names = {permit["id"]: name for name, permit in known.items()}
    told = {}
    for record, body in site.db.rows(
            "SELECT res_id, body FROM mail_message WHERE model = 'sicantik.permit' AND body LIKE %s", "%→%"):
        if record in names:
            assert names[record] not in told, "once"
            told[names[record]] = re.search(r"(\d{4}-\d\d-\d\d) → (\d{4}-\d\d-\d\d)", body).groups()
    return told


def test_doctor_says_which_way(site, new_office):
    simulator, _ = new_office()
    said = site.run("doctor").stdout
    assert "Its listing carries no expiry dates" in said
    simulator.post("upgrade")
    assert "Its listing carries expiry dates" in site.run("doctor").stdout


def test_a_dry_run_of_an_upgraded_server(site, new_office):
    simulator, connector = new_office("--upgraded", permits=300)
    site.odoo.load(simulator.truth(), connector)
    before = site.db.dump()
    result = sync(site, "expiry", "--dry-run")
    assert site.db.dump() == before
    assert result.json["upgraded"] is True and asked_one_by_one(simulator) == 0
    assert result.json["found"] == sum(
        1 for permit in simulator.truth() if permit["no_surat"] and permit["expiry_date"])
