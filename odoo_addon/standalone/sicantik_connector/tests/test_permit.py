"""Permits and connectors by themselves, without a sidecar."""

import psycopg2

from odoo.exceptions import AccessError
from odoo.tests import Form, TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

ADDRESS = "http://127.0.0.1:9/backoffice/api"


@tagged("post_install", "-at_install")
class TestPermit(TransactionCase):
    def test_a_permit_is_called_by_its_number(self):
        permit = self.env["sicantik.permit"].create(
            {"permit_number": "503/1/SIP/2024", "registration_id": "01"}
        )
        self.assertEqual((permit.display_name, permit.status), ("503/1/SIP/2024", "active"))
        permit.permit_number = False
        self.assertEqual(permit.display_name, "01")
        self.assertEqual(self.env["sicantik.permit"].name_search("01")[0][0], permit.id)

    @mute_logger("odoo.sql_db")
    def test_a_connector_has_an_address_of_its_own(self):
        connectors = self.env["sicantik.connector"]
        self.assertNotIn("api_url", connectors.default_get(["name", "api_url"]))
        with self.assertRaises(psycopg2.errors.NotNullViolation), self.env.cr.savepoint():
            connectors.create({"name": "Karo"})
        self.assertTrue(connectors.create({"name": "Karo", "api_url": ADDRESS}).active)

    def test_pages(self):
        for model in ("sicantik.permit", "sicantik.connector"):
            prefix = f"sicantik_connector.{model.replace('.', '_')}_view_"
            views = [(self.env.ref(prefix + kind).id, kind) for kind in ("list", "form", "search")]
            self.assertEqual(set(self.env[model].get_views(views)["views"]), {"list", "form", "search"})
        view = self.env.ref("sicantik_connector.sicantik_permit_view_form")
        with Form(self.env["sicantik.permit"], view) as form:
            form.permit_number = "503/77/SIP/2024"
        self.assertEqual(form.record.status, "active")

    def test_rights(self):
        someone = new_test_user(self.env, "sicantik_someone", groups="base.group_user")
        for model in ("sicantik.permit", "sicantik.connector"):
            with self.assertRaises(AccessError):
                self.env[model].with_user(someone).search([])
