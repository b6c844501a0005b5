"""Comparing a row of the listing with the permit that is stored: plain values, without a database."""

from .words import IDENTITY, REST

# What says nothing about the permit itself, or needs a decision of its own.
APART = ("expiry_date",)


def differences(row, known):
    """What the row says otherwise than Odoo. What it does not say is kept."""
    changes = {
        name: value
        for name, value in row.items()
        if value and name not in APART and value != known[name]
    }
    if not known["listed"]:
        changes["listed"] = True
    return changes


def single_numbers(rows, known):
    """The numbers that stand for one single row, whose registration is not `known`; with that registration."""
    by_number = {}
    for registration, row in rows.items():
        if number := (row.get("permit_number") or "").strip(" "):
            by_number.setdefault(number, []).append(registration)
    return {
        number: found[0]
        for number, found in by_number.items()
        if len(found) == 1 and found[0] not in known
    }


def date_outcome(expiry, known, changes, due_from, old_before=None):
    """What the row's date counts as, by the rules for asking; `None` where it says nothing new.

    A date that is there is new again once it is older than `old_before`. A row without one says
    nothing while the permit rests, as it has said it already; `due_from` is when the run began.
    """
    state = known.get("expiry_check_state")
    if expiry:
        checked = known.get("expiry_checked_at")
        old = old_before and (not checked or checked < old_before)
        same = expiry == known.get("expiry_date") and state == "found"
        return None if same and not old else "found"
    due = rest_of(known, changes).get("expiry_next_check_at")
    return None if state and due and due > due_from else "no_date"


def rest_of(known, changes):
    """The permit's rest, which holds for one number and registration: another is another question."""
    return REST if any(name in changes for name in IDENTITY) else known
