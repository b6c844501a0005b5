"""What the end of a run leaves behind: a sentence, the connector's statistics, and who is told."""

import logging

from odoo import fields

from .recorder import must_be_repeated
from .words import EXPIRY_KINDS, LISTING_KINDS

_logger = logging.getLogger(__name__)

# Why a worker ends a run before all its work is done; `sentence` has the words.
ENDINGS = ("cancelled", "interrupted", "away", "sicantik_stopped", "odoo", "hidden")
# A handful of permits says more about the start of the engine than about its speed.
MEASURED_FROM = 50


def sentence(env, code, detail=None):
    """Why a run ended, in the language of `env`."""
    if detail:
        return {
            "cancelled": env._("Stopped in Odoo: %s", detail),
            "interrupted": env._("The sidecar was interrupted: %s", detail),
            "away": env._("SICANTIK cannot be used now (%s). Nothing was changed.", detail),
            "sicantik_stopped": env._(
                "SICANTIK stopped answering (%s); what it had not answered yet is left for the next run.",
                detail,
            ),
            "odoo": env._("Odoo could not store the answers: %s", detail),
            "hidden": env._(
                "Permits that Odoo hides from the sidecar's user were not asked about: %s. "
                "An administrator can change the record rule or the user's companies.",
                detail,
            ),
        }[code]
    return {
        "cancelled": env._("Stopped in Odoo."),
        "interrupted": env._("The sidecar was interrupted."),
        "away": env._("SICANTIK cannot be used now. Nothing was changed."),
        "sicantik_stopped": env._(
            "SICANTIK stopped answering; what it had not answered yet is left for the next run."
        ),
        "odoo": env._("Odoo could not store the answers."),
        "hidden": env._("Permits that Odoo hides from the sidecar's user were not asked about."),
    }[code]


def statistics(run):
    """What the connector remembers of this run, which has just ended."""
    connector, is_done, values = run.connector_id, run.state == "done", {}
    if run.way:
        # A run of dates alone has looked at the listing too.
        values["listing_way"] = run.way
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
    """One activity for who looks after the connector, or an older one that is open brought up to
    date.

    No e-mail is sent: the sidecar waits for this call.
    """
    user, texts = run.connector_id.user_id, run._reader_env()
    kind = run.env.ref("sicantik_sidecar.mail_activity_type_sync_failed", raise_if_not_found=False)
    if not user.active or not kind:
        return
    values = {
        "summary": texts._("A synchronisation with SICANTIK failed"),
        "note": run.with_env(texts)._get_html_link() + ": " + (run.message or ""),
        "date_deadline": fields.Date.context_today(run),
    }
    quiet = run.connector_id.with_context(mail_activity_quick_update=True)
    try:
        with run.env.cr.savepoint():
            open_one = quiet.activity_ids.filtered(
                lambda activity: activity.activity_type_id == kind and activity.user_id == user
            )[:1]
            if open_one:
                open_one.write(values)
            else:
                quiet.activity_schedule(activity_type_id=kind.id, user_id=user.id, **values)
    except Exception as error:
        if must_be_repeated(error):
            raise
        # The end of the run is what matters.
        _logger.exception("Nobody could be told that run %d failed", run.id)
