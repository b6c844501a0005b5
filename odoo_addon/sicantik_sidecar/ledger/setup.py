"""How a database is set up for a sidecar: what `sicantik-sidecar doctor` looks at."""

import hashlib
import hmac

from odoo import fields

# The scheduled actions that start runs, by their kind.
ACTIONS = {"expiry": "SICANTIK: Sync Expiry Dates", "check": "SICANTIK: Check Expiring Permits"}


def state(env, token_digest):
    """JSON values; the token itself stays here."""
    sidecar = env["sicantik.sidecar"].sudo()
    record = sidecar.search([], limit=1)
    url, token = sidecar._access()
    return {
        "last_seen": fields.Datetime.to_string(record.last_seen),
        "worker": record.worker or "",
        "silent": sidecar._is_silent(),
        "url": url,
        "token": _token_state(token, token_digest),
        "actions": [_action(env, kind) for kind in ACTIONS],
    }


def _token_state(token, digest):
    if not token:
        return "missing"
    if not digest:
        return "unknown"
    own = hashlib.sha256(token.encode()).hexdigest()
    return "same" if hmac.compare_digest(own, str(digest).lower()) else "other"


def _action(env, kind):
    cron = env["sicantik.connector"]._cron(kind)
    if not cron:
        return {"name": ACTIONS[kind], "exists": False}
    # Ours, which may be the same, is also called at the hours of the connectors: the first call counts.
    both = cron | env["sicantik.connector"]._own_cron(kind)
    trigger = env["ir.cron.trigger"].sudo().search([("cron_id", "in", both.ids)], order="call_at", limit=1)
    off = both.filtered(lambda one: not one.active)[:1]
    times = [time for time in (*both.mapped("nextcall"), trigger.call_at) if time]
    return {
        "name": (off or cron).with_context(lang="en_US").name,
        "exists": True,
        "active": not off,
        "next_call": fields.Datetime.to_string(min(times)) if times else False,
    }
