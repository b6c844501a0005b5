"""A permit as SICANTIK knows it, and what the last question about its expiry brought."""

import logging

import pytz
from dateutil.relativedelta import relativedelta

from odoo import api, fields, models

_logger = logging.getLogger(__name__)

CHECK_STATES = [
    ("found", "Date received"),
    ("no_date", "Without a date"),
    ("not_registered", "Not registered"),
    ("failed", "Failed"),
]

# What SICANTIK is asked by, and what of its answers has to do with these alone.
IDENTITY = ("registration_id", "permit_number")
REST = {"expiry_next_check_at": False, "expiry_check_count": 0}


class SicantikPermit(models.Model):
    _name = "sicantik.permit"
    _inherit = ["sicantik.permit", "mail.thread", "mail.activity.mixin"]

    # Field tracking is left off on purpose: it reads and compares every value of every write, and
    # thousands of permits are written a night. Only a date changed by hand is tracked: the ledger
    # writes without tracking, and notes in the chatter itself which dates it has changed.
    registration_id = fields.Char()
    applicant_name = fields.Char()
    applicant_phone = fields.Char()
    permit_type_name = fields.Char()
    issue_date = fields.Date()
    received_date = fields.Date()
    expiry_date = fields.Date(tracking=True)
    days_left = fields.Integer(compute="_compute_days_left")
    connector_id = fields.Many2one(
        "sicantik.connector", ondelete="restrict", default=lambda self: self._only_connector()
    )
    last_sync_date = fields.Datetime()
    listed = fields.Boolean(
        "In SICANTIK's Listing",
        default=True,
        readonly=True,
        copy=False,
        help="Off: the last listing that was read to its end did not hold this permit any more.",
    )
    listing_run_id = fields.Many2one(
        "sicantik.sync.run",
        "Last Changed By",
        readonly=True,
        copy=False,
        ondelete="set null",
        index="btree_not_null",
        help="The synchronisation that brought this permit from the listing, or last changed it so.",
    )
    expiry_check_state = fields.Selection(
        CHECK_STATES,
        "Last Answer",
        readonly=True,
        copy=False,
        help="What SICANTIK answered when it was last asked for the expiry date.",
    )
    expiry_checked_at = fields.Datetime("Last Asked", readonly=True, copy=False)
    expiry_next_check_at = fields.Datetime(
        "Asked Again From",
        readonly=True,
        copy=False,
        help="A permit without an answer rests for 1, 2, 4 and at most 30 days before it is "
        "asked about again, unless a person asks for all.",
    )
    expiry_check_count = fields.Integer(
        "Times Without an Answer",
        readonly=True,
        copy=False,
        help="How often in a row SICANTIK had no date for this permit.",
    )
    expiry_run_id = fields.Many2one(
        "sicantik.sync.run",
        "Last Synchronisation",
        readonly=True,
        copy=False,
        ondelete="set null",
        index="btree_not_null",
        help="The synchronisation that last asked about this permit.",
    )

    def init(self):
        # All columns are needed for it, also those of connectors.
        self.pool.post_init(self._settle_permits)
        # What the sidecar pages through, `id` after `id`, shrinks as dates arrive: the index
        # holds only what is still to be asked. The second one serves the asking again; it takes the
        # place of one that held active permits alone.
        self.env.cr.execute(
            """
            CREATE INDEX IF NOT EXISTS sicantik_permit_undated_index
                ON sicantik_permit (connector_id, id)
             WHERE status = 'active' AND expiry_date IS NULL
            """
        )
        self.env.cr.execute(
            """
            DROP INDEX IF EXISTS sicantik_permit_dated_index;
            CREATE INDEX IF NOT EXISTS sicantik_permit_refresh_index
                ON sicantik_permit (connector_id, id)
             WHERE status IN ('active', 'expired') AND expiry_date IS NOT NULL
            """
        )
        # The listing holds nearly all of them. By their number it looks for those written by hand.
        self.env.cr.execute(
            """
            CREATE INDEX IF NOT EXISTS sicantik_permit_unlisted_index
                ON sicantik_permit (connector_id) WHERE listed IS NOT TRUE;
            DROP INDEX IF EXISTS sicantik_permit_unregistered_index;
            CREATE INDEX IF NOT EXISTS sicantik_permit_trimmed_number_index
                ON sicantik_permit (connector_id, btrim(permit_number));
            """
        )

    @api.depends("expiry_date")
    def _compute_days_left(self):
        today = fields.Date.context_today(self)
        for permit in self:
            permit.days_left = (permit.expiry_date - today).days if permit.expiry_date else 0

    @api.model
    def _settle_permits(self):
        """Give permits without a connector to the only one there is, and keep registrations apart.

        A registration that several permits of the base have goes with the one that knows most; the
        others stay as they are, without a connector, and are left out of synchronisations.
        """
        cr = self.env.cr
        only = self._only_connector()
        if only:
            cr.execute(
                """
                WITH ranked AS (
                    SELECT id, registration_id, row_number() OVER (
                               PARTITION BY registration_id
                                   ORDER BY connector_id IS NULL, expiry_date IS NULL,
                                            write_date DESC NULLS LAST, id) AS place
                      FROM sicantik_permit
                )
                UPDATE sicantik_permit permit SET connector_id = %s
                  FROM ranked
                 WHERE ranked.id = permit.id AND permit.connector_id IS NULL
                   AND (place = 1 OR COALESCE(permit.registration_id, '') = '')
                """,
                [only.id],
            )
        cr.execute(
            """
            CREATE UNIQUE INDEX IF NOT EXISTS sicantik_permit_registration_uniq
                ON sicantik_permit (connector_id, registration_id) WHERE registration_id != ''
            """
        )
        cr.execute("SELECT count(*) FROM sicantik_permit WHERE connector_id IS NULL")
        left = cr.fetchone()[0]
        if left:
            _logger.info("%d permits belong to no connector; they are left out of synchronisations.", left)
        self.env.invalidate_all()

    @api.model
    def _only_connector(self):
        """The one active connector, or the only one in all; none where there is a choice."""
        connectors = self.env["sicantik.connector"].with_context(active_test=False).search([])
        chosen = connectors.filtered("active") or connectors
        return chosen if len(chosen) == 1 else chosen.browse()

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._tidy(vals) for vals in vals_list])

    def write(self, vals):
        vals = self._tidy(vals)
        said = {name: vals[name] or False for name in IDENTITY if name in vals}
        others = self.browse()
        rest = {name: value for name, value in REST.items() if name not in vals}
        if said and rest:
            others = self.filtered(lambda permit: any(permit[name] != value for name, value in said.items()))
        result = super().write(vals)
        if others:
            # What SICANTIK said was about another number: it is asked again at once.
            super(SicantikPermit, others).write(rest)
        return result

    @api.model
    def _tidy(self, vals):
        """A registration without stray spaces at its ends; an empty one is none, not the text “”.

        Two permits without a registration must not count as one. A number stays as it is: SICANTIK
        compares it to the letter.
        """
        if not any(name in vals for name in IDENTITY):
            return vals
        vals = dict(vals)
        for name in IDENTITY:
            value = vals.get(name)
            if isinstance(value, str):
                stripped = value.strip()
                vals[name] = (value if stripped and name == "permit_number" else stripped) or False
        return vals

    @api.model
    def _next_check_at(self, connector, now, count):
        """When a permit is due again that had no answer `count` times in a row (UTC).

        Rests are counted in days of the connector's time zone, not in hours: what a night's
        run asked at 02:40 has to be due when the next one begins at 02:00.
        """
        days = min(2 ** min(count - 1, 5), 30)
        zone = pytz.timezone(connector.tz or "UTC")
        local = pytz.utc.localize(now).astimezone(zone)
        morning = local.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
        due = zone.localize(morning + relativedelta(days=days))
        return due.astimezone(pytz.utc).replace(tzinfo=None)

    @api.model
    def cron_check_expiring_permits(self):
        """Queue the morning's check of every active connector."""
        self.env["sicantik.connector"]._queue_daily("check")
        return True

    def action_view_expiry_run(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "sicantik.sync.run",
            "res_id": self.expiry_run_id.id,
            "view_mode": "form",
        }
