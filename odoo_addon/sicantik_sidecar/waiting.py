"""Synchronising from code: queue, wait, and report as the seed's method did.

The work is queued in a transaction of its own, for the sidecar cannot see one that is open. So what
the caller has not committed is not part of it, and what it brought is seen by the caller's next
transaction.
"""

import time
from contextlib import contextmanager

import psycopg2

from odoo import api
from odoo.exceptions import UserError

from .models.lease_mixin import OPEN_STATES
from .sidecar_client import SidecarError, call

# A worker is killed after 120 s, of which a cron's may have been idle for 60.
PATIENCE_IN_WORKER = 40.0
# For code that runs outside of Odoo's workers, as in a shell: how long to wait instead (seconds).
PATIENCE_KEY = "sicantik_wait_seconds"
POLL_SECONDS = 0.3
# What a lock held by the caller's own transaction would never let go of.
LOCK_TIMEOUT = "3s"
ATTEMPTS = 5


def wait_for_expiry_dates(connector, max_permits):
    """The result of asking for all missing dates; any other open run is waited for first."""
    began, ended = time.monotonic(), None
    deadline = began + float(connector.env.context.get(PATIENCE_KEY) or PATIENCE_IN_WORKER)
    while not ended:
        queued = _queue(connector, max_permits)
        if not queued:
            return {"success": True, "total": 0, "synced": 0, "failed": 0, "duration": 0}
        if queued["waits"]:
            _wake_or_refuse(connector.env, queued["run_id"])
        ended = _wait(connector.env, queued["run_id"], deadline, is_other=not queued["covers"])
    if ended["state"] == "failed":
        raise UserError(connector.env._("Expiry sync failed: %s", ended["message"]))
    return {
        "success": ended["state"] == "done",
        "total": ended["total"],
        "synced": ended["synced"],
        "failed": ended["total"] - ended["synced"],
        "duration": time.monotonic() - began,
    }


@contextmanager
def _apart(env):
    """An environment of the same user in a transaction of its own, committed at the end."""
    with env.registry.cursor() as cr:
        cr.execute("SET LOCAL lock_timeout = %s", [LOCK_TIMEOUT])
        yield api.Environment(cr, env.uid, dict(env.context), env.su)


def _queue(connector, max_permits):
    """The run that asks, or the one that has to end first; `None` if nothing is to be asked."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _apart(connector.env) as env:
                run, own = env["sicantik.sync.run"], connector.with_env(env).exists()
                if not own:
                    raise UserError(_commit_first(connector))
                wishes = own._wishes(max_permits)
                plan = run.plan(connector_id=own.id, **wishes)
                if not plan["total"]:
                    return None
                answer = run.start(connector_id=own.id, trigger="rpc", **wishes)
                found = run.sudo().browse(answer["run_id"])
                return {
                    "run_id": found.id,
                    "covers": answer["created"] or found._covers(**wishes),
                    # Some sidecar has to come for it; a command does without.
                    "waits": found._lease_is_over(),
                }
        except psycopg2.errors.LockNotAvailable as error:
            raise UserError(_commit_first(connector)) from error
        except psycopg2.errors.SerializationFailure:
            # Somebody else has started one just now: the next look finds it.
            if attempt == ATTEMPTS:
                raise
    return None


def _commit_first(connector):
    return connector.env._(
        "The connector “%s” has uncommitted changes: the sidecar cannot see them.", connector.name
    )


def _wake_or_refuse(env, run_id):
    """Say that there is work; a sidecar that is plainly not there is not waited for."""
    sidecar = env["sicantik.sidecar"]
    url, token = sidecar._access()
    try:
        call(url, token, "sync.wake")
    except SidecarError as error:
        with _apart(env) as now:
            silent = now["sicantik.sidecar"]._is_silent()
        if silent:
            raise UserError(
                env._(
                    "%(reason)s The synchronisation #%(run)s waits, and begins by itself as soon as "
                    "the sidecar runs.",
                    reason=sidecar._explain(error, url),
                    run=run_id,
                )
            ) from error


def _wait(env, run_id, deadline, is_other):
    """How the run ended; nothing of another one, which is only in the way."""
    while True:
        with _apart(env) as now:
            run = now["sicantik.sync.run"].sudo().browse(run_id).exists()
            if not run and not is_other:
                raise UserError(env._("The synchronisation #%s has been deleted.", run_id))
            if not run or run.state not in OPEN_STATES:
                return not is_other and {
                    "state": run.state,
                    "message": run.message or "",
                    "total": run.answered_count,
                    "synced": run.found_count,
                }
            said = {"run": run_id, "state": run._label("state")}
        if time.monotonic() > deadline and is_other:
            raise UserError(
                env._(
                    "The synchronisation #%(run)s was under way (%(state)s) and has not ended in time. "
                    "Yours has not begun: ask again when it has ended.",
                    **said,
                )
            )
        if time.monotonic() > deadline:
            raise UserError(
                env._(
                    "The synchronisation #%(run)s has not ended in time (%(state)s). It goes on by "
                    "itself: see SICANTIK → Synchronisations.",
                    **said,
                )
            )
        time.sleep(POLL_SECONDS)
