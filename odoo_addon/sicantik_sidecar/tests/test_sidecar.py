"""Calling the sidecar, and noticing whether it is there."""

import time
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .. import sidecar_client
from ..models.sicantik_sidecar import TOKEN_PARAMETER, URL_PARAMETER
from ..sidecar_client import SidecarError, Waker, call
from .common import SicantikCase
from .stand_in import StandIn, closed_port, hanging_port

TOKEN = "a-token-of-the-tests-0123456789"


class CallCase(SicantikCase):
    def kind(self, url, token=TOKEN, **more):
        with self.assertRaises(SidecarError) as caught:
            call(url, token, "sidecar.health", **more)
        self.assertNotIn(TOKEN, f"{caught.exception!r} {caught.exception.__cause__!r}")
        return caught.exception.kind

    @contextmanager
    def within(self, seconds):
        began = time.monotonic()
        yield
        self.assertLess(time.monotonic() - began, seconds)


@tagged("post_install", "-at_install")
class TestCall(CallCase):
    def test_question_and_answer(self):
        with StandIn({"status": "ok"}) as server:
            self.assertEqual(call(server.url, TOKEN, "x.y", {"connector_id": 5}), {"status": "ok"})
        body, headers = server.calls[0]
        self.assertEqual(
            (body["jsonrpc"], body["method"], body["params"]), ("2.0", "x.y", {"connector_id": 5})
        )
        self.assertEqual(headers["Authorization"], f"Bearer {TOKEN}")

    def test_what_can_go_wrong(self):
        answers = {
            "token": lambda handler: handler.send_json(401, {}),
            "refused": lambda handler: handler.send_json(
                200, {"jsonrpc": "2.0", "id": 1, "error": {"code": 1004, "message": "No."}}
            ),
            "foreign": lambda handler: handler.send_json(200, ["<html>"]),
        }
        for kind, answer in answers.items():
            with self.subTest(kind=kind), StandIn(answer) as server:
                self.assertEqual(self.kind(server.url), kind)
        too_large = {"jsonrpc": "2.0", "id": 1, "result": "x" * 100_000}
        for status, value in ((500, {}), (200, too_large), (200, {"jsonrpc": "2.0", "id": 1})):
            with StandIn(lambda handler, s=status, v=value: handler.send_json(s, v)) as server:
                self.assertEqual(self.kind(server.url), "foreign")
        with self.within(3):
            self.assertEqual(self.kind(closed_port()), "unreachable")
        for url in (
            "",
            "127.0.0.1:8787",
            "ftp://127.0.0.1",
            "http://a:b@127.0.0.1",
            "http://[",
            "http://h:x",
        ):
            self.assertEqual(self.kind(url), "address", url)

    def test_no_redirect_is_followed(self):
        with StandIn({}) as other:
            with StandIn(lambda handler: handler.send_json(307, {}, Location=other.url)) as server:
                self.assertEqual(self.kind(server.url), "foreign")
            self.assertFalse(other.calls)

    def test_neither_proxy_nor_netrc_is_used(self):
        with StandIn({}) as proxy, StandIn({}) as server:
            with patch.dict("os.environ", {"HTTP_PROXY": proxy.url, "http_proxy": proxy.url}):
                call(server.url, TOKEN, "sync.wake")
            self.assertFalse(proxy.calls)

    def test_nothing_takes_longer_than_five_seconds(self):
        def drip(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            for _ in range(100):
                handler.wfile.write(b" ")
                time.sleep(0.1)

        with self.within(5.8), hanging_port() as url:
            self.assertEqual(self.kind(url), "slow")
        with self.within(5.8), StandIn(drip) as server:
            self.assertEqual(self.kind(server.url), "slow")

    def test_a_token_that_no_header_can_hold_is_not_sent(self):
        for token in ("", "two words", "ö", "a\r\nX: y"):
            with StandIn({}) as server:
                call(server.url, token, "sync.wake")
                self.assertNotIn("Authorization", server.calls[0][1])

    def test_waking_waits_for_nobody(self):
        with hanging_port() as url, self.within(0.5):
            waker = Waker()
            for _ in range(1000):
                waker.wake(url, TOKEN)
            self.assertEqual(len(waker._busy), 1)

    def test_what_comes_while_one_is_sent_is_sent_after_it(self):
        with StandIn(lambda handler: (time.sleep(0.3), handler.send_json(500, {}))) as server:
            waker = Waker()
            for _ in range(5):
                waker.wake(server.url, TOKEN)
            self.assertEqual(server.wait_for(2), ["sync.wake"] * 2)
            time.sleep(0.5)
            self.assertEqual(len(server.calls), 2)
            self.assertFalse(waker._busy)
            waker.wake(server.url, TOKEN)
            self.assertEqual(len(server.wait_for(3)), 3)

    def test_no_thread_to_be_had(self):
        with patch.object(sidecar_client.threading.Thread, "start", side_effect=RuntimeError):
            waker = Waker()
            waker.wake("http://127.0.0.1:9", TOKEN)
            self.assertFalse(waker._busy)
            self.assertEqual(self.kind("http://127.0.0.1:9"), "slow")


@tagged("post_install", "-at_install")
class TestSidecar(SicantikCase):
    def setUp(self):
        super().setUp()
        self.sidecar = self.env["sicantik.sidecar"]
        self.env.cr.execute("UPDATE sicantik_sidecar SET last_seen = NULL")

    def point_to(self, url):
        self.env["ir.config_parameter"].set_param(URL_PARAMETER, url)
        self.env["ir.config_parameter"].set_param(TOKEN_PARAMETER, TOKEN)

    def age(self, seconds):
        self.env.cr.execute(
            "UPDATE sicantik_sidecar SET last_seen = last_seen - %s", [timedelta(seconds=seconds)]
        )
        self.env.invalidate_all()

    def test_claiming_is_a_sign_of_life(self):
        self.assertTrue(self.connector.with_user(self.users["user"]).sidecar_silent)
        self.ledger.claim(worker="one")
        self.env.invalidate_all()
        connector = self.connector.with_user(self.users["user"])
        self.assertFalse(connector.sidecar_silent)
        self.assertTrue(connector.sidecar_seen_at)
        self.age(59)
        self.assertFalse(connector.sidecar_silent)
        self.age(2)
        self.assertTrue(connector.sidecar_silent)

    def test_signs_are_not_written_each_time(self):
        self.ledger.claim(worker="one")
        self.ledger.claim(worker="two")
        self.env.cr.execute("SELECT worker FROM sicantik_sidecar")
        self.assertEqual(self.env.cr.fetchall(), [("one",)])

    def test_a_working_sidecar_is_heard_a_command_is_not(self):
        self.make_permits(1)
        by_hand = self.start(trigger="button")["run_id"]
        self.ledger.claim(worker="one", run_id=by_hand)
        self.assertTrue(self.sidecar._is_silent())
        self.ledger.record(run_id=by_hand, worker="one", batch=0, outcomes=[])
        self.assertFalse(self.sidecar._is_silent())
        self.age(120)
        self.ledger.finish(run_id=by_hand, worker="one", state="done")
        run = self.started("two", trigger="cli")
        self.record(run, 0, [], worker="two")
        self.assertTrue(self.sidecar._is_silent())

    def test_a_lost_record_is_made_anew(self):
        self.env.cr.execute("DELETE FROM sicantik_sidecar")
        self.assertTrue(self.sidecar._is_silent())
        self.ledger.claim(worker="one")
        self.assertFalse(self.sidecar._is_silent())

    def test_start_and_stop_wake_it_after_the_commit(self):
        with StandIn({"looking": True}) as server:
            self.point_to(server.url)
            self.make_permits(1)
            hooks = self.env.cr.postcommit
            hooks.clear()
            self.addCleanup(hooks.clear)
            run_id = self.start(trigger="button")["run_id"]
            self.assertFalse(server.calls)
            hooks.run()
            self.assertEqual(server.wait_for(1), ["sync.wake"])
            self.assertIn(TOKEN, server.calls[0][1]["Authorization"])
            self.ledger.claim(worker="one")
            self.ledger.cancel(run_id=run_id)
            hooks.run()
            self.assertEqual(server.wait_for(2), ["sync.wake"] * 2)
            self.ledger.finish(run_id=run_id, worker="one", state="cancelled")
            self.start(trigger="cli")
            hooks.run()
            time.sleep(0.2)
            self.assertEqual(len(server.calls), 2)

    def test_connection_test(self):
        for name in ("officer", "manager"):
            connector = self.connector.with_user(self.users[name])
            answer = {"host": "perizinan.example", "elapsed_ms": 230, "format": "xml", "upgraded": True}
            with StandIn(answer) as server:
                self.point_to(server.url)
                params = connector.action_test_connection()["params"]
            self.assertEqual(server.calls[0][0]["params"], {"connector_id": self.connector.id})
            self.assertEqual(params["type"], "success")
            for word in ("perizinan.example", "230", "XML"):
                self.assertIn(word, params["message"])
        with self.assertRaises(AccessError):
            self.connector.with_user(self.users["user"]).action_test_connection()

    def test_connection_test_says_why_not(self):
        def refuse(handler):
            error = {"code": 1004, "message": "SICANTIK at karo gave no answer."}
            handler.send_json(200, {"jsonrpc": "2.0", "id": 1, "error": error})

        with StandIn(refuse) as server, StandIn(lambda handler: handler.send_json(401, {})) as strict:
            for url, word in (
                (server.url, "SICANTIK at karo"),
                (strict.url, "token"),
                (closed_port(), "sicantik-sidecar serve"),
                ("nonsense", "nonsense"),
            ):
                self.point_to(url)
                params = self.connector.with_user(self.users["officer"]).action_test_connection()["params"]
                self.assertEqual(params["type"], "danger")
                self.assertIn(word, params["message"])

    def test_token_is_in_no_log(self):
        self.point_to(closed_port())
        with self.assertLogs("odoo.addons.sicantik_sidecar", "DEBUG") as logs:
            with self.assertRaises(UserError) as caught:
                self.sidecar._call("sidecar.health")
        self.assertNotIn(TOKEN, "".join(logs.output) + str(caught.exception))
