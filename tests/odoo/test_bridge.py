"""The bridge on modules of others: the same work with the same results, whatever a permit looks like there."""

from datetime import date, timedelta

import pytest

from conftest import PROTOCOLS
from kit.listing import check_dates, check_listing, check_listing_books, obtainable, two_step, upgraded
from kit.processes import run
from kit.service import run_in
from kit.truth import check_all, check_books, counts

RUNS = "sicantik.sync.run"
REFUSED = "sicantik.refused_permit"
OWN_RATE = 5
predecessor = pytest.mark.parametrize("bridged_server", ["predecessor"], indirect=True)


@pytest.fixture
def refusing(bridged):
    """Makes the module refuse every change of the permit with this number."""
    yield lambda number: bridged.odoo.set_parameter(REFUSED, number)
    bridged.odoo.set_parameter(REFUSED, False)


def of_run(bridged, run_id, model=RUNS, field="id"):
    return bridged.odoo.call(model, "search_read", [(field, "=", run_id)])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_expiry_date(bridged, bridged_office, protocol):
    simulator, connector = bridged_office(400, "--fault", "error-500=0.05", "--fault", "php-warning=0.03")
    result = bridged.sync(ODOO_PROTOCOL=protocol)
    truth = simulator.truth()
    check_all(bridged.odoo, truth)
    check_books(bridged.odoo, result, connector)
    assert result.code == (3 if counts(truth)["failed"] else 0), result.stderr
    assert bridged.sync(ODOO_PROTOCOL=protocol).json["found"] == 0


@pytest.mark.parametrize("flags", [[], ["--upgraded"]], ids=["two-steps", "upgraded"])
def test_the_whole_night(bridged, bridged_office, flags):
    simulator, connector = bridged_office(400, *flags, load=False)
    result = bridged.run("sync", "all", "--json")
    truth = simulator.truth()
    known = check_listing(bridged.odoo, connector, truth, received=bool(flags))
    check_dates(known, truth, upgraded if flags else two_step)
    check_listing_books(bridged.odoo, result, connector)
    again = bridged.run("sync", "permits", "--json")
    assert (again.code, again.json["listing"]["unchanged"]) == (0, len(known)), again.stderr


@predecessor
def test_fields_that_the_module_computes_follow_the_dates(bridged, bridged_office):
    simulator, _ = bridged_office(200)
    bridged.sync()
    permits = bridged.odoo.permits(["expiry_date", "days_until_expiry", "expiry_status"])
    assert len(permits) == len(simulator.truth())
    for permit in permits:
        if not permit["expiry_date"]:
            assert (permit["days_until_expiry"], permit["expiry_status"]) == (0, "unknown")
            continue
        days = (date.fromisoformat(permit["expiry_date"]) - date.today()).days
        assert abs(permit["days_until_expiry"] - days) <= 1
        assert permit["expiry_status"] == ("expired" if days < 0 else "soon" if days <= 90 else "valid")


def test_a_refused_permit_does_not_stop_the_check(bridged, bridged_office, bridged_service, refusing):
    simulator, connector = bridged_office(161, "--clean")
    yesterday = str(date.today() - timedelta(days=2))
    ids = [permit["id"] for permit in bridged.odoo.permits(["id"])]
    bridged.odoo.call("sicantik.permit", "write", ids, {"expiry_date": yesterday})
    refused = simulator.truth()[80]["no_surat"]
    refusing(refused)
    started = bridged.odoo.call(RUNS, "start", connector_id=connector, kind="check", trigger="button")
    ended = run_in(bridged.odoo, started["run_id"], "done", "failed")
    assert ended["state"] == "done", ended["message"]
    states = {permit["permit_number"]: permit["status"] for permit in bridged.odoo.permits(["permit_number", "status"])}
    assert [number for number, status in states.items() if status != "expired"] == [refused]
    assert list(states.values()).count("expired") == 160
    (line,) = of_run(bridged, ended["id"], "sicantik.sync.run.line", "run_id")
    assert line["reason"] == "rejected_by_odoo" and "is in court" in line["detail"]


def test_a_refused_permit_does_not_stop_the_expiry(bridged, bridged_office, refusing):
    simulator, _ = bridged_office(60, "--clean")
    refused = simulator.truth()[20]
    refusing(refused["no_surat"])
    result = bridged.sync()
    assert (result.code, result.json["found"], result.json["errors"]) == (3, 59, 1), result.stderr
    (line,) = of_run(bridged, result.json["run_id"], "sicantik.sync.run.line", "run_id")
    assert line["reason"] == "rejected_by_odoo" and "is in court" in line["detail"]
    refusing(False)
    assert bridged.sync().json["found"] == 1
    check_all(bridged.odoo, simulator.truth())


