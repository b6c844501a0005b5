"""The protocol by which synchronisations are asked for, taken, kept, returned and ended.

Everything public here is called from outside, by name, one transaction a call, and answers plain
JSON values. Odoo works in REPEATABLE READ and repeats a call that lost a conflict: so each method may
run several times, and what must not happen twice is left to a conflict on a row or on a unique index.
"""

from odoo import api, models
from odoo.exceptions import AccessError, UserError, ValidationError

from .sicantik_sync_run import ENDED_STATES, OPEN_STATES
from .sicantik_sync_run_state import ENDINGS

# After so many workers that died over it, the work itself is the suspect.
MAX_ATTEMPTS = 5
MAX_LEASE_SECONDS = 3600
# So long a command waits for an Odoo that is away; it may come back after its lease.
COMMAND_PATIENCE_SECONDS = 60
GROUP = "sicantik_sidecar.group_"


# One part of the model; `sicantik_sync_run_record` says why.
# pylint: disable=consider-merging-classes-inherited
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
        limits = self._plan_limits(include_not_due, refresh_older_than, max_permits, permit_ids, connector)
        self._check_choice("kind", kind)
        self._check_choice("trigger", trigger)
        lease_seconds = self._lease_length(lease_seconds)
        if limits["permit_ids"] == []:
            raise UserError(self.env._("No permits to sync: the selection is empty."))
        if not connector.active:
            raise UserError(
                self.env._("The connector “%s” is archived: nothing can be started on it.", connector.name)
            )
        run = self.sudo()._open_run(connector, kind, any_running=bool(worker))
        if run and run._is_abandoned_command():
            # Its row is locked and changed by this: whoever does the same has to try again.
            run._end_abandoned_command()
            run = run.browse()
        if trigger in ("button", "cron"):
            self.env["sicantik.sidecar"]._wake_after_commit()
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
                # Its worker asks when it reports next; this lets it report now.
                self.env["sicantik.sidecar"]._wake_after_commit()
        return {"state": run.state}

    # Working

    @api.model
    def claim(self, worker, lease_seconds=30, run_id=None, held=None):
        """Take the oldest run that waits, or whose worker fell silent; `False` if there is none.

        A run is left alone while another one works on the same SICANTIK server, and so are those
        in `held`: the caller works on them, and could not say so in time. One of a command that
        fell silent is ended: the command may have asked elsewhere than at the connector's address, on
        trial, and only the command knew. What it left is due in the next run.
        """
        self._check_is_sidecar()
        self._check_worker(worker)
        lease_seconds = self._lease_length(lease_seconds)
        run_id = self._whole_number(run_id, "run_id")
        if not run_id:
            # The command line claims the run that it made; the service takes what there is.
            self.env["sicantik.sidecar"]._heard_from(worker)
        tried = [0, *self._check_ids(held, "held")]
        # A candidate that somebody else was quicker to take, or that ends here, makes way for the next.
        while candidate := self.sudo()._next_claimable(run_id, tried):
            tried.append(candidate.id)
            if candidate._is_abandoned_command() and not run_id:
                if candidate._lease_is_over(COMMAND_PATIENCE_SECONDS):
                    candidate._end_abandoned_command()
            elif candidate.attempt >= MAX_ATTEMPTS:
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
            return {"answer": "lost", "applied": False, "rejected": 0}
        if run.trigger != "cli":
            self.env["sicantik.sidecar"]._heard_from(worker)
        counts = {"rejected": 0, "stale": 0}
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
            counts = run._record_outcomes(outcomes)
            run.last_batch = batch
        run.write({**run._progress_values(progress), **run._sign_of_life()})
        self.env.flush_all()
        answer = "stop" if run.cancel_requested else "continue"
        return {"answer": answer, "applied": applied, **counts}

    @api.model
    def finish(self, run_id, worker, state, message=None, progress=None, code=None):
        """End a run, and add what it brought to the connector's statistics, once.

        With a `code` of `ENDINGS` its sentence is stored, in the language of who reads it, and
        `message` is the detail in it. Without one, `message` is stored as it is.
        """
        self._check_is_sidecar()
        if state not in ENDED_STATES:
            raise ValidationError(self.env._("A synchronisation cannot end as “%s”.", state))
        if code and code not in ENDINGS:
            raise self._not_one_of(code, ENDINGS)
        run = self._lock(run_id)
        if run and run.state in ENDED_STATES and worker and run.worker == worker:
            return run._finished()
        if not run or not run._is_held_by(worker):
            return {"answer": "lost"}
        run.write(run._progress_values(progress))
        if state == "cancelled" and run.cancel_requested:
            code, message = "cancelled", None
        if code:
            message = run._ending(code, message)
        run._end(state, message or False)
        return run._finished()

    @api.model
    def release(self, run_id, worker):
        """Give a run back unfinished, as on the shutdown of a sidecar: no attempt is counted."""
        self._check_is_sidecar()
        run = self._lock(run_id)
        if not run or not run._is_held_by(worker):
            return {"answer": "lost"}
        if run.cancel_requested:
            run._end("cancelled", run._ending("cancelled"))
            return {"answer": "ok"}
        run.write(
            {
                "state": "queued",
                "attempt": run.attempt - 1,
                "worker": False,
                "host": False,
                "lease_until": False,
                "worked_seconds": run._worked(),
                "rate": 0.0,
                "eta_seconds": 0,
            }
        )
        return {"answer": "ok"}

    @api.model
    def abandon(self, run_id, worker):
        """Take back a run of one's own in which nothing was recorded, as if it had not been started.

        For the command line, which learns only after starting that SICANTIK is not there. A run that somebody else
        asked for stays, and is finished as failed instead.
        """
        self._check_is_sidecar()
        run = self._lock(run_id)
        if not run:
            return {"answer": "ok"}
        if not run._is_held_by(worker):
            return {"answer": "lost"}
        if run.trigger != "cli" or run.last_batch:
            raise ValidationError(self.env._("A run with recorded answers is finished, not taken back."))
        # Not by `_end`, which notes on the connector what a run brought: this one leaves no trace.
        run.state = "cancelled"
        run.unlink()
        return {"answer": "ok"}

    # Who may

    @api.model
    def _is_in(self, *groups):
        return self.env.su or any(self.env.user.has_group(GROUP + name) for name in groups)

    @api.model
    def _check_groups(self, *names):
        if not self._is_in(*names):
            raise AccessError(self.env._("You are not allowed to work with synchronisations of SICANTIK."))

    @api.model
    def _check_is_sidecar(self):
        # Not for managers either: answers that nobody gave must not be stored with the ledger's name.
        self._check_groups("sidecar")

    @api.model
    def _check_may_start(self):
        self._check_groups("sidecar", "officer", "manager")

    # What is asked for

    @api.model
    def _check_choice(self, name, value):
        choices = self._fields[name].get_values(self.env)
        if value not in choices:
            raise self._not_one_of(value, choices)

    @api.model
    def _not_one_of(self, value, choices):
        return ValidationError(
            self.env._("“%(value)s” is not one of %(choices)s.", value=value, choices=", ".join(choices))
        )

    @api.model
    def _check_worker(self, worker):
        if not isinstance(worker, str) or not worker.strip():
            raise ValidationError(self.env._("The worker must say who it is."))

    @api.model
    def _lease_length(self, seconds):
        seconds = self._whole_number(seconds, "lease_seconds") or 30
        return min(seconds, MAX_LEASE_SECONDS)
