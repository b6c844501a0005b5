"""What happens by itself: every active connector at its own office's hour, once a day.

Odoo's crons know one hour, in UTC. So each of the two has its daily call at the hour of Jakarta, and
asks for more calls at the hours of the other connectors' zones; the call finds out whose time has come.
"""

import logging
from datetime import datetime, time, timedelta

import psycopg2
import pytz

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.http import request

_logger = logging.getLogger(__name__)

CRONS = {
    # kind: (cron, hour of the office, where the day is kept on which it was last done)
    "expiry": ("sicantik_connector.cron_sync_expiry_dates", 2, "expiry_cron_date"),
    "check": ("sicantik_connector.cron_check_expiring_permits", 9, "check_cron_date"),
}
# The zone of the daily calls, which knows no summer time.
BASE_ZONE = "Asia/Jakarta"
# A connector that is new today begins tomorrow, unless its hour has just come.
NEW_WITHIN = timedelta(hours=1)
AGAIN_AFTER_CONFLICT = timedelta(minutes=1)
AGAIN_AFTER_SMALLER_RUN = timedelta(minutes=15)


# A part of the model of its own, to keep the files short.
# pylint: disable=consider-merging-classes-inherited
class SicantikConnector(models.Model):
    _inherit = "sicantik.connector"

    expiry_cron_date = fields.Date("Last Night Queued", readonly=True, copy=False)
    check_cron_date = fields.Date("Last Check Queued", readonly=True, copy=False)

    @api.model_create_multi
    def create(self, vals_list):
        connectors = super().create(vals_list)
        connectors._plan_crons()
        return connectors

    def write(self, vals):
        result = super().write(vals)
        if "tz" in vals or vals.get("active"):
            self._plan_crons()
        return result

    @api.model
    def set_up_crons(self):
        """Called when the module's data has been loaded, on an installation and on each update."""
        # Public, as Odoo calls nothing else from data files; of use to nobody else.
        if not self.env.su:
            raise AccessError(self.env._("You are not allowed to plan the crons of SICANTIK."))
        for xml_id, hour, _marker in CRONS.values():
            cron = self.env.ref(xml_id, raise_if_not_found=False)
            # The crons of the module that stood here before are kept, but its hours were UTC's.
            if cron and cron.nextcall.hour == hour and cron.nextcall.minute == 0:
                moment = pytz.timezone(BASE_ZONE).localize(cron.nextcall.replace(second=0))
                cron.nextcall = moment.astimezone(pytz.utc).replace(tzinfo=None)
        self.search([("active", "=", True)])._plan_crons()
        return True

    @api.model
    def cron_sync_expiry_dates(self):
        """Queue the night's questions. By hand or from code: now, for every active connector."""
        self._queue_daily("expiry")
        return True

    @api.model
    def _queue_daily(self, kind):
        """Queue a run on each connector whose hour has come.

        Waits for nobody, and never raises but for who may not start runs: both ways here are public.
        """
        # Everybody can send a context, but only the scheduler calls outside of a request.
        scheduled = "cron_id" in self.env.context and not request
        if not scheduled:
            self.env["sicantik.sync.run"]._check_may_start()
        again = set()
        connectors = self.sudo().search([("active", "=", True)], order="id")
        for connector in connectors:
            try:
                with self.env.cr.savepoint():
                    delay = connector._queue_daily_run(kind, scheduled)
            except psycopg2.OperationalError as error:
                # Somebody works on the same rows; this transaction cannot see what became of it.
                _logger.info("Connector %d is tried again in a minute: %s", connector.id, error)
                delay = AGAIN_AFTER_CONFLICT
            except Exception:
                _logger.exception("Nothing could be queued on connector %d", connector.id)
                delay = None
            if delay and scheduled:
                again.add(self._utc_now() + delay)
        connectors._plan_crons(kind, again)

    def _queue_daily_run(self, kind, scheduled):
        """Queue this connector's run if it is due. Returns how long to wait if it is to be tried again."""
        marker = CRONS[kind][2]
        now = self._local_now()
        if scheduled:
            hour = now.replace(hour=CRONS[kind][1], minute=0, second=0, microsecond=0, tzinfo=None)
            past = now.replace(tzinfo=None) - hour
            if past < timedelta() or (self[marker] and self[marker] >= now.date()):
                return None
            if not self[marker] and past > NEW_WITHIN:
                self[marker] = now.date()
                return None
        run = self.env["sicantik.sync.run"].sudo()
        wanted = self._nightly_kind() if kind == "expiry" else kind
        answer = run.start(connector_id=self.id, kind=wanted, trigger="cron")
        found = run.browse(answer["run_id"])
        if not answer["created"] and (found._is_partial() or found.kind != wanted):
            # What is under way now is less than the night's work.
            return AGAIN_AFTER_SMALLER_RUN
        if scheduled:
            self[marker] = now.date()
        return None

    def _plan_crons(self, kind=None, more=()):
        """Have the crons called at the next hours of these connectors, and at the times `more` (UTC)."""
        for one in [kind] if kind else CRONS:
            cron = self.env.ref(CRONS[one][0], raise_if_not_found=False)
            if not cron:
                continue
            times = {connector._next_hour(CRONS[one][1]) for connector in self if connector.active}
            times.update(more)
            trigger = self.env["ir.cron.trigger"].sudo()
            known = trigger.search([("cron_id", "=", cron.id), ("call_at", "in", list(times))])
            times -= set(known.mapped("call_at"))
            if times:
                cron.sudo()._trigger(at=sorted(times))

    @api.model
    def _utc_now(self):
        return datetime.now(pytz.utc).replace(microsecond=0, tzinfo=None)

    def _local_now(self):
        self.ensure_one()
        return pytz.utc.localize(self._utc_now()).astimezone(pytz.timezone(self.tz or "UTC"))

    def _next_hour(self, hour):
        """When it is next `hour` o'clock at this connector's office (UTC)."""
        self.ensure_one()
        now = self._local_now()
        day = now.date()
        while True:
            # An hour that is left out in spring comes out as the one after it.
            moment = now.tzinfo.localize(datetime.combine(day, time(hour)))
            if moment > now:
                return moment.astimezone(pytz.utc).replace(tzinfo=None)
            day += timedelta(days=1)
