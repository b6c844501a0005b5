"""Buttons and the wizard, pressed by who may and who may not."""

from datetime import timedelta

from lxml import etree

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools.safe_eval import safe_eval

from .common import SicantikCase, failed, found, no_date

WIZARD = "sicantik.expiry.sync.wizard"


@tagged("post_install", "-at_install")
class TestButtons(SicantikCase):
    def setUp(self):
        super().setUp()
        self.officer = self.connector.with_user(self.users["officer"])

    def wizard(self, user="officer", **values):
        return (
            self.env[WIZARD].with_user(self.users[user]).create({"connector_id": self.connector.id, **values})
        )

    def runs(self):
        return self.env["sicantik.sync.run"].search([("connector_id", "=", self.connector.id)])

    def test_wizard_counts_and_estimates(self):
        rested, *_others = self.make_permits(30)
        run = self.started("one")
        self.record(run, 1, [no_date(rested)])
        self.ledger.finish(run_id=run.id, worker="one", state="done")
        self.connector.last_expiry_rate = 0.2
        wizard = self.wizard()
        self.assertEqual(
            (wizard.permits_without_expiry, wizard.permits_due, wizard.permits_asked_lately), (30, 29, 1)
        )
        self.assertEqual((wizard.permits_to_ask, wizard.estimated_duration), (29, "2 min 25 s"))
        with Form(wizard) as form:
            form.include_not_due = True
            self.assertEqual((form.permits_to_ask, form.estimated_duration), (30, "2 min 30 s"))
            form.max_permits = 5
            self.assertEqual((form.permits_to_ask, form.estimated_duration), (5, "25 s"))
        with self.assertRaises(ValidationError):
            wizard.max_permits = -1

    def test_the_figures_of_the_wizard_add_up(self):
        now = fields.Datetime.now()
        self.make_permits(5)
        self.make_permits(3, expiry_next_check_at=now + timedelta(days=3))
        self.make_permits(2, permit_number=False)
        dated = self.make_permits(4, expiry_date="2030-01-01", expiry_checked_at=now - timedelta(days=100))
        self.make_permits(1, expiry_date="2030-01-01", expiry_checked_at=now)
        for days, again in ((0, 0), (90, 4)):
            self.connector.refresh_older_than = days
            for lately in (False, True):
                wizard = self.wizard(include_not_due=lately)
                self.assertEqual(
                    (wizard.permits_without_expiry, wizard.permits_due, wizard.permits_asked_lately),
                    (8, 5, 3),
                )
                self.assertEqual((wizard.permits_to_ask_again, wizard.asks_again), (again, days))
                self.assertEqual(wizard.permits_to_ask, again + (8 if lately else 5))
                run = self.env["sicantik.sync.run"].browse(wizard.action_sync()["res_id"])
                self.assertEqual(run.total, wizard.permits_to_ask)
                run.action_cancel()
        # The connector's button counts the same permits, and shows them.
        self.assertEqual(self.officer.permit_without_expiry_count, 8)
        action = self.officer.with_context(without_expiry=True).action_view_permits()
        search = etree.fromstring(self.page_view("sicantik.permit", "search"))
        domain = list(action["domain"])
        for key in action["context"]:
            if key.startswith("search_default_"):
                name = key.removeprefix("search_default_")
                domain += safe_eval(search.find(f".//filter[@name='{name}']").get("domain"))
        self.assertEqual(self.env["sicantik.permit"].search_count(domain), 8)
        # Where only dates are to be asked again, that is something to start.
        self.env["sicantik.permit"].search([("connector_id", "=", self.connector.id)]).write(
            {"status": "draft"}
        )
        dated.status = "active"
        wizard = self.wizard()
        self.assertEqual((wizard.permits_without_expiry, wizard.permits_to_ask), (0, 4))
        self.assertTrue(wizard.action_sync()["res_id"])

    def test_wizard_starts_what_it_says(self):
        self.make_permits(7)
        action = self.officer.action_sync_all_expiry()
        self.assertEqual(
            (action["res_model"], action["context"]), (WIZARD, {"default_connector_id": self.connector.id})
        )
        action = self.wizard(max_permits=5).action_sync()
        run = self.runs()
        self.assertEqual((action["res_model"], action["res_id"]), (run._name, run.id))
        self.assertEqual((run.trigger, run.state, run.total, run.max_permits), ("button", "queued", 5, 5))
        self.assertEqual(run.user_id, self.users["officer"])

    def test_a_second_press_opens_the_run(self):
        self.make_permits(3)
        first = self.wizard().action_sync()
        second = self.wizard("manager").action_sync()
        third = self.connector.with_user(self.users["manager"]).action_sync_all_expiry()
        self.assertEqual({first["res_id"], second["res_id"], third["res_id"]}, {self.runs().id})

    def test_no_permits_to_sync(self):
        with self.assertRaisesRegex(UserError, "^No permits to sync$"):
            self.wizard().action_sync()
        with self.assertRaisesRegex(UserError, "^No permits to sync$"):
            self.officer._start_test()
        permit = self.make_permits(1)
        run = self.started("one")
        self.record(run, 1, [no_date(permit)])
        self.ledger.finish(run_id=run.id, worker="one", state="done")
        with self.assertRaisesRegex(UserError, "^No permits to sync: the 1 "):
            self.wizard().action_sync()
        self.assertTrue(self.wizard(include_not_due=True).action_sync()["res_id"])

    def test_a_test_asks_those_whose_turn_it_is(self):
        permits = self.make_permits(12)
        run = self.started("one")
        self.record(run, 1, [no_date(permit) for permit in permits[:11]])
        self.ledger.finish(run_id=run.id, worker="one", state="done")
        test = self.officer._start_test()
        self.assertEqual((test.max_permits, test.total), (10, 1))
        test.action_cancel()
        permits[11].status = "cancelled"
        self.assertEqual(self.officer._start_test().total, 10)

    def test_stop(self):
        self.make_permits(1)
        self.wizard().action_sync()
        self.officer.invalidate_recordset()
        with self.assertRaises(AccessError):
            self.connector.with_user(self.users["user"]).action_stop()
        self.officer.action_stop()
        self.assertEqual(self.runs().state, "cancelled")
        self.officer.invalidate_recordset()
        self.assertTrue(self.officer.action_stop())
        self.assertFalse(self.officer.current_run_id)

    def test_stop_is_there_again_when_the_worker_is_silent(self):
        self.make_permits(2)
        run = self.started("one", trigger="button").with_user(self.users["officer"])

        def shown():
            self.env.invalidate_all()
            run_form = etree.fromstring(run.get_view(view_type="form")["arch"])
            form = etree.fromstring(self.page_view("sicantik.connector", "form", "officer"))
            return tuple(
                not safe_eval(arch.find(f".//header/button[@name='{name}']").get("invisible"), values)
                for arch, name, values in (
                    (run_form, "action_cancel", run.read(["state", "stop_awaited"])[0]),
                    (form, "action_stop", self.officer.read(["current_run_id", "current_stop_awaited"])[0]),
                )
            )

        self.assertEqual(shown(), (True, True))
        run.action_cancel()
        self.assertEqual((shown(), run.state), ((False, False), "running"))
        self.expire(run.sudo())
        self.assertEqual((shown(), run.state), ((True, True), "running"))
        self.officer.action_stop()
        self.assertEqual((shown(), run.state), ((False, False), "cancelled"))

    def test_connector_shows_the_current_run(self):
        permits = self.make_permits(4)
        reader = self.connector.with_user(self.users["user"])
        self.assertFalse(reader.current_run_state or reader.current_status)
        run = self.started("one")
        self.record(run, 1, [found(permits[0])], rate=2.0, eta_seconds=90)
        reader.invalidate_recordset()
        self.assertEqual((reader.current_run_id, reader.current_progress), (run, 25.0))
        self.assertEqual(reader.current_status, "1 of 4 permits · 2.0 per second · 1 min 30 s left")

    def test_ask_again_about_the_failures(self):
        permits = self.make_permits(4)
        run = self.started("one")
        self.record(run, 1, [found(permits[0]), *map(failed, permits[1:3])])
        self.ledger.finish(run_id=run.id, worker="one", state="done")
        with self.assertRaises(AccessError):
            run.with_user(self.users["user"]).action_ask_failures_again()
        pressed = run.with_user(self.users["officer"])
        again = run.browse(pressed.action_ask_failures_again()["res_id"])
        self.assertEqual((again.total, again.permit_selection), (2, permits[1:3].ids))
        # The same press again shows it; one for other permits is not silently forgotten.
        self.assertEqual(pressed.action_ask_failures_again()["res_id"], again.id)
        again.permit_selection = permits[3].ids
        with self.assertRaises(UserError):
            pressed.action_ask_failures_again()

    def test_a_user_starts_nothing(self):
        self.make_permits(1)
        for name in ("user", "sidecar"):
            with self.assertRaises(AccessError):
                self.wizard(name)
        user = self.connector.with_user(self.users["user"])
        for press in (user.action_sync_all_expiry, user._start_test, user.action_test_connection):
            with self.assertRaises(AccessError):
                press()
        self.assertFalse(self.runs())

    def test_buttons_are_shown_to_officers(self):
        def arch(name):
            return self.page_view("sicantik.connector", "form", name)

        for button in (
            "action_sync_all_expiry",
            "action_test_expiry_sync",
            "action_test_connection",
            "action_stop",
        ):
            self.assertIn(f'name="{button}"', arch("officer"))
            self.assertNotIn(f'name="{button}"', arch("user"))

    def test_plan_estimates_from_the_speed_last_measured(self):
        self.make_permits(10)
        self.assertEqual(self.ledger.plan(connector_id=self.connector.id)["estimated_seconds"], 1.0)
        self.connector.last_expiry_rate = 4.0
        self.assertEqual(self.ledger.plan(connector_id=self.connector.id)["estimated_seconds"], 2.5)

    def test_names_of_the_first_module(self):
        for name in (
            "view_sicantik_expiry_sync_wizard_form",
            "cron_sync_expiry_dates",
            "cron_check_expiring_permits",
        ):
            self.env.ref(f"sicantik_sidecar.{name}")
        view = self.env.ref("sicantik_sidecar.view_sicantik_expiry_sync_wizard_form")
        for name in ("permits_without_expiry", "estimated_duration", "connector_id", "action_sync"):
            self.assertIn(f'name="{name}"', view.arch)
