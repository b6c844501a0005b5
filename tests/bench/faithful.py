"""Whether what is in Odoo at the end is what is true, with every quirk and with troubles on top."""

from table import Row

PERMITS = 2000
TROUBLES = {"error-500": 0.05, "empty": 0.03, "php-warning": 0.03, "broken": 0.02}


def rows(rig):
    """Every date in Odoo is compared with the truth."""
    faults = [word for kind, share in TROUBLES.items() for word in ("--fault", f"{kind}={share}")]
    found = []
    for name, flags in (("every quirk", []), ("every quirk, 13 % of requests in trouble", faults)):
        run = rig.sync(PERMITS, *flags, rate=0)
        note = f"{len(run.truth):,} can be had, {run.traffic['requests']:,} requests"
        found += [
            Row(f"{PERMITS:,} permits, {name}: dates missing", run.missing, at_most=0, digits=0, note=note),
            Row(f"{PERMITS:,} permits, {name}: dates wrong", run.wrong, at_most=0, digits=0),
        ]
    return found
