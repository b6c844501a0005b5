"""What happens by itself: every active connector at its own office's hour, once a day.

Odoo's crons know one hour, in UTC. So each of the two has its daily call at the hour of Jakarta, and
asks for more calls at the hours of the other connectors' zones; the call finds out whose time has come.
"""

import logging
from datetime import datetime, time, timedelta

import psycopg2
import pytz

from odoo import api, fields, models
from odoo.http import request

_logger = logging.getLogger(__name__)

CRONS = {
    # kind: (cron, its model, hour of the office, where the day is kept on which it was last done)
    "expiry": ("cron_sync_expiry_dates", "sicantik.connector", 2, "expiry_cron_date"),
    "check": ("cron_check_expiring_permits", "sicantik.permit", 9, "check_cron_date"),
}
NAMES = {"expiry": "SICANTIK: Sync Expiry Dates", "check": "SICANTIK: Check Expiring Permits"}
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
    def _cron(self, kind):
        """The base's own scheduled action where it has one, else ours: two for one hour are too many."""
        for module in ("sicantik_connector", "sicantik_sidecar"):
            cron = self.env.ref(f"{module}.{CRONS[kind][0]}", raise_if_not_found=False)
            if cron:
                return cron
        return None

    @api.model
    def _set_up_crons(self):
        """On installation: make the scheduled actions that the base does not have, and plan all of them."""
        for kind, (method, model, hour, _marker) in CRONS.items():
            if self._cron(kind):
                continue
            now = pytz.utc.localize(self._utc_now()).astimezone(pytz.timezone(BASE_ZONE))
            tomorrow = now.replace(hour=hour, minute=0, second=0) + timedelta(days=1)
            self.env["ir.cron"]._load_records(
                [
                    {
                        "xml_id": f"sicantik_sidecar.{method}",
                        "noupdate": True,
                        "values": {
                            "name": NAMES[kind],
                            "model_id": self.env["ir.model"]._get_id(model),
                            "state": "code",
                            "code": f"model.{method}()",
                            "interval_number": 1,
                            "interval_type": "days",
                            "priority": 5 if kind == "expiry" else 10,
                            "nextcall": tomorrow.astimezone(pytz.utc).replace(tzinfo=None),
                        },
                    }
                ]
            )
        self.search([("active", "=", True)])._plan_crons()

    @api.model
    def _cron_triggers(self):
        """The extra calls of the scheduled actions that are planned."""
        crons = [cron.id for kind in CRONS if (cron := self._cron(kind))]
        return self.env["ir.cron.trigger"].sudo().search([("cron_id", "in", crons)])

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
        marker = CRONS[kind][3]
        now = self._local_now()
        if scheduled:
            hour = now.replace(hour=CRONS[kind][2], minute=0, second=0, microsecond=0, tzinfo=None)
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
            cron = self._cron(one)
            if not cron:
                continue
            times = {connector._next_hour(CRONS[one][2]) for connector in self if connector.active}
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
