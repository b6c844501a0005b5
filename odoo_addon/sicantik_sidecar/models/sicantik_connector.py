"""A SICANTIK server: address and limits, the runs that people and schedules start, and the last
results.

The base's own methods that asked SICANTIK from within Odoo are overridden here: they queue runs.
"""

import logging
import math
from datetime import datetime, time, timedelta

import psycopg2
import pytz

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.http import request

from ..address import is_loopback, is_usable, server_of
from ..ledger import display, plan
from ..ledger.words import WAYS
from .lease_mixin import OPEN_STATES, STATES
from ..waiting import NOTHING, wait_for_expiry_dates

_logger = logging.getLogger(__name__)

# What a government server can be asked without hurting the people who work on it.
MIN_RATE, MAX_RATE = 0.1, 10.0
# A simulator on this machine may be driven as fast as it goes.
MAX_LOOPBACK_RATE = 100_000.0
LIMITS = {
    "request_timeout": (0.1, 300),
    "max_in_flight": (1, 1000),
    "page_size": (1, 1000),
    "refresh_older_than": (0, 36500),
}
SETTING, RESULT = {"required": True, "tracking": True}, {"readonly": True, "copy": False}
TEST_PERMITS = 10
ZONES = [(name, name) for name in pytz.common_timezones]

# Odoo's crons know one hour, in UTC. So each has its daily call, and asks for more calls at the hours of the
# connectors' zones; the call finds out whose time has come.
# name of cron and method, hour at the office, field with the day of the last call, kind of the run
CRONS = {
    "expiry": ("cron_sync_expiry_dates", 2, "expiry_cron_date", "all"),
    "check": ("cron_check_expiring_permits", 9, "check_cron_date", "check"),
}
# A connector that is new today begins tomorrow, unless its hour has just come.
NEW_WITHIN = timedelta(hours=1)
AGAIN_AFTER_CONFLICT, AGAIN_AFTER_SMALLER_RUN = timedelta(minutes=1), timedelta(minutes=15)


