"""Kill a process at each step of what it does with a template, and see what the next ones find.

    pip install -e '.[test]'
    python benchmarks/kills.py [--every 1] [--first 0] [URL ...]

Each process migrates a small project as a template, copies it, writes in the copies, hands them
back, sets one aside and keeps another; see ``use_template`` in tests/processes.py, which is found
as the root of the repository is put on ``sys.path`` here. It is killed by SIGKILL at one of the
steps that it takes: before and behind each statement, and at each file of the toolkit's own that it
opens, renames, removes or makes read-only. Then a second process does the same to its end; it must
find the right tables. What the first has left behind must be gone then, and a prune of all must
leave nothing. tests/test_template_kills.py does that for twelve of the steps.

A URL says where: ``sqlite://``, ``postgresql://`` for a server that is found or started, or the URL
of a server; without any, the first two are taken. On a server a user is made for this alone, and on
MySQL that user's prune would drop what others have kept: take a server that nobody else uses.

It exits with 1 if anything was left, or any process failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import URL, make_url

from alembic_assay.databases import open_databases

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.places import Place, own_place
from tests.processes import Child, Children, use_template

KILLED = -9
TABLES = ["alembic_version", "users"]

ENV = """
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
section = config.get_section(config.config_ini_section, {})
engine = engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade():
    op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))
"""


class Kills:
    """The processes of one place, and what was wrong behind them."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self.children = Children(folder)
        self.options: dict[str, Any] = {
            "ini": str(write_project(folder)),
            "run": str(folder),
            "folder": str(place.folder) if place.folder else None,
        }
        self.faults: list[str] = []

    def count_steps(self) -> int:
        steps: int = self._start(None).result()["steps"]
        self._prune("the run without a kill")
        return steps

    def kill_at(self, step: int) -> bool:
        """Kill a process at a step; return whether it came to that."""
        at = f"step {step}"
        killed = self._start(step)
        killed.process.join()
        code = killed.process.exitcode
        if code not in (KILLED, 0):
            self._note(at, f"the process ended with {code}: {last_line(killed)}")
        self._forget_the_run()
        self._run_next(at)
        if left := self.place.left():
            self._note(at, f"the next run left {', '.join(left)}")
        self._prune(at)
        return code == KILLED

    def _start(self, kill_at: int | None) -> Child:
        return self.children.start(
            use_template, make_url(self.place.url), kill_at=kill_at, **self.options
        )

    def _run_next(self, at: str) -> None:
        child = self._start(None)
        try:
            found = child.result()["tables"]
        except AssertionError:
            self._note(at, f"the next run failed: {last_line(child)}")
            return
        if found != TABLES:
            self._note(at, f"the next run found the tables {', '.join(found) or 'none'}")

    def _prune(self, at: str) -> None:
        folder = self.place.folder
        with open_databases(make_url(self.place.url), folder=folder) as databases:
            databases.prune(everything=True)
        self._forget_the_run()
        if left := sorted(self.place.all()):
            self._note(at, f"the prune left {', '.join(left)}")
        own = f"assay_{self.place.server.owner}.alive"
        files = [path for path in folder.glob("assay_*") if path.name != own] if folder else []
        for path in files:
            self._note(at, f"the prune left the file {path.name}")
            path.unlink()

    def _forget_the_run(self) -> None:
        for record in self.folder.glob("alembic-assay-*.json"):
            record.unlink()

    def _note(self, at: str, fault: str) -> None:
        self.faults.append(f"{at}: {fault}")
        print(f"  {self.faults[-1]}", flush=True)


def main() -> int:
    options = parse_options()
    faults = 0
    for text in options.url or ["sqlite://", "postgresql://"]:
        with opened_place(make_url(text)) as place, workplace() as folder:
            kills = Kills(place, folder)
            try:
                run(kills, range(options.first, kills.count_steps(), options.every))
            finally:
                kills.children.end()
        faults += len(kills.faults)
    return 1 if faults else 0


def run(kills: Kills, steps: range) -> None:
    started = time.monotonic()
    print(f"{kills.place.backend}: {len(steps)} of {steps.stop} steps", flush=True)
    done = Counter(kills.kill_at(step) for step in steps)
    seconds = time.monotonic() - started
    print(f"  {done[True]} processes were killed, {done[False]} had ended before their step")
    faults = len(kills.faults)
    print(f"  {faults or 'no'} faults behind them, in {seconds:.0f} s\n", flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", nargs="*", help="where to make the databases")
    parser.add_argument("--every", type=int, default=1, help="try each n-th step; default: 1")
    parser.add_argument("--first", type=int, default=0, help="the first step; default: 0")
    return parser.parse_args()


@contextmanager
def opened_place(url: URL) -> Iterator[Place]:
    """Have a place for databases of this benchmark alone."""
    if url.get_backend_name() == "sqlite":
        with workplace() as folder, open_databases(url, folder=folder) as databases:

            def files() -> set[str]:
                return {path.stem for path in folder.glob("*.db")}

            yield Place("sqlite://", "sqlite", files, databases.server, folder)
        return
    with (
        open_databases(url) as databases,
        workplace() as folder,
        own_place(databases, folder) as place,
    ):
        yield place


@contextmanager
def workplace() -> Iterator[Path]:
    with TemporaryDirectory(prefix="assay-bench-") as name:
        yield Path(name)


def write_project(folder: Path) -> Path:
    """Write a project with one table; return its configuration file."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "migrations" / "env.py").write_text(ENV)
    (versions / "0001.py").write_text(REVISION)
    ini = folder / "alembic.ini"
    ini.write_text(
        "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\n"
        "path_separator = os\n"
    )
    return ini


def last_line(child: Child) -> str:
    text = child.log.read_text().strip() if child.log.exists() else ""
    return text.splitlines()[-1] if text else "it said nothing"


if __name__ == "__main__":
    sys.exit(main())
