from odoo import fields, models


class MinioConnector(models.Model):
    _name = "minio.connector"
    _description = "Document Storage"

    name = fields.Char(required=True)
    endpoint = fields.Char()
    active = fields.Boolean(default=True)
