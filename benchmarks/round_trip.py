"""Measure the round-trip check beside the bare walk and beside the tests of its peers.

    pip install -e '.[embedded]' pytest pytest-alembic pytest-mrt
    python benchmarks/round_trip.py [--revisions 100] [--database sqlite|postgresql] [--repeat 5]
    python benchmarks/round_trip.py --scale     # only ours and the bare walk, at 100 and at 1000

Contenders take turns, each in a process of its own, and each takes the time itself, so that nobody
pays for the start of the interpreter or for imports of libraries. Everybody pays for running env.py
and the models. Peers are run through pytest, as they are used, and the duration is that of the
test's *call*: the fixtures, in which pytest-alembic reads the revision files, are free. Ours reads
them within its time, and creates and drops its database within it, as the bare walk does.

What is the same for all: generated histories (``gen_history.py``) whose byte code is cached, the
server (PostgreSQL), and settings that trade safety for speed (``synchronous``, ``journal_mode``;
``synchronous_commit``). pytest-alembic has SQLite in memory, as its own default is, which is the
fastest there is; pytest-mrt opens a connection for each command and needs a file.

Beside the wall time stands the CPU time of the process (without that of a server), which tells more
where others use the machine too. Who takes more than 30 seconds runs in the first round only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import gen_history
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite
import sqlalchemy.orm  # noqa: F401 - the models import it; nobody is to pay for that
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, make_url

from alembic_assay.checks.round_trip import check_round_trip
from alembic_assay.databases import Databases, open_databases
from alembic_assay.project import open_project

OURS, BARE = "alembic-assay: check_round_trip", "bare walk, nothing compared"
CONSISTENCY = "pytest-alembic: test_up_down_consistency"
NO_TRACE = "pytest-alembic: test_downgrade_leaves_no_trace"
REVERSIBLE = "pytest-mrt: assert_all_reversible"
REVERSIBLE_EMPTY = "pytest-mrt: the same, told to write no rows"

TESTS = {
    CONSISTENCY: "from pytest_alembic.tests import test_up_down_consistency\n",
    NO_TRACE: "from pytest_alembic.tests.experimental import test_downgrade_leaves_no_trace\n",
    REVERSIBLE: "def test_all_reversible(mrt):\n    mrt.assert_all_reversible()\n",
    REVERSIBLE_EMPTY: "def test_without_rows(mrt):\n    mrt.assert_all_reversible()\n",
}

TARGETS = {
    "sqlite": {
        BARE: 1.5,
        CONSISTENCY: 1.0,
        NO_TRACE: 1 / 5,
        REVERSIBLE: 1 / 30,
        REVERSIBLE_EMPTY: 1 / 30,
    },
    "postgresql": {
        BARE: 1.5,
        CONSISTENCY: 1.0,
        NO_TRACE: 1 / 10,
        REVERSIBLE: 1 / 30,
        REVERSIBLE_EMPTY: 1 / 30,
    },
}
"""How long ours may take, as a multiple of each of the others."""

SCALE_TARGET = 1.3
"""How much a revision of 1000 may cost, as a multiple of what one of 100 does."""

CONFTEST = """
import json, os, time
import pytest
import sqlalchemy.dialects.postgresql, sqlalchemy.dialects.sqlite, sqlalchemy.orm
from pytest_mrt import MRTConfig
from sqlalchemy import Engine, create_engine, event

PROJECT, URL = os.environ["BENCH_PROJECT"], os.environ["BENCH_URL"]

@event.listens_for(Engine, "connect")
def trade_safety_for_speed(connection, record):
    if URL.startswith("sqlite"):
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
    else:
        connection.execute("SET synchronous_commit = off")
        connection.commit()

class NoRows(dict):
    def __contains__(self, table):
        return True

    def __getitem__(self, table):
        return list

def pytest_configure(config):
    config._mrt_config = MRTConfig(
        alembic_ini=f"{PROJECT}/alembic.ini",
        db_url=URL,
        migration_timeout=None,
        custom_seeds=NoRows(all=list) if "NO_ROWS" in os.environ else {},
    )

@pytest.fixture
def alembic_config():
    return {"file": f"{PROJECT}/alembic.ini"}

@pytest.fixture
def alembic_engine():
    engine = create_engine("sqlite://" if URL.startswith("sqlite") else URL)
    yield engine
    engine.dispose()

