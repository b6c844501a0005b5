# For `odoo shell -d DATABASE --no-http < deploy/technical_user.py`: creates the user that the sidecar logs in as, with
# the sidecar's group and no other, and prints a new API key for it. Run again, it replaces the key.

LOGIN = "sidecar"
KEY_NAME = "sicantik-sidecar"

group = env.ref("sicantik_sidecar.group_sidecar", raise_if_not_found=False)
if not group:
    raise SystemExit("The addon sicantik_sidecar is not installed in this database: install it first.")
Users = env["res.users"].with_context(no_reset_password=True, active_test=False)
groups = "group_ids" if "group_ids" in Users._fields else "groups_id"  # renamed in Odoo 19
values = {"name": "SICANTIK sidecar", "active": True, groups: [(6, 0, group.ids)]}

user = Users.search([("login", "=", LOGIN)])
if user:
    user.write(values)
else:
    user = Users.create({**values, "login": LOGIN})

Keys = env["res.users.apikeys"].with_user(user).sudo()
Keys.search([("user_id", "=", user.id), ("name", "=", KEY_NAME)]).unlink()
# It does not expire: replace it by running this again, revoke it by archiving the user.
key = Keys._generate("rpc", KEY_NAME, None)
env.cr.commit()
print(key)
