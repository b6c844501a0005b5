"""What a batch counts as: entries, the lines about those that failed, the counters of the run."""

from .words import DETAIL_LENGTH

# What a page of the listing brought.
COUNTS = ("rejected", "created", "updated", "unchanged", "recounted", "dated")


class Entry:
    """What is to be written about one permit, and what it counts as."""

    def __init__(self, known=None, registration=None, name=None):
        # The permit as it is stored; none where there is no such permit yet.
        self.known = known or {}
        self.id = self.known.get("id")
        self.registration = registration or self.known.get("registration_id") or None
        # In the line of a failure; with neither permit nor registration, what tells it from others.
        self.name = name or self.known.get("permit_number") or self.registration or f"#{self.id}"
        # What is to be written: what differs from what is stored, and what many have in common.
        self.changes, self.values = {}, {}
        self.outcome = self.reason = self.detail = None
        # The date that was there and another one that has come.
        self.redated = None

    def fail(self, reason, detail):
        self.outcome, self.reason, self.detail = "failed", reason, (detail or "")[:DETAIL_LENGTH]

    @property
    def is_refused(self):
        return self.reason == "rejected_by_odoo"

    def as_line(self, run):
        about = {"permit_id": self.id, "permit_name": self.name, "registration_id": self.registration}
        return {"run_id": run.id, **about, "reason": self.reason, "detail": self.detail}


class Books:
    """The counters and lines of `run` for the permits of one batch. A permit can come twice in a run: what
    was counted for it before is taken back. One that Odoo refused to write does not know of the run; its line
    does.
    """

    def __init__(self, run, entries):
        self.run, self.entries = run, entries
        self.line = run.env["sicantik.sync.run.line"].sudo()
        self.before = self._lines() if run.failed_count else {}

    def _lines(self):
        by_permit = {entry.id: entry for entry in self.entries if entry.id}
        by_registration = {entry.registration: entry for entry in self.entries if entry.registration}
        by_name = {entry.name: entry for entry in self.entries if not entry.id and not entry.registration}
        about = [("permit_id", "in", [*by_permit, False]), ("registration_id", "in", [*by_registration])]
        found = {}
        for line in self.line.search([("run_id", "=", self.run.id), "|", *about]):
            entry = by_permit.get(line.permit_id.id) or by_registration.get(line.registration_id)
            if not line.permit_id and not line.registration_id:
                entry = by_name.get(line.permit_name)
            if entry:
                found[entry] = found.get(entry, self.line) | line
        return found

    def _mark(self, entry):
        return entry.known.get("expiry_run_id") == self.run.id and entry.known["expiry_check_state"]

    def close(self):
        """Update counters and lines; returns how many permits have their first answer now."""
        answered = [entry for entry in self.entries if entry.outcome]
        before = {entry: mark for entry in answered if (mark := self._mark(entry))}
        over = [entry for entry in self.before if entry.outcome or not self._mark(entry)]
        before |= dict.fromkeys(over, "failed")
        self.line.union(*(self.before[entry] for entry in over)).unlink()
        failed = [entry for entry in answered if entry.outcome == "failed"]
        self.line.create([entry.as_line(self.run) for entry in failed])
        values = {"changed_count": self.run.changed_count + sum(bool(entry.redated) for entry in answered)}
        answers, taken_back = [entry.outcome for entry in answered], [*before.values()]
        for outcome, count in self.run._counts().items():
            values[f"{outcome}_count"] = count + answers.count(outcome) - taken_back.count(outcome)
        self.run.write(values)
        return len(answered) - len(before)

    def page_counts(self, entries, again):
        """What a page of the listing adds to the counters. Of what is sent `again`, the run may have counted
        a permit as unchanged, which is not written and cannot say so itself. One that was created or changed
        knows the run; one that was refused has a line.
        """
        counts = dict.fromkeys(COUNTS, 0)
        for entry in entries:
            is_first = entry.id and entry.known["listing_run_id"] != self.run.id
            was_refused = "rejected_by_odoo" in self.before.get(entry, self.line).mapped("reason")
            was_unchanged = bool(is_first and entry.registration in again and not was_refused)
            counts["dated"] += entry.outcome == "found"
            counts["recounted"] += was_unchanged and bool(entry.is_refused or entry.changes)
            if entry.is_refused or not entry.id:
                counts["rejected" if entry.is_refused else "created"] += 1
            elif is_first and entry.changes:
                counts["updated"] += 1
            elif is_first and not was_unchanged:
                counts["unchanged"] += 1
        return counts
