"""The service and the ledger of a real Odoo: all kinds of runs, and services that die in between."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit.listing import check_dates, check_listing, two_step, upgraded
from kit.odoo import Odoo
from kit.processes import Simulator
from kit.service import Service, point_to, run_in
from kit.fake_servers import unused_address
from kit.truth import check_all, counts, stored_counts
from kit.waiting import wait_until

RUNS = "sicantik.sync.run"


@pytest.fixture
def serve(site):
    """Starts services and ends them with the test; Odoo wakes the one that was started last."""
    started = []

    def made(**env):
        service = Service(site.settings, **env)
        started.append(service)
        point_to(site.odoo, service.url)
        return service

    point_to(site.odoo, unused_address())
    yield made
    for service in started:
        service.__exit__()


def start(site, connector, kind="expiry", **more):
    return site.odoo.call(RUNS, "start", connector_id=connector, kind=kind, trigger="button", **more)["run_id"]


def read(site, run):
    return site.odoo.call(RUNS, "read", [run])[0]


def check_counters(site, run, truth):
    """The run's counters agree with the truth and with what is stored; each failure has its line."""
    known = counts(truth)
    assert stored_counts(site.odoo) == known
    assert {name: run[f"{name}_count"] for name in known} == known
    assert len(run["line_ids"]) == known["failed"]
    connector = site.odoo.call("sicantik.connector", "read", [run["connector_id"][0]])[0]
    assert connector["total_expiry_synced"] == known["found"]


@pytest.mark.parametrize(("kind", "flags"), [("permits", []), ("permits", ["--upgraded"]), ("all", [])])
def test_the_listing_by_the_service(site, simulate, serve, kind, flags):
    simulator = simulate("--permits", 500, *flags)
    connector = site.odoo.connector(simulator.api_url, page_size=50)
    serve()
    run = run_in(site.odoo, start(site, connector, kind), "done", "failed")
    truth = simulator.truth()
    assert (run["state"], run["attempt"], run["listing_read"]) == ("done", 1, True)
    known = check_listing(site.odoo, connector, truth, received=bool(flags))
    assert run["created_count"] == run["listed_count"] == len(known)
    if kind == "all":
        check_dates(known, truth, two_step)
    elif flags:
        check_dates(known, truth, upgraded)


def test_the_night_of_two_offices(site, serve):
    """The cron queues a run for each active connector and returns at once."""
    with Simulator("--permits", 200) as one, Simulator("--permits", 250, "--seed", 2, "--upgraded") as two:
        first = site.odoo.connector(one.api_url, page_size=50)
        second = site.odoo.connector(two.api_url, page_size=50, name="Kabanjahe")
        site.odoo.call("sicantik.connector", "write", [first], {"active": True})
        began = time.monotonic()
        site.odoo.call("sicantik.connector", "cron_sync_expiry_dates")
        assert time.monotonic() - began < 1
        runs = site.odoo.call(RUNS, "search_read", [], fields=["kind", "trigger", "state"])
        assert [(run["kind"], run["trigger"], run["state"]) for run in runs] == [("all", "cron", "queued")] * 2
        serve()
        for run in runs:
            assert run_in(site.odoo, run["id"], "done", "failed")["state"] == "done"
        for connector, simulator, answer in ((first, one, two_step), (second, two, upgraded)):
            truth = simulator.truth()
            received = answer is upgraded
            check_dates(check_listing(site.odoo, connector, truth, received=received), truth, answer)


def test_queued_while_the_sidecar_is_down(site, simulate, serve):
    """Nothing is lost, and nothing is done twice."""
    simulator = simulate("--permits", 300)
    connector = site.odoo.connector(simulator.api_url)
    site.odoo.load(simulator.truth(), connector)
    run = start(site, connector)
    assert start(site, connector) == run
    serve()
    ended = run_in(site.odoo, run, "done", "failed")
    assert (ended["state"], ended["attempt"]) == ("done", 1)
    assert site.odoo.call(RUNS, "search", []) == [run]
    check_all(site.odoo, simulator.truth())
    check_counters(site, ended, simulator.truth())
    # One request for the listing, and one for each permit at either endpoint.
    endpoints = simulator.traffic()["endpoints"]
    assert endpoints["listpermohonanterbit"] == 1
    assert endpoints["cekperizinan"] < 300 * 1.05


