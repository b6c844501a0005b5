"""What the end of a run leaves behind: a sentence, the connector's statistics, and who is told."""

import logging

from odoo import fields

from .recorder import refusal
from .words import EXPIRY_KINDS, LISTING_KINDS

_logger = logging.getLogger(__name__)

# Why a worker ends a run before its work is done; `sentence` has the words.
ENDINGS = ("cancelled", "interrupted", "away", "sicantik_stopped", "odoo", "hidden")
ACTIVITY_TYPE = "sicantik_sidecar.mail_activity_type_sync_failed"
# A handful of permits says more about the start of the engine than about its speed.
MEASURED_FROM = 50


def sentence(env, code, detail=None):
    # What follows a sentence, and what stands within one.
    after, aside = (f": {detail}", f" ({detail})") if detail else (".", "")
    return {
        "cancelled": env._("Stopped in Odoo%s", after),
        "interrupted": env._("The sidecar was interrupted%s", after),
        "away": env._("SICANTIK cannot be used now%s. Nothing was changed.", aside),
        "sicantik_stopped": env._(
            "SICANTIK stopped answering%s; what it had not answered yet is left for the next run.", aside
        ),
        "odoo": env._("Odoo could not store the answers%s", after),
        "hidden": env._(
            "Permits that Odoo hides from the sidecar's user were not asked about%s. "
            "An administrator can change the record rule or the user's companies.",
            aside,
        ),
    }[code]


def statistics(run):
    """What the connector remembers of this run, which has just ended."""
    connector, is_done = run.connector_id, run.state == "done"
    # A run of dates alone has looked at the listing too.
    values = {"listing_way": run.way} if run.way else {}
    dates = {
        "last_expiry_sync_date": run.finished_at,
        "total_expiry_synced": connector.total_expiry_synced + run.found_count,
    }
    if run.kind in EXPIRY_KINDS and (run.answered_count or is_done):
        # Speed and time of the questions alone, without those of the listing before them.
        asked = run.answered_count - run.listing_answered
        seconds = run.worked_seconds - run.listing_seconds
        values |= dates
        values["last_expiry_sync_duration"] = max(0.0, run.duration - run.listing_seconds)
        if is_done and asked >= MEASURED_FROM and seconds > 0:
            values["last_expiry_rate"] = asked / seconds
    if run.kind in LISTING_KINDS and (run.listed_count or is_done):
        # What has come is in Odoo, also where the run was stopped or failed on its way.
        values["last_sync_date"] = run.finished_at
        values["total_permits_synced"] = connector.total_permits_synced + run.listed_count
        if run.listing_read:
            # The next estimate is made from it: of a part it would be too short.
            values["last_sync_duration"] = run.listing_seconds
        if run.kind == "permits" and run.listing_answered:
            # Dates came, although nobody was asked for them.
            values |= dates
    return values


def tell_responsible(run):
    """One activity, new or brought up to date, for the responsible. No e-mail: the sidecar waits for this."""
    user, reader = run.connector_id.user_id, run._reader_env()
    if not user.active:
        return
    values = {
        "summary": reader._("A synchronisation with SICANTIK failed"),
        "note": run.with_env(reader)._get_html_link() + ": " + (run.message or ""),
        "date_deadline": fields.Date.context_today(run),
    }
    quiet = run.connector_id.with_context(mail_activity_quick_update=True)

    def tell():
        if open_one := quiet.activity_search([ACTIVITY_TYPE], user_id=user.id)[:1]:
            open_one.write(values)
        else:
            quiet.activity_schedule(ACTIVITY_TYPE, user_id=user.id, **values)

    # The end of the run is what matters.
    if error := refusal(run.env, tell):
        _logger.error("Nobody could be told that run %d failed", run.id, exc_info=error)
