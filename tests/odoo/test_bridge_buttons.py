"""The buttons and scheduled actions of other modules, pressed as before: only the sidecar asks SICANTIK any more."""

from datetime import date, timedelta

import pytest

from kit.listing import check_listing, obtainable
from kit.odoo import OdooError
from kit.service import Service, point_to, run_in
from kit.fake_servers import unused_address
from kit.truth import check_all
from kit.web import administrator

RUNS = "sicantik.sync.run"
CONNECTOR, PERMIT, WIZARD = "sicantik.connector", "sicantik.permit", "sicantik.expiry.sync.wizard"
SIDECAR = "sicantik-sidecar"
NIGHT, MORNING = "cron_sync_expiry_dates", "cron_check_expiring_permits"
# What people press and other code calls in each module, with its arguments.
METHODS = {
    "sync_expiry_dates_workaround": {"max_permits": 20},
    "action_test_expiry_sync": {},
    "action_sync_all_expiry": {},
}
METHODS_OF_PREDECESSOR = METHODS | {
    "sync_permits": {"limit": 50, "offset": 0, "full_sync": True},
    "action_sync_permits": {},
    "action_full_sync_permits": {},
    "sync_permit_types": {},
}


def methods(odoo):
    return METHODS_OF_PREDECESSOR if "config_id" in odoo.fields(CONNECTOR) else METHODS


def runs(odoo, *states):
    """The runs in these states, or all."""
    return odoo.call(RUNS, "search_read", [("state", "in", states)] if states else [], order="id")


def settled(odoo):
    """All runs, when each of them has ended."""
    for started in runs(odoo, "queued", "running"):
        run_in(odoo, started["id"], "done", "failed", "cancelled")
    return runs(odoo)


def press_cron(odoo, name):
    """Runs a scheduled action of the module's, as the administrator's button does."""
    action = odoo.reference(f"sicantik_connector.{name}")
    administrator(odoo.settings).press("ir.cron", "method_direct_trigger", action)


def only_the_sidecar_asked(simulator):
    asked = simulator.traffic()["products"]
    assert set(asked) == {SIDECAR}, asked


def test_each_button_asks_through_the_sidecar(bridged, bridged_office, bridged_service):
    odoo = bridged.odoo
    simulator, connector = bridged_office(100, "--clean")
    for method, arguments in methods(odoo).items():
        odoo.call(CONNECTOR, method, [connector], **arguments)
        assert {run["state"] for run in settled(odoo)} <= {"done"}, method
    only_the_sidecar_asked(simulator)


def test_no_button_asks_while_the_sidecar_is_away(bridged, bridged_office):
    odoo = bridged.odoo
    simulator, connector = bridged_office(10, "--clean")
    point_to(odoo, unused_address())
    for method, arguments in methods(odoo).items():
        try:
            odoo.call(CONNECTOR, method, [connector], **arguments)
        except OdooError as error:
            assert "sidecar" in str(error), method
    for name in (NIGHT, MORNING):
        press_cron(odoo, name)
    assert simulator.traffic()["requests"] == 0
    assert runs(odoo, "queued")


@pytest.mark.parametrize("bridged_server", ["predecessor"], indirect=True)
def test_the_listing_by_the_offices_button(bridged, bridged_office, bridged_service):
    odoo = bridged.odoo
    simulator, connector = bridged_office(150, load=False)
    odoo.call(CONNECTOR, "action_full_sync_permits", [connector])
    (ended,) = settled(odoo)
    assert (ended["state"], ended["listing_read"]) == ("done", True), ended["message"]
    check_listing(odoo, connector, simulator.truth())
    only_the_sidecar_asked(simulator)


def test_from_code_it_waits_and_reports(bridged, bridged_office, bridged_service):
    odoo = bridged.odoo
    simulator, connector = bridged_office(40, "--clean")
    result = odoo.call(CONNECTOR, "sync_expiry_dates_workaround", [connector])
    assert (result["success"], result["total"], result["synced"], result["failed"]) == (True, 40, 40, 0)
    check_all(odoo, simulator.truth())
    only_the_sidecar_asked(simulator)


