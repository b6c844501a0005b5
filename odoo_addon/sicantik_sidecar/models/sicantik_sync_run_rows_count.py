"""What a page of the listing brought, added up: counters, and the lines about rows that failed."""

from odoo import models

from .sicantik_sync_run import OUTCOMES
from .sicantik_sync_run_listing import COUNTS
from .sicantik_sync_run_record import DETAIL_LENGTH
from .sicantik_sync_run_rows import NAMELESS


# One part of the model; `sicantik_sync_run_record` says why.
# pylint: disable=consider-merging-classes-inherited
class SicantikSyncRun(models.Model):
    _inherit = "sicantik.sync.run"

    def _count_rows(self, known, entries, unchanged, failures, refused, again):
        """Add up what this page brought; what another page of this run has counted is not counted again."""
        counts = {**dict.fromkeys(COUNTS, 0), "rejected": len(refused)}
        outcomes, changed = {}, 0
        as_unchanged = self._counted_as_unchanged(known, again)
        counts["unchanged"] = len(unchanged - as_unchanged - refused.keys())
        for entry in entries:
            registration = entry.row["registration_id"]
            if registration in refused:
                counts["recounted"] += registration in as_unchanged
                continue
            if entry.outcome:
                outcomes[registration] = entry.outcome
                counts["dated"] += entry.outcome == "found"
                changed += bool(entry.date_before)
            if not entry.known:
                counts["created"] += 1
            elif entry.changes and entry.known["listing_run_id"] != self.id:
                counts["updated"] += 1
                counts["recounted"] += registration in as_unchanged
        outcomes.update(dict.fromkeys([*failures, *refused], "failed"))
        before = self._row_outcomes_before(known, entries, outcomes)
        if failures or refused:
            self._write_row_lines(known, entries, failures, refused)
        values = {f"{outcome}_count": self[f"{outcome}_count"] for outcome in OUTCOMES}
        for outcome in outcomes.values():
            values[f"{outcome}_count"] += 1
        for outcome in before.values():
            values[f"{outcome}_count"] -= 1
        values["changed_count"] = self.changed_count + changed
        values["listing_answered"] = self.listing_answered + len(outcomes) - len(before)
        for name in ("created", "updated", "unchanged"):
            values[f"{name}_count"] = self[f"{name}_count"] + counts[name]
        values["unchanged_count"] -= counts["recounted"]
        self.write(values)
        return counts

    def _counted_as_unchanged(self, known, again):
        """Which of the rows that are sent `again` this run has counted as unchanged.

        An unchanged permit is not written, so it cannot say so itself. One that was created or changed
        knows the run; one that was refused has a line.
        """
        names = {name for name in again if name in known and known[name]["listing_run_id"] != self.id}
        if not names or not self.failed_count:
            return names
        lines = self._lines_of_rows(known, names)
        return names - {name for line, name in lines.items() if line.reason == "rejected_by_odoo"}

    def _row_outcomes_before(self, known, entries, outcomes):
        """What this run has counted before for the rows of this page, where that no longer holds.

        Lines about failures that are over, or about to be written anew, go away.
        """
        marked = {
            registration: permit["expiry_check_state"]
            for registration, permit in known.items()
            if permit["expiry_run_id"] == self.id and permit["expiry_check_state"]
        }
        before = {name: outcome for name, outcome in marked.items() if name in outcomes}
        if not self.failed_count:
            return before
        names = {*known, *outcomes, *(entry.row["registration_id"] for entry in entries)}
        for line, name in self._lines_of_rows(known, names).items():
            # Odoo had refused the row: the permit does not know of it, its line does.
            if name in outcomes or name not in marked:
                before.setdefault(name, "failed")
                line.unlink()
        return before

    def _lines_of_rows(self, known, names):
        """The lines of this run about the rows of a page, with the names of the rows."""
        permits = {permit["id"]: registration for registration, permit in known.items()}
        found = {}
        for line in self.line_ids:
            name = line.registration_id or permits.get(line.permit_id.id)
            name = name or NAMELESS + (line.permit_name or "")
            if name in names:
                found[line] = name
        return found

    def _write_row_lines(self, known, entries, failures, refused):
        rows = {entry.row["registration_id"]: entry.row for entry in entries}
        lines = []
        for name, detail in {**failures, **refused}.items():
            permit = known.get(name) or {}
            number = rows.get(name, {}).get("permit_number") or permit.get("permit_number")
            lines.append(
                {
                    "run_id": self.id,
                    "permit_id": permit.get("id") or False,
                    "permit_name": name[1:] if name.startswith(NAMELESS) else number or name,
                    "registration_id": False if name.startswith(NAMELESS) else name,
                    "reason": "rejected_by_odoo" if name in refused else "unreadable",
                    "detail": detail[:DETAIL_LENGTH],
                }
            )
        self.env["sicantik.sync.run.line"].sudo().create(lines)
