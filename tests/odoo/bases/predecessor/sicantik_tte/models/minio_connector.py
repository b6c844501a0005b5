from odoo import fields, models


class MinioConnector(models.Model):
    _inherit = "minio.connector"

    bucket_name = fields.Char(default="sicantik-documents")