def test_the_night(bridged, bridged_office, bridged_service):
    odoo = bridged.odoo
    simulator, connector = bridged_office(120, load=False)
    press_cron(odoo, NIGHT)
    (ended,) = settled(odoo)
    assert (ended["kind"], ended["trigger"], ended["state"]) == ("all", "cron", "done"), ended["message"]
    known = check_listing(odoo, connector, simulator.truth())
    assert len(known) == len(obtainable(simulator.truth()))
    only_the_sidecar_asked(simulator)


def test_the_morning_marks_and_reminds(bridged, bridged_office, bridged_service):
    """What the module itself does in the morning, it goes on doing."""
    odoo = bridged.odoo
    simulator, _ = bridged_office(30, "--clean")
    ids = [permit["id"] for permit in odoo.permits(["id"])]
    over, soon, later = ids[:10], ids[10:20], ids[20:]
    for permits, days in ((over, -2), (soon, 20), (later, 400)):
        odoo.call(PERMIT, "write", permits, {"expiry_date": str(date.today() + timedelta(days=days))})
    if "partner_id" in odoo.fields(PERMIT):
        holder = odoo.call("res.partner", "create", [{"name": "Sari", "whatsapp_opt_in": True}])
        odoo.call(PERMIT, "write", ids, {"partner_id": holder[0]})
    for _ in range(2):
        press_cron(odoo, MORNING)
        assert {run["state"] for run in settled(odoo)} == {"done"}
    states = {permit["id"]: permit["status"] for permit in odoo.permits(["status"])}
    assert states == {permit: "expired" if permit in over else "active" for permit in ids}
    reminded = "expiry_notified_30" if "expiry_notified_30" in odoo.fields(PERMIT) else "expiry_reminded"
    assert odoo.call(PERMIT, "search", [(reminded, "=", True)], order="id") == soon
    if "sicantik.whatsapp.message" in {model["model"] for model in odoo.call(
            "ir.model", "search_read", [("model", "=like", "sicantik.%")], fields=["model"])}:
        told = odoo.call("sicantik.whatsapp.message", "search_read", [], fields=["permit_id", "kind"])
        assert sorted(message["permit_id"][0] for message in told) == sorted(soon * 2), "once for each press"
        assert {message["kind"] for message in told} == {"expiring"}
    assert set(simulator.traffic()["products"]) <= {SIDECAR}


def test_one_scheduled_action_for_each_hour(bridged):
    codes = [cron["code"] for cron in bridged.odoo.call(
        "ir.cron", "search_read", [("active", "in", [True, False])], fields=["code"])]
    for name in (NIGHT, MORNING):
        assert len([code for code in codes if name in code]) == 1, codes


def test_the_wizard_and_stop(bridged, bridged_office):
    odoo = bridged.odoo
    simulator, connector = bridged_office(400, "--clean", "--latency", "100ms")
    with Service(bridged.settings, SICANTIK_REQUEST_RATE="50") as started:
        point_to(odoo, started.url)
        action = odoo.call(CONNECTOR, "action_sync_all_expiry", [connector])
        assert action["res_model"] == WIZARD
        wizard = odoo.call(WIZARD, "create", [{"connector_id": connector}])
        shown = odoo.call(WIZARD, "read", wizard)[0]
        assert shown["permits_to_ask"] == shown["permits_without_expiry"] == 400
        opened = odoo.call(WIZARD, "action_sync", wizard)
        assert opened["res_model"] == RUNS
        while not odoo.permits(["id"], [("expiry_date", "!=", False)]):
            assert odoo.call(RUNS, "read", [opened["res_id"]])[0]["state"] in ("queued", "running")
        odoo.call(CONNECTOR, "action_stop", [connector])
        ended = run_in(odoo, opened["res_id"], "cancelled")
        dated = odoo.permits(["id"], [("expiry_date", "!=", False)])
        assert 0 < ended["found_count"] == len(dated) < 400
    only_the_sidecar_asked(simulator)
