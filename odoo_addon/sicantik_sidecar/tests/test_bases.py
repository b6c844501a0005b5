"""The bridge on whatever module is under it: what these tests find there, they adapt to.

They run on ours, on the seed's, on the predecessor's with two modules that stand on it, and must
not ask anything of a base that one of these lacks.
"""

from datetime import date
from types import SimpleNamespace
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..base_module import base_classes
from .common import ADDRESS, OTHER_ADDRESS, SicantikCase, failed, found, no_date

RECORDER = "odoo.addons.sicantik_sidecar.ledger.recorder"


class BasesCase(SicantikCase):
    """Makes connectors and permits as the base wants them."""

    @classmethod
    def make_connector(cls, name, address=ADDRESS, **values):
        Connector = cls.env["sicantik.connector"]
        if "config_id" not in Connector._fields:
            return super().make_connector(name, address, **values)
        Config = cls.env[Connector._fields["config_id"].comodel_name]
        # One of them may be active.
        is_first = not Config.search_count([])
        config = Config.create({"name": name, "api_url": address, "active": is_first})
        return Connector.create({"name": name, "config_id": config.id, **values})

    @classmethod
    def make_permits(cls, count, connector=None, **values):
        return super().make_permits(
            count, connector, **{"status": "active", "permit_type_name": "SURAT IZIN", **values}
        )

    def row(self, permit=None, **values):
        return {
            "registration_id": permit.registration_id if permit else "9900000101012024",
            "permit_number": permit.permit_number if permit else "503/9900/SIP/2024",
            "applicant_name": "Sari Ginting",
            "permit_type_name": "SURAT IZIN",
            "received_date": "2024-01-02",
            **values,
        }

    def refuse_by_database(self, permit, condition):
        """Whatever the base is: the database does not take this of the permit."""
        self.env.flush_all()
        self.env.cr.execute(
            # pylint: disable=sql-injection
            f"ALTER TABLE sicantik_permit ADD CONSTRAINT in_court CHECK (id != {permit.id} OR {condition})"
        )

    def one_at_a_time(self):
        """As a base whose `write` takes one record where a status is written."""
        Permit = self.registry["sicantik.permit"]
        write = Permit.write

        def write_one(records, vals):
            if "status" in vals:
                records.ensure_one()
            return write(records, vals)

        return patch.object(Permit, "write", write_one)


