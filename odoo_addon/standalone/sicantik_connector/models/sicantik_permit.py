"""A permit of the licensing office."""

from odoo import api, fields, models


class SicantikPermit(models.Model):
    _name = "sicantik.permit"
    _description = "SICANTIK Permit"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _rec_name = "permit_number"
    _rec_names_search = ["permit_number", "registration_id", "applicant_name"]

    registration_id = fields.Char(
        index=True, copy=False, help="SICANTIK's own number of the registration (pendaftaran_id)."
    )
    permit_number = fields.Char(index=True, help="The number printed on the permit (no_surat).")
    applicant_name = fields.Char("Applicant")
    applicant_phone = fields.Char("Phone")
    permit_type_name = fields.Char("Permit Type")
    issue_date = fields.Date("Issued On")
    received_date = fields.Date("Received On", help="When the application was received.")
    expiry_date = fields.Date(
        "Expires On", index=True, copy=False, help="Empty: not known, or the permit has no end."
    )
    status = fields.Selection(
        [
            ("draft", "Draft"),
            ("active", "Active"),
            ("expired", "Expired"),
            ("renewed", "Renewed"),
            ("cancelled", "Cancelled"),
        ],
        required=True,
        default="active",
    )
    last_sync_date = fields.Datetime("Last Synchronised", readonly=True, copy=False)

    @api.depends("permit_number", "registration_id")
    def _compute_display_name(self):
        for permit in self:
            known = permit.permit_number or permit.registration_id
            permit.display_name = known or self.env._("Permit %s", permit.id or "")
