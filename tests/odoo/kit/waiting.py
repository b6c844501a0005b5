"""Waiting with a deadline."""

import time

DEADLINE = 30


def wait_until(condition, what, seconds=DEADLINE):
    """Returns the first true value of `condition()`; fails with `what` when it takes too long."""
    ends = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > ends:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return found
