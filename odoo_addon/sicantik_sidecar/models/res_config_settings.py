"""Settings of the sidecar, for administrators of the system."""

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..address import is_usable
from ..sidecar_client import is_usable_token
from .sicantik_sidecar import DAYS_PARAMETER, DEFAULT_DAYS, DEFAULT_URL, TOKEN_PARAMETER, URL_PARAMETER

SYSTEM = "base.group_system"


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    sicantik_sidecar_url = fields.Char(
        "Sidecar Address", config_parameter=URL_PARAMETER, default=DEFAULT_URL, groups=SYSTEM
    )
    # Goes in and never comes out again; it is not even a column of this table.
    sicantik_sidecar_token = fields.Char(
        "Sidecar Token", compute="_compute_sicantik_token", inverse="_inverse_sicantik_token", groups=SYSTEM
    )
    sicantik_sidecar_token_set = fields.Boolean(readonly=True, groups=SYSTEM)
    sicantik_run_retention_days = fields.Integer(
        "Days to Keep Synchronisations", config_parameter=DAYS_PARAMETER, default=DEFAULT_DAYS, groups=SYSTEM
    )

    def _compute_sicantik_token(self):
        self.sicantik_sidecar_token = False

    @api.model
    def get_values(self):
        # Not computed: Odoo 18 shows a new page without what it would compute from nothing.
        token = self.env["ir.config_parameter"].get_param(TOKEN_PARAMETER)
        return {**super().get_values(), "sicantik_sidecar_token_set": bool(token)}

    def _inverse_sicantik_token(self):
        text = self.env._("The token must consist of letters, digits and signs, without spaces or accents.")
        for settings in self:
            token = (settings.sicantik_sidecar_token or "").strip()
            if token and not is_usable_token(token):
                raise ValidationError(text)
            # Left empty, the one that is stored stays.
            if token:
                self.env["ir.config_parameter"].set_param(TOKEN_PARAMETER, token)

    @api.constrains("sicantik_sidecar_url", "sicantik_run_retention_days")
    def _check_sicantik(self):
        for settings in self:
            url = settings.sicantik_sidecar_url
            if url and not is_usable(url.strip()):
                said = {"url": url, "one": DEFAULT_URL}
                text = self.env._("“%(url)s” is not the address of a sidecar. Use one such as %(one)s.", **said)
                raise ValidationError(text)
            if settings.sicantik_run_retention_days < 0:
                raise ValidationError(self.env._("Synchronisations are kept for one day at least."))

    def action_try_sicantik_sidecar(self):
        self.ensure_one()
        self.env["ir.config_parameter"].check_access("write")
        notify = self.env["sicantik.connector"]._notify
        try:
            health = self.env["sicantik.sidecar"]._call("sidecar.health")
        except UserError as error:
            return notify(self.env._("The Sidecar Cannot Be Used"), str(error), "danger", sticky=True)
        if not health.get("odoo_reachable"):
            problem = str(health.get("problem") or self.env._("It has not reached Odoo yet."))
            return notify(self.env._("The Sidecar Cannot Reach Odoo"), problem, "warning", sticky=True)
        version = self.env._("Version %s answers, and it reaches Odoo.", health.get("version") or "?")
        return notify(self.env._("The Sidecar Works"), version, "success")
