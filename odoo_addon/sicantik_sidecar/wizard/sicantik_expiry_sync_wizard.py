"""Before a synchronisation of expiry dates: how much there is to ask, and how long it will take."""

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..base_module import base_has
from ..ledger import display

WIZARD = "sicantik.expiry.sync.wizard"


class SicantikExpirySyncWizard(models.TransientModel):
    _name = WIZARD
    _description = "SICANTIK Expiry Sync Wizard"
    # The seed's module has one of its own: it is extended, and gets our page.
    _inherit = [WIZARD] if base_has(WIZARD) else []

    connector_id = fields.Many2one(
        "sicantik.connector",
        required=True,
        ondelete="cascade",
        default=lambda self: self.env["sicantik.connector"].search([], limit=1),
    )
    include_not_due = fields.Boolean("Include Those Asked Lately")
    max_permits = fields.Integer("At Most")
    permits_without_expiry = fields.Integer(compute="_compute_permits")
    permits_due = fields.Integer("To Be Asked Now", compute="_compute_permits")
    permits_asked_lately = fields.Integer("Asked Lately", compute="_compute_permits")
    permits_to_ask_again = fields.Integer("Dates to Be Asked Again", compute="_compute_permits")
    asks_again = fields.Integer(related="connector_id.refresh_older_than")
    permits_to_ask = fields.Integer("Will Be Asked", compute="_compute_permits")
    estimated_duration = fields.Char(compute="_compute_permits")
    sidecar_silent = fields.Boolean(related="connector_id.sidecar_silent")

    @api.depends("connector_id", "include_not_due", "max_permits")
    @api.depends_context("lang")
    def _compute_permits(self):
        run = self.env["sicantik.sync.run"]
        for wizard in self:
            connector = wizard.connector_id
            undated = due = again = 0
            if connector:
                # 0: without those whose date is to be asked for again.
                undated = run.plan(connector.id, include_not_due=True, refresh_older_than=0)["total"]
                due = run.plan(connector.id, refresh_older_than=0)["total"]
                again = run.plan(connector.id)["total"] - due
            chosen = again + (undated if wizard.include_not_due else due)
            chosen = min(chosen, wizard.max_permits) if wizard.max_permits > 0 else chosen
            seconds = connector._expected_seconds(chosen) if connector else 0
            wizard.permits_without_expiry, wizard.permits_due = undated, due
            wizard.permits_asked_lately, wizard.permits_to_ask_again = undated - due, again
            wizard.permits_to_ask, wizard.estimated_duration = chosen, display.duration(self.env, seconds)

    @api.constrains("max_permits")
    def _check_max_permits(self):
        if any(wizard.max_permits < 0 for wizard in self):
            raise ValidationError(self.env._("The most permits to ask about cannot be less than none."))

    def action_sync(self):
        self.ensure_one()
        # Somebody else may have started one meanwhile.
        if open_run := self.env["sicantik.sync.run"]._open_run(self.connector_id, "expiry"):
            return open_run._action_open()
        if not self.permits_to_ask:
            lately = self.env._(
                "No permits to sync: the %d without an expiry date were asked about lately. "
                "Tick “Include Those Asked Lately” to ask again.",
                self.permits_asked_lately,
            )
            raise UserError(lately if self.permits_asked_lately else self.env._("No permits to sync"))
        wishes = {"include_not_due": self.include_not_due, "max_permits": self.max_permits or None}
        return self.connector_id._start(**wishes)._action_open()
