"""Writing the listing's rows: what is new is created, what differs is written, the rest is left alone.

A page holds hundreds of rows and mostly nothing new. So the permits are looked up by one statement,
compared as plain values, and handed to the ORM only where there is something to write. What came of
it is added up in `sicantik_sync_run_rows_count`.
"""

import logging
from datetime import date, timedelta

import psycopg2

from odoo import api, models
from odoo.exceptions import ValidationError

from .sicantik_permit import IDENTITY, REST
from .sicantik_sync_run_record import DETAIL_LENGTH

_logger = logging.getLogger(__name__)

# Before the name of a row without a registration: no registration begins so.
NAMELESS = "\0"
TEXTS = ("permit_number", "applicant_name", "permit_type_name")
# Nothing is told to followers, tracked or logged for rows: what matters is noted in `_note_changes`.
QUIET = {
    "tracking_disable": True,
    "mail_notrack": True,
    "mail_create_nolog": True,
    "mail_create_nosubscribe": True,
}


class Entry:
    """What one row means for one permit."""

    __slots__ = ("changes", "date_before", "known", "marks", "outcome", "row", "rest")

    def __init__(self, row, known):
        self.row, self.known = row, known
        self.changes, self.marks, self.rest = {}, {}, 0
        self.outcome = self.date_before = None


