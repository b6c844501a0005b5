"""The settings page: for administrators of the system, and the token goes in without coming out."""

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tests.common import new_test_user

from ..models.sicantik_sidecar import TOKEN_PARAMETER, URL_PARAMETER
from .common import SicantikCase
from .stand_in import StandIn, closed_port

TOKEN = "a-token-of-the-tests-0123456789"
FIELDS = ["sicantik_sidecar_url", "sicantik_sidecar_token", "sicantik_run_retention_days"]


@tagged("post_install", "-at_install")
class TestSettings(SicantikCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin = new_test_user(cls.env, "sicantik_admin", groups="base.group_system")
        cls.settings = cls.env["res.config.settings"].with_user(cls.admin)
        cls.parameters = cls.env["ir.config_parameter"]

    def save(self, **values):
        settings = self.settings.create(values)
        settings.execute()
        return settings

    def test_what_is_saved(self):
        self.assertEqual(self.env["sicantik.sidecar"]._access()[0], "http://127.0.0.1:8787")
        self.save(
            sicantik_sidecar_url="http://127.0.0.1:9999",
            sicantik_sidecar_token=f" {TOKEN} ",
            sicantik_run_retention_days=7,
        )
        self.assertEqual(self.env["sicantik.sidecar"]._access(), ("http://127.0.0.1:9999", TOKEN))
        self.assertEqual(self.env["sicantik.sidecar"]._retention_days(), 7)
        # Saved again with the token left empty, as the page has it.
        self.save()
        self.assertEqual(self.parameters.get_param(TOKEN_PARAMETER), TOKEN)
        self.parameters.set_param("sicantik_sidecar.run_retention_days", "nonsense")
        self.assertEqual(self.env["sicantik.sidecar"]._retention_days(), 90)

    def test_the_token_does_not_come_out(self):
        settings = self.save(sicantik_sidecar_token=TOKEN)
        self.env.invalidate_all()
        self.assertNotIn(TOKEN, str(settings.read(FIELDS)))
        self.assertNotIn(TOKEN, str(self.settings.default_get(FIELDS)))
        # As the page asks for it when it is opened.
        shown = self.settings.onchange({}, [], dict.fromkeys([*FIELDS, "sicantik_sidecar_token_set"], {}))[
            "value"
        ]
        self.assertTrue(shown["sicantik_sidecar_token_set"])
        self.assertNotIn(TOKEN, str(shown))
        self.env.cr.execute("SELECT * FROM res_config_settings")
        self.assertNotIn(TOKEN, str(self.env.cr.fetchall()))

    def test_others_reach_neither_page_nor_token(self):
        self.save(sicantik_sidecar_token=TOKEN)
        record = self.parameters.search([("key", "=", TOKEN_PARAMETER)])
        menu = self.env.ref("sicantik_sidecar.res_config_settings_menu")
        for name, user in self.users.items():
            with self.subTest(group=name):
                for attempt in (
                    lambda user=user: self.env["res.config.settings"].with_user(user).create({}),
                    lambda user=user: self.parameters.with_user(user).get_param(TOKEN_PARAMETER),
                    lambda user=user: record.with_user(user).read(["value"]),
                    lambda user=user: self.parameters.with_user(user).set_param(URL_PARAMETER, "http://x"),
                ):
                    with self.assertRaises(AccessError):
                        attempt()
                if user.has_group("base.group_user"):
                    self.assertNotIn(menu.id, self.env["ir.ui.menu"].with_user(user)._visible_menu_ids())

    def test_what_is_not_accepted(self):
        for values in (
            {"sicantik_sidecar_url": "127.0.0.1:8787"},
            {"sicantik_sidecar_url": "http://me:secret@127.0.0.1"},
            {"sicantik_sidecar_token": "two words"},
            {"sicantik_sidecar_token": "tökén"},
            {"sicantik_run_retention_days": -1},
        ):
            with self.subTest(**values), self.assertRaises(ValidationError):
                self.settings.create(values)

    def test_try(self):
        health = {"status": "ok", "version": "1.2.3", "odoo_reachable": True}
        away = {"status": "waiting", "version": "1.2.3", "odoo_reachable": False, "problem": "Odoo is away."}
        for answer, kind, word in ((health, "success", "1.2.3"), (away, "warning", "Odoo is away.")):
            with StandIn(answer) as server:
                settings = self.save(sicantik_sidecar_url=server.url, sicantik_sidecar_token=TOKEN)
                params = settings.action_try_sicantik_sidecar()["params"]
                self.assertEqual(server.wait_for(1), ["sidecar.health"])
            self.assertEqual(params["type"], kind)
            self.assertIn(word, params["message"])
        settings = self.save(sicantik_sidecar_url=closed_port())
        self.assertEqual(settings.action_try_sicantik_sidecar()["params"]["type"], "danger")
