"""Rows of figures with their targets, and the machine that they were measured on."""

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from kit.processes import SIDECAR


@dataclass
class Row:
    """One figure. Without a target it stands there to be read."""

    what: str
    figure: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    digits: int = 1
    note: str = ""

    @property
    def target(self):
        if self.at_most is not None:
            return f"≤ {self.at_most:,} {self.unit}".strip() if self.at_most else "0"
        return "" if self.at_least is None else f"≥ {self.at_least:,} {self.unit}".strip()

    @property
    def verdict(self):
        if self.at_most is None and self.at_least is None:
            return ""
        missed = (self.at_most is not None and self.figure > self.at_most) or (
            self.at_least is not None and self.figure < self.at_least)
        return "MISSED" if missed else "ok"

    def cells(self):
        figure = f"{self.figure:,.{self.digits}f} {self.unit}".strip()
        return [f"{self.what} ({self.note})" if self.note else self.what, figure, self.target, self.verdict]


def render(rows, facts, seconds):
    """Markdown, readable as it is."""
    lines = [["measured", "figure", "target", ""], *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    shown = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
             for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([shown[0], rule, *shown[1:], "", *facts, f"All of it took {seconds:.0f} s."])


def machine(rig):
    """What the figures depend on."""
    with psycopg2.connect(host=rig.settings["PGHOST"], port=rig.settings["PGPORT"], user=rig.settings["PGUSER"],
                          dbname=rig.settings["ODOO_DB"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('fsync')")
        postgres, fsync = cursor.fetchone()
    connection.close()
    sidecar = subprocess.run([SIDECAR, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return [
        f"{sidecar}, Odoo {rig.odoo_version} (one process), PostgreSQL {postgres.split()[0]}, "
        f"Python {platform.python_version()}, Linux {platform.release()}; {len(os.sched_getaffinity(0))} cores "
        f"({model}), {memory:.0f} GiB of memory, shared by sidecar, simulator, Odoo and PostgreSQL.",
        f"PostgreSQL runs with fsync {fsync}: its commits are cheaper than those of a server that keeps its data.",
    ]
