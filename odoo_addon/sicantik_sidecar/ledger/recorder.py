"""Writing what SICANTIK said: answers, rows of the listing, the check of expired permits.

One batch is one transaction. What Odoo refuses is refused alone and stops nothing else.
"""

import logging
from collections import defaultdict
from datetime import timedelta

import psycopg2

from odoo.exceptions import ValidationError
from odoo.tools import SQL

from . import plan, rows
from .books import Books, Entry
from .words import REST

_logger = logging.getLogger(__name__)

COLUMNS = (
    *("id", "connector_id", "registration_id", "permit_number", "applicant_name", "permit_type_name"),
    *("received_date", "expiry_date", "status", "listed", "listing_run_id", "expiry_run_id"),
    *("expiry_check_state", "expiry_checked_at", "expiry_next_check_at", "expiry_check_count"),
)
# Of conflicts with other transactions, and of lost connections.
CODES_TO_REPEAT = ("40001", "40P01", "55P03", "08", "57P")


def must_be_repeated(error):
    """Whether Odoo repeats the whole call: by SQLSTATE, as an `OperationalError` may also be permanent."""
    code = getattr(error, "pgcode", None)
    lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    return code.startswith(CODES_TO_REPEAT) if code else lost


def refusal(env, work, *args):
    """The error with which Odoo refuses `work`, which leaves nothing behind then."""
    try:
        with env.cr.savepoint():
            work(*args)
    except Exception as error:
        if must_be_repeated(error):
            raise
        return error


