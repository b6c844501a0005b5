from odoo import api, fields, models
from odoo.exceptions import UserError

SECONDS_PER_PERMIT = 0.15


class SicantikExpirySyncWizard(models.TransientModel):
    _name = "sicantik.expiry.sync.wizard"
    _description = "SICANTIK Expiry Sync Wizard"

    connector_id = fields.Many2one("sicantik.connector", required=True)
    permits_without_expiry = fields.Integer(compute="_compute_permits_count")
    estimated_duration = fields.Char(compute="_compute_estimated_duration")

    @api.depends("connector_id")
    def _compute_permits_count(self):
        undated = self.env["sicantik.permit"].search_count(
            [("expiry_date", "=", False), ("status", "=", "active")]
        )
        for wizard in self:
            wizard.permits_without_expiry = undated

    @api.depends("permits_without_expiry")
    def _compute_estimated_duration(self):
        for wizard in self:
            wizard.estimated_duration = f"{wizard.permits_without_expiry * SECONDS_PER_PERMIT:.0f} seconds"

    def action_sync(self):
        self.ensure_one()
        if not self.permits_without_expiry:
            raise UserError("No permits to sync")
        self.connector_id.sync_expiry_dates_workaround()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"title": "Expiry Sync Started", "type": "success"},
        }
