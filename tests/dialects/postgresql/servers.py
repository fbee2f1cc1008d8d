"""Throw-away servers in a folder of the test's own: their users, and what goes with them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from alembic_assay.dialects.postgresql import supervisor
from alembic_assay.dialects.postgresql.binaries import Binaries

DEADLINE_SECONDS = 30

USER = """
import sys
from pathlib import Path
from alembic_assay.dialects.postgresql.binaries import Binaries
from alembic_assay.dialects.postgresql.server import running_server

print("asking", flush=True)
binaries = Binaries(Path(sys.argv[1]), sys.argv[2], "test")
with running_server(binaries, linger=float(sys.argv[3])) as url:
    print(url.render_as_string(), flush=True)
    sys.stdin.readline()
"""


@contextmanager
def open_directory() -> Iterator[Path]:
    # Not pytest's own tmp_path, which is closed to the account of the server.
    with tempfile.TemporaryDirectory(prefix="assay-", dir="/tmp") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def use_temporary(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)


class RunningServer:
    """What is to be gone when a server is gone."""

    def __init__(self, generation: Path) -> None:
        self.generation = generation
        plan = supervisor.read_plan(generation)
        self.data, self.sockets = Path(plan["data"]), Path(plan["socket"])
        self.pid = int((self.data / "postmaster.pid").read_text().split()[0])

    def is_gone(self) -> bool:
        places = (self.generation, self.data, self.sockets)
        return not processes_in([self.data]) and not any(place.exists() for place in places)


def server_at(base: Path, url: URL) -> RunningServer:
    (generation,) = [
        one for one in generations(base) if supervisor.read_plan(one)["socket"] == url.query["host"]
    ]
    return RunningServer(generation)


def generations(base: Path) -> list[Path]:
    return sorted(base.glob("alembic-assay-*/*/generation-*"))


def data_directories(base: Path) -> list[Path]:
    found = []
    for generation in generations(base):
        try:
            found.append(Path(supervisor.read_plan(generation)["data"]))
        except (FileNotFoundError, ValueError):
            continue  # not written yet, or gone
    return found


def processes_in(data_directories: set[Path] | list[Path]) -> list[str]:
    """Return the command lines that name one of these folders."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "stat=,args="], capture_output=True, text=True, check=True
    )
    return [
        line
        for line in listing.stdout.splitlines()
        if not line.startswith("Z") and any(f"-D {data} " in line for data in data_directories)
    ]


def parent_of(pid: int) -> int:
    listing = subprocess.run(
        ["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return int(listing.stdout)


@contextmanager
def user(binaries: Binaries, *, linger: float = 0) -> Iterator[subprocess.Popen[str]]:
    """Start a process that uses a server until it is told to leave; kill it at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, binaries.directory, binaries.version, str(linger)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> URL:
    line = read_line(process)
    return make_url(read_line(process) if line == "asking" else line)


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip()


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=DEADLINE_SECONDS)
    assert process.returncode == 0


def ask(url: URL, statement: str) -> object:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return connection.scalar(text(statement))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition has not come true"
        time.sleep(0.002)
