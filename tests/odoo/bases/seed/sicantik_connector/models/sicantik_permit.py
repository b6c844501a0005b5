from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

# A system parameter of this name holds the number of a permit that refuses every change.
REFUSED = "sicantik.refused_permit"


class SicantikPermit(models.Model):
    _name = "sicantik.permit"
    _description = "SICANTIK Permit"
    _rec_name = "permit_number"

    permit_number = fields.Char()
    applicant_name = fields.Char()
    permit_type_name = fields.Char()
    expiry_date = fields.Date()
    status = fields.Selection(
        [
            ("draft", "Draft"),
            ("active", "Active"),
            ("expired", "Expired"),
            ("renewed", "Renewed"),
            ("cancelled", "Cancelled"),
        ],
        default="active",
    )
    last_sync_date = fields.Datetime()
    expiry_reminded = fields.Boolean()

    @api.constrains("permit_number", "expiry_date", "status")
    def _check_refused(self):
        refused = self.env["ir.config_parameter"].sudo().get_param(REFUSED)
        if refused and refused in self.mapped("permit_number"):
            raise ValidationError(f"Permit {refused} is in court and must not be changed.")

    @api.model
    def cron_check_expiring_permits(self):
        """Marks the permits whose holders are to be reminded."""
        today = fields.Date.today()
        self.search([
            ("status", "=", "active"),
            ("expiry_reminded", "=", False),
            ("expiry_date", ">=", today),
            ("expiry_date", "<=", today + timedelta(days=30)),
        ]).write({"expiry_reminded": True})
