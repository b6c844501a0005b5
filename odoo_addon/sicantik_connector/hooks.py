"""What cannot be said in data files that Odoo 18 and 19 both read."""

from odoo import Command


def post_init_hook(env):
    """Show the three groups as one choice on the user form, and let the administrator in."""
    user, officer, manager = (
        env.ref(f"sicantik_connector.group_{name}") for name in ("user", "officer", "manager")
    )
    groups = user | officer | manager
    category = env.ref("sicantik_connector.module_category_sicantik")
    if "privilege_id" in groups._fields:
        privilege = env["res.groups.privilege"]._load_records(
            [
                {
                    "xml_id": "sicantik_connector.privilege_sicantik",
                    "values": {"name": category.name, "category_id": category.id},
                    "noupdate": True,
                }
            ]
        )
        groups.privilege_id = privilege
    else:
        groups.category_id = category
    admin = env.ref("base.user_admin", raise_if_not_found=False)
    if admin:
        # Renamed from `groups_id` in Odoo 19.
        field = "group_ids" if "group_ids" in admin._fields else "groups_id"
        admin.write({field: [Command.link(manager.id)]})
