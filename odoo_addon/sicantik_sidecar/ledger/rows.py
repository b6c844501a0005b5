"""Comparing a row of the listing with the permit that is stored: plain values, without a database."""

from .words import IDENTITY, REST


def differences(row, known, connector_id):
    """Values of the row that differ from Odoo's, except the date. Missing values are kept."""
    said = {name: value for name, value in row.items() if name != "expiry_date"}
    if not known:
        return {**said, "connector_id": connector_id, "status": "active", "listed": True}
    said |= {"connector_id": connector_id, "listed": True}
    return {name: value for name, value in said.items() if value and value != known[name]}


def single_numbers(rows, known):
    """The numbers that only one row has, with its registration, unless that is `known`."""
    by_number = {}
    for registration, row in rows.items():
        if number := (row.get("permit_number") or "").strip(" "):
            by_number.setdefault(number, []).append(registration)
    single = {number: found[0] for number, found in by_number.items() if len(found) == 1}
    return {number: found for number, found in single.items() if found not in known}


def rest_of(known, changes):
    """The permit's rest, which holds for one number and registration: another is another question."""
    return REST if any(name in changes for name in IDENTITY) else known


def date_outcome(expiry, known, rest, beginning, old_before=None):
    """What the row's date counts as, by the rules for asking; `None` where it says nothing new. A date that
    is there is new again once it is older than `old_before`. A row without one says nothing while the permit
    rests when the run begins, as it has said it already.
    """
    state = known.get("expiry_check_state")
    if expiry:
        checked = known.get("expiry_checked_at")
        is_old = old_before and (not checked or checked < old_before)
        is_same = expiry == known.get("expiry_date") and state == "found"
        return None if is_same and not is_old else "found"
    due = rest.get("expiry_next_check_at")
    return None if state and due and due > beginning else "no_date"
