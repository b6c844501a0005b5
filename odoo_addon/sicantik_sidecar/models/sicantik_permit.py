"""What the bridge needs of a permit, and what the last question about its expiry brought."""

import logging

import psycopg2

from odoo import api, fields, models

from ..ledger.recorder import refusal
from ..ledger.words import CHECK_STATES, IDENTITY, REST

_logger = logging.getLogger(__name__)

OF_RUN = {"readonly": True, "copy": False, "ondelete": "set null", "index": "btree_not_null"}


class SicantikPermit(models.Model):
    _name = "sicantik.permit"
    _inherit = ["sicantik.permit", "mail.thread", "mail.activity.mixin"]

    # Of a base that has them, all but the type is the base's. Field tracking is left off on purpose: it reads
    # and compares every value of every write, and thousands of permits are written a night. Only a date
    # changed by hand is tracked: the recorder writes without, and notes changed dates itself.
    registration_id = fields.Char()
    applicant_name = fields.Char()
    applicant_phone = fields.Char()
    permit_type_name = fields.Char()
    issue_date = fields.Date()
    received_date = fields.Date()
    expiry_date = fields.Date(tracking=True)
    last_sync_date = fields.Datetime()
    connector_id = fields.Many2one(
        "sicantik.connector", ondelete="restrict", default=lambda self: self._only_connector()
    )
    days_left = fields.Integer(compute="_compute_days_left")
    # Off: the last listing that was read to its end did not hold this permit any more.
    listed = fields.Boolean("In SICANTIK's Listing", default=True, readonly=True, copy=False)
    listing_run_id = fields.Many2one("sicantik.sync.run", "Last Changed By", **OF_RUN)
    expiry_check_state = fields.Selection(CHECK_STATES, "Last Answer", readonly=True, copy=False)
    expiry_checked_at = fields.Datetime("Last Asked", readonly=True, copy=False)
    expiry_next_check_at = fields.Datetime("Asked Again From", readonly=True, copy=False)
    expiry_check_count = fields.Integer("Times Without an Answer", readonly=True, copy=False)
    expiry_run_id = fields.Many2one("sicantik.sync.run", "Last Synchronisation", **OF_RUN)

    def init(self):
        # What the sidecar pages through, `id` after `id`, shrinks as dates arrive: the index holds only what
        # is still to be asked. The second one serves the asking again. The listing holds nearly all; by their
        # number it looks for those written by hand.
        self.env.cr.execute("""
            CREATE INDEX IF NOT EXISTS sicantik_permit_undated_index
                ON sicantik_permit (connector_id, id)
             WHERE status = 'active' AND expiry_date IS NULL;
            CREATE INDEX IF NOT EXISTS sicantik_permit_refresh_index
                ON sicantik_permit (connector_id, id)
             WHERE status IN ('active', 'expired') AND expiry_date IS NOT NULL;
            CREATE INDEX IF NOT EXISTS sicantik_permit_unlisted_index
                ON sicantik_permit (connector_id) WHERE listed IS NOT TRUE;
            CREATE INDEX IF NOT EXISTS sicantik_permit_trimmed_number_index
                ON sicantik_permit (connector_id, btrim(permit_number));
        """)

    def _settle(self):
        """On installation: assign the base's permits, and keep registrations unique."""
        self._give_connector()
        self.env.cr.execute("""
            CREATE UNIQUE INDEX IF NOT EXISTS sicantik_permit_connector_registration_uniq
                ON sicantik_permit (connector_id, registration_id) WHERE registration_id != ''
        """)

    def _give_connector(self):
        """Give permits without a connector to the only one there is. A registration that several permits of
        the base have goes with the one that knows most; the others stay as they are, without a connector, and
        are left out of synchronisations.
        """
        if not (only := self._only_connector()):
            return
        self.flush_model()
        query = """
            WITH ranked AS (
                SELECT id, row_number() OVER (
                           PARTITION BY registration_id
                               ORDER BY connector_id IS NULL, expiry_date IS NULL,
                                        write_date DESC NULLS LAST, id) AS place
                  FROM sicantik_permit
            )
            UPDATE sicantik_permit permit SET connector_id = %s
              FROM ranked
             WHERE ranked.id = permit.id AND permit.connector_id IS NULL
               AND (place = 1 OR COALESCE(permit.registration_id, '') = '')
        """
        self.env.cr.execute(query, [only.id])
        self.invalidate_model(["connector_id"])

    def _only_connector(self):
        """The one active connector, or the only one in all; none where there is a choice."""
        connectors = self.env["sicantik.connector"]
        found = connectors.search([("active", "=", True)], limit=2)
        found = found or connectors.search([("active", "=", False)], limit=2)
        return found if len(found) == 1 else connectors

    @api.depends("expiry_date")
    def _compute_days_left(self):
        today = fields.Date.context_today(self)
        for permit in self:
            permit.days_left = (permit.expiry_date - today).days if permit.expiry_date else 0

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._tidy(vals) for vals in vals_list])

    def write(self, vals):
        vals = self._tidy(vals)
        said = {name: vals[name] or False for name in IDENTITY if name in vals}
        others = self.filtered(lambda permit: any(permit[name] != said[name] for name in said))
        result = super().write(vals)
        rest = {name: value for name, value in REST.items() if name not in vals}
        if others and rest:
            # What SICANTIK said was about another number: it is asked again at once.
            super(SicantikPermit, others).write(rest)
        return result

    def _tidy(self, vals):
        """Strips registrations. Blank ones are stored as NULL, so two blanks do not collide."""
        # A number stays as it is: SICANTIK compares it to the letter.
        said = {name: vals[name] for name in IDENTITY if isinstance(vals.get(name), str)}
        kept = {name: text if name == "permit_number" else text.strip() for name, text in said.items()}
        return {**vals, **{name: text.strip() and text or False for name, text in kept.items()}}

    def _make_types(self):
        """Where the base has permit types, make those that permits name and it lacks; returns how many."""
        if "permit_type_id" not in self:
            return 0
        types, made = self.permit_type_id.with_context(active_test=False), 0
        named = {name for [name] in self._read_group([], ["permit_type_name"]) if name}
        for name in named - set(types.search([("name", "in", list(named))]).mapped("name")):
            error = refusal(self.env, types.create, {"name": name})
            if error:
                _logger.warning("The permit type “%s” cannot be made: %s", name, error)
            made += not error
        return made

    @api.model
    def cron_check_expiring_permits(self):
        """Queue the morning's check, then let the base send its own notices. What it asks to synchronise
        first is only queued. Its trouble undoes no queueing; nor does a module's above the bridge:
        `_cron_queue_due` has its own transaction.
        """
        self.env["sicantik.connector"]._queue_daily("check")
        quiet = self.with_context(sicantik_queue_only=True)
        notices = getattr(super(SicantikPermit, quiet), "cron_check_expiring_permits", None)
        if notices:
            savepoint = self.env.cr.savepoint()
            try:
                notices()
                self.env.flush_all()
            except Exception:
                _logger.exception("The base's own check of expiring permits failed.")
                try:
                    savepoint.rollback()
                except psycopg2.Error:
                    # The base has committed on its way, and with it what is queued.
                    self.env.cr.rollback()
        return True

    def action_view_expiry_run(self):
        self.ensure_one()
        return self.expiry_run_id._action_open()
