"""What a page of the listing does to permits, counters and failures."""

from datetime import date, timedelta
from unittest.mock import patch

import psycopg2

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import OTHER_ADDRESS, SicantikCase, found

ROWS_LOGGER = "odoo.addons.sicantik_sidecar.ledger.recorder"


def row(number, **values):
    """A row as the sidecar sends it, of a permit that `make_permits` would have made."""
    return {
        "registration_id": f"{number:08d}01012024",
        "permit_number": f"503/{number:04d}/SIP/2024",
        "applicant_name": f"Pemohon {number}",
        "permit_type_name": "SURAT IZIN PRAKTIK",
        "received_date": "2024-01-01",
        **values,
    }


class ListingCase(SicantikCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.Permit = cls.env["sicantik.permit"]

    def listing(self, kind="permits", worker="one", **wishes):
        return self.started(worker, kind=kind, **wishes)

    def page(self, run, batch, rows, worker="one", **progress):
        self.env.flush_all()
        self.env.invalidate_all()
        answer = self.ledger.record_listing(
            run_id=run.id, worker=worker, batch=batch, rows=rows, progress=progress
        )
        self.env.invalidate_all()
        return answer

    def first_page(self, rows, **wishes):
        run = self.listing(**wishes)
        self.page(run, 1, rows, listed=len(rows))
        return run

    def finish(self, run, **progress):
        self.env["sicantik.sync.run"].invalidate_model()
        return self.ledger.finish(
            run_id=run.id, worker=run.worker, state="done", message="", progress=progress
        )

    def by_number(self, number):
        return self.Permit.search(
            [
                ("connector_id", "=", self.connector.id),
                ("registration_id", "=", row(number)["registration_id"]),
            ]
        )

    def counts(self, run):
        return tuple(
            run[name] for name in ("created_count", "updated_count", "unchanged_count", "failed_count")
        )


@tagged("post_install", "-at_install")
class TestListing(ListingCase):
    def test_new_changed_and_unchanged(self):
        run = self.listing()
        answer = self.page(run, 1, [row(1), row(2)], pages=1, listed=2, junk=3, skipped=1, requests=4)
        self.assertEqual(
            answer,
            {
                "answer": "go",
                "rejected": 0,
                "created": 2,
                "updated": 0,
                "unchanged": 0,
                "recounted": 0,
                "dated": 0,
            },
        )
        one, two = self.by_number(1), self.by_number(2)
        self.assertEqual(one.permit_number, "503/0001/SIP/2024")
        self.assertEqual((one.applicant_name, one.permit_type_name), ("Pemohon 1", "SURAT IZIN PRAKTIK"))
        self.assertEqual((one.received_date, one.status, one.listed), (date(2024, 1, 1), "active", True))
        self.assertEqual((one.connector_id, one.listing_run_id), (self.connector, run))
        self.assertTrue(one.last_sync_date)
        self.assertFalse(one.expiry_check_state or one.expiry_date or one.expiry_run_id)
        self.assertFalse(one.message_ids or one.message_follower_ids)
        self.assertEqual((run.pages, run.listed_count, run.junk_count, run.skipped_count), (1, 2, 3, 1))
        self.assertEqual((run.requests, run.way), (4, "two_step"))
        self.finish(run)
        self.env.cr.execute("UPDATE sicantik_permit SET write_date = write_date - interval '1 day'")
        self.Permit.invalidate_model()
        written = two.write_date

        run = self.listing()
        answer = self.page(run, 1, [row(1, applicant_name="Pemohon Baru"), row(2), row(3)])
        self.assertEqual((answer["created"], answer["updated"], answer["unchanged"]), (1, 1, 1))
        self.assertEqual(self.counts(run), (1, 1, 1, 0))
        self.assertEqual((one.applicant_name, one.permit_number), ("Pemohon Baru", "503/0001/SIP/2024"))
        self.assertEqual(one.listing_run_id, run)
        self.assertEqual(two.write_date, written, "nothing differed, so nothing is written")
        self.assertNotEqual(two.listing_run_id, run)

    def test_unchanged_page_asks_the_database_next_to_nothing(self):
        rows = [row(number, expiry_date="2030-01-01" if number % 3 else False) for number in range(1, 301)]
        self.finish(self.first_page(rows))
        run = self.listing()
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        self.ledger.record_listing(run_id=run.id, worker="one", batch=1, rows=rows, progress={})
        self.assertLess(self.env.cr.sql_log_count - before, 12)
        self.assertEqual(run.unchanged_count, 300)

    def test_creating_a_page_asks_little_too(self):
        run = self.listing()
        self.env.flush_all()
        before = self.env.cr.sql_log_count
        rows = [row(number, expiry_date="2030-01-01") for number in range(1, 301)]
        self.ledger.record_listing(run_id=run.id, worker="one", batch=1, rows=rows, progress={})
        self.assertLess(self.env.cr.sql_log_count - before, 25)
        self.assertEqual(run.created_count, 300)

    def test_a_batch_counts_once(self):
        run = self.first_page([row(1)])
        again = self.page(run, 1, [row(1), row(2)])
        self.assertEqual((again["answer"], again["created"]), ("go", 0))
        self.assertFalse(self.by_number(2))
        self.assertEqual(self.counts(run), (1, 0, 0, 0))
        with self.assertRaisesRegex(ValidationError, "Batch 3"):
            self.page(run, 3, [row(2)])
        # One numbering for both kinds of batches.
        self.record(run, 2, [found(self.by_number(1))])
        self.assertEqual(self.page(run, 2, [row(2)])["created"], 0)
        self.assertEqual(self.page(run, 3, [row(2)])["created"], 1)

    def test_batch_0_only_renews_the_lease(self):
        run = self.first_page([row(1)])
        run.lease_until = run._now()
        self.assertEqual(self.page(run, 0, [])["answer"], "go")
        self.assertGreater(run.lease_until, run._now())
        self.assertEqual(run.last_batch, 1)
        with self.assertRaisesRegex(ValidationError, "Batch 0"):
            self.page(run, 0, [row(2)])

    def test_pages_that_overlap_count_each_permit_once(self):
        self.make_permits(1)
        run = self.listing()
        self.page(run, 1, [row(1, applicant_name="A", expiry_date="2030-01-01"), row(2)])
        self.page(run, 2, [row(1, applicant_name="B", expiry_date="2030-01-02"), row(2)])
        self.assertEqual(self.counts(run), (1, 1, 0, 0))
        self.assertEqual((run.found_count, self.by_number(1).applicant_name), (1, "B"))
        self.assertEqual(run.changed_count, 1)

    def test_lost_and_stopped(self):
        run = self.listing()
        answer = self.page(run, 1, [row(1)], worker="other")
        self.assertEqual(answer, {"answer": "lost"})
        self.assertFalse(self.by_number(1))
        run.cancel_requested = True
        self.assertEqual(self.page(run, 1, [row(1)])["answer"], "stop")
        for call in (
            lambda: self.ledger.remaining(run_id=run.id, worker="other"),
            lambda: self.ledger.listing_done(run_id=run.id, worker="other", complete=True),
        ):
            self.assertEqual(call()["answer"], "lost")

    def test_lease_is_renewed(self):
        run = self.listing()
        for call in (
            lambda: self.page(run, 1, []),
            lambda: self.ledger.listing_done(run_id=run.id, worker="one", complete=True),
            lambda: self.ledger.remaining(run_id=run.id, worker="one"),
        ):
            run.lease_until = run._now() + timedelta(seconds=1)
            call()
            self.assertGreater(run.lease_until, run._now() + timedelta(seconds=20))

    def test_an_empty_value_erases_nothing(self):
        permit = self.make_permits(
            1, applicant_name="Sari", permit_type_name="SIUP", received_date="2024-02-03"
        )
        run = self.listing()
        empty = {"registration_id": permit.registration_id, "permit_number": "", "applicant_name": "  "}
        answer = self.page(run, 1, [empty])
        self.assertEqual(answer["unchanged"], 1)
        self.assertEqual((permit.applicant_name, permit.permit_type_name), ("Sari", "SIUP"))
        self.assertTrue(permit.permit_number and permit.received_date)

    def test_a_permit_that_knows_its_number_only_is_adopted(self):
        alone = self.make_permits(1, registration_id=False, permit_number="503/0001/SIP/2024")
        twins = self.make_permits(2, registration_id=False, permit_number="503/0002/SIP/2024")
        half = self.make_permits(1, registration_id=False, permit_number="503/0003/SIP/2024")
        self.make_permits(1, registration_id="9999", permit_number="503/0003/SIP/2024")
        shared = self.make_permits(1, registration_id=False, permit_number="503/0004/SIP/2024")
        other = self.make_connector("Other", OTHER_ADDRESS)
        foreign = self.make_permits(1, other, registration_id=False, permit_number="503/0006/SIP/2024")
        run = self.listing()
        rows = [row(1), row(2), row(3), row(4), row(5, permit_number="503/0004/SIP/2024"), row(6)]
        answer = self.page(run, 1, rows)
        self.assertEqual((answer["created"], answer["updated"]), (5, 1))
        self.assertEqual(self.by_number(1), alone)
        self.assertEqual(alone.applicant_name, "Pemohon 1")
        self.assertFalse(any((twins | half | shared | foreign).mapped("registration_id")))

    def test_a_number_with_spaces_at_its_ends(self):
        """SICANTIK compares the number to the letter; who typed it did not."""
        typed = self.make_permits(1, registration_id=False, permit_number="503/0001/SIP/2024")
        spaced = self.make_permits(1, registration_id=False, permit_number=" 503/0002/SIP/2024")
        twins = self.make_permits(1, registration_id=False, permit_number="503/0003/SIP/2024")
        twins |= self.make_permits(1, registration_id=False, permit_number=" 503/0003/SIP/2024")
        run = self.listing()
        numbers = [f" 503/{number:04d}/SIP/2024" for number in (1, 2)]
        rows = [row(1, permit_number=numbers[0]), row(2, permit_number=numbers[1])]
        rows.append(row(3, permit_number="503/0003/SIP/2024 "))
        self.assertEqual(self.page(run, 1, rows)["created"], 1)
        self.assertEqual((typed | spaced).mapped("permit_number"), numbers)
        self.assertTrue(all((typed | spaced).mapped("registration_id")))
        self.assertFalse(any(twins.mapped("registration_id")), "nobody can tell which it is")

    def test_a_corrected_number_is_due_at_once(self):
        permit = self.make_permits(1)
        rest = fields.Datetime.now() + timedelta(days=8)
        permit.write({"expiry_next_check_at": rest, "expiry_check_count": 4, "expiry_check_state": "no_date"})
        self.page(
            self.listing("all"), 1, [row(1, registration_id=permit.registration_id, permit_number="503/9")]
        )
        self.assertEqual(permit.permit_number, "503/9")
        self.assertFalse(permit.expiry_next_check_at or permit.expiry_check_count)

    def test_no_date_for_another_number_is_the_first_answer(self):
        permit = self.make_permits(1)
        rest = fields.Datetime.now() + timedelta(days=8)
        permit.write({"expiry_next_check_at": rest, "expiry_check_count": 4, "expiry_check_state": "no_date"})
        other = row(1, registration_id=permit.registration_id, permit_number="503/9", expiry_date=False)
        self.page(self.listing("all"), 1, [other])
        self.assertEqual((permit.permit_number, permit.expiry_check_count), ("503/9", 1))
        self.assertLess(permit.expiry_next_check_at, rest)

    def test_texts_of_all_kinds(self):
        run = self.listing()
        name = "Beru Karo é – “Sembiring” & <b>Ginting</b>\0"
        self.page(run, 1, [row(1, registration_id=" A-1 ", applicant_name=name, permit_number=None)])
        permit = self.Permit.search([("registration_id", "=", "A-1")])
        self.assertEqual(permit.applicant_name, name.rstrip("\0"))
        self.assertFalse(permit.permit_number)
        again = row(1, registration_id="A-1", applicant_name=name)
        self.assertEqual(self.page(run, 2, [again])["created"], 0)

    def test_the_same_registration_twice_in_a_page(self):
        run = self.listing()
        answer = self.page(
            run,
            1,
            [
                row(1, expiry_date="2030-01-01"),
                row(1, expiry_date="2030-01-01", applicant_name="Lain"),
                row(2, expiry_date="2030-01-01"),
                row(2, expiry_date=False),
                row(3),
                row(3, expiry_date="2030-01-01"),
                row(3),
            ],
        )
        self.assertEqual((answer["created"], answer["dated"], answer["rejected"]), (3, 2, 0))
        self.assertEqual(self.by_number(1).applicant_name, "Lain")
        self.assertEqual(str(self.by_number(3).expiry_date), "2030-01-01")
        self.assertFalse(self.by_number(2).expiry_date)
        self.assertEqual(self.by_number(2).expiry_check_state, "failed")
        self.assertEqual(run.line_ids.mapped("reason"), ["unreadable"])
        self.assertIn("2030-01-01", run.line_ids.detail)
        self.assertEqual((run.found_count, run.failed_count), (2, 1))
        # The next page knows better.
        self.page(run, 2, [row(2, expiry_date="2030-01-01")])
        self.assertEqual((run.found_count, run.failed_count, len(run.line_ids)), (3, 0, 0))

    def test_a_row_without_a_registration_is_said_and_stops_no_other(self):
        run = self.listing()
        answer = self.page(run, 1, [row(1, registration_id="  "), row(2)])
        self.assertEqual(answer["created"], 1)
        self.page(run, 2, [row(1, registration_id="")])
        self.assertEqual(run.line_ids.mapped("reason"), ["unreadable"])
        self.assertEqual(run.line_ids.permit_name, "503/0001/SIP/2024")
        self.assertEqual(run.failed_count, 1)

    def test_a_row_that_odoo_refuses_stops_no_other(self):
        known = self.make_permits(1)
        create, write = type(self.Permit).create, type(self.Permit).write

        def refuse(values):
            if "Terlarang" in (values.get("applicant_name") or ""):
                raise UserError("This name is not welcome.")  # pylint: disable=translation-required

        def refusing_create(records, vals_list):
            for values in vals_list:
                refuse(values)
            return create(records, vals_list)

        def refusing_write(records, values):
            refuse(values)
            return write(records, values)

        rows = [row(1, applicant_name="Terlarang 1"), row(2), row(3, applicant_name="Terlarang 3"), row(4)]
        run = self.listing()
        Model = self.registry["sicantik.permit"]
        with (
            patch.object(Model, "create", refusing_create),
            patch.object(Model, "write", refusing_write),
            mute_logger(ROWS_LOGGER),
        ):
            answer = self.page(run, 1, rows)
            self.assertEqual((answer["created"], answer["updated"], answer["rejected"]), (2, 0, 2))
            self.page(run, 2, rows)
        self.assertEqual(self.counts(run), (2, 0, 0, 2))
        self.assertFalse(known.applicant_name)
        self.assertEqual(
            [(line.registration_id, line.permit_id.id, line.reason) for line in run.line_ids],
            [
                (row(1)["registration_id"], known.id, "rejected_by_odoo"),
                (row(3)["registration_id"], False, "rejected_by_odoo"),
            ],
        )
        self.assertEqual(set(run.line_ids.mapped("detail")), {"This name is not welcome."})
        # Once it is welcome, nothing rests of the refusal.
        self.page(run, 3, rows)
        self.assertEqual(self.counts(run), (3, 1, 0, 0))
        self.assertFalse(run.line_ids)

    def test_conflict_with_others_is_left_to_odoo_to_repeat(self):
        run = self.listing()
        conflict = psycopg2.errors.SerializationFailure
        with (
            patch.object(self.registry["sicantik.permit"], "create", side_effect=conflict),
            self.assertRaises(conflict),
            mute_logger("odoo.sql_db"),
        ):
            self.page(run, 1, [row(1)])
        self.assertEqual((run.last_batch, run.created_count), (0, 0))

    def test_malformed_pages_change_nothing(self):
        run = self.listing()
        for bad in (
            {},
            "row",
            {"permit_number": "1"},
            {"registration_id": 16},
            row(2, applicant_name=5),
            row(2, received_date="01-02-2024"),
            row(2, expiry_date="2030-02-30"),
            row(2, expiry_date=True),
            row(2, again=1),
            row(2, again="true"),
            row(2, expiry_date="2030-01-01", other_expiry_date="2030-02-30"),
            row(2, expiry_date="2030-01-01", other_expiry_date=True),
        ):
            with self.subTest(bad=bad), self.assertRaises(ValidationError):
                self.page(run, 1, [row(1), bad])
        for batch in (0, -1, "1"):
            with self.assertRaises(ValidationError):
                self.page(run, batch, [row(1)])
        with self.assertRaises(ValidationError):
            self.page(run, 1, {"registration_id": "1"})
        self.assertFalse(self.by_number(1))
        self.assertEqual(run.last_batch, 0)
