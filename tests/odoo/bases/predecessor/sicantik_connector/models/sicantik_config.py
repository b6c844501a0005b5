from odoo import api, fields, models
from odoo.exceptions import ValidationError


class SicantikConfig(models.Model):
    _name = "sicantik.config"
    _description = "SICANTIK Configuration"

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    api_url = fields.Char("API URL", required=True)
    api_timeout = fields.Integer("Time-out (seconds)", default=30)
    sync_interval = fields.Integer("Interval (minutes)", default=60)
    sync_limit = fields.Integer("Permits per Request", default=50)
    rate_limit_enabled = fields.Boolean(default=True)
    rate_limit_requests = fields.Integer("Requests per Second", default=5)
    last_sync_date = fields.Datetime(readonly=True)
    total_permits_synced = fields.Integer(readonly=True)
    last_sync_duration = fields.Float(readonly=True)
    connection_status = fields.Selection(
        [("untested", "Not Tested"), ("connected", "Connected"), ("error", "Error")],
        default="untested",
    )
    last_error = fields.Text(readonly=True)

    @api.constrains("active")
    def _check_one_active(self):
        if self.search_count([("active", "=", True)]) > 1:
            raise ValidationError("Only one configuration can be active.")
