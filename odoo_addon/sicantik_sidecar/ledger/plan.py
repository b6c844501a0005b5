"""Which permits a synchronisation asks about: one place, for runs, dry runs and estimates."""

from datetime import timedelta

import pytz

from odoo import fields
from odoo.exceptions import UserError

from . import validate


UNDATED = [["status", "=", "active"], ["expiry_date", "=", False], ["permit_number", "not in", [False, ""]]]


def connector(env, connector_id):
    connector_id = validate.whole_number(env, connector_id, "connector_id", lowest=1)
    found = env["sicantik.connector"].sudo().browse(connector_id).exists()
    if not found:
        raise UserError(env._("There is no connector with the id %d.", connector_id))
    return found


def wishes(of, include_not_due=False, refresh_older_than=None, max_permits=None, permit_ids=None):
    """What a caller asks for in one form; `null` and `false` say “not given”."""
    env = of.env
    if refresh_older_than is None or refresh_older_than is False:
        refresh_older_than = of.refresh_older_than
    is_selection = permit_ids is not None and permit_ids is not False
    return {
        "include_not_due": bool(include_not_due),
        "refresh_older_than": validate.whole_number(env, refresh_older_than, "refresh_older_than"),
        "max_permits": validate.whole_number(env, max_permits, "max_permits"),
        "permit_ids": sorted(set(validate.ids(env, permit_ids, "permit_ids"))) if is_selection else None,
    }


def domains(connector_id, now, include_not_due, refresh_older_than, permit_ids=None, run_id=None):
    """JSON domains on `sicantik.permit`, to be read one after the other, each in the order of `id`. With
    `run_id`, without what that run has recorded already. How many may be asked at most is not part of a
    domain: the reader counts.
    """
    base = [["connector_id", "=", connector_id], ["permit_number", "not in", [False, ""]]]
    active = [["status", "=", "active"]]
    # One that is marked as expired may have been renewed at the office, which only asking tells. In words
    # that `sicantik_permit_refresh_index` is made for.
    dated = [["status", "in", ["active", "expired"]], ["expiry_date", "!=", False]]
    if run_id:
        # Not by the time: two runs can end and begin within one second. “Different” includes “none”.
        base.append(["expiry_run_id", "!=", run_id])
    if permit_ids is not None:
        # What a run could not find out about an expired permit can be asked again, too.
        return [[["id", "in", permit_ids], *base, "|", *active, "&", *dated]]
    undated = [*base, *active, ["expiry_date", "=", False]]
    if not include_not_due:
        moment = fields.Datetime.to_string(now)
        undated += ["|", ["expiry_next_check_at", "=", False], ["expiry_next_check_at", "<=", moment]]
    found = [undated]
    if refresh_older_than:
        before = fields.Datetime.to_string(now - timedelta(days=refresh_older_than))
        is_old = ["|", ["expiry_checked_at", "=", False], ["expiry_checked_at", "<", before]]
        found.append([*base, *dated, *is_old])
    return found


def total(env, found, most=0):
    count = sum(env["sicantik.permit"].sudo().search_count(domain) for domain in found)
    return min(count, most) if most else count


def local_day(now, tz):
    return pytz.utc.localize(now).astimezone(pytz.timezone(tz or "UTC")).date()


def rest_until(now, count, tz):
    """When a permit is due again that had no answer `count` times in a row (UTC): by days of the connector's
    time zone, as what a night's run asked at 02:40 has to be due when the next one begins at 02:00.
    """
    zone = pytz.timezone(tz or "UTC")
    day = local_day(now, tz) + timedelta(days=min(2 ** min(count - 1, 5), 30))
    morning = fields.Datetime.to_datetime(day)
    return zone.localize(morning).astimezone(pytz.utc).replace(tzinfo=None)