@pytest.mark.parametrize("kind", ["expiry", "all"])
def test_another_service_goes_on_where_one_was_killed(site, simulate, serve, kind):
    simulator = simulate("--permits", 400, "--latency", "40ms")
    connector = site.odoo.connector(simulator.api_url, page_size=50)
    if kind == "expiry":
        site.odoo.load(simulator.truth(), connector)
    killed = serve(SICANTIK_REQUEST_RATE="120")
    run = start(site, connector, kind)
    wait_until(lambda: 60 < sum(read(site, run)[name] for name in ("found_count", "no_date_count")), "60 answers")
    killed.kill()
    before = read(site, run)
    assert before["state"] == "running"
    asked = simulator.traffic()["endpoints"]["cekperizinan"]
    another = serve()
    time.sleep(1)
    assert read(site, run)["worker"] == before["worker"], "the lease of the first still holds"
    site.db.expire_leases()
    assert "result" in another.call("sync.wake")
    ended = run_in(site.odoo, run, "done", "failed")
    assert (ended["state"], ended["attempt"]) == ("done", 2)
    assert ended["worker"] != before["worker"]
    truth = simulator.truth()
    if kind == "expiry":
        check_all(site.odoo, truth)
        check_counters(site, ended, truth)
    else:
        known = check_listing(site.odoo, connector, truth)
        check_dates(known, truth, two_step)
        assert ended["created_count"] == len(known)
        answered = sum(ended[f"{name}_count"] for name in ("found", "no_date", "not_registered", "failed"))
        assert answered == sum(1 for permit in known.values() if permit["permit_number"])
    again = simulator.traffic()["endpoints"]["cekperizinan"] - asked
    stored = sum(before[f"{name}_count"] for name in ("found", "no_date", "not_registered"))
    assert again < (400 - stored) * 1.05, "what was stored was not asked again"


def test_two_services_on_one_ledger(site, simulate, serve):
    """Three connectors, two of them to one server: no run is done twice, and each server's limit holds."""
    shared = simulate("--permits", 60, "--clean", "--latency", "150ms")
    other = simulate("--permits", 60, "--clean", "--latency", "150ms", "--seed", 2)
    connectors = []
    for simulator in (shared, shared, other):
        connector = site.odoo.connector(simulator.api_url, name=f"Kantor {len(connectors)}", request_rate=10)
        truth = simulator.truth()
        half = truth[:30] if not connectors else truth[30:]
        site.odoo.load(half, connector)
        connectors.append(connector)
    site.odoo.call("sicantik.connector", "write", connectors, {"active": True})
    services = [serve(SICANTIK_REQUEST_RATE="10") for _ in range(2)]
    runs = [start(site, connector) for connector in connectors]
    with ThreadPoolExecutor() as pool:
        for answer in pool.map(lambda service: service.call("sync.wake"), services * 4):
            assert "result" in answer
    ended = [run_in(site.odoo, run, "done", "failed") for run in runs]
    assert [(run["state"], run["attempt"], run["found_count"]) for run in ended] == [("done", 1, 30)] * 3
    for simulator, permits in ((shared, 60), (other, 30)):
        traffic = simulator.traffic()
        assert traffic["endpoints"]["cekperizinan"] == permits
        assert traffic["max_in_any_second"] <= 10


