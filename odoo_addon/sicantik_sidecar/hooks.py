"""What data files for both Odoo 18 and 19 cannot express, and cleaning up on removal."""

from datetime import datetime, time, timedelta

from odoo import fields

from .base_module import base_inherits
from .ledger.ending import ACTIVITY_TYPE
from .models.sicantik_connector import CRONS

ADDON = "sicantik_sidecar"
# For the daily calls of our own crons: Jakarta, which knows no summer time, is ahead of UTC by so many hours.
HOURS_AHEAD = 7
MODELS = "sicantik.connector", "sicantik.permit"
CRON_VALUES = {
    "expiry": ("SICANTIK: Sync Expiry Dates", "sicantik.connector", 5),
    "check": ("SICANTIK: Check Expiring Permits", "sicantik.permit", 10),
}


def post_init_hook(env):
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
    if model := env["sicantik.connector"]._config_model():
        values = {"name": f"{model} sidecar", "model_id": env["ir.model"]._get_id(model)}
        values |= {"group_id": env.ref(f"{ADDON}.group_sidecar").id, "perm_read": True}
        rights = dict.fromkeys(("perm_write", "perm_create", "perm_unlink"), False)
        _make(env, "ir.model.access", "access_configuration_sidecar", {**values, **rights})


def _set_responsibles(env):
    """Existing connectors have got OdooBot, who reads nothing: nobody would be told of failures."""
    admin = env.ref("base.user_admin", raise_if_not_found=False)
    for connector in env["sicantik.connector"].with_context(active_test=False, tracking_disable=True).search([]):
        if not connector.user_id.active:
            maker = connector.create_uid
            connector.user_id = maker if maker.active and maker._is_internal() else admin


def _make(env, model, name, values):
    """A record that an uninstallation takes along, as those of data files."""
    return env[model]._load_records([{"xml_id": f"{ADDON}.{name}", "noupdate": True, "values": values}])


def _set_up_crons(env):
    """The scheduled actions that the base does not have; its own are left as they are."""
    connectors = env["sicantik.connector"]
    for kind, (name, hour, *_run) in CRONS.items():
        (title, model, priority), code = CRON_VALUES[kind], f"model.{name}()"
        if connectors._cron(kind):
            # Theirs is called at its own hour only; this one, at the hours of all connectors.
            name, title, model = "cron_queue_due", "SICANTIK: Queue What Is Due", "sicantik.connector"
            code = "model._cron_queue_due()"
        today = datetime.combine(fields.Datetime.now() + timedelta(hours=HOURS_AHEAD), time(hour))
        values = {"name": title, "priority": priority, "interval_number": 1, "interval_type": "days"}
        values |= {"model_id": env["ir.model"]._get_id(model), "state": "code", "code": code}
        values["nextcall"] = today + timedelta(hours=24 - HOURS_AHEAD)
        _make(env, "ir.cron", name, values)
    connectors.search([("active", "=", True)])._plan_crons()


def uninstall_hook(env):
    """Clear away what belongs to no record that Odoo deletes by itself."""
    env["ir.config_parameter"].search([("key", "=like", f"{ADDON}.%")]).unlink()
    crons = [env["sicantik.connector"]._own_cron(kind).id for kind in CRONS]
    env["ir.cron.trigger"].search([("cron_id", "in", crons)]).unlink()
    if kind := env.ref(ACTIVITY_TYPE, raise_if_not_found=False):
        env["mail.activity"].search([("activity_type_id", "=", kind.id)]).unlink()
    # Without us nobody can read them, and Odoo stumbles over followers of what has no chatter.
    for name, link, mixin in (
        ("mail.message", "model", "mail.thread"),
        ("mail.followers", "res_model", "mail.thread"),
        ("mail.activity", "res_model", "mail.activity.mixin"),
    ):
        models = [model for model in MODELS if not base_inherits(model, mixin)]
        env[name].search([(link, "in", models)]).unlink()
    env.cr.execute("""
        DROP INDEX IF EXISTS sicantik_permit_undated_index, sicantik_permit_refresh_index,
            sicantik_permit_unlisted_index, sicantik_permit_trimmed_number_index,
            sicantik_permit_connector_registration_uniq
    """)
