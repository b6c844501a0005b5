"""The protocol by which synchronisations are asked for, taken, kept, returned and ended.

Everything public here is called from outside, by name, one transaction a call, and answers plain
JSON values. Odoo works in REPEATABLE READ and repeats a call that lost a conflict: so each method may
run several times, and what must not happen twice is left to a conflict on a row or on a unique index.
"""

from datetime import timedelta

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from .sicantik_sync_run import ENDED_STATES, OPEN_STATES, OUTCOMES

# After so many workers that died over it, the work itself is the suspect.
MAX_ATTEMPTS = 5
MAX_LEASE_SECONDS = 3600
GROUP = "sicantik_connector.group_"


class SicantikSyncRun(models.Model):
    _inherit = "sicantik.sync.run"

    # Asking for work

    @api.model
    def start(
        self,
        connector_id,
        kind="expiry",
        trigger="cli",
        worker=None,
        lease_seconds=30,
        max_permits=None,
        include_not_due=False,
        refresh_older_than=None,
        permit_ids=None,
    ):
        """Make a run, and take it at once where a `worker` is named; or describe the open one."""
        if worker:
            self._check_is_sidecar()
        self._check_may_start()
        connector = self._plan_connector(connector_id)
        limits = self._plan_limits(include_not_due, refresh_older_than, max_permits, permit_ids)
        self._check_choice("kind", kind)
        self._check_choice("trigger", trigger)
        lease_seconds = self._lease_length(lease_seconds)
        if limits["permit_ids"] == []:
            raise UserError(self.env._("No permits to sync: the selection is empty."))
        if not connector.active:
            raise UserError(
                self.env._("The connector “%s” is archived: nothing can be started on it.", connector.name)
            )
        run = self.sudo()._open_run(connector)
        if run and run._is_abandoned_command():
            # Its row is locked and changed by this: whoever does the same has to try again.
            run._end(
                "failed",
                run._reader_env()._("The command that worked on it ended without finishing."),
                by_worker=False,
            )
            run = run.browse()
        if run:
            own = bool(worker) and run.worker == worker and run.state == "running"
            return run._describe(created=False, payload=own and run._payload())
        # The row of the connector is what concurrent starters collide on. Whoever comes second
        # waits here, is repeated by Odoo with a new snapshot, and then finds the run above.
        self.env.cr.execute(
            "UPDATE sicantik_connector SET write_date = write_date WHERE id = %s",
            [connector.id],
            log_exceptions=False,
        )
        permit_selection = limits.pop("permit_ids")
        run = self.sudo().create(
            {
                "connector_id": connector.id,
                "kind": kind,
                "trigger": trigger,
                "user_id": self.env.uid,
                "lease_seconds": lease_seconds,
                "permit_selection": permit_selection or False,
                **limits,
            }
        )
        run._set_total()
        taken = run._take(worker, lease_seconds) if worker else False
        return run._describe(created=True, payload=taken and run._payload())

    @api.model
    def cancel(self, run_id):
        """Stop a run: at once if nobody works on it, else at the worker's next report."""
        self._check_may_start()
        run = self._lock(run_id)
        if not run:
            raise UserError(self.env._("There is no synchronisation with the id %s.", run_id))
        if run.state in OPEN_STATES:
            if run.state == "queued" or run._lease_is_over():
                run._end(
                    "cancelled",
                    run._reader_env()._("Stopped by %s.", self.env.user.name),
                    by_worker=False,
                )
            else:
                run.cancel_requested = True
        return {"state": run.state}

    # Working

    @api.model
    def claim(self, worker, lease_seconds=30, run_id=None):
        """Take the oldest run that waits, or whose worker fell silent; `False` if there is none.

        A run is left alone while another one works on the same SICANTIK server.
        """
        self._check_is_sidecar()
        self._check_worker(worker)
        lease_seconds = self._lease_length(lease_seconds)
        run_id = self._whole_number(run_id, "run_id")
        tried = [0]
        # A candidate that somebody else was quicker to take, or that ends here, makes way for the next.
        while candidate := self.sudo()._next_claimable(run_id, tried):
            tried.append(candidate.id)
            if candidate.attempt >= MAX_ATTEMPTS:
                candidate._end(
                    "failed",
                    candidate._reader_env()._(
                        "It was given up after %d attempts: each time, the sidecar that worked "
                        "on it ended without finishing.",
                        candidate.attempt,
                    ),
                    by_worker=False,
                )
            elif candidate._take(worker, lease_seconds):
                return candidate._payload()
        return False

    @api.model
    def record(self, run_id, worker, batch, outcomes, progress=None):
        """Write one batch of answers, once, with the counters and the lease.

        `batch` counts from 1 over the life of a run; 0 only renews the lease.
        """
        self._check_is_sidecar()
        batch = self._whole_number(batch, "batch")
        outcomes = self._check_outcomes(outcomes or [])
        if not batch and outcomes:
            raise ValidationError(self.env._("Batch 0 only renews the lease: it cannot hold answers."))
        run = self._lock(run_id)
        if not run or not run._is_held_by(worker):
            return {"answer": "lost", "applied": False}
        applied = batch > run.last_batch
        if applied:
            if batch != run.last_batch + 1:
                raise ValidationError(
                    self.env._(
                        "Batch %(batch)d came where batch %(next)d was expected.",
                        batch=batch,
                        next=run.last_batch + 1,
                    )
                )
            run._record_outcomes(outcomes)
            run.last_batch = batch
        run.write({**run._progress_values(progress), "lease_until": run._lease_end()})
        self.env.flush_all()
        return {"answer": "stop" if run.cancel_requested else "continue", "applied": applied}

    @api.model
    def finish(self, run_id, worker, state, message=None, progress=None):
        """End a run, and add what it brought to the connector's statistics, once."""
        self._check_is_sidecar()
        if state not in ENDED_STATES:
            raise ValidationError(self.env._("A synchronisation cannot end as “%s”.", state))
        run = self._lock(run_id)
        if run and run.state in ENDED_STATES and worker and run.worker == worker:
            return {"answer": "ok"}
        if not run or not run._is_held_by(worker):
            return {"answer": "lost"}
        run.write(run._progress_values(progress))
        run._end(state, message or False)
        return {"answer": "ok"}

    @api.model
    def release(self, run_id, worker):
        """Give a run back unfinished, as on the shutdown of a sidecar: no attempt is counted."""
        self._check_is_sidecar()
        run = self._lock(run_id)
        if not run or not run._is_held_by(worker):
            return {"answer": "lost"}
        if run.cancel_requested:
            run._end("cancelled", run._reader_env()._("Stopped."))
            return {"answer": "ok"}
        run.write(
            {
                "state": "queued",
                "attempt": run.attempt - 1,
                "worker": False,
                "host": False,
                "lease_until": False,
                "rate": 0.0,
                "eta_seconds": 0,
            }
        )
        return {"answer": "ok"}

    # Who may

    @api.model
    def _check_groups(self, *names):
        user = self.env.user
        if not self.env.su and not any(user.has_group(GROUP + name) for name in names):
            raise AccessError(self.env._("You are not allowed to work with synchronisations of SICANTIK."))

    @api.model
    def _check_is_sidecar(self):
        self._check_groups("sidecar", "manager")

    @api.model
    def _check_may_start(self):
        self._check_groups("sidecar", "officer", "manager")

    # What is asked for

    @api.model
    def _check_choice(self, name, value):
        choices = self._fields[name].get_values(self.env)
        if value not in choices:
            raise ValidationError(
                self.env._(
                    "“%(value)s” is not one of %(choices)s.",
                    value=value,
                    choices=", ".join(choices),
                )
            )

    @api.model
    def _check_worker(self, worker):
        if not isinstance(worker, str) or not worker.strip():
            raise ValidationError(self.env._("The worker must say who it is."))

    @api.model
    def _lease_length(self, seconds):
        seconds = self._whole_number(seconds, "lease_seconds") or 30
        return min(seconds, MAX_LEASE_SECONDS)

    @api.model
    def _now(self):
        """The database's clock, which all Odoo servers share, in UTC and whole seconds."""
        self.env.cr.execute("SELECT timezone('UTC', clock_timestamp())")
        return self.env.cr.fetchone()[0].replace(microsecond=0)

    def _reader_env(self):
        """For messages to keep: in the language of whoever looks after the connector."""
        self.ensure_one()
        lang = self.connector_id.user_id.lang or self.env.lang
        return self.with_context(lang=lang).env

    # The state of a run

    @api.model
    def _open_run(self, connector):
        return self.search(
            [("connector_id", "=", connector.id), ("state", "in", OPEN_STATES)],
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
        host = self.connector_id.host
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

    def _lease_is_over(self):
        self.ensure_one()
        return not self.lease_until or self.lease_until < self._now()

    def _is_abandoned_command(self):
        self.ensure_one()
        return self.state == "running" and self.trigger == "cli" and self._lease_is_over()

    def _lease_end(self):
        self.ensure_one()
        return self._now() + timedelta(seconds=self.lease_seconds)

    def _end(self, state, message, by_worker=True):
        """Close the run and credit the connector: the only way out of the open states.

        A run that is ended over the head of its worker forgets it: the worker has to notice.
        """
        self.ensure_one()
        now = self._now()
        started = self.started_at
        duration = (now - started).total_seconds() if started else 0.0
        answered = self.answered_count
        values = {
            "state": state,
            "message": message,
            "finished_at": now,
            "duration": duration,
            "host": False,
            "lease_until": False,
            "eta_seconds": 0,
        }
        if state == "done":
            values["total"] = answered
        if not by_worker:
            values["worker"] = False
        self.write(values)
        if self.kind not in ("expiry", "all") or not (answered or state == "done"):
            return
        connector = self.connector_id
        statistics = {
            "last_expiry_sync_date": now,
            "last_expiry_sync_duration": duration,
            "total_expiry_synced": connector.total_expiry_synced + self.found_count,
        }
        # A handful of permits says more about the start of the engine than about its speed.
        if state == "done" and answered >= 50 and duration:
            statistics["last_expiry_rate"] = answered / duration
        connector.write(statistics)

    # What a caller is told

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
            "counts": {outcome: self[f"{outcome}_count"] for outcome in OUTCOMES},
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
