"""Synchronising from code: the run is in a transaction of its own, and what it brought is reported."""

import threading
import time
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .. import waiting
from ..models.sicantik_sidecar import TOKEN_PARAMETER, URL_PARAMETER
from .stand_in import StandIn, closed_port
from .test_concurrency import CommittedCase


@tagged("post_install", "-at_install")
class TestWait(CommittedCase):
    def setUp(self):
        super().setUp()
        with self.transaction() as env:
            parameter = env["ir.config_parameter"]
            self.before = {key: parameter.get_param(key) for key in (URL_PARAMETER, TOKEN_PARAMETER)}
            env.cr.execute("UPDATE sicantik_sidecar SET last_seen = NULL")
        self.addCleanup(self.point_back)

    def point_to(self, url):
        with self.transaction() as env:
            env["ir.config_parameter"].set_param(URL_PARAMETER, url)

    def point_back(self):
        with self.transaction() as env:
            for key, value in self.before.items():
                env["ir.config_parameter"].set_param(key, value)

    def wait(self, method="sync_expiry_dates_workaround", *args):
        with self.transaction() as env:
            return getattr(env["sicantik.connector"].browse(self.connectors[0]), method)(*args)

    def work(self, state="done", after=0):
        """A sidecar that answers all there is: one date, one permit without, the others unknown."""

        def run():
            threading.current_thread().dbname = self.database.dbname
            time.sleep(after)
            payload = self.claim()
            with self.transaction() as env:
                ids = env["sicantik.permit"].search(payload["domains"][0], order="id").ids
            ids = ids[: payload["max_permits"] or None]
            outcomes = [{"permit_id": one, "outcome": "not_registered"} for one in ids]
            outcomes[0] = {"permit_id": ids[0], "outcome": "found", "expiry_date": "2030-01-01"}
            run_id = payload["run_id"]
            self.call("record", run_id=run_id, worker="one", batch=1, outcomes=outcomes)
            self.call("finish", run_id=run_id, worker="one", state=state, message="So it ended.")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)

    def later(self, method, **arguments):
        """Call the ledger while the test waits."""

        def run():
            threading.current_thread().dbname = self.database.dbname
            time.sleep(0.5)
            self.call(method, **arguments)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)

    def claim(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if payload := self.call("claim", worker="one"):
                return payload
            time.sleep(0.05)
        return self.fail("there is nothing to claim")

    def runs(self):
        with self.transaction() as env:
            return env["sicantik.sync.run"].search_read(
                [("connector_id", "=", self.connectors[0])], ["state", "trigger", "max_permits"]
            )

    @mute_logger("odoo.sql_db")
    def test_it_waits_and_reports(self):
        with StandIn({"looking": True}) as server:
            self.point_to(server.url)
            self.work()
            result = self.wait()
            self.assertEqual(server.wait_for(1), ["sync.wake"])
        self.assertEqual(set(result), {"success", "total", "synced", "failed", "duration"})
        self.assertEqual(
            (result["success"], result["total"], result["synced"], result["failed"]), (True, 3, 1, 2)
        )
        self.assertGreater(result["duration"], 0)

    @mute_logger("odoo.sql_db")
    def test_the_test_answers_with_a_notification(self):
        with StandIn({}) as server:
            self.point_to(server.url)
            self.work()
            answer = self.wait("action_test_expiry_sync")
        self.assertEqual((answer["type"], answer["tag"]), ("ir.actions.client", "display_notification"))
        params = answer["params"]
        self.assertEqual((params["title"], params["type"]), ("Expiry Sync Test Completed", "success"))
        self.assertRegex(params["message"], r"^Synced: 1, Failed: 2, Duration: \d+\.\d\ds$")
        self.assertIs(params["sticky"], False)
        self.assertEqual(self.runs()[0]["max_permits"], 10)

    @mute_logger("odoo.sql_db")
    def test_at_most_so_many(self):
        with StandIn({}) as server:
            self.point_to(server.url)
            self.work()
            self.assertEqual(self.wait("sync_expiry_dates_workaround", 2)["total"], 2)

    @mute_logger("odoo.sql_db")
    def test_how_it_ends_otherwise(self):
        with StandIn({}) as server:
            self.point_to(server.url)
            self.work("failed")
            with self.assertRaisesRegex(UserError, "Expiry sync failed: So it ended."):
                self.wait()
            self.work("cancelled")
            self.assertIs(self.wait()["success"], False)

    @mute_logger("odoo.sql_db")
    def test_something_else_ends_first(self):
        with self.transaction() as env:
            one = env["sicantik.permit"].search([("connector_id", "=", self.connectors[0])], limit=1).id
        whole = {"include_not_due": True}
        for wishes, max_permits in (
            ({"kind": "permits"}, None),
            ({"permit_ids": [one]}, None),
            ({**whole, "max_permits": 1}, None),
            ({"kind": "all"}, None),
            (whole, 2),
        ):
            with self.subTest(under_way=wishes), StandIn({}) as server:
                self.point_to(server.url)
                before = len(self.runs())
                start = {"connector_id": self.connectors[0], "worker": "first", **wishes}
                first = self.call("start", **start)["run_id"]
                self.later("finish", run_id=first, worker="first", state="failed", message="Not mine.")
                self.work()
                self.assertEqual(
                    self.wait("sync_expiry_dates_workaround", max_permits)["total"], max_permits or 3
                )
                self.assertEqual(len(self.runs()), before + 2)
            with self.transaction() as env:
                permits = env["sicantik.permit"].search([("connector_id", "=", self.connectors[0])])
                permits.write({"expiry_date": False, "expiry_next_check_at": False})

    @mute_logger("odoo.sql_db")
    def test_a_command_that_takes_its_run_back_is_in_nobodys_way(self):
        with StandIn({}) as server:
            self.point_to(server.url)
            start = {"connector_id": self.connectors[0], "worker": "first", "kind": "permits"}
            first = self.call("start", trigger="cli", **start)["run_id"]
            self.later("abandon", run_id=first, worker="first")
            self.work()
            self.assertEqual(self.wait()["total"], 3)

    @mute_logger("odoo.sql_db")
    def test_the_same_is_not_asked_twice(self):
        with StandIn({}) as server:
            self.point_to(server.url)
            self.call("start", connector_id=self.connectors[0], trigger="button", include_not_due=True)
            self.work()
            self.assertEqual(self.wait()["total"], 3)
        self.assertEqual([run["trigger"] for run in self.runs()], ["button"])

    def test_something_else_that_takes_too_long(self):
        first = self.call("start", connector_id=self.connectors[0], worker="first", max_permits=1)["run_id"]
        with patch.object(waiting, "PATIENCE_IN_WORKER", 0.2), self.transaction() as env:
            connector = env["sicantik.connector"].browse(self.connectors[0])
            with self.assertRaisesRegex(UserError, f"#{first} was under way .* Yours has not begun"):
                connector.sync_expiry_dates_workaround()
        self.assertEqual([run["id"] for run in self.runs()], [first])

    def test_nothing_to_ask(self):
        with self.transaction() as env:
            env["sicantik.permit"].search([("connector_id", "=", self.connectors[0])]).status = "draft"
        self.assertEqual(self.wait(), {"success": True, "total": 0, "synced": 0, "failed": 0, "duration": 0})
        self.assertFalse(self.runs())

    def test_without_a_sidecar_it_says_what_to_do(self):
        self.point_to(closed_port())
        began = time.monotonic()
        with self.assertRaisesRegex(UserError, "sicantik-sidecar serve"):
            self.wait()
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual([(run["state"], run["trigger"]) for run in self.runs()], [("queued", "rpc")])

    def test_a_run_that_takes_too_long_goes_on(self):
        with StandIn({}) as server, patch.object(waiting, "PATIENCE_IN_WORKER", 0.2):
            self.point_to(server.url)
            with self.assertRaisesRegex(UserError, "has not ended in time"):
                self.wait()
        self.assertEqual([run["state"] for run in self.runs()], ["queued"])

    @mute_logger("odoo.sql_db")
    def test_it_waits_for_longer_where_told_so(self):
        with StandIn({}) as server, patch.object(waiting, "PATIENCE_IN_WORKER", 0.2):
            self.point_to(server.url)
            with self.transaction() as env:
                connector = env["sicantik.connector"].browse(self.connectors[0])
                self.work(after=1)
                result = connector.with_context(sicantik_wait_seconds=30).sync_expiry_dates_workaround()
        self.assertEqual((result["success"], result["total"]), (True, 3))

    @mute_logger("odoo.sql_db")
    def test_what_is_not_committed_is_said(self):
        with self.transaction() as env:
            connector = env["sicantik.connector"].browse(self.connectors[0])
            connector.name = "Changed"
            env.flush_all()
            with self.assertRaisesRegex(UserError, "uncommitted"):
                connector.sync_expiry_dates_workaround()
            env.cr.rollback()
            new = env["sicantik.connector"].create({"name": "New", "api_url": "http://127.0.0.1:9/new"})
            with self.assertRaisesRegex(UserError, "uncommitted"):
                new.sync_expiry_dates_workaround()
            env.cr.rollback()
