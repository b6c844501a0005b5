"""Work that programs outside of Odoo take from a table, one at a time, hold by a lease, and give back.

A model with this mixin is a queue: its records wait until a worker claims one, and who falls silent for longer
than its lease loses it to the next. Odoo works in REPEATABLE READ and repeats a call that lost a
conflict: so each method may run several times, and what must not happen twice is left to a conflict on
a row or on a unique index.
"""

from datetime import timedelta

import psycopg2

from odoo import api, fields, models
from odoo.tools import SQL

from ..ledger import validate

OPEN_STATES = ("queued", "running")
ENDED_STATES = ("done", "failed", "cancelled")
# After so many workers that died over it, the work itself is the suspect.
MAX_ATTEMPTS = 5


class SicantikLeaseMixin(models.AbstractModel):
    _name = "sicantik.lease.mixin"
    _description = "SICANTIK Leased Work"

    state = fields.Selection(
        [
            ("queued", "Waiting"),
            ("running", "Running"),
            ("done", "Done"),
            ("failed", "Failed"),
            ("cancelled", "Cancelled"),
        ],
        required=True,
        default="queued",
        index=True,
    )
    message = fields.Text(help="How it ended, or what it waits for.")
    started_at = fields.Datetime("Started")
    finished_at = fields.Datetime("Finished")
    cancel_requested = fields.Boolean("Stop Requested")
    attempt = fields.Integer(help="How often a sidecar began to work on it.")
    worker = fields.Char(help="The program that works on it: host, process and a random part.")
    lease_seconds = fields.Integer(default=30)
    lease_until = fields.Datetime(
        "Held Until", help="When another sidecar may take over unless this one reports before."
    )
    worked_seconds = fields.Float(
        "Time of Work (seconds)",
        digits=(12, 1),
        help="The duration without the time in which nobody worked on it.",
    )

    @api.model
    def _now(self):
        """The database's clock, which all Odoo servers share, in UTC and whole seconds."""
        self.env.cr.execute("SELECT timezone('UTC', clock_timestamp())")
        return self.env.cr.fetchone()[0].replace(microsecond=0)

    # What a queue says about itself

    def _claim_condition(self, now):
        """When a record called `work` may be taken, beside its state: SQL."""
        return SQL("TRUE")

    def _before_claim(self, by_name):
        """Whether a candidate is to be taken; otherwise it may have been ended here."""
        return True

    def _take_values(self, now):
        """The columns that change with the worker, beside those of the lease."""
        return {}

    def _payload(self):
        """All that a worker has to know, as plain JSON values."""
        raise NotImplementedError

    def _end(self, state, message, by_worker=True):
        """Close it: the only way out of the open states."""
        raise NotImplementedError

    # Taking

    @api.model
    def _claim(self, worker, lease_seconds, record_id=0, left_alone=()):
        """Take the oldest that waits, or whose worker fell silent; `False` if there is none."""
        validate.worker(self.env, worker)
        tried = [0, *left_alone]
        # A candidate that somebody else was quicker to take, or that ends here, makes way for the next.
        while found := self.sudo()._next_claimable(record_id, tried):
            tried.append(found.id)
            if not found._before_claim(bool(record_id)):
                continue
            if found.attempt >= MAX_ATTEMPTS:
                found._give_up()
            elif found._take(worker, lease_seconds):
                return found._payload()
        return False

    @api.model
    def _next_claimable(self, record_id, tried):
        self.flush_model()
        now = self._now()
        self.env.cr.execute(
            SQL(
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
            ),
            log_exceptions=False,
        )
        return self.browse([row[0] for row in self.env.cr.fetchall()])

    def _take(self, worker, lease_seconds):
        """Make `worker` the holder. False where a unique index says that it may not be."""
        self.ensure_one()
        validate.worker(self.env, worker)
        self.flush_model()
        now = self._now()
        values = {
            "state": "running",
            "worker": worker,
            "attempt": self.attempt + 1,
            "lease_seconds": lease_seconds,
            "lease_until": now + timedelta(seconds=lease_seconds),
            "started_at": self.started_at or now,
            "message": None,
            **self._take_values(now),
        }
        columns = SQL(", ").join(SQL("%s = %s", SQL.identifier(name), value) for name, value in values.items())
        try:
            with self.env.cr.savepoint(flush=False):
                self.env.cr.execute(
                    SQL("UPDATE %s SET %s WHERE id = %s", SQL.identifier(self._table), columns, self.id),
                    log_exceptions=False,
                )
        except psycopg2.errors.UniqueViolation:
            return False
        finally:
            self.invalidate_model()
        return True

    def _give_up(self):
        self.ensure_one()
        self._end(
            "failed",
            self._reader_env()._(
                "It was given up after %d attempts: each time, the sidecar that worked "
                "on it ended without finishing.",
                self.attempt,
            ),
            by_worker=False,
        )

    # Holding

    @api.model
    def _lock(self, record_id):
        """The record, locked until the end of the transaction; empty if there is none."""
        # Not FOR UPDATE, which would also hold up whoever only refers to it.
        self.env.cr.execute(
            SQL(
                "SELECT id FROM %s WHERE id = %s FOR NO KEY UPDATE",
                SQL.identifier(self._table),
                validate.whole_number(self.env, record_id, "run_id", lowest=1),
            ),
            log_exceptions=False,
        )
        return self.sudo().browse([row[0] for row in self.env.cr.fetchall()])

    @api.model
    def _held(self, record_id, worker):
        """The record, locked, if `worker` holds it; else empty."""
        found = self._lock(record_id)
        return found if found and found._is_held_by(worker) else found.browse()

    def _is_held_by(self, worker):
        self.ensure_one()
        return bool(worker) and self.state == "running" and self.worker == worker

    def _lease_is_over(self, seconds=0):
        """Whether its worker has lost its right to it, since more than `seconds`."""
        self.ensure_one()
        return not self.lease_until or self.lease_until < self._now() - timedelta(seconds=seconds)

    def _renewal(self):
        """The values that each report of the worker brings: its lease, and its time."""
        self.ensure_one()
        return {
            "lease_until": self._now() + timedelta(seconds=self.lease_seconds),
            "worked_seconds": self._worked(),
        }

    def _worked(self):
        """How long it has been worked on (seconds), if its worker says something just now.

        A silence that is longer than the lease was no work: then the worker, its machine or Odoo slept.
        """
        self.ensure_one()
        if not self.lease_until:
            return self.worked_seconds
        silent = (self._now() - self.lease_until).total_seconds() + self.lease_seconds
        return self.worked_seconds + max(0.0, min(silent, self.lease_seconds))

    def _give_back(self):
        """Return it unfinished: no attempt is counted."""
        self.ensure_one()
        self.write(
            {
                "state": "queued",
                "attempt": self.attempt - 1,
                "worker": False,
                "lease_until": False,
                "worked_seconds": self._worked(),
            }
        )

    def _reader_env(self):
        """For messages to keep: in the language of whoever reads them."""
        return self.env
