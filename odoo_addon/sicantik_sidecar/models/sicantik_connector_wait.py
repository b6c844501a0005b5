"""Synchronising from code: queue, wait, and report as the first module did."""

import time
from contextlib import contextmanager

import psycopg2

from odoo import api, models
from odoo.exceptions import UserError
from odoo.http import request

from ..sidecar_client import SidecarError, call

# A cron is killed after 120 s, of which up to 60 may have been idle.
PATIENCE_IN_WORKER = 40.0
POLL_SECONDS = 0.3
# What a lock held by the caller's own transaction would never let go of.
LOCK_TIMEOUT = "3s"
ATTEMPTS = 5


# A part of the model of its own, to keep the files short.
# pylint: disable=consider-merging-classes-inherited
class SicantikConnector(models.Model):
    _inherit = "sicantik.connector"

    def sync_expiry_dates_workaround(self, max_permits=None):
        """Ask for all missing expiry dates (at most `max_permits`), wait, and say what came of it.

        For code and for the shell: pages start a run and show it instead. The work is queued in a
        transaction of its own, for the sidecar cannot see one that is open. So what the caller has
        not committed is not part of it, and what it brought is seen by the caller's next transaction.
        Where something else is under way, its end is waited for first.
        """
        self.ensure_one()
        self.env["sicantik.sync.run"]._check_may_start()
        began = time.monotonic()
        deadline = None
        ended = None
        while not ended:
            answer = self._queue_apart(max_permits or None)
            if not answer:
                return {"success": True, "total": 0, "synced": 0, "failed": 0, "duration": 0}
            deadline = deadline or began + self._patience(answer["expected"])
            if answer["waits"]:
                self._wake_or_refuse(answer["run_id"])
            if answer["covers"]:
                ended = self._wait_apart(answer["run_id"], deadline)
            else:
                self._wait_apart(answer["run_id"], deadline, other=True)
        if ended["state"] == "failed":
            raise UserError(self.env._("Expiry sync failed: %s", ended["message"]))
        return {
            "success": ended["state"] == "done",
            "total": ended["total"],
            "synced": ended["synced"],
            "failed": ended["total"] - ended["synced"],
            "duration": time.monotonic() - began,
        }

    @contextmanager
    def _apart(self):
        """An environment of the same user in a transaction of its own, committed at the end."""
        with self.env.registry.cursor() as cr:
            cr.execute("SET LOCAL lock_timeout = %s", [LOCK_TIMEOUT])
            yield api.Environment(cr, self.env.uid, dict(self.env.context), self.env.su)

    def _queue_apart(self, max_permits):
        """The run that asks, or the other one that has to end before; nothing where there is nothing to ask."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._apart() as env:
                    if not env[self._name].browse(self.id).exists():
                        raise UserError(self._say_commit_first())
                    run = env["sicantik.sync.run"]
                    wishes = env[self._name].browse(self.id)._wishes(run, max_permits)
                    plan = run.plan(connector_id=self.id, **wishes)
                    if not plan["total"]:
                        return None
                    answer = run.start(connector_id=self.id, trigger="rpc", **wishes)
                    found = run.sudo().browse(answer["run_id"])
                    return {
                        "run_id": found.id,
                        "covers": answer["created"] or found._covers(**wishes),
                        # Some sidecar has to come for it; a command does without.
                        "waits": found._lease_is_over(),
                        "expected": plan["estimated_seconds"],
                    }
            except psycopg2.errors.LockNotAvailable as error:
                raise UserError(self._say_commit_first()) from error
            except psycopg2.errors.SerializationFailure:
                # Somebody else has started one just now: the next look finds it.
                if attempt == ATTEMPTS:
                    raise
        return None

    def _say_commit_first(self):
        return self.env._(
            "The connector “%s” has uncommitted changes: the sidecar cannot see them.", self.name
        )

    def _wake_or_refuse(self, run_id):
        """Say that there is work; a sidecar that is plainly not there is not waited for."""
        sidecar = self.env["sicantik.sidecar"]
        url, token = sidecar._access()
        try:
            call(url, token, "sync.wake")
        except SidecarError as error:
            with self._apart() as env:
                silent = env["sicantik.sidecar"]._is_silent()
            if silent:
                raise UserError(
                    self.env._(
                        "%(reason)s The synchronisation #%(run)s waits, and begins by itself as soon as "
                        "the sidecar runs.",
                        reason=sidecar._explain(error, url),
                        run=run_id,
                    )
                ) from error

    def _patience(self, expected):
        if request or "cron_id" in self.env.context:
            return PATIENCE_IN_WORKER
        return 60.0 + 3 * expected

    def _wait_apart(self, run_id, deadline, other=False):
        """How the run ended; `other` for one that is only in the way."""
        while True:
            with self._apart() as env:
                run = env["sicantik.sync.run"].sudo().browse(run_id).exists()
                if not run and other:
                    return None
                if not run:
                    raise UserError(self.env._("The synchronisation #%s has been deleted.", run_id))
                if run.state not in ("queued", "running"):
                    return {
                        "state": run.state,
                        "message": run.message or "",
                        "total": run.answered_count,
                        "synced": run.found_count,
                    }
                state = dict(run._fields["state"]._description_selection(self.env))[run.state]
            if time.monotonic() > deadline and other:
                raise UserError(
                    self.env._(
                        "The synchronisation #%(run)s was under way (%(state)s) and has not ended in time. "
                        "Yours has not begun: ask again when it has ended.",
                        run=run_id,
                        state=state,
                    )
                )
            if time.monotonic() > deadline:
                raise UserError(
                    self.env._(
                        "The synchronisation #%(run)s has not ended in time (%(state)s). It goes on by "
                        "itself: see SICANTIK → Synchronisations.",
                        run=run_id,
                        state=state,
                    )
                )
            time.sleep(POLL_SECONDS)
