"""What a person can do with a connector: try it, start and stop its synchronisations, and see how it goes."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.http import request

TEST_PERMITS = 10


# A part of the model of its own, to keep the files short.
# pylint: disable=consider-merging-classes-inherited
class SicantikConnector(models.Model):
    _inherit = "sicantik.connector"

    sidecar_silent = fields.Boolean(compute="_compute_sidecar")
    sidecar_seen_at = fields.Datetime("Sidecar Last Heard Of", compute="_compute_sidecar")
    current_progress = fields.Float("Progress", compute="_compute_current")
    current_status = fields.Char("Status", compute="_compute_current")
    current_stop_awaited = fields.Boolean(compute="_compute_current")
    expiry_duration_display = fields.Char("Last Duration", compute="_compute_duration_display")

    # Not `related`: Odoo would have to search by the current run to know when they change.
    def _compute_current(self):
        for connector in self:
            run = connector.current_run_id
            connector.current_progress = run.progress
            connector.current_status = run.status_display
            connector.current_stop_awaited = run.stop_awaited

    @api.depends_context("uid")
    def _compute_sidecar(self):
        sidecar = self.env["sicantik.sidecar"]
        self.sidecar_silent = sidecar._is_silent()
        self.sidecar_seen_at = sidecar._last_seen()

    @api.depends("last_expiry_sync_duration", "last_expiry_sync_date")
    @api.depends_context("lang")
    def _compute_duration_display(self):
        run = self.env["sicantik.sync.run"]
        for connector in self:
            connector.expiry_duration_display = (
                run._format_seconds(connector.last_expiry_sync_duration)
                if connector.last_expiry_sync_date
                else False
            )

    def action_test_connection(self):
        """Ask SICANTIK, through the sidecar, whether it is there."""
        self.ensure_one()
        self.env["sicantik.sync.run"]._check_may_start()
        try:
            answer = self.env["sicantik.sidecar"]._call("sicantik.test", {"connector_id": self.id})
            message = self._describe_test(answer)
        except UserError as error:
            return self._notify(self.env._("Connection Test Failed"), str(error), "danger", sticky=True)
        return self._notify(self.env._("SICANTIK Answers"), message, "success")

    def _describe_test(self, answer):
        answer = answer if isinstance(answer, dict) else {}
        message = self.env._(
            "%(host)s answered in %(milliseconds)s ms, in %(format)s.",
            host=answer.get("host") or self.host or "SICANTIK",
            milliseconds=answer.get("elapsed_ms", "?"),
            format=str(answer.get("format") or "?").upper(),
        )
        if answer.get("upgraded"):
            message += " " + self.env._("Its listing carries the expiry dates.")
        return message

    def action_sync_all_expiry(self):
        """Open what is under way, or the question how much is to be asked."""
        self.ensure_one()
        self.env["sicantik.sync.run"]._check_may_start()
        open_run = self.env["sicantik.sync.run"]._open_run(self, "expiry")
        if open_run:
            return open_run._action_open()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Sync All Expiry Dates"),
            "res_model": "sicantik.expiry.sync.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_connector_id": self.id},
        }

    def action_test_expiry_sync(self):
        """Try it with ten permits.

        Pressed on a page, it opens the run: no Odoo worker waits. Called from code or a shell, it
        waits for the result and answers with a notification.
        """
        self.ensure_one()
        if request and request.httprequest.path.startswith("/web/dataset/"):
            return self._start_test()._action_open()
        result = self.sync_expiry_dates_workaround(max_permits=TEST_PERMITS)
        return self._notify(
            self.env._("Expiry Sync Test Completed"),
            self.env._(
                "Synced: %(synced)d, Failed: %(failed)d, Duration: %(duration).2fs",
                synced=result["synced"],
                failed=result["failed"],
                duration=result["duration"],
            ),
            "success" if result["synced"] else "warning",
        )

    def action_stop(self):
        """Stop what waits or runs; what was answered is kept."""
        self.ensure_one()
        run = self.current_run_id
        if run:
            run.action_cancel()
        return True

    def action_view_current_run(self):
        self.ensure_one()
        return self.current_run_id._action_open() if self.current_run_id else False

    def _start_test(self):
        run = self.env["sicantik.sync.run"]
        wishes = self._wishes(run, TEST_PERMITS)
        if not run.plan(connector_id=self.id, **wishes)["total"] and not run._open_run(self, "expiry"):
            raise UserError(self.env._("No permits to sync"))
        return self._start_by_hand(**wishes)

    def _wishes(self, run, max_permits=None):
        """All permits without a date; where only some are wanted, rather those whose turn it is."""
        due = max_permits and run.plan(connector_id=self.id)["total"]
        return {"max_permits": max_permits, "include_not_due": not due}

    def _start_by_hand(self, **wishes):
        """The run that a press of a button makes, or the one that is there already."""
        self.ensure_one()
        run = self.env["sicantik.sync.run"]
        answer = run.start(connector_id=self.id, trigger="button", **wishes)
        return run.browse(answer["run_id"])

    @api.model
    def _notify(self, title, message, kind, sticky=False):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"title": title, "message": message, "type": kind, "sticky": sticky},
        }
