"""The upgraded listing, which carries the dates; asking again; and the history of a date."""

from datetime import date, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import Form, tagged

from .common import found, no_date
from .test_listing import ListingCase
from .test_listing import row as full_row


def row(number, **values):
    """A row that says nothing but the registration and the date."""
    return {"registration_id": full_row(number)["registration_id"], **values}


@tagged("post_install", "-at_install")
class TestListingDates(ListingCase):
    def remaining(self, run):
        answer = self.ledger.remaining(run_id=run.id, worker=run.worker)
        permits = self.Permit
        for domain in answer["domains"]:
            permits += permits.search(domain, order="id")
        return answer, permits

    def test_dates_of_the_listing(self):
        undated, dated, same = self.make_permits(3)
        dated.expiry_date = same.expiry_date = "2030-01-01"
        run = self.listing("all")
        rows = [
            row(1, expiry_date="2031-01-01"),
            row(2, expiry_date="2032-01-01"),
            row(3, expiry_date="2030-01-01"),
            row(4, expiry_date="2033-01-01"),
            row(5, expiry_date=False),
        ]
        answer = self.page(run, 1, rows)
        self.assertEqual((answer["dated"], answer["created"], answer["updated"]), (4, 2, 2))
        self.assertEqual(undated.expiry_date, date(2031, 1, 1))
        self.assertEqual(undated.expiry_check_state, "found")
        self.assertTrue(undated.expiry_checked_at and undated.last_sync_date)
        self.assertEqual(dated.expiry_date, date(2032, 1, 1))
        self.assertEqual(self.by_number(4).expiry_date, date(2033, 1, 1))
        empty = self.by_number(5)
        self.assertEqual((empty.expiry_check_state, empty.expiry_check_count), ("no_date", 1))
        self.assertGreater(empty.expiry_next_check_at, fields.Datetime.now())
        self.assertEqual((run.found_count, run.no_date_count, run.changed_count), (4, 1, 1))
        self.assertEqual((run.way, run.answered_count), ("upgraded", 5))
        asked = self.Permit.search([("expiry_run_id", "=", run.id)])
        self.assertEqual(sorted(asked.mapped("expiry_check_state")), ["found"] * 4 + ["no_date"])
        # Nobody is asked one by one: the listing has answered.
        self.assertEqual(self.remaining(run)[1], self.Permit)
        self.assertEqual(run.total, 5)
        self.finish(run, listed=5)
        self.assertEqual(self.connector.listing_way, "upgraded")
        self.assertEqual(self.connector.total_expiry_synced, 4)

        run = self.listing("all")
        written = {permit: permit.write_date for permit in self.Permit.search([])}
        self.env.cr.execute("SELECT max(write_date) FROM sicantik_permit")
        self.assertEqual(self.page(run, 1, rows)["unchanged"], 5)
        self.assertEqual((run.found_count, run.no_date_count, run.changed_count), (0, 0, 0))
        self.assertEqual({permit: permit.write_date for permit in written}, written)
        self.assertEqual(self.remaining(run)[1], self.Permit)

    def test_downgraded_again(self):
        run = self.listing("all")
        self.page(run, 1, [row(1, expiry_date="2031-01-01"), row(2, expiry_date=False)])
        self.finish(run)
        run = self.listing("all", include_not_due=True)
        self.page(run, 1, [row(1), row(2, permit_number="503/2"), row(3, permit_number="503/3")])
        self.assertEqual(run.way, "two_step")
        self.assertEqual(self.by_number(1).expiry_date, date(2031, 1, 1))
        self.assertEqual(self.remaining(run)[1], self.by_number(2) | self.by_number(3))
        self.finish(run)
        self.assertEqual(self.connector.listing_way, "two_step")

    def test_the_worker_knows_the_way_better(self):
        run = self.listing()
        self.page(run, 1, [row(1)], upgraded=True)
        self.assertEqual(run.way, "upgraded")
        self.page(run, 2, [], upgraded=False)
        self.assertEqual(run.way, "two_step")

    def test_an_empty_date_erases_none(self):
        permit = self.make_permits(1, expiry_date="2030-01-01")
        run = self.listing()
        self.page(run, 1, [row(1, expiry_date=False)])
        self.assertEqual(permit.expiry_date, date(2030, 1, 1))
        self.assertEqual((permit.expiry_check_state, run.no_date_count), ("no_date", 1))
        self.page(run, 2, [row(1, expiry_date="2030-01-01")])
        self.assertEqual((permit.expiry_check_state, permit.expiry_check_count), ("found", 0))
        self.assertEqual((run.no_date_count, run.found_count, run.changed_count), (0, 1, 0))

    def test_empty_dates_rest_like_answers(self):
        permit = self.make_permits(1)
        for count in (1, 2):
            run = self.listing()
            self.page(run, 1, [row(1, expiry_date=False)])
            self.page(run, 2, [row(1, expiry_date=False)])
            self.assertEqual((permit.expiry_check_count, run.no_date_count), (count, 1))
            self.finish(run)
            permit.expiry_next_check_at = fields.Datetime.now() - timedelta(minutes=1)

    def test_whoever_wants_all_asked_has_them_asked(self):
        run = self.listing("all", include_not_due=True)
        self.page(run, 1, [full_row(1, expiry_date=False), row(2, expiry_date="2030-01-01")])
        self.assertEqual((run.no_date_count, run.found_count), (0, 1))
        answer, permits = self.remaining(run)
        self.assertEqual((answer["total"], permits), (1, self.by_number(1)))
        self.record(run, 2, [no_date(permits)])
        self.assertEqual((run.answered_count, run.total), (2, 2))

    def test_remaining_keeps_to_the_limit(self):
        self.make_permits(5)
        run = self.listing("all", max_permits=2)
        self.page(run, 1, [row(1, expiry_date="2030-01-01"), row(2), row(3)])
        answer, permits = self.remaining(run)
        self.assertEqual((answer["limit"], answer["total"], len(permits)), (2, 2, 4))
        self.assertEqual(run.total, 3)
        self.record(run, 2, [found(permits[0]), found(permits[1])])
        answer, permits = self.remaining(run)
        self.assertEqual((answer["limit"], answer["total"], answer["domains"]), (0, 0, []))
        permits_only = self.ledger.remaining(run_id=run.id, worker="one")
        self.assertEqual(permits_only["answer"], "go")

    def test_the_speed_of_asking_is_measured_without_the_listing(self):
        permits = self.make_permits(60)
        pass_by = self.clock()
        run = self.listing("all")
        self.page(run, 1, [row(number, expiry_date="2030-01-01") for number in range(61, 161)], listed=160)
        for _ in range(5):
            pass_by(20)
            self.page(run, 0, [])
        self.ledger.listing_done(run_id=run.id, worker="one", complete=True)
        pass_by(30)
        self.record(run, 2, [found(permit) for permit in permits])
        self.finish(run)
        self.assertAlmostEqual(self.connector.last_sync_duration, 100)
        self.assertAlmostEqual(self.connector.last_expiry_sync_duration, 30)
        self.assertAlmostEqual(self.connector.last_expiry_rate, 2)
        self.assertEqual(self.connector.total_expiry_synced, 160)

    def test_a_renewed_permit_is_active_again(self):
        past, future = self.make_permits(2, status="expired", expiry_date="2020-01-01")
        cancelled = self.make_permits(1, status="cancelled", expiry_date="2020-01-01")
        self.page(
            self.listing(),
            1,
            [
                row(1, expiry_date="2021-01-01"),
                row(2, expiry_date="2999-01-01"),
                row(3, expiry_date="2999-01-01"),
            ],
        )
        self.assertEqual((past | future | cancelled).mapped("status"), ["expired", "active", "cancelled"])
        self.assertEqual(cancelled.expiry_date, date(2999, 1, 1))

    def test_dates_that_contradict_each_other_make_no_permit_active(self):
        permit = self.make_permits(1, status="expired", expiry_date="2020-01-01")
        run = self.listing()
        self.page(
            run, 1, [row(1, expiry_date="2020-01-01"), row(1, expiry_date="2999-01-01", applicant_name="B")]
        )
        self.assertEqual((permit.status, permit.expiry_date), ("expired", date(2020, 1, 1)))
        self.assertEqual((run.failed_count, run.found_count), (1, 0))
        self.assertEqual(permit.applicant_name, "B", "what else the rows say is not in doubt")

    def test_a_date_that_another_row_of_the_listing_contradicts(self):
        past, dated, undated, other = self.make_permits(4, expiry_date="2030-01-01")
        past.write({"status": "expired", "expiry_date": "2020-01-01"})
        undated.expiry_date = False
        run = self.listing("all")
        rows = [
            row(1, expiry_date="2999-01-01", other_expiry_date="2020-01-01"),
            row(2, expiry_date=False, other_expiry_date="2031-01-01"),
            row(3, expiry_date="2031-01-01", other_expiry_date=None),
            row(4, expiry_date="2031-01-01", other_expiry_date="2031-01-01"),
            row(5, expiry_date="2031-01-01", other_expiry_date="2032-01-01"),
        ]
        answer = self.page(run, 1, rows)
        self.assertEqual((answer["created"], answer["dated"], run.failed_count), (1, 1, 4))
        self.assertEqual((past.status, past.expiry_date), ("expired", date(2020, 1, 1)))
        self.assertEqual((dated.expiry_date, undated.expiry_date), (date(2030, 1, 1), False))
        self.assertFalse(self.by_number(5).expiry_date)
        self.assertEqual(other.expiry_date, date(2031, 1, 1), "it is the same")
        self.assertEqual((past | dated | undated).mapped("expiry_check_state"), ["failed"] * 3)
        self.assertEqual(set(run.line_ids.mapped("reason")), {"unreadable"})
        details = {line.registration_id: line.detail for line in run.line_ids}
        for one, two in (
            ("1", "2999-01-01"),
            ("1", "2020-01-01"),
            ("2", "–"),
            ("3", "–"),
            ("5", "2032-01-01"),
        ):
            self.assertIn(two, details[row(int(one))["registration_id"]])
        # Sent on another page, the earlier of the two was believed; now nobody knows.
        self.page(run, 2, [row(6, expiry_date="2031-01-01")])
        self.page(run, 3, [row(6, expiry_date="2032-01-01", other_expiry_date="2031-01-01")])
        self.assertEqual(self.by_number(6).expiry_date, date(2031, 1, 1))
        self.assertEqual((run.found_count, run.failed_count, len(run.line_ids)), (1, 5, 5))

    def test_whatever_the_status_the_listing_is_taken_in(self):
        """A status that people give is theirs; the rest is brought up to date all the same."""
        statuses = ["draft", "renewed", "cancelled"]
        permits = self.Permit.union(
            *(self.make_permits(1, status=status, expiry_date="2020-01-01") for status in statuses)
        )
        run = self.listing()
        rows = [
            row(number, expiry_date="2999-01-01", applicant_name="Baru", permit_number=f"503/{number}/BARU")
            for number in (1, 2, 3)
        ]
        self.assertEqual(self.page(run, 1, rows)["updated"], 3)
        self.assertEqual(permits.mapped("status"), statuses)
        self.assertEqual(set(permits.mapped("expiry_date")), {date(2999, 1, 1)})
        self.assertEqual(set(permits.mapped("applicant_name")), {"Baru"})
        self.assertEqual(permits.mapped("permit_number"), [f"503/{number}/BARU" for number in (1, 2, 3)])
        self.assertEqual(set(permits.mapped("expiry_check_state")), {"found"})
        self.finish(run)
        run = self.listing()
        self.assertEqual(self.page(run, 1, rows)["unchanged"], 3)
        self.assertEqual(self.page(run, 2, [row(1, expiry_date="2020-01-01")])["updated"], 1)
        self.assertEqual(permits[0].status, "draft")

    def test_connector_says_when_to_ask_again(self):
        old, new = self.make_permits(2, expiry_date="2030-01-01", expiry_check_state="found")
        old.expiry_checked_at = fields.Datetime.now() - timedelta(days=91)
        new.expiry_checked_at = fields.Datetime.now() - timedelta(days=89)

        def planned(**wishes):
            return self.ledger.plan(connector_id=self.connector.id, **wishes)["total"]

        self.assertEqual(planned(), 0)
        self.connector.refresh_older_than = 90
        self.assertEqual((planned(), planned(refresh_older_than=None)), (1, 1))
        self.assertEqual((planned(refresh_older_than=0), planned(refresh_older_than=80)), (0, 2))
        for value in (-1, 36501):
            with self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.connector.refresh_older_than = value
        run_id = self.start(trigger="cron", kind="all")["run_id"]
        run = self.env["sicantik.sync.run"].browse(run_id)
        self.assertEqual(run.refresh_older_than, 90)
        self.ledger.claim(worker="one")
        # What the listing confirms need not be asked again.
        self.assertEqual(self.remaining(run)[1], old)
        self.page(run, 1, [row(1, expiry_date="2030-01-01"), row(2, expiry_date="2030-01-01")])
        self.assertEqual((run.unchanged_count, run.found_count), (2, 1))
        self.assertEqual(self.remaining(run)[1], self.Permit)

    def test_what_becomes_due_while_the_run_works_is_left_to_the_next(self):
        stale, nearly, undated = self.make_permits(3)
        run = self.listing("all", refresh_older_than=30)
        began = run.started_at
        (stale | nearly).write({"expiry_date": "2030-01-01", "expiry_check_state": "found"})
        stale.expiry_checked_at = began - timedelta(days=30, seconds=1)
        nearly.expiry_checked_at = began - timedelta(days=30, seconds=-1)
        undated.write({"expiry_check_state": "no_date", "expiry_next_check_at": began + timedelta(seconds=1)})
        checked = nearly.expiry_checked_at
        dates = ("2030-01-01", "2030-01-01", False)
        rows = [row(number, expiry_date=expiry) for number, expiry in enumerate(dates, 1)]
        later = began + timedelta(minutes=10)
        with patch.object(type(run), "_now", lambda _self: later):
            self.assertEqual(self.page(run, 1, rows)["unchanged"], 3)
            self.assertEqual((stale.expiry_checked_at, nearly.expiry_checked_at), (later, checked))
            self.assertEqual((run.found_count, run.no_date_count), (1, 0))
            self.assertEqual(self.remaining(run)[1], self.Permit)
            # Whoever asks what there is to do is told by the clock.
            self.assertEqual(self.ledger.plan(self.connector.id, refresh_older_than=30)["total"], 2)

    def test_history_of_a_date(self):
        by_listing, by_question, by_hand, first = self.make_permits(4, expiry_date="2030-01-01")
        first.expiry_date = False
        self.Permit.flush_model()
        self.env.cr.precommit.run()
        (by_listing | by_question | by_hand | first).message_ids.unlink()
        run = self.listing("all")
        self.page(run, 1, [row(1, expiry_date="2031-02-03"), row(4, expiry_date="2031-02-03")])
        self.record(run, 2, [found(by_question, "2032-02-03")])
        view = self.env.ref("sicantik_sidecar.sicantik_permit_view_form")
        with Form(by_hand.with_user(self.users["officer"]), view) as form:
            form.expiry_date = date(2033, 2, 3)
        self.env.cr.precommit.run()
        for permit, new in ((by_listing, "2031-02-03"), (by_question, "2032-02-03")):
            (message,) = permit.message_ids
            for text in ("2030-01-01", new, run.display_name):
                self.assertIn(text, message.body)
        (message,) = by_hand.message_ids
        self.assertEqual(message.author_id, self.users["officer"].partner_id)
        (value,) = message.sudo().tracking_value_ids
        self.assertEqual(
            (value.old_value_datetime.date(), value.new_value_datetime.date()),
            (date(2030, 1, 1), date(2033, 2, 3)),
        )
        self.assertFalse(first.message_ids, "there was no date before")
        self.assertEqual(run.changed_count, 2)
        # Repeated, it is no change.
        self.page(run, 3, [row(1, expiry_date="2031-02-03")])
        self.assertEqual(len(by_listing.message_ids), 1)
