"""What each group may do, and above all what it may not."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged

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
        for name in ("user", "officer"):
            ledger = self.as_user(name, "sicantik.sync.run")
            for call in (
                lambda: ledger.claim(worker="one"),
                lambda: ledger.start(connector_id=self.connector.id, worker="one"),
                lambda: ledger.record(run_id=run.id, worker="one", batch=1, outcomes=[], progress={}),
                lambda: ledger.finish(run_id=run.id, worker="one", state="done"),
                lambda: ledger.release(run_id=run.id, worker="one"),
            ):
                with self.assertRaises(AccessError):
                    call()
        self.assertEqual((run.state, run.last_batch), ("running", 0))

    def test_sidecar_has_one_group(self):
        sidecar = self.users["sidecar"]
        field = "all_group_ids" if "all_group_ids" in sidecar._fields else "groups_id"
        self.assertEqual(sidecar[field], self.env.ref("sicantik_connector.group_sidecar"))
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
