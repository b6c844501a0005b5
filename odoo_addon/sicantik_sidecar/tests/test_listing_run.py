"""A run that reads the listing, from its button to its statistics."""

from collections import Counter
from datetime import timedelta
from unittest.mock import patch

from lxml import etree

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.sicantik_connector import CRONS
from .common import OTHER_ADDRESS, failed, found
from .test_listing import ROWS_LOGGER, ListingCase, row


@tagged("post_install", "-at_install")
class TestListingRun(ListingCase):
    def test_only_runs_of_the_listing_read_it(self):
        run = self.started(kind="expiry")
        with self.assertRaisesRegex(ValidationError, "does not read the listing"):
            self.page(run, 1, [row(1)])
        with self.assertRaisesRegex(ValidationError, "does not read the listing"):
            self.ledger.listing_done(run_id=run.id, worker="one", complete=True)

    def test_who_may(self):
        run = self.listing()
        for name in ("user", "officer", "manager"):
            ledger = self.env["sicantik.sync.run"].with_user(self.users[name])
            for call in (
                lambda: ledger.record_listing(run_id=run.id, worker="one", batch=1, rows=[row(1)]),
                lambda: ledger.listing_done(run_id=run.id, worker="one", complete=True),
                lambda: ledger.remaining(run_id=run.id, worker="one"),
            ):
                with self.assertRaises(AccessError):
                    call()
        with self.assertRaises(AccessError):
            self.connector.with_user(self.users["user"]).action_sync_permits()
        self.assertEqual(run.last_batch, 0)

    def test_another_attempt_starts_from_the_front(self):
        run = self.first_page([row(1), row(2)], trigger="button")
        self.page(run, 2, [row(1), row(3)], junk=2, pages=2, listed=3)
        self.expire(run)
        payload = self.ledger.claim(worker="two")
        self.assertEqual((payload["kind"], payload["last_batch"]), ("permits", 2))
        self.assertFalse(payload["listing_done"])
        self.assertEqual((run.listed_count, run.junk_count, run.pages), (0, 0, 0))
        self.page(run, 3, [row(1), row(2), row(3), row(4)], worker="two", listed=4)
        self.assertEqual(self.counts(run), (4, 0, 0, 0))
        self.finish(run)
        self.assertEqual(self.connector.total_permits_synced, 4)

    def test_a_number_goes_back_to_0(self):
        run = self.listing()
        self.page(run, 1, [row(1)], skipped=1, junk=2, pages=3, listed=4, eta_seconds=5)
        for said in ({}, dict.fromkeys(("skipped", "junk", "eta_seconds")), {"skipped": False}):
            self.page(run, 0, [], **said)
            self.assertEqual((run.skipped_count, run.junk_count, run.eta_seconds), (1, 2, 5), said)
        self.page(run, 0, [], skipped=0, junk=0, eta_seconds=0)
        self.assertEqual((run.skipped_count, run.junk_count, run.eta_seconds), (0, 0, 0))
        self.assertEqual((run.pages, run.listed_count), (3, 4))

    def check_books(self, run, *counts):
        """Created, changed, unchanged and refused; the answers to each page add up to the same."""
        self.assertEqual(self.counts(run), counts)
        said = self.said
        self.assertEqual(
            (said["created"], said["updated"], said["unchanged"] - said["recounted"]), counts[:3]
        )

    def page(self, run, batch, rows, worker="one", **progress):
        answer = super().page(run, batch, rows, worker, **progress)
        self.said.update({name: answer[name] for name in ("created", "updated", "unchanged", "recounted")})
        return answer

    def setUp(self):
        super().setUp()
        self.said = Counter()

    def test_a_row_sent_again_is_counted_once(self):
        """As after an upgrade in the middle of a sweep: the same rows come once more, with dates."""
        self.finish(self.first_page([row(number) for number in range(1, 7)]))
        self.said.clear()
        run = self.listing(trigger="rpc")
        rows = [row(1), row(2), row(3), row(4, applicant_name="Baru"), row(7)]
        self.page(run, 1, rows)
        self.check_books(run, 1, 1, 3, 0)
        written = self.by_number(3).write_date
        again = [
            row(1, again=True, expiry_date="2031-01-01"),
            row(2, again=True, expiry_date=False),
            row(3, again=True),
            row(4, again=True, applicant_name="Lain", expiry_date="2031-01-01"),
            row(7, again=True, expiry_date="2031-01-01"),
            # Its first row is in this very call.
            row(5, again=False),
            row(5, again=True),
            row(6, expiry_date="2031-01-01"),
            row(6, again=True, expiry_date="2031-01-01"),
        ]
        answer = self.page(run, 2, again)
        self.assertEqual((answer["updated"], answer["unchanged"], answer["recounted"]), (2, 1, 1))
        self.check_books(run, 1, 3, 3, 0)
        self.assertEqual(self.by_number(3).write_date, written)
        self.page(run, 3, [{**one, "again": True} for one in again])
        self.check_books(run, 1, 3, 3, 0)
        # Another attempt sends all of them anew.
        self.expire(run)
        self.ledger.claim(worker="two")
        self.said.subtract(unchanged=self.said["unchanged"] - self.said["recounted"])
        self.page(run, 4, [*rows[:3], *again[3:]], worker="two")
        self.check_books(run, 1, 3, 3, 0)

    def test_a_row_that_was_refused_and_is_sent_again_is_counted_once(self):
        self.finish(self.first_page([row(1), row(2), row(3)]))
        self.said.clear()
        run = self.listing()
        refusing = patch.object(self.registry["sicantik.permit"], "write", side_effect=UserError("no"))
        with refusing, mute_logger(ROWS_LOGGER):
            self.page(run, 1, [row(1, applicant_name="Baru"), row(2), row(3)])
            self.check_books(run, 0, 0, 2, 1)
            # Counted as unchanged before; now it is one of the failures.
            answer = self.page(run, 2, [row(2, again=True, applicant_name="Baru")])
            self.assertEqual((answer["rejected"], answer["recounted"]), (1, 1))
            self.check_books(run, 0, 0, 1, 2)
        for batch in (3, 4):
            self.page(run, batch, [row(number, again=True, applicant_name="Baru") for number in (1, 2)])
            self.check_books(run, 0, 2, 1, 0)

    def test_statistics(self):
        self.connector.total_permits_synced = 10
        run = self.first_page([row(1), row(2)])
        self.assertFalse(self.connector.last_sync_date)
        self.finish(run, listed=2)
        self.finish(run, listed=2)
        self.assertEqual(run.state, "done")
        self.assertEqual(self.connector.total_permits_synced, 12)
        self.assertEqual(self.connector.last_sync_date, run.finished_at)
        self.assertEqual(self.connector.listing_way, "two_step")
        self.assertFalse(self.connector.last_expiry_sync_date)
        self.assertEqual(run.progress, 100)

    def test_only_a_whole_listing_tells_how_long_one_takes(self):
        self.make_permits(10)
        self.connector.write({"last_sync_duration": 60, "page_size": 1, "request_rate": 1})

        def end(state, complete=None, kind="permits"):
            run = self.listing(kind)
            past = timedelta(seconds=20)
            run.write({"started_at": run.started_at - past, "lease_until": run.lease_until - past})
            self.page(run, 1, [row(1)], listed=1)
            if complete is not None:
                self.ledger.listing_done(run_id=run.id, worker="one", complete=complete)
            self.ledger.finish(run_id=run.id, worker="one", state=state)
            self.assertEqual(self.connector.last_sync_date, run.finished_at)
            return self.connector.total_permits_synced, self.connector.last_sync_duration

        self.assertEqual(end("cancelled"), (1, 60))
        self.assertEqual(end("failed"), (2, 60))
        self.assertEqual(end("done", complete=False), (3, 60))
        self.assertEqual(self.connector._expected_listing_seconds(10), 60)
        total, seconds = end("done", complete=True)
        self.assertEqual(total, 4)
        self.assertAlmostEqual(seconds, 20, delta=3)
        # It was read whole before the run was stopped on its way through the dates.
        self.connector.last_sync_duration = 60
        total, seconds = end("cancelled", complete=True, kind="all")
        self.assertEqual(total, 5)
        self.assertAlmostEqual(seconds, 20, delta=3)

    def test_a_listing_that_was_not_read_whole_is_said(self):
        Run = self.env["sicantik.sync.run"]
        said = "not read whole"

        def ended(kind, state="done", complete=None, **progress):
            run = self.listing(kind)
            if complete is not None:
                self.page(run, 1, [row(1)], listed=1, **progress)
                self.ledger.listing_done(run_id=run.id, worker="one", complete=complete)
            self.assertFalse(run.listing_incomplete, "it is still at work")
            self.ledger.finish(run_id=run.id, worker="one", state=state)
            return run.with_user(self.users["user"])

        for kind in ("permits", "all"):
            run = ended(kind, complete=False, skipped=2)
            self.assertTrue(run.listing_incomplete)
            self.assertIn(said, run.status_display)
            self.assertEqual(run.skipped_count, 2)
            # A server that lists nothing at all has lost its data.
            self.assertTrue(ended(kind).listing_incomplete)
            for state, complete in (("done", True), ("failed", False), ("cancelled", False)):
                run = ended(kind, state, complete)
                self.assertFalse(run.listing_incomplete, (kind, state))
                self.assertNotIn(said, run.status_display)
        for kind in ("expiry", "check"):
            run = ended(kind)
            self.assertFalse(run.listing_incomplete, kind)
            self.assertNotIn(said, run.status_display)
        arch = etree.fromstring(Run.with_user(self.users["user"]).get_view(view_type="form")["arch"])
        alert = next(node for node in arch.iter("div") if said in (node.text or ""))
        self.assertEqual(alert.get("invisible"), "not listing_incomplete")
        self.assertTrue(alert.findall(".//field[@name='skipped_count']"))

    def test_button_opens_the_run_that_is_there(self):
        button = self.connector.with_user(self.users["officer"])
        first = button.action_sync_permits()
        run = self.env["sicantik.sync.run"].browse(first["res_id"])
        self.assertEqual((run.kind, run.trigger, run.state), ("permits", "button", "queued"))
        self.assertEqual(run.user_id, self.users["officer"])
        self.assertEqual(button.action_sync_permits()["res_id"], run.id)
        self.assertEqual(len(self.connector.run_ids), 1)
        self.assertEqual(self.ledger.claim(worker="one")["domains"], [])
        self.assertEqual(CRONS["expiry"][-1], "all")

    def test_what_is_no_longer_listed(self):
        one, two, three = permits = self.make_permits(3)
        foreign = self.make_permits(1, self.make_connector("Other", OTHER_ADDRESS))
        three.listed = False
        run = self.listing()

        def done(complete, missing, again):
            answer = self.ledger.listing_done(
                run_id=run.id,
                worker="one",
                complete=complete,
                listed_ids_missing=missing,
                listed_again=again,
            )
            self.assertEqual(answer, {"answer": "go"})
            return permits.mapped("listed")

        self.assertEqual(done(False, [one.id], []), [True, True, False], "not read to its end")
        self.assertFalse(run.listing_read)
        for _ in range(2):
            self.assertEqual(done(True, [one.id, foreign.id], [three.id, two.id]), [False, True, True])
            self.assertEqual(run.unlisted_count, 1)
        self.assertTrue(run.listing_read and foreign.listed)
        self.assertEqual(self.Permit.search([("listed", "=", False)]), one)
        # A row about it brings it back as well.
        self.assertEqual(self.page(run, 1, [row(1)])["updated"], 1)
        self.assertTrue(one.listed)
        with self.assertRaises(ValidationError):
            done(True, "1", [])

    def test_progress_is_what_is_listed_of_what_was_known(self):
        self.make_permits(10)
        run = self.listing("all")
        self.page(run, 1, [row(number) for number in range(1, 6)], listed=5)
        self.assertEqual(run.progress, 25)
        self.ledger.listing_done(run_id=run.id, worker="one", complete=True)
        self.ledger.remaining(run_id=run.id, worker="one")
        self.assertEqual((run.progress, run.total), (50, 10))
        self.record(run, 2, [found(self.by_number(number)) for number in range(1, 6)])
        self.assertEqual(run.progress, 75)

    def test_a_failed_row_that_is_asked_one_by_one_counts_once(self):
        permit = self.make_permits(1)
        run = self.listing("all")
        with (
            patch.object(self.registry["sicantik.permit"], "write", side_effect=UserError("no")),
            mute_logger(ROWS_LOGGER),
        ):
            self.page(run, 1, [row(1)])
        self.assertEqual((run.failed_count, len(run.line_ids)), (1, 1))
        self.record(run, 2, [found(permit)])
        self.assertEqual((run.found_count, run.failed_count, len(run.line_ids)), (1, 0, 0))
        self.record(run, 3, [failed(permit)])
        self.assertEqual((run.found_count, run.failed_count), (0, 1))
