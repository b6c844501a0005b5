"""Work that programs outside of Odoo take from a table, one at a time, hold by a lease, and give back.

A model with this mixin is a queue: its records wait until a worker claims one, and who falls silent for
longer than its lease loses it to the next. Odoo works in REPEATABLE READ and repeats a call that lost a
conflict: so what must not happen twice is left to a conflict on a row or on a unique index.

A queue says `_claim_condition(now)`, when a record called `work` may be taken beside its state (SQL);
`_before_claim(by_name)`, whether a candidate is to be taken, or else has been ended there; `_payload()`, all
that a worker has to know, as JSON values; `_end(state, message, by_worker=True)`, the only way out of the
open states; `_reader_env()`, whose language messages have; `_values_in_queue`, what only work changes, beside
the lease; and the groups of this addon that may work (`_worker_groups`), and start and stop (`_starter_groups`).
"""

from datetime import timedelta

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..ledger import ending, validate

OPEN = [("queued", "Waiting"), ("running", "Running")]
ENDED = [("done", "Done"), ("failed", "Failed"), ("cancelled", "Cancelled")]
STATES, OPEN_STATES, ENDED_STATES = OPEN + ENDED, tuple(dict(OPEN)), tuple(dict(ENDED))
# What a worker that reports is answered; `stop` is the third.
GO, LOST = {"answer": "go"}, {"answer": "lost"}
# After this many dead workers, the work itself is probably at fault.
MAX_ATTEMPTS = 5


