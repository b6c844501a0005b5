"""A clerk's day in a real browser, with a real Odoo and the real service; pages refresh themselves.

Pictures of each step go to `artefacts/browser`; `UPDATE_README_IMAGES=1` renews those of the README from them.
"""

import re
import time

import pytest
from playwright.sync_api import expect, sync_playwright

from kit.browser import open_page, launch, person
from kit.service import TOKEN, point_to, serve
from kit.fake_servers import unused_address

PASSWORD = "a-password-of-the-tests"
NAME = "SICANTIK Kabupaten Karo"
# Permits with a wrong registration, so that SICANTIK's answer is about another one.
MIXED_UP = 4


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def as_officer(site, chromium):
    """Opens a page of an officer; `lang` is the language they read."""
    odoo, login = site.odoo, "sri"

    def opened(name, lang="en_US"):
        odoo.person(login, "officer", PASSWORD, name="Sri Ginting", lang=lang, tz="Asia/Jakarta")
        context = person(chromium, site.settings, login, PASSWORD, lang.replace("_", "-"))
        return open_page(context, site.settings["ODOO_URL"], name)
    return opened


@pytest.fixture
def as_administrator(site, chromium):
    def opened(name):
        context = person(chromium, site.settings, site.settings["ODOO_ADMIN_LOGIN"],
                         site.settings["ODOO_ADMIN_PASSWORD"])
        return open_page(context, site.settings["ODOO_URL"], name)
    return opened


@pytest.fixture
def office(site, simulate):
    """Permits as an office has them: `office(number)` gives the connector's id and the simulator's truth."""
    def made(number, *flags):
        simulator = simulate("--permits", number, "--latency", "150ms", *flags)
        connector = site.odoo.connector(simulator.api_url, name=NAME)
        truth = [permit for permit in simulator.truth() if permit["no_surat"]]
        site.odoo.load(truth, connector)
        return connector, truth
    return made


def silence(site, minutes=60):
    """Makes the last sign of a sidecar this old."""
    site.db.rows("INSERT INTO sicantik_sidecar DEFAULT VALUES ON CONFLICT DO NOTHING")
    site.db.rows("UPDATE sicantik_sidecar SET last_seen = timezone('UTC', now()) - %s * interval '1 minute'", minutes)


def mix_up(odoo, truth):
    """Gives some permits a wrong registration; returns the right ones by id."""
    numbers = [permit["no_surat"] for permit in truth]
    # With a unique number, so that the answer holds only the other registration.
    known = [permit for permit in truth
             if permit["obtainable"] and permit["via"] == "cekperizinan" and numbers.count(permit["no_surat"]) == 1]
    right = {}
    for nth, permit in enumerate(known[:MIXED_UP]):
        found = odoo.permits(["registration_id"], [("registration_id", "=", permit["pendaftaran_id"])])[0]
        right[found["id"]] = permit["pendaftaran_id"]
        odoo.call("sicantik.permit", "write", [found["id"]], {"registration_id": f"99990000{nth:08}"})
    assert len(right) == MIXED_UP
    return right


def start(page, connector):
    """Goes from the connector's page through the wizard to the run's page."""
    page.open_connector(connector)
    page.press("Sync All Expiry Dates")
    page.press("Start Sync")
    return page.run_opened()


def run_of(odoo, run):
    return odoo.call("sicantik.sync.run", "read", [run])[0]


def test_from_the_press_to_the_last_failure(site, office, as_officer, processes):
    odoo = site.odoo
    connector, truth = office(100)
    right = mix_up(odoo, truth)
    point_to(odoo, serve(site.settings, processes))
    with as_officer("day") as page:
        page.open_connector(connector)
        page.sees("Nothing has been synchronised yet.")
        page.picture("connector")
        page.press("Sync All Expiry Dates")
        page.sees("Will Be Asked")
        assert page.field("permits_to_ask") == str(len(truth))
        assert re.fullmatch(r"\d+ s", page.field("estimated_duration"))
        page.picture("wizard", readme="wizard")
        page.press("Start Sync")
        run = page.run_opened()
        been = page.watch("done", seconds=40, halfway=lambda: page.picture("running", readme="running"))
        # The bar moved by itself, at least twice before it was full, and only forward.
        assert len(been) >= 4 and been == sorted(been) and been[-1] == 100, been
        page.picture("done")
        ended = run_of(odoo, run)
        asked_again = ended["failed_count"]
        assert (ended["state"], ended["answered_count"]) == ("done", len(truth)) and asked_again >= MIXED_UP
        assert page.field("found_count") == str(ended["found_count"])
        failures = page.page.locator(".o_field_widget[name=line_ids] .o_data_row")
        expect(failures).to_have_count(asked_again)
        page.sees("SICANTIK answered about another registration")
        page.picture("failures", readme="failures")

        for permit, registration in right.items():
            odoo.call("sicantik.permit", "write", [permit], {"registration_id": registration})
        page.press("Ask Again About the Failures")
        second = page.run_opened(other_than=run)
        page.watch("done", seconds=20)
        again = run_of(odoo, second)
        assert (again["answered_count"], again["found_count"]) == (asked_again, MIXED_UP)
        page.picture("asked-again")

        page.open_connector(connector)
        expect(page.page.locator("[name=run_ids] .o_data_row")).to_have_count(2)
        page.picture("history", readme="connector")
        page.press("Test Connection")
        page.sees("SICANTIK Answers")
        page.picture("connection")


