"""`doctor` on a healthy installation, and `config`: what they print, and what they never print."""

import re
from datetime import datetime, timedelta, timezone

import pytest

from conftest import PROTOCOLS

SECRET = "rahasia-sekali-4711"


@pytest.mark.parametrize(("protocol", "path"), list(zip(PROTOCOLS, ("/jsonrpc", "/json/2"), strict=True)))
def test_a_healthy_installation(site, clean_office, protocol, path):
    clean_office(12, name="Kabanjahe")
    before = site.db.dump()
    result = site.run("doctor", "--no-service", ODOO_PROTOCOL=protocol)
    assert result.code == 0, result.stdout + result.stderr
    assert site.db.dump() == before
    for pattern in (
        rf"^✓ Odoo {site.settings['ODOO_SERIES']}\S* answers, over {path}$",
        rf"^✓ The key of `sidecar` opens the database `{site.settings['ODOO_DB']}`$",
        r"^✓ The key .*does not expire$",
        r"^✓ The addon `sicantik_sidecar` is installed",
        r"^✓ Connector `Kabanjahe`: 12 permits are due",
        r"^✓ SICANTIK at 127\.0\.0\.1:\d+ answers in \d+ ms, in JSON$",
        r"^✓ Its listing carries no expiry dates",
        r"^No problems found\.$",
    ):
        assert re.search(pattern, result.stdout, re.MULTILINE), pattern
    assert "✗" not in result.stdout
    assert site.settings["ODOO_API_KEY"] not in result.stdout + result.stderr


@pytest.mark.parametrize(("flags", "says"), [
    (["--format", "xml"], "in XML, although JSON was asked for"),
    (["--upgraded"], "Its listing carries expiry dates: the API is upgraded"),
    (["--latency", "2050ms", "--listing-latency", "0ms"], "It is slow now"),
])
def test_what_kind_of_sicantik_it_is(site, clean_office, flags, says):
    clean_office(5, *flags)
    result = site.run("doctor", "--no-service")
    assert result.code == 0, result.stdout + result.stderr
    assert says in result.stdout


def test_a_login_that_does_not_belong_to_the_key(site, clean_office):
    """Over `/json/2` the key alone counts."""
    clean_office(5)
    result = site.run("doctor", ODOO_LOGIN="nobody")
    if len(site.protocols) > 1:
        assert "is the one of `sidecar`, not of `nobody`" in result.stdout
    else:
        assert result.code == 1


def test_a_key_that_ends_soon(site, clean_office):
    clean_office(5)
    change = ("UPDATE res_users_apikeys SET expiration_date = %s"
              " WHERE user_id = (SELECT id FROM res_users WHERE login = 'sidecar')")
    site.db.rows(change, datetime.now(timezone.utc) + timedelta(days=5, hours=1))
    try:
        result = site.run("doctor", "--no-service")
    finally:
        site.db.rows(change, None)
    assert result.code == 0
    assert re.search(r"^! The key .*expires on \d{4}-\d\d-\d\d, in [45] days$", result.stdout, re.MULTILINE)
    assert "Make a new key in Odoo in time" in result.stdout


def settings_file(tmp_path, line):
    file = tmp_path / "sidecar.toml"
    file.write_text(f'[odoo]\nurl = "http://user:{SECRET}@127.0.0.1:8069"\ndb = "karo"\n{line}\n')
    return file


@pytest.mark.parametrize("source", ["environment", "key file", "settings file", "key file of the settings file"])
def test_config_hides_the_key(site, tmp_path, source):
    key_file = tmp_path / "key"
    key_file.write_text(SECRET + "\n")
    line, env = "", {"ODOO_API_KEY": "", "ODOO_URL": "", "ODOO_DB": ""}
    if source == "environment":
        env["ODOO_API_KEY"] = SECRET
    elif source == "key file":
        env["ODOO_API_KEY_FILE"] = str(key_file)
    elif source == "settings file":
        line = f'api_key = "{SECRET}"'
    else:
        line = f'api_key_file = "{key_file}"'
    env = {name: value for name, value in env.items() if value or name == "ODOO_API_KEY"}
    result = site.run("config", "--config", settings_file(tmp_path, line), **env)
    assert result.code == 0, result.stderr
    assert "odoo.api_key = (set, hidden)" in result.stdout
    assert f"odoo.login = {site.settings['ODOO_LOGIN']}" in result.stdout
    assert SECRET not in result.stdout + result.stderr


def test_flags_over_environment_over_file(site, tmp_path):
    file = tmp_path / "sidecar.toml"
    file.write_text('[sicantik]\nrequest_rate = 3.0\ntimeout = 7.0\nmax_in_flight = 5\n')
    result = site.run("config", "--config", file, "--request-rate", "2", SICANTIK_REQUEST_RATE="4",
                       SICANTIK_TIMEOUT="6")
    assert "sicantik.request_rate = 2 /s" in result.stdout
    assert "sicantik.timeout = 6 s" in result.stdout
    assert "sicantik.max_in_flight = 5" in result.stdout
