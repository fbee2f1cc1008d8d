"""Launch a supervisor with its server and wait until that takes connections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from alembic_assay.dialects.postgresql import supervisor
from alembic_assay.dialects.postgresql.handshake import answers
from alembic_assay.dialects.postgresql.run_directory import PORT, RunDirectory
from alembic_assay.dialects.postgresql.supervisor import POLL_SECONDS, Plan, is_supervised
from alembic_assay.exceptions import ServerUnavailable

# Locale C makes ORDER BY the same everywhere; small WAL segments make the copy small.
INITDB_OPTIONS = (
    "--no-sync",
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--wal-segsize=1",
)

SETTINGS = {
    # What is kept is packed when the server has ended; nothing needs to outlive a power failure.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    # Old segments are removed, not set aside for new ones: they would be kept with the data.
    "wal_recycle": "off",
    "wal_init_zero": "off",
    # In the data directory, where it is removed with the rest even after a SIGKILL.
    "dynamic_shared_memory_type": "mmap",
    # A worker that looks into a template makes CREATE DATABASE wait for 100 ms and more.
    "autovacuum": "off",
    "jit": "off",
    "timezone": "UTC",
}

LINGER_SECONDS = 300.0
START_TIMEOUT_SECONDS = 60


def launch_server(run: RunDirectory, generation: Path, *, executables: Path, linger: float) -> Plan:
    """Have a supervisor start a server in this generation; return when it takes connections.

    From the first moment on it is the supervisor that cleans up: when this process is killed or
    releases the generation's `users.lock`, the supervisor ends, `linger` seconds later, what it
    has started.

    Raises ServerUnavailable, with the end of the server's log, where it does not come up.
    """
    plan = make_plan(run, generation, executables=executables, linger=linger)
    (generation / "server.json").write_text(json.dumps(plan))
    launch_supervisor(run, generation)
    wait_until_ready(run, generation, plan)
    return plan


def make_plan(run: RunDirectory, generation: Path, *, executables: Path, linger: float) -> Plan:
    data = run.data_directory(generation)
    sockets = run.socket_directory(generation)
    # A list in which a comma separates and quotes protect.
    quoted = '"{}"'.format(os.fspath(sockets).replace('"', '""'))
    settings = {**SETTINGS, "unix_socket_directories": quoted}
    options = [word for name, text in settings.items() for word in ("-c", f"{name}={text}")]
    return Plan(
        command=[f"{executables}/postgres", "-D", os.fspath(data), "-p", str(PORT), *options],
        initdb=[f"{executables}/initdb", *INITDB_OPTIONS, "-D", os.fspath(data)],
        archive=os.fspath(run.archive),
        data=os.fspath(data),
        socket=os.fspath(sockets),
        port=PORT,
        linger=linger,
        uid=run.account.uid,
        gid=run.account.gid,
    )


def launch_supervisor(run: RunDirectory, generation: Path) -> None:
    # A file of its own for each start: the server before may still be writing to its log.
    run.log.unlink(missing_ok=True)
    with run.log.open("xb") as log:
        result = subprocess.run(
            [sys.executable, "-I", "-S", supervisor.__file__, generation],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=server_environment(),
            start_new_session=True,
            check=False,
        )
    if result.returncode != 0:
        raise start_failure(run, f"its supervisor exited with status {result.returncode}")


def server_environment() -> dict[str, str]:
    """Return our environment without the variables that would configure PostgreSQL."""
    environment = {key: text for key, text in os.environ.items() if not key.startswith("PG")}
    return {**environment, "LC_ALL": "C"}


def wait_until_ready(run: RunDirectory, generation: Path, plan: Plan) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not answers(Path(plan["socket"])):
        if not is_supervised(generation):
            raise start_failure(run, "it exited")
        if time.monotonic() > deadline:
            raise start_failure(run, f"no answer in {START_TIMEOUT_SECONDS} s")
        time.sleep(POLL_SECONDS)


def start_failure(run: RunDirectory, reason: str) -> ServerUnavailable:
    lines = run.log.read_text(errors="replace").splitlines() if run.log.exists() else []
    tail = "\n    ".join(lines[-10:]) or "(nothing)"
    return ServerUnavailable(
        f"a throw-away PostgreSQL server could not be started: {reason}",
        effect=f"the end of its log, {run.log}:\n    {tail}",
        help="mend what the log names, or give the URL of a running server",
    )
