"""Direct access to Odoo's PostgreSQL: to compare all that is stored, and to move times back."""

import psycopg2
from psycopg2 import sql


class Database:
    """The tables of one Odoo. Every statement is a transaction of its own."""

    def __init__(self, settings):
        """Connects; `settings` are the values that `tests/odoo/server` prints."""
        self.connection = psycopg2.connect(
            host=settings["PGHOST"], port=settings["PGPORT"], user=settings["PGUSER"],
            dbname=settings["ODOO_DB"], options="-c statement_timeout=20000 -c lock_timeout=20000")
        self.connection.autocommit = True

    def rows(self, statement, *values):
        """The rows of a statement; an empty list where it returns none."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def tables(self):
        """The names of the tables of SICANTIK's models."""
        return [name for name, in self.rows(
            "SELECT tablename FROM pg_tables WHERE tablename LIKE 'sicantik%' ORDER BY tablename")]

    def dump(self):
        """All that is stored about permits, connectors and runs, including the times of the last writes."""
        found = {}
        for table in self.tables():
            found[table] = self.rows(
                sql.SQL("SELECT * FROM {} ORDER BY id").format(sql.Identifier(table)))
        found["messages"] = self.rows(
            "SELECT count(*) FROM mail_message WHERE model LIKE 'sicantik%%'"
            if self.rows("SELECT to_regclass('mail_message')")[0][0] else "SELECT 0")
        return found

    def empty(self):
        """Removes all permits, connectors and runs."""
        tables = [sql.Identifier(name) for name in self.tables()]
        if not tables:
            return
        truncate = sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(tables))
        for tries_left in reversed(range(5)):
            try:
                return self.rows(truncate)
            except psycopg2.errors.DeadlockDetected:
                # A scheduled action of Odoo's reads the same tables in another order.
                if not tries_left:
                    raise

    def expire_leases(self):
        """Makes the leases of running runs expire now."""
        self.rows("UPDATE sicantik_sync_run SET lease_until = lease_until - interval '1 hour'"
                  " WHERE state = 'running'")
