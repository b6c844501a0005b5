"""What came in from outside, proved to be well-formed before anything is touched."""

from datetime import date
from typing import NamedTuple

from odoo.exceptions import ValidationError

from .words import IDENTITY, OUTCOMES, REASONS

# PostgreSQL's integer; more would come back as an error of the database.
LARGEST = 2**31 - 1
DEFAULT_LEASE_SECONDS, MAX_LEASE_SECONDS = 30, 3600
# What a worker says about its way, and the field of the run that holds it.
PROGRESS = {name: name for name in ("eta_seconds", "requests", "retries", "total", "pages")}
PROGRESS |= {name: f"{name}_count" for name in ("listed", "junk", "skipped")}
TEXTS, DATES = ("permit_number", "applicant_name", "permit_type_name"), ("expiry_date", "other_expiry_date")
MALFORMED = (AttributeError, KeyError, TypeError, ValueError)


def whole_number(env, value, name, lowest=0):
    """External callers send null or false for an omitted argument; both mean 0."""
    value = 0 if value is None or value is False else value
    if type(value) is not int or not lowest <= value <= LARGEST:
        said = {"name": name, "value": value, "low": lowest, "high": LARGEST}
        text = env._("“%(name)s” must be a whole number from %(low)d to %(high)d, not “%(value)s”.", **said)
        raise ValidationError(text)
    return value


def a_list(env, values, name):
    if not isinstance(values or [], list):
        raise ValidationError(env._("“%s” must be a list.", name))
    return values or []


def ids(env, values, name):
    return [whole_number(env, one, name, lowest=1) for one in a_list(env, values, name)]


def choice(env, value, choices):
    choices = list(choices)
    if value not in choices:
        said = {"value": value, "choices": ", ".join(choices)}
        raise ValidationError(env._("“%(value)s” is not one of %(choices)s.", **said))


def worker(env, name):
    if not isinstance(name, str) or not name.strip():
        raise ValidationError(env._("The worker must say who it is."))


def lease(env, seconds):
    return min(whole_number(env, seconds, "lease_seconds") or DEFAULT_LEASE_SECONDS, MAX_LEASE_SECONDS)


def batch(env, number, content):
    """The number of a batch, which counts from 1 over the life of a run; 0 only renews the lease."""
    number = whole_number(env, number, "batch")
    if not number and content:
        raise ValidationError(env._("Batch 0 only renews the lease: it cannot hold answers."))
    return number


def progress(env, said):
    """What the worker says about its way, as values of the run; what it does not say is left out."""
    if not isinstance(said or {}, dict):
        raise ValidationError(env._("“progress” must be an object."))
    said = said or {}
    # By type: 0 is equal to `False`, and is said.
    given = [name for name in PROGRESS if not isinstance(said.get(name), bool | None)]
    values = {PROGRESS[name]: whole_number(env, said[name], name) for name in given}
    if type(said.get("rate")) in (int, float):
        values["rate"] = max(0.0, said["rate"])
    if isinstance(said.get("upgraded"), bool):
        values["way"] = "upgraded" if said["upgraded"] else "two_step"
    return values


def outcomes(env, said):
    return dict(_outcome(env, one) for one in a_list(env, said, "outcomes"))


def _outcome(env, said):
    try:
        outcome = said["outcome"]
        # What SICANTIK was asked about, as far as the outcome says it.
        asked = {name: (said[name] or "").strip() for name in IDENTITY if name in said}
        checked = {"outcome": outcome, "asked": asked}
        if outcome == "found":
            checked["expiry_date"] = date.fromisoformat(said["expiry_date"])
        if outcome == "failed":
            checked |= {"reason": said["reason"], "detail": str(said.get("detail") or "")}
        if outcome not in OUTCOMES or checked.get("reason", "timeout") not in dict(REASONS):
            raise ValueError
        return whole_number(env, said["permit_id"], "permit_id", lowest=1), checked
    except MALFORMED as error:
        raise ValidationError(env._("This is not an outcome: %s", said)) from error


class Page(NamedTuple):
    rows: dict  # By registration.
    failures: dict  # Why the date of a row cannot be had, by registration.
    nameless: set  # What rows without a registration are called.
    again: set  # The registrations that came in an earlier batch of the same attempt.


def rows(env, said):
    """One page of the listing. A registration that comes more than once counts once; its dates have to agree,
    also with the `other_expiry_date` of another row, sent before or not at all. A row without the field, as
    those read before SICANTIK was upgraded, says nothing about the date.
    """
    page, dates = Page({}, {}, set(), set()), {}
    for one in a_list(env, said, "rows"):
        row = _row(env, one)
        registration = row["registration_id"]
        if not registration:
            page.nameless.add(row.get("permit_number") or row.get("applicant_name") or "?")
            continue
        if one.get("again") and registration not in page.rows:
            page.again.add(registration)
        seen = dates.setdefault(registration, [])
        seen += [row[name] or "–" for name in DATES if name in row]
        row.pop("other_expiry_date", None)
        # Rows are sent in the order in which they were read: what the later one says is newer.
        page.rows[registration] = {**page.rows.get(registration, {}), **row}
        others = [day for day in seen if day != seen[0]]
        if others and registration not in page.failures:
            page.failures[registration] = env._(
                "The listing has this registration more than once, with different dates: "
                "%(one)s and %(two)s.",
                one=seen[0],
                two=others[0],
            )
    return page


def _row(env, row):
    try:
        # PostgreSQL cannot store a NUL, and what is only spaces says nothing.
        texts = {name: (row.get(name) or "").replace("\0", "") for name in TEXTS}
        clean = {name: text.strip() for name, text in texts.items() if text.strip()}
        if "permit_number" in clean:
            # By the number SICANTIK is asked, which compares it to the letter.
            clean["permit_number"] = texts["permit_number"]
        clean["registration_id"] = row["registration_id"].replace("\0", "").strip()
        if row.get("received_date"):
            clean["received_date"] = date.fromisoformat(row["received_date"])
        clean |= {name: row[name] and date.fromisoformat(row[name]) or False for name in DATES if name in row}
        if not isinstance(row.get("again") or False, bool):
            raise TypeError
    except MALFORMED as error:
        raise ValidationError(env._("This is not a row of the listing: %s", row)) from error
    return clean
