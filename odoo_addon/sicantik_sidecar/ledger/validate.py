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
TEXTS = ("permit_number", "applicant_name", "permit_type_name")


def whole_number(env, value, name, lowest=0):
    """External callers send null or false for an omitted argument; both mean 0."""
    value = 0 if value is None or value is False else value
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise ValidationError(
            env._(
                "“%(name)s” must be a whole number from %(lowest)d on, not “%(value)s”.",
                name=name,
                lowest=lowest,
                value=value,
            )
        )
    if value > LARGEST:
        raise ValidationError(env._("“%(name)s” is too large: %(value)s.", name=name, value=value))
    return value


def ids(env, values, name):
    if not isinstance(values or [], list):
        raise ValidationError(env._("“%s” must be a list of ids.", name))
    return [whole_number(env, one, name, lowest=1) for one in values or []]


def choice(env, value, choices):
    choices = list(choices)
    if value not in choices:
        raise ValidationError(
            env._("“%(value)s” is not one of %(choices)s.", value=value, choices=", ".join(choices))
        )


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
    said = said or {}
    if not isinstance(said, dict):
        raise ValidationError(env._("“progress” must be an object."))
    upgraded = said.get("upgraded")
    # By identity: 0 is equal to `False`, and is said.
    said = {name: value for name, value in said.items() if value is not None and value is not False}
    values = {field: whole_number(env, said[name], name) for name, field in PROGRESS.items() if name in said}
    if isinstance(said.get("rate"), int | float):
        values["rate"] = max(0.0, said["rate"])
    if isinstance(upgraded, bool):
        values["way"] = "upgraded" if upgraded else "two_step"
    return values


def outcomes(env, said):
    """The outcomes by permit id."""
    if not isinstance(said, list):
        raise ValidationError(env._("“outcomes” must be a list."))
    return dict(_outcome(env, one) for one in said)


def _outcome(env, said):
    try:
        # What SICANTIK was asked about, as far as the outcome says it.
        asked = {name: said[name] or "" for name in IDENTITY if name in said}
        checked = {"outcome": said["outcome"], "asked": asked}
        if said["outcome"] not in OUTCOMES or not all(isinstance(text, str) for text in asked.values()):
            raise ValueError
        if said["outcome"] == "found":
            checked["expiry_date"] = date.fromisoformat(said["expiry_date"])
        if said["outcome"] == "failed":
            checked |= {"reason": said["reason"], "detail": str(said.get("detail") or "")}
            if said["reason"] not in dict(REASONS):
                raise ValueError
        permit_id = said["permit_id"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValidationError(env._("This is not an outcome: %s", said)) from error
    return whole_number(env, permit_id, "permit_id", lowest=1), checked


class Page(NamedTuple):
    """The rows by registration, and what is to be known of some of them."""

    rows: dict
    # Why the date of a row cannot be had.
    failures: dict
    # What rows without a registration are called.
    nameless: set
    # The registrations that came in an earlier batch of the same attempt.
    again: set


def rows(env, said):
    """One page of the listing.

    A registration that comes more than once counts once; its dates have to agree, also with the
    `other_expiry_date` that the listing gave it in another row, sent before or not at all. A row
    without the field, as those read before SICANTIK was upgraded, says nothing about the date.
    """
    if not isinstance(said or [], list):
        raise ValidationError(env._("“rows” must be a list."))
    page = Page({}, {}, set(), set())
    for one in said or []:
        row = _row(env, one)
        registration = row["registration_id"]
        if row.pop("again") and registration not in page.rows:
            page.again.add(registration)
        if not registration:
            page.nameless.add(row.get("permit_number") or row.get("applicant_name") or "?")
            continue
        first = page.rows.get(registration, row)
        dates = [each["expiry_date"] for each in (first, row) if "expiry_date" in each]
        if "other_expiry_date" in row:
            dates.append(row.pop("other_expiry_date"))
        dates = list(dict.fromkeys(dates))
        # Rows are sent in the order in which they were read: what the later one says is newer.
        page.rows[registration] = {**first, **row}
        if len(dates) > 1 and registration not in page.failures:
            page.failures[registration] = env._(
                "The listing has this registration more than once, with different dates: "
                "%(one)s and %(two)s.",
                one=dates[0] or "–",
                two=dates[1] or "–",
            )
    return page


def _row(env, row):
    try:
        clean = {"registration_id": row["registration_id"].replace("\0", "").strip()}
        clean["again"] = row.get("again") or False
        if not isinstance(clean["again"], bool):
            raise TypeError
        for name in TEXTS:
            # PostgreSQL cannot store a NUL, and what is only spaces says nothing.
            text = (row.get(name) or "").replace("\0", "")
            if stripped := text.strip():
                # By the number SICANTIK is asked, which compares it to the letter.
                clean[name] = text if name == "permit_number" else stripped
        if received := row.get("received_date"):
            clean["received_date"] = date.fromisoformat(received)
        for name in ("expiry_date", "other_expiry_date"):
            if name in row:
                clean[name] = date.fromisoformat(row[name]) if row[name] else False
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValidationError(env._("This is not a row of the listing: %s", row)) from error
    return clean
