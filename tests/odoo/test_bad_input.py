"""Every problem gets one sentence with a remedy; nothing is written, and no secret is shown."""

import contextlib
import re

import pytest

from breakage import BREAKAGES, OF_THE_COMMAND, Scene, people
from conftest import PROTOCOLS, Site


@pytest.fixture(scope="module")
def keys(main_server):
    return people()


@pytest.fixture
def scene(site, simulate, keys, bare_server):
    with contextlib.ExitStack() as stack:
        yield Scene(site, simulate, stack, keys, bare_server)


def check_talk(result, settings, secrets=()):
    """No output holds a traceback, a web page or a secret."""
    talk = result.stdout + result.stderr
    for word in ("Traceback", "panicked", "<html", "RUST_BACKTRACE", settings["ODOO_API_KEY"], *secrets):
        assert word not in talk


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_problem_is_reported_and_nothing_is_written(scene, breakage, protocol):
    broken = BREAKAGES[breakage](scene)
    site = Site(broken.settings or scene.site.settings)
    before = site.db.dump()
    result = site.sync(*broken.flags, ODOO_PROTOCOL=protocol, **broken.env)
    assert site.db.dump() == before
    site.db.connection.close()
    assert result.code == broken.code, result.stderr
    for words in broken.says:
        assert words in result.stderr
    sentences = [line for line in result.stderr.splitlines() if line.startswith("sicantik-sidecar: ")]
    assert len(sentences) == 1 and sentences[0].endswith((".", "?"))
    assert result.json["success"] is False
    assert result.json["error"] == sentences[0].removeprefix("sicantik-sidecar: ")
    assert result.json["total"] == 0
    assert (result.json["requests"] == 0) != breakage.startswith("sicantik"), "only SICANTIK itself was asked"
    check_talk(result, site.settings, broken.secrets)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("breakage", [name for name in BREAKAGES if name not in OF_THE_COMMAND])
def test_doctor_finds_it(scene, breakage, protocol):
    broken = BREAKAGES[breakage](scene)
    site = Site(broken.settings or scene.site.settings)
    before = site.db.dump()
    result = site.run("doctor", *broken.flags, ODOO_PROTOCOL=protocol, **broken.env)
    assert site.db.dump() == before
    site.db.connection.close()
    assert result.code == 1, result.stdout + result.stderr
    failures = result.stdout[result.stdout.index("✗ "):]
    assert broken.shown in failures
    assert "No problems found" not in result.stdout
    assert re.search(r"\d problems? found", result.stderr)
    check_talk(result, site.settings, broken.secrets)


@pytest.mark.parametrize("number", ["0", "-1", "many", "5000000000"])
def test_an_invalid_number_of_permits(site, clean_office, number):
    clean_office(5)
    before = site.db.dump()
    result = site.run("sync", "expiry", f"--max-permits={number}")
    assert result.code == 2
    assert "--max-permits" in result.stderr and number in result.stderr
    assert result.stdout == ""
    assert site.db.dump() == before


@pytest.mark.parametrize(("text", "says"), [
    ('[odoo]\npasswort = "{secret}"\n', ("line 2", "passwort")),
    ('[odooo]\napi_key = "{secret}"\n', ("line 1", "odooo")),
    ('[odoo]\napi_key = "{secret}\n', ("line 2",)),
    ('[sicantik]\nrequest_rate = "{secret}"\n', ("line 2", "expected a number")),
], ids=["key", "section", "syntax", "type"])
def test_an_invalid_settings_file(site, clean_office, tmp_path, text, says):
    clean_office(5)
    secret = "rahasia-sekali-4711"
    file = tmp_path / "sidecar.toml"
    file.write_text(text.replace("{secret}", secret))
    before = site.db.dump()
    for command in (["sync", "expiry"], ["doctor"], ["config"]):
        result = site.run("--config", file, *command)
        assert result.code == 2
        for words in (str(file), *says):
            assert words in result.stderr
        assert secret not in result.stdout + result.stderr
    assert site.db.dump() == before


@pytest.mark.parametrize(("variable", "value", "says"), [
    ("ODOO_API_KEY", "", "ODOO_API_KEY or ODOO_API_KEY_FILE"),
    ("ODOO_URL", "odoo.example", "http:// or https://"),
    ("ODOO_URL", "ftp://odoo.example", "http:// or https://"),
    ("ODOO_PROTOCOL", "xmlrpc", "ODOO_PROTOCOL is `xmlrpc`"),
    ("ODOO_API_KEY_FILE", "/nonexistent/key", "/nonexistent/key"),
    ("SICANTIK_REQUEST_RATE", "-3", "request"),
    ("SICANTIK_MAX_IN_FLIGHT", "0", "SICANTIK_MAX_IN_FLIGHT"),
])
def test_an_invalid_setting(site, variable, value, says):
    env = {variable: value}
    if variable == "ODOO_API_KEY_FILE":
        env["ODOO_API_KEY"] = ""
    result = site.run("sync", "expiry", **env)
    assert result.code == 2
    assert says in result.stderr
    check_talk(result, site.settings)


def test_a_rate_above_the_limit(site, clean_office):
    _, connector = clean_office(5)
    site.odoo.call("sicantik.connector", "write", [connector], {"api_url": "http://sicantik.invalid/api"})
    before = site.db.dump()
    result = site.sync(SICANTIK_REQUEST_RATE="11")
    assert result.code == 2
    assert "sicantik.invalid" in result.stderr and "10 per second" in result.stderr
    assert site.db.dump() == before
