"""Share one throw-away server among all processes of a user, and leave no process behind.

Each start makes a *generation*: a folder of its own, a supervisor process that owns it, and a
server. A process uses a generation as long as it holds a shared lock on its `users.lock`; the
supervisor waits for that lock exclusively. So a newcomer either gets the shared lock, and the
server stays, or does not, and waits until that generation is gone before it starts another.
Nothing counts users, so nothing is counted wrong when one is killed.

The server lingers for some minutes after its last use, so that the next run finds it ready. When
it ends, its databases are packed into an archive that the next generation starts from: they
survive, unless the supervisor is killed, and then those of the archive before do.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import URL

from alembic_assay.dialects.postgresql import supervisor
from alembic_assay.dialects.postgresql.binaries import Binaries
from alembic_assay.dialects.postgresql.executables import ensure_executable
from alembic_assay.dialects.postgresql.handshake import answers, is_listening
from alembic_assay.dialects.postgresql.launch import INITDB_OPTIONS, LINGER_SECONDS, launch_server
from alembic_assay.dialects.postgresql.run_directory import (
    PORT,
    RunDirectory,
    ensure_run_directory,
)
from alembic_assay.dialects.postgresql.supervisor import POLL_SECONDS, Plan, is_supervised, locked
from alembic_assay.exceptions import ServerUnavailable

ENDING_TIMEOUT_SECONDS = 15


@contextmanager
def running_server(binaries: Binaries, *, linger: float = LINGER_SECONDS) -> Iterator[URL]:
    """Give the URL of a throw-away server of these binaries, running for the whole block.

    The server is shared with every other process of this user that asks for the same binaries,
    and started where there is none; then it ends `linger` seconds after the last user has left
    the block or died, even by SIGKILL. A client that is still connected then keeps it longer,
    unless `linger` is 0. Databases in it survive that end as a rule, but nothing may depend on
    it. A server that is joined keeps the linger it was started with. Blocks may be nested and
    used from several threads.

    The URL names the superuser `postgres`, its database and the folder of the Unix socket; there
    is no TCP port and no password. It is for psycopg; exchange the driver for another.

    Raises ServerUnavailable where the server cannot be started.
    """
    run = ensure_run_directory(binaries, INITDB_OPTIONS)
    with start_lock(run):
        plan, users = join_generation(run) or start_generation(run, binaries, linger=linger)
    with users:
        yield URL.create(
            "postgresql+psycopg",
            username="postgres",
            port=PORT,
            database="postgres",
            query={"host": plan["socket"]},
        )


@contextmanager
def start_lock(run: RunDirectory) -> Iterator[None]:
    # A plain flock and not a FileLock, which may fall back to a lock that outlives its owner.
    with locked(run.path / "start.lock", fcntl.LOCK_EX) as file:
        try:
            yield
        finally:
            # Closing would not do if another thread has forked meanwhile: the child has it too.
            fcntl.flock(file, fcntl.LOCK_UN)


def join_generation(run: RunDirectory) -> tuple[Plan, BinaryIO] | None:
    """Take a share in the running generation, if there is one; clear away dead ones.

    Where the only one is being ended, wait until it is gone, so that its data can be had; but not
    for ever. The caller holds the start lock.
    """
    deadline = time.monotonic() + ENDING_TIMEOUT_SECONDS
    while True:
        is_ending = False
        for generation in run.path.glob("generation-*"):
            try:
                share = take_share(run, generation)
            except BlockingIOError:
                is_ending = True  # or its supervisor has just looked whether anybody is left
                continue
            if share is not None:
                return share
        if not is_ending or time.monotonic() > deadline:
            return None
        time.sleep(POLL_SECONDS)


def take_share(run: RunDirectory, generation: Path) -> tuple[Plan, BinaryIO] | None:
    """Take a share in this generation; clear it away, and return None, if it is a dead one.

    Raises BlockingIOError where its supervisor holds the lock of the users.
    """
    try:
        operation = fcntl.LOCK_SH | fcntl.LOCK_NB
        users = locked(generation / "users.lock", operation, create=False)
    except FileNotFoundError:
        clear_away(run, generation)
        return None
    try:
        plan = supervisor.read_plan(generation)
        if is_supervised(generation) and answers(Path(plan["socket"])):
            os.utime(users.fileno())  # the supervisor sees by it that there was a use
            return plan, users
    except (FileNotFoundError, ValueError):
        pass  # removed at this moment, or its starter was killed before the plan was written
    except BaseException:
        users.close()
        raise
    users.close()
    clear_away(run, generation)
    return None


def start_generation(
    run: RunDirectory, binaries: Binaries, *, linger: float
) -> tuple[Plan, BinaryIO]:
    """Start a server with a supervisor and take the first share in it.

    An archive that no server comes up from is thrown away, and `initdb` makes new data. The
    caller holds the start lock. When it is killed, what there is of the generation is ended and
    removed by its supervisor, or by the next start if there was no supervisor yet.
    """
    executables = ensure_executable(run, binaries)
    if run.archive.exists():
        try:
            return launch_generation(run, executables, linger=linger)
        except ServerUnavailable:
            run.archive.unlink(missing_ok=True)
    return launch_generation(run, executables, linger=linger)


def launch_generation(
    run: RunDirectory, executables: Path, *, linger: float
) -> tuple[Plan, BinaryIO]:
    generation = run.path / f"generation-{secrets.token_hex(4)}"
    generation.mkdir()
    generation.chmod(run.account.directory_mode)
    users = locked(generation / "users.lock", fcntl.LOCK_SH)
    try:
        plan = launch_server(run, generation, executables=executables, linger=linger)
    except BaseException:
        users.close()
        raise
    return plan, users


def clear_away(run: RunDirectory, generation: Path) -> None:
    """Remove a generation that has neither a supervisor nor a user, and end its server.

    One with a user but without a supervisor keeps its server until a later start.
    """
    try:
        with (
            locked(generation / "supervisor.lock", fcntl.LOCK_EX | fcntl.LOCK_NB),
            locked(generation / "users.lock", fcntl.LOCK_EX | fcntl.LOCK_NB),
        ):
            try:
                plan = supervisor.read_plan(generation)
            except (FileNotFoundError, ValueError):
                plan = None
            if plan is not None and is_listening(Path(plan["socket"])):
                quit_server(run, plan)
            supervisor.wait_until_ended(generation)
            supervisor.remove_generation(generation, plan)
    except (BlockingIOError, FileNotFoundError):
        pass


def quit_server(run: RunDirectory, plan: Plan) -> None:
    """End a server that lost its supervisor. That it listens proves its pid file to be true."""
    pid = Path(plan["data"], "postmaster.pid").read_text().split()[0]
    # Signalled as the account of the server, which owns that file and could have any pid in it.
    subprocess.run(
        ["sh", "-c", 'kill -QUIT "$1"', "sh", pid],
        check=False,
        **run.account.subprocess_options(),
    )
