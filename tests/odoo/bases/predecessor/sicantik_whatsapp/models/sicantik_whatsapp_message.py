from odoo import fields, models


class SicantikWhatsappMessage(models.Model):
    _name = "sicantik.whatsapp.message"
    _description = "Message to a Permit's Holder"

    permit_id = fields.Many2one("sicantik.permit", required=True, ondelete="cascade")
    kind = fields.Selection([("issued", "Issued"), ("expiring", "Expiring")], required=True)
