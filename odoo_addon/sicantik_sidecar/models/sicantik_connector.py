"""A SICANTIK server: where it is, how gently it is to be asked, and what came of it so far."""

import ipaddress
from urllib.parse import urlsplit

import pytz

from odoo import api, fields, models
from odoo.exceptions import ValidationError

# What a government server can be asked without hurting the people who work on it.
MIN_RATE, MAX_RATE = 0.1, 10.0
# A simulator on this machine may be driven as fast as it goes.
MAX_LOOPBACK_RATE = 100_000.0
MAX_PAGE_SIZE = 1000
MAX_TIMEOUT = 300.0
DEFAULT_PORTS = {"http": 80, "https": 443}


class SicantikConnector(models.Model):
    _name = "sicantik.connector"
    _inherit = ["sicantik.connector", "mail.thread", "mail.activity.mixin"]

    active = fields.Boolean(default=True)
    user_id = fields.Many2one(
        "res.users",
        "Responsible",
        default=lambda self: self.env.user,
        domain=[("share", "=", False)],
        tracking=True,
        help="Who is told when a synchronisation fails.",
    )
    api_url = fields.Char()
    host = fields.Char(
        "Server",
        compute="_compute_host",
        store=True,
        index=True,
        help="Host and port of the API. Two connectors to one server are never worked on together.",
    )
    request_rate = fields.Float(
        "Requests per Second",
        required=True,
        default=10.0,
        digits=(9, 2),
        tracking=True,
        help="The most requests in any one second, repeated ones included. The server of a "
        "regency is small: 10 is the most that may be asked of it.",
    )
    request_timeout = fields.Float(
        "Time-out (seconds)",
        required=True,
        default=10.0,
        digits=(6, 1),
        tracking=True,
        help="How long to wait for one answer before it counts as lost.",
    )
    max_in_flight = fields.Integer(
        "Questions at Once",
        required=True,
        default=32,
        tracking=True,
        help="The most questions that may wait for their answer at the same time.",
    )
    page_size = fields.Integer(
        "Permits per Page",
        required=True,
        default=100,
        tracking=True,
        help="How many permits one page of the listing holds."
        " With each, a tenth more is asked for, at least 5, so that nothing is lost between two pages.",
    )
    tz = fields.Selection(
        "_list_timezones",
        "Time Zone",
        required=True,
        default="Asia/Jakarta",
        help="The office's time zone: nights and days are counted in it.",
    )

    last_sync_date = fields.Datetime()
    last_expiry_sync_date = fields.Datetime()
    total_permits_synced = fields.Integer()
    total_expiry_synced = fields.Integer()
    last_sync_duration = fields.Float()
    last_expiry_sync_duration = fields.Float()
    last_expiry_rate = fields.Float(
        "Measured Speed (permits per second)",
        readonly=True,
        copy=False,
        digits=(12, 2),
        help="Permits answered per second in the last synchronisation that came to its end. "
        "Estimates are made from it.",
    )

    permit_ids = fields.One2many("sicantik.permit", "connector_id", "Permits")
    permit_count = fields.Integer("Number of Permits", compute="_compute_permit_counts")
    permit_without_expiry_count = fields.Integer(
        "Permits Without Expiry",
        compute="_compute_permit_counts",
        help="Active permits with a number: without one nothing can be asked.",
    )
    run_ids = fields.One2many("sicantik.sync.run", "connector_id", "Synchronisations")
    run_count = fields.Integer("Number of Synchronisations", compute="_compute_runs")
    current_run_id = fields.Many2one("sicantik.sync.run", "Current Synchronisation", compute="_compute_runs")
    current_run_state = fields.Selection(
        lambda self: self.env["sicantik.sync.run"]._fields["state"].selection,
        "Current State",
        compute="_compute_runs",
    )

    @api.model
    def _list_timezones(self):
        return [(name, name) for name in pytz.common_timezones]

    @api.depends("api_url")
    def _compute_host(self):
        for connector in self:
            connector.host = connector._split_host(connector.api_url)

    @api.model
    def _split_host(self, url):
        """The server of an address, in lower case, or False where it has none.

        With its port unless that is one of the web's own two: a server that is reached by http and by
        https is one machine. The sidecar names servers in the same way.
        """
        try:
            parts = urlsplit((url or "").strip())
            port = parts.port or DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            return False
        host = (parts.hostname or "").rstrip(".")
        if not host or not port:
            return False
        host = f"[{host}]" if ":" in host else host
        return host if port in DEFAULT_PORTS.values() else f"{host}:{port}"

    def _compute_permit_counts(self):
        permit = self.env["sicantik.permit"]
        everything = dict(
            permit._read_group([("connector_id", "in", self.ids)], ["connector_id"], ["__count"])
        )
        undated = dict(
            permit._read_group(
                [
                    ("connector_id", "in", self.ids),
                    ("status", "=", "active"),
                    ("permit_number", "not in", [False, ""]),
                    ("expiry_date", "=", False),
                ],
                ["connector_id"],
                ["__count"],
            )
        )
        for connector in self:
            connector.permit_count = everything.get(connector, 0)
            connector.permit_without_expiry_count = undated.get(connector, 0)

    def _compute_runs(self):
        run = self.env["sicantik.sync.run"]
        counts = dict(run._read_group([("connector_id", "in", self.ids)], ["connector_id"], ["__count"]))
        current = {}
        for found in run.search(
            [("connector_id", "in", self.ids), ("state", "in", ("queued", "running"))],
            order="state desc, id",
        ):
            current.setdefault(found.connector_id.id, found)
        for connector in self:
            connector.run_count = counts.get(connector, 0)
            connector.current_run_id = current.get(connector.id, run)
            connector.current_run_state = connector.current_run_id.state

    @api.constrains("api_url")
    def _check_api_url(self):
        for connector in self:
            if not connector.api_url:
                continue
            try:
                parts = urlsplit(connector.api_url.strip())
                usable = parts.scheme in DEFAULT_PORTS and connector.host
                secret = parts.username is not None or parts.password is not None
            except ValueError:
                usable, secret, parts = False, False, None
            if not usable:
                raise ValidationError(
                    self.env._(
                        "“%s” is not an address of a SICANTIK server. It must begin with http:// "
                        "or https:// and name a host, as in https://perizinan.example.go.id/backoffice/api.",
                        connector.api_url,
                    )
                )
            if secret:
                raise ValidationError(
                    self.env._("The address of SICANTIK must not hold a user name or a password.")
                )
            if parts.query or parts.fragment:
                raise ValidationError(self.env._("The address of SICANTIK must end before any “?” or “#”."))

    @api.constrains("request_rate", "api_url")
    def _check_request_rate(self):
        for connector in self:
            highest = MAX_LOOPBACK_RATE if connector._is_loopback() else MAX_RATE
            if not MIN_RATE <= connector.request_rate <= highest:
                raise ValidationError(
                    self.env._(
                        "%(rate)g requests per second cannot be set for %(name)s: the rate must be "
                        "from %(lowest)g to %(highest)g.",
                        rate=connector.request_rate,
                        name=connector.name,
                        lowest=MIN_RATE,
                        highest=highest,
                    )
                )

    @api.constrains("request_timeout", "max_in_flight", "page_size")
    def _check_limits(self):
        for connector in self:
            if not 0.1 <= connector.request_timeout <= MAX_TIMEOUT:
                raise ValidationError(self.env._("The time-out must be from 0.1 to %g seconds.", MAX_TIMEOUT))
            if not 1 <= connector.max_in_flight <= 1000:
                raise ValidationError(self.env._("The questions at once must be from 1 to 1000."))
            if not 1 <= connector.page_size <= MAX_PAGE_SIZE:
                raise ValidationError(self.env._("The permits per page must be from 1 to %d.", MAX_PAGE_SIZE))

    @api.constrains("tz")
    def _check_tz(self):
        for connector in self:
            if connector.tz not in pytz.all_timezones_set:
                raise ValidationError(
                    self.env._("“%s” is not a time zone, as Asia/Jakarta is one.", connector.tz)
                )

    def _is_loopback(self):
        """Whether the server is on this machine, as a simulator is."""
        self.ensure_one()
        try:
            host = urlsplit((self.api_url or "").strip()).hostname or ""
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def _expected_seconds(self, permits):
        """How long so many permits will take, from the speed last measured here."""
        self.ensure_one()
        speed = self.last_expiry_rate or self.request_rate
        return permits / speed if speed else 0.0

    def action_view_permits(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("sicantik_sidecar.sicantik_permit_action")
        action["domain"] = [("connector_id", "=", self.id)]
        action["context"] = {"default_connector_id": self.id}
        if self.env.context.get("without_expiry"):
            # The same permits as the button counts, and as the wizard does.
            action["context"] |= {"search_default_without_expiry": 1, "search_default_with_number": 1}
        return action

    def action_view_runs(self):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("sicantik_sidecar.sicantik_sync_run_action")
        action["domain"] = [("connector_id", "=", self.id)]
        return action
