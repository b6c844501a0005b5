"""Synchronising from code: queue, wait, and report as the seed's method did.

The work is queued in a transaction of its own, for the sidecar cannot see the caller's. So it does not know
what the caller has not committed, and what it brings is seen by the caller's next transaction.
"""

import time
from contextlib import contextmanager

import psycopg2

from odoo import api
from odoo.exceptions import UserError

from .models.lease_mixin import OPEN_STATES

NOTHING = {"success": True, "total": 0, "synced": 0, "failed": 0, "duration": 0}
# A worker is killed after 120 s, of which a cron's may have been idle for 60.
PATIENCE_IN_WORKER = 40.0
# For code that runs outside of Odoo's workers, as in a shell: how long to wait instead (seconds).
PATIENCE_KEY = "sicantik_wait_seconds"
POLL_SECONDS = 0.3
# What a lock held by the caller's own transaction would never let go of.
LOCK_TIMEOUT = "3s"


def wait_for_expiry_dates(connector, max_permits):
    """The result of asking for all missing dates; any other open run is waited for first."""
    env, began, ended = connector.env, time.monotonic(), None
    deadline = began + float(env.context.get(PATIENCE_KEY) or PATIENCE_IN_WORKER)
    while not ended:
        try:
            queued = _queue(connector, max_permits)
        except psycopg2.errors.SerializationFailure:
            # Somebody else has started one just now: the next look finds it.
            if time.monotonic() > deadline:
                raise
            continue
        if not queued:
            return dict(NOTHING)
        run_id, covers, waits = queued
        if waits:
            _wake_or_refuse(env, run_id)
        ended = _wait(env, run_id, deadline, is_other=not covers)
    return {**ended, "duration": time.monotonic() - began}


@contextmanager
def _apart(env):
    """An environment of the same user in a transaction of its own, committed at the end."""
    with env.registry.cursor() as cr:
        cr.execute("SET LOCAL lock_timeout = %s", [LOCK_TIMEOUT])
        yield api.Environment(cr, env.uid, dict(env.context), env.su)


def _queue(connector, max_permits):
    """The run that asks, or the one that has to end first; `None` if nothing is to be asked."""
    unseen = connector.env._(
        "The connector “%s” has uncommitted changes: the sidecar cannot see them.", connector.name
    )
    try:
        with _apart(connector.env) as env:
            run, own = env["sicantik.sync.run"], connector.with_env(env).exists()
            if not own:
                raise UserError(unseen)
            wishes = own._wishes(max_permits)
            plan = run.plan(connector_id=own.id, **wishes)
            if not plan["total"]:
                return None
            answer = run.start(connector_id=own.id, trigger="rpc", **wishes)
            found = run.sudo().browse(answer["run_id"])
            covers = answer["created"] or found._covers(**wishes)
            # Some sidecar has to come for one that nobody holds; a command does without.
            return found.id, covers, found._lease_is_over()
    except psycopg2.errors.LockNotAvailable as error:
        raise UserError(unseen) from error


def _wake_or_refuse(env, run_id):
    """Say that there is work; a sidecar that is plainly not there is not waited for."""
    try:
        env["sicantik.sidecar"]._call("sync.wake")
    except UserError as error:
        with _apart(env) as now:
            is_silent = now["sicantik.sidecar"]._is_silent()
        if is_silent:
            text = env._(
                "%(reason)s The synchronisation #%(run)s waits, and begins by itself as soon as "
                "the sidecar runs.",
                reason=error,
                run=run_id,
            )
            raise UserError(text) from error


def _wait(env, run_id, deadline, is_other):
    """What the run brought; nothing of another one, which is only in the way."""
    while True:
        with _apart(env) as now:
            run = now["sicantik.sync.run"].sudo().browse(run_id).exists()
            if not run and not is_other:
                raise UserError(env._("The synchronisation #%s has been deleted.", run_id))
            if run.state not in OPEN_STATES:
                if not is_other and run.state == "failed":
                    raise UserError(env._("Expiry sync failed: %s", run.message or ""))
                total, synced = run.answered_count, run.found_count
                said = {"success": run.state == "done", "total": total, "synced": synced}
                return not is_other and {**said, "failed": total - synced}
            said = {"run": run_id, "state": run._label("state")}
        if time.monotonic() > deadline:
            other = env._(
                "The synchronisation #%(run)s was under way (%(state)s) and has not ended in time. "
                "Yours has not begun: ask again when it has ended.",
                **said,
            )
            own = env._(
                "The synchronisation #%(run)s has not ended in time (%(state)s). It goes on by itself: "
                "see SICANTIK → Synchronisations.",
                **said,
            )
            raise UserError(other if is_other else own)
        time.sleep(POLL_SECONDS)
