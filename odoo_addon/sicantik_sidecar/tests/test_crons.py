"""What happens by itself: nights, mornings, failures told, old runs gone."""

from datetime import date, datetime, timedelta
from unittest.mock import patch

import psycopg2

from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import OTHER_ADDRESS, SicantikCase, failed, found

JAKARTA_NIGHT = datetime(2026, 3, 9, 19, 0, 5)  # 02:00:05 on the 10th


@tagged("post_install", "-at_install")
class TestCrons(SicantikCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["sicantik.connector"].search([("id", "!=", cls.connector.id)]).active = False
        cls.cron = cls.env.ref("sicantik_sidecar.cron_sync_expiry_dates")

    def tick(self, now, kind="expiry"):
        """As Odoo's scheduler calls the cron at that time (UTC)."""
        Connector = self.env["sicantik.connector"]
        with patch.object(type(Connector), "_utc_now", lambda _self: now):
            if kind == "expiry":
                Connector.with_context(cron_id=self.cron.id).cron_sync_expiry_dates()
            else:
                self.env["sicantik.permit"].with_context(cron_id=self.cron.id).cron_check_expiring_permits()

    def ended_runs(self, connector=None, kind="all"):
        """How many runs there are; they are put away so that the next one is not the same."""
        runs = self.env["sicantik.sync.run"].search(
            [
                ("connector_id", "=", (connector or self.connector).id),
                ("kind", "=", kind),
                ("state", "=", "queued"),
            ]
        )
        runs.state = "done"
        return len(runs)

    def test_the_hours_are_those_of_jakarta(self):
        morning = self.env.ref("sicantik_sidecar.cron_check_expiring_permits")
        self.assertEqual((self.cron.nextcall.hour, self.cron.nextcall.minute), (19, 0))
        self.assertEqual((morning.nextcall.hour, morning.nextcall.minute), (2, 0))
        self.assertEqual((self.cron.priority, morning.priority), (5, 10))

    def test_once_a_night(self):
        self.tick(JAKARTA_NIGHT - timedelta(minutes=1))
        self.assertEqual(self.ended_runs(), 0)
        for minutes in (0, 1, 30, 600):
            self.tick(JAKARTA_NIGHT + timedelta(minutes=minutes))
        self.assertEqual(self.ended_runs(), 1)
        self.tick(JAKARTA_NIGHT + timedelta(days=1))
        self.assertEqual(self.ended_runs(), 1)

    def test_a_night_that_was_slept_through_is_made_up_for(self):
        self.connector.expiry_cron_date = date(2026, 3, 9)
        self.tick(JAKARTA_NIGHT + timedelta(hours=9))
        self.assertEqual(self.ended_runs(), 1)

    def test_a_new_connector_waits_for_its_first_night(self):
        self.tick(JAKARTA_NIGHT + timedelta(hours=9))
        self.assertEqual(self.ended_runs(), 0)
        self.tick(JAKARTA_NIGHT + timedelta(days=1))
        self.assertEqual(self.ended_runs(), 1)

    def test_every_connector_at_its_own_hour(self):
        others = {
            zone: self.make_connector(zone, OTHER_ADDRESS, tz=zone)
            for zone in ("Asia/Makassar", "Asia/Kathmandu", "America/New_York")
        }
        self.make_connector("Archived", OTHER_ADDRESS, active=False)
        seen = {zone: [] for zone in others}
        for quarter in range(4 * 48):
            now = datetime(2026, 3, 7) + timedelta(minutes=15 * quarter)
            self.tick(now)
            for zone, connector in others.items():
                if self.ended_runs(connector):
                    seen[zone].append(now.strftime("%d %H:%M"))
        # On the 8th New York has no two o'clock: the hour after it counts.
        self.assertEqual(
            seen,
            {
                "Asia/Makassar": ["07 18:00", "08 18:00"],
                "Asia/Kathmandu": ["07 20:15", "08 20:15"],
                "America/New_York": ["07 07:00", "08 07:00"],
            },
        )

    def test_the_cron_is_called_at_the_hours_of_the_zones(self):
        self.make_connector("Kathmandu", OTHER_ADDRESS, tz="Asia/Kathmandu")
        trigger = self.env["ir.cron.trigger"].search([("cron_id", "=", self.cron.id)])
        self.assertIn((20, 15), {(at.hour, at.minute) for at in trigger.mapped("call_at")})
        before = len(trigger)
        self.env["sicantik.connector"].search([])._plan_crons()
        self.env["sicantik.connector"].search([])._plan_crons()
        self.assertLessEqual(
            self.env["ir.cron.trigger"].search_count([("cron_id", "=", self.cron.id)]), before + 1
        )

    def test_by_hand_it_starts_at_any_hour_and_everywhere(self):
        other = self.make_connector("Other", OTHER_ADDRESS)
        officer = self.users["officer"]
        self.env["sicantik.connector"].with_user(officer).cron_sync_expiry_dates()
        self.env["sicantik.permit"].with_user(officer).cron_check_expiring_permits()
        for connector in (self.connector, other):
            self.assertEqual(self.ended_runs(connector), 1)
            self.assertEqual(self.ended_runs(connector, "check"), 1)
            self.assertFalse(connector.expiry_cron_date)

    def test_an_administrator_runs_them_by_hand(self):
        self.cron.ir_actions_server_id.run()
        self.assertEqual(self.ended_runs(), 1)
        self.assertFalse(self.connector.expiry_cron_date)

    def test_the_scheduler_itself(self):
        check = self.env.ref("sicantik_sidecar.cron_check_expiring_permits")
        # As taken over from a module whose cron belonged to a person.
        check.user_id = self.users["officer"]
        for minutes in (-1, 0, 1):
            with self.scheduler(JAKARTA_NIGHT + timedelta(minutes=minutes)) as run:
                run(self.cron)
        self.assertEqual(self.ended_runs(), 1)
        self.assertEqual(self.connector.expiry_cron_date, date(2026, 3, 10), "by its own clock, not by hand")
        with self.scheduler(JAKARTA_NIGHT + timedelta(hours=7)) as run:
            run(check)
            run(check)
        self.assertEqual(self.ended_runs(kind="check"), 1)
        self.assertEqual(self.connector.check_cron_date, date(2026, 3, 10))

    def test_a_smaller_run_does_not_stand_for_the_night(self):
        self.make_permits(3)
        self.start(trigger="button", max_permits=1)
        self.tick(JAKARTA_NIGHT)
        self.assertFalse(self.connector.expiry_cron_date)
        trigger = self.env["ir.cron.trigger"].search([("cron_id", "=", self.cron.id)])
        self.assertIn(JAKARTA_NIGHT + timedelta(minutes=15), trigger.mapped("call_at"))
        self.ended_runs(kind="expiry")
        self.tick(JAKARTA_NIGHT + timedelta(minutes=15))
        self.assertEqual(self.ended_runs(), 1)
        self.assertEqual(self.connector.expiry_cron_date, date(2026, 3, 10))

    def test_a_whole_run_stands_for_the_night(self):
        self.make_permits(3)
        self.start(trigger="button", kind="all")
        self.tick(JAKARTA_NIGHT)
        self.assertEqual(self.connector.expiry_cron_date, date(2026, 3, 10))
        self.assertEqual(self.ended_runs(), 1)

    def test_trouble_on_one_connector_is_none_for_the_others(self):
        other = self.make_connector("Other", OTHER_ADDRESS)
        Run = type(self.env["sicantik.sync.run"])
        start = Run.start

        def broken(run, connector_id, **wishes):
            if connector_id == self.connector.id:
                raise self.trouble
            return start(run, connector_id, **wishes)

        for self.trouble in (ValueError("unforeseen"), psycopg2.errors.SerializationFailure("conflict")):
            with patch.object(Run, "start", broken), mute_logger("odoo.addons.sicantik_sidecar"):
                with mute_logger("odoo.addons.sicantik_sidecar.models.sicantik_connector"):
                    self.tick(JAKARTA_NIGHT)
            self.assertEqual(self.ended_runs(), 0)
        self.assertEqual(self.ended_runs(other), 1)
        trigger = self.env["ir.cron.trigger"].search([("cron_id", "=", self.cron.id)])
        self.assertIn(JAKARTA_NIGHT + timedelta(minutes=1), trigger.mapped("call_at"))

    def test_a_check_and_questions_do_not_keep_each_other_waiting(self):
        self.make_permits(1)
        run = self.started("one", trigger="button")
        self.tick(JAKARTA_NIGHT + timedelta(hours=7), "check")
        check = self.env["sicantik.sync.run"].search(
            [("connector_id", "=", self.connector.id), ("kind", "=", "check")]
        )
        self.assertEqual(check.state, "queued")
        self.assertIs(self.ledger.claim(worker="two"), False)
        self.ledger.finish(run_id=run.id, worker="one", state="done")
        self.assertEqual(self.ledger.claim(worker="two")["run_id"], check.id)
        answer = self.start(trigger="button")
        self.assertTrue(answer["created"])
        # A command that would work on it at once is told who holds the connector.
        self.ledger.cancel(run_id=answer["run_id"])
        answer = self.start(worker="three")
        self.assertEqual((answer["created"], answer["run_id"]), (False, check.id))


@tagged("post_install", "-at_install")
class TestCare(SicantikCase):
    def check_run(self):
        run_id = self.start(kind="check", trigger="cron")["run_id"]
        self.ledger.claim(worker="one", run_id=run_id)
        return self.env["sicantik.sync.run"].browse(run_id)

    def test_check_marks_what_has_expired_there(self):
        run = self.check_run()
        self.connector.tz = "Pacific/Kiritimati"  # 14 hours ahead
        now = datetime(2026, 3, 9, 12, 0)  # the 10th there
        ended, last_day, future = (
            self.make_permits(1, expiry_date=f"2026-03-{day}") for day in ("09", "10", "11")
        )
        undated = self.make_permits(1)
        draft = self.make_permits(1, status="draft", expiry_date="2020-01-01")
        foreign = self.make_permits(1, self.make_connector("Other", OTHER_ADDRESS), expiry_date="2020-01-01")
        with patch.object(type(run), "_now", lambda _self: now):
            answer = self.ledger.check(run_id=run.id, worker="one")
            self.assertEqual(answer, {"answer": "go", "expired": 1, "refused": 0})
            self.assertEqual(self.ledger.check(run_id=run.id, worker="one")["expired"], 0)
        self.assertEqual(ended.status, "expired")
        self.assertEqual(set((last_day | future | undated | foreign).mapped("status")), {"active"})
        self.assertEqual((draft.status, run.expired_count), ("draft", 1))
        self.assertEqual(self.ledger.check(run_id=run.id, worker="two"), {"answer": "lost"})
        for name in ("user", "officer", "manager"):
            with self.assertRaises(AccessError):
                run.with_user(self.users[name]).check(run_id=run.id, worker="one")

    def activities(self):
        return self.connector.activity_ids.filtered(lambda one: one.user_id == self.users["officer"])

    def test_a_failure_is_told_once(self):
        self.connector.user_id = self.users["officer"]
        self.make_permits(1)
        mails = self.env["mail.mail"].search_count([])
        for state in ("cancelled", "done"):
            run = self.started("one")
            self.ledger.finish(run_id=run.id, worker="one", state=state)
        self.assertFalse(self.activities())
        run = self.started("one")
        for _ in range(2):
            self.ledger.finish(run_id=run.id, worker="one", state="failed", message="SICANTIK <is> away.")
        self.assertEqual(len(self.activities()), 1)
        self.assertIn("SICANTIK &lt;is&gt; away.", self.activities().note)
        self.assertIn(f'data-oe-id="{run.id}"', self.activities().note)
        # As long as nobody has seen to it, the next failure is the same matter.
        run = self.started("one")
        self.ledger.finish(run_id=run.id, worker="one", state="failed", message="Still away.")
        self.assertEqual(len(self.activities()), 1)
        self.assertIn("Still away.", self.activities().note)
        self.activities().action_feedback()
        run = self.started("one")
        self.ledger.finish(run_id=run.id, worker="one", state="failed")
        self.assertEqual(len(self.activities()), 1)
        self.assertEqual(self.env["mail.mail"].search_count([]), mails)

    def test_nobody_to_tell_is_no_trouble(self):
        for user in (False, self.users["user"]):
            self.connector.user_id = user
            self.users["user"].active = False
            run = self.started("one")
            answer = self.ledger.finish(run_id=run.id, worker="one", state="failed")
            self.assertEqual((answer["answer"], run.state), ("go", "failed"))

    def old_run(self, days, state="done"):
        run = self.env["sicantik.sync.run"].create(
            {"connector_id": self.connector.id, "state": state, "host": False}
        )
        run.finished_at = run._now() - timedelta(days=days)
        return run

    def test_old_runs_go_away(self):
        permit = self.make_permits(1)
        old = self.started("one")
        self.record(old, 1, [failed(permit)])
        self.ledger.finish(run_id=old.id, worker="one", state="done")
        old.finished_at = old._now() - timedelta(days=91)
        line = old.line_ids
        kept, never = self.old_run(89), self.old_run(500, "queued")
        never.create_date = never._now() - timedelta(days=500)
        old._gc_runs()
        self.assertFalse(old.exists() or line.exists())
        self.assertTrue(kept.exists() and never.exists())
        self.assertFalse(permit.expiry_run_id)
        self.env["ir.config_parameter"].set_param("sicantik_sidecar.run_retention_days", "30")
        kept._gc_runs()
        self.assertFalse(kept.exists())
        self.assertTrue(never.exists())

    def test_a_refused_date_is_counted_in_the_answer(self):
        permits = self.make_permits(2)
        foreign = self.make_permits(1, self.make_connector("Other", OTHER_ADDRESS))
        run = self.started("one")
        answer = self.record(run, 1, [found(permits[0]), found(foreign), failed(permits[1])])
        self.assertEqual(answer, {"answer": "go", "rejected": 1, "stale": 0})
        self.assertEqual((run.found_count, run.failed_count), (1, 2))
