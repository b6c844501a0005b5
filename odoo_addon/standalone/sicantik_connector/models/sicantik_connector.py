"""A SICANTIK server: its address, and statistics of past synchronisations."""

from odoo import fields, models


class SicantikConnector(models.Model):
    _name = "sicantik.connector"
    _description = "SICANTIK Connector"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "name, id"

    name = fields.Char("Configuration Name", required=True, default="SICANTIK Production")
    # No default: an office that forgets to enter its own address must not ask another office's server.
    api_url = fields.Char("API Base URL", required=True, tracking=True)
    active = fields.Boolean(default=True, tracking=True)

    last_sync_date = fields.Datetime(readonly=True, copy=False)
    last_expiry_sync_date = fields.Datetime(readonly=True, copy=False)
    total_permits_synced = fields.Integer(readonly=True, copy=False)
    total_expiry_synced = fields.Integer(readonly=True, copy=False)
    last_sync_duration = fields.Float("Last Sync Duration (seconds)", readonly=True, copy=False)
    last_expiry_sync_duration = fields.Float("Last Expiry Sync Duration (seconds)", readonly=True, copy=False)
