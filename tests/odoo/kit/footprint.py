"""What a module can leave in a database, to compare before its installation and after its removal."""

from psycopg2 import sql

# Odoo's own records that an addon brings. `id` is compared, and the columns that another module may have set.
RECORDS = {
    "ir_config_parameter": "id, key, value",
    "ir_cron": "id, active, priority, interval_number, interval_type, nextcall",
    "ir_act_server": "id, code",
    "ir_act_window": "id",
    "ir_actions": "id",
    "ir_model": "id, model",
    "ir_model_access": "id, name, group_id, perm_read, perm_write, perm_create, perm_unlink",
    "ir_model_fields": "id, model, name, ttype, required, readonly, store",
    "ir_model_fields_selection": "id, field_id, value",
    "ir_module_category": "id",
    "ir_rule": "id, active",
    "ir_ui_menu": "id, active, parent_id",
    "ir_ui_view": "id, active, model, inherit_id",
    "mail_activity": "id",
    "mail_activity_type": "id",
    "mail_message_subtype": "id",
    "res_groups": "id",
    "res_groups_implied_rel": "gid, hid",
    "res_groups_privilege": "id",
    "res_users": "id, active",
}
# Tables of other modules, but for the columns that say who wrote a row last.
KEPT = ("sicantik", "minio", "res_partner")
NO_VALUES = ("write_date", "write_uid")


def columns(database):
    """The columns of all tables with their types and whether they may be empty."""
    return set(database.rows(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'public'"))


def indexes(database):
    """The indexes and constraints of all tables by name."""
    return set(database.rows(
        "SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public' UNION ALL"
        " SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
        " AND contype <> 'n'"))


def records(database):
    """Odoo's own records, by table."""
    found = {}
    for table, names in RECORDS.items():
        if database.rows("SELECT to_regclass(%s)", table)[0][0]:
            found[table] = set(database.rows(f"SELECT {names} FROM {table}"))
    # Odoo 19 itself does not delete its records about dropped foreign keys.
    found["ir_model_constraint"] = set(database.rows("SELECT id, name FROM ir_model_constraint WHERE type <> 'f'"))
    # Odoo triggers actions of its own whenever modules change.
    found["ir_cron_trigger"] = set(database.rows(
        "SELECT t.id, t.cron_id, t.call_at FROM ir_cron_trigger t JOIN ir_cron c ON c.id = t.cron_id"
        " JOIN ir_act_server s ON s.id = c.ir_actions_server_id JOIN ir_model m ON m.id = s.model_id"
        " WHERE m.model LIKE 'sicantik%'"))
    # Odoo itself leaves XML ids in its own modules behind, where a mixin goes with the bridge.
    found["ir_model_data"] = set(database.rows(
        "SELECT module, name, model, res_id FROM ir_model_data WHERE module LIKE 'sicantik%'"))
    return found


def values(database, of):
    """The values in these columns, by table and row; `of` is a result of `columns`."""
    tables = {}
    for table, name, *_ in sorted(of):
        if table.startswith(KEPT) and name not in NO_VALUES:
            tables.setdefault(table, []).append(name)
    found = {}
    for table, names in tables.items():
        select = sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table))
        for row in database.rows(select):
            named = dict(zip(names, row, strict=True))
            found[table, named.get("id") or row] = named
    return found


def changed(before, after):
    """The values that were changed or are gone, as `(table, row, column, before, after)`."""
    return [
        (table, row, name, value, after.get((table, row), {}).get(name))
        for (table, row), named in before.items() for name, value in named.items()
        if (table, row) not in after or after[table, row].get(name) != value
    ]
