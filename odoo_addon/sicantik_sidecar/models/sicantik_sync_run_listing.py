"""Reading the listing of permits: what a run of that kind holds beside the others, and its protocol.

A sidecar sends the listing page by page (`record_listing`), says which permits were not in it
(`listing_done`) and, where the run goes on to expiry dates, asks what is left (`remaining`).
The rows themselves are written in `sicantik_sync_run_rows`.
"""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

LISTING_KINDS = ("permits", "all")
WAYS = [
    ("two_step", "Permit by permit"),
    ("upgraded", "From the listing"),
]
# What a page of the listing brought.
COUNTS = ("rejected", "created", "updated", "unchanged", "recounted", "dated")
# What a worker reports about its way through the listing; each attempt reads it from the front.
LISTING_PROGRESS = {
    "pages": "pages",
    "listed": "listed_count",
    "junk": "junk_count",
    "skipped": "skipped_count",
}


# One part of the model; `sicantik_sync_run_record` says why.
# pylint: disable=consider-merging-classes-inherited
class SicantikSyncRun(models.Model):
    _inherit = "sicantik.sync.run"

    way = fields.Selection(
        WAYS,
        "Expiry Dates Came",
        help="From the listing, where SICANTIK's listing carries the dates; else permit by permit.",
    )
    pages = fields.Integer("Pages Read")
    listed_count = fields.Integer("Permits Listed", help="Different registrations in the listing.")
    listing_expected = fields.Integer("Permits Expected", help="How many were known when it began.")
    created_count = fields.Integer("New Permits")
    updated_count = fields.Integer("Changed Permits")
    unchanged_count = fields.Integer("Unchanged Permits")
    unlisted_count = fields.Integer(
        "No Longer Listed", help="Permits that the listing held before and does not hold now."
    )
    junk_count = fields.Integer(
        "Left Out", help="Entries of the listing without an applicant: they are no permits."
    )
    skipped_count = fields.Integer(
        "Not Readable", help="Entries of the listing that SICANTIK did not give, even one by one."
    )
    listing_read = fields.Boolean("Listing Read to Its End")
    listing_incomplete = fields.Boolean("Listing Not Read Whole", compute="_compute_listing_incomplete")
    listing_seconds = fields.Float("Duration of the Listing (seconds)", digits=(12, 1))
    # Of those answered, how many the listing answered: they say nothing about the speed of asking.
    listing_answered = fields.Integer("Answered by the Listing")
    listing_permit_ids = fields.One2many("sicantik.permit", "listing_run_id", "New and Changed Permits")

    @api.model
    def record_listing(self, run_id, worker, batch, rows, progress=None):
        """Write one page of the listing, once, with the counters and the lease.

        `batch` goes on from where `record` was, and the other way round; 0 only renews the lease.
        What is answered beside is what this page adds to the counters; `recounted` is how many permits
        an earlier page has counted as unchanged, and this one counts otherwise.
        """
        self._check_is_sidecar()
        batch = self._whole_number(batch, "batch")
        rows, failures, again = self._check_rows(rows)
        if not batch and (rows or failures):
            raise ValidationError(self.env._("Batch 0 only renews the lease: it cannot hold answers."))
        counts = dict.fromkeys(COUNTS, 0)
        run = self._lock(run_id)
        if not run or not run._is_held_by(worker):
            return {"answer": "lost", "applied": False, **counts}
        run._check_is_listing()
        applied = run._is_next_batch(batch)
        values = run._progress_values(progress)
        if applied:
            if "way" not in values and rows:
                # Only the rows tell whether SICANTIK's listing has learnt to carry the dates.
                dated = any("expiry_date" in row for row in rows.values())
                values["way"] = "upgraded" if dated else "two_step"
            counts.update(run._record_rows(rows, failures, again))
            values["last_batch"] = batch
            if run.kind == "permits":
                values["total"] = run.answered_count
        run.write({**values, **run._sign_of_life()})
        self.env.flush_all()
        return {**run._go_on(), "applied": applied, **counts}

    @api.model
    def listing_done(self, run_id, worker, complete, listed_ids_missing=None, listed_again=None):
        """Note the end of the listing, and which permits of the connector it no longer or again holds.

        Where it could not be read as a whole, a permit that was not in it may still be listed.
        """
        self._check_is_sidecar()
        missing = self._check_ids(listed_ids_missing, "listed_ids_missing")
        again = self._check_ids(listed_again, "listed_again")
        run = self._lock(run_id)
        if not run or not run._is_held_by(worker):
            return {"answer": "lost", "applied": False}
        run._check_is_listing()
        gone = run._mark_listed(missing, False) if complete else 0
        run._mark_listed(again, True)
        values = {"unlisted_count": run.unlisted_count + gone, **run._sign_of_life()}
        if not run.listing_read:
            values["listing_read"] = bool(complete)
            values["listing_seconds"] = max(0.1, values["worked_seconds"])
        run.write(values)
        self.env.flush_all()
        return {**run._go_on(), "applied": True}

    @api.model
    def remaining(self, run_id, worker):
        """Say which permits are still to be asked one by one, now that the listing has answered.

        `limit` is how many of them may be asked; 0: all.
        """
        self._check_is_sidecar()
        run = self._lock(run_id)
        if not run or not run._is_held_by(worker):
            return {"answer": "lost", "domains": [], "total": 0, "limit": 0}
        domains = run._domains() if run.kind != "permits" else []
        asked = run.answered_count - run.listing_answered
        limit = max(0, run.max_permits - asked)
        if run.max_permits and not limit:
            domains = []
        total = run._plan_total(domains, limit)
        run.write(
            {
                "total": run.answered_count + total,
                "estimated_duration": run.connector_id._expected_seconds(total),
                **run._sign_of_life(),
            }
        )
        self.env.flush_all()
        return {**run._go_on(), "domains": domains, "total": total, "limit": limit}

    # Parts of the protocol

    def _go_on(self):
        self.ensure_one()
        if self.trigger != "cli":
            self.env["sicantik.sidecar"]._heard_from(self.worker)
        return {"answer": "stop" if self.cancel_requested else "continue"}

    def _check_is_listing(self):
        self.ensure_one()
        if self.kind not in LISTING_KINDS:
            raise ValidationError(self.env._("This synchronisation does not read the listing."))

    def _is_next_batch(self, batch):
        """Whether `batch` is to be applied; a batch that was applied before is not."""
        self.ensure_one()
        if batch > self.last_batch + 1:
            raise ValidationError(
                self.env._(
                    "Batch %(batch)d came where batch %(next)d was expected.",
                    batch=batch,
                    next=self.last_batch + 1,
                )
            )
        return batch > self.last_batch

    @api.model
    def _check_ids(self, ids, name):
        if not isinstance(ids or [], list):
            raise ValidationError(self.env._("“%s” must be a list of ids.", name))
        return [self._whole_number(one, name, lowest=1) for one in ids or []]

    def _mark_listed(self, ids, listed):
        """Returns how many permits were not marked so already."""
        self.ensure_one()
        if not ids:
            return 0
        permits = self._quiet_permits().search(
            [
                ("id", "in", ids),
                ("connector_id", "=", self.connector_id.id),
                ("listed", "!=", listed),
            ]
        )
        permits.write({"listed": listed})
        return len(permits)

    # What the other parts of the model have to know of it

    def _set_total(self):
        super()._set_total()
        if self.kind not in LISTING_KINDS:
            return
        self.listing_expected = self.env["sicantik.permit"].search_count(
            [("connector_id", "=", self.connector_id.id), ("listed", "=", True)]
        )
        if self.listing_expected:
            self.estimated_duration += self.connector_id._expected_listing_seconds(self.listing_expected)

    def _take(self, worker, lease_seconds):
        taken = super()._take(worker, lease_seconds)
        if taken and self.kind in LISTING_KINDS and not self.listing_read:
            # What an earlier attempt has written, this one finds unchanged.
            self.write(dict.fromkeys([*LISTING_PROGRESS.values(), "unchanged_count"], 0))
        return taken

    def _payload(self):
        return {**super()._payload(), "listing_done": self.listing_read}

    def _progress_values(self, progress):
        values = super()._progress_values(progress)
        progress = progress or {}
        for name, field in LISTING_PROGRESS.items():
            value = progress.get(name)
            if value is not None and value is not False:
                values[field] = self._whole_number(value, name)
        if isinstance(progress.get("upgraded"), bool):
            values["way"] = "upgraded" if progress["upgraded"] else "two_step"
        return values

    def _expiry_statistics(self, state, now):
        """For a run that read the listing first, the speed and the time of the rest alone."""
        statistics = super()._expiry_statistics(state, now)
        if not statistics or not self.listing_seconds:
            return statistics
        statistics["last_expiry_sync_duration"] = max(0.0, self.duration - self.listing_seconds)
        seconds = self.worked_seconds - self.listing_seconds
        asked = self.answered_count - self.listing_answered
        if statistics.pop("last_expiry_rate", 0) and self._is_measure(state, asked, seconds):
            statistics["last_expiry_rate"] = asked / seconds
        return statistics

    def _end(self, state, message, by_worker=True):
        super()._end(state, message, by_worker=by_worker)
        connector = self.connector_id
        if self.way and connector.listing_way != self.way:
            # A run of dates alone has looked at the listing too.
            connector.listing_way = self.way
        if self.kind not in LISTING_KINDS or not (self.listed_count or state == "done"):
            return
        # What has come is in Odoo, also where the run was stopped or failed on its way.
        statistics = {
            "last_sync_date": self.finished_at,
            "total_permits_synced": connector.total_permits_synced + self.listed_count,
        }
        if self.listing_read:
            # The next estimate is made from it: of a part it would be too short.
            statistics["last_sync_duration"] = self.listing_seconds
        if self.kind == "permits" and self.listing_answered:
            # Dates came, although nobody was asked for them.
            statistics["last_expiry_sync_date"] = self.finished_at
            statistics["total_expiry_synced"] = connector.total_expiry_synced + self.found_count
        connector.write(statistics)

    @api.depends("state", "kind", "listing_read")
    def _compute_listing_incomplete(self):
        """Whether it came to its end without all of the listing; one that did not says so itself."""
        for run in self:
            run.listing_incomplete = (
                run.state == "done" and run.kind in LISTING_KINDS and not run.listing_read
            )

    @api.depends("kind", "listed_count", "listing_expected", "listing_seconds")
    def _compute_progress(self):
        result = super()._compute_progress()
        for run in self.filtered(lambda run: run.kind in LISTING_KINDS and run.state != "done"):
            # The listing says nowhere how long it is; what was known before is a fair guess.
            share = 100.0 * run.listed_count / run.listing_expected if run.listing_expected else 0.0
            over = bool(run.listing_seconds)
            listing = 100.0 if over else min(99.0, share)
            if run.kind == "permits":
                run.progress = listing
            else:
                run.progress = (listing + (run.progress if over else 0.0)) / 2
        return result

    def action_view_listing_permits(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("sicantik_sidecar.sicantik_permit_action")
        action["domain"] = [("listing_run_id", "=", self.id)]
        action["context"] = {"create": False}
        return action