@tagged("post_install", "-at_install", "test_bases")
class TestBases(BasesCase):
    # The three kinds of work

    def test_answers_are_written(self):
        one, two, three = self.make_permits(3)
        run = self.started()
        self.record(run, 1, [found(one, "2031-05-06"), no_date(two), failed(three)])
        self.assertEqual(one.expiry_date, date(2031, 5, 6))
        self.assertEqual((one | two | three).mapped("expiry_check_state"), ["found", "no_date", "failed"])
        self.assertTrue(one.last_sync_date)
        self.ledger.finish(run_id=run.id, worker="one", state="done")
        self.assertEqual(self.connector.total_expiry_synced, 1)
        self.assertTrue(self.connector.last_expiry_sync_date)

    def test_the_listing_is_written(self):
        known = self.make_permits(1)
        run = self.started(kind="all")
        rows = [self.row(known, expiry_date="2031-01-01"), self.row(expiry_date="2032-01-01")]
        answer = self.ledger.record_listing(run_id=run.id, worker="one", batch=1, rows=rows)
        self.assertEqual((answer["created"], answer["updated"], answer["rejected"]), (1, 1, 0))
        made = self.env["sicantik.permit"].search([("registration_id", "=", "9900000101012024")])
        self.assertEqual((made.status, made.connector_id), ("active", self.connector))
        self.assertEqual((known | made).mapped("applicant_name"), ["Sari Ginting"] * 2)
        self.assertEqual(known.expiry_date, date(2031, 1, 1))
        self.assertEqual(made.expiry_date, date(2032, 1, 1))
        self.ledger.listing_done(run_id=run.id, worker="one", complete=True, listed_ids_missing=known.ids)
        self.assertEqual((known | made).mapped("listed"), [False, True])

    @mute_logger(RECORDER)
    def test_one_refusal_stops_no_other(self):
        permits = self.make_permits(8)
        bad = permits[3]
        self.refuse_by_database(bad, "expiry_date IS NULL")
        run = self.started()
        with mute_logger("odoo.sql_db"):
            answer = self.record(run, 1, [found(permit) for permit in permits])
        self.assertEqual((answer["answer"], answer["rejected"]), ("go", 1))
        self.assertEqual((run.found_count, run.failed_count), (7, 1))
        self.assertFalse(bad.expiry_date)
        self.assertEqual((bad.expiry_check_state, run.line_ids.permit_id), ("failed", bad))
        self.assertIn("in_court", run.line_ids.detail)
        self.assertTrue(all((permits - bad).mapped("expiry_date")))

    @mute_logger(RECORDER)
    def test_a_renewal_on_a_base_that_writes_one_at_a_time(self):
        permits = self.make_permits(5, expiry_date="2020-01-01")
        for permit in permits:
            permit.status = "expired"
        run = self.started(refresh_older_than=1)
        with self.one_at_a_time():
            self.record(run, 1, [found(permit, "2999-01-01") for permit in permits])
        self.assertEqual(set(permits.mapped("status")), {"active"})
        self.assertEqual((run.found_count, run.failed_count, len(run.line_ids)), (5, 0, 0))

    def check_run(self):
        run_id = self.start(kind="check", trigger="cron")["run_id"]
        self.ledger.claim(worker="one", run_id=run_id)
        return self.env["sicantik.sync.run"].browse(run_id)

    @mute_logger(RECORDER, "odoo.sql_db")
    def test_a_check_with_one_refusal(self):
        permits = self.make_permits(161, expiry_date="2020-01-01")
        bad = permits[80]
        self.refuse_by_database(bad, "status != 'expired'")
        run = self.check_run()
        answer = self.ledger.check(run_id=run.id, worker="one")
        self.assertEqual(answer, {"answer": "go", "expired": 160, "refused": 1})
        self.assertEqual(bad.status, "active")
        self.assertEqual(set((permits - bad).mapped("status")), {"expired"})
        self.assertEqual((run.expired_count, run.failed_count), (160, 1))
        self.assertEqual((run.line_ids.permit_id, run.line_ids.reason), (bad, "rejected_by_odoo"))
        self.assertIn("in_court", run.line_ids.detail)
        # Sent again, nothing is counted twice.
        answer = self.ledger.check(run_id=run.id, worker="one")
        self.assertEqual(answer, {"answer": "go", "expired": 0, "refused": 1})
        self.assertEqual((run.expired_count, run.failed_count, len(run.line_ids)), (160, 1, 1))
        self.ledger.finish(run_id=run.id, worker="one", state="done")
        self.assertEqual((run.total, run.answered_count, run.progress), (161, 161, 100))

    @mute_logger(RECORDER)
    def test_a_check_on_a_base_that_writes_one_at_a_time(self):
        permits = self.make_permits(161, expiry_date="2020-01-01")
        run = self.check_run()
        with self.one_at_a_time():
            answer = self.ledger.check(run_id=run.id, worker="one")
        self.assertEqual(answer, {"answer": "go", "expired": 161, "refused": 0})
        self.assertEqual(set(permits.mapped("status")), {"expired"})

    @mute_logger(RECORDER, "odoo.sql_db")
    def test_what_the_listing_cannot_fill_is_refused_with_its_reason(self):
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE sicantik_permit SET permit_type_name = '-' WHERE permit_type_name IS NULL;"
            "ALTER TABLE sicantik_permit ALTER permit_type_name SET NOT NULL"
        )
        run = self.started(kind="permits")
        rows = [self.row(permit_type_name=""), self.row(registration_id="9900000201012024")]
        answer = self.ledger.record_listing(run_id=run.id, worker="one", batch=1, rows=rows)
        self.assertEqual((answer["created"], answer["rejected"]), (1, 1))
        label = self.env["sicantik.permit"]._fields["permit_type_name"]._description_string(self.env)
        self.assertIn(label, run.line_ids.detail)
        self.assertEqual(run.line_ids.registration_id, "9900000101012024")

    def test_types_of_the_base_are_linked(self):
        link = self.env["sicantik.permit"]._fields.get("permit_type_id")
        made = self.connector.sync_permit_types()
        if not link:
            self.assertEqual(made["synced"], 0)
            return
        known = self.make_permits(1)
        self.assertEqual(self.connector.sync_permit_types()["synced"], 1)
        self.assertEqual(self.connector.sync_permit_types()["synced"], 0)
        run = self.started(kind="permits")
        rows = [self.row(known), self.row()]
        self.ledger.record_listing(run_id=run.id, worker="one", batch=1, rows=rows)
        made = self.env["sicantik.permit"].search([("registration_id", "=", "9900000101012024")])
        for permit in known | made:
            self.assertEqual(permit.permit_type_id.name, "SURAT IZIN")
        run = self.env["sicantik.sync.run"].browse(run.id)
        self.ledger.finish(run_id=run.id, worker="one", state="done")
        run = self.started(kind="permits")
        again = self.ledger.record_listing(run_id=run.id, worker="one", batch=1, rows=rows)
        self.assertEqual(again["unchanged"], 2)

    def test_a_permit_of_no_connector_is_found_again(self):
        self.make_connector("Other", OTHER_ADDRESS)
        stray = self.make_permits(1)
        stray.connector_id = False
        run = self.started(kind="permits")
        answer = self.ledger.record_listing(run_id=run.id, worker="one", batch=1, rows=[self.row(stray)])
        self.assertEqual((answer["created"], answer["updated"]), (0, 1))
        self.assertEqual(stray.connector_id, self.connector)

    # Fields

    def test_permits_know_their_only_connector(self):
        self.env["sicantik.connector"].search([("id", "!=", self.connector.id)]).active = False
        values = {"registration_id": "1", "permit_number": "1", "permit_type_name": "SURAT IZIN"}
        permit = self.env["sicantik.permit"].create(values)
        self.assertEqual(permit.connector_id, self.connector)
        other = self.make_connector("Other", OTHER_ADDRESS)
        permit = self.env["sicantik.permit"].create({**values, "registration_id": "2"})
        self.assertFalse(permit.connector_id)
        # Once there is no choice any more, what the base holds is settled as on the installation.
        other.active = False
        self.env["sicantik.permit"]._settle()
        self.assertEqual(permit.connector_id, self.connector)

    @mute_logger("odoo.sql_db")
    def test_registrations_of_the_base_that_are_doubled_are_left_out(self):
        self.env.cr.execute(
            "SELECT FROM pg_constraint WHERE conrelid = 'sicantik_permit'::regclass AND contype = 'u'"
        )
        if self.env.cr.rowcount:
            # This base lets no registration be there twice.
            return
        self.env["sicantik.connector"].search([("id", "!=", self.connector.id)]).active = False
        poor, rich = self.make_permits(2)
        self.env.flush_all()
        self.env.cr.execute(
            "DROP INDEX sicantik_permit_connector_registration_uniq;"
            "UPDATE sicantik_permit SET connector_id = NULL, registration_id = 'R' WHERE id = ANY(%s)",
            [(poor | rich).ids],
        )
        self.env.invalidate_all()
        rich.expiry_date = "2030-01-01"
        self.env["sicantik.permit"]._settle()
        self.assertEqual((rich.connector_id, poor.connector_id.ids), (self.connector, []))
        self.assertEqual(poor.registration_id, "R", "nothing of the base is changed")

    def test_fields_of_the_base_keep_what_it_says_about_them(self):
        """What the bridge declares beside the base adds a field, or nothing but what is listed
        here.
        """
        ours = {("expiry_date", "tracking"), ("active", "default")}
        for model in ("sicantik.permit", "sicantik.connector"):
            for name, field in (
                (name, one) for cls in base_classes(model) for name, one in vars(cls).items()
            ):
                if not isinstance(field, fields.Field):
                    continue
                now = self.env[model]._fields[name]
                self.assertIs(type(now), type(field))
                # Renamed in Odoo 19.
                said = getattr(field, "_args__", None) or getattr(field, "args", {})
                for key in said.keys() & {"required", "readonly", "index", "help", "ondelete", "tracking"}:
                    if (name, key) not in ours:
                        self.assertEqual(getattr(now, key), said[key], (model, name, key))

    # The address

    def test_the_address_in_effect(self):
        if "config_id" not in self.connector:
            self.assertEqual(self.connector._api()["api_url"], ADDRESS)
            self.assertEqual(self.connector.host, "127.0.0.1:9")
            return
        config = self.connector.config_id
        self.assertEqual(self.connector.host, "127.0.0.1:9")
        far = "https://perizinan.example.go.id/backoffice/api"
        config.write(
            {"api_url": far, "rate_limit_enabled": True, "rate_limit_requests": 5, "api_timeout": 30}
        )
        self.assertEqual(self.connector.host, "perizinan.example.go.id")
        self.make_permits(10)
        payload = self.started()._payload()["connector"]
        self.assertEqual(
            (payload["api_url"], payload["request_rate"], payload["request_timeout"]), (far, 5, 30)
        )
        self.assertEqual(self.connector._expected_seconds(10), 2)
        # Never more than a government server may be asked, nor for longer than the sidecar takes.
        config.write({"rate_limit_requests": 500, "api_timeout": 4000})
        api = self.connector._api()
        self.assertEqual((api["request_rate"], api["request_timeout"]), (10, 300))
        # What is not set, or switched off, is the connector's.
        self.connector.write({"request_rate": 3, "request_timeout": 7})
        config.write({"rate_limit_requests": 0, "api_timeout": 0})
        api = self.connector._api()
        self.assertEqual((api["request_rate"], api["request_timeout"]), (3, 7))
        config.write({"rate_limit_enabled": False, "rate_limit_requests": 5})
        self.assertEqual(self.connector._api()["request_rate"], 3)
        # One of its own comes before.
        self.connector.api_url = OTHER_ADDRESS
        self.assertEqual(self.connector.host, "127.0.0.1:10")
        self.assertEqual(self.connector._api()["request_timeout"], 7)

    def test_what_is_not_a_configuration_is_left_alone(self):
        for field in (None, {"type": "char"}, {"type": "many2one", "comodel_name": "res.partner"}):
            found = {"config_id": SimpleNamespace(**field)} if field else {}
            connectors = SimpleNamespace(env=self.env, _fields=found)
            self.assertIsNone(type(self.connector)._config_model(connectors))

    def test_connectors_to_one_server_are_worked_on_one_after_the_other(self):
        twin = self.make_connector("Twin", ADDRESS)
        self.started("one")
        answer = self.start(worker="two", connector=twin)
        self.assertEqual((answer["state"], answer["run"]), ("queued", False))
