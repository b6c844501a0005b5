"""A fresh Odoo to measure with, permits to work on, and runs of the sidecar with what the server saw of them."""

import shlex
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from kit.odoo import Odoo
from kit.processes import Result, Simulator, run

SERVER = Path(__file__).resolve().parents[1] / "odoo/server"
NAME = "bench"
# A call of the sidecar's, in Odoo's log.
CALL = '"POST /'


@dataclass
class Run:
    """One `sync expiry`, seen from three sides."""

    result: Result
    traffic: dict
    odoo_calls: int
    dates: dict
    truth: dict

    @property
    def missing(self):
        """Dates that could be had and are not in Odoo."""
        return sum(1 for registration in self.truth if registration not in self.dates)

    @property
    def wrong(self):
        """Dates in Odoo that are not the permit's."""
        return sum(1 for registration, date in self.dates.items() if self.truth.get(registration) != date)


class Rig:
    """Odoo for the time of the measurements."""

    def __enter__(self):
        self.say("starting Odoo")
        self._server("up")
        # An empty database each time: what an earlier run left would cost time.
        self.settings = self._server("reset")
        self.odoo = Odoo(self.settings)
        asked = {"jsonrpc": "2.0", "params": {}}
        version = requests.post(self.settings["ODOO_URL"] + "/web/webclient/version_info", json=asked, timeout=30)
        self.odoo_version = version.json()["result"]["server_version"]
        self.busiest = []
        return self

    def __exit__(self, *_):
        self._server("down")

    @staticmethod
    def say(text):
        print(f"bench: {text}", file=sys.stderr, flush=True)

    def _server(self, command):
        done = subprocess.run([SERVER, command, "--name", NAME], stdout=subprocess.PIPE, text=True, check=True)
        return dict(line.split("=", 1) for line in shlex.split(done.stdout))

    @contextmanager
    def permits(self, number, *flags):
        """A simulator and a connector to it, with `number` permits in Odoo that have no date."""
        with Simulator("--permits", number, "--log-entries", 0, *flags) as simulator:
            connector_id = self.odoo.connector(simulator.api_url, name=f"{number} {' '.join(map(str, flags))}")
            simulator.known = simulator.truth()
            self.odoo.load(simulator.known, connector_id)
            simulator.post("reset-log")
            yield simulator, connector_id

    def sync(self, number, *flags, rate=None):
        """Runs the real command on `number` permits; `rate` 0 lifts the limit."""
        with self.permits(number, *flags) as (simulator, connector_id):
            log = Path(self.settings["ODOO_LOG"])
            before = log.stat().st_size
            limits = {} if rate is None else {"SICANTIK_REQUEST_RATE": str(rate)}
            result = run("sync", "expiry", "--json", settings=self.settings, **limits)
            if result.code not in (0, 3):
                raise RuntimeError(f"sync expiry ended with {result.code}: {result.stderr}")
            with log.open("rb") as lines:
                lines.seek(before)
                calls = sum(CALL.encode() in line for line in lines)
            traffic = simulator.traffic()
            if rate != 0:
                self.busiest.append(traffic["max_in_any_second"])
            permits = self.odoo.permits(["registration_id", "expiry_date"], [("connector_id", "=", connector_id)])
            dates = {permit["registration_id"]: permit["expiry_date"] for permit in permits if permit["expiry_date"]}
            truth = {permit["pendaftaran_id"]: permit["expiry_date"] for permit in simulator.known
                     if permit["obtainable"] and permit["no_surat"]}
            return Run(result, traffic, calls, dates, truth)
