"""What a run does besides asking: mark expired permits, tell of its failure, and go away in time."""

import logging
from datetime import timedelta

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError

from .sicantik_sync_run import ENDED_STATES, OPEN_STATES

_logger = logging.getLogger(__name__)

RETENTION_PARAMETER = "sicantik_sidecar.run_retention_days"
RETENTION_DAYS = 90
# Deleting empties a column of the permits that the run asked about: not too many at a time.
MOST_DELETED = 200


# A part of the model of its own, to keep the files short.
# pylint: disable=consider-merging-classes-inherited
class SicantikSyncRun(models.Model):
    _inherit = "sicantik.sync.run"

    expired_count = fields.Integer("Marked as Expired")
    status_display = fields.Char("Status", compute="_compute_status_display")
    sidecar_silent = fields.Boolean(compute="_compute_sidecar_silent")
    stop_awaited = fields.Boolean(
        compute="_compute_stop_awaited", help="Whether who works on it has yet to hear that it is to stop."
    )

    @api.depends_context("lang")
    @api.depends(
        "state",
        "total",
        "found_count",
        "no_date_count",
        "not_registered_count",
        "failed_count",
        "listed_count",
        "listing_seconds",
        "listing_incomplete",
    )
    def _compute_status_display(self):
        """How far it is, in one line."""
        for run in self:
            if run.state == "queued":
                run.status_display = self.env._("Waits for the sidecar")
            elif run.state == "running" and run.listed_count and not run.listing_seconds:
                run.status_display = self.env._("%d permits of the listing", run.listed_count)
            elif not run.total:
                run.status_display = dict(self._fields["state"]._description_selection(self.env))[run.state]
            else:
                parts = [
                    self.env._(
                        "%(answered)d of %(total)d permits", answered=run.answered_count, total=run.total
                    )
                ]
                if run.state == "running" and run.rate:
                    parts.append(self.env._("%.1f per second", run.rate))
                if run.eta_display:
                    parts.append(self.env._("%s left", run.eta_display))
                run.status_display = " · ".join(parts)
            if run.listing_incomplete:
                run.status_display += " · " + self.env._("the listing was not read whole")

    def _compute_sidecar_silent(self):
        silent = self.env["sicantik.sidecar"]._is_silent()
        for run in self:
            run.sidecar_silent = silent and run.state in OPEN_STATES

    # Time passes without a write: nothing to depend on.
    def _compute_stop_awaited(self):
        for run in self:
            # A worker that is silent for longer hears nothing any more: then a second press ends the run.
            run.stop_awaited = run.state == "running" and run.cancel_requested and not run._lease_is_over()

    def _is_partial(self):
        """Whether it asks about less than a night's run would."""
        self.ensure_one()
        return bool(self.max_permits or self.permit_selection or self.kind == "permits")

    def _covers(self, max_permits, include_not_due):
        """Whether it brings what a run of dates with these wishes would bring, no less and no more."""
        self.ensure_one()
        return bool(
            self.kind in ("expiry", "all")
            and not self.permit_selection
            and not self.cancel_requested
            and self.max_permits == (max_permits or 0)
            and (self.include_not_due or not include_not_due)
        )

    def _action_open(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Synchronisation"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "current",
        }

    # The check of expiring permits

    @api.model
    def check(self, run_id, worker):
        """Mark the permits of this run's connector as expired whose last day has passed there."""
        self._check_is_sidecar()
        run = self._lock(run_id)
        if not run or not run._is_held_by(worker):
            return {"answer": "lost", "expired": 0}
        today = run._today(run._now())
        permits = (
            self.env["sicantik.permit"]
            .sudo()
            .with_context(tracking_disable=True, mail_notrack=True)
            .search(
                [
                    ("connector_id", "=", run.connector_id.id),
                    ("status", "=", "active"),
                    ("expiry_date", "<", today),
                ],
                order="id",
            )
        )
        if permits:
            permits.write({"status": "expired"})
        run.write({"expired_count": run.expired_count + len(permits), **run._sign_of_life()})
        return {"answer": "ok", "expired": len(permits)}

    # Telling of a failure

    def _end(self, state, message, by_worker=True):
        result = super()._end(state, message, by_worker)
        if state == "failed":
            self._tell_responsible()
        return result

    def _tell_responsible(self):
        """One activity for who looks after the connector, or an older one that is open brought up to date.

        No e-mail is sent: the sidecar waits for this call.
        """
        connector = self.connector_id
        user = connector.user_id
        kind = self.env.ref("sicantik_sidecar.mail_activity_type_sync_failed", raise_if_not_found=False)
        if not user.active or not kind:
            return
        texts = self._reader_env()
        values = {
            "summary": texts._("A synchronisation with SICANTIK failed"),
            "note": self.with_env(texts)._get_html_link() + ": " + (self.message or ""),
            "date_deadline": fields.Date.context_today(self),
        }
        quiet = connector.with_context(mail_activity_quick_update=True)
        try:
            with self.env.cr.savepoint():
                open_one = quiet.activity_ids.filtered(
                    lambda activity: activity.activity_type_id == kind and activity.user_id == user
                )[:1]
                if open_one:
                    open_one.write(values)
                else:
                    quiet.activity_schedule(activity_type_id=kind.id, user_id=user.id, **values)
        except psycopg2.OperationalError:
            raise
        except Exception:
            # The end of the run is what matters.
            _logger.exception("Nobody could be told that run %d failed", self.id)

    # Asking again

    def action_ask_failures_again(self):
        """A new run for just those permits that this one got no answer for."""
        self.ensure_one()
        self._check_may_start()
        permits = self.sudo().line_ids.permit_id
        if not permits:
            raise UserError(self.env._("No permits to sync: those that failed have been deleted."))
        answer = self.start(
            connector_id=self.connector_id.id, kind="expiry", trigger="button", permit_ids=permits.ids
        )
        run = self.browse(answer["run_id"])
        if not answer["created"] and not set(permits.ids) <= set(run.permit_selection or []):
            raise UserError(
                self.env._(
                    "%s is under way now. Ask about these permits again when it has ended.",
                    run.display_name,
                )
            )
        return run._action_open()

    # Going away

    @api.model
    def _retention_days(self):
        value = self.env["ir.config_parameter"].sudo().get_param(RETENTION_PARAMETER)
        try:
            days = int(value)
        except (TypeError, ValueError):
            days = 0
        return days if days > 0 else RETENTION_DAYS

    @api.autovacuum
    def _gc_runs(self):
        before = self._now() - timedelta(days=self._retention_days())
        old = self.sudo().search(
            [
                ("state", "in", ENDED_STATES),
                "|",
                ("finished_at", "<", before),
                "&",
                ("finished_at", "=", False),
                ("create_date", "<", before),
            ],
            order="id",
            limit=MOST_DELETED,
        )
        old.unlink()
