"""The sidecar as Odoo sees it: where it answers, and when it was last heard of."""

import logging
from contextlib import suppress
from datetime import timedelta

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..ledger import setup
from ..sidecar_client import SidecarError, call, waker

_logger = logging.getLogger(__name__)

URL_PARAMETER = "sicantik_sidecar.url"
TOKEN_PARAMETER = "sicantik_sidecar.token"
DAYS_PARAMETER = "sicantik_sidecar.run_retention_days"
DEFAULT_DAYS = 90
DEFAULT_URL = "http://127.0.0.1:8787"
# It looks for work every ten seconds.
SILENT_AFTER_SECONDS = 60
# How exactly its last sign of life is kept: each sign written is an UPDATE.
SIGN_EVERY_SECONDS = 5


class SicantikSidecar(models.Model):
    _name = "sicantik.sidecar"
    _description = "SICANTIK Sidecar"

    # One record: any sidecar will do to take up a run.
    last_seen = fields.Datetime("Last Heard Of", readonly=True)
    worker = fields.Char(readonly=True)

    def init(self):
        self.env.cr.execute("""
            CREATE UNIQUE INDEX IF NOT EXISTS sicantik_sidecar_single ON sicantik_sidecar ((true));
            INSERT INTO sicantik_sidecar (last_seen) VALUES (NULL) ON CONFLICT DO NOTHING;
        """)

    def _heard_from(self, worker):
        """Note that a sidecar is there. Never blocks or fails a claim."""
        cr = self.env.cr
        cr.execute("SELECT max(last_seen), timezone('UTC', clock_timestamp()) FROM sicantik_sidecar")
        last_seen, now = cr.fetchone()
        if last_seen and last_seen > now - timedelta(seconds=SIGN_EVERY_SECONDS):
            return
        update = """
            UPDATE sicantik_sidecar SET last_seen = %s, worker = %s
             WHERE id IN (SELECT id FROM sicantik_sidecar FOR NO KEY UPDATE SKIP LOCKED)
        """
        insert = "INSERT INTO sicantik_sidecar (last_seen, worker) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        # A conflict: somebody has noted one since this transaction began, which is as good as this one.
        with suppress(psycopg2.errors.SerializationFailure), cr.savepoint(flush=False):
            cr.execute(update, [now, worker], log_exceptions=False)
            if not last_seen and not cr.rowcount:
                cr.execute(insert, [now, worker], log_exceptions=False)
        self.invalidate_model()

    def _is_silent(self):
        query = """
            SELECT FROM sicantik_sidecar
             WHERE last_seen > timezone('UTC', clock_timestamp()) - %s * interval '1 second'
        """
        self.env.cr.execute(query, [SILENT_AFTER_SECONDS])
        return not self.env.cr.rowcount

    @api.model
    def describe_setup(self, token_digest=None):
        """How this database is set up for a sidecar (`setup.state`), for who looks for what is wrong.

        `token_digest` is the SHA-256, in hexadecimal, of the token that the stored one should be.
        """
        self.env["sicantik.sync.run"]._check_may_start()
        return setup.state(self.env, token_digest)

    def _access(self):
        parameter = self.env["ir.config_parameter"].sudo()
        url = (parameter.get_param(URL_PARAMETER) or DEFAULT_URL).strip()
        return url, parameter.get_param(TOKEN_PARAMETER) or ""

    def _retention_days(self):
        value = self.env["ir.config_parameter"].sudo().get_param(DAYS_PARAMETER) or ""
        return int(value) if value.isdecimal() and int(value) else DEFAULT_DAYS

    def _wake_after_commit(self):
        """Say that there is work, as soon as it can be seen. Nobody waits for it. In a threaded Odoo the
        thread that sends it runs beside the others; in a prefork worker it runs while the worker
        is idle. If the worker is recycled first, the call is lost and the sidecar finds the run at
        its next poll.
        """
        url, token = self._access()
        self.env.cr.postcommit.add(lambda: waker.wake(url, token))

    def _call(self, method, params=None):
        """The sidecar's answer within five seconds, or a `UserError` that says what to do."""
        url, token = self._access()
        try:
            answer = call(url, token, method, params)
            return answer if isinstance(answer, dict) else {}
        except SidecarError as error:
            _logger.info("The sidecar's %s brought nothing: %s", method, error.kind)
            texts = {
                "address": self.env._(
                    "“%s” is not an address of a sidecar: see the settings of SICANTIK.", url
                ),
                "unreachable": self.env._(
                    "The sidecar cannot be reached at %s. Start it on the server: sicantik-sidecar serve", url
                ),
                "slow": self.env._("There was no answer within 5 seconds. Try again in a moment."),
                "token": self.env._(
                    "The sidecar does not accept Odoo's token: an administrator has to enter the same token "
                    "in the settings of SICANTIK as the sidecar has."
                ),
                "refused": error.detail,
            }
            text = texts.get(error.kind) or self.env._("What answers at %s is not a sidecar.", url)
            raise UserError(text) from error
