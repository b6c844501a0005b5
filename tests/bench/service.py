"""The service beside a real Odoo: what a clerk waits for, and what the service bears."""

import socket
import statistics
import time

import requests

from kit.fake_servers import unused_address
from kit.service import Service, point_to, run_in
from process import memory_mib
from table import Row

RUNS = "sicantik.sync.run"
TIMES = 5
# The promises are made for Odoo's pages; over `/jsonrpc` the same methods run in the same workers.
WIZARD = "sicantik.expiry.sync.wizard"


def rows(rig):
    """Medians of a few, and the worst of all where a promise is about each."""
    with Service(rig.settings, SICANTIK_REQUEST_RATE="10") as service:
        point_to(rig.odoo, service.url)
        idle = steady_memory(service)
        found = [*presses(rig, service), *nights(rig, service), *crowd(service)]
    return [*found, Row("idle memory of `serve`", idle, "MiB", at_most=15, note="after 15 s and two looks at Odoo")]


def steady_memory(service):
    time.sleep(15)
    return memory_mib(service.process.pid)


def presses(rig, service):
    """From the press on *Start* to the first date, and from the press on *Stop* to the end."""
    first, held, stopped = [], [], []
    with rig.permits(300, "--clean", "--latency", "50ms") as (_, connector):
        for _ in range(TIMES):
            rig.odoo.call("sicantik.permit", "write", rig.odoo.call("sicantik.permit", "search", [
                ("connector_id", "=", connector)]), {"expiry_date": False, "expiry_check_state": False})
            began = time.monotonic()
            wizard = rig.odoo.call(WIZARD, "create", {"connector_id": connector})
            run = rig.odoo.call(WIZARD, "action_sync", [wizard])["res_id"]
            held.append(time.monotonic() - began)
            while not rig.odoo.call("sicantik.permit", "search_count", [
                    ("connector_id", "=", connector), ("expiry_check_state", "=", "found")]):
                if time.monotonic() > began + 20:
                    raise RuntimeError("no date came")
                time.sleep(0.02)
            first.append(time.monotonic() - began)
            time.sleep(1)
            began = time.monotonic()
            rig.odoo.call("sicantik.connector", "action_stop", [connector])
            run_in(rig.odoo, run, "cancelled")
            stopped.append(time.monotonic() - began)
    return [
        Row("button pressed to first permit written, sidecar idle", max(first), "s", at_most=2, digits=2,
            note=f"worst of {TIMES}, median {statistics.median(first):.2f}"),
        Row("an Odoo worker held by Start", max(held), "s", at_most=1, digits=2, note=f"worst of {TIMES}"),
        Row("Stop pressed to run cancelled", max(stopped), "s", at_most=5, digits=2,
            note=f"worst of {TIMES}, median {statistics.median(stopped):.2f}"),
    ]


def nights(rig, service):
    """The crons with the service up, with nobody at its port, and with somebody there who never answers."""
    held = {}
    with rig.permits(50, "--clean", "--latency", "50ms"), socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for name, url in (("down", unused_address()), ("hanging", hanging), ("up", service.url)):
            point_to(rig.odoo, url)
            for model, cron in (("sicantik.connector", "cron_sync_expiry_dates"),
                                ("sicantik.permit", "cron_check_expiring_permits")):
                began = time.monotonic()
                rig.odoo.call(model, cron)
                held[name] = max(held.get(name, 0), time.monotonic() - began)
        for run in rig.odoo.call(RUNS, "search", [("state", "in", ["queued", "running"])]):
            run_in(rig.odoo, run, "done")
    note = ", ".join(f"sidecar {name}: {seconds:.2f}" for name, seconds in held.items())
    return [Row("an Odoo worker held by a cron", max(held.values()), "s", at_most=1, digits=2, note=note)]


def crowd(service):
    """Everybody who should not get in, all at once, and whether a good client still is answered."""
    address = service.url.removeprefix("http://").split(":")
    address = (address[0], int(address[1]))
    let_in, sockets = 0, []

    def refused(headers, body=b"{}", **more):
        nonlocal let_in
        try:
            answer = requests.post(service.url, headers=headers, data=body, timeout=5, **more)
            let_in += answer.status_code == 200 and "result" in answer.text
        except requests.ConnectionError:
            pass

    call = b'{"jsonrpc":"2.0","id":1,"method":"sidecar.version"}'
    kind = {"Content-Type": "application/json"}
    good = {**kind, "Authorization": "Bearer a-token-of-the-tests-0123456789"}
    refused(kind, call)
    refused({**kind, "Authorization": "Bearer wrong"}, call)
    refused({**good, "Host": "sicantik.example"}, call)
    refused(good, call.replace(b"}", b',"params":"' + b"x" * (2 << 20) + b'"}'))
    for number in range(1000):
        client = socket.socket()
        client.settimeout(2)
        sockets.append(client)
        try:
            client.connect(address)
            # Half of them say nothing, half begin a request that never ends.
            if number % 2:
                client.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        except OSError:
            pass
    began, answered = time.monotonic(), None
    while answered is None and time.monotonic() < began + 20:
        try:
            answer = requests.post(service.url, headers=good, data=call, timeout=2)
            if answer.status_code == 200 and "result" in answer.json():
                answered = time.monotonic() - began
        except requests.RequestException:
            time.sleep(0.1)
    memory = memory_mib(service.process.pid)
    for client in sockets:
        client.close()
    if answered is None:
        raise RuntimeError("the service answers nobody any more")
    return [
        Row("no token, wrong token, foreign Host, 2 MiB body: let in", let_in, at_most=0, digits=0),
        Row("1,000 connections, silent or slow: a good client is answered after", answered, "s", digits=2,
            note=f"{memory:.0f} MiB of memory then"),
    ]
