"""Buttons as the web client sends them: many at once, and with the sidecar up, down or hanging."""

import contextlib
import threading
import time

import pytest

from kit.odoo import Odoo
from kit.service import point_to, run_in, serve
from kit.fake_servers import silent_server, unused_address
from kit.web import Session

# How long a press may keep an Odoo worker busy, seconds.
HELD = 1.0
PEOPLE, PRESSES = 5, 20
PASSWORD = "a-password-of-the-tests"
WIZARD = "sicantik.expiry.sync.wizard"


@pytest.fixture(scope="module")
def people(main_server):
    """Officers who are logged in, once for all tests: checking a password takes Odoo most of a second."""
    odoo = Odoo(main_server)
    made = []
    for number in range(PEOPLE):
        login = f"officer{number}"
        odoo.person(login, "officer", PASSWORD)
        made.append(Session(main_server, login, PASSWORD))
    return made


def start(person, connector):
    wizard = person.call(WIZARD, "create", {"connector_id": connector})
    began = time.monotonic()
    action = person.press(WIZARD, "action_sync", wizard)
    return action["res_id"], time.monotonic() - began


def test_twenty_presses_of_five_people_make_one_run(site, clean_office, people):
    _, connector = clean_office(50)
    point_to(site.odoo, unused_address())
    wizards = [people[n % PEOPLE].call(WIZARD, "create", {"connector_id": connector}) for n in range(PRESSES)]
    barrier = threading.Barrier(PRESSES)
    opened, errors = [], []

    def press(number):
        person = people[number % PEOPLE]
        barrier.wait(30)
        try:
            if number % 4 == 3:
                action = person.press("sicantik.connector", "action_test_expiry_sync", connector)
            else:
                action = person.press(WIZARD, "action_sync", wizards[number])
            opened.append((action["res_model"], action["res_id"]))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=press, args=(number,)) for number in range(PRESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert len(opened) == PRESSES
    runs = site.odoo.call("sicantik.sync.run", "search", [])
    assert len(runs) == 1
    assert set(opened) == {("sicantik.sync.run", runs[0])}


@pytest.mark.parametrize("port", ["up", "down", "hanging"])
def test_no_worker_is_held(site, clean_office, people, processes, port, record_property):
    _, connector = clean_office(50, "--latency", "200ms")
    odoo = site.odoo
    with contextlib.ExitStack() as stack:
        if port == "up":
            address = serve(site.settings, processes)
        else:
            address = unused_address() if port == "down" else stack.enter_context(silent_server())
        point_to(odoo, address)
        times = {}
        run, times["start"] = start(people[0], connector)
        began = time.monotonic()
        people[0].press("sicantik.sync.run", "action_cancel", run)
        times["stop"] = time.monotonic() - began
        if port == "up":
            run_in(odoo, run, "cancelled", "done")
        for name, model in (("cron_sync_expiry_dates", "sicantik.connector"),
                            ("cron_check_expiring_permits", "sicantik.permit")):
            began = time.monotonic()
            odoo.call(model, name)
            times[name] = time.monotonic() - began
        assert len(odoo.call("sicantik.sync.run", "search", [])) == 3
    print(port, {name: round(seconds, 3) for name, seconds in times.items()})
    record_property("held", times)
    assert max(times.values()) <= HELD, times


def test_pressed_while_the_sidecar_is_down_it_runs_when_it_is_up(site, clean_office, people, processes):
    _, connector = clean_office(40)
    odoo = site.odoo
    point_to(odoo, unused_address())
    run, _ = start(people[0], connector)
    silent = people[1].call("sicantik.connector", "read", [connector], ["sidecar_silent", "current_run_id"])[0]
    assert silent["sidecar_silent"] and silent["current_run_id"][0] == run
    point_to(odoo, serve(site.settings, processes))
    ended = run_in(odoo, run, "done", seconds=30)
    assert (ended["answered_count"], ended["attempt"], ended["failed_count"]) == (40, 1, 0)
    connector_now = people[1].call("sicantik.connector", "read", [connector], ["sidecar_silent"])[0]
    assert not connector_now["sidecar_silent"]
    assert odoo.call("sicantik.sync.run", "search", []) == [run]


def test_quick_to_start_and_to_stop(site, clean_office, people, processes):
    _, connector = clean_office(400, "--latency", "100ms")
    odoo = site.odoo
    point_to(odoo, serve(site.settings, processes))
    time.sleep(2)
    began = time.monotonic()
    run, _ = start(people[0], connector)
    while not odoo.permits(["id"], [("expiry_check_state", "!=", False)]):
        assert time.monotonic() - began < 10
    first = time.monotonic() - began
    time.sleep(3)
    began = time.monotonic()
    people[0].press("sicantik.connector", "action_stop", connector)
    ended = run_in(odoo, run, "cancelled")
    stopped = time.monotonic() - began
    print(f"first permit written after {first:.2f} s, stopped after {stopped:.2f} s")
    assert first <= 2 and stopped <= 5
    assert 0 < ended["answered_count"] < 400
    assert ended["answered_count"] == len(odoo.permits(["id"], [("expiry_check_state", "!=", False)]))


def test_connection_test_of_a_real_sicantik(site, clean_office, people, processes):
    _, connector = clean_office(5)
    point_to(site.odoo, serve(site.settings, processes))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        params = people[0].press("sicantik.connector", "action_test_connection", connector)["params"]
        if params["type"] == "success":
            break
        time.sleep(0.3)
    assert params["type"] == "success" and "JSON" in params["message"], params


def test_from_code_it_waits_and_reports(site, clean_office, processes):
    _, connector = clean_office(30)
    point_to(site.odoo, serve(site.settings, processes))
    result = site.odoo.call("sicantik.connector", "sync_expiry_dates_workaround", [connector], max_permits=20)
    assert result["success"] and result["total"] == 20 == result["synced"] + result["failed"]
    answer = site.odoo.call("sicantik.connector", "action_test_expiry_sync", [connector])
    assert answer["tag"] == "display_notification" and answer["params"]["message"].startswith("Synced: ")


def test_a_user_without_a_group_sees_nothing(site, clean_office):
    clean_office(1)
    odoo = site.odoo
    values = {"name": "nobody", "login": "nobody", "password": PASSWORD}
    if not odoo.call("res.users", "search", [("login", "=", "nobody")]):
        odoo.call("res.users", "create", [values])
    stranger = Odoo({**site.settings, "ODOO_ADMIN_LOGIN": "nobody", "ODOO_ADMIN_PASSWORD": PASSWORD})
    with pytest.raises(Exception, match="sicantik"):
        stranger.call("sicantik.connector", "search_read", [])
