"""The bridge comes to a module of others and goes again: nothing of the module's is lost, nothing of ours is left."""

import pytest

from conftest import BASES, Site, server
from kit import footprint, servers
from kit.listing import obtainable, two_step
from kit.odoo import OdooError
from kit.processes import ROOT, run

BRIDGE = "sicantik_sidecar"
CONNECTOR = "sicantik.connector"
SIDECAR = "sicantik-sidecar"


@pytest.fixture(scope="module", params=[*BASES, "standalone"])
def alone(main_server, request):
    """An Odoo with one of the modules, where the bridge is not installed yet."""
    name = f"alone_{request.param}"
    for settings in server(name, "--base", request.param, "--without-bridge", "--fresh"):
        yield settings | {"name": name}


@pytest.fixture
def office(alone, simulate):
    """An office at work: permits, some with dates, and all that other modules keep about them."""
    site = Site(alone)
    odoo = site.odoo
    if odoo.call("ir.module.module", "search_count", [("name", "=", BRIDGE), ("state", "=", "installed")]):
        odoo.module(BRIDGE, "uninstall")
    site.db.empty()
    simulator = simulate("--permits", 150)
    site.connector = odoo.connector(simulator.api_url, total_expiry_synced=1234, last_sync_duration=12.5)
    ids = odoo.load(simulator.truth())
    dated = {"expiry_date": "2030-01-31", "last_sync_date": "2025-02-03 04:05:06"}
    odoo.call("sicantik.permit", "write", ids[:3], dated)
    odoo.call("sicantik.permit", "write", ids[3:4], {"status": "cancelled"})
    if "permit_type_id" in odoo.fields("sicantik.permit"):
        keep_more(odoo, ids)
    site.simulator = simulator
    site.kept = {permit["pendaftaran_id"] for permit in simulator.truth()[:4]}
    yield site
    site.db.connection.close()


def keep_more(odoo, ids):
    """What the first office's modules keep, each of which our earlier addon lost."""
    kind = odoo.call("sicantik.permit.type", "create", [{"name": "SIUP", "code": "S"}])[0]
    holder = odoo.call("res.partner", "create", [{
        "name": "Sari", "whatsapp_number": "0812", "whatsapp_opt_in": True,
        "whatsapp_opt_in_date": "2025-01-02 03:04:05"}])[0]
    odoo.call("sicantik.permit", "write", ids[:20], {
        "permit_type_id": kind, "partner_id": holder, "notes": "By hand", "expiry_notified_90": True})
    odoo.call("sicantik.permit", "write", ids[5:6], {"original_permit_id": ids[6], "is_renewal": True})
    storage = odoo.call("minio.connector", "create", [{"name": "Archive", "bucket_name": "karo"}])[0]
    odoo.call("sicantik.document", "create", [
        {"name": "Scan", "permit_id": permit, "storage_id": storage} for permit in ids[:10]])


class Picture:
    """A database at one moment."""

    def __init__(self, site, of=None):
        self.columns = footprint.columns(site.db)
        self.indexes = footprint.indexes(site.db)
        self.records = footprint.records(site.db)
        self.values = footprint.values(site.db, of or self.columns)


def check_nothing_left(before, after):
    """Every column, index and record is there again, and none more."""
    assert before.columns == after.columns, before.columns ^ after.columns
    assert before.indexes == after.indexes, before.indexes ^ after.indexes
    assert before.records.keys() == after.records.keys()
    for table, rows in before.records.items():
        assert rows == after.records[table], (table, rows ^ after.records[table])


def check_values(before, after):
    """No value of the module's was changed, and no row is gone."""
    lost = footprint.changed(before.values, after.values)
    assert not lost, f"{len(lost)} values: {lost[:5]}"


def test_it_comes_and_goes_and_nothing_is_lost(office):
    before = Picture(office)
    office.odoo.module(BRIDGE, "install")
    installed = Picture(office, of=before.columns)
    assert before.columns <= installed.columns
    check_values(before, installed)
    office.odoo.module(BRIDGE, "uninstall")
    after = Picture(office)
    check_nothing_left(before, after)
    check_values(before, after)


def test_what_it_brought_stays_when_it_goes(office):
    """Dates, permits and the contents of other modules' tables are the office's."""
    odoo = office.odoo
    before = Picture(office)
    odoo.module(BRIDGE, "install")
    result = run("sync", "all", "--json", settings=technical_user(office), SICANTIK_REQUEST_RATE="0")
    assert result.code in (0, 3), result.stderr
    assert set(office.simulator.traffic()["products"]) == {SIDECAR}
    permits = odoo.permits(["registration_id", "expiry_date"])
    dates = {permit["registration_id"]: permit["expiry_date"] for permit in permits}
    truth = [permit for permit in obtainable(office.simulator.truth()) if permit["pendaftaran_id"] not in office.kept]
    wrong = [permit["pendaftaran_id"] for permit in truth if dates[permit["pendaftaran_id"]] != two_step(permit)[1]]
    assert not wrong
    odoo.set_parameter(f"{BRIDGE}.url", "http://127.0.0.1:9")
    odoo.set_parameter(f"{BRIDGE}.token", "a-token-of-the-tests")
    worked = Picture(office, of=before.columns)
    odoo.module(BRIDGE, "uninstall")
    after = Picture(office, of=before.columns)
    assert after.columns == before.columns, after.columns ^ before.columns
    check_values(worked, after)
    left = [(table, row) for table, rows in after.records.items() for row in rows if BRIDGE in str(row)]
    assert not left


def test_the_modules_methods_are_its_own_again(office, simulate):
    odoo, simulator = office.odoo, simulate("--clean", "--permits", 20)
    if "standalone" in office.settings["name"]:
        pytest.skip("ours asks nobody")
    press = (CONNECTOR, "action_test_expiry_sync", [odoo.connector(simulator.api_url)])
    odoo.call(*press)
    simulator.post("reset-log")
    odoo.module(BRIDGE, "install")
    with pytest.raises(OdooError, match="sidecar"):
        odoo.call(*press)
    assert simulator.traffic()["requests"] == 0
    odoo.module(BRIDGE, "uninstall")
    odoo.call(*press)
    assert SIDECAR not in simulator.traffic()["products"]
    assert simulator.traffic()["requests"] > 0


def technical_user(office):
    """The settings of the sidecar's user, made as the documentation says."""
    script = (ROOT / "deploy/technical_user.py").read_text()
    lines = servers.shell(script, office.settings["name"]).splitlines()
    key = lines[-1]
    return office.settings | {"ODOO_API_KEY": key}