# One part of the model; `sicantik_sync_run_record` says why.
# pylint: disable=consider-merging-classes-inherited
class SicantikSyncRun(models.Model):
    _inherit = "sicantik.sync.run"

    # Reading the page

    @api.model
    def _check_rows(self, rows):
        """The rows by registration, proved to be well-formed; what is wrong with some of them; and which
        registrations were sent `again`, after a row in an earlier batch of the same attempt.

        A registration that comes more than once counts once; its dates have to agree, also with the
        `other_expiry_date` that the listing gave it in another row, sent before or not at all. A row
        without the field, as those read before SICANTIK was upgraded, says nothing about the date.
        """
        if not isinstance(rows or [], list):
            raise ValidationError(self.env._("“rows” must be a list."))
        checked, failures, again = {}, {}, set()
        for row in rows or []:
            row = self._check_row(row)
            registration = row["registration_id"]
            if row.pop("again") and registration not in checked:
                again.add(registration)
            if not registration:
                name = row.get("permit_number") or row.get("applicant_name") or "?"
                failures[NAMELESS + name] = self.env._("The listing names no registration for it.")
                continue
            first = checked.get(registration, row)
            dates = [one["expiry_date"] for one in (first, row) if "expiry_date" in one]
            if "other_expiry_date" in row:
                dates.append(row.pop("other_expiry_date"))
            dates = list(dict.fromkeys(dates))
            # Rows are sent in the order in which they were read: what the later one says is newer.
            checked[registration] = {**first, **row}
            if len(dates) > 1:
                failures.setdefault(
                    registration,
                    self.env._(
                        "The listing has this registration more than once, with different dates: "
                        "%(one)s and %(two)s.",
                        one=dates[0] or "–",
                        two=dates[1] or "–",
                    ),
                )
        return checked, failures, again

    @api.model
    def _check_row(self, row):
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
            raise ValidationError(self.env._("This is not a row of the listing: %s", row)) from error
        return clean

    # Comparing

    def _record_rows(self, rows, failures, again):
        """Write `rows` (by registration) of this run, which is locked by the caller."""
        self.ensure_one()
        now = self._now()
        known = self._known_permits(list(rows))
        known.update(self._adoptable_permits(rows, known))
        days = self.refresh_older_than
        stale = self._beginning() - timedelta(days=days) if days else None
        today = self._today(now)
        entries, unchanged = [], set()
        for registration, row in rows.items():
            permit = known.get(registration)
            entry = Entry(row, permit)
            self._compare(entry)
            if registration in failures:
                entry.outcome, entry.marks = "failed", self._failed_values(now)
            elif "expiry_date" in row:
                self._compare_date(entry, now, stale, today)
            if permit and not entry.changes and permit["listing_run_id"] != self.id:
                unchanged.add(registration)
            if entry.changes or entry.marks:
                entries.append(entry)
        refused = self._write_or_refuse_rows(entries, now)
        return self._count_rows(known, entries, unchanged, failures, refused, again)

    def _known_permits(self, registrations):
        """The permits of the connector with these registrations, as they are stored."""
        return {
            permit["registration_id"]: permit
            for permit in self._stored_permits("registration_id = ANY(%s)", registrations)
        }

    def _adoptable_permits(self, rows, known):
        """Permits without a registration whose number stands for one single row and one single permit.

        Permits written by hand, or by another module, know their number only, perhaps without the
        spaces at its ends that SICANTIK has.
        """
        by_number = {}
        for registration, row in rows.items():
            if number := (row.get("permit_number") or "").strip(" "):
                by_number.setdefault(number, []).append(registration)
        wanted = {
            number: found[0]
            for number, found in by_number.items()
            if len(found) == 1 and found[0] not in known
        }
        if not wanted:
            return {}
        adopted = self._stored_permits(
            "registration_id IS NULL AND btrim(permit_number) = ANY(%s)", list(wanted)
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
            [self.connector_id.id, list(by_permit.values())],
        )
        often = {number for (number,) in self.env.cr.fetchall()}
        return {
            wanted[by_permit[permit["id"]]]: permit
            for permit in adopted
            if by_permit[permit["id"]] not in often
        }

    def _stored_permits(self, condition, values):
        self.env["sicantik.permit"].flush_model()
        self.env.cr.execute(
            # `condition` is one of the two texts above.
            # pylint: disable=sql-injection
            """
            SELECT id, registration_id, permit_number, applicant_name, permit_type_name,
                   received_date, expiry_date, status, listed, expiry_check_state,
                   expiry_checked_at, expiry_next_check_at, expiry_check_count,
                   expiry_run_id, listing_run_id
              FROM sicantik_permit
             WHERE connector_id = %s AND """
            + condition,
            [self.connector_id.id, values],
        )
        return self.env.cr.dictfetchall()

    def _compare(self, entry):
        """What the row says otherwise than Odoo. What it does not say is kept."""
        row, known = entry.row, entry.known
        if known is None:
            entry.changes = {
                **row,
                "connector_id": self.connector_id.id,
                "status": "active",
                "listed": True,
            }
            entry.changes.pop("expiry_date", None)
            return
        changes = {
            name: value
            for name, value in row.items()
            if value != known[name] and value and name != "expiry_date"
        }
        if not known["listed"]:
            changes["listed"] = True
        entry.changes = changes

    def _compare_date(self, entry, now, stale, today):
        """The row's date, by the rules of `_write_permits`; written only where it says something new."""
        known, expiry = entry.known or {}, entry.row["expiry_date"]
        before = known.get("expiry_date")
        state = known.get("expiry_check_state")
        if expiry:
            checked = known.get("expiry_checked_at")
            old = stale and (not checked or checked < stale)
            if expiry == before and state == "found" and not old:
                return
            entry.outcome = "found"
            if expiry != before:
                entry.changes["expiry_date"] = expiry
                entry.date_before = before
                if known.get("status") == "expired" and expiry >= today:
                    # It was renewed; nobody would be warned of its end otherwise. Only with the
                    # date: the next check of expiring permits would take it back.
                    entry.changes["status"] = "active"
            entry.marks = {
                **self._checked_values("found", now),
                "expiry_check_count": 0,
                "expiry_next_check_at": False,
            }
            return
        if self.kind == "all" and self.include_not_due:
            # Whoever wants all of them asked will have them asked one by one.
            return
        # With another number or registration it is another question, with no answers before this one.
        rest = REST if any(name in entry.changes for name in IDENTITY) else known
        due = rest.get("expiry_next_check_at")
        if state and due and due > self._beginning():
            return
        entry.outcome = "no_date"
        entry.rest = (rest.get("expiry_check_count") or 0) + 1
        entry.marks = {
            **self._checked_values("no_date", now),
            "expiry_check_count": entry.rest,
            "expiry_next_check_at": self._rest_until(now, entry.rest),
        }

    def _rest_until(self, now, count):
        return self.env["sicantik.permit"]._next_check_at(self.connector_id, now, count)

    # Writing

    def _write_or_refuse_rows(self, entries, now):
        """Write all at once or, where Odoo refuses one of them, one by one.

        Returns why rows were refused, by registration.
        """
        if not entries:
            return {}
        try:
            with self.env.cr.savepoint():
                self._write_rows(entries, now)
                return {}
        except psycopg2.OperationalError:
            # A conflict with another transaction: Odoo repeats the whole call.
            raise
        except Exception as error:
            _logger.info("A page of run %d was refused, writing rows singly: %s", self.id, error)
        refused = {}
        permits = self._quiet_permits()
        for entry in entries:
            try:
                with self.env.cr.savepoint():
                    self._write_rows([entry], now)
            except psycopg2.OperationalError:
                raise
            except Exception as error:
                registration = entry.row["registration_id"]
                _logger.warning("Odoo refused the row of registration %s: %s", registration, error)
                refused[registration] = self._error_text(error)[:DETAIL_LENGTH]
                if entry.known and entry.outcome:
                    self._mark_refused(permits.browse(entry.known["id"]), now)
        return refused

    def _quiet_permits(self):
        return self.env["sicantik.permit"].sudo().with_context(**QUIET)

    def _write_rows(self, entries, now):
        """As few writes as there are different values, and one creation."""
        permits = self._quiet_permits()
        new, marks, changes, dates = [], {}, {}, {}
        for entry in entries:
            own = {"listing_run_id": self.id, **entry.changes} if entry.changes else {}
            if not entry.known:
                new.append({**own, **entry.marks, "last_sync_date": now})
                continue
            permit_id = entry.known["id"]
            marks.setdefault((entry.outcome, entry.rest), (entry.marks, []))[1].append(permit_id)
            if own:
                changes.setdefault(tuple(own.items()), []).append(permit_id)
            if entry.date_before:
                dates[permit_id] = (entry.date_before, entry.changes["expiry_date"])
        # First the changes: another number ends a permit's rest, and the marks may begin a new one.
        for values, ids in changes.items():
            permits.browse(ids).write(dict(values))
        for values, ids in marks.values():
            permits.browse(ids).write({**values, "last_sync_date": now})
        permits.create(new)
        self._note_changes(permits, dates)
