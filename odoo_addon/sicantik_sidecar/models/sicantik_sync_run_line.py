"""A permit that a synchronisation could not get an answer for, and why."""

from odoo import fields, models

from ..ledger.words import REASONS


class SicantikSyncRunLine(models.Model):
    _name = "sicantik.sync.run.line"
    _description = "SICANTIK Synchronisation Failure"
    _order = "id"
    _rec_name = "permit_name"

    run_id = fields.Many2one(
        "sicantik.sync.run", "Synchronisation", required=True, index=True, ondelete="cascade"
    )
    connector_id = fields.Many2one(related="run_id.connector_id")
    permit_id = fields.Many2one("sicantik.permit", index="btree_not_null", ondelete="set null")
    permit_name = fields.Char(
        "Permit Number", help="The number as it was then; it stays when the permit is deleted."
    )
    registration_id = fields.Char(help="For what the listing held: its registration, be it in Odoo or not.")
    reason = fields.Selection(REASONS, required=True)
    detail = fields.Char("Said by the Server")
