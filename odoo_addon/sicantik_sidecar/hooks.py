"""What data files for both Odoo 18 and 19 cannot express, and cleaning up on removal."""

from datetime import datetime, timedelta

import pytz

from .base_module import base_inherits
from .models.sicantik_connector import CRONS

ADDON = "sicantik_sidecar"
# The zone of the daily calls of our own crons, which knows no summer time.
BASE_ZONE = "Asia/Jakarta"
CRON_VALUES = {
    "expiry": ("SICANTIK: Sync Expiry Dates", "sicantik.connector", 5),
    "check": ("SICANTIK: Check Expiring Permits", "sicantik.permit", 10),
}
PARAMETERS = ("url", "token", "run_retention_days")


def post_init_hook(env):
    """Set up groups, rights and scheduled actions."""
    user, officer, manager = (env.ref(f"{ADDON}.group_{name}") for name in ("user", "officer", "manager"))
    groups = user | officer | manager
    category = env.ref(f"{ADDON}.module_category_sicantik")
    # Odoo 19 has privileges between categories and groups, and other names for these fields.
    if "privilege_id" in groups._fields:
        values = {"name": category.name, "category_id": category.id}
        groups.privilege_id = _make(env, "res.groups.privilege", "privilege_sicantik", values)
    else:
        groups.category_id = category
    if admin := env.ref("base.user_admin", raise_if_not_found=False):
        admin["group_ids" if "group_ids" in admin._fields else "groups_id"] |= manager
    env["sicantik.permit"]._settle()
    _set_responsibles(env)
    _let_the_sidecar_read_the_address(env)
    _set_up_crons(env)


def _let_the_sidecar_read_the_address(env):
    """Where the base keeps it in a configuration, which no group of ours may read."""
    config = env["sicantik.connector"]._config_model()
    if config:
        values = {"name": f"{config} sidecar", "model_id": env["ir.model"]._get_id(config)}
        rights = {"perm_read": True, "perm_write": False, "perm_create": False, "perm_unlink": False}
        group = {"group_id": env.ref(f"{ADDON}.group_sidecar").id}
        _make(env, "ir.model.access", "access_configuration_sidecar", {**values, **group, **rights})


def _set_responsibles(env):
    """Existing connectors have got OdooBot, who reads nothing: nobody would be told of failures."""
    admin = env.ref("base.user_admin", raise_if_not_found=False)
    for connector in env["sicantik.connector"].with_context(active_test=False, tracking_disable=True).search([]):
        if not connector.user_id.active:
            maker = connector.create_uid
            connector.user_id = maker if maker.active and maker._is_internal() else admin


def _make(env, model, name, values):
    """A record that an uninstallation takes along, as those of data files."""
    data = {"xml_id": f"{ADDON}.{name}", "noupdate": True, "values": values}
    return env[model]._load_records([data])


def _set_up_crons(env):
    """The scheduled actions that the base does not have; its own are left as they are."""
    connectors = env["sicantik.connector"]
    for kind, (name, hour, _marker) in CRONS.items():
        (title, model, priority), code = CRON_VALUES[kind], f"model.{name}()"
        if connectors._cron(kind):
            # Theirs is called at its own hour only; this one, at the hours of all connectors.
            name, title, model = "cron_queue_due", "SICANTIK: Queue What Is Due", "sicantik.connector"
            code = "model._cron_queue_due()"
        tomorrow = datetime.now(pytz.timezone(BASE_ZONE)) + timedelta(days=1)
        nextcall = tomorrow.replace(hour=hour, minute=0, second=0, microsecond=0).astimezone(pytz.utc)
        values = {"name": title, "priority": priority, "interval_number": 1, "interval_type": "days"}
        values |= {"model_id": env["ir.model"]._get_id(model), "state": "code", "code": code}
        _make(env, "ir.cron", name, {**values, "nextcall": nextcall.replace(tzinfo=None)})
    connectors.search([("active", "=", True)])._plan_crons()


def uninstall_hook(env):
    """Clear away what belongs to no record that Odoo deletes by itself."""
    env["ir.config_parameter"].search([("key", "in", [f"{ADDON}.{name}" for name in PARAMETERS])]).unlink()
    crons = [env["sicantik.connector"]._own_cron(kind).id for kind in CRONS]
    env["ir.cron.trigger"].search([("cron_id", "in", crons)]).unlink()
    kind = env.ref(f"{ADDON}.mail_activity_type_sync_failed", raise_if_not_found=False)
    if kind:
        env["mail.activity"].search([("activity_type_id", "=", kind.id)]).unlink()
    for model in ("sicantik.connector", "sicantik.permit"):
        if not base_inherits(model, "mail.thread"):
            # Without us nobody can read them, and Odoo stumbles over followers of what has no
            # chatter.
            env["mail.message"].search([("model", "=", model)]).unlink()
            env["mail.followers"].search([("res_model", "=", model)]).unlink()
        if not base_inherits(model, "mail.activity.mixin"):
            env["mail.activity"].search([("res_model", "=", model)]).unlink()
    env.cr.execute(
        """
        DROP INDEX IF EXISTS sicantik_permit_undated_index, sicantik_permit_refresh_index,
            sicantik_permit_unlisted_index, sicantik_permit_trimmed_number_index,
            sicantik_permit_connector_registration_uniq
        """
    )
