"""Writing what SICANTIK answered: permits grouped by value, counters, failures, one transaction."""

import logging
from datetime import date

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .sicantik_permit import IDENTITY
from .sicantik_sync_run import OUTCOMES
from .sicantik_sync_run_line import REASONS

_logger = logging.getLogger(__name__)

# A note for a clerk, not the page that the server sent.
DETAIL_LENGTH = 300
READ_FIELDS = [
    "permit_number",
    "registration_id",
    "expiry_date",
    "status",
    "expiry_check_state",
    "expiry_check_count",
    "expiry_run_id",
]
PROGRESS_COUNTS = ("eta_seconds", "requests", "retries", "total")


# The parts of one model are files of their own: together they would be too long to read.
# pylint: disable=consider-merging-classes-inherited
class SicantikSyncRun(models.Model):
    _inherit = "sicantik.sync.run"

    @api.model
    def _check_outcomes(self, outcomes):
        """The outcomes by permit, proved to be well-formed before anything is touched."""
        if not isinstance(outcomes, list):
            raise ValidationError(self.env._("“outcomes” must be a list."))
        reasons = dict(REASONS)
        checked = {}
        for outcome in outcomes:
            kind = outcome.get("outcome") if isinstance(outcome, dict) else None
            if kind not in OUTCOMES:
                raise ValidationError(self.env._("This is not an outcome: %s", outcome))
            permit_id = self._whole_number(outcome.get("permit_id"), "permit_id", lowest=1)
            if kind == "found":
                try:
                    expiry = date.fromisoformat(outcome.get("expiry_date"))
                except (TypeError, ValueError) as error:
                    raise ValidationError(self.env._("This is not a date: %s", outcome)) from error
                checked[permit_id] = {"outcome": kind, "expiry_date": expiry}
            elif kind == "failed":
                if outcome.get("reason") not in reasons:
                    raise ValidationError(self.env._("This is not a reason to fail: %s", outcome))
                checked[permit_id] = {
                    "outcome": kind,
                    "reason": outcome["reason"],
                    "detail": str(outcome.get("detail") or "")[:DETAIL_LENGTH],
                }
            else:
                checked[permit_id] = {"outcome": kind}
            checked[permit_id]["asked"] = self._check_asked(outcome)
        return checked

    @api.model
    def _check_asked(self, outcome):
        """What SICANTIK was asked about, as far as the outcome says it."""
        asked = {name: outcome[name] or "" for name in IDENTITY if name in outcome}
        if not all(isinstance(value, str) for value in asked.values()):
            raise ValidationError(self.env._("This is not an outcome: %s", outcome))
        return asked

    @api.model
    def _is_stale(self, permit, asked):
        """Whether number or registration have become others since the permit was read to be asked about."""
        return any(value.strip() != (permit[name] or "").strip() for name, value in asked.items())

    def _record_outcomes(self, outcomes):
        """Write `outcomes` (by permit id) of this run, which is locked by the caller.

        Returns how many dates Odoo refused, and how many answers were left aside: those about a number
        or registration that the permit had when it was read and has no longer. It stays due.
        """
        self.ensure_one()
        if not outcomes:
            return {"rejected": 0, "stale": 0}
        # Bulk writes say nothing to followers; what matters is noted in `_note_changes`.
        # `active_test` and the language are of no concern to plain columns either.
        permits = (
            self.env["sicantik.permit"]
            .sudo()
            .with_context(tracking_disable=True, mail_notrack=True)
            .search_fetch(
                [("id", "in", list(outcomes)), ("connector_id", "=", self.connector_id.id)],
                READ_FIELDS,
                order="id",
            )
        )
        stale = permits.filtered(lambda permit: self._is_stale(permit, outcomes[permit.id]["asked"]))
        permits -= stale
        outcomes = {permit_id: one for permit_id, one in outcomes.items() if permit_id not in stale._ids}
        dated = {permit_id for permit_id, outcome in outcomes.items() if outcome["outcome"] == "found"}
        for missing in outcomes.keys() - set(permits.ids):
            outcomes[missing] = self._rejected(self.env._("The permit is not among those of the connector."))
        before = self._counted_before(permits, outcomes)
        now = self._now()
        changed, refused = self._write_or_refuse(permits, outcomes, now)
        outcomes.update(refused)
        self._count(outcomes, before, changed)
        self._write_lines(permits, outcomes, before)
        rejected = sum(1 for permit_id in dated if outcomes[permit_id]["outcome"] == "failed")
        return {"rejected": rejected, "stale": len(stale)}

    @api.model
    def _rejected(self, detail):
        return {"outcome": "failed", "reason": "rejected_by_odoo", "detail": detail[:DETAIL_LENGTH]}

    def _counted_before(self, permits, outcomes):
        """What this run has counted for these permits before, by permit id.

        A permit can be asked twice in a run; the counters are about permits.
        """
        before = {
            permit.id: permit.expiry_check_state
            for permit in permits
            if permit.expiry_run_id.id == self.id and permit.expiry_check_state
        }
        if self.failed_count:
            # A permit that Odoo refuses to write does not know of the run; its line does.
            lines = self.env["sicantik.sync.run.line"].sudo()
            for line in lines.search([("run_id", "=", self.id), ("permit_id", "in", list(outcomes))]):
                before[line.permit_id.id] = "failed"
        return before

    def _write_or_refuse(self, permits, outcomes, now):
        """Write all permits at once or, where one of them is refused, one by one.

        Returns how many dates changed, and the outcomes of the permits that were refused.
        """
        try:
            with self.env.cr.savepoint():
                return self._write_permits(permits, outcomes, now), {}
        except psycopg2.OperationalError:
            # A conflict with another transaction: Odoo repeats the whole call.
            raise
        except Exception as error:
            _logger.info("A batch of run %d was refused, writing permits singly: %s", self.id, error)
        changed, refused = 0, {}
        for permit in permits:
            try:
                with self.env.cr.savepoint():
                    changed += self._write_permits(permit, outcomes, now)
            except psycopg2.OperationalError:
                raise
            except Exception as error:
                _logger.warning("Odoo refused the answer for permit %d: %s", permit.id, error)
                refused[permit.id] = self._rejected(self._error_text(error))
                self._mark_refused(permit, now)
        return changed, refused

    def _mark_refused(self, permit, now):
        """Say on the permit itself that its answer was refused, if it can be written at all."""
        try:
            with self.env.cr.savepoint():
                permit.write(self._failed_values(now))
        except psycopg2.OperationalError:
            raise
        except Exception as error:
            _logger.info("Permit %d cannot be marked either: %s", permit.id, error)

    @api.model
    def _error_text(self, error):
        if isinstance(error, psycopg2.Error):
            return error.diag.message_primary or error.__class__.__name__
        return str(error) or error.__class__.__name__

    def _write_permits(self, permits, outcomes, now):
        """Write the permits, as few writes as there are different values.

        Returns how many dates differ from the one that was there.
        """
        groups = {outcome: [] for outcome in OUTCOMES}
        by_date, rests, changes, renewed = {}, {}, {}, []
        today = self._today(now)
        for permit in permits:
            outcome = outcomes[permit.id]
            kind = outcome["outcome"]
            groups[kind].append(permit.id)
            if kind == "found":
                expiry = outcome["expiry_date"]
                if permit.expiry_date != expiry:
                    by_date.setdefault(expiry, []).append(permit.id)
                    if permit.expiry_date:
                        changes[permit.id] = (permit.expiry_date, expiry)
                    # As the listing's dates do: see `_compare_date`.
                    if permit.status == "expired" and expiry >= today:
                        renewed.append(permit.id)
            elif kind != "failed":
                rests.setdefault((kind, permit.expiry_check_count + 1), []).append(permit.id)
        if groups["found"]:
            permits.browse(groups["found"]).write(
                {
                    **self._checked_values("found", now),
                    "last_sync_date": now,
                    "expiry_check_count": 0,
                    "expiry_next_check_at": False,
                }
            )
        for expiry, ids in by_date.items():
            permits.browse(ids).write({"expiry_date": expiry})
        if renewed:
            permits.browse(renewed).write({"status": "active"})
        for (kind, count), ids in rests.items():
            permits.browse(ids).write(
                {
                    **self._checked_values(kind, now),
                    "expiry_check_count": count,
                    "expiry_next_check_at": permits._next_check_at(self.connector_id, now, count),
                }
            )
        if groups["failed"]:
            permits.browse(groups["failed"]).write(self._failed_values(now))
        self._note_changes(permits, changes)
        return len(changes)

    def _checked_values(self, kind, now):
        return {"expiry_check_state": kind, "expiry_checked_at": now, "expiry_run_id": self.id}

    def _failed_values(self, now):
        return self._checked_values("failed", now)

    def _note_changes(self, permits, changes):
        """Keep an old date that has been replaced in the permit's history."""
        if changes:
            run_name = self.with_env(self._reader_env()).display_name
            permits.browse(list(changes))._message_log_batch(
                bodies={
                    permit_id: self._reader_env()._(
                        "SICANTIK changed the expiry date: %(old)s → %(new)s (%(run)s).",
                        old=fields.Date.to_string(old),
                        new=fields.Date.to_string(new),
                        run=run_name,
                    )
                    for permit_id, (old, new) in changes.items()
                }
            )

    def _count(self, outcomes, before, changed):
        counts = {outcome: self[f"{outcome}_count"] for outcome in OUTCOMES}
        for outcome in outcomes.values():
            counts[outcome["outcome"]] += 1
        for outcome in before.values():
            counts[outcome] -= 1
        values = {f"{outcome}_count": count for outcome, count in counts.items()}
        self.write({**values, "changed_count": self.changed_count + changed})

    def _write_lines(self, permits, outcomes, before):
        if not any(outcome["outcome"] == "failed" for outcome in outcomes.values()) and (
            "failed" not in before.values()
        ):
            return
        line = self.env["sicantik.sync.run.line"].sudo()
        again = [permit_id for permit_id, outcome in before.items() if outcome == "failed"]
        if again:
            line.search([("run_id", "=", self.id), ("permit_id", "in", again)]).unlink()
        names = {permit.id: permit.display_name for permit in permits}
        line.create(
            [
                {
                    "run_id": self.id,
                    "permit_id": permit_id if permit_id in names else False,
                    "permit_name": names.get(permit_id, f"#{permit_id}"),
                    "reason": outcome["reason"],
                    "detail": outcome["detail"],
                }
                for permit_id, outcome in outcomes.items()
                if outcome["outcome"] == "failed"
            ]
        )

    def _progress_values(self, progress):
        """What the worker says about its way, as fields; what it does not say stays."""
        values = {}
        progress = progress or {}
        if not isinstance(progress, dict):
            raise ValidationError(self.env._("“progress” must be an object."))
        rate = progress.get("rate")
        if isinstance(rate, int | float) and rate is not False:
            values["rate"] = max(0.0, rate)
        for name in PROGRESS_COUNTS:
            value = progress.get(name)
            # By identity: 0 is equal to `False`, and is said.
            if value is not None and value is not False:
                values[name] = self._whole_number(value, name)
        # The worker counts one attempt, or one part of it; the run counts all of them. What was sent
        # was sent: a part that sent nothing takes nothing back.
        for name in ("requests", "retries"):
            if name in values:
                values[name] = max(self[name], values[name] + self[f"{name}_before"])
        return values
