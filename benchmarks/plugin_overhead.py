"""Measure what the pytest plugin costs a test run that does not use it.

    pip install -e . pytest pytest-alembic
    python benchmarks/plugin_overhead.py [--repeat 30]

One trivial test, no database. Runs without any of the plugins, with ours and with that of
pytest-alembic take turns; byte code is cached. The target for ours: at most 10 % more.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory

NONE, OURS, PEER = "no plugin", "alembic-assay", "pytest-alembic"
KEPT = {NONE: None, OURS: "alembic_assay", PEER: "pytest_alembic"}
"""The name under which pytest knows each plugin."""

TARGET = 1.10


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=30)
    repeat = parser.parse_args().repeat
    plugins = {point.name for point in entry_points(group="pytest11")}
    names = [name for name, plugin in KEPT.items() if plugin is None or plugin in plugins]
    print(f"load {os.getloadavg()[0]:.2f}, {repeat} runs of each, plugins here: {sorted(plugins)}")
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with TemporaryDirectory(prefix="assay-bench-") as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        for name in names:
            run(folder, plugins, name)  # writes the byte code
        for _ in range(repeat):
            for name in random.sample(names, len(names)):
                seconds[name].append(run(folder, plugins, name))
    print_table(seconds)
    print(f"load at the end {os.getloadavg()[0]:.2f}")


def run(folder: str, plugins: Iterable[str], name: str) -> tuple[float, float]:
    """Return wall and CPU seconds of a run in which only this one of all plugins is loaded."""
    without = [f"-pno:{plugin}" for plugin in plugins if plugin != KEPT[name]]
    command = [sys.executable, "-m", "pytest", "-q", "-pno:cacheprovider", *without, folder]
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, started = _cpu_of_children(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
    return time.perf_counter() - started, _cpu_of_children() - before


def print_table(seconds: dict[str, list[tuple[float, float]]]) -> None:
    print(f"\n{'':<16}{'wall':>10}{'ratio':>8}{'CPU':>11}{'ratio':>8}{'least CPU':>12}{'ratio':>8}")
    wall, cpu, least = _summary(seconds[NONE])
    for name, each in seconds.items():
        own_wall, own_cpu, own_least = _summary(each)
        row = f"{name:<16}{own_wall * 1000:>7.0f} ms{own_wall / wall:>8.3f}"
        row += f"{own_cpu * 1000:>8.0f} ms{own_cpu / cpu:>8.3f}"
        row += f"{own_least * 1000:>9.0f} ms{own_least / least:>8.3f}"
        verdict = "met" if own_cpu / cpu <= TARGET else "MISSED"
        print(row + (f"   {verdict} (at most {TARGET:.2f})" if name == OURS else ""))


def _summary(each: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Return the medians of wall and CPU time, and the least CPU time."""
    walls, cpus = zip(*each, strict=True)
    return statistics.median(walls), statistics.median(cpus), min(cpus)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
