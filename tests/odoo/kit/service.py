"""The sidecar as a service beside the Odoo under test."""

import subprocess

from kit.processes import SIDECAR, environment

TOKEN = "a-token-of-the-tests-0123456789"


def serve(settings, processes, **env):
    """Starts the service on a free port and gives its address; `processes` ends it with the test."""
    process = subprocess.Popen(
        [SIDECAR, "serve"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=environment(settings, SIDECAR_LISTEN="127.0.0.1:0", SIDECAR_TOKEN=TOKEN, **env))
    processes.append(process)
    return process.stdout.readline().strip()


def point_to(odoo, address):
    """Tells Odoo where its sidecar answers."""
    odoo.call("ir.config_parameter", "set_param", "sicantik_connector.sidecar_url", address)
    odoo.call("ir.config_parameter", "set_param", "sicantik_connector.sidecar_token", TOKEN)
