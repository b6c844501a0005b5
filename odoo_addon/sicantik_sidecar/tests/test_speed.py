"""How fast SICANTIK was asked: of the time in which somebody worked on it."""

from odoo.tests import tagged

from .common import SicantikCase, found

HOUR = 3600


@tagged("post_install", "-at_install")
class TestSpeed(SicantikCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.permits = cls.make_permits(60)

    def setUp(self):
        super().setUp()
        self.pass_by = self.clock()

    def answer(self, run, batch, permits, seconds, worker="one"):
        self.pass_by(seconds)
        answer = self.record(run, batch, [found(permit) for permit in permits], worker=worker)
        self.assertEqual((answer["answer"], run.last_batch), ("go", batch))

    def finish(self, run, worker="one"):
        self.ledger.finish(run_id=run.id, worker=worker, state="done")
        self.assertEqual(run.state, "done")

    def claim(self, run, worker):
        self.assertEqual(self.ledger.claim(worker=worker)["run_id"], run.id)

    def check(self, run, worked, duration):
        self.assertEqual((run.worked_seconds, run.duration), (worked, duration))
        self.assertAlmostEqual(run.rate, 60 / worked, places=2)
        self.assertAlmostEqual(self.connector.last_expiry_rate, 60 / worked, places=2)
        self.assertEqual(self.connector.last_expiry_sync_duration, duration)

    def test_a_run_without_a_break(self):
        run = self.started("one")
        self.answer(run, 1, self.permits[:30], 20)
        self.answer(run, 2, self.permits[30:], 8)
        self.pass_by(2)
        self.finish(run)
        self.check(run, 30, 30)

    def test_few_permits_are_no_measure(self):
        run = self.started("one")
        self.answer(run, 1, self.permits[:30], 20)
        self.finish(run)
        self.assertEqual((run.rate, self.connector.last_expiry_rate), (1.5, 0))

    def test_an_hour_in_which_nobody_worked(self):
        run = self.started("one", trigger="button")
        self.answer(run, 1, self.permits[:30], 15)
        # The first one dies, and another takes over an hour later.
        self.pass_by(HOUR)
        self.claim(run, "two")
        self.answer(run, 2, self.permits[30:], 15, "two")
        self.finish(run, "two")
        self.check(run, 30, HOUR + 30)

    def test_an_hour_in_the_queue(self):
        run = self.started("one", trigger="button")
        self.answer(run, 1, self.permits[:30], 12)
        self.pass_by(3)
        self.ledger.release(run_id=run.id, worker="one")
        self.pass_by(HOUR)
        self.claim(run, "two")
        self.answer(run, 2, self.permits[30:], 15, "two")
        self.finish(run, "two")
        self.check(run, 30, HOUR + 30)

    def test_an_hour_in_which_the_machine_slept(self):
        run = self.started("one")
        self.answer(run, 1, self.permits[:30], 15)
        self.answer(run, 2, self.permits[30:], HOUR)
        self.finish(run)
        # As long as the lease holds it may have worked.
        self.check(run, 45, HOUR + 15)

    def test_an_hour_in_the_middle_of_the_listing(self):
        run = self.started("one", kind="all", trigger="button")
        self.pass_by(20)
        self.ledger.record_listing(run_id=run.id, worker="one", batch=1, rows=[])
        self.pass_by(HOUR)
        self.claim(run, "two")
        self.pass_by(25)
        self.ledger.listing_done(run_id=run.id, worker="two", complete=True)
        self.answer(run, 2, self.permits, 20, "two")
        self.finish(run, "two")
        self.assertEqual((run.listing_seconds, run.worked_seconds), (45, 65))
        self.assertEqual(self.connector.last_sync_duration, 45)
        self.assertEqual(self.connector.last_expiry_rate, 3)

    def test_a_run_that_ends_over_the_head_of_its_worker(self):
        run = self.started("one", trigger="button")
        self.answer(run, 1, self.permits, 20)
        self.pass_by(HOUR)
        self.ledger.cancel(run_id=run.id)
        self.assertEqual((run.state, run.worked_seconds, run.rate), ("cancelled", 20, 3))
        self.assertEqual(self.connector.last_expiry_rate, 0)