def test_a_refused_permit_does_not_stop_the_listing(bridged, bridged_office, refusing):
    simulator, _ = bridged_office(120, "--upgraded", load=False)
    bridged.run("sync", "permits", "--json")
    simulator.post("renew?count=120")
    simulator.post("rename?count=120")
    before = {permit["permit_number"]: permit for permit in bridged.odoo.permits(["permit_number", "expiry_date"])}
    truth = {permit["pendaftaran_id"]: permit for permit in obtainable(simulator.truth())}
    renewed = [permit["no_surat"] for permit in truth.values()
               if permit["no_surat"] and permit["expiry_date"]
               and permit["expiry_date"] != before[permit["no_surat"]]["expiry_date"]]
    numbers = [permit["no_surat"] for permit in truth.values()]
    refused = next(number for number in renewed if numbers.count(number) == 1)
    refusing(refused)
    result = bridged.run("sync", "permits", "--json")
    assert result.json["listing"]["rejected"] == 1, result.stderr
    for permit in bridged.odoo.permits(["permit_number", "registration_id", "expiry_date"]):
        if permit["permit_number"] == refused:
            assert permit["expiry_date"] == before[refused]["expiry_date"]
        else:
            assert permit["expiry_date"] == (truth[permit["registration_id"]]["expiry_date"] or False)


@predecessor
def test_the_rate_of_the_office_is_kept(bridged, bridged_office):
    simulator, _ = bridged_office(30, "--clean")
    simulator.post("reset-log")
    result = run("sync", "expiry", "--json", settings=bridged.settings)
    assert result.json["found"] == 30, result.stderr
    assert simulator.traffic()["max_in_any_second"] <= OWN_RATE


@predecessor
def test_documents_and_contacts_of_other_modules(bridged, bridged_office):
    """Stored fields follow, overridden methods run, and nobody is told anything twice."""
    odoo = bridged.odoo
    simulator, connector = bridged_office(200, "--upgraded", load=False)
    bridged.run("sync", "permits", "--json")
    kind = odoo.call("sicantik.permit.type", "create", [{"name": "SIUP"}])[0]
    holder = odoo.call("res.partner", "create", [{"name": "Sari", "whatsapp_opt_in": True}])[0]
    permits = odoo.permits(["id", "registration_id", "permit_number", "expiry_date"], [("expiry_date", "!=", False)])
    ids = [permit["id"] for permit in permits]
    marked = {"permit_type_id": kind, "partner_id": holder, "notes": "Kept", "expiry_notified_90": True}
    odoo.call("sicantik.permit", "write", ids, marked)
    odoo.call("sicantik.document", "create", [{"name": "Scan", "permit_id": permit} for permit in ids])
    simulator.post("renew?count=150")
    simulator.post("rename?count=50")
    bridged.run("sync", "all", "--json")
    check_dates(check_listing(odoo, connector, simulator.truth(), received=True), simulator.truth(), upgraded)
    now = {permit["id"]: permit for permit in odoo.call("sicantik.permit", "read", ids)}
    renewed = [permit["id"] for permit in permits if now[permit["id"]]["expiry_date"] != permit["expiry_date"]]
    assert renewed and len(renewed) < len(ids)
    for permit in now.values():
        assert (permit["permit_type_id"][0], permit["partner_id"][0], permit["notes"]) == (kind, holder, "Kept")
        # Another date is reminded of anew, says the other module's `write`.
        assert permit["expiry_notified_90"] == (permit["id"] not in renewed)
    for document in odoo.call("sicantik.document", "search_read", []):
        permit = now[document["permit_id"][0]]
        assert (document["permit_number"], document["permit_type_id"][0]) == (permit["permit_number"], kind)
    assert odoo.call("res.partner", "read", [holder], ["whatsapp_opt_in"])[0]["whatsapp_opt_in"]
    assert not odoo.call("sicantik.whatsapp.message", "search", []), "nothing was issued"


def test_a_clerk_reads_and_writes_as_before(bridged, bridged_office):
    """The module lets every internal user do so; the bridge gives and takes nothing."""
    odoo = bridged.odoo
    _, connector = bridged_office(3, "--clean")
    clerk = odoo.employee("clerk", "a-password-of-the-tests")
    permits = clerk.permits(["id", "status"])
    assert len(permits) == 3
    assert clerk.call("sicantik.permit", "write", [permits[0]["id"]], {"status": "cancelled"})
    assert clerk.call("sicantik.connector", "read", [connector], ["name"])
    views = odoo.call("ir.ui.view", "search_read", [("model", "=like", "sicantik.%")], fields=["model", "type"])
    for view in views:
        if view["model"] != "res.config.settings":
            assert odoo.call(view["model"], "get_views", [(view["id"], view["type"])])
