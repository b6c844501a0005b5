from datetime import timedelta

from odoo import api, fields, models

MARKS = ("expiry_notified_90", "expiry_notified_60", "expiry_notified_30", "expiry_notified_7")


class SicantikPermit(models.Model):
    _inherit = "sicantik.permit"

    def write(self, vals):
        """A new date is reminded of anew; an activated permit is announced to its holder."""
        dates = {permit: permit.expiry_date for permit in self}
        activated = self.browse()
        if vals.get("status") == "active" and vals.get("permit_number"):
            activated = self.filtered(lambda permit: permit.status != "active")
        result = super().write(vals)
        if vals.get("expiry_date"):
            changed = self.filtered(lambda permit: dates[permit] and dates[permit] != permit.expiry_date)
            if changed:
                changed.write(dict.fromkeys(MARKS, False))
        activated._send_whatsapp("issued")
        return result

    @api.model
    def cron_check_expiring_permits(self):
        result = super().cron_check_expiring_permits()
        today = fields.Date.today()
        soon = self.search([
            ("status", "=", "active"),
            ("expiry_date", ">=", today),
            ("expiry_date", "<=", today + timedelta(days=30)),
        ])
        soon._send_whatsapp("expiring")
        return result

    def _send_whatsapp(self, kind):
        """Notes one message for each holder who agreed to be told, on every call: one call too many is seen."""
        told = self.filtered("partner_id.whatsapp_opt_in")
        self.env["sicantik.whatsapp.message"].sudo().create(
            [{"permit_id": permit.id, "kind": kind} for permit in told]
        )
