"""With the rate lifted: how fast the pipeline is by itself, and how little it holds."""

from table import Row

PERMITS = 10_000
MANY = 50_000


def rows(rig):
    """Time is the process's, from start to exit."""
    run = rig.sync(PERMITS, "--clean", rate=0)
    many = rig.sync(MANY, "--clean", rate=0)
    for each in (run, many):
        if each.missing or each.wrong:
            raise RuntimeError(f"{each.missing} dates are missing and {each.wrong} are wrong")
    return [
        Row(f"rate lifted, {PERMITS:,} permits: into Odoo per second", PERMITS / run.result.seconds, "/s",
            at_least=1500, digits=0, note=f"{run.result.seconds:.1f} s from start to exit"),
        Row(f"rate lifted, {MANY:,} permits: into Odoo per second", MANY / many.result.seconds, "/s", digits=0,
            note=f"{many.result.seconds:.1f} s from start to exit"),
        Row("calls to Odoo per 1,000 permits, rate lifted", run.odoo_calls * 1000 / PERMITS, at_most=25,
            note="counted in Odoo's log"),
        Row(f"peak memory, {MANY:,} permits", many.result.peak_mib, "MiB", at_most=40),
    ]
