"""Synchronising from code: the run is in a transaction of its own, and what it brought is reported."""

import threading
import time
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models import sicantik_connector_wait
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

    def work(self, state="done"):
        """A sidecar that answers all there is: one date, one permit without, the others unknown."""

        def run():
            threading.current_thread().dbname = self.database.dbname
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

    def test_nothing_to_ask(self):
        with self.transaction() as env:
            env["sicantik.permit"].search([("connector_id", "=", self.connectors[0])]).status = "draft"
        self.assertEqual(
            self.wait(), {"success": True, "total": 0, "synced": 0, "failed": 0, "duration": 0}
        )
        self.assertFalse(self.runs())

    def test_without_a_sidecar_it_says_what_to_do(self):
        self.point_to(closed_port())
        began = time.monotonic()
        with self.assertRaisesRegex(UserError, "sicantik-sidecar serve"):
            self.wait()
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual([(run["state"], run["trigger"]) for run in self.runs()], [("queued", "rpc")])

    def test_a_run_that_takes_too_long_goes_on(self):
        with StandIn({}) as server, patch.object(sicantik_connector_wait, "PATIENCE_IN_WORKER", 0.2):
            self.point_to(server.url)
            with self.transaction() as env:
                connector = env["sicantik.connector"].browse(self.connectors[0])
                with self.assertRaisesRegex(UserError, "has not ended in time"):
                    connector.with_context(cron_id=1).sync_expiry_dates_workaround()
        self.assertEqual([run["state"] for run in self.runs()], ["queued"])

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
