from odoo import fields, models


class SicantikPermitType(models.Model):
    _name = "sicantik.permit.type"
    _description = "SICANTIK Permit Type"

    name = fields.Char(required=True)
    code = fields.Char()
    description = fields.Text()
    active = fields.Boolean(default=True)
    last_sync_date = fields.Datetime(readonly=True)