def test_a_second_press_opens_the_run_and_stop_stops_it(site, office, as_officer, processes):
    odoo = site.odoo
    connector, truth = office(300, "--clean")
    point_to(odoo, serve(site.settings, processes))
    with as_officer("stop") as page:
        run = start(page, connector)
        page.open_connector(connector)
        page.sees("Under way:")
        page.picture("connector-under-way")
        page.press("Sync All Expiry Dates")
        assert page.run_opened() == run
        page.press("Stop")
        page.picture("question")
        began = time.monotonic()
        page.confirm()
        page.watch("cancelled", seconds=15)
        stopped = time.monotonic() - began
        page.picture("cancelled")
        print(f"the page shows the run as cancelled {stopped:.1f} s after the press")
        assert stopped <= 5
        ended = run_of(odoo, run)
        assert 0 < ended["answered_count"] < len(truth)
        assert page.field("found_count") == str(ended["found_count"])
    assert odoo.call("sicantik.sync.run", "search", []) == [run]


def test_while_the_sidecar_is_down_it_waits_and_says_so(site, office, as_officer, processes):
    odoo = site.odoo
    connector, truth = office(40, "--clean")
    point_to(odoo, unused_address())
    silence(site)
    with as_officer("down") as page:
        page.open_connector(connector)
        page.sees("The sidecar is not running.")
        page.picture("banner")
        page.press("Sync All Expiry Dates")
        page.sees("You can start all the same")
        page.picture("wizard")
        page.press("Start Sync")
        run = page.run_opened()
        page.sees("The sidecar is not running.")
        page.sees("Waits for the sidecar")
        assert page.state() == "queued"
        page.picture("waiting")
        point_to(odoo, serve(site.settings, processes))
        page.watch("done", seconds=25)
        expect(page.page.get_by_text("The sidecar is not running.")).to_have_count(0)
        page.picture("done")
        ended = run_of(odoo, run)
        assert (ended["answered_count"], ended["attempt"]) == (len(truth), 1)


def test_settings_take_a_token_and_never_show_it(site, as_administrator, processes):
    odoo = site.odoo
    address = serve(site.settings, processes)
    point_to(odoo, address)
    odoo.set_parameter("sicantik_sidecar.token", "another-token")
    with as_administrator("settings") as page:
        page.open("action-sicantik_sidecar.res_config_settings_action")
        page.sees("A token is stored. It is not shown again")
        token = page.page.locator("[name=sicantik_sidecar_token] input")
        assert token.input_value() == "" and token.get_attribute("type") == "password"
        assert "another-token" not in page.page.content()
        page.press("Try")
        page.sees("The sidecar does not accept Odoo's token")
        page.picture("refused")
        token.fill(TOKEN)
        # Odoo reloads the page after saving. Reading the value before could keep the old one in its cache.
        with page.page.expect_navigation():
            page.press("Save")
        assert odoo.call("ir.config_parameter", "get_param", "sicantik_sidecar.token") == TOKEN
        page.open("action-sicantik_sidecar.res_config_settings_action")
        assert page.page.locator("[name=sicantik_sidecar_token] input").input_value() == ""
        assert TOKEN not in page.page.content()
        page.press("Try")
        page.sees("The Sidecar Works")
        page.picture("works")


def test_in_indonesian(site, office, as_officer, processes):
    odoo = site.odoo
    language = odoo.call("res.lang", "search", [("code", "=", "id_ID"), ("active", "in", [True, False])])
    if not odoo.call("res.lang", "search", [("code", "=", "id_ID")]):
        wizard = odoo.call("base.language.install", "create", [{"lang_ids": [(6, 0, language)]}])
        odoo.call("base.language.install", "lang_install", wizard)
    connector, _ = office(20)
    point_to(odoo, serve(site.settings, processes))
    with as_officer("bahasa", lang="id_ID") as page:
        page.open_connector(connector)
        page.sees("Belum ada yang disinkronkan.")
        page.picture("connector")
        page.page.locator("button[name=action_sync_all_expiry]").click()
        page.page.locator("button[name=action_sync]").wait_for()
        page.picture("wizard")
        page.page.locator("button[name=action_sync]").click()
        page.run_opened()
        page.watch("done", seconds=25)
        page.picture("done")
        for english in ("Waiting", "Result", "Dates Received", "Asked For", "per second"):
            assert page.page.locator(".o_action_manager").get_by_text(english, exact=True).count() == 0, english
