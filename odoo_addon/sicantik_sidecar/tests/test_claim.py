"""Which run is taken, and which is not: the rarer cases."""

from datetime import timedelta

from odoo.tests import tagged

from .common import OTHER_ADDRESS, SicantikCase, found


@tagged("post_install", "-at_install")
class TestClaim(SicantikCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.permits = cls.make_permits(3)

    def spoil(self, connector, address):
        """As tables that were taken over can hold it: no constraint has looked at it."""
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE sicantik_connector SET api_url = %s, host = NULL WHERE id = %s", [address, connector.id]
        )
        self.env.invalidate_all()

    def test_an_address_that_does_not_parse_stops_no_other_run(self):
        twin, other = self.make_connector("Twin"), self.make_connector("Other", OTHER_ADDRESS)
        for connector, address in ((self.connector, "perizinan"), (twin, "http://[")):
            self.spoil(connector, address)
        first = self.start(trigger="button")["run_id"]
        runs = [first, *(self.start(connector=one, trigger="button")["run_id"] for one in (twin, other))]
        claimed = [self.ledger.claim(worker=f"w{number}") for number in range(4)]
        self.assertEqual([one and one["run_id"] for one in claimed], [*runs, False])
        self.assertEqual(claimed[0]["connector"]["api_url"], "perizinan")
        run = self.env["sicantik.sync.run"].browse(first)
        self.ledger.finish(run_id=first, worker="w0", state="failed", message="perizinan is no address.")
        self.assertEqual((run.state, run.host), ("failed", False))
        # A command learns the same.
        self.assertTrue(self.start(worker="w0")["run"])

    def test_a_command_that_died_is_not_gone_on_with(self):
        """It may have asked a simulator by `--api-url`; the service would ask the real server."""
        other = self.make_connector("Other", OTHER_ADDRESS)
        dead = self.started("one", trigger="cli")
        self.record(dead, 1, [found(self.permits[0])])
        self.assertIs(self.ledger.claim(worker="two"), False, "it is held")
        self.expire(dead)
        self.assertIs(self.ledger.claim(worker="two"), False, "it may be waiting for Odoo")
        self.assertEqual((dead.state, dead.worker), ("running", "one"))
        dead.lease_until -= timedelta(seconds=60)
        queued = self.start(connector=other, trigger="button")["run_id"]
        self.assertEqual(self.ledger.claim(worker="two")["run_id"], queued)
        self.assertEqual((dead.state, dead.worker, dead.attempt), ("failed", False, 1))
        self.assertIn("ended without finishing", dead.message)
        self.assertEqual(self.connector.total_expiry_synced, 1, "what it brought is counted")
        self.assertEqual(self.record(dead, 2, [found(self.permits[1])])["answer"], "lost")
        # What it left is due, by the rules, and nothing else is.
        again = self.start(worker="one")["run"]
        domain = again["domains"][0]
        self.assertEqual(self.env["sicantik.permit"].search(domain, order="id"), self.permits[1:])
        self.assertIs(self.ledger.claim(worker="three"), False)
