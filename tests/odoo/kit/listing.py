"""Compares what an import has stored in Odoo with the simulator's listing."""

from collections import Counter

from kit.truth import SHOWN, expected

FIELDS = ["registration_id", "permit_number", "applicant_name", "permit_type_name", "received_date", "status",
          "listed", "connector_id", "expiry_date", "expiry_check_state"]


def obtainable(truth):
    """The permits that can be imported: listed, with an applicant and a readable row."""
    return [permit for permit in truth if permit["listed"] and not permit["junk"] and not permit["stuck"]]


def stored(odoo, connector):
    """The connector's permits by registration; each must exist once."""
    permits = odoo.permits(FIELDS, [("connector_id", "=", connector)])
    often = Counter(permit["registration_id"] for permit in permits)
    double = [registration for registration, count in often.items() if count > 1]
    assert not double, f"{len(double)} registrations are there more than once: {double[:SHOWN]}"
    return {permit["registration_id"]: permit for permit in permits}


def check_listing(odoo, connector, truth, received=False):
    """No permit is missing, duplicated or wrong, and no junk was imported. Returns what is stored."""
    known, should_be = stored(odoo, connector), obtainable(truth)
    missing = {permit["pendaftaran_id"] for permit in should_be} - known.keys()
    assert not missing, f"{len(missing)} of {len(should_be)} are missing: {sorted(missing)[:SHOWN]}"
    by_registration = {permit["pendaftaran_id"]: permit for permit in truth}
    junk = [name for name in known if by_registration[name]["junk"] or by_registration[name]["stuck"]]
    assert not junk, f"{len(junk)} were not to be had: {junk[:SHOWN]}"
    wrong = {}
    for permit in should_be:
        is_now = known[permit["pendaftaran_id"]]
        fields = {
            "permit_number": permit["no_surat"] or False,
            "applicant_name": permit["n_pemohon"] or False,
            "permit_type_name": permit["n_perizinan"],
            "received_date": permit["d_terima_berkas"] if received else False,
            "status": "active",
            "listed": True,
        }
        other = {name: (is_now[name], value) for name, value in fields.items() if is_now[name] != value}
        if other:
            wrong[permit["pendaftaran_id"]] = other
    assert not wrong, f"{len(wrong)} have wrong fields: {dict(list(wrong.items())[:SHOWN])}"
    return known


def check_dates(known, truth, answer):
    """Each permit has the answer and the date that `answer(permit)` expects."""
    wrong = {}
    for permit in obtainable(truth):
        is_now = known[permit["pendaftaran_id"]]
        pair = is_now["expiry_check_state"], is_now["expiry_date"]
        if pair != answer(permit):
            wrong[permit["pendaftaran_id"]] = (pair, answer(permit))
    assert not wrong, f"{len(wrong)} dates are wrong: {dict(list(wrong.items())[:SHOWN])}"


def upgraded(permit):
    """The answer and the date that an upgraded listing gives a permit."""
    return permit["expected_upgraded"], permit["expiry_date"] or False


def two_step(permit):
    """The answer and the date that asking for a permit gives it."""
    return expected(permit)


def fingerprint(database):
    """All that is stored about permits, the transaction that wrote each last, and the number of messages."""
    permits = database.rows("SELECT xmin::text, permit.* FROM sicantik_permit permit ORDER BY id")
    return permits, database.rows("SELECT count(*) FROM mail_message WHERE model = 'sicantik.permit'")


def check_listing_books(odoo, result, connector, before=0):
    """The summary, the run and the connector's statistics agree. Returns the run.

    `before` is how many permits the connector had counted when the run began.
    """
    listing = result.json["listing"]
    run = odoo.call("sicantik.sync.run", "read", [result.json["run_id"]])[0]
    for name, field in (("listed", "listed_count"), ("created", "created_count"), ("updated", "updated_count"),
                        ("unchanged", "unchanged_count"), ("junk", "junk_count"), ("skipped", "skipped_count"),
                        ("pages", "pages")):
        assert run[field] == listing[name], (name, run[field], listing[name])
    assert listing["created"] + listing["updated"] + listing["unchanged"] == listing["listed"]
    assert run["listing_read"] == listing["complete"]
    assert run["requests"] == result.json["requests"]
    stored_connector = odoo.call("sicantik.connector", "read", [connector])[0]
    assert stored_connector["last_sync_date"] == run["finished_at"]
    assert stored_connector["total_permits_synced"] == before + listing["listed"]
    if listing["complete"]:
        assert abs(stored_connector["last_sync_duration"] - listing["duration"]) < 2
    return run
