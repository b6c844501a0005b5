from odoo import fields, models


class ResPartner(models.Model):
    _inherit = "res.partner"

    whatsapp_number = fields.Char()
    whatsapp_opt_in = fields.Boolean()
    whatsapp_opt_in_date = fields.Datetime()
    sicantik_permit_ids = fields.One2many("sicantik.permit", "partner_id")
