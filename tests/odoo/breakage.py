"""Ways to break an installation, and what the sidecar has to say about each."""

from dataclasses import dataclass, field

from kit import servers
from kit.fake_servers import FakeServer, unused_address

PROXY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
SHOP_PAGE = "<html><head><title>Toko</title></head><body>Selamat datang</body></html>"
WRONG_KEY = "0123456789abcdef0123456789abcdef01234567"
# Runs in Odoo's shell: users with a valid API key and too few rights.
PEOPLE = """
groups = "group_ids" if "group_ids" in env["res.users"]._fields else "groups_id"  # renamed in Odoo 19
for login, group in (("outsider", "base.group_user"), ("reader", "sicantik_sidecar.group_user")):
    user = env["res.users"].search([("login", "=", login)])
    if not user:
        user = env["res.users"].with_context(no_reset_password=True).create(
            {"name": login, "login": login, groups: [(6, 0, [env.ref(group).id])]})
    keys = env["res.users.apikeys"].with_user(user).sudo()
    print("KEY", login, keys._generate("rpc", "tests", None))
env.cr.commit()
"""


def people():
    """The API keys of people without the sidecar's rights, by login."""
    lines = servers.shell(PEOPLE).splitlines()
    return dict(line.split()[1:] for line in lines if line.startswith("KEY "))


@dataclass
class Broken:
    """An installation with something wrong in it."""

    env: dict = field(default_factory=dict)
    flags: tuple = ()
    settings: dict = None
    secrets: tuple = ()
    # Words that stderr has to contain: what is wrong, and what to do.
    says: tuple = ()
    code: int = 2
    # What `doctor` says instead, where that differs.
    to_doctor: str = None

    @property
    def shown(self):
        return self.to_doctor or self.says[0]


def unknown_database(_):
    return Broken({"ODOO_DB": "absent_db"}, says=("`absent_db`", "ODOO_DB"))


def wrong_key(_):
    return Broken({"ODOO_API_KEY": WRONG_KEY}, secrets=(WRONG_KEY,),
                  says=("API key for `sidecar`", "wrong, expired or revoked", "Run `deploy/technical_user.py` again"))


def odoo_down(_):
    url = unused_address()
    return Broken({"ODOO_URL": url}, code=1, says=(url, "cannot be reached", "is it running"))


def proxy_without_odoo(scene):
    url = scene.fake_server(502, PROXY_PAGE)
    return Broken({"ODOO_URL": url}, code=1, says=("proxy", "502", "Start it, or try again"))


def no_odoo(scene):
    url = scene.fake_server(200, SHOP_PAGE)
    return Broken({"ODOO_URL": url}, says=(url, "is not an Odoo", "ODOO_URL"))


def nothing_under_the_address(scene):
    return Broken({"ODOO_URL": scene.fake_server(404, SHOP_PAGE)}, says=("is not an Odoo", "ODOO_URL"))


def unknown_connector(scene):
    scene.connector(name="Kabanjahe")
    return Broken(flags=("--connector", "Berastagi"),
                  says=("no active connector `Berastagi`", "`Kabanjahe` (id "))


def two_connectors(scene):
    ids = [scene.connector(name="Kabanjahe"), scene.connector(name="Berastagi")]
    scene.site.odoo.call("sicantik.connector", "write", ids, {"active": True})
    return Broken(says=("Several connectors", "--connector", "`Kabanjahe` (id ", "`Berastagi` (id "))


def no_connector(scene):
    scene.site.db.empty()
    return Broken(says=("no active connector", "make one"))


def connector_without_address(scene):
    scene.connector(name="Kabanjahe")
    scene.site.db.rows("UPDATE sicantik_connector SET api_url = ''")
    return Broken(says=("`Kabanjahe` has no API address", "API Base URL"),
                  to_doctor="Connector `Kabanjahe`: The address of SICANTIK's API is empty")


def address_of_another_kind(scene):
    scene.connector()
    scene.site.db.rows("UPDATE sicantik_connector SET api_url = 'ftp://127.0.0.1/api'")
    return Broken(says=("`ftp://127.0.0.1/api`", "http:// or https://"))


def outsider(scene):
    scene.connector()
    key = scene.keys["outsider"]
    return Broken({"ODOO_LOGIN": "outsider", "ODOO_API_KEY": key}, secrets=(key,),
                  says=("`outsider`", "Give the user the group"))


def reader(scene):
    scene.connector()
    key = scene.keys["reader"]
    return Broken({"ODOO_LOGIN": "reader", "ODOO_API_KEY": key}, secrets=(key,),
                  says=("`reader`", "not allowed", "Give the user the group"))


def without_the_models(scene):
    return Broken(settings=scene.bare, says=("no model `sicantik.permit`", "install the addon", "`sicantik_connector`"))


def sicantik_down(scene):
    address = unused_address()
    scene.connector(api_url=address + "/backoffice/api")
    return Broken(code=1, says=(address.removeprefix("http://"), "cannot be used now", "try again later"))


def sicantik_in_maintenance(scene):
    scene.connector("--fault", "maintenance-200=1")
    return Broken(code=1, says=("web page instead of data", "pemeliharaan", "try again later"))


BREAKAGES = {
    made.__name__.replace("_", " "): made for made in (
        unknown_database, wrong_key, odoo_down, proxy_without_odoo, no_odoo, nothing_under_the_address,
        unknown_connector, two_connectors, no_connector, connector_without_address,
        address_of_another_kind, outsider, reader, without_the_models, sicantik_down,
        sicantik_in_maintenance,
    )
}
# Wrong usage of a command, so nothing for `doctor` to find.
OF_THE_COMMAND = ("two connectors",)


class Scene:
    """What the breakages are made of."""

    def __init__(self, site, simulate, stack, keys, bare):
        self.site, self.simulate, self.stack, self.keys, self.bare = site, simulate, stack, keys, bare

    def fake_server(self, status, page):
        made = FakeServer(status, page)
        self.stack.callback(made.close)
        return made.url

    def connector(self, *flags, api_url=None, **values):
        """A connector with ten permits."""
        simulator = self.simulate("--clean", "--permits", 10, *flags)
        connector = self.site.odoo.connector(api_url or simulator.api_url, **values)
        self.site.odoo.load(simulator.truth(), connector)
        return connector
