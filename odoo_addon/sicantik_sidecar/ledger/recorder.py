"""Writing what SICANTIK said: answers, rows of the listing, the check of expired permits.

One batch is one transaction. What Odoo refuses is refused alone and stops nothing else; what an earlier
batch of the run has counted is not counted twice.
"""

import logging
from datetime import timedelta

import psycopg2

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from . import plan
from .rows import date_outcome, differences, rest_of, single_numbers
from .words import DETAIL_LENGTH, OUTCOMES

_logger = logging.getLogger(__name__)

# Nothing is told to followers, tracked or logged: what matters is noted in `_note_changes`.
QUIET = {
    "tracking_disable": True,
    "mail_notrack": True,
    "mail_create_nolog": True,
    "mail_create_nosubscribe": True,
}
COLUMNS = (
    "id",
    "connector_id",
    "registration_id",
    "permit_number",
    "applicant_name",
    "permit_type_name",
    "received_date",
    "expiry_date",
    "status",
    "listed",
    "expiry_check_state",
    "expiry_checked_at",
    "expiry_next_check_at",
    "expiry_check_count",
    "expiry_run_id",
    "listing_run_id",
)
# What a page of the listing brought.
COUNTS = ("rejected", "created", "updated", "unchanged", "recounted", "dated")
CONFLICTS = (
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.LockNotAvailable,
)


def must_be_repeated(error):
    """Whether Odoo repeats the whole call: a conflict with another transaction, or a lost connection.

    By the code and not by the class: psycopg2 also calls a row that is too long for an index an
    `OperationalError`, and that is so however often it is written.
    """
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) and not error.pgcode:
        return True
    code = getattr(error, "pgcode", None) or ""
    return isinstance(error, CONFLICTS) or code.startswith(("08", "57P"))


class Entry:
    """What is to be written about one permit, and what it counts as."""

    __slots__ = ("changes", "failure", "known", "name", "outcome", "redated", "registration", "values")

    def __init__(self, known=None, registration=None, name=None):
        # The permit as it is stored; none where there is no such permit yet.
        self.known = known
        self.registration = registration or (known and known["registration_id"]) or None
        # For the line of a failure; with neither permit nor registration, what tells it from others.
        self.name = name or (known and known["permit_number"]) or self.registration
        self.name = self.name or (known and f"#{known['id']}")
        self.values, self.changes = {}, {}
        self.outcome = self.failure = self.redated = None

    def fail(self, reason, detail):
        self.outcome, self.failure = "failed", (reason, (detail or "")[:DETAIL_LENGTH])

    @property
    def is_refused(self):
        return bool(self.failure) and self.failure[0] == "rejected_by_odoo"

    def marked_by(self, run):
        """What this run has marked the permit with before."""
        return self.known and self.known["expiry_run_id"] == run.id and self.known["expiry_check_state"]


