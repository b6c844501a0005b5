"""What `sicantik-sidecar doctor` is told of the database."""

import hashlib
from datetime import timedelta

from odoo.tests import tagged

from ..models.sicantik_sidecar import TOKEN_PARAMETER
from .common import SicantikCase

TOKEN = "a-token-of-the-tests-0123456789"


@tagged("post_install", "-at_install")
class TestSetup(SicantikCase):
    def described(self, token=None):
        digest = hashlib.sha256(token.encode()).hexdigest() if token else None
        self.env.flush_all()
        sidecar = self.env["sicantik.sidecar"].with_user(self.users["sidecar"])
        return sidecar.describe_setup(token_digest=digest)

    def test_the_token_is_compared_and_never_told(self):
        parameter = self.env["ir.config_parameter"]
        parameter.set_param(TOKEN_PARAMETER, False)
        self.assertEqual(self.described(TOKEN)["token"], "missing")
        parameter.set_param(TOKEN_PARAMETER, TOKEN)
        for asked, expected in ((TOKEN, "same"), (TOKEN + "x", "other"), (None, "unknown")):
            told = self.described(asked)
            self.assertEqual(told["token"], expected)
            self.assertNotIn(TOKEN, str(told))

    def test_the_last_sign_and_the_scheduled_actions_are_told(self):
        sidecar = self.env["sicantik.sidecar"]
        sidecar.sudo().search([]).write({"last_seen": False})
        self.assertTrue(self.described()["silent"])
        sidecar._heard_from("host:1:abc")
        told = self.described()
        self.assertEqual((told["silent"], told["worker"]), (False, "host:1:abc"))
        self.assertTrue(all(action["exists"] and action["next_call"] for action in told["actions"]))
        cron = self.env["sicantik.connector"]._cron("expiry")
        cron.active = False
        cron.nextcall -= timedelta(days=3)
        action = self.described()["actions"][0]
        self.assertFalse(action["active"])
