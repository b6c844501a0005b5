"""One synchronisation: what was asked for, how far it is, and what came of it.

The records are the queue of the work. Beside the fields here, the model has four parts: the choice of
permits (`sicantik_sync_run_plan`), the protocol by which a sidecar takes and returns work (`…_ledger`),
the steps below it (`…_state`), and the writing of answers (`…_record`).
"""

from odoo import api, fields, models
from odoo.exceptions import UserError

OPEN_STATES = ("queued", "running")
ENDED_STATES = ("done", "failed", "cancelled")
OUTCOMES = ("found", "no_date", "not_registered", "failed")


class SicantikSyncRun(models.Model):
    _name = "sicantik.sync.run"
    _description = "SICANTIK Synchronisation"
    _order = "id desc"

    connector_id = fields.Many2one("sicantik.connector", required=True, index=True, ondelete="cascade")
    kind = fields.Selection(
        [
            ("permits", "Permits from the listing"),
            ("expiry", "Expiry dates"),
            ("all", "Permits, then expiry dates"),
            ("check", "Check of expiring permits"),
        ],
        required=True,
        default="expiry",
    )
    state = fields.Selection(
        [
            ("queued", "Waiting"),
            ("running", "Running"),
            ("done", "Done"),
            ("failed", "Failed"),
            ("cancelled", "Cancelled"),
        ],
        required=True,
        default="queued",
        index=True,
    )
    trigger = fields.Selection(
        [
            ("button", "Button"),
            ("cron", "Schedule"),
            ("cli", "Command line"),
            ("rpc", "Other program"),
        ],
        "Started By",
        required=True,
        default="button",
    )
    user_id = fields.Many2one(
        "res.users", "Asked For By", default=lambda self: self.env.user, ondelete="set null"
    )
    message = fields.Text(help="How it ended, or what it waits for.")

    # What was asked for.
    max_permits = fields.Integer("At Most", help="The most permits to ask about; 0: all of them.")
    include_not_due = fields.Boolean(
        "Also Asked Lately",
        help="Also permits that had no answer lately and would rest for some days yet.",
    )
    refresh_older_than = fields.Integer(
        "Ask Again After (days)",
        help="Also permits whose date was last asked for so many days ago; 0: none of them.",
    )
    permit_selection = fields.Json(help="The ids of the permits to ask about; empty: by the rules.")

    # How far it is.
    total = fields.Integer("Permits")
    found_count = fields.Integer("Dates Received")
    no_date_count = fields.Integer("Without a Date")
    not_registered_count = fields.Integer("Not Registered")
    failed_count = fields.Integer("Failed")
    changed_count = fields.Integer(
        "Dates Changed", help="Dates received that differ from the one that was there."
    )
    answered_count = fields.Integer("Answered", compute="_compute_progress")
    progress = fields.Float(compute="_compute_progress", help="Percent of the permits answered.")
    rate = fields.Float("Permits per Second", digits=(12, 2))
    eta_seconds = fields.Integer("Remaining (seconds)")
    eta_display = fields.Char("Remaining Time", compute="_compute_durations")
    estimated_duration = fields.Float("Estimated Duration (seconds)", digits=(12, 1))
    estimated_display = fields.Char("Estimated Duration", compute="_compute_durations")
    duration = fields.Float("Duration (seconds)", digits=(12, 1))
    worked_seconds = fields.Float(
        "Time of Work (seconds)",
        digits=(12, 1),
        help="The duration without the time in which nobody worked on it.",
    )
    duration_display = fields.Char("Real Duration", compute="_compute_durations")
    requests = fields.Integer(help="Requests that SICANTIK received for this, repeated ones too.")
    retries = fields.Integer("Repeated Requests")
    started_at = fields.Datetime("Started")
    finished_at = fields.Datetime("Finished")
    cancel_requested = fields.Boolean("Stop Requested")

    # Who works on it.
    attempt = fields.Integer(help="How often a sidecar began to work on it.")
    worker = fields.Char(help="The program that works on it: host, process and a random part.")
    host = fields.Char("Server", help="The SICANTIK server that is kept for this synchronisation alone.")
    lease_seconds = fields.Integer(default=30)
    lease_until = fields.Datetime(
        "Held Until", help="When another sidecar may take over unless this one reports before."
    )
    last_batch = fields.Integer()
    # A worker counts its requests from zero; what earlier attempts sent is kept here.
    requests_before = fields.Integer()
    retries_before = fields.Integer()

    line_ids = fields.One2many("sicantik.sync.run.line", "run_id", "Failures")
    permit_ids = fields.One2many("sicantik.permit", "expiry_run_id", "Permits Asked About")
    permit_count = fields.Integer("Number of Permits Asked", compute="_compute_permit_count")

    def init(self):
        # A search before a write cannot keep two workers apart; these can.
        self.env.cr.execute(
            """
            CREATE UNIQUE INDEX IF NOT EXISTS sicantik_sync_run_running_uniq
                ON sicantik_sync_run (connector_id) WHERE state = 'running';
            CREATE UNIQUE INDEX IF NOT EXISTS sicantik_sync_run_running_host_uniq
                ON sicantik_sync_run (host) WHERE state = 'running' AND host IS NOT NULL;
            CREATE UNIQUE INDEX IF NOT EXISTS sicantik_sync_run_queued_uniq
                ON sicantik_sync_run (connector_id, kind) WHERE state = 'queued';
            """
        )

    def _init_column(self, column_name):
        if column_name != "worked_seconds":
            return super()._init_column(column_name)
        # What is under way while the module is updated: how much of that time was work, nobody knows.
        self.env.cr.execute(
            """
            UPDATE sicantik_sync_run
               SET worked_seconds = EXTRACT(EPOCH FROM timezone('UTC', now()) - started_at)
             WHERE state IN ('queued', 'running') AND started_at IS NOT NULL
            """
        )
        return None

    @api.depends("total", *(f"{outcome}_count" for outcome in OUTCOMES), "state")
    def _compute_progress(self):
        for run in self:
            run.answered_count = sum(run[f"{outcome}_count"] for outcome in OUTCOMES)
            if run.total:
                run.progress = min(100.0, 100.0 * run.answered_count / run.total)
            else:
                run.progress = 100.0 if run.state == "done" else 0.0

    @api.depends("duration", "estimated_duration", "eta_seconds", "started_at", "state")
    @api.depends_context("lang")
    def _compute_durations(self):
        for run in self:
            worked = run.started_at and run.state in ENDED_STATES
            run.duration_display = self._format_seconds(run.duration) if worked else False
            run.estimated_display = self._format_seconds(run.estimated_duration) if run.total else False
            run.eta_display = (
                self._format_seconds(run.eta_seconds) if run.state == "running" and run.eta_seconds else False
            )

    @api.depends("connector_id", "kind")
    @api.depends_context("lang")
    def _compute_display_name(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        for run in self:
            run.display_name = f"{kinds.get(run.kind, run.kind)} #{run.id or ''}"

    def _compute_permit_count(self):
        counts = dict(
            self.env["sicantik.permit"]._read_group(
                [("expiry_run_id", "in", self.ids)], ["expiry_run_id"], ["__count"]
            )
        )
        for run in self:
            run.permit_count = counts.get(run, 0)

    @api.model
    def _format_seconds(self, seconds):
        """A duration as a person would say it."""
        seconds = seconds or 0.0
        if seconds < 1:
            return self.env._("under 1 s")
        seconds = round(seconds)
        if seconds < 60:
            return self.env._("%d s", seconds)
        if seconds < 3600:
            return self.env._("%(minutes)d min %(seconds)d s", minutes=seconds // 60, seconds=seconds % 60)
        return self.env._("%(hours)d h %(minutes)d min", hours=seconds // 3600, minutes=seconds % 3600 // 60)

    def action_cancel(self):
        """Stop the work; what was answered is kept."""
        self.ensure_one()
        self.cancel(self.id)
        return True

    def action_view_permits(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("sicantik_sidecar.sicantik_permit_action")
        action["domain"] = [("expiry_run_id", "=", self.id)]
        action["context"] = {"search_default_group_by_check_state": 1, "create": False}
        return action

    def action_view_failures(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "sicantik_sidecar.sicantik_sync_run_line_action"
        )
        action["domain"] = [("run_id", "=", self.id)]
        return action

    @api.ondelete(at_uninstall=False)
    def _unlink_unless_open(self):
        if any(run.state in OPEN_STATES for run in self):
            raise UserError(self.env._("A synchronisation that waits or runs cannot be deleted: stop it."))
