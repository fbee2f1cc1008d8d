"""Run pytest in a process of its own, with one of the installed plugins alone, and take its time.

Beside the time of the whole process stands that of each test, from the start of its set-up to the
end of its teardown, with everything that it waits for in between.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

RECORDER = """
import json, os, time
import pytest

_seconds = []

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    started = time.perf_counter()
    try:
        return (yield)
    finally:
        _seconds.append(time.perf_counter() - started)

def pytest_sessionfinish(session):
    with open(os.environ["BENCH_SECONDS"], "w") as file:
        json.dump(_seconds, file)
"""
"""What a conftest.py begins with."""

TIMEOUT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took, in seconds: the process, and each test."""

    wall: float
    tests: list[float]

    @property
    def per_test(self) -> float:
        """Return the mean of the tests but for the first and the last.

        With those come and go the fixtures of the session.
        """
        return statistics.fmean(self.tests[1:-1])


class RunFailed(Exception):
    """A run in which not all tests passed; the text is the reason that pytest gave."""


def run_pytest(
    test_file: Path, *options: str, plugin: str | None, environment: Mapping[str, str] | None = None
) -> Run:
    """Run the tests of a file, with this plugin of all those that are installed, or with none."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        seconds = Path(folder, "seconds.json")
        given = {**os.environ, **(environment or {}), "BENCH_SECONDS": str(seconds)}
        started = time.perf_counter()
        done = subprocess.run(
            pytest_command(test_file, *options, plugin=plugin),
            check=False,
            capture_output=True,
            text=True,
            cwd=test_file.parent,
            env=given,
            timeout=TIMEOUT_SECONDS,
        )
        wall = time.perf_counter() - started
        if done.returncode:
            raise RunFailed(reason(done.stdout, done.stderr))
        return Run(wall, json.loads(seconds.read_text()))


def pytest_command(test_file: Path, *options: str, plugin: str | None) -> list[str]:
    """Return the command for one file of tests, with one plugin or none."""
    others = {point.name for point in entry_points(group="pytest11")} - {plugin}
    folder = f"--rootdir={test_file.parent}"
    without = ("-pno:cacheprovider", *(f"-pno:{name}" for name in sorted(others)))
    return [sys.executable, "-m", "pytest", "-q", folder, *without, *options, str(test_file)]


def reason(output: str, errors: str) -> str:
    """Return the line of pytest's output that says most about a failure."""
    lines = [line for line in (output + errors).splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("E  ", "INTERNALERROR> "))]
    telling = telling or [line for line in lines if "error: " in line]
    return " ".join((telling or lines or ["no output"])[-1].split())[:300]


@contextmanager
def workplace() -> Iterator[Path]:
    """Have a folder for all that a benchmark makes; it is the temporary folder meanwhile.

    So the toolkit keeps its templates and its server in there, away from those of other runs, and
    the settings of the caller's own tests do not count. Byte code is cached, as it usually is. A
    SIGTERM ends the block like any error, so that nothing is left behind.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    kept = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="assay-bench-", ignore_cleanup_errors=True) as folder:
        # A server that root starts runs under another account, which is to reach its files.
        Path(folder).chmod(0o711)
        for name in list(os.environ):
            if name.startswith("ASSAY_"):
                del os.environ[name]
        for name in ("XDG_RUNTIME_DIR", "PYTHONDONTWRITEBYTECODE"):
            os.environ.pop(name, None)
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = None
            os.environ.clear()
            os.environ.update(kept)
