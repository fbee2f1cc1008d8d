"""Measure what a migrated database of its own costs a test, beside a bare clone of the same.

    pip install -e '.[embedded]' pytest
    python benchmarks/fresh_database.py [--tables 10 --tables 300] [--work sleep|busy] [URL ...]

A URL says where the databases are made: ``sqlite://``, ``postgresql://`` for a server that is found
or started, or the URL of a PostgreSQL server. Without any, the first two are measured.

In each round these take turns, on the same server and the same disk:

- the bare clone (``raw_clones.py``): cloned, connected to, asked one question and dropped by a
  loop in one process, with the driver alone; also through an Engine of its own by SQLAlchemy;
- a pytest run of tests that take ``fresh_engine`` and ask it the same question. What such a test
  takes from the start of its set-up to the end of its teardown, less what an empty test takes in a
  run of its own, is its time. What is cloned and dropped in the background may take longer than
  that, so below it stands the difference of the two processes' whole times, per test;
- the same for tests that write a row before they ask, as a database in which nothing was written
  may be handed out again; the bare clone has a row written to it, too;
- both for tests that work 50 ms afterwards. ``sleep`` waits, like a test that waits for something;
  ``busy`` runs Python code, for which the threads of a process compete. The base is a run of tests
  that do only the work. A bare clone behind such a pause is shown too: it takes longer than one in
  a loop, as what it needs has left the processor's caches, and so does all that is ours.

All runs of pytest begin with one test that takes ``fresh_engine``, which pays for what is made once
in a run, and is not counted; nor is the last one, which is empty.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from pathlib import Path

from projects import INSERT, QUERY, write_project_of_tables
from pytest_runs import RECORDER, Run, run_pytest, workplace
from raw_clones import seconds_per_clone
from servers import migrated, open_server
from sqlalchemy import URL, make_url

RAW, RAW_WRITING = "bare clone", "bare clone, a row written"
RAW_ENGINE = "bare clone, through an Engine"
RAW_PAUSING = "bare clone, behind a pause of 50 ms"
FRESH, FRESH_WRITING = "fresh_engine", "fresh_engine, a row written"
PROCESS = ", by whole runs"
WORKING = ", then 50 ms of work"
EMPTY = "(an empty test)"

TARGETS = {
    FRESH: 1.2,
    FRESH_WRITING: 1.2,
    FRESH + WORKING: 0.5,
    FRESH_WRITING + WORKING: 0.5,
}
"""How long ours may take, as a multiple of the bare clone that is used in the same way."""

WORK_SECONDS = 0.05

TESTS = """
import time
import pytest

def ask(engine):
    with engine.connect() as connection:
        assert connection.exec_driver_sql({query!r}).scalar() == 2

def write(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql({insert!r})
        assert connection.exec_driver_sql({query!r}).scalar() == 3

def nothing(engine=None):
    pass

def sleep():
    time.sleep({work_seconds})

def busy():
    for _ in range({loops}):
        pass

def test_first(fresh_engine):
    ask(fresh_engine)

@pytest.mark.parametrize("number", range({count}))
def test_each(number{parameter}):
    {use}({argument})
    {work}()

def test_last():
    pass
"""

Medians = dict[str, float]
"""Seconds per test."""


def main() -> None:
    options = parse_options()
    for text in options.url or ["sqlite://", "postgresql://"]:
        with workplace() as folder, open_server(make_url(text), folder) as databases:
            database = databases.url.get_backend_name()
            print(f"{database} ({databases.origin}), {load()}", flush=True)
            for tables in options.tables or [10, 50, 300]:
                project = folder / f"project_{tables}"
                ini = write_project_of_tables(project, tables, database)
                write_tests(project, options.tests, options.work)
                with migrated(databases, ini) as template:
                    medians = measure(project, text, template, options)
                print_table(f"{tables} tables, {options.tests} tests", medians)
            print(f"\n{load()} at the end\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", nargs="*", help="where to make the databases")
    parser.add_argument(
        "--tables", type=int, action="append", help="default: 10, 50 and 300 in turn"
    )
    parser.add_argument("--tests", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--work", choices=("sleep", "busy"), default="sleep")
    return parser.parse_args()


def load() -> str:
    return f"load {os.getloadavg()[0]:.2f}"


def write_tests(project: Path, count: int, work: str) -> None:
    """Write a file of tests for each use of a database, without and with work."""
    (project / "conftest.py").write_text(RECORDER)
    loops = loops_for(WORK_SECONDS)
    for use in ("nothing", "ask", "write"):
        for does in ("nothing", work):
            test_file(project, use, works=does == work).write_text(
                TESTS.format(
                    query=QUERY,
                    insert=INSERT,
                    work_seconds=WORK_SECONDS,
                    loops=loops,
                    count=count,
                    parameter="" if use == "nothing" else ", fresh_engine",
                    argument="" if use == "nothing" else "fresh_engine",
                    use=use,
                    work=does,
                )
            )


def test_file(project: Path, use: str, *, works: bool) -> Path:
    return project / f"test_{use}_{'working' if works else 'idle'}.py"


def loops_for(seconds: float) -> int:
    """Return how many empty loops take that long on this machine, alone."""
    loops, best = 1_000_000, float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(loops):
            pass
        best = min(best, time.perf_counter() - started)
    return int(loops * seconds / best)


def measure(project: Path, url: str, template: URL, options: argparse.Namespace) -> Medians:
    """Return the medians of all rounds."""
    count = options.tests

    def run(use: str, *, works: bool) -> Run:
        file = test_file(project, use, works=works)
        return run_pytest(file, f"--assay-url={url}", plugin="alembic_assay")

    run("ask", works=False)  # makes the template that is kept, and writes the byte code
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        found[RAW].append(seconds_per_clone(template, count))
        found[RAW_WRITING].append(seconds_per_clone(template, count, how="writing"))
        found[RAW_ENGINE].append(seconds_per_clone(template, count, how="engine"))
        found[RAW_PAUSING].append(seconds_per_clone(template, count, pause_seconds=WORK_SECONDS))
        empty, working = run("nothing", works=False), run("nothing", works=True)
        for name, use in ((FRESH, "ask"), (FRESH_WRITING, "write")):
            own = run(use, works=False)
            found[name].append(own.per_test - empty.per_test)
            found[name + PROCESS].append((own.wall - empty.wall) / count)
            own = run(use, works=True)
            found[name + WORKING].append(own.per_test - working.per_test)
        found[EMPTY].append(empty.per_test)
    return {name: statistics.median(each) for name, each in found.items()}


def print_table(heading: str, medians: Medians) -> None:
    print(f"\n{heading:<50}{'per test':>10}{'it / bare':>12}   target")
    for name, seconds in medians.items():
        bare = RAW_WRITING if name.startswith(FRESH_WRITING) else RAW
        ratio, verdict = seconds / medians[bare], ""
        if name in TARGETS:
            verdict = f"{'met' if ratio <= TARGETS[name] else 'MISSED'} (at most {TARGETS[name]})"
        print(f"{name:<50}{seconds * 1000:>7.2f} ms{ratio:>12.2f}   {verdict}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
