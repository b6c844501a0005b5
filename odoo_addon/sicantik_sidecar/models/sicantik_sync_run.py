"""One synchronisation: what was asked for, how far it is, and what came of it.

The table is the queue: a record is a request for work, and a sidecar claims it. The public methods are
the protocol, called from outside by name, one transaction a call, with plain JSON values. To a worker that reports on a run, the `answer` is `go`, `stop`, or `lost` where another one has it now.
"""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ..ledger import display, ending, plan, validate
from ..ledger.books import COUNTS
from ..ledger.recorder import Recorder
from ..ledger.words import EXPIRY_KINDS, KINDS, LISTING_KINDS, OUTCOMES, TRIGGERS, WAYS
from .lease_mixin import ENDED_STATES, GO, LOST, OPEN_STATES

# Deleting empties a column of the permits that the run asked about: not too many at a time.
MOST_DELETED = 200
# So long a command waits for an Odoo that is away; it may come back after its lease.
COMMAND_PATIENCE_SECONDS = 60
# What each attempt counts from zero, as it reads the listing from the front.
LISTING_COUNTERS = ("pages", "listed_count", "junk_count", "skipped_count", "unchanged_count")
# What people see of a run is computed from these.
SHOWN = (
    *("state", "kind", "total", "expired_count", "rate", "started_at", "duration", "estimated_duration"),
    *("eta_seconds", "listed_count", "listing_expected", "listing_seconds", "listing_read"),
    *(f"{outcome}_count" for outcome in OUTCOMES),
)


