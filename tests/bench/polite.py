"""At the promised 10 requests per second: how long the whole command takes, and what the server sees."""

from table import Row


def rows(rig):
    """The time that the rate alone takes is the best there can be."""
    quick = rig.sync(500, "--clean", "--latency", "50ms")
    slow = rig.sync(100, "--clean", "--latency", "2.5s")
    # Retries count as requests: here they are many.
    troubled = rig.sync(150, "--fault", "error-500=0.15", "--fault", "broken=0.1", "--fault", "empty=0.1")
    for run in (quick, slow, troubled):
        if run.missing or run.wrong:
            raise RuntimeError(f"{run.missing} dates are missing and {run.wrong} are wrong")
    return [
        Row("500 clean permits, 10/s, 0.05 s latency", quick.result.seconds, "s", at_most=51,
            note="the rate alone takes 50"),
        Row("100 clean permits, 10/s, 2.5 s latency", slow.result.seconds, "s", at_most=13.5,
            note="rate and one latency take 12.5"),
        Row("most requests in any one second", max(rig.busiest), at_most=10, digits=0,
            note=f"seen by the server in {len(rig.busiest)} runs at 10/s, one of them full of retries"),
        Row("calls to Odoo per 1,000 permits, 10/s", quick.odoo_calls * 1000 / 500, digits=0,
            note="batches leave after 4 s at the latest, however small"),
    ]
