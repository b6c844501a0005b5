"""Whatever is wrong is said in one sentence, with what to do about it; nothing is written, no secret is shown."""

import contextlib
import re

import pytest

from breakage import BREAKAGES, OF_THE_COMMAND, Scene, people
from conftest import PROTOCOLS, Place


@pytest.fixture(scope="module")
def keys(main_server):
    return people()


@pytest.fixture
def scene(place, simulate, keys, bare_server):
    with contextlib.ExitStack() as stack:
        yield Scene(place, simulate, stack, keys, bare_server)


def check_talk(result, settings, secrets=()):
    """No traceback, no page and no secret, wherever the sidecar speaks."""
    talk = result.stdout + result.stderr
    for word in ("Traceback", "panicked", "<html", "RUST_BACKTRACE", settings["ODOO_API_KEY"], *secrets):
        assert word not in talk


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("breakage", BREAKAGES)
def test_it_is_said_and_nothing_is_written(scene, breakage, protocol):
    broken = BREAKAGES[breakage](scene)
    place = Place(broken.settings or scene.place.settings)
    before = place.db.dump()
    result = place.sync(*broken.flags, ODOO_PROTOCOL=protocol, **broken.env)
    assert place.db.dump() == before
    place.db.connection.close()
    assert result.code == broken.code, result.stderr
    for words in broken.says:
        assert words in result.stderr
    sentences = [line for line in result.stderr.splitlines() if line.startswith("sicantik-sidecar: ")]
    assert len(sentences) == 1 and sentences[0].endswith((".", "?"))
    assert result.json["success"] is False
    assert result.json["error"] == sentences[0].removeprefix("sicantik-sidecar: ")
    assert result.json["total"] == 0
    assert (result.json["requests"] == 0) != breakage.startswith("sicantik"), "only SICANTIK itself was asked"
    check_talk(result, place.settings, broken.secrets)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("breakage", [name for name in BREAKAGES if name not in OF_THE_COMMAND])
def test_doctor_finds_it(scene, breakage, protocol):
    broken = BREAKAGES[breakage](scene)
    place = Place(broken.settings or scene.place.settings)
    before = place.db.dump()
    result = place.run("doctor", *broken.flags, ODOO_PROTOCOL=protocol, **broken.env)
    assert place.db.dump() == before
    place.db.connection.close()
    assert result.code == 1, result.stdout + result.stderr
    failures = result.stdout[result.stdout.index("FAIL  "):]
    assert broken.shown in failures
    assert "All is well" not in result.stdout
    assert re.search(r"\d problems? found", result.stderr)
    check_talk(result, place.settings, broken.secrets)


@pytest.mark.parametrize("number", ["0", "-1", "many", "5000000000"])
def test_a_number_of_permits_that_is_none(place, clerks, number):
    clerks(5)
    before = place.db.dump()
    result = place.run("sync", "expiry", f"--max-permits={number}")
    assert result.code == 2
    assert "--max-permits" in result.stderr and number in result.stderr
    assert result.stdout == ""
    assert place.db.dump() == before


@pytest.mark.parametrize(("text", "says"), [
    ('[odoo]\npasswort = "{secret}"\n', ("line 2", "passwort")),
    ('[odooo]\napi_key = "{secret}"\n', ("line 1", "odooo")),
    ('[odoo]\napi_key = "{secret}\n', ("line 2",)),
    ('[sicantik]\nrequest_rate = "{secret}"\n', ("line 2", "expected f64")),
], ids=["key", "section", "syntax", "type"])
def test_a_settings_file_that_cannot_be_used(place, clerks, tmp_path, text, says):
    clerks(5)
    secret = "rahasia-sekali-4711"
    file = tmp_path / "sidecar.toml"
    file.write_text(text.replace("{secret}", secret))
    before = place.db.dump()
    for command in (["sync", "expiry"], ["doctor"], ["config"]):
        result = place.run("--config", file, *command)
        assert result.code == 2
        for words in (str(file), *says):
            assert words in result.stderr
        assert secret not in result.stdout + result.stderr
    assert place.db.dump() == before


@pytest.mark.parametrize(("variable", "value", "says"), [
    ("ODOO_API_KEY", "", "ODOO_API_KEY or ODOO_API_KEY_FILE"),
    ("ODOO_URL", "odoo.example", "http:// or https://"),
    ("ODOO_URL", "ftp://odoo.example", "http:// or https://"),
    ("ODOO_PROTOCOL", "xmlrpc", "--odoo-protocol"),
    ("ODOO_API_KEY_FILE", "/nonexistent/key", "/nonexistent/key"),
    ("SICANTIK_REQUEST_RATE", "-3", "request"),
    ("SICANTIK_MAX_IN_FLIGHT", "0", "SICANTIK_MAX_IN_FLIGHT"),
])
def test_a_setting_that_cannot_be_used(place, variable, value, says):
    env = {variable: value}
    if variable == "ODOO_API_KEY_FILE":
        env["ODOO_API_KEY"] = ""
    result = place.run("sync", "expiry", **env)
    assert result.code == 2
    assert says in result.stderr
    check_talk(result, place.settings)


def test_a_rate_that_was_not_promised(place, clerks):
    _, connector = clerks(5)
    place.odoo.call("sicantik.connector", "write", [connector], {"api_url": "http://sicantik.invalid/api"})
    before = place.db.dump()
    result = place.sync(SICANTIK_REQUEST_RATE="11")
    assert result.code == 2
    assert "sicantik.invalid" in result.stderr and "10 per second" in result.stderr
    assert place.db.dump() == before
