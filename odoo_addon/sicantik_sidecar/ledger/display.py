"""What people see: how far a run is, in words, and pages of what belongs to a record."""


def duration(env, seconds):
    if (seconds or 0.0) < 1:
        return env._("under 1 s")
    seconds = round(seconds)
    if seconds < 60:
        return env._("%d s", seconds)
    if seconds < 3600:
        return env._("%(minutes)d min %(seconds)d s", minutes=seconds // 60, seconds=seconds % 60)
    return env._("%(hours)d h %(minutes)d min", hours=seconds // 3600, minutes=seconds % 3600 // 60)


def action(record, name, field, **values):
    record.ensure_one()
    found = record.env["ir.actions.act_window"]._for_xml_id(f"sicantik_sidecar.{name}")
    return {**found, "domain": [(field, "=", record.id)], **values}


def progress(run):
    """Percent of the permits answered; where the listing comes first, that is half of the way."""
    done = run.state == "done"
    share = 100.0 * run.answered_count / run.total if run.total else 100.0 * done
    if run.kind not in ("permits", "all") or done:
        return min(100.0, share)
    # The listing says nowhere how long it is; what was known before is a fair guess.
    expected = run.listing_expected
    listing = min(99.0, 100.0 * run.listed_count / expected) if expected else 0.0
    if run.listing_seconds:
        return 100.0 if run.kind == "permits" else 50.0 + min(100.0, share) / 2
    return listing if run.kind == "permits" else listing / 2


def status(run):
    env = run.env
    if run.state == "queued":
        parts = [env._("Waits for the sidecar")]
    elif run.state == "running" and run.listed_count and not run.listing_seconds:
        parts = [env._("%d permits of the listing", run.listed_count)]
    elif run.total:
        parts = [env._("%(answered)d of %(total)d permits", answered=run.answered_count, total=run.total)]
        if run.state == "running" and run.rate:
            parts.append(env._("%.1f per second", run.rate))
        if run.eta_display:
            parts.append(env._("%s left", run.eta_display))
    else:
        parts = [run._label("state")]
    if run.listing_incomplete:
        parts.append(env._("the listing was not read whole"))
    return " · ".join(parts)
