"""Settings of the sidecar, for administrators of the system."""

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..address import is_usable
from ..sidecar_client import is_usable_token
from . import sicantik_sidecar as sidecar

SYSTEM = "base.group_system"


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    sicantik_sidecar_url = fields.Char(
        "Sidecar Address", config_parameter=sidecar.URL_PARAMETER, default=sidecar.DEFAULT_URL, groups=SYSTEM
    )
    # Goes in and never comes out again; it is not even a column of this table.
    sicantik_sidecar_token = fields.Char(
        "Sidecar Token",
        compute="_compute_sicantik_sidecar_token",
        inverse="_inverse_sicantik_sidecar_token",
        groups=SYSTEM,
    )
    sicantik_sidecar_token_set = fields.Boolean(readonly=True, groups=SYSTEM)
    sicantik_run_retention_days = fields.Integer(
        "Days to Keep Synchronisations",
        config_parameter=sidecar.RETENTION_PARAMETER,
        default=sidecar.RETENTION_DAYS,
        groups=SYSTEM,
    )

    @api.depends_context("uid")
    def _compute_sicantik_sidecar_token(self):
        self.sicantik_sidecar_token = False

    @api.model
    def get_values(self):
        # Not computed: Odoo 18 shows a new page without what it would compute from nothing.
        token = self.env["ir.config_parameter"].get_param(sidecar.TOKEN_PARAMETER)
        return {**super().get_values(), "sicantik_sidecar_token_set": bool(token)}

    def _inverse_sicantik_sidecar_token(self):
        for settings in self:
            token = (settings.sicantik_sidecar_token or "").strip()
            if not token:
                # Left empty: the one that is stored stays.
                continue
            if not is_usable_token(token):
                said = self.env._(
                    "The token must consist of letters, digits and signs, without spaces or accents."
                )
                raise ValidationError(said)
            self.env["ir.config_parameter"].set_param(sidecar.TOKEN_PARAMETER, token)

    @api.constrains("sicantik_sidecar_url", "sicantik_run_retention_days")
    def _check_sicantik(self):
        for settings in self:
            url = settings.sicantik_sidecar_url
            if url and not is_usable(url.strip()):
                raise ValidationError(
                    self.env._(
                        "“%(url)s” is not the address of a sidecar. Use one such as %(one)s.",
                        url=url,
                        one=sidecar.DEFAULT_URL,
                    )
                )
            if settings.sicantik_run_retention_days < 0:
                raise ValidationError(self.env._("Synchronisations are kept for one day at least."))

    def action_try_sicantik_sidecar(self):
        """Call the sidecar with what is stored, and say what came of it."""
        self.ensure_one()
        self.env["ir.config_parameter"].check_access("write")
        notify = self.env["sicantik.connector"]._notify
        try:
            health = self.env["sicantik.sidecar"]._call("sidecar.health")
        except UserError as error:
            return notify(self.env._("The Sidecar Cannot Be Used"), str(error), "danger", sticky=True)
        health = health if isinstance(health, dict) else {}
        if not health.get("odoo_reachable"):
            problem = str(health.get("problem") or self.env._("It has not reached Odoo yet."))
            return notify(self.env._("The Sidecar Cannot Reach Odoo"), problem, "warning", sticky=True)
        version = self.env._("Version %s answers, and it reaches Odoo.", health.get("version") or "?")
        return notify(self.env._("The Sidecar Works"), version, "success")
