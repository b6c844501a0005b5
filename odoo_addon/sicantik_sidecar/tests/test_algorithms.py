"""What the ledger decides in plain Python, looked at by itself."""

from datetime import date, datetime
from random import Random
from unittest.mock import patch

import psycopg2

from odoo.exceptions import UserError, ValidationError
from odoo.tests import BaseCase, tagged
from odoo.tools import mute_logger

from ..address import is_loopback, is_usable, server_of
from ..ledger import plan, rows, validate
from ..ledger.books import Entry
from ..ledger.recorder import Recorder, must_be_repeated
from ..ledger.words import REST
from .common import SicantikCase, found

RECORDER = "odoo.addons.sicantik_sidecar.ledger.recorder"
KNOWN = {
    "id": 7,
    "connector_id": 1,
    "registration_id": "01",
    "permit_number": "503/1",
    "applicant_name": "Sari",
    "permit_type_name": "SIUP",
    "received_date": date(2024, 1, 2),
    "expiry_date": date(2030, 1, 1),
    "status": "active",
    "listed": True,
    "expiry_check_state": "found",
    "expiry_checked_at": datetime(2026, 1, 1),
    "expiry_next_check_at": None,
    "expiry_check_count": 0,
}


@tagged("post_install", "-at_install")
class TestRows(BaseCase):
    def test_what_a_row_says_otherwise(self):
        row = {"registration_id": "01", "permit_number": "503/2", "applicant_name": "", "expiry_date": None}
        self.assertEqual(rows.differences(row, KNOWN, 1), {"permit_number": "503/2"})
        self.assertEqual(rows.differences({}, KNOWN, 1), {})
        self.assertEqual(rows.differences({}, {**KNOWN, "listed": False}, 1), {"listed": True})
        self.assertEqual(rows.differences({}, {**KNOWN, "connector_id": None}, 1), {"connector_id": 1})
        new = rows.differences({"registration_id": "02", "expiry_date": date(2030, 1, 1)}, None, 1)
        self.assertEqual(
            new, {"registration_id": "02", "connector_id": 1, "status": "active", "listed": True}
        )

    def test_numbers_of_one_single_row(self):
        page = {
            "01": {"permit_number": "503/1"},
            "02": {"permit_number": " 503/2 "},
            "03": {"permit_number": "503/3"},
            "04": {"permit_number": "503/3"},
            "05": {},
        }
        self.assertEqual(rows.single_numbers(page, {"01": KNOWN}), {"503/2": "02"})

    def test_what_a_date_counts_as(self):
        begun, rest = datetime(2026, 2, 1), {"expiry_next_check_at": datetime(2026, 2, 9)}

        def outcome(expiry, known=KNOWN, rest=KNOWN, old_before=None):
            return rows.date_outcome(expiry, known, rest, begun, old_before)

        self.assertIsNone(outcome(KNOWN["expiry_date"]))
        self.assertEqual(outcome(date(2031, 1, 1)), "found")
        self.assertEqual(outcome(KNOWN["expiry_date"], {**KNOWN, "expiry_check_state": "failed"}), "found")
        self.assertEqual(outcome(KNOWN["expiry_date"], old_before=datetime(2026, 1, 2)), "found")
        self.assertIsNone(outcome(KNOWN["expiry_date"], old_before=datetime(2026, 1, 1)))
        self.assertEqual(outcome(False), "no_date")
        self.assertIsNone(outcome(False, rest=rest))
        self.assertEqual(outcome(False, {}, rest), "no_date", "it was never asked about")
        self.assertEqual(outcome(date(2030, 1, 1), {}), "found")

    def test_a_rest_is_for_one_number(self):
        self.assertIs(rows.rest_of(KNOWN, {"applicant_name": "Budi"}), KNOWN)
        for name in ("permit_number", "registration_id"):
            self.assertEqual(rows.rest_of(KNOWN, {name: "9"}), REST)

    def test_days_are_those_of_the_office(self):
        night = datetime(2026, 1, 14, 19, 40)  # 02:40 on the 15th in Jakarta
        self.assertEqual(plan.local_day(night, "Asia/Jakarta"), date(2026, 1, 15))
        self.assertEqual(plan.local_day(night, False), date(2026, 1, 14))
        self.assertEqual(plan.rest_until(night, 1, "Asia/Jakarta"), datetime(2026, 1, 15, 17))
        self.assertEqual(plan.rest_until(night, 99, "Asia/Jakarta"), datetime(2026, 2, 13, 17))

    def test_addresses(self):
        self.assertEqual(server_of("https://EXAMPLE.go.id./api"), "example.go.id")
        self.assertEqual(server_of("http://[::1]:8080"), "[::1]:8080")
        for nothing in ("", "example.go.id", "http://", "http://h:x", "ftp://example.go.id"):
            self.assertFalse(server_of(nothing), nothing)
        for good in ("http://h", "https://h:1/api", "http://[::1]/"):
            self.assertTrue(is_usable(good), good)
        for bad in (None, "", "h", "ftp://h", "http://a:b@h", "http://h?x=1", "http://h#x", "http://h:0"):
            self.assertFalse(is_usable(bad), bad)
        self.assertTrue(is_loopback("http://127.9.9.9:1") and is_loopback("http://localhost"))
        self.assertFalse(is_loopback("http://127.0.0.1.example.go.id") or is_loopback("http://["))