class SicantikConnector(models.Model):
    _name = "sicantik.connector"
    _inherit = ["sicantik.connector", "mail.thread", "mail.activity.mixin"]

    # Of a base that has them, all but the type is the base's.
    active = fields.Boolean(default=True)
    api_url = fields.Char()
    last_sync_date = fields.Datetime()
    last_expiry_sync_date = fields.Datetime()
    total_permits_synced = fields.Integer()
    total_expiry_synced = fields.Integer()
    last_sync_duration = fields.Float()
    last_expiry_sync_duration = fields.Float()

    user_id = fields.Many2one("res.users", "Responsible", default=lambda self: self.env.user, tracking=True)
    host = fields.Char("Server", compute="_compute_host", store=True, index=True)
    request_rate = fields.Float("Requests per Second", default=10.0, digits=(9, 2), **SETTING)
    request_timeout = fields.Float("Time-out (seconds)", default=10.0, digits=(6, 1), **SETTING)
    max_in_flight = fields.Integer("Questions at Once", default=32, **SETTING)
    page_size = fields.Integer("Permits per Page", default=100, **SETTING)
    tz = fields.Selection(lambda _self: ZONES, "Time Zone", required=True, default="Asia/Jakarta")
    refresh_older_than = fields.Integer("Ask Again After (days)", tracking=True)
    listing_way = fields.Selection(WAYS, "Expiry Dates Come", **RESULT)
    last_expiry_rate = fields.Float("Measured Speed (permits per second)", digits=(12, 2), **RESULT)
    expiry_duration_display = fields.Char("Last Duration", compute="_compute_run")
    expiry_cron_date = fields.Date("Last Night Queued", **RESULT)
    check_cron_date = fields.Date("Last Check Queued", **RESULT)
    permit_ids = fields.One2many("sicantik.permit", "connector_id", "Permits")
    permit_count = fields.Integer("Number of Permits", compute="_compute_counts")
    permit_without_expiry_count = fields.Integer("Permits Without Expiry", compute="_compute_counts")
    run_ids = fields.One2many("sicantik.sync.run", "connector_id", "Synchronisations")
    run_count = fields.Integer("Number of Synchronisations", compute="_compute_counts")
    current_run_id = fields.Many2one("sicantik.sync.run", "Current Synchronisation", compute="_compute_run")
    current_run_state = fields.Selection(STATES, "Current State", compute="_compute_run")
    current_progress = fields.Float("Progress", compute="_compute_run")
    current_status = fields.Char("Status", compute="_compute_run")
    current_stop_awaited = fields.Boolean(compute="_compute_run")
    sidecar_silent = fields.Boolean(compute="_compute_sidecar")
    sidecar_seen_at = fields.Datetime("Sidecar Last Heard Of", compute="_compute_sidecar")

    def _api(self):
        """The address in effect, with the rate and the time-out that belong to it: those of the connector or,
        where it has no address, those of the configuration that the base keeps it in.
        """
        api = {name: self[name] for name in ("api_url", "request_rate", "request_timeout")}
        if not self.api_url and self._config_model():
            config = self.sudo().config_id
            api["api_url"] = config.api_url
            # 0 is not set.
            if timeout := "api_timeout" in config and config.api_timeout:
                low, high = LIMITS["request_timeout"]
                api["request_timeout"] = min(max(timeout, low), high)
            limited = {"rate_limit_enabled", "rate_limit_requests"} <= config._fields.keys()
            if rate := limited and config.rate_limit_enabled and config.rate_limit_requests:
                api["request_rate"] = min(max(rate, MIN_RATE), self._highest_rate(config.api_url))
        return {**api, "api_url": (api["api_url"] or "").strip()}

    def _payload(self):
        names = ("id", "name", "max_in_flight", "page_size", "tz")
        return {**{name: self[name] for name in names}, **self._api()}

    def _highest_rate(self, url):
        return MAX_LOOPBACK_RATE if is_loopback(url or "") else MAX_RATE

    def _config_model(self):
        """The model in which the base keeps addresses; `None` if it has none."""
        field = self._fields.get("config_id")
        is_config = field and field.type == "many2one" and "api_url" in self.env[field.comodel_name]._fields
        return field.comodel_name if is_config else None

    def _host_depends(self):
        return ["api_url", "config_id.api_url"] if self._config_model() else ["api_url"]

    @api.depends(_host_depends)
    def _compute_host(self):
        for connector in self:
            connector.host = server_of(connector._api()["api_url"])

    @api.constrains("api_url")
    def _check_api_url(self):
        for connector in self.filtered("api_url"):
            if not is_usable(connector.api_url.strip()):
                text = self.env._(
                    "“%s” is not an address of a SICANTIK server. It must begin with http:// or https:// "
                    "and name a host, as in https://perizinan.example.go.id/backoffice/api, without a "
                    "user name or a password, and end before any “?” or “#”.",
                    connector.api_url,
                )
                raise ValidationError(text)

    @api.constrains("api_url", "request_rate", *LIMITS)
    def _check_limits(self):
        for connector in self:
            highest = self._highest_rate(connector._api()["api_url"])
            for name, (low, high) in {"request_rate": (MIN_RATE, highest), **LIMITS}.items():
                if not low <= connector[name] <= high:
                    label = self._fields[name]._description_string(self.env)
                    limits = {"label": label, "low": low, "high": high}
                    text = self.env._("“%(label)s” must be from %(low)g to %(high)g.", **limits)
                    raise ValidationError(text)

    @api.constrains("tz")
    def _check_tz(self):
        for tz in set(self.mapped("tz")) - pytz.all_timezones_set:
            raise ValidationError(self.env._("“%s” is not a time zone. Use a name such as Asia/Jakarta.", tz))

    def _expected_seconds(self, permits):
        """How long so many permits will take, from the speed last measured here."""
        return permits / (self.last_expiry_rate or self._api()["request_rate"] or 1.0)

    def _expected_listing_seconds(self, permits):
        """The listing's duration: the last one's, or what the rate allows."""
        pages = math.ceil(permits / (self.page_size or 1))
        return self.last_sync_duration or pages / (self._api()["request_rate"] or 1.0)

    @api.model_create_multi
    def create(self, vals_list):
        connectors = super().create(vals_list)
        # Those that waited for a connector; where there are several now, a person has to choose.
        self.env["sicantik.permit"].sudo()._give_connector()
        connectors._plan_crons()
        return connectors

    def write(self, vals):
        result = super().write(vals)
        if "tz" in vals or vals.get("active"):
            self._plan_crons()
        return result

    def _compute_counts(self):
        own = [("connector_id", "in", self.ids)]
        for name, model, domain in (
            ("permit_count", "sicantik.permit", own),
            ("permit_without_expiry_count", "sicantik.permit", [*own, *plan.UNDATED]),
            ("run_count", "sicantik.sync.run", own),
        ):
            counts = dict(self.env[model]._read_group(domain, ["connector_id"], ["__count"]))
            for connector in self:
                connector[name] = counts.get(connector, 0)

    @api.depends("last_expiry_sync_duration", "last_expiry_sync_date")
    @api.depends_context("lang")
    def _compute_run(self):
        run = self.env["sicantik.sync.run"]
        domain = [("connector_id", "in", self.ids), ("state", "in", OPEN_STATES)]
        # The last one counts: what runs, then what waits longest.
        current = {found.connector_id.id: found for found in run.search(domain, order="state, id desc")}
        for connector in self:
            found = connector.current_run_id = current.get(connector.id, run)
            connector.current_run_state = found.state
            connector.current_progress = found.progress
            connector.current_status = found.status_display
            connector.current_stop_awaited = found.stop_awaited
            took = display.duration(self.env, connector.last_expiry_sync_duration)
            connector.expiry_duration_display = took if connector.last_expiry_sync_date else False

    def _compute_sidecar(self):
        sidecar = self.env["sicantik.sidecar"]
        self.sidecar_silent = sidecar._is_silent()
        self.sidecar_seen_at = sidecar.sudo().search([], limit=1).last_seen

    def action_view_permits(self):
        context = {"default_connector_id": self.id}
        if self.env.context.get("without_expiry"):
            # The same permits as the button counts, and as the wizard does.
            context |= {"search_default_without_expiry": 1, "search_default_with_number": 1}
        return display.action(self, "sicantik_permit_action", "connector_id", context=context)

    def action_view_runs(self):
        return display.action(self, "sicantik_sync_run_action", "connector_id")

    def action_stop(self):
        self.ensure_one()
        return self.current_run_id.action_cancel() if self.current_run_id else True

    def action_test_connection(self):
        self.ensure_one()
        self.env["sicantik.sync.run"]._check_may_start()
        try:
            answer = self.env["sicantik.sidecar"]._call("sicantik.test", {"connector_id": self.id})
        except UserError as error:
            return self._notify(self.env._("Connection Test Failed"), str(error), "danger", sticky=True)
        said = {
            "host": answer.get("host") or self.host or "SICANTIK",
            "milliseconds": answer.get("elapsed_ms", "?"),
            "format": str(answer.get("format") or "?").upper(),
        }
        message = self.env._("%(host)s answered in %(milliseconds)s ms, in %(format)s.", **said)
        if answer.get("upgraded"):
            message += " " + self.env._("Its listing carries the expiry dates.")
        return self._notify(self.env._("SICANTIK Answers"), message, "success")

    def _notify(self, title, message, kind, sticky=False):
        params = {"title": title, "message": message, "type": kind, "sticky": sticky}
        return {"type": "ir.actions.client", "tag": "display_notification", "params": params}

    def _start(self, trigger="button", **wishes):
        """The run that this makes, or the one that is there already."""
        run = self.env["sicantik.sync.run"]
        return run.browse(run.start(self.id, trigger=trigger, **wishes)["run_id"])

    def _wishes(self, max_permits=None):
        """All permits without a date; where only some are wanted, rather those whose turn it is."""
        due = max_permits and self.env["sicantik.sync.run"].plan(connector_id=self.id)["total"]
        return {"max_permits": max_permits, "include_not_due": not due}

    def action_sync_permits(self):
        return self._start(kind="permits")._action_open()

    def action_full_sync_permits(self):
        return self.action_sync_permits()

    def sync_permits(self, limit=None, offset=None, full_sync=False):
        """Queue a run of the whole listing; the arguments are only there for callers."""
        return {**NOTHING, "run_id": self._start(trigger="rpc", kind="permits").id}

    def sync_permit_types(self):
        """Make the types that permits name and the base lacks; the next listing links permits to them."""
        self.env["sicantik.sync.run"]._check_may_start()
        return {**NOTHING, "synced": self.env["sicantik.permit"].sudo()._make_types()}

    def action_sync_all_expiry(self):
        """Open what is under way, or the question how much is to be asked."""
        self.ensure_one()
        run = self.env["sicantik.sync.run"]
        run._check_may_start()
        if open_run := run._open_run(self, "expiry"):
            return open_run._action_open()
        name = "sicantik_sidecar.sicantik_expiry_sync_wizard_action"
        action = self.env["ir.actions.act_window"]._for_xml_id(name)
        return {**action, "context": {"default_connector_id": self.id}}

    def action_test_expiry_sync(self):
        """Try it with ten permits. A page gets the run at once, so that no Odoo worker waits; code waits."""
        self.ensure_one()
        self.env["sicantik.sync.run"]._check_may_start()
        if request and request.httprequest.path.startswith("/web/dataset/"):
            return self._start_test()._action_open()
        result = self.sync_expiry_dates_workaround(max_permits=TEST_PERMITS)
        return self._notify(
            self.env._("Expiry Sync Test Completed"),
            self.env._("Synced: %(synced)d, Failed: %(failed)d, Duration: %(duration).2fs", **result),
            "success" if result["synced"] else "warning",
        )

    def _start_test(self):
        run, wishes = self.env["sicantik.sync.run"], self._wishes(TEST_PERMITS)
        if not run.plan(connector_id=self.id, **wishes)["total"] and not run._open_run(self, "expiry"):
            raise UserError(self.env._("No permits to sync"))
        return self._start(**wishes)

    def sync_expiry_dates_workaround(self, max_permits=None):
        """For code: ask for missing dates, and wait 40 s or the context's `sicantik_wait_seconds`."""
        self.ensure_one()
        self.env["sicantik.sync.run"]._check_may_start()
        # In the morning's scheduled action, only queue; it must not block.
        if self._is_scheduled("check") or self.env.context.get("sicantik_queue_only"):
            # Only those whose turn it is: this comes every day.
            if self.env["sicantik.sync.run"].plan(connector_id=self.id)["total"]:
                self._start(trigger="cron", max_permits=max_permits)
            return dict(NOTHING)
        return wait_for_expiry_dates(self, max_permits or None)

    def _get_permit_expiry_workaround(self, permit_number):
        """The row that the base got from SICANTIK, from what Odoo knows. What has no date is queued."""
        self.ensure_one()
        self.env["sicantik.sync.run"]._check_may_start()
        own = [("connector_id", "=", self.id), ("permit_number", "=", permit_number)]
        permits = self.env["sicantik.permit"].search(own)
        dates = set(permits.mapped("expiry_date"))
        if len(dates) == 1 and all(dates):
            return {"no_surat": permit_number, "d_berlaku_izin": fields.Date.to_string(dates.pop())}
        if permits:
            self._start(trigger="rpc", permit_ids=permits.ids)
        return None

    def _cron(self, kind):
        """The base's own scheduled action or, where it has none, ours."""
        name = CRONS[kind][0]
        return self._first_cron(f"sicantik_connector.{name}", f"sicantik_sidecar.{name}")

    def _own_cron(self, kind):
        """The action to trigger at any hour; not the base's, which also does what other modules add to it."""
        return self._first_cron(f"sicantik_sidecar.{CRONS[kind][0]}", "sicantik_sidecar.cron_queue_due")

    def _first_cron(self, *names):
        found = (self.sudo().env.ref(name, raise_if_not_found=False) for name in names)
        return next(filter(None, found), self.sudo().env["ir.cron"])

    def _cron_queue_due(self):
        """Where the base has scheduled actions, queue what these stand for, unless they are off."""
        for kind in CRONS:
            if self._cron(kind).active:
                self._queue_daily(kind, scheduled=True)

    @api.model
    def cron_sync_expiry_dates(self):
        """Queue the night's questions. By hand or from code: now, for every active connector."""
        self._queue_daily("expiry")
        return True

    def _is_scheduled(self, *kinds):
        """Whether the scheduler calls one of these actions, or any. Anybody can send a context, and
        /jsonrpc has no `request`: so the caller must also be the action's own user.
        """
        called, crons = self.env.context.get("cron_id"), map(self._cron, kinds or CRONS)
        return not request and any(cron.id == called and cron.user_id == self.env.user for cron in crons)

    def _queue_daily(self, kind, scheduled=False):
        """Queue a run on each connector whose hour has come. Never blocks. Raises only if the caller
        may not start runs, as callers are public.
        """
        scheduled = scheduled or self._is_scheduled()
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
                continue
            if delay and scheduled:
                again.add(self._utc_now() + delay)
        connectors._plan_crons(kind, again)

    def _queue_daily_run(self, kind, scheduled):
        """Queue the run if it is due; returns after how long to try again, if at all."""
        _name, hour, marker, wanted = CRONS[kind]
        now = self._local_now()
        if scheduled:
            past = now.replace(tzinfo=None) - datetime.combine(now.date(), time(hour))
            if past < timedelta() or (self[marker] and self[marker] >= now.date()):
                return None
            if not self[marker] and past > NEW_WITHIN:
                self[marker] = now.date()
                return None
        run = self.env["sicantik.sync.run"].sudo()
        answer = run.start(connector_id=self.id, kind=wanted, trigger="cron")
        found = run.browse(answer["run_id"])
        if found.max_permits or found.permit_selection or found.kind != wanted:
            # What is under way now is less than the night's work.
            return AGAIN_AFTER_SMALLER_RUN
        if scheduled:
            self[marker] = now.date()
        return None

    def _plan_crons(self, kind=None, more=()):
        """Trigger our crons at the connectors' next hours and at the times `more` (UTC)."""
        trigger = self.env["ir.cron.trigger"].sudo()
        for one in [kind] if kind else CRONS:
            cron, hour = self._own_cron(one), CRONS[one][1]
            times = {connector._next_hour(hour) for connector in self if connector.active}.union(more)
            known = trigger.search([("cron_id", "=", cron.id), ("call_at", "in", list(times))])
            if cron and (times := times - set(known.mapped("call_at"))):
                cron._trigger(at=sorted(times))

    def _utc_now(self):
        return datetime.now(pytz.utc).replace(microsecond=0, tzinfo=None)

    def _local_now(self):
        return pytz.utc.localize(self._utc_now()).astimezone(pytz.timezone(self.tz or "UTC"))

    def _next_hour(self, hour):
        now = self._local_now()
        # An hour that is left out in spring comes out as the one after it.
        days = [datetime.combine(now.date() + timedelta(days=ahead), time(hour)) for ahead in (0, 1)]
        moment = next(moment for day in days if (moment := now.tzinfo.localize(day)) > now)
        return moment.astimezone(pytz.utc).replace(tzinfo=None)
