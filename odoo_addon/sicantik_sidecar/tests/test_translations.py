"""The Indonesian translation says everything that the addon says."""

import io
import re

import polib

from odoo import release
from odoo.tests import TransactionCase, tagged
from odoo.tools import file_path
from odoo.tools.translate import trans_export

PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sdg]")
# Labels that come with other modules' fields differ between versions of Odoo; these do not.
OWN = ("code:", "model_terms:", "model:ir.ui.menu", "model:ir.actions", "model:ir.model.fields.selection")


@tagged("post_install", "-at_install")
class TestTranslations(TransactionCase):
    def load(self, name):
        path = file_path(f"sicantik_sidecar/i18n/{name}")
        return {entry.msgid: entry for entry in polib.pofile(path)}

    def test_template_is_up_to_date(self):
        buffer = io.BytesIO()
        # Odoo 18 wants the cursor, 19 the environment.
        source = self.env if release.version_info[0] >= 19 else self.env.cr
        trans_export(False, ["sicantik_sidecar"], buffer, "po", source)
        template = self.load("sicantik_sidecar.pot")
        said = {
            entry.msgid
            for entry in polib.pofile(buffer.getvalue().decode())
            if any(f"{file}:{line}".startswith(OWN) for file, line in entry.occurrences)
        }
        self.assertTrue(said)
        self.assertFalse(said - template.keys(), "not in the template")

    def test_indonesian_is_complete(self):
        translated = self.load("id.po")
        self.assertEqual(translated.keys(), self.load("sicantik_sidecar.pot").keys())
        for msgid, entry in translated.items():
            self.assertTrue(entry.msgstr, msgid)
            self.assertFalse(entry.fuzzy, msgid)
            self.assertEqual(
                sorted(PLACEHOLDER.findall(entry.msgstr)), sorted(PLACEHOLDER.findall(msgid)), msgid
            )

    def test_pages_speak_indonesian(self):
        self.env["res.lang"]._activate_lang("id_ID")
        self.env["ir.module.module"].search([("name", "=", "sicantik_sidecar")])._update_translations(
            ["id_ID"]
        )
        permit = self.env["sicantik.permit"].with_context(lang="id_ID")
        labels = permit.fields_get(["expiry_checked_at", "expiry_check_state"])
        self.assertEqual(labels["expiry_checked_at"]["string"], "Terakhir Ditanyakan")
        self.assertIn(("not_registered", "Tidak terdaftar"), labels["expiry_check_state"]["selection"])
        view = self.env.ref("sicantik_sidecar.sicantik_permit_view_search")
        self.assertIn("Tanpa Tanggal Berakhir", permit.get_view(view.id, "search")["arch"])