class Recorder:
    """Writes for `run`, which is locked by the caller and has all rights."""

    def __init__(self, run):
        self.run, self.env, self.now = run, run.env, run._now()
        self.connector_id, self.tz = run.connector_id.id, run.connector_id.tz
        self.today = plan.local_day(self.now, self.tz)
        # Nothing is told to followers, tracked or logged: what matters is noted in `_note_changes`.
        self.permits = self.env["sicantik.permit"].sudo().with_context(tracking_disable=True)
        # Of the predecessor: a type of the same name that is there is filled in.
        link = self.permits._fields.get("permit_type_id")
        self.types = link.comodel_name if link and link.store and link.type == "many2one" else None

    def is_next(self, batch):
        """Whether `batch` is to be written; one that was written before is not."""
        expected = self.run.last_batch + 1
        if batch > expected:
            said = {"batch": batch, "next": expected}
            text = self.env._("Batch %(batch)d came where batch %(next)d was expected.", **said)
            raise ValidationError(text)
        return batch == expected

    def record_outcomes(self, outcomes):
        """Write answers by permit id. Answers about a number or registration that the permit had when it was
        read, and has no longer, are left aside: it stays due.
        """
        known = {permit["id"]: permit for permit in self._own(SQL("id = ANY(%s)", list(outcomes)))}
        entries = {}
        for permit_id, said in outcomes.items():
            permit = known.get(permit_id)
            if permit and any((permit[name] or "").strip() != text for name, text in said["asked"].items()):
                continue
            entry = entries[permit_id] = Entry(permit, name=None if permit else f"#{permit_id}")
            if permit:
                self._answer(entry, said["outcome"], said.get("expiry_date"), reason=said.get("reason"))
            else:
                entry.fail("rejected_by_odoo", self.env._("The permit is not among those of the connector."))
            if permit and said["outcome"] == "failed":
                entry.fail(said["reason"], said["detail"])
        self._save(entries.values())
        rejected = [
            one for one, entry in entries.items() if entry.is_refused and "expiry_date" in outcomes[one]
        ]
        return {"rejected": len(rejected), "stale": len(outcomes) - len(entries)}

    def record_rows(self, page):
        """Write one page of the listing: what is new is created, what differs is written."""
        known, types = self._known(page.rows), self._types_of(page.rows)
        days, beginning = self.run.refresh_older_than, self.run._beginning()
        old_before = beginning - timedelta(days=days) if days else None
        entries = []
        for registration, row in page.rows.items():
            entry = Entry(known.get(registration), registration, row.get("permit_number"))
            entries.append(entry)
            entry.changes = rows.differences(row, entry.known, self.connector_id)
            type_id = types.get(row.get("permit_type_name"))
            if type_id and type_id != entry.known.get("permit_type_id"):
                entry.changes["permit_type_id"] = type_id
            if registration in page.failures:
                entry.fail("unreadable", page.failures[registration])
                entry.values = self._marks("failed")
            elif "expiry_date" in row:
                rest = rows.rest_of(entry.known, entry.changes)
                outcome = rows.date_outcome(row["expiry_date"], entry.known, rest, beginning, old_before)
                # Whoever wants all of them asked will have them asked one by one.
                is_asked = outcome == "no_date" and self.run.kind == "all" and self.run.include_not_due
                if outcome and not is_asked:
                    self._answer(entry, outcome, row["expiry_date"], rest)
            if entry.changes:
                entry.changes["listing_run_id"] = self.run.id
            if entry.changes or entry.values:
                entry.values["last_sync_date"] = self.now
        unnamed = [Entry(name=name) for name in page.nameless]
        for entry in unnamed:
            entry.fail("unreadable", self.env._("The listing names no registration for it."))
        books = Books(self.run, entries + unnamed)
        self._write(entries)
        counts = books.page_counts(entries, page.again)
        self.run.listing_answered += books.close()
        self.run.created_count += counts["created"]
        self.run.updated_count += counts["updated"]
        self.run.unchanged_count += counts["unchanged"] - counts["recounted"]
        return counts

    def check(self):
        ended = SQL("status = 'active' AND expiry_date < %s", self.today)
        expired, refused = self._write_all(ended, {"status": "expired"})
        self.run.expired_count += expired
        return {"expired": expired, "refused": refused}

    def mark_listed(self, ids, listed):
        """Returns how many permits were not marked so already."""
        condition = SQL("id = ANY(%s) AND listed IS DISTINCT FROM %s", ids, listed)
        return self._write_all(condition, {"listed": listed})[0]

    def _write_all(self, condition, values):
        """Returns on how many permits the values were written, and how many were refused."""
        entries = [Entry(permit) for permit in self._own(condition)]
        for entry in entries:
            entry.values = values
        self._save(entries)
        refused = sum(entry.is_refused for entry in entries)
        return len(entries) - refused, refused

    def _save(self, entries):
        books = Books(self.run, entries)
        self._write(entries)
        books.close()

    def _stored(self, condition):
        self.permits.flush_model()
        columns = [*COLUMNS, *(["permit_type_id"] if self.types else [])]
        names = SQL(", ").join(SQL.identifier(name) for name in columns)
        self.env.cr.execute(SQL("SELECT %s FROM sicantik_permit WHERE %s", names, condition))
        return self.env.cr.dictfetchall()

    def _own(self, condition):
        return self._stored(SQL("connector_id = %s AND %s ORDER BY id", self.connector_id, condition))

    def _known(self, page):
        """The permits of the rows, by registration."""
        condition = SQL("(connector_id = %s OR connector_id IS NULL)", self.connector_id)
        condition = SQL("%s AND registration_id = ANY(%s)", condition, list(page))
        known = {}
        for permit in self._stored(SQL("%s ORDER BY connector_id IS NOT NULL, id DESC", condition)):
            registration = permit["registration_id"]
            # Of no connector yet: the same registration with the same number is the same permit.
            if permit["connector_id"] or permit["permit_number"] == page[registration].get("permit_number"):
                known[registration] = permit
        # Written by hand, or by another module, a permit knows its number only, perhaps without the spaces at
        # its ends that SICANTIK has. It is the row's where the number stands for one row and one permit.
        wanted = rows.single_numbers(page, known)
        by_number = defaultdict(list)
        for permit in self._own(SQL("btrim(permit_number) = ANY(%s)", list(wanted))) if wanted else ():
            by_number[permit["permit_number"].strip(" ")].append(permit)
        for number, (permit, *others) in by_number.items():
            if not others and not permit["registration_id"]:
                known[wanted[number]] = permit
        return known

    def _types_of(self, page):
        names = {row["permit_type_name"] for row in page.values() if "permit_type_name" in row}
        if not self.types or not names:
            return {}
        found = self.env[self.types].sudo().search([("name", "in", list(names))], order="id desc")
        return {one.name: one.id for one in found}

    def _marks(self, outcome):
        return {"expiry_check_state": outcome, "expiry_checked_at": self.now, "expiry_run_id": self.run.id}

    def _answer(self, entry, outcome, expiry=None, rest=None, reason=None):
        known = entry.known
        entry.outcome, entry.values = outcome, self._marks(outcome)
        if outcome == "found":
            entry.values |= {"last_sync_date": self.now, **REST}
            if expiry == known.get("expiry_date"):
                return
            entry.changes["expiry_date"] = expiry
            entry.redated = known.get("expiry_date") and (known["expiry_date"], expiry)
            if known.get("status") == "expired" and expiry >= self.today:
                # Renewed: reactivate it, but only for a future date, or the next check would
                # expire it again.
                entry.changes["status"] = "active"
        elif outcome != "failed" or reason == "invalid_number":
            # A number that cannot be asked about, or breaks SICANTIK's query each time, rests as well.
            count = ((known if rest is None else rest).get("expiry_check_count") or 0) + 1
            due = plan.rest_until(self.now, count, self.tz)
            entry.values |= {"expiry_check_count": count, "expiry_next_check_at": due}

    def _write(self, entries):
        """Write all at once or, where Odoo refuses something, in halves, down to what it refuses."""
        entries = [entry for entry in entries if entry.values or entry.changes]
        if not entries or not (error := refusal(self.env, self._write_together, entries)):
            return
        if len(entries) == 1:
            self._refuse(entries[0], error)
            return
        _logger.info("Odoo refused %d permits of run %d together: %s", len(entries), self.run.id, error)
        middle = len(entries) // 2
        self._write(entries[:middle])
        self._write(entries[middle:])

    def _write_together(self, entries):
        """As few writes as there are different values, and one creation."""
        # What differs from permit to permit is apart from what they share. It comes first: another number
        # ends a permit's rest, and `values` may begin a new one.
        changes, shared = defaultdict(list), defaultdict(list)
        for entry in entries:
            if entry.id:
                changes[tuple(entry.changes.items())].append(entry.id)
                shared[tuple(entry.values.items())].append(entry.id)
        for values, ids in [*changes.items(), *shared.items()]:
            if values:
                self.permits.browse(ids).write(dict(values))
        if new := [entry.changes | entry.values for entry in entries if not entry.id]:
            self.permits.create(new)
        self._note_changes({entry.id: entry.redated for entry in entries if entry.redated})

    def _refuse(self, entry, error):
        name = f"permit {entry.id}" if entry.id else f"registration {entry.registration}"
        _logger.warning("Odoo refused what SICANTIK says of %s: %s", name, error)
        is_marked = entry.id and entry.outcome
        entry.redated = None
        entry.fail("rejected_by_odoo", self._error_text(error))
        # Said on the permit itself, if it can be written at all.
        if is_marked and (
            trouble := refusal(self.env, self.permits.browse(entry.id).write, self._marks("failed"))
        ):
            _logger.info("Permit %d cannot be marked either: %s", entry.id, trouble)

    def _error_text(self, error):
        if not isinstance(error, psycopg2.Error):
            return str(error) or error.__class__.__name__
        field = self.permits._fields.get(error.diag.column_name)
        if field and isinstance(error, psycopg2.errors.NotNullViolation):
            return self.env._("The listing does not say “%s”, which is required here.", field.string)
        return error.diag.message_primary or error.__class__.__name__

    def _note_changes(self, changes):
        """Keep an old date that has been replaced in the permit's history."""
        if changes:
            reader = self.run._reader_env()
            text = reader._("SICANTIK changed the expiry date: %(old)s → %(new)s (%(run)s).")
            name = self.run.with_env(reader).display_name
            dates = {one: {"old": old, "new": new, "run": name} for one, (old, new) in changes.items()}
            bodies = {permit_id: text % said for permit_id, said in dates.items()}
            self.permits.browse(list(bodies))._message_log_batch(bodies=bodies)
