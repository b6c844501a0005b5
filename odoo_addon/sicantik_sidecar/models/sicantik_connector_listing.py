"""The connector's side of the listing: how the dates came last, when they are asked for again."""

import math

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .sicantik_sync_run_listing import WAYS


# One part of the model; `sicantik_sync_run_record` says why.
# pylint: disable=consider-merging-classes-inherited
class SicantikConnector(models.Model):
    _inherit = "sicantik.connector"

    listing_way = fields.Selection(
        WAYS,
        "Expiry Dates Come",
        readonly=True,
        copy=False,
        help="How the last listing found it: from the listing itself, once SICANTIK's programming "
        "interface has been upgraded; until then permit by permit. Nothing has to be set for it.",
    )
    refresh_older_than = fields.Integer(
        "Ask Again After (days)",
        tracking=True,
        help="Also ask for dates that were last asked for so many days ago: a permit may have been "
        "renewed. They come after those without a date. 0: never.",
    )

    @api.constrains("refresh_older_than")
    def _check_refresh_older_than(self):
        for connector in self:
            if not 0 <= connector.refresh_older_than <= 36500:
                raise ValidationError(
                    self.env._("The days after which dates are asked for again must be from 0 to 36500.")
                )

    @api.model
    def _nightly_kind(self):
        """What the nightly synchronisation does: the listing, then the dates that are still missing."""
        return "all"

    def _expected_listing_seconds(self, permits):
        """How long the listing of so many permits will take: as the last one, or as the rate allows."""
        self.ensure_one()
        pages = math.ceil(permits / (self.page_size or 1))
        return self.last_sync_duration or pages / (self.request_rate or 1.0)

    def action_sync_permits(self):
        """Bring the permits up to date with the listing; where a run is open already, show that one."""
        self.ensure_one()
        answer = self.env["sicantik.sync.run"].start(
            connector_id=self.id, kind="permits", trigger="button"
        )
        return self.env["sicantik.sync.run"].browse(answer["run_id"])._action_open()
