"""Measure how soon the first test has its first answer from a migrated database.

    pip install -e '.[embedded]' pytest
    python benchmarks/warm_start.py [--repeat 20] [--history tables|revisions] [URL ...]

From just before the process is started to the moment at which its one test has the answer to its
first query, wall and CPU time. Ours is a test that takes ``migrated_engine``, of a project whose
template an earlier run has left behind; the bare one takes a fixture of its conftest.py, which is
nothing but ``create_engine()`` on a database that is there already. The two take turns, with byte
code cached, without any other plugin; the bare one without ours.

A URL says where the databases are made: ``sqlite://``, ``postgresql://`` for a server that is found
or started, or the URL of a PostgreSQL server. Without any, the first two are measured. The server
runs already, and is the same for both. The CPU time is that of the process of pytest, without those
of a server or of others that it starts.

There are two histories: one of 30 tables, and one of 300 revisions, whose files there are to look
through to know that the template is still right.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from projects import QUERY, write_project_of_revisions, write_project_of_tables
from pytest_runs import RunFailed, pytest_command, reason, workplace
from servers import migrated, open_server
from sqlalchemy import URL, make_url

OURS, BARE = "migrated_engine", "create_engine() in conftest.py"

TARGET = 1.3
"""How long ours may take, as a multiple of the bare one."""

HISTORIES = {
    "tables": ("30 tables", write_project_of_tables, 30),
    "revisions": ("300 revisions", write_project_of_revisions, 300),
}

TEST = f"""
import json, os, time

def test_query(ENGINE):
    with ENGINE.connect() as connection:
        count = connection.exec_driver_sql({QUERY!r}).scalar()
        now, cpu = time.time(), time.process_time()
    assert count == 2
    with open(os.environ["BENCH_RESULT"], "w") as file:
        json.dump([now, cpu], file)
"""

CONFTEST = """
import os
import pytest
from sqlalchemy import create_engine

@pytest.fixture(scope="session")
def bare_engine():
    engine = create_engine(os.environ["BENCH_URL"])
    yield engine
    engine.dispose()
"""

Seconds = tuple[float, float]
"""Wall time, and CPU time of the process."""


def main() -> None:
    options = parse_options()
    for text in options.url or ["sqlite://", "postgresql://"]:
        with workplace() as folder, open_server(make_url(text), folder) as databases:
            database = databases.url.get_backend_name()
            print(f"{database} ({databases.origin}), load {os.getloadavg()[0]:.2f}")
            for name in options.history or HISTORIES:
                heading, write_project, size = HISTORIES[name]
                project = folder / name
                ini = write_project(project, size, database)
                ours, bare = write_tests(project)
                with migrated(databases, ini) as existing:
                    seconds = measure(ours, bare, text, existing, options.repeat)
                print_table(f"{heading}, {options.repeat} runs of each", seconds)
            print(f"\nload at the end {os.getloadavg()[0]:.2f}\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", nargs="*", help="where to make the databases")
    parser.add_argument("--repeat", type=int, default=20, help="default: %(default)s")
    parser.add_argument(
        "--history", choices=tuple(HISTORIES), action="append", help="default: both"
    )
    return parser.parse_args()


def write_tests(project: Path) -> tuple[Path, Path]:
    """Write the test of each, in a folder of its own; return the two files."""
    bare = project / "bare"
    bare.mkdir()
    (bare / "conftest.py").write_text(CONFTEST)
    files = project / "test_ours.py", bare / "test_bare.py"
    for file, engine in zip(files, ("migrated_engine", "bare_engine"), strict=True):
        file.write_text(TEST.replace("ENGINE", engine))
    return files


def measure(
    ours: Path, bare: Path, url: str, existing: URL, repeat: int
) -> dict[str, list[Seconds]]:
    environment = {"BENCH_URL": existing.render_as_string(hide_password=False)}
    commands = {
        OURS: pytest_command(ours, f"--assay-url={url}", plugin="alembic_assay"),
        BARE: pytest_command(bare, plugin=None),
    }
    for name in (OURS, OURS, BARE):
        run(commands[name], environment)  # makes the template, and writes the byte code
    seconds: dict[str, list[Seconds]] = {name: [] for name in commands}
    for _ in range(repeat):
        for name in random.sample(list(commands), len(commands)):
            seconds[name].append(run(commands[name], environment))
    return seconds


def run(command: list[str], environment: dict[str, str]) -> Seconds:
    with TemporaryDirectory(prefix="assay-bench-") as folder:
        result = Path(folder, "result.json")
        given = {**os.environ, **environment, "BENCH_RESULT": str(result)}
        # Not the monotonic clock: the test reads the same one in another process.
        started = time.time()
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=folder, env=given
        )
        if done.returncode:
            raise RunFailed(reason(done.stdout, done.stderr))
        answered, cpu = json.loads(result.read_text())
        return answered - started, cpu


def print_table(heading: str, seconds: dict[str, list[Seconds]]) -> None:
    print(f"\n{heading:<40}{'wall':>10}{'it / bare':>11}{'CPU':>11}{'it / bare':>11}   target")
    medians = {
        name: [statistics.median(one) for one in zip(*each, strict=True)]
        for name, each in seconds.items()
    }
    base_wall, base_cpu = medians[BARE]
    for name, (wall, cpu) in medians.items():
        row = f"{name:<40}{wall * 1000:>7.0f} ms{wall / base_wall:>11.2f}"
        row += f"{cpu * 1000:>8.0f} ms{cpu / base_cpu:>11.2f}"
        verdict = "met" if wall / base_wall <= TARGET else "MISSED"
        print(row + (f"   {verdict} (at most {TARGET})" if name == OURS else ""), flush=True)


if __name__ == "__main__":
    main()
