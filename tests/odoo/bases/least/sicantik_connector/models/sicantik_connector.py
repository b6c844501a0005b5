from odoo import fields, models


class SicantikConnector(models.Model):
    _name = "sicantik.connector"
    _description = "SICANTIK API Connector"

    name = fields.Char("Configuration Name", required=True)
    api_url = fields.Char("API Base URL", required=True)
    active = fields.Boolean(default=True)
    last_sync_date = fields.Datetime(readonly=True)
    last_expiry_sync_date = fields.Datetime(readonly=True)
    total_permits_synced = fields.Integer(readonly=True)
    total_expiry_synced = fields.Integer(readonly=True)
    last_sync_duration = fields.Float("Last Sync Duration (seconds)", readonly=True)
    last_expiry_sync_duration = fields.Float("Last Expiry Sync Duration (seconds)", readonly=True)
