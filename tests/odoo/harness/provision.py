"""Runs inside `odoo shell`: installs the modules, then creates the users that the tests log in as.

Ends with a line `PROVISIONED {...}`; only then has everything been committed.
"""

import inspect
import json

asked = json.loads("@ASKED@")
ADMIN_PASSWORD = "admin"
LOGIN = "sidecar"

if asked["modules"]:
    Module = env["ir.module.module"]
    Module.update_list()
    modules = Module.search([("name", "in", asked["modules"])])
    missing = set(asked["modules"]) - set(modules.mapped("name"))
    if missing:
        raise SystemExit("not on the addons path: %s" % ", ".join(sorted(missing)))
    modules = modules.filtered(lambda module: module.state != "installed")
    if modules:
        modules.button_immediate_install()
    env = env(user=1)

admin = env.ref("base.user_admin")
admin.password = ADMIN_PASSWORD

# The technical user has the bridge's group and no other. Without the bridge, a base gives its rights to every user.
group = env.ref("sicantik_sidecar.group_sidecar", raise_if_not_found=False) or env.ref("base.group_user")
Users = env["res.users"].with_context(no_reset_password=True, mail_create_nosubscribe=True, active_test=False)
groups_field = "group_ids" if "group_ids" in Users._fields else "groups_id"
values = {"name": "SICANTIK sidecar", "active": True, groups_field: [(6, 0, group.ids)]}
user = Users.search([("login", "=", LOGIN)])
if user:
    user.write(values)
else:
    user = Users.create({**values, "login": LOGIN})

Keys = env["res.users.apikeys"].with_user(user).sudo()
Keys.search([("user_id", "=", user.id)]).unlink()
arguments = ["rpc", "tests"]
if "expiration_date" in inspect.signature(Keys._generate).parameters:
    arguments.append(None)
key = Keys._generate(*arguments)
env.cr.commit()

print(
    "PROVISIONED "
    + json.dumps({"login": LOGIN, "key": key, "admin_login": admin.login, "admin_password": ADMIN_PASSWORD})
)
