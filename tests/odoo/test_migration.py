"""From the module that an office has had before to ours, of the same name: nothing is lost on the way."""

import json
import re
from pathlib import Path

import pytest

from conftest import SEED_ADDONS
from kit.database import Database
from kit.offline import Offline

ADDONS = Path(__file__).resolve().parents[2] / "odoo_addon"
MODULE = "sicantik_connector"

# What an office has in its old module: dates, statistics, names of records, crons with hours of its own.
FILL = """
connector = env["sicantik.connector"].create({
    "name": "Karo", "api_url": "http://127.0.0.1:9/backoffice/api",
    "last_sync_date": "2025-01-02 03:04:05", "last_expiry_sync_date": "2025-02-03 04:05:06",
    "total_permits_synced": 4711, "total_expiry_synced": 1234,
    "last_sync_duration": 12.5, "last_expiry_sync_duration": 75.25,
})
permits = env["sicantik.permit"].create([
    {"permit_number": "503/1/SIP/2024", "expiry_date": "2030-01-31", "status": "active",
     "last_sync_date": "2025-02-03 04:05:00"},
    {"permit_number": "503/2/SIP/2024", "status": "active"},
    {"permit_number": "503/3/SIP/2024", "expiry_date": "2020-01-31", "status": "expired"},
    {"permit_number": "503/3/SIP/2024", "status": "cancelled"},
    {"permit_number": False, "status": False},
])
def name(record, xml_id):
    env["ir.model.data"].create({
        "module": "%s", "name": xml_id, "model": record._name, "res_id": record.id, "noupdate": True})
name(connector, "production")
name(permits[0], "first_permit")
for model, method in (("connector", "cron_sync_expiry_dates"), ("permit", "cron_check_expiring_permits")):
    cron = env["ir.cron"].create({
        "name": "SICANTIK: " + method, "state": "code", "code": "model.%%s()" %% method,
        "model_id": env["ir.model"]._get_id("sicantik." + model), "interval_type": "days",
        "active": model == "connector"})
    name(cron, method)
    env["ir.model.data"].search([("name", "=", method)]).noupdate = False
env.cr.commit()
""" % MODULE

# Works on the permits with our module: the listing knows more than the old one did.
USE = """
import json
env["res.lang"]._activate_lang("en_US")
connector = env.ref("sicantik_connector.production")
for model in ("sicantik.connector", "sicantik.permit", "sicantik.sync.run"):
    env[model].with_user(env.ref("base.user_admin")).get_views([(False, "list"), (False, "form"), (False, "search")])
run = env["sicantik.sync.run"]
start = run.start(connector_id=connector.id, kind="all", worker="one")
rows = [{"registration_id": "%016d" % n, "permit_number": "503/%d/SIP/2024" % n, "applicant_name": "Sari",
         "permit_type_name": "SIP", "expiry_date": "2031-01-31"} for n in (1, 2, 3)]
answer = run.record_listing(run_id=start["run_id"], worker="one", batch=1, rows=rows, progress={"listed": 3})
run.finish(run_id=start["run_id"], worker="one", state="done")
env.cr.commit()
print("ANSWER " + json.dumps(answer))
"""


@pytest.fixture(scope="module")
def old():
    """A database with the old module and an office's records in it."""
    with Offline("old").create() as offline:
        offline.run(SEED_ADDONS, "-i", MODULE, "--stop-after-init")
        offline.run(SEED_ADDONS, script=FILL)
        yield offline


@pytest.fixture
def office(old):
    """A copy of it to install our module over."""
    with Offline("takeover").create(old.database) as offline:
        yield offline


def look(offline, statement, *values):
    database = Database(offline.settings)
    try:
        return database.rows(statement, *values)
    finally:
        database.connection.close()


def update(offline):
    """Installs ours over the other; gives the complaints of the log."""
    log, _ = offline.run(ADDONS, "-u", MODULE, "--stop-after-init")
    return [line for line in log.splitlines() if re.search(r" (WARNING|ERROR|CRITICAL) ", line)]


KEPT = {
    "sicantik_connector": "id, name, api_url, active, last_sync_date, last_expiry_sync_date, total_permits_synced,"
                          " total_expiry_synced, last_sync_duration, last_expiry_sync_duration",
    "sicantik_permit": "id, permit_number, expiry_date, coalesce(status, 'active'), last_sync_date, write_date",
}


def kept(offline):
    return {table: look(offline, f"SELECT {columns} FROM {table} ORDER BY id") for table, columns in KEPT.items()}


