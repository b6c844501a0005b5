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
        # For the line of a failure; with neither permit nor registration, what tells it from
        # others.
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


class Books:
    """The counters and lines of `run` for the permits of one batch.

    A permit can come twice in a run, and the counters are about permits: what this run has counted
    for it before is taken back. One that Odoo refused to write does not know of the run; its line
    does.
    """

    def __init__(self, run, entries):
        self.run, self.entries = run, entries
        self.line = run.env["sicantik.sync.run.line"].sudo()
        self.before = self._lines() if run.failed_count else {}

    def _lines(self):
        """The entries that a line of this run is about, each with its lines."""
        by_permit = {entry.id: entry for entry in self.entries if entry.id}
        by_registration = {entry.registration: entry for entry in self.entries if entry.registration}
        by_name = {entry.name: entry for entry in self.entries if not entry.id and not entry.registration}
        about = [("permit_id", "in", [*by_permit, False]), ("registration_id", "in", [*by_registration])]
        found = {}
        for line in self.line.search([("run_id", "=", self.run.id), "|", *about]):
            entry = by_permit.get(line.permit_id.id) or by_registration.get(line.registration_id)
            if not entry and not line.permit_id and not line.registration_id:
                entry = by_name.get(line.permit_name)
            if entry:
                found[entry] = found.get(entry, self.line) | line
        return found

    def _mark(self, entry):
        """What this run has marked the permit with before."""
        return entry.known.get("expiry_run_id") == self.run.id and entry.known["expiry_check_state"]

    def close(self):
        """Update counters and lines; returns how many permits have their first answer now."""
        before = {entry: mark for entry in self.entries if entry.outcome and (mark := self._mark(entry))}
        over = [entry for entry in self.before if entry.outcome or not self._mark(entry)]
        before |= dict.fromkeys(over, "failed")
        self.line.union(*(self.before[entry] for entry in over)).unlink()
        self.line.create(
            [
                {
                    "run_id": self.run.id,
                    "permit_id": entry.id,
                    "permit_name": entry.name,
                    "registration_id": entry.registration,
                    "reason": entry.reason,
                    "detail": entry.detail,
                }
                for entry in self.entries
                if entry.outcome == "failed"
            ]
        )
        answers, taken_back = [entry.outcome for entry in self.entries if entry.outcome], [*before.values()]
        redated = sum(bool(entry.redated) for entry in self.entries)
        values = {"changed_count": self.run.changed_count + redated}
        for outcome, count in self.run._counts().items():
            values[f"{outcome}_count"] = count + answers.count(outcome) - taken_back.count(outcome)
        self.run.write(values)
        return len(answers) - len(before)

    def as_unchanged(self, again):
        """The entries that are sent `again`, and that this run has counted as unchanged.

        An unchanged permit is not written, so it cannot say so itself. One that was created or
        changed knows the run; one that was refused has a line.
        """
        sent = {entry for entry in self.entries if entry.registration in again and self._is_first_seen(entry)}
        return {
            entry
            for entry in sent
            if "rejected_by_odoo" not in self.before.get(entry, self.line).mapped("reason")
        }

    def _is_first_seen(self, entry):
        return entry.id and entry.known["listing_run_id"] != self.run.id

    def page_counts(self, entries, counted):
        """What a page of the listing adds; `counted` are those that were counted `as_unchanged`."""
        counts = dict.fromkeys(COUNTS, 0)
        for entry in entries:
            is_seen = not entry.is_refused and self._is_first_seen(entry)
            counts["rejected"] += entry.is_refused
            counts["dated"] += entry.outcome == "found"
            counts["created"] += not entry.id and not entry.is_refused
            counts["updated"] += bool(is_seen and entry.changes)
            counts["unchanged"] += bool(is_seen and not entry.changes and entry not in counted)
            counts["recounted"] += entry in counted and bool(entry.is_refused or entry.changes)
        return counts
