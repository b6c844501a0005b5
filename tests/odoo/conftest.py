"""What the end-to-end tests start from: a real Odoo emptied of permits, and simulators that end with the test."""

import contextlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from kit import servers
from kit.database import Database
from kit.odoo import Odoo
from kit.processes import SIDECAR, Simulator, run, start

PROTOCOLS = ("jsonrpc", "json2")
NO_PARAMETERS = SimpleNamespace(params={})
# The modules of others that the bridge stands on, and those that plain mode works with.
BASES = ("seed", "predecessor")
PLAIN_BASES = ("least", "predecessor")


def pytest_collection_modifyitems(items):
    """An Odoo given by `ODOO_BIN` may be older than `/json/2`, which came with 19."""
    if int(os.environ.get("ODOO_SERIES", 19)) >= 19:
        return
    older = pytest.mark.skip(reason="this Odoo has no /json/2")
    for item in items:
        if "json2" in getattr(item, "callspec", NO_PARAMETERS).params.values():
            item.add_marker(older)


class Place:
    """An Odoo to work on, from both sides, and the sidecar pointed at it."""

    def __init__(self, settings):
        self.settings = settings
        self.protocols = PROTOCOLS if int(settings["ODOO_SERIES"]) >= 19 else PROTOCOLS[:1]
        self.db = Database(settings)
        self._odoo = None

    @property
    def odoo(self):
        if self._odoo is None:
            self._odoo = Odoo(self.settings)
        return self._odoo

    def run(self, *args, timeout=60, **env):
        """Runs the sidecar to its end, without a limit on the rate unless one is given."""
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
    """An Odoo for as long as the tests need it."""
    yield servers.up(name, *flags)
    servers.down(name)


@pytest.fixture
def place(main_server):
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
    """A place without permits, for one test."""
    made = Place(settings)
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
    """Takes processes that a test started and ends those that still run after it."""
    started = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def clerks(place, simulate):
    """An office of clean permits: `clerks(number)` gives its simulator and the connector's id."""
    def made(number, *flags, **values):
        simulator = simulate("--clean", "--permits", number, *flags)
        connector = place.odoo.connector(simulator.api_url, **values)
        place.odoo.load(simulator.truth(), connector)
        return simulator, connector
    return made
