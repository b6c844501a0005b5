"""A connector, some permits, and one user of each group with no right beyond it."""

from contextlib import ExitStack, contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo.tests.common import TransactionCase, new_test_user

ADDRESS = "http://127.0.0.1:9/backoffice/api"
OTHER_ADDRESS = "http://127.0.0.1:10/backoffice/api"


class SicantikCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A database that people have used has runs of its own.
        cls.env["sicantik.sync.run"].search([]).write({"state": "done"})
        cls.users = {
            name: new_test_user(cls.env, f"sicantik_{name}", groups=f"sicantik_sidecar.group_{name}")
            for name in ("user", "officer", "manager", "sidecar")
        }
        cls.stranger = new_test_user(cls.env, "sicantik_stranger", groups="base.group_user")
        cls.connector = cls.make_connector("Karo", ADDRESS)
        # As the sidecar calls it: with its own rights, without sudo.
        cls.ledger = cls.env["sicantik.sync.run"].with_user(cls.users["sidecar"])

    @classmethod
    def make_connector(cls, name, address=ADDRESS, **values):
        return cls.env["sicantik.connector"].create({"name": name, "api_url": address, **values})

    @classmethod
    def make_permits(cls, count, connector=None, **values):
        connector = connector or cls.connector
        first = cls.env["sicantik.permit"].search_count([]) + 1
        return cls.env["sicantik.permit"].create(
            [
                {
                    "registration_id": f"{number:08d}01012024",
                    "permit_number": f"503/{number:04d}/SIP/2024",
                    "connector_id": connector.id,
                    **values,
                }
                for number in range(first, first + count)
            ]
        )

    def page_view(self, model, kind, user=None):
        """The bridge's own page of a model, as `user` gets it."""
        view = self.env.ref(f"sicantik_sidecar.{model.replace('.', '_')}_view_{kind}")
        records = self.env[model].with_user(self.users[user]) if user else self.env[model]
        return records.get_view(view.id, kind)["arch"]

    def start(self, worker=None, connector=None, **wishes):
        return self.ledger.start(connector_id=(connector or self.connector).id, worker=worker, **wishes)

    def started(self, worker="one", **wishes):
        """A run that `worker` holds, as a record with all rights."""
        answer = self.start(worker=worker, **wishes)
        self.assertTrue(answer["created"])
        self.assertEqual(answer["state"], "running")
        return self.env["sicantik.sync.run"].browse(answer["run_id"])

    def record(self, run, batch, outcomes, worker="one", **progress):
        return self.ledger.record(
            run_id=run.id, worker=worker, batch=batch, outcomes=outcomes, progress=progress
        )

    def clock(self):
        """Lets the ledger's time pass as told: `clock(seconds)`."""
        now = [self.ledger._now()]

        def pass_by(seconds):
            now[0] += timedelta(seconds=seconds)

        self.startPatcher(patch.object(self.registry["sicantik.sync.run"], "_now", lambda _self: now[0]))
        return pass_by

    @contextmanager
    def scheduler(self, now):
        """Odoo's own way to a cron, with a cursor of its own; nothing of it is really committed."""
        Cron = type(self.env["ir.cron"])

        def run(cron, expected="fully done"):
            self.env.flush_all()
            job = {**cron.sudo().read(load=None)[0], "timed_out_counter": 0}
            status = Cron._run_job(job)
            self.env.invalidate_all()
            # A string on Odoo 18.
            self.assertEqual(getattr(status, "value", status), expected)

        with ExitStack() as stack:
            if hasattr(self, "enter_registry_test_mode"):
                stack.enter_context(self.enter_registry_test_mode())
            else:
                self.registry.enter_test_mode(self.cr)
                stack.callback(self.registry.leave_test_mode)
            stack.enter_context(
                patch.object(type(self.env["sicantik.connector"]), "_utc_now", lambda _self: now)
            )
            yield run

    def expire(self, run):
        """As if the worker had not been heard of for a while."""
        run.lease_until = run._now() - timedelta(seconds=1)
        run.flush_recordset()


def found(permit, day="2030-01-31"):
    return {"permit_id": permit.id, "outcome": "found", "expiry_date": day}


def no_date(permit):
    return {"permit_id": permit.id, "outcome": "no_date"}


def not_registered(permit):
    return {"permit_id": permit.id, "outcome": "not_registered"}


def failed(permit, reason="timeout", detail="no answer within 10 s"):
    return {"permit_id": permit.id, "outcome": "failed", "reason": reason, "detail": detail}
