from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

# A system parameter of this name holds the number of a permit that refuses every change.
REFUSED = "sicantik.refused_permit"
REMINDERS = (90, 60, 30, 7)


class SicantikPermit(models.Model):
    _name = "sicantik.permit"
    _description = "SICANTIK Permit"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _rec_name = "registration_id"
    _order = "expiry_date, id"

    registration_id = fields.Char(required=True, index=True)
    permit_number = fields.Char(tracking=True)
    applicant_name = fields.Char(tracking=True)
    permit_type_name = fields.Char(required=True, tracking=True)
    permit_type_id = fields.Many2one("sicantik.permit.type", tracking=True)
    partner_id = fields.Many2one("res.partner")
    mobile = fields.Char(compute="_compute_mobile")
    issue_date = fields.Date(tracking=True)
    expiry_date = fields.Date(tracking=True)
    received_date = fields.Date()
    days_until_expiry = fields.Integer(compute="_compute_expiry", store=True)
    expiry_status = fields.Selection(
        [("valid", "Valid"), ("soon", "Expires Soon"), ("expired", "Expired"), ("unknown", "Unknown")],
        compute="_compute_expiry",
        store=True,
    )
    expiry_notified_90 = fields.Boolean()
    expiry_notified_60 = fields.Boolean()
    expiry_notified_30 = fields.Boolean()
    expiry_notified_7 = fields.Boolean()
    status = fields.Selection(
        [
            ("draft", "Draft"),
            ("active", "Active"),
            ("expired", "Expired"),
            ("renewed", "Renewed"),
            ("cancelled", "Cancelled"),
        ],
        default="draft",
    )
    is_renewal = fields.Boolean()
    original_permit_id = fields.Many2one("sicantik.permit")
    renewal_permit_id = fields.Many2one("sicantik.permit")
    last_sync_date = fields.Datetime(readonly=True)
    notes = fields.Text()

    # Odoo 19 ignores `_sql_constraints`.
    if hasattr(models, "Constraint"):
        _registration_uniq = models.Constraint("unique(registration_id)", "This registration is known already.")
    else:
        _sql_constraints = [
            ("registration_uniq", "unique(registration_id)", "This registration is known already."),
        ]

    @api.depends("partner_id.phone")
    def _compute_mobile(self):
        for permit in self:
            permit.mobile = permit.partner_id.phone

    @api.depends("expiry_date")
    def _compute_expiry(self):
        today = fields.Date.today()
        for permit in self:
            if not permit.expiry_date:
                permit.days_until_expiry, permit.expiry_status = 0, "unknown"
                continue
            days = (permit.expiry_date - today).days
            permit.days_until_expiry = days
            permit.expiry_status = "expired" if days < 0 else "soon" if days <= 90 else "valid"

    @api.constrains("permit_number", "expiry_date", "status")
    def _check_refused(self):
        refused = self.env["ir.config_parameter"].sudo().get_param(REFUSED)
        if refused and refused in self.mapped("permit_number"):
            raise ValidationError(f"Permit {refused} is in court and must not be changed.")

    def write(self, vals):
        if "status" not in vals:
            return super().write(vals)
        self.ensure_one()
        activated = vals["status"] == "active" != self.status and vals.get("permit_number")
        result = super().write(vals)
        if activated:
            self.message_post(body=f"Permit {self.permit_number} has been issued.")
        return result

    @api.model
    def cron_update_expired_permits(self):
        for permit in self.search([("status", "=", "active"), ("expiry_date", "<", fields.Date.today())]):
            permit.write({"status": "expired"})

    @api.model
    def cron_check_expiring_permits(self):
        """Reminds of what ends soon, once for each of the four days."""
        connector = self.env["sicantik.connector"].search([("active", "=", True)], limit=1)
        if connector:
            connector.sync_expiry_dates_workaround(max_permits=100)
        today = fields.Date.today()
        for permit in self.search([
            ("status", "=", "active"),
            ("expiry_date", ">=", today),
            ("expiry_date", "<=", today + timedelta(days=max(REMINDERS))),
        ]):
            passed = [days for days in REMINDERS if (permit.expiry_date - today).days <= days]
            if not permit[f"expiry_notified_{min(passed)}"]:
                permit.message_post(body=f"The permit ends on {permit.expiry_date}.")
                permit.write({f"expiry_notified_{days}": True for days in passed})
