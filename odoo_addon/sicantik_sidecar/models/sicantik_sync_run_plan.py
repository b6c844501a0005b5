"""Which permits a synchronisation asks about: one place, for runs, dry runs and estimates."""

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError


# One part of the model; `sicantik_sync_run_record` says why.
# pylint: disable=consider-merging-classes-inherited
class SicantikSyncRun(models.Model):
    _inherit = "sicantik.sync.run"

    @api.model
    def plan(
        self,
        connector_id,
        include_not_due=False,
        refresh_older_than=None,
        max_permits=None,
        permit_ids=None,
    ):
        """Say which permits a synchronisation would ask about, and change nothing.

        `domains` are to be read one after the other, each in the order of `id`. `may_work` tells
        whether the caller may also claim runs and record answers, as the sidecar's group may.
        """
        self._check_may_start()
        connector = self._plan_connector(connector_id)
        limits = self._plan_limits(include_not_due, refresh_older_than, max_permits, permit_ids, connector)
        domains = self._expiry_domains(connector, **limits)
        total = self._plan_total(domains, limits["max_permits"])
        return {
            "domains": domains,
            "total": total,
            "estimated_seconds": connector._expected_seconds(total),
            "may_work": self._is_in("sidecar"),
        }

    @api.model
    def _plan_connector(self, connector_id):
        connector = (
            self.env["sicantik.connector"]
            .sudo()
            .browse(self._whole_number(connector_id, "connector_id", lowest=1))
        )
        if not connector.exists():
            raise UserError(self.env._("There is no connector with the id %d.", connector_id))
        return connector

    @api.model
    def _plan_limits(self, include_not_due, refresh_older_than, max_permits, permit_ids, connector):
        """The wishes of a caller in one form; `null` and `false` say “not given”."""
        if refresh_older_than is None or refresh_older_than is False:
            refresh_older_than = connector.refresh_older_than
        if permit_ids in (None, False):
            permit_ids = None
        elif not isinstance(permit_ids, list):
            raise ValidationError(self.env._("“permit_ids” must be a list of ids."))
        else:
            permit_ids = sorted({self._whole_number(one, "permit_ids", lowest=1) for one in permit_ids})
        return {
            "include_not_due": bool(include_not_due),
            "refresh_older_than": self._whole_number(refresh_older_than, "refresh_older_than"),
            "max_permits": self._whole_number(max_permits, "max_permits"),
            "permit_ids": permit_ids,
        }

    @api.model
    def _whole_number(self, value, name, lowest=0):
        """`value` as an int; `null` and `false` are 0, as the external API cannot leave out."""
        value = 0 if value is None or value is False else value
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise ValidationError(
                self.env._(
                    "“%(name)s” must be a whole number from %(lowest)d on, not “%(value)s”.",
                    name=name,
                    lowest=lowest,
                    value=value,
                )
            )
        # PostgreSQL's integer; more would come back as an error of the database.
        if value > 2**31 - 1:
            raise ValidationError(self.env._("“%(name)s” is too large: %(value)s.", name=name, value=value))
        return value

    @api.model
    def _expiry_domains(
        self, connector, include_not_due, refresh_older_than, max_permits, permit_ids, run=None
    ):
        """JSON domains on `sicantik.permit`; with `run`, without what it has recorded already.

        The limit is not part of a domain: the reader counts.
        """
        del max_permits
        now = run._beginning() if run else self._now()
        base = [
            ("connector_id", "=", connector.id),
            ("permit_number", "not in", [False, ""]),
        ]
        active = [("status", "=", "active")]
        # One that is marked as expired may have been renewed at the office, which only asking tells.
        # In words that `sicantik_permit_refresh_index` is made for.
        dated = [("status", "in", ["active", "expired"]), ("expiry_date", "!=", False)]
        if run:
            # By the run and not by the time: two runs can end and begin within one second.
            # “Different” includes “none”.
            base.append(("expiry_run_id", "!=", run.id))
        if permit_ids is not None:
            chosen = [("id", "in", permit_ids)] + base
            # What a run could not find out about an expired permit can be asked again, too.
            return [self._json_domain(chosen + ["|"] + active + ["&"] + dated)]
        undated = base + active + [("expiry_date", "=", False)]
        if not include_not_due:
            undated += [
                "|",
                ("expiry_next_check_at", "=", False),
                ("expiry_next_check_at", "<=", fields.Datetime.to_string(now)),
            ]
        domains = [self._json_domain(undated)]
        if refresh_older_than:
            before = fields.Datetime.to_string(now - relativedelta(days=refresh_older_than))
            domains.append(
                self._json_domain(
                    base
                    + dated
                    + [
                        "|",
                        ("expiry_checked_at", "=", False),
                        ("expiry_checked_at", "<", before),
                    ]
                )
            )
        return domains

    @api.model
    def _json_domain(self, domain):
        return [list(term) if isinstance(term, tuple) else term for term in domain]

    @api.model
    def _plan_total(self, domains, max_permits):
        permit = self.env["sicantik.permit"].sudo()
        total = sum(permit.search_count(domain) for domain in domains)
        return min(total, max_permits) if max_permits else total

    def _beginning(self):
        """The moment from which this run counts days.

        It is one for the whole run: what is not due when the listing gives its answer must not have
        become due when the run goes on to ask what is left.
        """
        self.ensure_one()
        return self.started_at or self._now()

    def _domains(self):
        """What this run still has to ask."""
        self.ensure_one()
        if self.kind not in ("expiry", "all"):
            return []
        return self._expiry_domains(
            self.connector_id,
            include_not_due=self.include_not_due,
            refresh_older_than=self.refresh_older_than,
            max_permits=self.max_permits,
            permit_ids=self.permit_selection or None,
            run=self,
        )
