"""Importing the listing: every permit and every field is compared with the simulator's truth."""

import json
import signal
import time

import pytest

from conftest import PROTOCOLS
from kit.listing import (
    check_listing,
    check_listing_books,
    fingerprint,
    obtainable,
    stored,
)
from kit.processes import start
from kit.truth import just_now

FAULTS = {"error-500": 0.05, "empty": 0.05, "php-warning": 0.05, "broken": 0.05}
SEEDS = 20
# At which requests for the listing 500 permits are added at the front, and 200 rows change places.
MOMENTS = [(1, 1), (2, 3), (3, 5), (5, 2), (8, 8), (4, 12), (12, 4), (9, 16), (14, 15), (17, 18)]


def permits(site, *args, **env):
    """`sync permits` with its result as JSON."""
    return site.run("sync", "permits", "--json", *args, **env)


@pytest.mark.parametrize(("protocol", "flags"), [
    ("jsonrpc", []), ("json2", ["--received"]), ("json2", ["--format", "xml"])])
def test_a_first_import_and_the_same_again(site, new_office, protocol, flags):
    simulator, connector = new_office(*flags, permits=1500, page_size=100)
    first = permits(site, ODOO_PROTOCOL=protocol)
    assert first.code == 0, first.stderr
    truth = simulator.truth()
    known = check_listing(site.odoo, connector, truth, received="--received" in flags)
    listing = first.json["listing"]
    assert listing["complete"] and not listing["skipped"] and not listing["rejected"]
    assert listing["listed"] == listing["created"] == len(known) == len(obtainable(truth))
    # A registration can be in it twice; junk is counted by row.
    assert listing["junk"] == sum(permit["listing_rows"] for permit in truth if permit["junk"]) > 0
    run = check_listing_books(site.odoo, first, connector)
    assert (run["state"], run["kind"], run["trigger"], run["way"]) == ("done", "permits", "cli", "two_step")
    # Some requests for pages past the end are cancelled in flight.
    assert first.json["requests"] >= simulator.traffic()["requests"]
    assert not any(permit["expiry_date"] or permit["expiry_check_state"] for permit in known.values())
    before = fingerprint(site.db)
    second = permits(site, ODOO_PROTOCOL=protocol)
    assert second.code == 0
    assert fingerprint(site.db) == before, "nothing was written"
    listing = second.json["listing"]
    assert (listing["created"], listing["updated"], listing["unchanged"]) == (0, 0, len(known))
    check_listing_books(site.odoo, second, connector, before=len(known))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_with_faults(site, new_office, protocol):
    flags = [word for fault in FAULTS.items() for word in ("--fault", "{}={}".format(*fault))]
    simulator, connector = new_office(*flags, page_size=15)
    result = permits(site, ODOO_PROTOCOL=protocol)
    assert result.code == 0, result.stderr
    check_listing(site.odoo, connector, simulator.truth())
    check_listing_books(site.odoo, result, connector)
    assert simulator.traffic()["faults"].keys() == FAULTS.keys()
    assert result.json["retries"] > 0


def test_pages_that_are_not_utf8(site, new_office):
    simulator, connector = new_office("--fault", "invalid-utf8=0.3", permits=800)
    result = permits(site)
    assert result.code == 0
    known = check_listing(site.odoo, connector, simulator.truth())
    nameless = {permit["pendaftaran_id"] for permit in obtainable(simulator.truth()) if permit["nameless"]}
    assert {name for name, permit in known.items() if not permit["applicant_name"]} == nameless
    assert result.json["listing"]["nameless"] == len(nameless) > 0


def test_a_name_that_is_sent_as_it_is_stored(site, new_office):
    simulator, connector = new_office("--raw-bytes", permits=800)
    assert permits(site).code == 0
    known = check_listing(site.odoo, connector, simulator.truth())
    assert any("Kembarén" in permit["applicant_name"] for permit in known.values())