cpu = []

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    started = time.process_time()
    try:
        return (yield)
    finally:
        cpu.append(time.process_time() - started)

def pytest_runtest_logreport(report):
    if report.when == "call" or report.failed:
        with open(os.environ["BENCH_RESULT"], "w") as file:
            seconds = [report.duration, *cpu]
            json.dump([report.outcome, report.when, seconds, report.longreprtext], file)
"""

TIMEOUT_SECONDS = 600
SLOW_SECONDS = 30

Seconds = tuple[float, float]
"""Wall time, and CPU time of the process (without a server's)."""

Medians = dict[str, Seconds]


def main() -> None:
    options = parse_options()
    if options.measure:
        print(json.dumps(measure_here(options.measure, options.project, make_url(options.url))))
        return
    sizes = [100, 1000] if options.scale else [options.revisions]
    names = [OURS, BARE] if options.scale else [OURS, BARE, *TESTS]
    with (
        TemporaryDirectory(prefix="assay-bench-") as folder,
        open_databases(make_url(f"{options.database}://"), folder=Path(folder)) as databases,
    ):
        print(f"{options.database} ({databases.origin}), load {os.getloadavg()[0]:.2f}")
        medians = {}
        for size in sizes:
            project = Path(folder) / f"history_{size}"
            share = str(options.late_tables)
            gen_history.main(
                [str(project), str(size), "--dialect", options.database, "--late-tables", share]
            )
            medians[size] = measure_in_turns(names, project, databases, options.repeat)
            print_table(size, medians[size], TARGETS[options.database])
        if options.scale:
            print_scale(medians)
        print(f"load at the end {os.getloadavg()[0]:.2f}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--revisions", type=int, default=100)
    parser.add_argument("--database", choices=list(TARGETS), default="sqlite")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--late-tables", type=float, default=0.12, help="see gen_history.py (default: 0.12)"
    )
    parser.add_argument("--scale", action="store_true", help="ours and bare, at 100 and at 1000")
    for name in ("measure", "project", "url"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_in_turns(names: list[str], project: Path, databases: Databases, repeat: int) -> Medians:
    """Return the median seconds of each contender; who fails or takes too long is left out."""
    run(BARE, project, databases)  # writes the byte code of the revisions
    seconds: dict[str, list[Seconds]] = {name: [] for name in names}
    for _ in range(repeat):
        for name in list(seconds):
            if seconds[name] and seconds[name][0][0] > SLOW_SECONDS:
                continue
            try:
                seconds[name].append(run(name, project, databases))
            except (subprocess.SubprocessError, RuntimeError) as error:
                print(f"{name} is left out: {error}")
                del seconds[name]
    return {
        name: (
            statistics.median(wall for wall, _ in each),
            statistics.median(cpu for _, cpu in each),
        )
        for name, each in seconds.items()
    }


def run(name: str, project: Path, databases: Databases) -> Seconds:
    return (run_peer if name in TESTS else run_own)(name, project, databases)


def run_own(name: str, project: Path, databases: Databases) -> Seconds:
    url = databases.url.render_as_string(hide_password=False)
    command = [sys.executable, __file__, "--measure", name, "--project", str(project), "--url", url]
    done = subprocess.run(command, check=False, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    wall, cpu = json.loads(done.stdout)
    return wall, cpu


def run_peer(name: str, project: Path, databases: Databases) -> Seconds:
    with TemporaryDirectory(prefix="assay-bench-") as folder, databases.temporary() as url:
        place = Path(folder)
        (place / "conftest.py").write_text(CONFTEST)
        (place / "test_peer.py").write_text(TESTS[name])
        result = place / "result.json"
        environment = {
            **os.environ,
            "BENCH_PROJECT": str(project),
            # pytest-mrt cannot take a percent sign, nor does SQLAlchemy need one here.
            "BENCH_URL": unquote(url.render_as_string(hide_password=False)),
            "BENCH_RESULT": str(result),
        }
        if name == REVERSIBLE_EMPTY:
            environment["NO_ROWS"] = "1"
        ini = ("-o", "mrt_default_tests=false")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:alembic_assay", *ini, folder]
        subprocess.run(
            command,
            check=False,
            capture_output=True,
            cwd=folder,
            env=environment,
            timeout=TIMEOUT_SECONDS,
        )
        outcome, when, seconds, text = json.loads(result.read_text())
    # pytest-mrt writes rows, and fails in the end for those that a dropped column loses; but where
    # a revision fails on rows it goes no further, and its time says nothing.
    is_done = when == "call" and "chain-advance" not in text
    if outcome != "passed" and not (name == REVERSIBLE and is_done):
        raise RuntimeError(f"its test {outcome}: {text[-600:]}")
    wall, cpu = seconds
    return wall, cpu


def measure_here(name: str, project: str, server: URL) -> Seconds:
    """Take the time of ours or of the bare walk, in this process; imports are done."""
    file = Path(project) / "alembic.ini"
    # The server is the parent's; for SQLite it is a folder.
    is_file = server.get_backend_name() == "sqlite"
    url = make_url("sqlite://") if is_file else server
    folder = TemporaryDirectory(prefix="assay-bench-") if is_file else nullcontext()
    work: Callable[[], object]
    with folder as place:
        where = Path(place) if place else None
        if name == OURS:
            with open_project(url=url, config_file=file, folder=where) as opened:
                work = lambda: check_round_trip(opened)  # noqa: E731 - timed below
                return timed(work)
        with open_databases(url, folder=where) as databases:
            work = lambda: walk_bare(file, databases)  # noqa: E731 - timed below
            return timed(work)


def timed(work: Callable[[], object]) -> Seconds:
    started, cpu_before = time.perf_counter(), time.process_time()
    findings = work()
    seconds = time.perf_counter() - started, time.process_time() - cpu_before
    if findings:
        raise SystemExit(f"a history without faults was found to have some: {findings}")
    return seconds


def walk_bare(file: Path, databases: Databases) -> None:
    """Take each revision up, down and up again, with Alembic alone."""
    with databases.temporary() as url:
        engine = databases.backend.make_own_engine(url)
        with engine.connect() as connection:
            config = Config(file)
            script = ScriptDirectory.from_config(config)
            revisions = list(reversed(list(script.walk_revisions())))

            def steps(heads: object, context: MigrationContext) -> Iterator[RevisionStep]:
                connection.commit()  # the version table
                up, down = MigrationStep.upgrade_from_script, MigrationStep.downgrade_from_script
                for revision in revisions:
                    for make in (up, down, up):
                        yield make(script.revision_map, revision)

            def configured(connection: Connection, **options: Any) -> None:
                options |= databases.backend.context_options
                configure(connection, transaction_per_migration=True, **options)

            config.attributes["connection"] = connection
            context = EnvironmentContext(config, script, fn=steps)
            configure = context.configure
            context.configure = configured  # type: ignore[method-assign, assignment]
            sys.path.insert(0, str(file.parent))
            with context:
                script.run_env()
            assert MigrationContext.configure(connection).get_current_heads() == tuple(
                script.get_heads()
            )


def print_table(size: int, medians: Medians, targets: dict[str, float]) -> None:
    heading = f"{size} revisions"
    print(f"\n{heading:<48}{'median':>9}{'ours / it':>11}{'CPU':>10}{'ours / it':>11}   target")
    our_wall, our_cpu = medians[OURS]
    for name, (wall, cpu) in medians.items():
        ratio, verdict = our_wall / wall, ""
        if name in targets:
            verdict = (
                f"{'met' if ratio <= targets[name] else 'MISSED'} (at most {targets[name]:.3g})"
            )
        print(
            f"{name:<48}{wall:>7.2f} s{ratio:>11.3f}{cpu:>8.2f} s{our_cpu / cpu:>11.3f}   {verdict}"
        )


def print_scale(medians: dict[int, Medians]) -> None:
    small, large = sorted(medians)
    print(f"\n{'cost per revision':<48}{f'at {small}':>12}{f'at {large}':>12}{'ratio':>9}")
    for name in (OURS, BARE):
        for index, time_of in enumerate(("wall", "CPU")):
            first, last = (medians[size][name][index] / size * 1000 for size in (small, large))
            verdict = "met" if last / first <= SCALE_TARGET else "MISSED"
            print(
                f"{f'{name}, {time_of}':<48}{first:>9.2f} ms{last:>9.2f} ms{last / first:>9.2f}"
                + (f"   {verdict} (at most {SCALE_TARGET})" if name == OURS else "")
            )


if __name__ == "__main__":
    main()
