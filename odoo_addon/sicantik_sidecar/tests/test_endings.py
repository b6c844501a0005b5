"""Why a run ended: in the language of who reads it."""

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..ledger.ending import ENDINGS
from .common import SicantikCase


@tagged("post_install", "-at_install")
class TestEndings(SicantikCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.lang"]._activate_lang("id_ID")
        cls.env["ir.module.module"].search([("name", "=", "sicantik_sidecar")])._update_translations(
            ["id_ID"]
        )
        cls.connector.user_id = cls.users["officer"]

    def end(self, state="failed", **said):
        run = self.started("one")
        self.ledger.finish(run_id=run.id, worker="one", state=state, **said)
        self.assertEqual(run.state, state)
        return run.message

    def test_each_code_has_its_sentence(self):
        for code in ENDINGS:
            with self.subTest(code=code):
                plain, detailed = self.end(code=code), self.end(code=code, message="50 % <gone>")
                self.assertTrue(plain.endswith("."))
                self.assertIn("50 % <gone>", detailed)
                self.assertNotIn("%s", plain + detailed)
                self.users["officer"].lang = "id_ID"
                self.assertNotEqual(self.end(code=code), plain)
                self.assertIn("50 % <gone>", self.end(code=code, message="50 % <gone>"))
                self.users["officer"].lang = "en_US"
        self.assertEqual(
            self.end(code="away", message="HTTP 503"),
            "SICANTIK cannot be used now (HTTP 503). Nothing was changed.",
        )

    def test_it_is_read_in_indonesian(self):
        self.users["officer"].lang = "id_ID"
        said = self.end(code="odoo", message="psycopg2")
        self.assertEqual(said, "Odoo tidak dapat menyimpan jawaban: psycopg2")
        activity = self.connector.activity_ids.filtered(lambda one: one.user_id == self.users["officer"])
        self.assertIn(said, activity.note)

    def test_without_a_code_the_message_stays_as_it_is(self):
        for nothing in (None, False, ""):
            self.assertEqual(self.end(code=nothing, message="So it ended."), "So it ended.")
            self.assertIs(self.end("done", code=nothing, message=nothing), False)

    def test_a_stop_in_odoo_is_said_so_whatever_the_worker_says(self):
        for said in ({}, {"message": "The run was stopped."}, {"code": "interrupted", "message": "?"}):
            run = self.started("one")
            self.ledger.cancel(run_id=run.id)
            self.ledger.finish(run_id=run.id, worker="one", state="cancelled", **said)
            self.assertEqual(run.message, "Stopped in Odoo.")

    def test_an_unknown_code_ends_nothing(self):
        run = self.started("one")
        for code in ("bored", 5, ["away"]):
            with self.assertRaisesRegex(ValidationError, "is not one of cancelled"):
                self.ledger.finish(run_id=run.id, worker="one", state="failed", code=code)
        self.assertEqual(run.state, "running")
