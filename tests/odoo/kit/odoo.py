"""A real Odoo's API, used as its administrator: to prepare data, and to read what the sidecar has written."""

import time

import requests

# How Odoo refuses to touch modules while a scheduled action is at work. Looking up its own sentence in the
# reader's language fails in the transaction that the lock has just ended.
CRON_AT_WORK = ("scheduled action", "current transaction is aborted")

# Records made or read in one call.
CHUNK = 2000


class OdooError(Exception):
    """An error that Odoo answered with; the message is Odoo's."""


class Odoo:
    """One database of a running Odoo, over `/jsonrpc`."""

    def __init__(self, settings):
        """Logs in; `settings` are the values that `tests/odoo/server` prints."""
        self.settings = settings
        self.series = int(settings["ODOO_SERIES"])
        self.db = settings["ODOO_DB"]
        self.password = settings["ODOO_ADMIN_PASSWORD"]
        self.http = requests.Session()
        self._fields = {}
        self.uid = self._call("common", "login", self.db, settings["ODOO_ADMIN_LOGIN"], self.password)
        if not self.uid:
            raise OdooError("the administrator's login was refused")

    def _call(self, service, method, *args):
        answer = self.http.post(
            self.settings["ODOO_URL"] + "/jsonrpc",
            json={"jsonrpc": "2.0", "id": 1, "method": "call",
                  "params": {"service": service, "method": method, "args": args}},
            timeout=180,
        ).json()
        if "error" in answer:
            raise OdooError(answer["error"]["data"]["message"])
        return answer.get("result")

    def call(self, model, method, *args, **kwargs):
        """The result of a model's method."""
        return self._call("object", "execute_kw", self.db, self.uid, self.password,
                          model, method, args, kwargs)

    def fields(self, model):
        """The names of a model's fields."""
        if model not in self._fields:
            self._fields[model] = set(self.call(model, "fields_get", [], attributes=["type"]))
        return self._fields[model]

    def may(self, model, operation):
        """Whether the user who is logged in may do this with a model's records."""
        check = "has_access" if self.series >= 18 else "check_access_rights"
        return self.call(model, check, [], operation)

    def module(self, name, action):
        """Installs or uninstalls a module (`action`), as the buttons on the Apps page do."""
        found = self.call("ir.module.module", "search", [("name", "=", name)])
        deadline = time.monotonic() + 60
        while True:
            try:
                self.call("ir.module.module", f"button_immediate_{action}", found)
                break
            except OdooError as error:
                if time.monotonic() > deadline or not any(words in str(error) for words in CRON_AT_WORK):
                    raise
                time.sleep(1)
        self._fields.clear()

    def person(self, login, group, password, **values):
        """Creates the user `login` in a group of the bridge's, or updates its values."""
        group_id = self.reference(f"sicantik_sidecar.group_{group}")
        groups = "group_ids" if self.series >= 19 else "groups_id"
        values = {"name": login, "login": login, groups: [(4, group_id)], **values}
        known = self.call("res.users", "search", [("login", "=", login)])
        if known:
            self.call("res.users", "write", known, values)
        else:
            self.call("res.users", "create", [{**values, "password": password}])

    def employee(self, login, password):
        """An internal user without a group of ours, logged in."""
        if not self.call("res.users", "search", [("login", "=", login)]):
            self.call("res.users", "create", [{"name": login, "login": login, "password": password}])
        return Odoo({**self.settings, "ODOO_ADMIN_LOGIN": login, "ODOO_ADMIN_PASSWORD": password})

    def reference(self, xml_id):
        """The id of the record that an XML id names."""
        module, _, name = xml_id.partition(".")
        return self.call("ir.model.data", "search_read", [("module", "=", module), ("name", "=", name)],
                         fields=["res_id"])[0]["res_id"]

    def set_parameter(self, name, value):
        """Sets a system parameter; `False` removes it."""
        self.call("ir.config_parameter", "set_param", name, value)

    def connector(self, api_url, **values):
        """The id of a connector to `api_url`, the only active one afterwards.

        Where the module keeps addresses in configurations, the connector gets one.
        """
        others = self.call("sicantik.connector", "search", [])
        if others:
            self.call("sicantik.connector", "write", others, {"active": False})
        address = {"api_url": api_url}
        if "config_id" in self.fields("sicantik.connector"):
            address = {"config_id": self.configuration(api_url)}
        values = {"name": "SICANTIK", **address, **values}
        return self.call("sicantik.connector", "create", [values])[0]

    def configuration(self, api_url):
        """The id of a configuration with this address, the only active one afterwards."""
        others = self.call("sicantik.config", "search", [])
        self.call("sicantik.config", "write", others, {"active": False})
        return self.call("sicantik.config", "create", [{"name": "SICANTIK", "api_url": api_url}])[0]

    def load(self, permits, connector_id=None, **values):
        """Creates Odoo's records of the simulator's `permits`, without dates; returns their ids."""
        known = self.fields("sicantik.permit")
        made = []
        for chunk in _chunks(permits):
            records = [self._record(permit, connector_id, known) | values for permit in chunk]
            made += self.call("sicantik.permit", "create", records)
        return made

    @staticmethod
    def _record(permit, connector_id, known):
        record = {
            "permit_number": permit["no_surat"],
            "status": "active",
            "registration_id": permit["pendaftaran_id"],
            "applicant_name": permit["n_pemohon"],
            "permit_type_name": permit["n_perizinan"],
            "connector_id": connector_id,
        }
        return {name: value for name, value in record.items() if name in known and value is not None}

    def permits(self, fields, domain=()):
        """All permits of `domain`, by id."""
        last, found = 0, []
        while page := self.call("sicantik.permit", "search_read", [*domain, ("id", ">", last)],
                                fields=fields, limit=CHUNK, order="id"):
            found += page
            last = page[-1]["id"]
        return found


def _chunks(items):
    items = list(items)
    return [items[start:start + CHUNK] for start in range(0, len(items), CHUNK)]
