"""Measures the sidecar with a simulated SICANTIK and a real Odoo, in one run, and prints a Markdown table.

The exit code says whether everything could be measured, not whether it was fast: that is the table's to say.
"""

import argparse
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "odoo"))

import bulk  # noqa: E402
import faithful  # noqa: E402
import listing  # noqa: E402
import polite  # noqa: E402
import process  # noqa: E402
import service  # noqa: E402
from rig import Rig  # noqa: E402
from table import machine, render  # noqa: E402

# Each takes the rig and gives rows; in the order of the table. The largest comes last: it fills the database.
GROUPS = {"polite": polite.rows, "faithful": faithful.rows, "process": process.rows, "service": service.rows,
          "listing": listing.rows, "bulk": bulk.rows}


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"only these: {', '.join(GROUPS)}")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table to a file too")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.groups if name not in GROUPS]
    if unknown:
        parser.error(f"there is no group {unknown[0]}; there are {', '.join(GROUPS)}")
    began, measured, broken = time.monotonic(), [], []
    with Rig() as rig:
        for name in arguments.groups or GROUPS:
            rig.say(f"measuring: {name}")
            try:
                measured += GROUPS[name](rig)
            except Exception:
                # The others can still be measured; this one is missing from the table, and the exit code says so.
                traceback.print_exc()
                broken.append(name)
        text = render(measured, machine(rig), time.monotonic() - began)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    if broken:
        print(f"could not be measured: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
