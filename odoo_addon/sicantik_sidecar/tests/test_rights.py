"""What each group may do, and above all what it may not."""

from datetime import timedelta
from itertools import product
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from ..models import sicantik_connector
from .common import SicantikCase

MODELS = ("sicantik.connector", "sicantik.permit", "sicantik.sync.run", "sicantik.sync.run.line")
OWN = set(MODELS)


@tagged("post_install", "-at_install")
class TestRights(SicantikCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.permit = cls.make_permits(1)

    def as_user(self, name, model):
        return self.env[model].with_user(self.users[name])

    def allowed(self, user, model):
        model = self.env[model].with_user(user)
        return {
            operation for operation in ("read", "write", "create", "unlink") if model.has_access(operation)
        }

    def test_the_sidecar_sees_when_its_own_keys_end_and_no_others(self):
        keys = self.env["res.users.apikeys"]
        end = fields.Datetime.now() + timedelta(days=20)
        for user in (self.users["sidecar"], self.users["manager"]):
            keys.with_user(user).sudo()._generate("rpc", "a key", end)
        seen = keys.with_user(self.users["sidecar"]).search_read([], ["user_id", "expiration_date"])
        self.assertEqual([key["user_id"][0] for key in seen], self.users["sidecar"].ids)
        self.assertEqual(seen[0]["expiration_date"], end)
        self.assertEqual(self.allowed(self.users["sidecar"], "res.users.apikeys"), {"read"})

    def test_table_of_rights(self):
        read, keep, everything = {"read"}, {"read", "write", "create"}, {"read", "write", "create", "unlink"}
        expected = {
            "user": (read, read, read, read),
            "officer": (read, keep, read, read),
            "manager": (everything, everything, read, read),
            "sidecar": (read, read, read, read),
        }
        for name, rights in expected.items():
            for model, right in zip(MODELS, rights, strict=True):
                with self.subTest(group=name, model=model):
                    self.assertEqual(self.allowed(self.users[name], model), right)
        for model in MODELS:
            self.assertEqual(self.allowed(self.stranger, model), set())

    def test_who_may_start_and_stop(self):
        for user in (self.users["user"], self.stranger):
            ledger = self.env["sicantik.sync.run"].with_user(user)
            with self.assertRaises(AccessError):
                ledger.start(connector_id=self.connector.id)
            with self.assertRaises(AccessError):
                ledger.plan(connector_id=self.connector.id)
        for name in ("officer", "manager", "sidecar"):
            ledger = self.as_user(name, "sicantik.sync.run")
            self.assertEqual(ledger.plan(connector_id=self.connector.id)["total"], 1)
            run_id = ledger.start(connector_id=self.connector.id, trigger="button")["run_id"]
            for other in (self.users["user"], self.stranger):
                with self.assertRaises(AccessError):
                    ledger.with_user(other).cancel(run_id=run_id)
            self.assertEqual(ledger.cancel(run_id=run_id), {"state": "cancelled"})

    def test_officer_stops_by_the_button(self):
        run_id = self.as_user("officer", "sicantik.sync.run").start(connector_id=self.connector.id)["run_id"]
        run = self.as_user("officer", "sicantik.sync.run").browse(run_id)
        run.action_cancel()
        self.assertEqual(run.state, "cancelled")
        self.assertIn(self.users["officer"].name, run.message)

    def test_working_is_for_the_sidecar(self):
        run = self.started("one")
        for name in ("user", "officer", "manager"):
            ledger = self.as_user(name, "sicantik.sync.run")
            for call in (
                lambda: ledger.claim(worker="one"),
                lambda: ledger.start(connector_id=self.connector.id, worker="one"),
                lambda: ledger.record(run_id=run.id, worker="one", batch=1, outcomes=[], progress={}),
                lambda: ledger.finish(run_id=run.id, worker="one", state="done"),
                lambda: ledger.release(run_id=run.id, worker="one"),
                lambda: ledger.abandon(run_id=run.id, worker="one"),
            ):
                with self.assertRaises(AccessError):
                    call()
        self.assertEqual((run.state, run.last_batch), ("running", 0))

    def test_the_plan_says_who_may_work(self):
        for name, may in (("officer", False), ("manager", False), ("sidecar", True)):
            ledger = self.as_user(name, "sicantik.sync.run")
            self.assertIs(ledger.plan(connector_id=self.connector.id)["may_work"], may)
        self.assertIs(self.env["sicantik.sync.run"].plan(connector_id=self.connector.id)["may_work"], True)

    def test_sidecar_has_one_group(self):
        sidecar = self.users["sidecar"]
        field = "all_group_ids" if "all_group_ids" in sidecar._fields else "groups_id"
        self.assertEqual(sidecar[field], self.env.ref("sicantik_sidecar.group_sidecar"))
        self.assertTrue(sidecar.share)

    def test_sidecar_reads_what_it_needs(self):
        rows = self.as_user("sidecar", "sicantik.permit").search_read(
            [], ["permit_number", "registration_id", "expiry_date"]
        )
        self.assertIn(self.permit.id, [row["id"] for row in rows])
        rows = self.as_user("sidecar", "sicantik.connector").search_read(
            [("id", "=", self.connector.id)], ["name", "api_url", "request_rate", "tz"]
        )
        self.assertEqual(rows[0]["name"], "Karo")
        self.as_user("sidecar", "sicantik.permit").fields_get()
        self.start()
        self.assertTrue(self.as_user("sidecar", "sicantik.sync.run").search_read([], ["state"]))

    def test_sidecar_writes_only_through_the_ledger(self):
        permit = self.permit.with_user(self.users["sidecar"])
        run = self.started("one").with_user(self.users["sidecar"])
        for call in (
            lambda: permit.write({"expiry_date": "2030-01-01"}),
            lambda: permit.write({"connector_id": 1}),
            lambda: permit.unlink(),
            lambda: permit.copy(),
            lambda: self.connector.with_user(self.users["sidecar"]).write({"request_rate": 1}),
            lambda: run.write({"state": "done"}),
            lambda: run.create({"connector_id": self.connector.id}),
            lambda: run.unlink(),
        ):
            with self.assertRaises(AccessError):
                call()

    def test_sidecar_can_change_nothing_else_in_the_database(self):
        """Every model of this database is tried, not a list of those one thinks of."""
        sidecar = self.users["sidecar"]
        open_models = {}
        for model in self.env.registry:
            records = self.env[model].with_user(sidecar)
            if records._abstract or model in OWN:
                continue
            rights = self.allowed(sidecar, model) - {"read"}
            if rights and not records._transient:
                open_models[model] = rights
        # What Odoo leaves open to everybody who has logged in, whatever the groups.
        anybody = (
            self.env["res.users"]
            .with_context(no_reset_password=True)
            .create({"name": "Nobody", "login": "sicantik_nobody", self.groups_field(): [(5,)]})
        )
        for model, rights in open_models.items():
            self.assertLessEqual(rights, self.allowed(anybody, model), model)

    def test_sidecar_reads_no_people_or_settings(self):
        sidecar = self.users["sidecar"]
        for model in (
            "res.groups",
            "ir.config_parameter",
            "ir.cron",
            "ir.model.access",
            "ir.module.module",
            "mail.message",
            "mail.activity",
            "ir.logging",
            "res.users.apikeys",
        ):
            with self.subTest(model=model):
                # A rule may let it see its own keys; nobody else's.
                try:
                    rows = self.env[model].with_user(sidecar).search([])
                except AccessError:
                    continue
                self.assertFalse(rows, f"{model} can be read")

    def groups_field(self):
        return "group_ids" if "group_ids" in self.env["res.users"]._fields else "groups_id"

    def public_methods(self):
        """What this addon lets everybody with a login call, by model."""
        found = set()
        for name in self.env.registry:
            for part in type(self.env[name]).__mro__:
                if part.__module__.startswith("odoo.addons.sicantik_sidecar."):
                    found |= {
                        (name, method)
                        for method, value in vars(part).items()
                        if callable(value)
                        and not method.startswith("_")
                        and method not in ("create", "init", "write")
                    }
        return found

    def test_a_stranger_can_do_nothing_by_name(self):
        """Whatever is public is tried: a new method needs its own line here."""
        portal = new_test_user(self.env, "sicantik_portal", groups="base.group_portal")
        run = self.started("one")
        held = {"run_id": run.id, "worker": "one"}
        connector, here = {"connector_id": self.connector.id}, self.connector.ids
        calls = {
            "sicantik.connector": {
                "action_full_sync_permits": (here, {}),
                "action_stop": (here, {}),
                "action_sync_all_expiry": (here, {}),
                "action_sync_permits": (here, {}),
                "action_test_connection": (here, {}),
                "action_test_expiry_sync": (here, {}),
                "cron_sync_expiry_dates": ([], {}),
                "sync_expiry_dates_workaround": (here, {}),
                "sync_permit_types": (here, {}),
                "sync_permits": (here, {}),
            },
            "sicantik.sidecar": {"describe_setup": ([], {})},
            "sicantik.permit": {"cron_check_expiring_permits": ([], {})},
            "sicantik.sync.run": {
                "abandon": ([], held),
                "action_ask_failures_again": (run.ids, {}),
                "action_cancel": (run.ids, {}),
                "cancel": ([], {"run_id": run.id}),
                "check": ([], held),
                "claim": ([], {"worker": "one"}),
                "finish": ([], {**held, "state": "done"}),
                "listing_done": ([], {**held, "complete": True}),
                "plan": ([], connector),
                "record": ([], {**held, "batch": 1, "outcomes": []}),
                "record_listing": ([], {**held, "batch": 1, "rows": []}),
                "release": ([], held),
                "remaining": ([], held),
                "start": ([], connector),
            },
            "sicantik.expiry.sync.wizard": {"action_sync": ([self.wizard().id], {})},
            "res.config.settings": {
                "action_try_sicantik_sidecar": (self.env["res.config.settings"].create({}).ids, {}),
                "get_values": ([], {}),
            },
        }
        # These show what the caller may read, and are of no other use.
        shown = {
            (model, method) for model, method in self.public_methods() if method.startswith("action_view_")
        }
        tried = {(model, method) for model, methods in calls.items() for method in methods}
        self.assertEqual(self.public_methods() - shown, tried)
        self.env.flush_all()
        runs = self.env["sicantik.sync.run"].search([])
        # A context is the caller's to choose. There is no `request` under /jsonrpc.
        callers = [(user, request) for user in (self.stranger, portal) for request in (self, None)]
        crons = [self.env["sicantik.connector"]._cron(kind).id for kind in ("expiry", "check")]
        for (user, request), cron_id in product(callers, [False, 1, *crons]):
            for model, methods in calls.items():
                for method, (ids, arguments) in methods.items():
                    records = self.env[model].with_user(user).with_context(cron_id=cron_id).browse(ids)
                    with (
                        self.subTest(user=user.login, model=model, method=method, cron=cron_id),
                        patch.object(sicantik_connector, "request", request),
                        self.assertRaises(AccessError),
                    ):
                        getattr(records, method)(**arguments)
        self.assertEqual(self.env["sicantik.sync.run"].search([]), runs)
        self.assertEqual((run.state, run.last_batch), ("running", 0))

    def wizard(self):
        return (
            self.env["sicantik.expiry.sync.wizard"]
            .with_user(self.users["officer"])
            .create({"connector_id": self.connector.id})
        )
