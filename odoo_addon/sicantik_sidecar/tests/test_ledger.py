"""Who gets a run, who keeps it, and how it ends."""

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from ..ledger.words import OUTCOMES
from ..models.lease_mixin import MAX_ATTEMPTS
from .common import OTHER_ADDRESS, SicantikCase, failed, found, no_date


@tagged("post_install", "-at_install")
class TestLedger(SicantikCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.permits = cls.make_permits(4)

    # start

    def test_start_without_worker_waits(self):
        answer = self.start(trigger="rpc")
        self.assertEqual(
            (answer["created"], answer["state"], answer["worker"], answer["run"]),
            (True, "queued", False, False),
        )
        run = self.env["sicantik.sync.run"].browse(answer["run_id"])
        self.assertEqual(run.user_id, self.users["sidecar"])
        self.assertEqual(answer["requested_by"], self.users["sidecar"].name)
        self.assertEqual(run.total, 4)

    def test_start_with_worker_is_claimed_at_once(self):
        answer = self.start(worker="one", max_permits=3)
        payload = answer["run"]
        self.assertEqual(payload["attempt"], 1)
        self.assertEqual((payload["max_permits"], payload["total"]), (3, 3))
        self.assertEqual((payload["last_batch"], payload["answered"]), (0, 0))
        self.assertEqual(payload["connector"]["api_url"], self.connector.api_url)
        self.assertEqual(self.env["sicantik.permit"].search(payload["domains"][0], order="id"), self.permits)

    def test_second_start_describes_the_first(self):
        first = self.start()
        for kind in ("expiry", "permits"):
            second = self.start(worker="two", kind=kind)
            self.assertEqual(
                (second["run_id"], second["created"], second["run"]),
                (first["run_id"], False, False),
            )

    def test_lost_answer_of_start_is_given_again_to_its_worker_only(self):
        first = self.start(worker="one")
        self.assertEqual(self.start(worker="one")["run"]["run_id"], first["run_id"])
        self.assertFalse(self.start(worker="two")["run"])
        self.assertFalse(self.start(worker="two")["created"])

    def test_abandoned_command_makes_way(self):
        first = self.started("one", trigger="cli")
        self.record(first, 1, [found(self.permits[0])])
        self.expire(first)
        second = self.start(worker="two")
        self.assertTrue(second["created"])
        self.assertEqual(first.state, "failed")
        self.assertIn("ended without finishing", first.message)
        self.assertEqual(self.connector.total_expiry_synced, 1)
        self.assertEqual(self.record(first, 2, [found(self.permits[1])])["answer"], "lost")
        self.assertEqual(self.ledger.finish(run_id=first.id, worker="one", state="done"), {"answer": "lost"})

    def test_silent_service_keeps_its_run(self):
        first = self.started("one", trigger="button")
        self.expire(first)
        second = self.start(worker="two")
        self.assertFalse(second["created"])
        self.assertEqual(second["run_id"], first.id)

    def test_start_refuses_what_it_cannot_do(self):
        for wishes in (
            {"kind": "everything"},
            {"trigger": "moon"},
            {"max_permits": -1},
            {"max_permits": "many"},
            {"refresh_older_than": 1.5},
            {"permit_ids": "5"},
            {"worker": " "},
            {"max_permits": 2**31},
        ):
            with self.subTest(wishes=wishes), self.assertRaises(ValidationError):
                self.start(**wishes)
        with self.assertRaises(UserError):
            self.start(permit_ids=[])
        with self.assertRaises(UserError):
            self.ledger.start(connector_id=self.connector.id + 1000)
        self.connector.active = False
        with self.assertRaisesRegex(UserError, "archived"):
            self.start()
        self.assertFalse(self.connector.run_ids)

    def test_null_and_false_mean_not_given(self):
        for nothing in (None, False):
            plan = self.ledger.plan(
                connector_id=self.connector.id,
                include_not_due=nothing,
                refresh_older_than=nothing,
                max_permits=nothing,
                permit_ids=nothing,
            )
            self.assertEqual(plan["total"], 4)

    # claim

    def test_claim_takes_the_oldest(self):
        other = self.make_connector("Other", OTHER_ADDRESS)
        first = self.start()["run_id"]
        second = self.start(connector=other)["run_id"]
        self.assertEqual(self.ledger.claim(worker="one")["run_id"], first)
        self.assertEqual(self.ledger.claim(worker="two")["run_id"], second)
        self.assertIs(self.ledger.claim(worker="three"), False)

    def test_claim_of_one_run(self):
        run_id = self.start()["run_id"]
        self.assertIs(self.ledger.claim(worker="one", run_id=run_id + 1), False)
        self.assertEqual(self.ledger.claim(worker="one", run_id=run_id)["run_id"], run_id)

    def test_one_server_is_worked_on_by_one(self):
        twin = self.make_connector("Twin", "http://127.0.0.1:9/another/path")
        mine = self.started("one")
        theirs = self.start(connector=twin)["run_id"]
        self.assertIs(self.ledger.claim(worker="two"), False)
        self.assertIs(self.ledger.claim(worker="two", run_id=theirs), False)
        self.ledger.finish(run_id=mine.id, worker="one", state="done")
        self.assertEqual(self.ledger.claim(worker="two")["run_id"], theirs)

    def test_start_on_a_busy_server_waits(self):
        twin = self.make_connector("Twin", "http://127.0.0.1:9/another/path")
        self.started("one")
        answer = self.start(worker="two", connector=twin)
        self.assertEqual((answer["created"], answer["state"], answer["run"]), (True, "queued", False))

    def test_silent_holder_of_a_server_loses_it(self):
        twin = self.make_connector("Twin", "http://127.0.0.1:9/another/path")
        silent = self.started("one", trigger="button")
        theirs = self.start(connector=twin)["run_id"]
        self.expire(silent)
        self.assertEqual(self.ledger.claim(worker="two", run_id=theirs)["run_id"], theirs)
        silent.invalidate_recordset()
        self.assertEqual(self.record(silent, 1, [found(self.permits[0])])["answer"], "lost")
        self.assertFalse(self.permits[0].expiry_date)
        # The server is busy now; afterwards the silent run goes on.
        self.assertIs(self.ledger.claim(worker="three"), False)
        self.ledger.finish(run_id=theirs, worker="two", state="done")
        again = self.ledger.claim(worker="three")
        self.assertEqual((again["run_id"], again["attempt"]), (silent.id, 2))

    def test_stolen_lease(self):
        run = self.started("one", trigger="button")
        self.record(run, 1, [found(self.permits[0]), failed(self.permits[1])], requests=7, retries=2)
        self.assertIs(self.ledger.claim(worker="two"), False)
        self.expire(run)
        payload = self.ledger.claim(worker="two")
        self.assertEqual(
            (payload["run_id"], payload["attempt"], payload["last_batch"], payload["answered"]),
            (run.id, 2, 1, 2),
        )
        self.assertEqual(payload["total"], 4)
        self.assertEqual(payload["counts"], {"found": 1, "no_date": 0, "not_registered": 0, "failed": 1})
        # Neither the dated permit nor the one that failed is asked twice in one run.
        self.assertEqual(
            self.env["sicantik.permit"].search(payload["domains"][0], order="id"),
            self.permits[2:],
        )
        self.assertEqual(
            self.record(run, 2, [found(self.permits[2])]),
            {"answer": "lost"},
        )
        self.assertFalse(self.permits[2].expiry_date)
        self.assertEqual(self.ledger.finish(run_id=run.id, worker="one", state="done"), {"answer": "lost"})
        self.assertEqual(self.ledger.release(run_id=run.id, worker="one"), {"answer": "lost"})
        self.assertEqual(
            self.record(run, 2, [no_date(self.permits[2])], worker="two", requests=3),
            {"answer": "go", "rejected": 0, "stale": 0},
        )
        self.assertEqual((run.requests, run.retries), (10, 2))

    def test_who_works_on_a_run_does_not_claim_it_again(self):
        run = self.started("one", trigger="rpc")
        self.expire(run)
        self.assertFalse(self.ledger.claim(worker="one", held=[run.id]))
        self.assertEqual((run.attempt, run.worker), (1, "one"))
        self.assertEqual(self.ledger.claim(worker="two", held=[])["run_id"], run.id)

    def test_expired_lease_that_nobody_took_is_kept(self):
        run = self.started("one")
        self.expire(run)
        self.assertEqual(self.record(run, 0, [])["answer"], "go")
        self.assertGreater(run.lease_until, run._now())

    def test_given_up_after_five_attempts(self):
        run = self.started("one", trigger="button")
        for attempt in range(2, MAX_ATTEMPTS + 1):
            self.expire(run)
            self.assertEqual(self.ledger.claim(worker=f"w{attempt}")["attempt"], attempt)
        self.expire(run)
        self.assertIs(self.ledger.claim(worker="last"), False)
        self.assertEqual(run.state, "failed")
        self.assertIn("5 attempts", run.message)
        self.assertTrue(self.start()["created"])

    def test_what_is_given_up_does_not_hide_the_next(self):
        other = self.make_connector("Other", OTHER_ADDRESS)
        run = self.started("one", trigger="button")
        run.attempt = MAX_ATTEMPTS
        self.expire(run)
        queued = self.start(connector=other)["run_id"]
        self.assertEqual(self.ledger.claim(worker="two")["run_id"], queued)
        self.assertEqual(run.state, "failed")

    # release, cancel, finish

    def test_release_counts_no_attempt(self):
        run = self.started("one")
        self.record(run, 1, [found(self.permits[0])])
        self.assertEqual(self.ledger.release(run_id=run.id, worker="two"), {"answer": "lost"})
        self.assertEqual(self.ledger.release(run_id=run.id, worker="one"), {"answer": "go"})
        self.assertEqual((run.state, run.attempt, run.worker), ("queued", 0, False))
        payload = self.ledger.claim(worker="two")
        self.assertEqual((payload["attempt"], payload["last_batch"], payload["total"]), (1, 1, 4))

    def test_release_of_what_was_stopped_ends_it(self):
        run = self.started("one")
        self.ledger.cancel(run_id=run.id)
        self.ledger.release(run_id=run.id, worker="one")
        self.assertEqual(run.state, "cancelled")

    def test_abandon_leaves_no_trace(self):
        run = self.started("one", trigger="cli")
        self.record(run, 0, [], upgraded=False)
        self.assertEqual(self.ledger.abandon(run_id=run.id, worker="two"), {"answer": "lost"})
        self.assertEqual(self.ledger.abandon(run_id=run.id, worker="one"), {"answer": "go"})
        self.assertFalse(run.exists())
        self.assertFalse(self.connector.listing_way)
        self.assertEqual(self.ledger.abandon(run_id=run.id, worker="one"), {"answer": "go"})

    def test_abandon_is_for_untouched_runs_of_the_command_line(self):
        pressed = self.started("one", trigger="button")
        with self.assertRaises(ValidationError):
            self.ledger.abandon(run_id=pressed.id, worker="one")
        self.ledger.finish(run_id=pressed.id, worker="one", state="cancelled", message="")
        run = self.started("one", trigger="cli")
        self.record(run, 1, [found(self.permits[0])])
        with self.assertRaises(ValidationError):
            self.ledger.abandon(run_id=run.id, worker="one")
        self.assertEqual(run.state, "running")

    def test_cancel_of_a_waiting_run(self):
        run_id = self.start()["run_id"]
        self.assertEqual(self.ledger.cancel(run_id=run_id), {"state": "cancelled"})
        self.assertEqual(self.ledger.cancel(run_id=run_id), {"state": "cancelled"})
        self.assertIs(self.ledger.claim(worker="one"), False)

    def test_cancel_of_a_running_run_is_told_to_its_worker(self):
        run = self.started("one")
        self.assertEqual(self.ledger.cancel(run_id=run.id), {"state": "running"})
        self.assertEqual(
            self.record(run, 1, [found(self.permits[0])]),
            {"answer": "stop", "rejected": 0, "stale": 0},
        )
        self.assertTrue(self.permits[0].expiry_date)
        self.ledger.finish(run_id=run.id, worker="one", state="cancelled", message="Stopped.")
        self.assertEqual((run.state, run.total, run.found_count), ("cancelled", 4, 1))

    def test_cancel_of_a_silent_run_is_at_once(self):
        run = self.started("one", trigger="button")
        self.expire(run)
        self.assertEqual(self.ledger.cancel(run_id=run.id), {"state": "cancelled"})
        self.assertEqual(self.record(run, 1, [])["answer"], "lost")
        self.assertTrue(self.start()["created"])

    def test_finish_credits_the_connector_once(self):
        self.connector.total_expiry_synced = 100
        run = self.started("one")
        self.record(run, 1, [found(self.permits[0]), found(self.permits[1]), no_date(self.permits[2])])
        for _again in range(3):
            self.assertEqual(
                self.ledger.finish(
                    run_id=run.id, worker="one", state="done", message="Well.", progress={"requests": 9}
                ),
                {
                    "answer": "go",
                    "counts": {"found": 2, "no_date": 1, "not_registered": 0, "failed": 0},
                },
            )
        self.assertEqual(self.connector.total_expiry_synced, 102)
        self.assertEqual(self.connector.last_expiry_sync_date, run.finished_at)
        self.assertEqual(self.connector.last_expiry_sync_duration, run.duration)
        self.assertEqual((run.state, run.total, run.requests, run.progress), ("done", 3, 9, 100.0))
        self.assertEqual(run.worker, "one")
        self.assertEqual(self.record(run, 2, [found(self.permits[3])])["answer"], "lost")

    def test_finish_knows_three_ends(self):
        run = self.started("one")
        for state in ("running", "queued", "gone", None):
            with self.assertRaises(ValidationError):
                self.ledger.finish(run_id=run.id, worker="one", state=state)
        self.assertEqual(
            self.ledger.finish(run_id=run.id, worker="one", state="failed", message="Away."),
            {"answer": "go", "counts": dict.fromkeys(OUTCOMES, 0)},
        )
        self.assertEqual(run.message, "Away.")
        # Nothing was answered: the connector's last synchronisation is still the one before.
        self.assertFalse(self.connector.last_expiry_sync_date)

    def test_unknown_run(self):
        gone = self.started("one").id + 1000
        self.assertEqual(
            self.ledger.record(run_id=gone, worker="one", batch=1, outcomes=[], progress={}),
            {"answer": "lost"},
        )
        self.assertEqual(self.ledger.finish(run_id=gone, worker="one", state="done"), {"answer": "lost"})
        with self.assertRaises(UserError):
            self.ledger.cancel(run_id=gone)

    def test_open_run_is_not_deleted(self):
        run = self.started("one")
        with self.assertRaises(UserError):
            run.unlink()
        self.ledger.finish(run_id=run.id, worker="one", state="done")
        run.unlink()
