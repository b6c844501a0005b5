"""How a run changes hands and ends: the steps below the protocol of `sicantik_sync_run_ledger`."""

from datetime import timedelta

import psycopg2
import pytz

from odoo import api, fields, models

from .sicantik_sync_run import OPEN_STATES, OUTCOMES

# A handful of permits says more about the start of the engine than about its speed.
MEASURED_FROM = 50
# Why a worker ends a run before its work is done; `_ending` has the words.
ENDINGS = ("cancelled", "interrupted", "away", "sicantik_stopped", "odoo")


# One part of the model; `sicantik_sync_run_record` says why.
# pylint: disable=consider-merging-classes-inherited
class SicantikSyncRun(models.Model):
    _inherit = "sicantik.sync.run"

    @api.model
    def _now(self):
        """The database's clock, which all Odoo servers share, in UTC and whole seconds."""
        self.env.cr.execute("SELECT timezone('UTC', clock_timestamp())")
        return self.env.cr.fetchone()[0].replace(microsecond=0)

    def _today(self, now):
        """The day that it is then in the connector's time zone."""
        zone = pytz.timezone(self.connector_id.tz or "UTC")
        return pytz.utc.localize(now).astimezone(zone).date()

    def _reader_env(self):
        """For messages to keep: in the language of whoever looks after the connector."""
        self.ensure_one()
        lang = self.connector_id.user_id.lang or self.env.lang
        return self.with_context(lang=lang).env

    def _ending(self, code, detail=None):
        """Why the run ended, in words for who looks after the connector."""
        texts = self._reader_env()
        if detail:
            return {
                "cancelled": texts._("Stopped in Odoo: %s", detail),
                "interrupted": texts._("The sidecar was interrupted: %s", detail),
                "away": texts._("SICANTIK cannot be used now (%s). Nothing was changed.", detail),
                "sicantik_stopped": texts._(
                    "SICANTIK stopped answering (%s); what it had not answered yet is left for the next run.",
                    detail,
                ),
                "odoo": texts._("Odoo could not store the answers: %s", detail),
            }[code]
        return {
            "cancelled": texts._("Stopped in Odoo."),
            "interrupted": texts._("The sidecar was interrupted."),
            "away": texts._("SICANTIK cannot be used now. Nothing was changed."),
            "sicantik_stopped": texts._(
                "SICANTIK stopped answering; what it had not answered yet is left for the next run."
            ),
            "odoo": texts._("Odoo could not store the answers."),
        }[code]

    @api.model
    def _open_run(self, connector, kind, any_running=False):
        """The run that one of `kind` would only repeat.

        A check asks SICANTIK nothing: it neither keeps a run of questions from being queued nor the
        other way round; with `any_running`, whatever is being worked on counts.
        """
        same = ("kind", "=" if kind == "check" else "!=", "check")
        return self.search(
            [
                ("connector_id", "=", connector.id),
                "|",
                *("&", same, ("state", "in", OPEN_STATES)),
                *([("state", "=", "running")] if any_running else [("id", "=", 0)]),
            ],
            order="state desc, id",
            limit=1,
        )

    @api.model
    def _lock(self, run_id):
        """The run, locked until the end of the transaction; empty if there is none."""
        run_id = self._whole_number(run_id, "run_id", lowest=1)
        # Not FOR UPDATE, which would also hold up whoever only refers to the run.
        self.env.cr.execute(
            "SELECT id FROM sicantik_sync_run WHERE id = %s FOR NO KEY UPDATE",
            [run_id],
            log_exceptions=False,
        )
        return self.sudo().browse([row[0] for row in self.env.cr.fetchall()])

    @api.model
    def _next_claimable(self, run_id, tried):
        self.flush_model()
        now = self._now()
        self.env.cr.execute(
            """
            SELECT run.id
              FROM sicantik_sync_run run
              JOIN sicantik_connector connector ON connector.id = run.connector_id
             WHERE (run.state = 'queued' OR (run.state = 'running' AND run.lease_until < %(now)s))
               AND (%(run_id)s = 0 OR run.id = %(run_id)s)
               AND run.id != ALL(%(tried)s)
               AND NOT EXISTS (
                    SELECT FROM sicantik_sync_run busy
                     WHERE busy.state = 'running'
                       AND busy.id != run.id
                       AND (busy.connector_id = run.connector_id
                            OR (busy.host = connector.host AND busy.lease_until >= %(now)s)))
             ORDER BY run.state = 'running' DESC, run.id
             LIMIT 1
               FOR NO KEY UPDATE OF run SKIP LOCKED
            """,
            {"now": now, "run_id": run_id, "tried": tried},
            log_exceptions=False,
        )
        return self.browse([row[0] for row in self.env.cr.fetchall()])

    def _take(self, worker, lease_seconds):
        """Make `worker` the holder. False if the SICANTIK server has just been given to another."""
        self.ensure_one()
        self._check_worker(worker)
        self.flush_model()
        now = self._now()
        # An address taken over from another module need not have one: then nothing is kept for the
        # run, and who works on it says what is wrong with the address.
        host = self.connector_id.host or None
        cr = self.env.cr
        if self._host_is_busy(host, now):
            return False
        # A worker that fell silent on another connector of this server has lost its run.
        cr.execute(
            """
            UPDATE sicantik_sync_run SET host = NULL, worker = NULL
             WHERE state = 'running' AND host = %s AND id != %s AND lease_until < %s
            """,
            [host, self.id, now],
        )
        try:
            with cr.savepoint(flush=False):
                cr.execute(
                    """
                    UPDATE sicantik_sync_run
                       SET state = 'running', worker = %s, host = %s, attempt = COALESCE(attempt, 0) + 1,
                           lease_seconds = %s, lease_until = %s,
                           started_at = COALESCE(started_at, %s),
                           requests_before = requests, retries_before = retries,
                           rate = 0, eta_seconds = 0, message = NULL
                     WHERE id = %s
                    """,
                    [
                        worker,
                        host,
                        lease_seconds,
                        now + timedelta(seconds=lease_seconds),
                        now,
                        self.id,
                    ],
                    log_exceptions=False,
                )
        except psycopg2.errors.UniqueViolation:
            return False
        finally:
            self.invalidate_model()
        if self.attempt == 1 and not self.last_batch:
            self._set_total()
        return True

    @api.model
    def _host_is_busy(self, host, now):
        self.env.cr.execute(
            """
            SELECT 1 FROM sicantik_sync_run
             WHERE state = 'running' AND host = %s AND id != %s AND lease_until >= %s
            """,
            [host, self.id, now],
        )
        return bool(self.env.cr.fetchone())

    def _set_total(self):
        """Count what is to be asked, and estimate how long it will take."""
        self.ensure_one()
        if self.kind not in ("expiry", "all"):
            return
        total = self._plan_total(self._domains(), self.max_permits)
        self.write(
            {
                "total": total,
                "estimated_duration": self.connector_id._expected_seconds(total),
            }
        )

    def _is_held_by(self, worker):
        self.ensure_one()
        return bool(worker) and self.state == "running" and self.worker == worker

    def _lease_is_over(self, seconds=0):
        """Whether its worker has lost its right to it, since more than `seconds`."""
        self.ensure_one()
        return not self.lease_until or self.lease_until < self._now() - timedelta(seconds=seconds)

    def _is_abandoned_command(self):
        self.ensure_one()
        return self.state == "running" and self.trigger == "cli" and self._lease_is_over()

    def _end_abandoned_command(self):
        self.ensure_one()
        self._end(
            "failed",
            self._reader_env()._("The command that worked on it ended without finishing."),
            by_worker=False,
        )

    def _sign_of_life(self):
        """The values that each report of the worker brings: its lease, and its time."""
        self.ensure_one()
        return {
            "lease_until": self._now() + timedelta(seconds=self.lease_seconds),
            "worked_seconds": self._worked(),
        }

    def _worked(self):
        """How long the run has been worked on (seconds), if its worker says something just now.

        A silence that is longer than the lease was no work: then the worker, its machine or Odoo slept.
        """
        self.ensure_one()
        if not self.lease_until:
            return self.worked_seconds
        silent = (self._now() - self.lease_until).total_seconds() + self.lease_seconds
        return self.worked_seconds + max(0.0, min(silent, self.lease_seconds))

    def _end(self, state, message, by_worker=True):
        """Close the run and credit the connector: the only way out of the open states.

        A run that is ended over the head of its worker forgets it: the worker has to notice.
        """
        self.ensure_one()
        now = self._now()
        started = self.started_at
        duration = (now - started).total_seconds() if started else 0.0
        worked = self._worked() if by_worker else self.worked_seconds
        answered = self.answered_count
        values = {
            "state": state,
            "message": message,
            "finished_at": now,
            "duration": duration,
            "worked_seconds": worked,
            "host": False,
            "lease_until": False,
            "eta_seconds": 0,
        }
        if state == "done":
            values["total"] = answered
        if worked:
            # From now on of the whole, not of the last moments.
            values["rate"] = answered / worked
        if not by_worker:
            values["worker"] = False
        self.write(values)
        statistics = self._expiry_statistics(state, now)
        if statistics:
            self.connector_id.write(statistics)

    def _expiry_statistics(self, state, now):
        """What the connector remembers of this run, which has just ended."""
        answered = self.answered_count
        if self.kind not in ("expiry", "all") or not (answered or state == "done"):
            return {}
        statistics = {
            "last_expiry_sync_date": now,
            "last_expiry_sync_duration": self.duration,
            "total_expiry_synced": self.connector_id.total_expiry_synced + self.found_count,
        }
        if self._is_measure(state, answered, self.worked_seconds):
            statistics["last_expiry_rate"] = answered / self.worked_seconds
        return statistics

    @api.model
    def _is_measure(self, state, answered, seconds):
        return state == "done" and answered >= MEASURED_FROM and seconds > 0

    # What a caller is told

    def _counts(self):
        self.ensure_one()
        return {outcome: self[f"{outcome}_count"] for outcome in OUTCOMES}

    def _finished(self):
        """What the run has recorded, so that the worker reports no answer that Odoo refused to save."""
        return {"answer": "ok", "counts": self._counts()}

    def _payload(self):
        """All that a worker has to know, as plain JSON values."""
        self.ensure_one()
        connector = self.connector_id
        return {
            "run_id": self.id,
            "kind": self.kind,
            "trigger": self.trigger,
            "attempt": self.attempt,
            "max_permits": self.max_permits,
            "include_not_due": self.include_not_due,
            "refresh_older_than": self.refresh_older_than,
            "total": self.total,
            "last_batch": self.last_batch,
            "answered": self.answered_count,
            "counts": self._counts(),
            "started_at": fields.Datetime.to_string(self.started_at),
            "domains": self._domains(),
            "connector": {
                "id": connector.id,
                "name": connector.name,
                "api_url": connector.api_url,
                "request_rate": connector.request_rate,
                "request_timeout": connector.request_timeout,
                "max_in_flight": connector.max_in_flight,
                "page_size": connector.page_size,
                "tz": connector.tz,
            },
        }

    def _describe(self, created, payload):
        self.ensure_one()
        return {
            "run_id": self.id,
            "created": created,
            "state": self.state,
            "trigger": self.trigger,
            "worker": self.worker or False,
            "requested_by": self.user_id.name or "",
            "run": payload or False,
        }