@tagged("post_install", "-at_install")
class TestValidate(SicantikCase):
    def test_numbers(self):
        for value, number in ((None, 0), (False, 0), (0, 0), (5, 5)):
            self.assertEqual(validate.whole_number(self.env, value, "n"), number)
        for value in (True, "5", 1.5, -1, 2**31, [], {}):
            with self.subTest(value=value), self.assertRaisesRegex(ValidationError, "“n”"):
                validate.whole_number(self.env, value, "n")
        self.assertEqual(validate.ids(self.env, None, "n"), [])
        for value in ("1", [0], [True], {"1": 2}):
            with self.assertRaises(ValidationError):
                validate.ids(self.env, value, "n")
        self.assertEqual(validate.lease(self.env, 10**6), validate.MAX_LEASE_SECONDS)
        self.assertEqual(validate.lease(self.env, None), 30)

    def test_progress(self):
        said = {"requests": 3, "listed": 0, "junk": None, "skipped": False, "rate": -1, "upgraded": False}
        self.assertEqual(
            validate.progress(self.env, said),
            {"requests": 3, "listed_count": 0, "rate": 0.0, "way": "two_step"},
        )
        self.assertEqual(validate.progress(self.env, None), {})
        for wrong in ([1], "x", {"total": "many"}):
            with self.assertRaises(ValidationError):
                validate.progress(self.env, wrong)

    def test_a_page(self):
        page = validate.rows(
            self.env,
            [
                {"registration_id": " 01 ", "permit_number": "503/1 ", "applicant_name": " A\0 "},
                {"registration_id": "01", "applicant_name": "B", "again": True},
                {"registration_id": "02", "expiry_date": "2030-01-01", "again": True},
                {"registration_id": "02", "expiry_date": None},
                {"registration_id": "", "permit_number": "503/9"},
            ],
        )
        self.assertEqual(
            page.rows["01"], {"registration_id": "01", "permit_number": "503/1 ", "applicant_name": "B"}
        )
        self.assertEqual((page.again, page.nameless, [*page.failures]), ({"02"}, {"503/9"}, ["02"]))


@tagged("post_install", "-at_install")
class TestRecorder(SicantikCase):
    def test_what_is_repeated(self):
        def coded(code, kind=psycopg2.OperationalError):
            class Coded(kind):
                pgcode = code

            return Coded()

        for code in ("40001", "40P01", "55P03"):
            self.assertTrue(must_be_repeated(psycopg2.errors.lookup(code)()), code)
        for error in (psycopg2.OperationalError(), psycopg2.InterfaceError(), coded("08006"), coded("57P01")):
            self.assertTrue(must_be_repeated(error))
        too_long = psycopg2.errors.ProgramLimitExceeded
        self.assertTrue(issubclass(too_long, psycopg2.OperationalError))
        for error in (coded("54000", too_long), coded("23505"), UserError(""), ValueError()):
            self.assertFalse(must_be_repeated(error))

    @mute_logger(RECORDER, "odoo.sql_db")
    def test_a_row_that_is_too_long_for_an_index_is_refused_alone(self):
        one, two = self.make_permits(2)
        run = self.started(kind="permits")
        # Random, as PostgreSQL packs what repeats itself: longer than the 2,700 bytes that an index takes.
        letters = Random(1)
        name = "".join(chr(letters.randrange(0x4E00, 0x9F00)) for _ in range(9000))
        self.env.cr.execute("CREATE INDEX sicantik_permit_of_test ON sicantik_permit (applicant_name)")
        page = [
            {"registration_id": one.registration_id, "applicant_name": name},
            {"registration_id": two.registration_id, "applicant_name": "Sari"},
        ]
        answer = self.ledger.record_listing(run_id=run.id, worker="one", batch=1, rows=page)
        self.assertEqual((answer["rejected"], answer["updated"]), (1, 1))
        self.assertEqual((two.applicant_name, run.line_ids.permit_id), ("Sari", one))

    @mute_logger(RECORDER)
    def test_one_refusal_costs_few_writes(self):
        permits = self.make_permits(64)
        run, bad = self.started(), permits[40]
        Permit = self.registry["sicantik.permit"]
        write, calls = Permit.write, []

        def refuse(records, vals):
            calls.append(len(records))
            if bad in records:
                raise UserError("no")  # pylint: disable=translation-required
            return write(records, vals)

        with patch.object(Permit, "write", refuse):
            self.record(run, 1, [found(permit) for permit in permits])
        self.assertEqual((run.found_count, run.failed_count), (63, 1))
        self.assertLess(len(calls), 30, "it is looked for in halves")

    def test_batches_come_one_after_the_other(self):
        run = self.started()
        run.last_batch = 4
        recorder = Recorder(run)
        self.assertEqual([recorder.is_next(number) for number in (0, 3, 4, 5)], [False, False, False, True])
        with self.assertRaisesRegex(ValidationError, "Batch 6 came where batch 5"):
            recorder.is_next(6)

    def test_what_a_line_calls_a_permit(self):
        self.assertEqual(Entry(KNOWN).name, "503/1")
        self.assertEqual(Entry({**KNOWN, "permit_number": None}).name, "01")
        self.assertEqual(Entry({"id": 7}).name, "#7")
        self.assertEqual(Entry(KNOWN, "01", "503/2").name, "503/2")
        entry = Entry(name="x")
        entry.fail("unreadable", "y" * 999)
        self.assertEqual((entry.outcome, len(entry.detail), entry.is_refused), ("failed", 300, False))
