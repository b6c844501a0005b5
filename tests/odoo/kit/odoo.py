"""A real Odoo, spoken to as its administrator: to prepare what the sidecar works on, and to look at what it did."""

import requests

# Records made or read in one call.
CHUNK = 2000


class OdooError(Exception):
    """What Odoo refused, in its own words."""


class Odoo:
    """One database of a running Odoo, over `/jsonrpc`."""

    def __init__(self, settings):
        """Logs in; `settings` are the values that `tests/odoo/server` prints."""
        self.settings = settings
        self.series = int(settings["ODOO_SERIES"])
        self.db = settings["ODOO_DB"]
        self.password = settings["ODOO_ADMIN_PASSWORD"]
        self.http = requests.Session()
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

    def person(self, login, group, password, **values):
        """Makes the user `login` with a group of the addon's, or gives it these values."""
        group_id = self.call("ir.model.data", "search_read", [
            ("module", "=", "sicantik_sidecar"), ("name", "=", f"group_{group}")], fields=["res_id"])[0]["res_id"]
        groups = "group_ids" if self.series >= 19 else "groups_id"
        values = {"name": login, "login": login, groups: [(4, group_id)], **values}
        known = self.call("res.users", "search", [("login", "=", login)])
        if known:
            self.call("res.users", "write", known, values)
        else:
            self.call("res.users", "create", [{**values, "password": password}])

    def connector(self, api_url, **values):
        """The id of a connector to `api_url`: the only active one afterwards."""
        others = self.call("sicantik.connector", "search", [])
        if others:
            self.call("sicantik.connector", "write", others, {"active": False})
        values = {"name": "SICANTIK", "api_url": api_url, **values}
        return self.call("sicantik.connector", "create", [values])[0]

    def load(self, permits, connector_id=None, **values):
        """Creates Odoo's records of the simulator's `permits`, without dates."""
        for chunk in _chunks(permits):
            records = [self._record(permit, connector_id, values) for permit in chunk]
            self.call("sicantik.permit", "create", records)

    @staticmethod
    def _record(permit, connector_id, values):
        record = {"permit_number": permit["no_surat"], "status": "active", **values}
        if connector_id:
            record |= {
                "connector_id": connector_id,
                "registration_id": permit["pendaftaran_id"],
                "applicant_name": permit["n_pemohon"],
                "permit_type_name": permit["n_perizinan"],
            }
        return record

    def permits(self, fields, domain=()):
        """All permits of `domain`, by id."""
        last, found = 0, []
        while page := self.call("sicantik.permit", "search_read", [*domain, ("id", ">", last)],
                                fields=fields, limit=CHUNK, order="id"):
            found += page
            last = page[-1]["id"]
        return found

    def clear(self):
        """Removes all permits. Runs stay, as the ledger wants it, and with them their connectors."""
        for chunk in _chunks(self.call("sicantik.permit", "search", [])):
            self.call("sicantik.permit", "unlink", chunk)


def _chunks(items):
    items = list(items)
    return [items[start:start + CHUNK] for start in range(0, len(items), CHUNK)]
