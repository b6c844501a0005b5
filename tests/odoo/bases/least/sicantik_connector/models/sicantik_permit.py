from odoo import api, fields, models
from odoo.exceptions import ValidationError

# A system parameter of this name holds a date that no permit may have.
REFUSED = "sicantik.refused_date"


class SicantikPermit(models.Model):
    _name = "sicantik.permit"
    _description = "SICANTIK Permit"
    _rec_name = "permit_number"

    permit_number = fields.Char()
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

    @api.constrains("expiry_date")
    def _check_expiry_date(self):
        refused = fields.Date.to_date(self.env["ir.config_parameter"].sudo().get_param(REFUSED))
        if refused and refused in self.mapped("expiry_date"):
            raise ValidationError(f"The office is closed for good on {refused}.")
