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

    def test_a_number_is_kept_to_the_letter(self):
        permit = self.make_permits(1, permit_number=" 503/1/SIP/2024 ", registration_id=" 1 ")
        self.assertEqual((permit.permit_number, permit.registration_id), (" 503/1/SIP/2024 ", "1"))
        permit.permit_number = "  "
        self.assertFalse(permit.permit_number)

    def test_another_number_ends_the_rest(self):
        rest = {"expiry_next_check_at": fields.Datetime.now() + timedelta(days=8), "expiry_check_count": 4}
        permit, other = self.make_permits(2, **rest)
        for values, rests in (
            ({"permit_number": permit.permit_number}, True),
            ({"registration_id": f" {permit.registration_id} ", "applicant_name": "Ginting"}, True),
            ({"permit_number": "503/9/SIP/2024"}, False),
            ({"registration_id": "9999999901012024"}, False),
            ({"permit_number": "503/8/SIP/2024", **rest}, True),
        ):
            permit.write(rest)
            permit.write(values)
            self.assertEqual(bool(permit.expiry_next_check_at), rests, values)
            self.assertEqual(permit.expiry_check_count, 4 if rests else 0)
        self.assertTrue(other.expiry_next_check_at)
        permit.write({"permit_number": "503/7/SIP/2024", "expiry_check_count": 2})
        self.assertEqual((permit.expiry_next_check_at, permit.expiry_check_count), (False, 2))
        permit.write(rest)
        number = permit.permit_number
        (permit | other).write({"permit_number": number})
        self.assertTrue(permit.expiry_next_check_at, "its number is the same")
        self.assertFalse(other.expiry_next_check_at)

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