def test_pages_that_hang_are_read_in_smaller_parts(site, new_office):
    simulator, connector = new_office("--heavy-rows", 2, permits=200)
    result = permits(site, SICANTIK_TIMEOUT="0.3")
    assert result.code == 0, result.stderr
    check_listing(site.odoo, connector, simulator.truth())
    assert result.json["listing"]["complete"] and not result.json["listing"]["skipped"]
    assert "smaller parts" in result.stderr


def test_unreadable_rows_are_skipped_and_reported(site, new_office):
    simulator, connector = new_office("--stuck-rows", 2, "--clean", permits=60, page_size=20)
    stuck = [permit["pendaftaran_id"] for permit in simulator.truth() if permit["stuck"]]
    # A permit whose row could not be read must not count as no longer listed.
    site.odoo.load([permit for permit in simulator.truth() if permit["stuck"]][:1], connector)
    result = permits(site, SICANTIK_TIMEOUT="0.2")
    assert result.code == 3, result.stderr
    listing = result.json["listing"]
    assert (listing["skipped"], listing["complete"], listing["unlisted"]) == (2, False, None)
    known = stored(site.odoo, connector)
    assert len(known) == 59 and known.keys() & set(stuck) == {stuck[0]}
    assert all(permit["listed"] for permit in known.values())
    run = check_listing_books(site.odoo, result, connector)
    assert (run["state"], run["skipped_count"], run["listing_read"]) == ("done", 2, False)
    assert result.stderr.count("cannot be read and is left out") >= 2


@pytest.mark.parametrize("group", range(4))
def test_a_listing_that_moves_while_it_is_read(site, new_office, group):
    for seed in range(group, SEEDS, 4):
        add, swap = MOMENTS[seed % len(MOMENTS)]
        simulator, connector = new_office(
            "--seed", 100 + seed, "--at", f"{add}:add=500", "--at", f"{swap}:swap=200",
            "--latency", "6ms", "--jitter", "5ms", permits=400, max_in_flight=1 + seed % 8)
        result = permits(site, ODOO_PROTOCOL=site.protocols[seed % len(site.protocols)])
        assert result.code == 0, (seed, result.stderr)
        truth = simulator.truth()
        assert len(truth) == 900, (seed, "everything happened while it was read")
        check_listing(site.odoo, connector, truth)
        check_listing_books(site.odoo, result, connector)
        simulator.__exit__()


def test_permits_that_leave_the_listing_and_come_back(site, new_office):
    simulator, connector = new_office(permits=300)
    permits(site)
    before = stored(site.odoo, connector)
    assert simulator.post("unlist?count=30")["touched"]
    result = permits(site)
    truth = simulator.truth()
    gone = {permit["pendaftaran_id"] for permit in truth if not permit["listed"]} & before.keys()
    known = stored(site.odoo, connector)
    assert known.keys() == before.keys(), "nothing is deleted"
    assert {name for name, permit in known.items() if not permit["listed"]} == gone
    assert result.code == 0 and result.json["listing"]["unlisted"] == len(gone) > 20
    run = check_listing_books(site.odoo, result, connector, before=len(before))
    assert run["unlisted_count"] == len(gone)
    again = permits(site)
    assert again.json["listing"]["unlisted"] == 0, "none has left since"
    counted = len(before) + result.json["listing"]["listed"]
    run = check_listing_books(site.odoo, again, connector, before=counted)
    assert run["unlisted_count"] == 0
    # Permits wrongly marked as gone get their mark removed.
    names = [known[name]["id"] for name in sorted(before.keys() - gone)[:10]]
    site.odoo.call("sicantik.permit", "write", names, {"listed": False})
    permits(site)
    assert {name for name, permit in stored(site.odoo, connector).items() if not permit["listed"]} == gone


