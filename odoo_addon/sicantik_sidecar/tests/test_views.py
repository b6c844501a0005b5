"""The pages load for those who may see them, and their filters find what they say."""

from datetime import timedelta

from odoo import fields
from odoo.tests import Form, tagged
from odoo.tools.safe_eval import datetime as safe_datetime
from odoo.tools.safe_eval import safe_eval

from .common import SicantikCase

MODELS = ("sicantik.connector", "sicantik.permit", "sicantik.sync.run", "sicantik.sync.run.line")


@tagged("post_install", "-at_install")
class TestViews(SicantikCase):
    def test_views_load_for_the_lowest_user(self):
        for model in MODELS:
            for kind in ("list", "form", "search"):
                self.assertTrue(self.page_view(model, kind, "user"))

    def test_the_actions_name_the_pages_of_the_bridge(self):
        """Whatever pages the base has: these are opened, and those of the base stay its own."""
        for model in ("sicantik.connector", "sicantik.permit"):
            name = f"sicantik_sidecar.{model.replace('.', '_')}"
            action = self.env["ir.actions.act_window"]._for_xml_id(f"{name}_action")
            views = [(self.env.ref(f"{name}_view_{kind}").id, kind) for kind in ("list", "form")]
            self.assertEqual([tuple(view) for view in action["views"]], views)
            self.assertEqual(action["search_view_id"][0], self.env.ref(f"{name}_view_search").id)
            for kind in ("list", "form", "search"):
                self.assertFalse(self.env.ref(f"{name}_view_{kind}").inherit_id)
                own = self.env[model].get_view(view_type=kind)["id"]
                self.assertNotEqual(own, self.env.ref(f"{name}_view_{kind}").id)

    def test_buttons_and_details_are_for_their_groups(self):
        def arch(name):
            return (
                self.env["sicantik.sync.run"].with_user(self.users[name]).get_view(view_type="form")["arch"]
            )

        self.assertNotIn('name="action_cancel"', arch("user"))
        self.assertIn('name="action_cancel"', arch("officer"))
        self.assertNotIn('name="worker"', arch("officer"))
        self.assertIn('name="worker"', arch("manager"))

    def test_menus_of_a_user(self):
        menu = self.env.ref("sicantik_sidecar.sicantik_root_menu")
        Menu = self.env["ir.ui.menu"]
        self.assertIn(menu.id, Menu.with_user(self.users["user"])._visible_menu_ids())
        self.assertNotIn(menu.id, Menu.with_user(self.stranger)._visible_menu_ids())

    def test_filters(self):
        today = fields.Date.context_today(self.env["sicantik.permit"])
        permits = {
            days: self.make_permits(1, expiry_date=today + timedelta(days=days))
            for days in (-1, 0, 30, 31, 60, 61, 90, 91)
        }
        undated = self.make_permits(1)
        marked = self.make_permits(1, status="expired")
        everything = undated | marked | self.env["sicantik.permit"].union(*permits.values())
        arch = self.page_view("sicantik.permit", "search")

        def found(name):
            from lxml import etree

            node = etree.fromstring(arch).find(f".//filter[@name='{name}']")
            domain = safe_eval(
                node.get("domain"), {"context_today": lambda: today, "datetime": safe_datetime}
            )
            return everything.filtered_domain(domain)

        def union(*days):
            return self.env["sicantik.permit"].union(*(permits[day] for day in days))

        self.assertEqual(found("without_expiry"), undated)
        self.assertEqual(set(found("expiring_30")), set(union(0, 30)))
        self.assertEqual(set(found("expiring_60")), set(union(0, 30, 31, 60)))
        self.assertEqual(set(found("expiring_90")), set(union(0, 30, 31, 60, 61, 90)))
        self.assertEqual(set(found("expired")), set(union(-1) | marked))

    def test_officer_writes_a_permit_by_hand(self):
        page = self.env.ref("sicantik_sidecar.sicantik_permit_view_form")
        with Form(self.env["sicantik.permit"].with_user(self.users["officer"]), page) as form:
            form.permit_number = "503/77/SIP/2024"
            form.connector_id = self.connector
        self.assertEqual(form.record.permit_number, "503/77/SIP/2024")

    def test_buttons_open_their_pages(self):
        permit = self.make_permits(1)
        run = self.started()
        self.record(run, 1, [{"permit_id": permit.id, "outcome": "no_date"}])
        env = {"uid": self.env.uid}
        for action, model, expected in (
            (self.connector.action_view_permits(), "sicantik.permit", permit),
            (self.connector.action_view_runs(), "sicantik.sync.run", run),
            (run.action_view_permits(), "sicantik.permit", permit),
            (run.action_view_failures(), "sicantik.sync.run.line", run.line_ids),
        ):
            self.assertEqual(action["res_model"], model)
            domain = action["domain"]
            self.assertEqual(
                self.env[model].search(safe_eval(domain, env) if isinstance(domain, str) else domain),
                expected,
            )
        self.assertEqual(permit.action_view_expiry_run()["res_id"], run.id)
