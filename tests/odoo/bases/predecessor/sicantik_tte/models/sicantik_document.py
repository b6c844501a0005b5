from odoo import fields, models


class SicantikDocument(models.Model):
    _name = "sicantik.document"
    _description = "Document of a Permit"

    name = fields.Char(required=True)
    permit_id = fields.Many2one("sicantik.permit", required=True, ondelete="cascade")
    permit_number = fields.Char(related="permit_id.permit_number", store=True)
    permit_type_id = fields.Many2one(related="permit_id.permit_type_id", store=True)
    storage_id = fields.Many2one("minio.connector")
    state = fields.Selection([("draft", "Draft"), ("signed", "Signed")], default="draft")