class SicantikLeaseMixin(models.AbstractModel):
    _name = "sicantik.lease.mixin"
    _description = "SICANTIK Leased Work"

    state = fields.Selection(STATES, required=True, default="queued", index=True)
    message = fields.Text(help="How it ended, or what it waits for.")
    started_at = fields.Datetime("Started")
    finished_at = fields.Datetime("Finished")
    cancel_requested = fields.Boolean("Stop Requested")
    attempt = fields.Integer(help="How often a sidecar began to work on it.")
    worker = fields.Char(help="The program that works on it: host, process and a random part.")
    lease_seconds = fields.Integer(default=validate.DEFAULT_LEASE_SECONDS)
    lease_until = fields.Datetime("Held Until", help="When another sidecar may take over.")
    # The duration without the time in which nobody worked on it.
    worked_seconds = fields.Float("Time of Work (seconds)", digits=(12, 1))

    def _label(self, name):
        return dict(self._fields[name]._description_selection(self.env)).get(self[name], self[name])

    def _is_in(self, *groups):
        return self.env.su or any(self.env.user.has_group(f"sicantik_sidecar.group_{one}") for one in groups)

    def _check_is_in(self, *groups):
        if not self._is_in(*groups):
            raise AccessError(self.env._("You are not allowed to do this with “%s”.", self._title()))

    def _title(self):
        return self.env["ir.model"]._get(self._name).name

    def _check_may_start(self):
        self._check_is_in(*self._starter_groups)

    def _claim(self, worker, lease_seconds, record_id=0, left_alone=()):
        """Take the oldest that waits, or whose worker fell silent; `False` if there is none."""
        tried = [0, *left_alone]
        # A candidate that somebody else was quicker to take, or that ends here, makes way for the next.
        while found := self.sudo()._next_claimable(record_id, tried):
            tried.append(found.id)
            if not found._before_claim(by_name=bool(record_id)):
                continue
            if found.attempt >= MAX_ATTEMPTS:
                message = found._reader_env()._(
                    "It was given up after %d attempts: each time, the sidecar that worked "
                    "on it ended without finishing.",
                    found.attempt,
                )
                found._end("failed", message, by_worker=False)
            elif found._take(worker, lease_seconds):
                return found._payload()
        return False

    def _next_claimable(self, record_id, tried):
        self.flush_model()
        now = self._now()
        query = SQL(
            """
            SELECT work.id FROM %(table)s work
             WHERE (work.state = 'queued' OR (work.state = 'running' AND work.lease_until < %(now)s))
               AND (%(id)s = 0 OR work.id = %(id)s)
               AND work.id != ALL(%(tried)s)
               AND %(condition)s
             ORDER BY work.state = 'running' DESC, work.id
             LIMIT 1
               FOR NO KEY UPDATE OF work SKIP LOCKED
            """,
            table=SQL.identifier(self._table),
            now=now,
            id=record_id,
            tried=tried,
            condition=self._claim_condition(now),
        )
        return self._browse_locked(query)

    def _browse_locked(self, query):
        # To lose a race is no error, and none for the log.
        self.env.cr.execute(query, log_exceptions=False)
        return self.sudo().browse([row[0] for row in self.env.cr.fetchall()])

    def _take(self, worker, lease_seconds, **values):
        """Make `worker` the holder. False where a unique index says that it may not be."""
        validate.worker(self.env, worker)
        self.flush_model()
        now = self._now()
        values |= {"state": "running", "worker": worker, "attempt": self.attempt + 1, "message": None}
        values |= {"lease_seconds": lease_seconds, "lease_until": now + timedelta(seconds=lease_seconds)}
        values["started_at"] = self.started_at or now
        changes = [SQL("%s = %s", SQL.identifier(name), value) for name, value in values.items()]
        table, changes = SQL.identifier(self._table), SQL(", ").join(changes)
        query = SQL("UPDATE %s SET %s WHERE id = %s", table, changes, self.id)
        try:
            with self.env.cr.savepoint(flush=False):
                self.env.cr.execute(query, log_exceptions=False)
        except psycopg2.errors.UniqueViolation:
            return False
        finally:
            self.invalidate_model()
        return True

    def _now(self):
        """The database's clock, which all Odoo servers share, in UTC and whole seconds."""
        self.env.cr.execute("SELECT timezone('UTC', clock_timestamp())")
        return self.env.cr.fetchone()[0].replace(microsecond=0)

    def _lock(self, record_id):
        """The record, locked until the end of the transaction; empty if there is none."""
        record_id = validate.whole_number(self.env, record_id, "id", lowest=1)
        table = SQL.identifier(self._table)
        # Not FOR UPDATE, which would also hold up whoever only refers to it.
        return self._browse_locked(SQL("SELECT id FROM %s WHERE id = %s FOR NO KEY UPDATE", table, record_id))

    def _held(self, record_id, worker):
        # Not even managers: they must not be able to forge answers.
        self._check_is_in(*self._worker_groups)
        found = self._lock(record_id)
        return found if found and found._is_held_by(worker) else found.browse()

    def _is_held_by(self, worker):
        return bool(worker) and self.state == "running" and self.worker == worker

    def _lease_is_over(self, seconds=0):
        """Whether its worker has lost its right to it, since more than `seconds`."""
        return not self.lease_until or self.lease_until < self._now() - timedelta(seconds=seconds)

    def _go_on(self, values, **answer):
        """Store what a report brought, renew the lease, and answer the worker."""
        until = self._now() + timedelta(seconds=self.lease_seconds)
        self.write({**values, "lease_until": until, "worked_seconds": self._worked()})
        self.env.flush_all()
        return {"answer": "stop" if self.cancel_requested else "go", **answer}

    def _worked(self):
        """How long it has been worked on (seconds), if its worker says something just now."""
        # A gap longer than the lease does not count as work: worker, machine or Odoo was suspended.
        if not self.lease_until:
            return self.worked_seconds
        silent = (self._now() - self.lease_until).total_seconds() + self.lease_seconds
        return self.worked_seconds + max(0.0, min(silent, self.lease_seconds))

    def _release(self, record_id, worker):
        if not (found := self._held(record_id, worker)):
            return LOST
        if found.cancel_requested:
            found._end("cancelled", ending.sentence(found._reader_env(), "cancelled"))
        else:
            lease = {"worker": False, "lease_until": False, "worked_seconds": found._worked()}
            values = {"state": "queued", "attempt": found.attempt - 1, **lease}
            found.write({**values, **self._values_in_queue})
        return GO

    def _cancel(self, record_id):
        self._check_may_start()
        if not (found := self._lock(record_id)):
            missing = {"what": self._title(), "id": record_id}
            raise UserError(self.env._("There is no “%(what)s” with the id %(id)s.", **missing))
        if found.state in OPEN_STATES and found._lease_is_over():
            stopped = found._reader_env()._("Stopped by %s.", self.env.user.name)
            found._end("cancelled", stopped, by_worker=False)
        elif found.state == "running":
            found.cancel_requested = True
            # Its worker asks when it reports next; this lets it report now.
            self.env["sicantik.sidecar"]._wake_after_commit()
        return {"state": found.state}

    @api.ondelete(at_uninstall=False)
    def _unlink_unless_open(self):
        if any(found.state in OPEN_STATES for found in self):
            raise UserError(self.env._("“%s” that waits or runs cannot be deleted. Stop it first.", self._title()))
