"""The sidecar as a service beside the Odoo under test."""

import subprocess

import requests

from kit.processes import SIDECAR, environment
from kit.waiting import DEADLINE, wait_until

TOKEN = "a-token-of-the-tests-0123456789"


def serve(settings, processes, **env):
    """Starts the service on a free port and returns its address; the fixture `processes` ends it."""
    process = subprocess.Popen(
        [SIDECAR, "serve"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=environment(settings, SIDECAR_LISTEN="127.0.0.1:0", SIDECAR_TOKEN=TOKEN, **env))
    processes.append(process)
    return process.stdout.readline().strip()


def point_to(odoo, address):
    """Tells Odoo where its sidecar answers."""
    odoo.set_parameter("sicantik_sidecar.url", address)
    odoo.set_parameter("sicantik_sidecar.token", TOKEN)


class Service:
    """A service on a free port; the rate is unlimited unless one is given."""

    def __init__(self, settings, **env):
        started = []
        self.url = serve(settings, started, **{"SICANTIK_REQUEST_RATE": "0", **env})
        self.process, = started
        if not self.url.startswith("http"):
            self.__exit__()
            raise RuntimeError("the service did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def kill(self):
        """Kills it, as the kernel does when memory is short."""
        self.process.kill()
        self.process.wait(10)

    def health(self):
        return requests.get(self.url + "/health", timeout=5).json()

    def call(self, method, token=TOKEN, **params):
        """The answer to a call over JSON-RPC."""
        answer = requests.post(
            self.url, headers={"Authorization": f"Bearer {token}"}, timeout=5,
            json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer.raise_for_status()
        return answer.json()


def run_in(odoo, run_id, *states, seconds=DEADLINE):
    """Waits until the run is in one of these states, and returns it."""
    def reached():
        found = odoo.call("sicantik.sync.run", "read", [run_id])[0]
        return found if found["state"] in states else None
    return wait_until(reached, f"run {run_id} in {' or '.join(states)}", seconds)