class SicantikSyncRun(models.Model):
    _name = "sicantik.sync.run"
    _description = "SICANTIK Synchronisation"
    _inherit = ["sicantik.lease.mixin"]
    _order = "id desc"
    _worker_groups, _starter_groups = ("sidecar",), ("sidecar", "officer", "manager")
    _values_in_queue = {"host": False, "rate": 0.0, "eta_seconds": 0}

    connector_id = fields.Many2one("sicantik.connector", required=True, index=True, ondelete="cascade")
    kind = fields.Selection(KINDS, required=True, default="expiry")
    trigger = fields.Selection(TRIGGERS, "Started By", required=True, default="button")
    user_id = fields.Many2one("res.users", "Asked For By", default=lambda self: self.env.user)
    # What was asked for.
    max_permits = fields.Integer("At Most", help="The most permits to ask about; 0: all of them.")
    include_not_due = fields.Boolean("Also Asked Lately", help="Also permits that rest for some days yet.")
    refresh_older_than = fields.Integer("Ask Again After (days)", help="0: dates are not asked for again.")
    permit_selection = fields.Json(help="The ids of the permits to ask about; empty: by the rules.")
    # How far it is.
    total = fields.Integer("Permits")
    found_count = fields.Integer("Dates Received")
    no_date_count = fields.Integer("Without a Date")
    not_registered_count = fields.Integer("Not Registered")
    failed_count = fields.Integer("Failed")
    changed_count = fields.Integer("Dates Changed", help="Those that differ from the one that was there.")
    expired_count = fields.Integer("Marked as Expired")
    answered_count = fields.Integer("Answered", compute="_compute_display")
    progress = fields.Float(compute="_compute_display", help="Percent of the permits answered.")
    rate = fields.Float("Permits per Second", digits=(12, 2))
    eta_seconds = fields.Integer("Remaining (seconds)")
    eta_display = fields.Char("Remaining Time", compute="_compute_display")
    estimated_duration = fields.Float("Estimated Duration (seconds)", digits=(12, 1))
    estimated_display = fields.Char("Estimated Duration", compute="_compute_display")
    duration = fields.Float("Duration (seconds)", digits=(12, 1))
    duration_display = fields.Char("Real Duration", compute="_compute_display")
    status_display = fields.Char("Status", compute="_compute_display")
    requests = fields.Integer(help="Requests that SICANTIK received for this, repeated ones too.")
    retries = fields.Integer("Repeated Requests")
    # A worker counts its requests from zero; what earlier attempts sent is kept here.
    requests_before = fields.Integer()
    retries_before = fields.Integer()
    # The listing.
    way = fields.Selection(WAYS, "Expiry Dates Came", help="From the listing, where it carries the dates.")
    pages = fields.Integer("Pages Read")
    listed_count = fields.Integer("Permits Listed", help="Different registrations in the listing.")
    listing_expected = fields.Integer("Permits Expected", help="How many were known when it began.")
    created_count = fields.Integer("New Permits")
    updated_count = fields.Integer("Changed Permits")
    unchanged_count = fields.Integer("Unchanged Permits")
    unlisted_count = fields.Integer("No Longer Listed", help="Permits that were in the listing before.")
    junk_count = fields.Integer("Left Out", help="Entries without an applicant: they are no permits.")
    skipped_count = fields.Integer("Not Readable", help="Entries SICANTIK did not give, even one by one.")
    listing_read = fields.Boolean("Listing Read to Its End")
    listing_incomplete = fields.Boolean("Listing Not Read Whole", compute="_compute_display")
    listing_seconds = fields.Float("Duration of the Listing (seconds)", digits=(12, 1))
    # Of those answered, how many the listing answered: they say nothing about the speed of asking.
    listing_answered = fields.Integer("Answered by the Listing")
    # Who works on it, and on what.
    host = fields.Char("Server", help="The SICANTIK server that is kept for this synchronisation alone.")
    last_batch = fields.Integer()
    sidecar_silent = fields.Boolean(compute="_compute_silence")
    # The worker has not seen the stop request yet.
    stop_awaited = fields.Boolean(compute="_compute_silence")
    line_ids = fields.One2many("sicantik.sync.run.line", "run_id", "Failures")
    permit_count = fields.Integer("Number of Permits Asked", compute="_compute_permit_count")

    def init(self):
        # A search before a write cannot keep two workers apart; these can.
        self.env.cr.execute("""
            CREATE UNIQUE INDEX IF NOT EXISTS sicantik_sync_run_running_uniq
                ON sicantik_sync_run (connector_id) WHERE state = 'running';
            CREATE UNIQUE INDEX IF NOT EXISTS sicantik_sync_run_running_host_uniq
                ON sicantik_sync_run (host) WHERE state = 'running' AND host IS NOT NULL;
            CREATE UNIQUE INDEX IF NOT EXISTS sicantik_sync_run_queued_uniq
                ON sicantik_sync_run (connector_id, kind) WHERE state = 'queued';
        """)

    @api.depends(*SHOWN)
    @api.depends_context("lang")
    def _compute_display(self):
        for run in self:
            # A check answers what it marks; of the other kinds none marks anything.
            run.answered_count = sum(run._counts().values()) + run.expired_count
            run.progress = display.progress(run)
            # One that did not come to its end says so itself.
            is_whole = run.kind not in LISTING_KINDS or run.listing_read
            run.listing_incomplete = run.state == "done" and not is_whole
            has_ended = run.started_at and run.state in ENDED_STATES
            left = run.state == "running" and run.eta_seconds
            run.duration_display = display.duration(self.env, run.duration) if has_ended else False
            run.estimated_display = display.duration(self.env, run.estimated_duration) if run.total else False
            run.eta_display = display.duration(self.env, left) if left else False
            run.status_display = display.status(run)

    # Time passes without a write: nothing to depend on.
    def _compute_silence(self):
        silent = self.env["sicantik.sidecar"]._is_silent()
        for run in self:
            run.sidecar_silent = silent and run.state in OPEN_STATES
            # A worker that is silent for longer hears nothing any more: then a second press ends the run.
            run.stop_awaited = run.state == "running" and run.cancel_requested and not run._lease_is_over()

    @api.depends("kind")
    @api.depends_context("lang")
    def _compute_display_name(self):
        for run in self:
            run.display_name = f"{run._label('kind')} #{run.id or ''}"

    def _compute_permit_count(self):
        asked = [("expiry_run_id", "in", self.ids)]
        counts = dict(self.env["sicantik.permit"]._read_group(asked, ["expiry_run_id"], ["__count"]))
        for run in self:
            run.permit_count = counts.get(run, 0)

    def action_cancel(self):
        self.ensure_one()
        self.cancel(self.id)
        return True

    def action_view_permits(self):
        context = {"search_default_group_by_check_state": 1, "create": False}
        return display.action(self, "sicantik_permit_action", "expiry_run_id", context=context)

    def action_view_listing_permits(self):
        return display.action(self, "sicantik_permit_action", "listing_run_id", context={"create": False})

    def action_view_failures(self):
        return display.action(self, "sicantik_sync_run_line_action", "run_id")

    def _action_open(self):
        self.ensure_one()
        return self._get_records_action(name=self.env._("Synchronisation"))

    def action_ask_failures_again(self):
        """A new run for just those permits that this one got no answer for."""
        self.ensure_one()
        self._check_may_start()
        if not (ids := self.sudo().line_ids.permit_id.ids):
            raise UserError(self.env._("No permits to sync: those that failed have been deleted."))
        run = self.connector_id._start(permit_ids=ids)
        if not set(ids) <= set(run.permit_selection or []):
            raise UserError(self.env._("%s is under way now. Ask again when it has ended.", run.display_name))
        return run._action_open()

    @api.model
    def plan(self, connector_id, **wishes):
        """What a run with these `wishes` would ask about: domains, to be read one after the other by `id`."""
        self._check_may_start()
        connector = plan.connector(self.env, connector_id)
        wishes = plan.wishes(connector, **wishes)
        most = wishes.pop("max_permits")
        domains = plan.domains(connector.id, self._now(), **wishes)
        total = plan.total(self.env, domains, most)
        return {
            "domains": domains,
            "total": total,
            "estimated_seconds": connector._expected_seconds(total),
            "may_work": self._is_in(*self._worker_groups),
        }

    @api.model
    def start(self, connector_id, kind="expiry", trigger="cli", worker=None, lease_seconds=None, **wishes):
        """Make a run, and take it at once where a `worker` is named; or describe the open one."""
        if worker:
            self._check_is_in(*self._worker_groups)
        self._check_may_start()
        connector = plan.connector(self.env, connector_id)
        wishes = plan.wishes(connector, **wishes)
        validate.choice(self.env, kind, dict(KINDS))
        validate.choice(self.env, trigger, dict(TRIGGERS))
        lease_seconds = validate.lease(self.env, lease_seconds)
        if wishes["permit_ids"] == []:
            raise UserError(self.env._("No permits to sync: the selection is empty."))
        if not connector.active:
            text = self.env._("The connector “%s” is archived: nothing can be started on it.", connector.name)
            raise UserError(text)
        run = self.sudo()._open_run(connector, kind, any_running=bool(worker))
        if run and run._is_abandoned_command():
            # This locks and changes the row; a concurrent caller conflicts and is retried.
            run._end_abandoned_command()
            run = run.browse()
        if trigger in ("button", "cron"):
            self.env["sicantik.sidecar"]._wake_after_commit()
        if run:
            return run._describe(created=False, is_held=run._is_held_by(worker))
        # The row of the connector is what concurrent starters collide on. Whoever comes second waits here, is
        # repeated by Odoo with a new snapshot, and then finds the run above.
        collide = "UPDATE sicantik_connector SET write_date = write_date WHERE id = %s"
        self.env.cr.execute(collide, [connector.id], log_exceptions=False)
        wishes["permit_selection"] = wishes.pop("permit_ids") or False
        values = {"connector_id": connector.id, "kind": kind, "trigger": trigger, "user_id": self.env.uid}
        run = self.sudo().create({**values, **wishes, "lease_seconds": lease_seconds})
        run._set_total()
        return run._describe(created=True, is_held=bool(worker) and run._take(worker, lease_seconds))

    @api.model
    def claim(self, worker, lease_seconds=None, run_id=None, held=None):
        """Take the oldest run that waits, or whose worker fell silent; `False` if there is none. A run is
        left alone while another one works on the same SICANTIK server, and so are those in `held`: the caller
        works on them, and could not say so in time.
        """
        self._check_is_in(*self._worker_groups)
        validate.worker(self.env, worker)
        run_id = validate.whole_number(self.env, run_id, "run_id")
        if not run_id:
            # The command line claims the run that it made; the service takes what there is.
            self.env["sicantik.sidecar"]._heard_from(worker)
        lease_seconds = validate.lease(self.env, lease_seconds)
        return self._claim(worker, lease_seconds, run_id, validate.ids(self.env, held, "held"))

    @api.model
    def record(self, run_id, worker, batch, outcomes, progress=None):
        batch = validate.batch(self.env, batch, outcomes)
        outcomes = validate.outcomes(self.env, outcomes or [])
        if not (run := self._held(run_id, worker)):
            return LOST
        recorder, values = Recorder(run), run._progress_values(progress)
        is_next, values["last_batch"] = recorder.is_next(batch), max(batch, run.last_batch)
        counts = recorder.record_outcomes(outcomes) if is_next else {"rejected": 0, "stale": 0}
        return run._go_on(values, **counts)

    @api.model
    def record_listing(self, run_id, worker, batch, rows, progress=None):
        """Write one page of the listing, once, with the counters and the lease. `batch` goes on from where
        `record` was, and the other way round. What is answered beside is what this page adds to the counters;
        `recounted` is how many permits an earlier page has counted as unchanged, and this one counts
        otherwise.
        """
        batch = validate.batch(self.env, batch, rows)
        page = validate.rows(self.env, rows)
        if not (run := self._held(run_id, worker)):
            return LOST
        run._check_is_listing()
        recorder, values = Recorder(run), run._progress_values(progress)
        is_next, values["last_batch"] = recorder.is_next(batch), max(batch, run.last_batch)
        counts = recorder.record_rows(page) if is_next else dict.fromkeys(COUNTS, 0)
        if is_next and page.rows:
            # Only the rows tell whether SICANTIK's listing has learnt to carry the dates.
            is_dated = any("expiry_date" in row for row in page.rows.values())
            values.setdefault("way", "upgraded" if is_dated else "two_step")
        if is_next and run.kind == "permits":
            values["total"] = run.answered_count
        return run._go_on(values, **counts)

    @api.model
    def listing_done(self, run_id, worker, complete, listed_ids_missing=None, listed_again=None):
        """Note the end of the listing, and which permits it no longer or again holds."""
        missing = validate.ids(self.env, listed_ids_missing, "listed_ids_missing")
        again = validate.ids(self.env, listed_again, "listed_again")
        if not (run := self._held(run_id, worker)):
            return LOST
        run._check_is_listing()
        recorder = Recorder(run)
        # What is not in a part of the listing may be in the rest of it.
        gone = recorder.mark_listed(missing, False) if complete else 0
        recorder.mark_listed(again, True)
        values = {"unlisted_count": run.unlisted_count + gone}
        if not run.listing_read:
            values |= {"listing_read": bool(complete), "listing_seconds": max(0.1, run._worked())}
        return run._go_on(values)

    @api.model
    def remaining(self, run_id, worker):
        """Say which permits are still to be asked one by one, and how many of them (`limit`; 0: all)."""
        if not (run := self._held(run_id, worker)):
            return LOST
        limit = max(0, run.max_permits - (run.answered_count - run.listing_answered))
        domains = [] if run.max_permits and not limit else run._domains()
        total = plan.total(self.env, domains, limit)
        seconds = run.connector_id._expected_seconds(total)
        values = {"total": run.answered_count + total, "estimated_duration": seconds}
        return run._go_on(values, domains=domains, total=total, limit=limit)

    @api.model
    def check(self, run_id, worker):
        """Mark the permits of this run's connector as expired whose last day has passed there."""
        if not (run := self._held(run_id, worker)):
            return LOST
        counts = Recorder(run).check()
        # Never `stop`: it is done.
        return {**run._go_on({"total": run.answered_count}, **counts), **GO}

    @api.model
    def finish(self, run_id, worker, state, message=None, progress=None, code=None):
        """End a run, once, and add it to the connector's statistics. With a `code` of `ENDINGS` its sentence
        is stored, in the reader's language, with `message` as the detail; without one, `message` as it is.
        """
        self._check_is_in(*self._worker_groups)
        validate.choice(self.env, state, ENDED_STATES)
        if code:
            validate.choice(self.env, code, ending.ENDINGS)
        run = self._lock(run_id)
        if not run or not worker or run.worker != worker or run.state == "queued":
            return LOST
        if run.state == "running":
            run.write(run._progress_values(progress))
            if state == "cancelled" and run.cancel_requested:
                code, message = "cancelled", None
            if code:
                message = ending.sentence(run._reader_env(), code, message)
            run._end(state, message or False)
        # What is recorded, so that the worker reports no answer that Odoo refused to save.
        return {**GO, "counts": run._counts()}

    @api.model
    def abandon(self, run_id, worker):
        """Take back a command's run without answers: only now it learnt that SICANTIK is away."""
        self._check_is_in(*self._worker_groups)
        if not (run := self._lock(run_id)):
            return GO
        if not run._is_held_by(worker):
            return LOST
        if run.trigger != "cli" or run.last_batch:
            raise ValidationError(self.env._("A run with recorded answers is finished, not taken back."))
        # Not by `_end`, which notes on the connector what a run brought.
        run.state = "cancelled"
        run.unlink()
        return GO

    @api.model
    def release(self, run_id, worker):
        """Give it back unfinished, as on the shutdown of a sidecar: no attempt is counted."""
        return self._release(run_id, worker)

    @api.model
    def cancel(self, run_id):
        """Stop it: at once if nobody works on it, else at the worker's next report."""
        return self._cancel(run_id)

    def _open_run(self, connector, kind, any_running=False):
        """The run that one of `kind` would only repeat; with `any_running`, also any that is running."""
        # A check asks SICANTIK nothing: it keeps no questions waiting, nor they it.
        which = [("kind", "=" if kind == "check" else "!=", "check")]
        if any_running:
            which = ["|", ("state", "=", "running"), *which]
        domain = [("connector_id", "=", connector.id), ("state", "in", OPEN_STATES), *which]
        return self.search(domain, order="state desc, id", limit=1)

    def _covers(self, max_permits, include_not_due):
        """Whether it brings what a run of dates with these wishes would bring, no less and no more."""
        is_whole = self.kind in EXPIRY_KINDS and not self.permit_selection and not self.cancel_requested
        is_wide = self.include_not_due or not include_not_due
        return bool(is_whole and is_wide and self.max_permits == (max_permits or 0))

    def _beginning(self):
        """Due dates are computed from this moment, so no permit becomes due between its two steps."""
        return self.started_at or self._now()

    def _domains(self):
        if self.kind not in EXPIRY_KINDS:
            return []
        wishes = self.include_not_due, self.refresh_older_than, self.permit_selection or None
        return plan.domains(self.connector_id.id, self._beginning(), *wishes, run_id=self.id)

    def _set_total(self):
        connector = self.connector_id
        if self.kind in EXPIRY_KINDS:
            self.total = plan.total(self.env, self._domains(), self.max_permits)
            self.estimated_duration = connector._expected_seconds(self.total)
        if self.kind in LISTING_KINDS:
            known = [("connector_id", "=", connector.id), ("listed", "=", True)]
            self.listing_expected = self.env["sicantik.permit"].search_count(known)
            if self.listing_expected:
                self.estimated_duration += connector._expected_listing_seconds(self.listing_expected)

    def _claim_condition(self, now):
        query = """
            NOT EXISTS (
                SELECT FROM sicantik_sync_run busy
                  JOIN sicantik_connector connector ON connector.id = work.connector_id
                 WHERE busy.state = 'running'
                   AND busy.id != work.id
                   AND (busy.connector_id = work.connector_id
                        OR (busy.host = connector.host AND busy.lease_until >= %s)))
        """
        return SQL(query, now)

    def _before_claim(self, by_name):
        """A command that fell silent may have asked elsewhere than at the connector's address, on trial, and
        only the command knew: its run is ended. What it left is due in the next run.
        """
        if by_name or not self._is_abandoned_command():
            return True
        if self._lease_is_over(COMMAND_PATIENCE_SECONDS):
            self._end_abandoned_command()
        return False

    def _take(self, worker, lease_seconds):
        # Without an address nothing is kept for the run; who works on it says what is wrong with it.
        host, now = self.connector_id.host or None, self._now()
        on_host = [("state", "=", "running"), ("host", "=", host), ("id", "!=", self.id)]
        others = self.search(on_host) if host else self.browse()
        if any(other.lease_until >= now for other in others):
            return False
        # A worker that fell silent on another connector of this server has lost its run.
        others.write({"host": False, "worker": False})
        before = {"requests_before": self.requests, "retries_before": self.retries}
        if not super()._take(worker, lease_seconds, host=host, rate=0, eta_seconds=0, **before):
            return False
        if self.attempt == 1 and not self.last_batch:
            self._set_total()
        if self.kind in LISTING_KINDS and not self.listing_read:
            # What an earlier attempt has written, this one finds unchanged.
            self.write(dict.fromkeys(LISTING_COUNTERS, 0))
        return True

    def _is_abandoned_command(self):
        return self.state == "running" and self.trigger == "cli" and self._lease_is_over()

    def _end_abandoned_command(self):
        message = self._reader_env()._("The command that worked on it ended without finishing.")
        self._end("failed", message, by_worker=False)

    def _check_is_listing(self):
        if self.kind not in LISTING_KINDS:
            raise ValidationError(self.env._("This synchronisation does not read the listing."))

    def _progress_values(self, progress):
        """What the worker says about its way, as values; what it does not say stays."""
        values = validate.progress(self.env, progress)
        # The worker counts one attempt, or one part of it; the run counts all of them. These
        # counters never decrease.
        for name in {"requests", "retries"} & values.keys():
            values[name] = max(self[name], values[name] + self[f"{name}_before"])
        return values

    def _go_on(self, values, **answer):
        if self.trigger != "cli":
            self.env["sicantik.sidecar"]._heard_from(self.worker)
        return super()._go_on(values, **answer)

    def _end(self, state, message, by_worker=True):
        """Close the run and credit the connector. Ended over its worker's head, it forgets the worker."""
        now, worked = self._now(), self._worked() if by_worker else self.worked_seconds
        values = {"state": state, "message": message, "finished_at": now, "worked_seconds": worked}
        values |= {"host": False, "lease_until": False, "eta_seconds": 0}
        values["duration"] = (now - self.started_at).total_seconds() if self.started_at else 0.0
        if state == "done":
            values["total"] = self.answered_count
        if worked:
            # From now on of the whole, not of the last moments.
            values["rate"] = self.answered_count / worked
        if not by_worker:
            values["worker"] = False
        self.write(values)
        self.connector_id.write(ending.statistics(self))
        if state == "failed":
            ending.tell_responsible(self)

    def _reader_env(self):
        return self.with_context(lang=self.connector_id.user_id.lang or self.env.lang).env

    def _counts(self):
        return {outcome: self[f"{outcome}_count"] for outcome in OUTCOMES}

    def _payload(self):
        names = ("kind", "trigger", "attempt", "max_permits", "include_not_due", "refresh_older_than")
        return {
            "run_id": self.id,
            **{name: self[name] for name in (*names, "total", "last_batch")},
            "answered": self.answered_count,
            "counts": self._counts(),
            "started_at": fields.Datetime.to_string(self.started_at),
            "listing_done": self.listing_read,
            "domains": self._domains(),
            "connector": self.connector_id._payload(),
        }

    def _describe(self, created, is_held):
        return {
            "run_id": self.id,
            "created": created,
            **{name: self[name] for name in ("state", "trigger", "worker")},
            "requested_by": self.user_id.name or "",
            "run": self._payload() if is_held else False,
        }

    @api.autovacuum
    def _gc_runs(self):
        before = self._now() - timedelta(days=self.env["sicantik.sidecar"]._retention_days())
        # One that was never finished, such as a record made by hand, is as old as itself.
        unfinished = ["&", ("finished_at", "=", False), ("create_date", "<", before)]
        old = [("state", "in", ENDED_STATES), "|", ("finished_at", "<", before), *unfinished]
        self.sudo().search(old, order="id", limit=MOST_DELETED).unlink()
