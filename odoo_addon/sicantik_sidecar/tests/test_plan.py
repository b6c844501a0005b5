"""Which permits are asked about."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import OTHER_ADDRESS, SicantikCase


@tagged("post_install", "-at_install")
class TestPlan(SicantikCase):
    def planned(self, **wishes):
        plan = self.ledger.plan(connector_id=self.connector.id, **wishes)
        permits = self.env["sicantik.permit"]
        for domain in plan["domains"]:
            permits += permits.search(domain, order="id")
        return plan, permits

    def test_only_active_numbered_undated_permits_of_the_connector(self):
        wanted = self.make_permits(2)
        self.make_permits(1, connector=self.make_connector("Other", OTHER_ADDRESS))
        self.make_permits(1, permit_number=False)
        self.make_permits(1, expiry_date="2030-01-01")
        for status in ("draft", "expired", "renewed", "cancelled"):
            self.make_permits(1, status=status)
        plan, permits = self.planned()
        self.assertEqual(permits, wanted)
        self.assertEqual(plan["total"], 2)

    def test_what_rests_is_left_out_unless_asked_for(self):
        due, rests, never = self.make_permits(3)
        now = fields.Datetime.now()
        due.expiry_next_check_at = now - timedelta(minutes=1)
        rests.expiry_next_check_at = now + timedelta(days=2)
        self.assertEqual(self.planned()[1], due | never)
        self.assertEqual(self.planned(include_not_due=True)[1], due | rests | never)

    def test_refresh_comes_after_the_undated(self):
        old, recent, never = self.make_permits(3, expiry_date="2030-01-01")
        undated = self.make_permits(1)
        now = fields.Datetime.now()
        old.expiry_checked_at = now - timedelta(days=91)
        recent.expiry_checked_at = now - timedelta(days=89)
        plan, permits = self.planned(refresh_older_than=90)
        self.assertEqual(permits.ids, [undated.id, old.id, never.id])
        self.assertEqual(len(plan["domains"]), 2)
        self.assertEqual(plan["total"], 3)
        self.assertEqual(self.planned(refresh_older_than=0)[1], undated)

    def test_refresh_includes_what_is_marked_as_expired(self):
        statuses = ("expired", "active", "draft", "renewed", "cancelled")
        expired, active, *_others = (
            self.make_permits(1, status=status, expiry_date="2020-01-01") for status in statuses
        )
        undated = self.make_permits(1, status="expired")
        recent = self.make_permits(1, status="expired", expiry_date="2020-01-01")
        recent.expiry_checked_at = fields.Datetime.now() - timedelta(days=89)
        self.assertFalse(self.planned()[1])
        self.assertEqual(self.planned(refresh_older_than=90)[1], expired | active)
        # What fails can be asked about again; still nothing without a date.
        chosen = expired | active | undated
        self.assertEqual(self.planned(permit_ids=chosen.ids)[1], expired | active)

    def test_a_selection_is_asked_whether_due_or_dated(self):
        dated, resting, plain, cancelled = self.make_permits(4)
        dated.expiry_date = "2030-01-01"
        resting.expiry_next_check_at = fields.Datetime.now() + timedelta(days=2)
        cancelled.status = "cancelled"
        ids = [cancelled.id, resting.id, dated.id, dated.id]
        plan, permits = self.planned(permit_ids=ids)
        self.assertEqual(permits, dated | resting)
        self.assertEqual(plan["total"], 2)
        self.assertNotIn(plain, permits)
        self.assertEqual(self.planned(permit_ids=[])[0]["total"], 0)
        run = self.started(permit_ids=ids)
        self.assertEqual(run.total, 2)

    def test_maximum_bounds_the_total(self):
        self.make_permits(5)
        self.assertEqual(self.planned(max_permits=3)[0]["total"], 3)
        self.assertEqual(self.planned(max_permits=30)[0]["total"], 5)

    def test_nothing_is_changed(self):
        self.make_permits(2)
        self.planned(refresh_older_than=3, include_not_due=True)
        self.assertFalse(self.connector.run_ids)

    def test_unknown_connector(self):
        with self.assertRaisesRegex(UserError, "no connector"):
            self.ledger.plan(connector_id=self.connector.id + 1000)

    def explain(self, domain):
        self.env.flush_all()
        domain = domain + [["id", ">", 0]]
        query = self.env["sicantik.permit"]._search(domain, order="id", limit=100)
        self.env.cr.execute("ANALYZE sicantik_permit")
        self.env.cr.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        sql = query.select()
        self.env.cr.execute("EXPLAIN " + sql.code, sql.params)  # pylint: disable=sql-injection
        return "\n".join(row[0] for row in self.env.cr.fetchall())

    def test_pages_of_the_plan_use_the_partial_indexes(self):
        # Enough of them that the primary key, which leads there as well, is no choice.
        self.make_permits(2000, status="cancelled")
        self.make_permits(100, expiry_date="2030-01-01", expiry_checked_at=fields.Datetime.now())
        self.make_permits(5, status="expired", expiry_date="2020-01-01")
        self.make_permits(5)
        undated, dated = self.planned(refresh_older_than=90)[0]["domains"]
        self.assertIn("sicantik_permit_undated_index", self.explain(undated))
        self.assertIn("sicantik_permit_refresh_index", self.explain(dated))

    def test_an_update_makes_the_indexes_that_are_missing(self):
        def indexes():
            self.env.cr.execute(
                "SELECT indexname FROM pg_indexes WHERE tablename = 'sicantik_permit' ORDER BY 1"
            )
            return [name for (name,) in self.env.cr.fetchall()]

        installed = indexes()
        self.assertIn("sicantik_permit_refresh_index", installed)
        self.env.cr.execute("DROP INDEX sicantik_permit_refresh_index")
        for _ in range(2):
            self.env["sicantik.permit"].init()
            self.assertEqual(indexes(), installed)
