"""Taking over the tables of another module that has the same models.

An office may have kept its permits in a module of the same name, with fewer fields. An update of a
module knows no `post_init_hook`, and its migration scripts run only if the version went up, whatever
the other one's was. So this is done where the tables are brought up to date, once and for good.
"""

import logging

from odoo import api, models
from odoo.exceptions import AccessError
from odoo.tools import sql

from ..hooks import post_init_hook

_logger = logging.getLogger(__name__)


# One part of the model; `sicantik_sync_run_record` says why.
# pylint: disable=consider-merging-classes-inherited
class SicantikConnector(models.Model):
    _inherit = "sicantik.connector"

    def _init_column(self, column_name):
        if column_name != "user_id":
            return super()._init_column(column_name)
        # Whoever made the connector looks after it, not whoever happens to update the module.
        self.env.cr.execute(
            """
            UPDATE sicantik_connector SET user_id = create_uid
             WHERE user_id IS NULL AND create_uid IN (SELECT id FROM res_users WHERE active)
            """
        )
        return None

    @api.model
    def set_up_after_update(self):
        """Called when the module's data has been loaded, on an installation and on each update."""
        # Public, as Odoo calls nothing else from data files; of use to nobody else.
        if not self.env.su:
            raise AccessError(self.env._("You are not allowed to set up the groups of SICANTIK."))
        manager = self.env.ref("sicantik_connector.group_manager")
        # Renamed from `users` in Odoo 19.
        if not manager["user_ids" if "user_ids" in manager._fields else "users"]:
            post_init_hook(self.env)
        return True


# pylint: disable=consider-merging-classes-inherited
class SicantikPermit(models.Model):
    _inherit = "sicantik.permit"

    def _auto_init(self):
        if sql.table_exists(self.env.cr, self._table):
            self._take_over_permits()
        return super()._auto_init()

    def _init_column(self, column_name):
        if column_name == "connector_id":
            # `_take_over_permits` has done what can be done without guessing.
            return None
        return super()._init_column(column_name)

    def _take_over_permits(self):
        """What the unique registrations and the required connector need, before they are asked for."""
        cr = self.env.cr
        if not sql.column_exists(cr, self._table, "connector_id"):
            sql.create_column(cr, self._table, "connector_id", "int4")
        cr.execute("SELECT 1 FROM sicantik_permit WHERE connector_id IS NULL LIMIT 1")
        if cr.rowcount:
            self._give_connector()
        cr.execute("SELECT 1 FROM pg_constraint WHERE conname = 'sicantik_permit_registration_uniq'")
        if not cr.rowcount and sql.column_exists(cr, self._table, "registration_id"):
            self._part_registrations()

    def _give_connector(self):
        """Permits of nobody go to the only connector; between several of them a person has to choose."""
        cr = self.env.cr
        cr.execute("SELECT id, active FROM sicantik_connector ORDER BY id")
        connectors = cr.fetchall()
        chosen = [row for row in connectors if row[1]] or connectors
        if len(chosen) == 1:
            cr.execute(
                "UPDATE sicantik_permit SET connector_id = %s WHERE connector_id IS NULL", [chosen[0][0]]
            )
            _logger.info("%d permits were given to the only connector.", cr.rowcount)
            return
        cr.execute("SELECT count(*) FROM sicantik_permit WHERE connector_id IS NULL")
        _logger.warning(
            "%d permits belong to no connector, and there are %d to choose from. A manager finds them "
            "with the filter “Without Connector”; they are left out of all synchronisations until then.",
            cr.fetchone()[0],
            len(chosen),
        )

    def _part_registrations(self):
        """A registration that several permits have stays with the one that knows most.

        The others keep everything else, and a note about it.
        """
        cr = self.env.cr
        cr.execute(
            """
            UPDATE sicantik_permit SET registration_id = NULLIF(btrim(registration_id), '')
             WHERE registration_id IS DISTINCT FROM NULLIF(btrim(registration_id), '')
            """
        )
        if not sql.column_exists(cr, self._table, "expiry_date"):
            sql.create_column(cr, self._table, "expiry_date", "date")
        cr.execute(
            """
            WITH ranked AS (
                SELECT id, registration_id,
                       first_value(id) OVER best AS keeper,
                       row_number() OVER best AS place
                  FROM sicantik_permit
                 WHERE registration_id IS NOT NULL
                WINDOW best AS (
                    PARTITION BY connector_id, registration_id
                        ORDER BY expiry_date IS NULL, write_date DESC NULLS LAST, id)
            )
            UPDATE sicantik_permit permit
               SET registration_id = NULL
              FROM ranked
             WHERE ranked.id = permit.id AND ranked.place > 1
            RETURNING permit.id, ranked.registration_id, ranked.keeper
            """
        )
        doubles = cr.fetchall()
        if not doubles:
            return
        shown = ", ".join(f"{permit_id} ({registration})" for permit_id, registration, _ in doubles[:20])
        _logger.warning(
            "%d permits had a registration that another permit has as well; it was taken from them, "
            "and noted in their history. A manager finds them with the filter “Without Registration”. "
            "Their ids: %s%s",
            len(doubles),
            shown,
            " …" if len(doubles) > 20 else "",
        )

        def note():
            permits = self.env["sicantik.permit"].browse(row[0] for row in doubles)
            permits._message_log_batch(
                bodies={
                    permit_id: self.env._(
                        "This permit had the registration %(registration)s, which the permit with "
                        "the id %(keeper)d has too. It was taken from this one: delete whichever "
                        "is one too many.",
                        registration=registration,
                        keeper=keeper,
                    )
                    for permit_id, registration, keeper in doubles
                }
            )

        self.pool.post_init(note)
