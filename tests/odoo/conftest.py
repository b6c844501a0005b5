"""Fixtures of the end-to-end tests: real Odoo servers without permits, and simulators that end with the test."""

import contextlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from kit import servers
from kit.database import Database
from kit.odoo import Odoo
from kit.processes import SIDECAR, Simulator, run, start
from kit.service import Service, point_to

PROTOCOLS = ("jsonrpc", "json2")
NO_PARAMETERS = SimpleNamespace(params={})
# The modules of others that the bridge stands on, and those that plain mode works with.
BASES = ("seed", "predecessor")
PLAIN_BASES = ("least", "predecessor")


def pytest_collection_modifyitems(items):
    """Skips the tests of `/json/2` on an Odoo older than 19, as `ODOO_BIN` may name."""
    if int(os.environ.get("ODOO_SERIES", 19)) >= 19:
        return
    older = pytest.mark.skip(reason="this Odoo has no /json/2")
    for item in items:
        if "json2" in getattr(item, "callspec", NO_PARAMETERS).params.values():
            item.add_marker(older)


class Site:
    """One Odoo: its API, its database, and the sidecar configured for it."""

    def __init__(self, settings):
        self.settings = settings
        self.protocols = PROTOCOLS if int(settings["ODOO_SERIES"]) >= 19 else PROTOCOLS[:1]
        self.db = Database(settings)
        self._odoo = None

    @property
    def may_write_connectors(self):
        """Whether the technical user may, by the rights of the module under test."""
        technical_user = Odoo({**self.settings, "ODOO_ADMIN_LOGIN": self.settings["ODOO_LOGIN"],
                               "ODOO_ADMIN_PASSWORD": self.settings["ODOO_API_KEY"]})
        return technical_user.may("sicantik.connector", "write")

    @property
    def odoo(self):
        if self._odoo is None:
            self._odoo = Odoo(self.settings)
        return self._odoo

    def run(self, *args, timeout=60, **env):
        """Runs a command of the sidecar and waits for its end; the rate is unlimited unless one is given."""
        return run(*args, settings=self.settings, timeout=timeout,
                   **{"SICANTIK_REQUEST_RATE": "0", **env})

    def sync(self, *args, **more):
        """`sync expiry` with its result as JSON."""
        return self.run("sync", "expiry", "--json", *args, **more)

    def start(self, *args, **env):
        """Starts `sync expiry` and does not wait for it."""
        return start("sync", "expiry", *args, settings=self.settings,
                     **{"SICANTIK_REQUEST_RATE": "0", **env})


@pytest.fixture(scope="session")
def main_server():
    """The settings of the Odoo with both of our addons."""
    if not Path(SIDECAR).exists():
        pytest.exit(f"{SIDECAR} is not there: build it with `make build`", returncode=2)
    if "ODOO_ADMIN_LOGIN" not in os.environ:
        pytest.exit("start Odoo with `tests/odoo/server up`, and the tests with "
                    "`tests/odoo/server python -m pytest tests/odoo`", returncode=2)
    return dict(os.environ)


@pytest.fixture(scope="session", params=PLAIN_BASES)
def plain_server(main_server, request):
    """The settings of an Odoo with another module's permits and connectors, and without the bridge."""
    yield from server(f"plain_{request.param}", "--base", request.param, "--without-bridge")


@pytest.fixture(scope="session")
def bare_server(main_server):
    """The settings of an Odoo without permits and connectors."""
    yield from server("bare", "--base", "none")


@pytest.fixture(scope="session", params=BASES)
def bridged_server(main_server, request):
    """The settings of an Odoo with the bridge on another module."""
    yield from server(request.param, "--base", request.param)


def server(name, *flags):
    """Starts an Odoo and stops it after the tests."""
    yield servers.up(name, *flags)
    servers.down(name)


@pytest.fixture
def site(main_server):
    """The Odoo with both of our addons and nothing in it."""
    yield from emptied(main_server)


@pytest.fixture
def plain(plain_server):
    """The Odoo of plain mode, with nothing in it."""
    yield from emptied(plain_server)


@pytest.fixture
def bridged(bridged_server):
    """The Odoo with the bridge on another module, with nothing in it."""
    yield from emptied(bridged_server)


def emptied(settings):
    """A site for one test, with all permits, connectors and runs removed."""
    made = Site(settings)
    made.db.empty()
    yield made
    made.db.connection.close()


@pytest.fixture
def simulate():
    """Starts a simulator with the flags given."""
    with contextlib.ExitStack() as stack:
        yield lambda *flags: stack.enter_context(Simulator(*flags))


@pytest.fixture
def processes():
    """A list for processes that a test starts: those still running afterwards are killed."""
    started = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def clean_office(site, simulate):
    """A simulator without quirks, its permits in Odoo, and a connector: `clean_office(number)`."""
    def made(number, *flags, **values):
        simulator = simulate("--clean", "--permits", number, *flags)
        connector = site.odoo.connector(simulator.api_url, **values)
        site.odoo.load(simulator.truth(), connector)
        return simulator, connector
    return made


@pytest.fixture
def new_office(site, simulate):
    """A simulator with every quirk and a connector to it; Odoo knows none of its permits."""
    def made(*flags, permits=600, page_size=50, **values):
        simulator = simulate("--permits", permits, *flags)
        return simulator, site.odoo.connector(simulator.api_url, page_size=page_size, **values)
    return made


@pytest.fixture
def bridged_office(bridged, simulate):
    """The same on another module: `load=False` leaves Odoo without permits."""
    def made(number, *flags, load=True, **values):
        simulator = simulate("--permits", number, *flags)
        connector = bridged.odoo.connector(simulator.api_url, page_size=50, **values)
        if load:
            bridged.odoo.load(simulator.truth(), connector)
        return simulator, connector
    return made


@pytest.fixture
def bridged_service(bridged):
    """A running service whose address Odoo knows."""
    with Service(bridged.settings) as started:
        point_to(bridged.odoo, started.url)
        yield started
