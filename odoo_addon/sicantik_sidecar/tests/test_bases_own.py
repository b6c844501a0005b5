"""The base's own methods, scheduled actions and pages once the bridge is there, and its going."""

from datetime import date, datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..base_module import base_classes, base_has
from ..ledger import setup
from ..hooks import _set_responsibles, uninstall_hook
from .test_bases import BasesCase

WIZARD = "sicantik.expiry.sync.wizard"


@tagged("post_install", "-at_install", "test_bases")
class TestBasesOwn(BasesCase):
    # The base's own methods

    def no_requests(self):
        return patch("requests.sessions.Session.request", side_effect=AssertionError("SICANTIK was asked"))

    def queued(self):
        runs = self.env["sicantik.sync.run"].search(
            [("connector_id", "=", self.connector.id), ("state", "=", "queued")]
        )
        kinds = runs.mapped("kind")
        runs.state = "done"
        return kinds

    def test_the_base_asks_sicantik_nothing_any_more(self):
        permit = self.make_permits(1)
        connector = self.connector.with_user(self.users["officer"])
        quiet = connector.with_context(sicantik_queue_only=True)
        with self.no_requests():
            self.assertTrue(connector.sync_permits(limit=50, offset=0, full_sync=True)["success"])
            self.assertEqual(self.queued(), ["permits"])
            for press in (connector.action_sync_permits, connector.action_full_sync_permits):
                self.assertEqual(press()["res_model"], "sicantik.sync.run")
                self.assertEqual(self.queued(), ["permits"])
            self.assertTrue(connector.sync_permit_types()["success"])
            result = quiet.sync_expiry_dates_workaround(max_permits=100)
            self.assertEqual(set(result), {"success", "total", "synced", "failed", "duration"})
            self.assertEqual(self.queued(), ["expiry"])
            # A module that stands on the base may ask so in its own part of the morning's check.
            check = self.env["sicantik.connector"]._cron("check")
            check.user_id = self.users["officer"]
            self.assertEqual(
                connector.with_context(cron_id=check.id).sync_expiry_dates_workaround(100), result
            )
            self.assertEqual(self.queued(), ["expiry"])
            self.assertEqual(quiet.action_test_expiry_sync()["tag"], "display_notification")
            self.assertEqual(self.queued(), ["expiry"])
            self.assertEqual(connector.action_sync_all_expiry()["res_model"], WIZARD)
            self.assertIsNone(connector._get_permit_expiry_workaround(permit.permit_number))
            self.assertEqual(self.queued(), ["expiry"])
            permit.expiry_date = "2030-01-01"
            row = connector._get_permit_expiry_workaround(permit.permit_number)
            self.assertEqual(row["d_berlaku_izin"], "2030-01-01")
            self.assertIsNone(connector._get_permit_expiry_workaround("503/none"))
            self.assertEqual(self.queued(), [])
            self.env["sicantik.connector"].with_user(self.users["officer"]).cron_sync_expiry_dates()
            self.assertEqual(self.queued(), ["all"])

    def test_the_office_is_told_as_before(self):
        """The base's own notices go on, and its trouble undoes no queueing."""
        permits = self.env["sicantik.permit"]
        base = next(
            (cls for cls in base_classes("sicantik.permit") if "cron_check_expiring_permits" in vars(cls)),
            None,
        )
        if not base:
            permits.cron_check_expiring_permits()
            self.assertEqual(self.queued(), ["check"])
            return
        told, trouble = [], None
        original = vars(base)["cron_check_expiring_permits"]

        def notices(records):
            told.append(
                records.env["sicantik.connector"].browse(self.connector.id).sync_expiry_dates_workaround(100)
            )
            if trouble:
                records.browse(permit.id).permit_number = "503/half-done"
                raise trouble
            return original(records)

        permit = self.make_permits(1, expiry_date=fields.Date.today() + timedelta(days=7))
        self.make_permits(1)
        number = permit.permit_number
        notices._api_model = True
        with self.no_requests(), patch.object(base, "cron_check_expiring_permits", notices):
            permits.cron_check_expiring_permits()
            self.assertEqual((len(told), sorted(self.queued())), (1, ["check", "expiry"]))
            trouble = UserError("The gateway is away.")  # pylint: disable=translation-required
            with mute_logger("odoo.addons.sicantik_sidecar.models.sicantik_permit"):
                permits.cron_check_expiring_permits()
            self.assertEqual((len(told), permit.permit_number), (2, number))
            self.assertIn("check", self.queued())
            # At its own hour, whichever that is, it goes on.
            cron, trouble = self.env["sicantik.connector"]._cron("check"), None
            permits.with_context(cron_id=cron.id).cron_check_expiring_permits()
            self.assertEqual(len(told), 3)

    @mute_logger("odoo.addons.base.models.ir_cron", "odoo.addons.sicantik_sidecar.models.sicantik_permit")
    def test_modules_above_the_bridge(self):
        """What they add to the morning happens at the base's own hour alone, and its trouble undoes
        no queueing.
        """
        connectors, Permit = self.env["sicantik.connector"], self.registry["sicantik.permit"]
        ours, theirs = connectors._own_cron("check"), connectors._cron("check")
        if ours == theirs:
            # No module can be between this base and the bridge.
            return
        connectors.search([("id", "!=", self.connector.id)]).active = False
        calls, below = [], Permit.cron_check_expiring_permits

        def above(permits):
            result = below(permits)
            calls.append(permits.env.context["cron_id"])
            if len(calls) == 1:
                raise UserError("The gateway is away.")  # pylint: disable=translation-required
            return result

        day, morning = date(2026, 3, 10), datetime(2026, 3, 10, 2, 0, 5)  # 09:00:05 in Jakarta
        messages, before = self.env.get("sicantik.whatsapp.message"), 0
        if messages is not None:
            holder = self.env["res.partner"].create({"name": "Sari", "whatsapp_opt_in": True})
            ends = fields.Date.today() + timedelta(days=7)
            self.make_permits(1, expiry_date=ends, partner_id=holder.id)
            before = messages.search_count([])
        with patch.object(Permit, "cron_check_expiring_permits", above):
            self.connector.check_cron_date = day - timedelta(days=1)
            with self.scheduler(morning + timedelta(minutes=1)) as run:
                run(theirs, "failed")
                self.assertEqual((calls, self.queued()), ([theirs.id], []))
                for _ in range(3):
                    run(ours)
            self.assertEqual((len(calls), self.queued()), (1, ["check"]))
            self.assertEqual(self.connector.check_cron_date, day)
            with self.scheduler(morning + timedelta(hours=7)) as run:
                run(theirs)
            self.assertEqual((len(calls), self.queued()), (2, []))
            # Switched off by the office.
            theirs.active = False
            with self.scheduler(morning + timedelta(days=1)) as run:
                run(ours)
            self.assertNotIn("check", self.queued())
        if messages is not None:
            self.assertEqual(messages.search_count([]), before + 1)

    # Existing connectors

    def test_somebody_is_told_of_failures(self):
        odoobot, admin = self.env.ref("base.user_root"), self.env.ref("base.user_admin")
        officer, sidecar = self.users["officer"], self.users["sidecar"]
        # Who made the connector, who is responsible for it, and who is after the installation.
        cases = [
            (odoobot, odoobot, admin),
            (officer, odoobot, officer),
            (sidecar, odoobot, admin),
            (odoobot, officer, officer),
        ]
        made = []
        for number, (maker, responsible, _after) in enumerate(cases):
            made.append(self.make_connector(str(number), user_id=responsible.id, active=number % 2))
            self.env.flush_all()
            self.env.cr.execute(
                "UPDATE sicantik_connector SET create_uid = %s WHERE id = %s", [maker.id, made[-1].id]
            )
        self.env.invalidate_all()
        _set_responsibles(self.env)
        self.assertEqual([one.user_id for one in made], [after for _maker, _responsible, after in cases])

    # What is planned

    def test_the_scheduled_actions_of_the_base_are_used(self):
        connectors = self.env["sicantik.connector"]
        for kind, name in (("expiry", "cron_sync_expiry_dates"), ("check", "cron_check_expiring_permits")):
            theirs = self.env.ref(f"sicantik_connector.{name}", raise_if_not_found=False)
            ours = self.env.ref(f"sicantik_sidecar.{name}", raise_if_not_found=False)
            self.assertTrue(bool(theirs) != bool(ours), "two for one hour are one too many")
            self.assertEqual(connectors._cron(kind), theirs or ours)
            triggers = self.env["ir.cron.trigger"]
            own = connectors._own_cron(kind)
            self.assertEqual(own, ours or self.env.ref("sicantik_sidecar.cron_queue_due"))
            self.assertTrue(triggers.search_count([("cron_id", "=", own.id)]))
            own.active = False
            told = {action["name"]: action["active"] for action in setup.state(self.env, None)["actions"]}
            self.assertFalse(told[own.with_context(lang="en_US").name], "it queues nothing now")
            own.active = True
            if theirs:
                self.assertFalse(triggers.search_count([("cron_id", "=", theirs.id)]))
                before = theirs.nextcall, theirs.write_date, theirs.active
                connectors.search([])._plan_crons()
                self.env.flush_all()
                theirs.invalidate_recordset()
                self.assertEqual((theirs.nextcall, theirs.write_date, theirs.active), before)

    def test_a_night(self):
        connectors = self.env["sicantik.connector"]
        connectors.search([("id", "!=", self.connector.id)]).active = False
        cron = connectors._cron("expiry")
        night = datetime(2026, 3, 9, 19, 0, 5)  # 02:00:05 on the 10th in Jakarta
        with patch.object(type(connectors), "_utc_now", lambda _self: night):
            for _ in range(2):
                connectors.with_context(cron_id=cron.id).cron_sync_expiry_dates()
        self.assertEqual(self.queued(), ["all"])

    # Pages

    def test_the_wizard(self):
        self.make_permits(3)
        connector = self.connector.with_user(self.users["officer"])
        action = connector.action_sync_all_expiry()
        view = self.env.ref("sicantik_sidecar.view_sicantik_expiry_sync_wizard_form")
        self.assertEqual(action["views"], [(view.id, "form")])
        wizards = self.env[WIZARD].with_user(self.users["officer"]).with_context(**action["context"])
        with Form(wizards, view) as form:
            self.assertEqual((form.permits_without_expiry, form.permits_to_ask), (3, 3))
        opened = form.save().action_sync()
        run = self.env["sicantik.sync.run"].browse(opened["res_id"])
        self.assertEqual((run.state, run.total, run.trigger), ("queued", 3, "button"))
        self.assertEqual("sicantik_connector" in self.env[WIZARD]._original_module, base_has(WIZARD))

    def test_pages_load_for_the_lowest_user(self):
        for model in ("sicantik.connector", "sicantik.permit", "sicantik.sync.run", "sicantik.sync.run.line"):
            for kind in ("list", "form", "search"):
                self.assertTrue(self.page_view(model, kind, "user"))
        self.make_permits(1)
        for records in (self.connector, self.env["sicantik.permit"].search([], limit=1)):
            names = [name for name in records._fields if records._fields[name].type != "binary"]
            self.assertTrue(records.with_user(self.users["manager"]).read(names))

    # Going

    def test_nothing_is_left_behind(self):
        parameters = self.env["ir.config_parameter"]
        for name in ("url", "token", "run_retention_days"):
            parameters.set_param(f"sicantik_sidecar.{name}", "1")
        crons = [self.env["sicantik.connector"]._own_cron(kind).id for kind in ("expiry", "check")]
        kind = self.env.ref("sicantik_sidecar.mail_activity_type_sync_failed")
        self.connector.activity_schedule(activity_type_id=kind.id, user_id=self.env.uid)
        permit = self.make_permits(1, expiry_date="2030-01-01")
        before = permit.read(["permit_number", "expiry_date", "status"])
        uninstall_hook(self.env)
        self.assertFalse(parameters.search([("key", "=like", "sicantik_sidecar.%")]))
        self.assertFalse(self.env["ir.cron.trigger"].search([("cron_id", "in", crons)]))
        self.assertFalse(self.env["mail.activity"].search([("activity_type_id", "=", kind.id)]))
        self.assertEqual(permit.read(["permit_number", "expiry_date", "status"]), before)
