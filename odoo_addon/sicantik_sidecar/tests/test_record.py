"""What a batch of answers does to permits, counters and failures."""

from datetime import date, datetime
from unittest.mock import patch

import psycopg2
import pytz

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import OTHER_ADDRESS, SicantikCase, failed, found, no_date, not_registered

COUNTERS = ("found_count", "no_date_count", "not_registered_count", "failed_count")
RECORD_LOGGER = "odoo.addons.sicantik_sidecar.ledger.recorder"

NOTHING_NEW = {"answer": "go", "rejected": 0, "stale": 0}


@tagged("post_install", "-at_install")
class TestRecord(SicantikCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.permits = cls.make_permits(6)

    def counters(self, run):
        return tuple(run[name] for name in COUNTERS)

    def test_each_outcome(self):
        run = self.started()
        one, two, three, four = self.permits[:4]
        two.expiry_check_count = 0
        answer = self.record(
            run,
            1,
            [found(one, "2031-05-06"), no_date(two), not_registered(three), failed(four)],
            rate=9.5,
            eta_seconds=42,
            requests=6,
            retries=1,
            total=6,
        )
        self.assertEqual(answer, {"answer": "go", "rejected": 0, "stale": 0})
        self.assertEqual(self.counters(run), (1, 1, 1, 1))
        self.assertEqual((run.rate, run.eta_seconds, run.requests, run.retries), (9.5, 42, 6, 1))
        self.assertEqual((run.answered_count, run.total), (4, 6))
        self.assertEqual(one.expiry_date, date(2031, 5, 6))
        self.assertTrue(one.last_sync_date)
        self.assertFalse(one.expiry_next_check_at)
        self.assertEqual(
            (self.permits[:4]).mapped("expiry_check_state"),
            ["found", "no_date", "not_registered", "failed"],
        )
        self.assertTrue(all(permit.expiry_checked_at for permit in self.permits[:4]))
        self.assertFalse(four.expiry_next_check_at)
        self.assertFalse(four.last_sync_date)
        self.assertEqual(
            [(line.permit_id, line.permit_name, line.reason) for line in run.line_ids],
            [(four, four.permit_number, "timeout")],
        )
        self.assertEqual(self.permits[:4].expiry_run_id, run)
        self.assertEqual(set(self.permits.mapped("status")), {"active"})

    def test_a_batch_counts_once(self):
        run = self.started()
        batch = [found(self.permits[0]), no_date(self.permits[1]), failed(self.permits[2])]
        self.assertEqual(self.record(run, 1, batch), NOTHING_NEW)
        self.assertEqual(run.last_batch, 1)
        for _again in range(3):
            self.assertEqual(self.record(run, 1, batch), NOTHING_NEW)
        self.assertEqual(self.counters(run), (1, 1, 0, 1))
        self.assertEqual(self.permits[1].expiry_check_count, 1)
        self.assertEqual(len(run.line_ids), 1)

    def test_a_gap_between_batches_is_an_error(self):
        run = self.started()
        with self.assertRaisesRegex(ValidationError, "Batch 2 came where batch 1"):
            self.record(run, 2, [found(self.permits[0])])
        self.assertFalse(self.permits[0].expiry_date)

    def test_an_answer_about_another_number_is_left_aside(self):
        """Permits are read some time before they are asked about, and somebody may correct one
        meanwhile.
        """
        run = self.started()
        same, spaced, number, registration, cleared, unsaid = self.permits
        asked = {
            permit: {"permit_number": permit.permit_number, "registration_id": permit.registration_id}
            for permit in self.permits
        }
        spaced.permit_number = f" {spaced.permit_number} "
        number.permit_number += "X"
        registration.registration_id = "9999999901012024"
        cleared.registration_id = False
        unsaid.permit_number += "X"
        batch = [{**found(permit), **asked[permit]} for permit in self.permits - unsaid]
        batch.append(found(unsaid))
        answer = self.record(run, 1, batch)
        self.assertEqual(answer, {"answer": "go", "rejected": 0, "stale": 3})
        self.assertEqual(self.record(run, 1, batch), NOTHING_NEW)
        self.assertEqual(self.counters(run), (3, 0, 0, 0))
        aside = number | registration | cleared
        self.assertFalse(any(aside.mapped("expiry_date")) or any(aside.mapped("expiry_check_state")))
        self.assertTrue(all((same | spaced | unsaid).mapped("expiry_date")))
        self.assertFalse(run.line_ids)
        due = self.env["sicantik.permit"].search(run._domains()[0])
        self.assertEqual(due, aside, "they are asked about again")
        for wrong in (7, ["503/1"], True):
            with self.assertRaisesRegex(ValidationError, "not an outcome"):
                self.record(run, 2, [{**found(number), "permit_number": wrong}])

    def test_what_a_worker_says_of_its_way(self):
        run = self.started(trigger="rpc")
        self.record(run, 0, [], requests=0, retries=0)
        self.record(run, 0, [], requests=3, retries=1, eta_seconds=9, rate=2.0, total=6)
        self.record(run, 0, [], requests=None, eta_seconds=False)
        self.assertEqual((run.requests, run.retries, run.eta_seconds, run.rate), (3, 1, 9, 2))
        # The numbers go down to 0, but for those of the requests, which have been sent.
        self.record(run, 0, [], requests=0, retries=0, eta_seconds=0, rate=0, total=0)
        self.assertEqual((run.eta_seconds, run.rate, run.total), (0, 0, 0))
        self.assertEqual((run.requests, run.retries), (3, 1))
        self.expire(run)
        self.ledger.claim(worker="two")
        self.record(run, 0, [], worker="two", requests=0, retries=0)
        self.assertEqual((run.requests, run.retries), (3, 1))

    def test_batch_zero_renews_the_lease_only(self):
        run = self.started(lease_seconds=90)
        self.expire(run)
        self.assertEqual(self.record(run, 0, [], rate=3.0), NOTHING_NEW)
        self.assertGreater((run.lease_until - run._now()).total_seconds(), 60)
        self.assertEqual((run.rate, run.last_batch), (3.0, 0))
        with self.assertRaises(ValidationError):
            self.record(run, 0, [found(self.permits[0])])

    def test_permit_asked_twice_in_a_run_is_counted_once(self):
        run = self.started()
        one, two = self.permits[:2]
        self.record(run, 1, [failed(one), no_date(two)])
        self.record(run, 2, [found(one), failed(two, "unavailable")])
        self.assertEqual(self.counters(run), (1, 0, 0, 1))
        self.assertEqual([(line.permit_id, line.reason) for line in run.line_ids], [(two, "unavailable")])

    def test_rests_grow_from_one_to_thirty_days(self):
        permit = self.permits[0]
        zone = pytz.timezone(self.connector.tz)
        # 02:40 in Kabanjahe, in the middle of the night's run.
        now = datetime(2026, 1, 14, 19, 40)
        rests = []
        for batch in range(1, 9):
            run = self.started(include_not_due=True)
            with patch.object(self.registry["sicantik.sync.run"], "_now", lambda self: now):
                kind = no_date if batch % 2 else not_registered
                self.record(run, 1, [kind(permit)])
            self.ledger.finish(run_id=run.id, worker="one", state="done")
            due = pytz.utc.localize(permit.expiry_next_check_at).astimezone(zone)
            rests.append((due.date() - date(2026, 1, 15)).days)
            # The run of that night begins at 02:00, before the hour of the last question.
            self.assertEqual((due.hour, due.minute), (0, 0))
        self.assertEqual(rests, [1, 2, 4, 8, 16, 30, 30, 30])
        self.assertEqual(permit.expiry_check_count, 8)
        run = self.started(include_not_due=True)
        self.record(run, 1, [found(permit)])
        self.assertEqual((permit.expiry_check_count, permit.expiry_next_check_at), (0, False))

    def test_a_number_that_breaks_the_query_rests(self):
        permit, other = self.permits[:2]
        counts = []
        for _night in range(2):
            run = self.started(include_not_due=True)
            self.record(run, 1, [failed(permit, "invalid_number", "its number breaks the query"), failed(other)])
            self.ledger.finish(run_id=run.id, worker="one", state="done")
            counts.append(permit.expiry_check_count)
        self.assertEqual(counts, [1, 2])
        self.assertGreater(permit.expiry_next_check_at, run.finished_at)
        self.assertEqual((other.expiry_check_count, other.expiry_next_check_at), (0, False))
        plan = self.ledger.plan(connector_id=self.connector.id)
        self.assertEqual(plan["total"], len(self.permits) - 1)

    def test_a_date_is_never_erased(self):
        permits = self.permits[:3]
        permits.expiry_date = "2029-09-09"
        run = self.started(refresh_older_than=1)
        self.record(run, 1, [no_date(permits[0]), not_registered(permits[1]), failed(permits[2])])
        self.assertEqual(set(permits.mapped("expiry_date")), {date(2029, 9, 9)})
        self.assertEqual(run.changed_count, 0)

    def test_a_changed_date_is_kept_in_the_chatter(self):
        same, other, new = self.permits[:3]
        (same | other).expiry_date = "2029-09-09"
        messages = {permit: len(permit.message_ids) for permit in self.permits[:3]}
        run = self.started(refresh_older_than=1)
        self.record(run, 1, [found(same, "2029-09-09"), found(other, "2034-09-09"), found(new)])
        self.assertEqual(run.changed_count, 1)
        self.assertEqual(len(other.message_ids), messages[other] + 1)
        self.assertIn("2029-09-09", other.message_ids[0].body)
        self.assertIn("2034-09-09", other.message_ids[0].body)
        for permit in (same, new):
            self.assertEqual(len(permit.message_ids), messages[permit])

    def test_date_in_the_past_leaves_the_permit_active(self):
        run = self.started()
        self.record(run, 1, [found(self.permits[0], "2001-01-01")])
        self.assertEqual(self.permits[0].status, "active")

    def test_a_renewed_permit_is_active_again(self):
        zone = pytz.timezone(self.connector.tz)
        now = zone.localize(datetime(2026, 1, 15, 0, 30)).astimezone(pytz.utc).replace(tzinfo=None)
        answers = {
            # What is the 15th there is the 14th in UTC.
            "2026-01-15": "active",
            "2026-01-14": "expired",
            "2030-01-31": "active",
        }
        permits = self.make_permits(3, status="expired", expiry_date="2020-01-01")
        by_hand = self.make_permits(1, status="expired", expiry_date="2030-01-31")
        statuses = ["draft", "renewed", "cancelled"]
        others = self.env["sicantik.permit"].union(
            *(self.make_permits(1, status=status, expiry_date="2020-01-01") for status in statuses)
        )
        run = self.started(refresh_older_than=30)
        batch = [found(permit, day) for permit, day in zip(permits, answers, strict=True)]
        batch += [found(permit, "2030-01-31") for permit in others | by_hand]
        with patch.object(self.registry["sicantik.sync.run"], "_now", lambda self: now):
            self.record(run, 1, batch)
        self.assertEqual(permits.mapped("status"), list(answers.values()))
        self.assertEqual([str(permit.expiry_date) for permit in permits], list(answers))
        self.assertEqual(others.mapped("status"), statuses)
        self.assertEqual(set(others.mapped("expiry_date")), {date(2030, 1, 31)})
        self.assertEqual(by_hand.status, "expired", "its date is the one that it had")
        self.assertEqual(run.changed_count, 6)

    def test_permit_refused_by_a_constraint_of_the_database(self):
        bad = self.permits[1]
        self.env.cr.execute(
            "ALTER TABLE sicantik_permit ADD CONSTRAINT no_year_2222 "
            "CHECK (expiry_date IS NULL OR expiry_date < '2222-01-01')"
        )
        run = self.started()
        with mute_logger("odoo.sql_db", RECORD_LOGGER):
            self.record(run, 1, [found(self.permits[0]), found(bad, "2222-02-02"), found(self.permits[2])])
        self.assertEqual(self.counters(run), (2, 0, 0, 1))
        self.assertFalse(bad.expiry_date)
        self.assertEqual(bad.expiry_check_state, "failed")
        self.assertTrue(self.permits[0].expiry_date and self.permits[2].expiry_date)
        self.assertEqual(
            [(line.permit_id, line.reason) for line in run.line_ids], [(bad, "rejected_by_odoo")]
        )
        self.assertIn("no_year_2222", run.line_ids.detail)

    def test_permit_that_cannot_be_written_at_all(self):
        bad = self.permits[1]
        Permit = self.registry["sicantik.permit"]
        write = Permit.write
        frozen = ValidationError("This permit is frozen.")  # pylint: disable=translation-required

        def refuse(self, vals):
            if bad.id in self.ids:
                raise frozen
            return write(self, vals)

        run = self.started()
        batch = [found(self.permits[0]), found(bad), no_date(self.permits[2])]
        with mute_logger(RECORD_LOGGER), patch.object(Permit, "write", refuse):
            self.record(run, 1, batch)
            # Not marked, so another attempt asks again: it must not be counted twice.
            self.record(run, 2, [found(bad)])
        self.assertEqual(self.counters(run), (1, 1, 0, 1))
        self.assertEqual(run.line_ids.mapped("detail"), ["This permit is frozen."])
        self.assertEqual(self.permits[2].expiry_check_count, 1)

    def test_conflict_with_others_is_left_to_odoo_to_repeat(self):
        run = self.started()
        Permit = self.registry["sicantik.permit"]
        conflict = psycopg2.errors.SerializationFailure
        with (
            patch.object(Permit, "write", side_effect=conflict),
            self.assertRaises(conflict),
            mute_logger("odoo.sql_db"),
        ):
            self.record(run, 1, [found(self.permits[0])])
        self.assertEqual((run.last_batch, run.found_count), (0, 0))

    def test_permits_of_others_are_not_touched(self):
        other = self.make_connector("Other", OTHER_ADDRESS)
        foreign = self.make_permits(1, other)
        gone = self.make_permits(1)
        gone_id = gone.id
        gone.unlink()
        run = self.started()
        self.record(
            run, 1, [found(self.permits[0]), found(foreign), {**found(foreign), "permit_id": gone_id}]
        )
        self.assertFalse(foreign.expiry_date)
        self.assertEqual(self.counters(run), (1, 0, 0, 2))
        self.assertEqual(set(run.line_ids.mapped("reason")), {"rejected_by_odoo"})
        self.assertFalse(run.line_ids.permit_id)

    def test_malformed_batches_change_nothing(self):
        run = self.started()
        good = found(self.permits[0])
        for bad in (
            {},
            "found",
            {"permit_id": self.permits[1].id, "outcome": "maybe"},
            {"permit_id": "1", "outcome": "no_date"},
            {"permit_id": True, "outcome": "no_date"},
            {"permit_id": self.permits[1].id, "outcome": "found"},
            {"permit_id": self.permits[1].id, "outcome": "found", "expiry_date": "31-01-2026"},
            {"permit_id": self.permits[1].id, "outcome": "found", "expiry_date": "2026-02-30"},
            {"permit_id": self.permits[1].id, "outcome": "failed", "reason": "bored"},
        ):
            with self.subTest(bad=bad), self.assertRaises(ValidationError):
                self.record(run, 1, [good, bad])
        with self.assertRaises(ValidationError):
            self.record(run, 1, {"permit_id": 1})
        self.assertFalse(self.permits[0].expiry_date)
        self.assertEqual((run.last_batch, self.counters(run)), (0, (0, 0, 0, 0)))

    def test_few_queries_whatever_the_dates(self):
        self.env["sicantik.permit"].search([("connector_id", "=", self.connector.id)]).unlink()
        permits = self.make_permits(100)
        run = self.started()
        self.env.flush_all()
        batch = [found(permit, f"20{25 + n // 12}-{n % 12 + 1:02d}-01") for n, permit in enumerate(permits)]
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        self.record(run, 1, batch)
        self.assertLess(self.env.cr.sql_log_count - before, 30)
        self.assertEqual(len(set(permits.mapped("expiry_date"))), 100)