def test_only_what_changed_is_written(site, new_office):
    simulator, connector = new_office(permits=400)
    permits(site)
    columns = [name for name, in site.db.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'sicantik_permit' ORDER BY 1")]
    query = "SELECT registration_id, {} FROM sicantik_permit".format(", ".join(f'"{name}"' for name in columns))
    before = {row[0]: row[1:] for row in site.db.rows(query)}
    truth = {permit["pendaftaran_id"]: permit for permit in simulator.truth()}
    renamed = simulator.post("rename?count=25")["touched"]
    renamed = {name for name in renamed if not truth[name]["junk"]}
    time.sleep(1.1)
    result = permits(site)
    assert result.code == 0
    check_listing(site.odoo, connector, simulator.truth())
    assert result.json["listing"]["updated"] == len(renamed) > 15
    assert result.json["listing"]["created"] == 0
    after = {row[0]: row[1:] for row in site.db.rows(query)}
    written = {
        name: {column for column, old, new in zip(columns, before[name], after[name], strict=True) if old != new}
        for name in after if after[name] != before[name]
    }
    assert written.keys() == renamed
    ours = {"applicant_name", "write_date", "last_sync_date", "listing_run_id", "write_uid", "display_name"}
    assert all("applicant_name" in changed and changed <= ours for changed in written.values()), written


def test_an_interrupted_import_keeps_what_it_has_and_the_next_completes_it(site, new_office, processes):
    simulator, connector = new_office("--listing-latency", "100ms", permits=3000)
    process = start("sync", "permits", "--json", settings=site.settings, SICANTIK_REQUEST_RATE="10")
    processes.append(process)
    deadline = time.monotonic() + 20
    while len(site.odoo.permits(["id"])) < 300:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == 130, stderr
    assert time.monotonic() - began < 5
    summary = json.loads(stdout)
    kept = stored(site.odoo, connector)
    assert 300 <= summary["listing"]["created"] == len(kept) < 2500
    assert not summary["listing"]["complete"] and not summary["success"]
    run = site.odoo.call("sicantik.sync.run", "read", [summary["run_id"]])[0]
    assert (run["state"], run["created_count"], run["listing_read"]) == ("cancelled", len(kept), False)
    assert simulator.traffic()["max_in_any_second"] <= 10
    second = permits(site)
    assert second.code == 0
    known = check_listing(site.odoo, connector, simulator.truth())
    assert second.json["listing"]["created"] == len(known) - len(kept)


def test_the_rate_is_kept(site, new_office):
    simulator, connector = new_office(
        "--fault", "error-500=0.2", "--latency", "300ms", "--clean", permits=600, page_size=20)
    result = permits(site, SICANTIK_REQUEST_RATE="10")
    assert result.code == 0
    traffic = simulator.traffic()
    assert traffic["max_in_any_second"] <= 10
    assert result.json["retries"] > 2 and result.json["requests"] == traffic["requests"]
    assert result.seconds < traffic["requests"] / 10 + 3, "the rate is used"
    assert just_now(site.odoo.call("sicantik.connector", "read", [connector])[0]["last_sync_date"])


def test_a_dry_run_writes_nothing(site, new_office):
    simulator, _ = new_office(permits=300)
    before = site.db.dump()
    for kind in ("permits", "all"):
        result = site.run("sync", kind, "--json", "--dry-run")
        assert result.code == 0, result.stderr
        assert site.db.dump() == before
        listing = result.json["listing"]
        assert result.json["dry_run"] and listing["complete"] and listing["created"] == 0
        assert listing["listed"] == len(obtainable(simulator.truth()))
        assert listing["unlisted"] is None
        assert "left the listing" not in site.run("sync", kind, "--dry-run").stdout, "nothing was compared"


@pytest.mark.parametrize("kind", ["permits", "all"])
def test_an_odoo_without_the_bridge(plain, simulate, kind):
    simulator = simulate("--permits", 50)
    plain.odoo.connector(simulator.api_url)
    result = plain.run("sync", kind)
    assert result.code == 2
    assert "needs the addon `sicantik_sidecar`" in result.stderr
    assert not simulator.traffic()["endpoints"].get("listpermohonanterbit")
    assert not plain.odoo.permits(["id"])
