"""Identity and dates of permits."""

from datetime import timedelta

import psycopg2

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import OTHER_ADDRESS, SicantikCase


@tagged("post_install", "-at_install")
class TestPermit(SicantikCase):
    def test_registration_is_unique_within_a_connector(self):
        permit = self.make_permits(1)
        other = self.make_connector("Other", OTHER_ADDRESS)
        self.make_permits(1, other, registration_id=permit.registration_id)
        with (
            self.assertRaises(psycopg2.errors.UniqueViolation),
            mute_logger("odoo.sql_db"),
            self.env.cr.savepoint(),
        ):
            self.make_permits(1, registration_id=f" {permit.registration_id} ")

    def test_permits_without_registration_are_not_the_same(self):
        permits = self.make_permits(2, registration_id=" ")
        self.assertEqual(permits.mapped("registration_id"), [False, False])
        permits.registration_id = ""
        self.env.flush_all()

    def test_permit_number_may_come_twice(self):
        self.assertEqual(len(self.make_permits(2, permit_number="503/1/SIP/2024")), 2)

    def test_names(self):
        permit = self.make_permits(1)
        self.assertEqual(permit.display_name, permit.permit_number)
        permit.permit_number = False
        self.assertEqual(permit.display_name, permit.registration_id)
        self.assertEqual(self.env["sicantik.permit"].name_search(permit.registration_id)[0][0], permit.id)

    def test_days_left(self):
        permit = self.make_permits(1)
        self.assertEqual(permit.days_left, 0)
        today = fields.Date.context_today(permit)
        for days in (-3, 0, 45):
            permit.expiry_date = today + timedelta(days=days)
            self.assertEqual(permit.days_left, days)

    def test_connector_with_permits_is_kept(self):
        self.make_permits(1)
        with (
            self.assertRaises(psycopg2.errors.ForeignKeyViolation),
            mute_logger("odoo.sql_db"),
            self.env.cr.savepoint(),
        ):
            self.connector.unlink()

    def test_a_deleted_permit_leaves_its_failure_behind(self):
        permit = self.make_permits(1)
        number = permit.permit_number
        run = self.started()
        self.record(
            run,
            1,
            [{"permit_id": permit.id, "outcome": "failed", "reason": "timeout", "detail": ""}],
        )
        permit.unlink()
        run.line_ids.invalidate_recordset()
        self.assertEqual((run.line_ids.permit_name, run.line_ids.permit_id.id), (number, False))
