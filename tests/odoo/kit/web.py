"""Requests as Odoo's web client sends them, without a browser."""

import requests


class Session:
    """A user's session in the web client."""

    def __init__(self, settings, login, password):
        self.url = settings["ODOO_URL"]
        self.http = requests.Session()
        answer = self.post("/web/session/authenticate", db=settings["ODOO_DB"], login=login, password=password)
        assert answer["uid"]

    def post(self, path, **params):
        answer = self.http.post(self.url + path, json={"jsonrpc": "2.0", "params": params}, timeout=60).json()
        assert "error" not in answer, answer["error"]["data"]["message"]
        return answer["result"]

    def call(self, model, method, *args, **kwargs):
        return self.post("/web/dataset/call_kw", model=model, method=method, args=args, kwargs=kwargs)

    def press(self, model, method, record):
        return self.post("/web/dataset/call_button", model=model, method=method, args=[[record]], kwargs={})


def administrator(settings):
    """The administrator's session."""
    return Session(settings, settings["ODOO_ADMIN_LOGIN"], settings["ODOO_ADMIN_PASSWORD"])