class Recorder:
    """Writes for `run`, which is locked by the caller and has all rights."""

    def __init__(self, run):
        self.run, self.env, self.now = run, run.env, run._now()
        self.tz = run.connector_id.tz
        self.permits = self.env["sicantik.permit"].sudo().with_context(**QUIET)
        # Of the predecessor: a type of the same name that is there is filled in.
        link = self.permits._fields.get("permit_type_id")
        self.types = link.comodel_name if link and link.store and link.type == "many2one" else None

    def is_next(self, batch):
        """Whether `batch` is to be written; one that was written before is not."""
        if batch > self.run.last_batch + 1:
            raise ValidationError(
                self.env._(
                    "Batch %(batch)d came where batch %(next)d was expected.",
                    batch=batch,
                    next=self.run.last_batch + 1,
                )
            )
        return batch > self.run.last_batch

    # The three kinds of batches

    def record_outcomes(self, outcomes):
        """Write answers by permit id. Answers about a number or registration that the permit had when it
        was read, and has no longer, are left aside: it stays due."""
        known = {
            permit["id"]: permit
            for permit in self._stored(SQL("connector_id = %s AND id = ANY(%s)", self.run.connector_id.id, list(outcomes)))
        }
        entries, dated, stale = [], [], 0
        for permit_id, said in outcomes.items():
            permit = known.get(permit_id)
            if not permit:
                entry = Entry(name=f"#{permit_id}")
                entry.fail("rejected_by_odoo", self.env._("The permit is not among those of the connector."))
            elif any(text.strip() != (permit[name] or "").strip() for name, text in said["asked"].items()):
                stale += 1
                continue
            else:
                entry = Entry(permit)
                if said["outcome"] == "failed":
                    entry.fail(said["reason"], said["detail"])
                self._answer(entry, said["outcome"], said.get("expiry_date"))
                entry.values.update(entry.changes)
            entries.append(entry)
            if said["outcome"] == "found":
                dated.append(entry)
        lines = self._lines(entries)
        self._write(entries)
        self._count(entries, lines)
        return {"rejected": sum(entry.is_refused for entry in dated), "stale": stale}

    def record_rows(self, rows, failures, nameless, again):
        """Write one page of the listing: what is new is created, what differs is written."""
        known = self._known(rows)
        types = self._types_of(rows)
        days = self.run.refresh_older_than
        old_before = self.run._beginning() - timedelta(days=days) if days else None
        entries = []
        for registration, row in rows.items():
            entry = Entry(known.get(registration), registration, row.get("permit_number"))
            self._compare(entry, row, types)
            if registration in failures:
                entry.fail("unreadable", failures[registration])
                entry.values = self._marks("failed")
            elif "expiry_date" in row:
                self._compare_date(entry, row["expiry_date"], old_before)
            if entry.changes:
                entry.values = {"listing_run_id": self.run.id, **entry.changes, **entry.values}
            if entry.values:
                entry.values["last_sync_date"] = self.now
            entries.append(entry)
        unnamed = [Entry(name=name) for name in nameless]
        for entry in unnamed:
            entry.fail("unreadable", self.env._("The listing names no registration for it."))
        lines = self._lines([*entries, *unnamed])
        counted = self._counted_as_unchanged(entries, lines, again)
        self._write(entries)
        counts = self._page_counts(entries, counted)
        values = {
            "listing_answered": self.run.listing_answered + self._count([*entries, *unnamed], lines),
            **{f"{name}_count": self.run[f"{name}_count"] + counts[name] for name in ("created", "updated")},
            "unchanged_count": self.run.unchanged_count + counts["unchanged"] - counts["recounted"],
        }
        self.run.write(values)
        return counts

    def check(self):
        """Mark the permits as expired whose last day has passed at the office."""
        today = plan.local_day(self.now, self.tz)
        found = self._stored(
            SQL(
                "connector_id = %s AND status = 'active' AND expiry_date < %s ORDER BY id",
                self.run.connector_id.id,
                today,
            )
        )
        entries = [Entry(permit) for permit in found]
        for entry in entries:
            entry.values = {"status": "expired"}
        lines = self._lines(entries)
        self._write(entries)
        self._count(entries, lines)
        refused = sum(entry.is_refused for entry in entries)
        self.run.expired_count += len(entries) - refused
        return {"expired": len(entries) - refused, "refused": refused}

    def mark_listed(self, ids, listed):
        """Returns how many permits were not marked so already."""
        if not ids:
            return 0
        found = self._stored(
            SQL(
                "connector_id = %s AND id = ANY(%s) AND listed IS DISTINCT FROM %s",
                self.run.connector_id.id,
                ids,
                listed,
            )
        )
        entries = [Entry(permit) for permit in found]
        for entry in entries:
            entry.values = {"listed": listed}
        self._write(entries)
        return sum(not entry.is_refused for entry in entries)

    # What is stored

    def _stored(self, condition):
        self.permits.flush_model()
        columns = [*COLUMNS, "permit_type_id"] if self.types else COLUMNS
        names = SQL(", ").join(SQL.identifier(name) for name in columns)
        self.env.cr.execute(SQL("SELECT %s FROM sicantik_permit WHERE %s", names, condition))
        return self.env.cr.dictfetchall()

    def _known(self, rows):
        """The permits of the rows, by registration."""
        found = self._stored(
            SQL(
                "(connector_id = %s OR connector_id IS NULL) AND registration_id = ANY(%s)"
                " ORDER BY connector_id IS NOT NULL, id DESC",
                self.run.connector_id.id,
                list(rows),
            )
        )
        known = {}
        for permit in found:
            row = rows[permit["registration_id"]]
            # Of no connector yet: the same registration with the same number is the same permit.
            if permit["connector_id"] or permit["permit_number"] == row.get("permit_number"):
                known[permit["registration_id"]] = permit
        return {**known, **self._adoptable(rows, known)}

    def _adoptable(self, rows, known):
        """Permits without a registration whose number stands for one single row and one single permit.

        Permits written by hand, or by another module, know their number only, perhaps without the
        spaces at its ends that SICANTIK has.
        """
        wanted = single_numbers(rows, known)
        if not wanted:
            return {}
        connector_id = self.run.connector_id.id
        adopted = self._stored(
            SQL(
                "connector_id = %s AND COALESCE(registration_id, '') = '' AND btrim(permit_number) = ANY(%s)",
                connector_id,
                list(wanted),
            )
        )
        if not adopted:
            return {}
        by_permit = {permit["id"]: permit["permit_number"].strip(" ") for permit in adopted}
        self.env.cr.execute(
            """
            SELECT btrim(permit_number) FROM sicantik_permit
             WHERE connector_id = %s AND btrim(permit_number) = ANY(%s)
             GROUP BY 1 HAVING count(*) > 1
            """,
            [connector_id, list(by_permit.values())],
        )
        often = {number for (number,) in self.env.cr.fetchall()}
        return {
            wanted[by_permit[permit["id"]]]: permit
            for permit in adopted
            if by_permit[permit["id"]] not in often
        }

    def _types_of(self, rows):
        """The ids of the permit types of these rows, by name, where the base has types."""
        names = {row["permit_type_name"] for row in rows.values() if "permit_type_name" in row}
        if not self.types or not names:
            return {}
        found = self.env[self.types].sudo().search([("name", "in", list(names))], order="id desc")
        return {one.name: one.id for one in found}

    # What it means

    def _marks(self, outcome):
        return {"expiry_check_state": outcome, "expiry_checked_at": self.now, "expiry_run_id": self.run.id}

    def _answer(self, entry, outcome, expiry=None, rest=None):
        """What an answer changes on the permit and marks it with."""
        known = entry.known or {}
        entry.outcome, entry.values = outcome, self._marks(outcome)
        if outcome == "found":
            entry.values |= {"last_sync_date": self.now, "expiry_check_count": 0, "expiry_next_check_at": False}
            if expiry != known.get("expiry_date"):
                entry.changes["expiry_date"] = expiry
                if known.get("expiry_date"):
                    entry.redated = (known["expiry_date"], expiry)
                if known.get("status") == "expired" and expiry >= plan.local_day(self.now, self.tz):
                    # It was renewed; nobody would be warned of its end otherwise. Only with the
                    # date: the next check of expiring permits would take it back.
                    entry.changes["status"] = "active"
        elif outcome != "failed":
            count = ((known if rest is None else rest).get("expiry_check_count") or 0) + 1
            entry.values |= {
                "expiry_check_count": count,
                "expiry_next_check_at": plan.rest_until(self.now, count, self.tz),
            }

    def _compare(self, entry, row, types):
        known = entry.known
        if known is None:
            entry.changes = {
                **row,
                "connector_id": self.run.connector_id.id,
                "status": "active",
                "listed": True,
            }
            entry.changes.pop("expiry_date", None)
        else:
            entry.changes = differences(row, known)
            if not known["connector_id"]:
                entry.changes["connector_id"] = self.run.connector_id.id
        type_id = types.get(row.get("permit_type_name"))
        if type_id and type_id != (known or {}).get("permit_type_id"):
            entry.changes["permit_type_id"] = type_id

    def _compare_date(self, entry, expiry, old_before):
        known = entry.known or {}
        outcome = date_outcome(expiry, known, entry.changes, self.run._beginning(), old_before)
        if outcome == "no_date" and self.run.kind == "all" and self.run.include_not_due:
            # Whoever wants all of them asked will have them asked one by one.
            return
        if outcome:
            self._answer(entry, outcome, expiry, rest_of(known, entry.changes))

    # Writing

    def _write(self, entries):
        """Write all at once or, where Odoo refuses something, in halves, down to what it refuses."""
        entries = [entry for entry in entries if entry.values]
        if not entries:
            return
        try:
            with self.env.cr.savepoint():
                self._write_together(entries)
        except Exception as error:
            if must_be_repeated(error):
                raise
            if len(entries) == 1:
                self._refuse(entries[0], error)
                return
            _logger.info("Odoo refused %d permits of run %d together: %s", len(entries), self.run.id, error)
            middle = len(entries) // 2
            self._write(entries[:middle])
            self._write(entries[middle:])

    def _write_together(self, entries):
        """As few writes as there are different values, and one creation."""
        groups = {}
        for entry in entries:
            if entry.known:
                groups.setdefault(tuple(entry.values.items()), []).append(entry.known["id"])
        for values, ids in groups.items():
            self.permits.browse(ids).write(dict(values))
        new = [entry.values for entry in entries if not entry.known]
        if new:
            self.permits.create(new)
        self._note_changes({entry.known["id"]: entry.redated for entry in entries if entry.redated})

    def _refuse(self, entry, error):
        name = f"permit {entry.known['id']}" if entry.known else f"registration {entry.registration}"
        _logger.warning("Odoo refused what SICANTIK says of %s: %s", name, error)
        was_answer = bool(entry.outcome)
        entry.fail("rejected_by_odoo", self._error_text(error))
        entry.redated = None
        if not entry.known or not was_answer:
            return
        # Said on the permit itself, if it can be written at all.
        try:
            with self.env.cr.savepoint():
                self.permits.browse(entry.known["id"]).write(self._marks("failed"))
        except Exception as trouble:
            if must_be_repeated(trouble):
                raise
            _logger.info("Permit %d cannot be marked either: %s", entry.known["id"], trouble)

    def _error_text(self, error):
        if isinstance(error, psycopg2.errors.NotNullViolation):
            field = self.permits._fields.get(error.diag.column_name)
            if field:
                return self.env._("The listing does not say “%s”, which is required here.", field.string)
        if isinstance(error, psycopg2.Error):
            return error.diag.message_primary or error.__class__.__name__
        return str(error) or error.__class__.__name__

    def _note_changes(self, changes):
        """Keep an old date that has been replaced in the permit's history."""
        if not changes:
            return
        reader = self.run._reader_env()
        run_name = self.run.with_env(reader).display_name
        self.permits.browse(list(changes))._message_log_batch(
            bodies={
                permit_id: reader._(
                    "SICANTIK changed the expiry date: %(old)s → %(new)s (%(run)s).",
                    old=fields.Date.to_string(old),
                    new=fields.Date.to_string(new),
                    run=run_name,
                )
                for permit_id, (old, new) in changes.items()
            }
        )

    # Counting

    def _lines(self, entries):
        """The lines of this run about these entries, each with its entry."""
        lines = self.env["sicantik.sync.run.line"].sudo()
        if not self.run.failed_count:
            return []
        by_permit = {entry.known["id"]: entry for entry in entries if entry.known}
        by_registration = {entry.registration: entry for entry in entries if entry.registration}
        by_name = {entry.name: entry for entry in entries if not entry.known and not entry.registration}
        found = lines.search(
            [
                ("run_id", "=", self.run.id),
                "|",
                ("permit_id", "in", [*by_permit, False]),
                ("registration_id", "in", list(by_registration)),
            ]
        )
        pairs = []
        for line in found:
            entry = by_permit.get(line.permit_id.id) or by_registration.get(line.registration_id)
            if not entry and not line.permit_id and not line.registration_id:
                entry = by_name.get(line.permit_name)
            if entry:
                pairs.append((line, entry))
        return pairs

    def _count(self, entries, lines):
        """Bring the run's counters and lines up to date.

        A permit can come twice in a run, and the counters are about permits: what this run counted for
        it before is taken back. One that Odoo refuses to write does not know of the run; its line does.
        Returns how many permits have an answer now that had none before.
        """
        before = {id(entry): mark for entry in entries if entry.outcome and (mark := entry.marked_by(self.run))}
        over = self.env["sicantik.sync.run.line"].sudo()
        for line, entry in lines:
            if entry.outcome or not entry.marked_by(self.run):
                before[id(entry)] = "failed"
                over += line
        over.unlink()
        over.create(
            [
                {
                    "run_id": self.run.id,
                    "permit_id": entry.known["id"] if entry.known else False,
                    "permit_name": entry.name,
                    "registration_id": entry.registration,
                    "reason": entry.failure[0],
                    "detail": entry.failure[1],
                }
                for entry in entries
                if entry.outcome == "failed"
            ]
        )
        answers = [entry.outcome for entry in entries if entry.outcome]
        values = {
            f"{outcome}_count": self.run[f"{outcome}_count"]
            + answers.count(outcome)
            - list(before.values()).count(outcome)
            for outcome in OUTCOMES
        }
        redated = sum(bool(entry.redated) for entry in entries)
        self.run.write({**values, "changed_count": self.run.changed_count + redated})
        return len(answers) - len(before)

    def _counted_as_unchanged(self, entries, lines, again):
        """The entries of rows that are sent `again`, and that this run has counted as unchanged.

        An unchanged permit is not written, so it cannot say so itself. One that was created or changed
        knows the run; one that was refused has a line.
        """
        refused = {id(entry) for line, entry in lines if line.reason == "rejected_by_odoo"}
        return {
            id(entry)
            for entry in entries
            if entry.registration in again
            and entry.known
            and entry.known["listing_run_id"] != self.run.id
            and id(entry) not in refused
        }

    def _page_counts(self, entries, counted):
        """What this page adds; `counted` are those that an earlier page has counted as unchanged."""
        counts = dict.fromkeys(COUNTS, 0)
        for entry in entries:
            recounted = id(entry) in counted
            if entry.is_refused:
                counts["rejected"] += 1
                counts["recounted"] += recounted
                continue
            counts["dated"] += entry.outcome == "found"
            if not entry.known:
                counts["created"] += 1
            elif entry.known["listing_run_id"] != self.run.id and entry.changes:
                counts["updated"] += 1
                counts["recounted"] += recounted
            elif entry.known["listing_run_id"] != self.run.id:
                counts["unchanged"] += not recounted
        return counts