def test_records_statistics_and_names_are_kept(office):
    before = kept(office)
    names = "SELECT name, model, res_id FROM ir_model_data WHERE module = %s AND name IN ('production', 'first_permit')"
    named = sorted(look(office, names, MODULE))
    assert len(named) == 2 and len(before["sicantik_permit"]) == 5
    assert update(office) == []
    assert kept(office) == before
    assert sorted(look(office, names, MODULE)) == named
    connector = before["sicantik_connector"][0][0]
    assert look(office, "SELECT DISTINCT connector_id, listed FROM sicantik_permit") == [(connector, True)]
    assert look(office, "SELECT request_rate, page_size, tz, host FROM sicantik_connector") == [
        (10, 100, "Asia/Jakarta", "127.0.0.1:9")]
    # Everybody could write, before; now it takes a group, and the administrator has it.
    assert look(office, "SELECT 1 FROM ir_model_access a JOIN ir_model m ON m.id = a.model_id JOIN ir_model_data d"
                        " ON d.model = 'res.groups' AND d.res_id = a.group_id AND d.module = 'base'"
                        " WHERE m.model LIKE 'sicantik%%'") == []
    assert look(office, "SELECT count(*) FROM res_groups_users_rel r JOIN ir_model_data d ON d.res_id = r.gid"
                        " WHERE d.module = %s AND d.name = 'group_manager'", MODULE) == [(1,)]
    required = ("SELECT count(*) FROM pg_constraint WHERE conname = 'sicantik_permit_registration_uniq'")
    assert look(office, required) == [(1,)]
    assert look(office, "SELECT is_nullable FROM information_schema.columns"
                        " WHERE table_name = 'sicantik_permit' AND column_name = 'connector_id'") == [("NO",)]
    # And it works: what knew its number only is found again, not doubled.
    _, printed = office.run(ADDONS, script=USE)
    answer = json.loads(printed.partition("ANSWER ")[2].splitlines()[0])
    assert (answer["created"], answer["updated"]) == (1, 2)
    permits = look(office, "SELECT id, registration_id, expiry_date::text FROM sicantik_permit ORDER BY id")
    ids = [row[0] for row in before["sicantik_permit"]]
    assert permits[0] == (ids[0], "0000000000000001", "2031-01-31")
    assert permits[1] == (ids[1], "0000000000000002", "2031-01-31")
    assert [registration for _, registration, _ in permits[2:5]] == [None, None, None]
    # A change of the old module's date is kept in the history.
    (body,), = look(office, "SELECT body FROM mail_message WHERE model = 'sicantik.permit' AND res_id = %s", ids[0])
    assert "2030-01-31" in body and "2031-01-31" in body
    # Once more is no different.
    permits = kept(office)
    assert update(office) == [] and kept(office) == permits


@pytest.mark.skipif(not (ADDONS / MODULE / "data/cron_data.xml").exists(), reason="the module has no crons yet")
def test_crons_are_kept(office):
    crons = ("SELECT d.name, c.id, c.active FROM ir_cron c JOIN ir_model_data d ON d.model = 'ir.cron'"
             " AND d.res_id = c.id WHERE d.module = %s ORDER BY d.name")
    before = look(office, crons, MODULE)
    assert [(name, active) for name, _, active in before] == [
        ("cron_check_expiring_permits", False), ("cron_sync_expiry_dates", True)]
    update(office)
    assert look(office, crons, MODULE) == before


def test_registrations_that_several_permits_have(office):
    look(office, "ALTER TABLE sicantik_permit ADD registration_id varchar")
    ids = [id_ for id_, in look(office, "SELECT id FROM sicantik_permit ORDER BY id")]
    # The third has a date, the second was written last; two are blank, which is not the same one.
    for permit, registration in zip(ids, (" 42 ", "42", "42", "", "   "), strict=True):
        look(office, "UPDATE sicantik_permit SET registration_id = %s, expiry_date = CASE WHEN id = %s"
                     " THEN date '2030-01-01' END WHERE id = %s", registration, ids[2], permit)
    look(office, "INSERT INTO sicantik_connector (name, api_url, active) VALUES ('Old', 'http://127.0.0.1:8/', false)")
    complaints = update(office)
    assert len(complaints) == 1 and "2 permits had a registration that another permit has" in complaints[0]
    permits = look(office, "SELECT id, registration_id, connector_id FROM sicantik_permit ORDER BY id")
    assert [registration for _, registration, _ in permits] == [None, None, "42", None, None]
    # Of two connectors only one is in use.
    assert {connector for _, _, connector in permits} == {
        look(office, "SELECT id FROM sicantik_connector WHERE active")[0][0]}
    notes = look(office, "SELECT res_id, body FROM mail_message WHERE model = 'sicantik.permit' ORDER BY res_id")
    assert [res_id for res_id, _ in notes] == ids[:2]
    assert all("42" in body and str(ids[2]) in body for _, body in notes)
    assert update(office) == []
    assert len(look(office, "SELECT id FROM mail_message WHERE model = 'sicantik.permit'")) == 2


def test_permits_between_several_connectors(office):
    look(office, "INSERT INTO sicantik_connector (name, api_url, active) VALUES ('Two', 'http://127.0.0.1:8/', true)")
    before = kept(office)
    complaints = update(office)
    assert any("5 permits belong to no connector, and there are 2 to choose from" in line for line in complaints)
    assert kept(office)["sicantik_permit"] == before["sicantik_permit"]
    assert look(office, "SELECT DISTINCT connector_id FROM sicantik_permit") == [(None,)]
    # The manager chooses; the next update finds nothing to say.
    look(office, "UPDATE sicantik_permit SET connector_id = (SELECT min(id) FROM sicantik_connector)")
    assert update(office) == []
