"""Asks SICANTIK from inside Odoo, as the bridge is there to prevent: a test counts the requests."""

import base64
import logging
import time

import requests

from odoo import api, fields, models

_logger = logging.getLogger(__name__)

TRIAL = 10


class SicantikConnector(models.Model):
    _name = "sicantik.connector"
    _description = "SICANTIK API Connector"

    name = fields.Char("Configuration Name", required=True)
    api_url = fields.Char("API Base URL", required=True)
    active = fields.Boolean(default=True)
    last_sync_date = fields.Datetime(readonly=True)
    last_expiry_sync_date = fields.Datetime(readonly=True)
    total_permits_synced = fields.Integer(readonly=True)
    total_expiry_synced = fields.Integer(readonly=True)
    last_sync_duration = fields.Float("Last Sync Duration (seconds)", readonly=True)
    last_expiry_sync_duration = fields.Float("Last Expiry Sync Duration (seconds)", readonly=True)

    def sync_expiry_dates_workaround(self, max_permits=None):
        self.ensure_one()
        began, synced = time.time(), 0
        permits = self.env["sicantik.permit"].search(
            [("expiry_date", "=", False), ("status", "=", "active")], limit=max_permits
        )
        for permit in permits:
            date = (self._get_permit_expiry_workaround(permit.permit_number) or {}).get("d_berlaku_izin")
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

    def _get_permit_expiry_workaround(self, permit_number):
        """The first row that SICANTIK knows under this number, or None."""
        encoded = base64.b64encode((permit_number or "").encode()).decode()
        try:
            answer = requests.get(
                f"{self.api_url}/cekperizinan",
                params={"no_izin": encoded},
                headers={"Accept": "application/json"},
                timeout=10,
            )
            answer.raise_for_status()
            rows = answer.json()
        except (requests.RequestException, ValueError) as error:
            _logger.info("No answer about %s: %s", permit_number, error)
            return None
        return rows[0] if isinstance(rows, list) and rows else None

    @api.model
    def cron_sync_expiry_dates(self):
        connector = self.search([("active", "=", True)], limit=1)
        if connector:
            connector.sync_expiry_dates_workaround()

    def action_test_expiry_sync(self):
        self.ensure_one()
        result = self.sync_expiry_dates_workaround(max_permits=TRIAL)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "title": "Expiry Sync Test Completed",
                "message": f"Synced: {result['synced']}, Failed: {result['failed']}",
                "type": "success" if result["synced"] else "warning",
            },
        }

    def action_sync_all_expiry(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": "Sync All Expiry Dates",
            "res_model": "sicantik.expiry.sync.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_connector_id": self.id},
        }
