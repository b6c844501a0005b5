"""What the program costs before and while it does nothing."""

import statistics
import subprocess
import time
from pathlib import Path

from kit.processes import SIDECAR, Simulator, environment
from table import Row

TIMES = 50
# What is idle: a context manager whose `process` has done its start. The service takes its place here.
IDLE = ("idle memory of `simulate`", Simulator)


def rows(_rig):
    """Medians, since whatever else the machine does only adds."""
    first = statistics.median(time_to_first_output() for _ in range(TIMES))
    name, start = IDLE
    with start() as program:
        time.sleep(1)
        resident = memory_mib(program.process.pid)
    return [
        Row("time to first output of `--help`", first * 1000, "ms", at_most=50, note=f"median of {TIMES}"),
        Row(name, resident, "MiB", at_most=15),
    ]


def time_to_first_output():
    began = time.perf_counter()
    with subprocess.Popen([SIDECAR, "--help"], stdout=subprocess.PIPE, env=environment()) as process:
        process.stdout.read(1)
        seconds = time.perf_counter() - began
        process.stdout.read()
    return seconds


def memory_mib(pid):
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024
