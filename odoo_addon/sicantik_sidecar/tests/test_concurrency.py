"""Many at once, with transactions of their own: what a single transaction cannot show."""

import threading
from contextlib import closing

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import DummyRLock, Registry
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tests.common import BaseCase, get_db_name
from odoo.tools import mute_logger

from .common import ADDRESS

THREADS = 20


class CommittedCase(BaseCase):
    """Commits on purpose: threads see only what has been committed. `tearDown` takes it away."""

    def setUp(self):
        super().setUp()
        # The thread that runs the tests holds the lock of the registry, which the others need.
        self.patch(Registry, "_lock", DummyRLock())
        self.database = db_connect(get_db_name())
        self.addCleanup(self.clean_up)
        with self.transaction() as env:
            Connector = env["sicantik.connector"]
            self.connectors = Connector.create(
                [{"name": f"Concurrent {n}", "api_url": f"{ADDRESS}/{n}"} for n in (1, 2)]
            ).ids
            env["sicantik.permit"].create(
                [
                    {
                        "permit_number": f"C/{n}",
                        "registration_id": f"C{n}",
                        "connector_id": self.connectors[0],
                    }
                    for n in range(3)
                ]
            )

    def clean_up(self):
        with self.transaction() as env:
            env.cr.execute("DELETE FROM sicantik_sync_run WHERE connector_id = ANY(%s)", [self.connectors])
            env.cr.execute("DELETE FROM sicantik_permit WHERE connector_id = ANY(%s)", [self.connectors])
            env["sicantik.connector"].browse(self.connectors).unlink()

    def transaction(self):
        return Transaction(self.database)

    def call(self, method, *args, **kwargs):
        """As Odoo does for a call from outside: repeated when it lost a conflict."""
        for _attempt in range(10):
            try:
                with self.transaction() as env:
                    return getattr(env["sicantik.sync.run"], method)(*args, **kwargs)
            except psycopg2.errors.SerializationFailure:
                continue
        self.fail("still in conflict after 10 attempts")

    def at_once(self, calls):
        """The answers of `calls`, made at the same moment, in any order."""
        barrier = threading.Barrier(len(calls))
        answers, troubles = [], []

        def work(call):
            threading.current_thread().dbname = get_db_name()
            barrier.wait(30)
            try:
                answers.append(call())
            except Exception as error:
                troubles.append(error)

        threads = [threading.Thread(target=work, args=(call,), daemon=True) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertFalse(troubles)
        self.assertEqual(len(answers), len(calls))
        return answers


@tagged("post_install", "-at_install")
class TestConcurrency(CommittedCase):
    @mute_logger("odoo.sql_db")
    def test_many_presses_make_one_run(self):
        answers = self.at_once(
            [lambda: self.call("start", connector_id=self.connectors[0], trigger="button")] * THREADS
        )
        self.assertEqual(sum(answer["created"] for answer in answers), 1)
        self.assertEqual(len({answer["run_id"] for answer in answers}), 1)

    @mute_logger("odoo.sql_db")
    def test_many_workers_share_no_run(self):
        run_id = self.call("start", connector_id=self.connectors[0])["run_id"]
        answers = self.at_once([lambda n=n: self.call("claim", worker=f"w{n}") for n in range(THREADS)])
        claimed = [answer["run_id"] for answer in answers if answer]
        self.assertEqual(claimed.count(run_id), 1)

    @mute_logger("odoo.sql_db")
    def test_many_workers_share_no_server(self):
        run_ids = [
            self.call("start", connector_id=connector_id)["run_id"] for connector_id in self.connectors
        ]
        answers = self.at_once(
            [lambda n=n: self.call("claim", worker=f"w{n}", run_id=run_ids[n % 2]) for n in range(THREADS)]
        )
        self.assertEqual(len([answer for answer in answers if answer]), 1)

    @mute_logger("odoo.sql_db")
    def test_one_batch_sent_many_times_at_once(self):
        run = self.call("start", connector_id=self.connectors[0], worker="one")["run"]
        with self.transaction() as env:
            ids = env["sicantik.permit"].search(run["domains"][0]).ids
        outcomes = [
            {"permit_id": permit_id, "outcome": "found", "expiry_date": "2030-01-01"} for permit_id in ids
        ]
        answers = self.at_once(
            [
                lambda: self.call(
                    "record", run_id=run["run_id"], worker="one", batch=1, outcomes=outcomes, progress={}
                )
            ]
            * 8
        )
        self.assertEqual(set(answer["answer"] for answer in answers), {"go"})
        with self.transaction() as env:
            self.assertEqual(env["sicantik.sync.run"].browse(run["run_id"]).found_count, len(ids))

    @mute_logger("odoo.sql_db")
    def test_finish_sent_many_times_at_once(self):
        run = self.call("start", connector_id=self.connectors[0], worker="one")["run"]
        with self.transaction() as env:
            permit_id = env["sicantik.permit"].search(run["domains"][0], limit=1).id
        self.call(
            "record",
            run_id=run["run_id"],
            worker="one",
            batch=1,
            outcomes=[{"permit_id": permit_id, "outcome": "found", "expiry_date": "2030-01-01"}],
            progress={},
        )
        answers = self.at_once(
            [lambda: self.call("finish", run_id=run["run_id"], worker="one", state="done")] * 8
        )
        self.assertEqual({answer["answer"] for answer in answers}, {"go"})
        with self.transaction() as env:
            connector = env["sicantik.connector"].browse(self.connectors[0])
            self.assertEqual(connector.total_expiry_synced, 1)

    def test_a_server_taken_after_the_snapshot_is_not_taken_again(self):
        run_ids = [
            self.call("start", connector_id=connector_id)["run_id"] for connector_id in self.connectors
        ]
        with self.transaction() as late:
            # From here on this transaction sees the database as it is now.
            late.cr.execute("SELECT 1")
            self.assertTrue(self.call("claim", worker="one", run_id=run_ids[0]))
            self.assertIs(late["sicantik.sync.run"].claim(worker="two", run_id=run_ids[1]), False)

    def test_a_locked_run_is_passed_over(self):
        run_id = self.call("start", connector_id=self.connectors[0])["run_id"]
        with self.transaction() as env:
            self.assertTrue(env["sicantik.sync.run"]._lock(run_id))
            self.assertIs(self.call("claim", worker="two", run_id=run_id), False)


class Transaction:
    """An environment of the superuser in a transaction of its own, committed at the end."""

    def __init__(self, database):
        self.database = database

    def __enter__(self):
        self.closing = closing(self.database.cursor())
        self.cr = self.closing.__enter__()
        return api.Environment(self.cr, SUPERUSER_ID, {})

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                # Threads of the same test have to see it; no request is under way here.
                self.cr.commit()  # pylint: disable=invalid-commit
            else:
                self.cr.rollback()
        finally:
            self.closing.__exit__(kind, error, trace)