def test_the_same_batch_twice_over_the_wire(site, simulate):
    """A batch sent again after a lost answer changes no counter."""
    simulator = simulate("--permits", 40, "--clean")
    connector = site.odoo.connector(simulator.api_url)
    site.odoo.load(simulator.truth(), connector)
    sidecar = Odoo({**site.settings, "ODOO_ADMIN_LOGIN": site.settings["ODOO_LOGIN"],
                    "ODOO_ADMIN_PASSWORD": site.settings["ODOO_API_KEY"]})
    run = start(site, connector)
    held = {"run_id": run, "worker": "a worker of the tests"}
    assert sidecar.call(RUNS, "claim", worker=held["worker"], run_id=run)["run_id"] == run
    ids = [permit["id"] for permit in site.odoo.permits(["id"])]
    outcomes = [{"permit_id": permit, "outcome": "found", "expiry_date": "2030-01-31"} for permit in ids[:20]]
    outcomes += [
        {"permit_id": permit, "outcome": "failed", "reason": "timeout", "detail": "x"} for permit in ids[20:30]]

    def stored():
        dump = site.db.dump()
        return dump["sicantik_permit"], dump["sicantik_sync_run_line"], dump["messages"]

    assert sidecar.call(RUNS, "record", batch=1, outcomes=outcomes, progress={}, **held)["answer"] == "go"
    dump = stored()
    for _ in range(2):
        assert sidecar.call(RUNS, "record", batch=1, outcomes=outcomes, progress={}, **held)["answer"] == "go"
        assert stored() == dump, "nothing was written again"
    for _ in range(2):
        assert sidecar.call(RUNS, "finish", state="done", message="", progress={}, **held)["answer"] == "go"
    now = read(site, run)
    assert (now["found_count"], now["failed_count"], len(now["line_ids"])) == (20, 10, 10)
    assert site.odoo.call("sicantik.connector", "read", [connector])[0]["total_expiry_synced"] == 20
    assert stored() == dump
    late = sidecar.call(RUNS, "record", batch=2, outcomes=outcomes, progress={}, **held)
    assert late == {"answer": "lost"} and stored() == dump


def test_the_same_page_of_the_listing_twice_over_the_wire(site, simulate):
    connector = site.odoo.connector(simulate("--permits", 1).api_url)
    run = start(site, connector, "permits")
    held = {"run_id": run, "worker": "a worker of the tests"}
    sidecar = Odoo({**site.settings, "ODOO_ADMIN_LOGIN": site.settings["ODOO_LOGIN"],
                    "ODOO_ADMIN_PASSWORD": site.settings["ODOO_API_KEY"]})
    sidecar.call(RUNS, "claim", worker=held["worker"], run_id=run)
    rows = [{"registration_id": f"{number:08}01012025", "permit_number": f"503/{number}", "applicant_name": "Ginting",
             "permit_type_name": "SIUP", "expiry_date": "2030-01-31"} for number in range(50)]
    progress = {"pages": 1, "listed": 50}
    for created in (50, 0):
        answer = sidecar.call(RUNS, "record_listing", batch=1, rows=rows, progress=progress, **held)
        assert (answer["answer"], answer["created"]) == ("go", created)
    for _ in range(2):
        sidecar.call(RUNS, "listing_done", complete=True, listed_ids_missing=[], listed_again=[], **held)
        sidecar.call(RUNS, "finish", state="done", message="", progress={}, **held)
    now = read(site, run)
    assert (now["created_count"], now["found_count"], now["changed_count"], now["unlisted_count"]) == (50, 50, 0, 0)
    stored = site.odoo.call("sicantik.connector", "read", [connector])[0]
    assert (stored["total_permits_synced"], stored["total_expiry_synced"]) == (50, 50)
    assert len(site.odoo.permits(["id"])) == 50


def test_stopping_a_run_that_reads_the_listing(site, simulate, serve):
    simulator = simulate("--permits", 4000, "--listing-latency", "300ms")
    connector = site.odoo.connector(simulator.api_url, page_size=50)
    serve(SICANTIK_REQUEST_RATE="10")
    run = start(site, connector, "permits")
    wait_until(lambda: len(site.odoo.permits(["id"])) >= 200, "200 permits")
    began = time.monotonic()
    site.odoo.call(RUNS, "cancel", run_id=run)
    ended = run_in(site.odoo, run, "cancelled")
    assert time.monotonic() - began < 5
    assert ended["created_count"] == len(site.odoo.permits(["id"])) < 4000
    assert not ended["listing_read"]
