"""Asks SICANTIK from inside Odoo, as the bridge is there to prevent: a test counts the requests."""

import base64
import time

import requests

from odoo import api, fields, models
from odoo.exceptions import UserError

TRIAL = 10


class SicantikConnector(models.Model):
    _name = "sicantik.connector"
    _description = "SICANTIK Connector"

    name = fields.Char(required=True)
    config_id = fields.Many2one("sicantik.config", required=True)
    active = fields.Boolean(default=True)
    last_sync_date = fields.Datetime(readonly=True)
    last_expiry_sync_date = fields.Datetime(readonly=True)
    total_permits_synced = fields.Integer(readonly=True)
    total_expiry_synced = fields.Integer(readonly=True)
    last_sync_duration = fields.Float(readonly=True)
    last_expiry_sync_duration = fields.Float(readonly=True)

    def _get(self, endpoint, **params):
        """The rows that an endpoint answers with; none where it has nothing."""
        config = self.config_id
        url = f"{config.api_url}/{endpoint}"
        answer = requests.get(
            url, params=params, headers={"Accept": "application/json"}, timeout=config.api_timeout
        )
        if answer.status_code == 404:
            return []
        answer.raise_for_status()
        return answer.json()

    def sync_permits(self, limit=50, offset=0, full_sync=False):
        self.ensure_one()
        began, synced = time.time(), 0
        while True:
            rows = self._get("listpermohonanterbit", limit=limit, offset=offset)
            for row in rows:
                self._store(row)
            synced += len(rows)
            offset += limit
            if not full_sync or len(rows) < limit:
                break
        self.write({
            "last_sync_date": fields.Datetime.now(),
            "total_permits_synced": self.total_permits_synced + synced,
            "last_sync_duration": time.time() - began,
        })
        return {"success": True, "synced": synced}

    def _store(self, row):
        permit = self.env["sicantik.permit"].search([("registration_id", "=", row["pendaftaran_id"])])
        kind = self.env["sicantik.permit.type"].search([("name", "=", row["n_perizinan"])], limit=1)
        values = {
            "permit_number": row["no_surat"],
            "applicant_name": row["n_pemohon"],
            "permit_type_name": row["n_perizinan"] or "-",
            "permit_type_id": kind.id,
            "last_sync_date": fields.Datetime.now(),
        }
        if permit:
            permit.write(values)
        else:
            permit.create({**values, "registration_id": row["pendaftaran_id"], "status": "active"})

    def sync_permit_types(self):
        self.ensure_one()
        kinds = self.env["sicantik.permit.type"]
        rows = self._get("jenisperizinanlist")
        for row in rows:
            name = row.get("n_perizinan")
            if name and not kinds.search([("name", "=", name)]):
                kinds.create({"name": name, "last_sync_date": fields.Datetime.now()})
        return {"success": True, "synced": len(rows)}

    def sync_expiry_dates_workaround(self, max_permits=None):
        self.ensure_one()
        began, synced = time.time(), 0
        permits = self.env["sicantik.permit"].search(
            [("status", "=", "active"), ("permit_number", "!=", False), ("expiry_date", "=", False)],
            limit=max_permits,
        )
        for permit in permits:
            encoded = base64.b64encode(permit.permit_number.encode()).decode()
            rows = self._get("cekperizinan", no_izin=encoded)
            date = rows and rows[0].get("d_berlaku_izin")
            if date:
                permit.write({"expiry_date": date, "last_sync_date": fields.Datetime.now()})
                synced += 1
        duration = time.time() - began
        self.write({
            "last_expiry_sync_date": fields.Datetime.now(),
            "total_expiry_synced": self.total_expiry_synced + synced,
            "last_expiry_sync_duration": duration,
        })
        return {
            "success": True,
            "total": len(permits),
            "synced": synced,
            "failed": len(permits) - synced,
            "duration": duration,
        }

    @api.model
    def cron_sync_expiry_dates(self):
        for connector in self.search([("active", "=", True)], limit=1):
            connector.sync_expiry_dates_workaround()

    def action_sync_permits(self):
        self.ensure_one()
        return self._tell("Permits", self.sync_permits(limit=self.config_id.sync_limit))

    def action_full_sync_permits(self):
        self.ensure_one()
        return self._tell("Permits", self.sync_permits(limit=self.config_id.sync_limit, full_sync=True))

    def action_test_expiry_sync(self):
        self.ensure_one()
        return self._tell("Expiry dates", self.sync_expiry_dates_workaround(max_permits=TRIAL))

    def action_sync_all_expiry(self):
        self.ensure_one()
        if not self.env["sicantik.permit"].search_count([("expiry_date", "=", False)]):
            raise UserError("Every permit has its expiry date.")
        return self._tell("Expiry dates", self.sync_expiry_dates_workaround())

    @api.model
    def _tell(self, title, result):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"title": title, "message": f"{result['synced']} received", "type": "success"},
        }
