"""Own one generation of the throw-away server: start it, end it when it is unused, keep its data.

Run by path in a bare interpreter, `python -I -S supervisor.py <generation>`, so that nothing of
the project is loaded: only the standard library may be imported here. A generation is a folder
with `server.json` (what to start and where), `users.lock` (held shared by each user process),
`supervisor.lock` (held as long as the supervisor lives) and `server.lock` (held as long as any
process lives that writes to the data). The kernel releases such a lock when its holder dies,
however it dies; that is the whole idea.

The data directory comes out of an archive beside the generations and goes back into it when the
server has ended cleanly. The archive is only ever replaced as a whole, so a kill at any moment
costs no more than what was new in this generation.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

POLL_SECONDS = 0.003
PROBE_SECONDS = 1.0
END_TIMEOUT_SECONDS = 10
SESSION_TIMEOUT_SECONDS = 5
LARGEST_KEPT_BYTES = 1024**3

TOO_MANY_CONNECTIONS = b"\0C53300\0"


class Plan(TypedDict):
    """The content of `server.json`."""

    command: list[str]
    initdb: list[str]
    archive: str
    data: str
    socket: str
    port: int
    linger: float
    uid: int
    gid: int


def main(generation: Path) -> None:
    """Start the server of this generation and stay until it is gone; then remove the generation.

    The calling process returns at once, with `supervisor.lock` held by a process behind it which
    init reaps. That one ends the server when it has been unused for `linger` seconds, and keeps
    its data. Where the server ends by itself, the generation is removed with its data, and users
    to come start another.
    """
    lock = locked(generation / "supervisor.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fork() != 0:
        os._exit(0)
    plan = read_plan(generation)
    # Open to the very end: a newcomer is to wait until the generation is gone.
    users = opened(generation / "users.lock")
    ends_cleanly = threading.Event()
    try:
        server = start_server(generation, plan)
        arguments = (users, plan, server, ends_cleanly)
        threading.Thread(target=end_when_unused, args=arguments, daemon=True).start()
        if server.wait() == 0 and ends_cleanly.is_set() and is_worth_keeping(generation, plan):
            pack_data_directory(generation, plan)
    except (OSError, subprocess.CalledProcessError) as error:
        # To the log, before the generation is removed: the starter takes that for the end.
        print(error, file=sys.stderr, flush=True)
    finally:
        wait_until_ended(generation)
        remove_generation(generation, plan)
    users.close()
    lock.close()


def opened(path: Path, *, create: bool = True) -> BinaryIO:
    flags = os.O_RDWR | (os.O_CREAT if create else 0)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def locked(path: Path, operation: int, *, create: bool = True) -> BinaryIO:
    """Open the file, made where it is missing unless told not to; lock it until it is closed.

    Processes that we start do not keep the lock, for the descriptor closes on exec; a plain
    `os.fork` does, and then the lock lasts until that child ends too.

    Raises BlockingIOError where LOCK_NB is asked for and the lock is held by another.
    """
    file = opened(path, create=create)
    try:
        fcntl.flock(file, operation)
    except BaseException:
        file.close()
        raise
    return file


def is_supervised(generation: Path) -> bool:
    """Tell whether the supervisor of this generation is alive."""
    return is_locked(generation / "supervisor.lock")


def has_ended(generation: Path) -> bool:
    """Tell whether every process is gone that could still write to the data."""
    return not is_locked(generation / "server.lock")


def is_locked(path: Path) -> bool:
    """Tell whether anybody holds a lock on the file, which may be missing."""
    try:
        locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False).close()
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def wait_until_ended(generation: Path) -> None:
    """Wait, but not for ever, for what a server that was killed has left behind for a moment.

    A file that it writes into a folder which is just being removed would stay.
    """
    deadline = time.monotonic() + END_TIMEOUT_SECONDS
    while not has_ended(generation) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def read_plan(generation: Path) -> Plan:
    plan: Plan = json.loads((generation / "server.json").read_text())
    return plan


def remove_generation(generation: Path, plan: Plan | None) -> None:
    """Remove all files of a generation whose server is gone; the plan last, it names the rest."""
    if plan is not None:
        shutil.rmtree(plan["data"], ignore_errors=True)
        shutil.rmtree(plan["socket"], ignore_errors=True)
    shutil.rmtree(generation, ignore_errors=True)


def start_server(generation: Path, plan: Plan) -> subprocess.Popen[bytes]:
    """Start the server, under its account, on a data directory of its own."""
    for directory in (plan["data"], plan["socket"]):
        os.mkdir(directory, 0o700)  # fails where it exists: it might be somebody else's
        if account_options(plan):
            os.chown(directory, plan["uid"], plan["gid"])
    with locked(generation / "server.lock", fcntl.LOCK_EX) as lock:
        fill_data_directory(generation, plan, lock)
        return subprocess.Popen(plan["command"], **tied_options(plan, lock))


def account_options(plan: Plan) -> dict[str, Any]:
    """Return what makes a process run under the account of the server, if that is not ours."""
    if plan["uid"] == os.geteuid():
        return {}
    return {"user": plan["uid"], "group": plan["gid"], "extra_groups": []}


def tied_options(plan: Plan, lock: BinaryIO) -> dict[str, Any]:
    """Return what makes a process end with the supervisor, and hold the lock until then.

    Only for the time before the first thread, which a function between fork and exec may not meet.
    """
    tie = {"preexec_fn": die_with_supervisor(), "pass_fds": (lock.fileno(),)}
    return {**tie, **account_options(plan)}


def fill_data_directory(generation: Path, plan: Plan, lock: BinaryIO) -> None:
    """Unpack the archive; where there is none, run `initdb` and make one of the result.

    An archive, for a disk takes one large file many times faster than the thousand small ones of
    a data directory. Without `tar` each start runs `initdb` instead.
    """
    tar = shutil.which("tar")
    if tar and os.path.exists(plan["archive"]):
        unpack = [tar, "-xf", "-", "-C", plan["data"]]
        with open(plan["archive"], "rb") as archive:
            subprocess.run(unpack, check=True, stdin=archive, **tied_options(plan, lock))
    else:
        options = tied_options(plan, lock)
        subprocess.run(plan["initdb"], check=True, stdout=subprocess.DEVNULL, **options)
        pack_data_directory(generation, plan)


def pack_data_directory(generation: Path, plan: Plan) -> None:
    """Replace the archive by one of the data directory, at once and as a whole."""
    tar = shutil.which("tar")
    if tar is None:
        return
    partial = generation / "partial.tar"  # goes with the generation if we are killed
    with partial.open("wb") as archive:
        pack = [tar, "-cf", "-", "-C", plan["data"], "."]
        subprocess.run(pack, check=True, stdout=archive, **account_options(plan))
        os.fsync(archive)
    partial.replace(plan["archive"])


def is_worth_keeping(generation: Path, plan: Plan) -> bool:
    """Tell whether the data are whole without what lies elsewhere, and not too much.

    Too much is also what would take more than half of the room that is left for the archive.
    """
    if os.listdir(os.path.join(plan["data"], "pg_tblspc")):
        return False
    sizes = (
        os.lstat(os.path.join(parent, name)).st_size
        for parent, _, names in os.walk(plan["data"])
        for name in names
    )
    return sum(sizes) <= min(LARGEST_KEPT_BYTES, shutil.disk_usage(generation).free // 2)


def die_with_supervisor() -> Callable[[], None] | None:
    """Return what has the kernel end a new process when the supervisor is killed, if it can.

    Elsewhere the next start finds the server without a supervisor and ends it.
    """
    if sys.platform != "linux":
        return None
    # Loaded here, as the account of the server may not be allowed to read Python's library.
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
    supervisor = os.getpid()

    def ask_for_signal() -> None:
        prctl(set_parent_death_signal, signal.SIGQUIT)
        if os.getppid() != supervisor:
            os._exit(1)

    return ask_for_signal


def end_when_unused(
    users: BinaryIO, plan: Plan, server: subprocess.Popen[bytes], ends_cleanly: threading.Event
) -> None:
    """End the server when nobody has used it for long enough, and let no user join any more."""
    wait_until_unused(users, plan)
    ends_cleanly.set()
    server.send_signal(signal.SIGINT)
    try:
        server.wait(END_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        ends_cleanly.clear()
        server.send_signal(signal.SIGQUIT)


def wait_until_unused(users: BinaryIO, plan: Plan) -> None:
    """Return, with the lock of the users held, `linger` seconds after the last use.

    Meanwhile the lock is free but for a look once a second, so that newcomers may join. One that
    has come and gone in between is known by the time that it has set on the file. A session of
    a client that holds no lock, somebody's `psql`, is a use too, unless the linger is 0.
    """
    linger = plan["linger"]
    fcntl.flock(users, fcntl.LOCK_EX)
    last_use, joined = time.monotonic(), os.stat(users.fileno()).st_mtime_ns
    while linger > 0:
        if time.monotonic() - last_use >= linger:
            if not has_session(plan):
                return
            last_use = time.monotonic()
        fcntl.flock(users, fcntl.LOCK_UN)
        time.sleep(min(PROBE_SECONDS, linger))
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(users, fcntl.LOCK_EX)
            last_use = time.monotonic()
        if (latest := os.stat(users.fileno()).st_mtime_ns) != joined:
            last_use, joined = time.monotonic(), latest


def has_session(plan: Plan) -> bool:
    """Tell whether any client is connected, by asking the server: a slim container has no `ps`.

    A server that is full has sessions; one that gives no answer has none that could be served.
    """
    statement = (
        b"SELECT FROM pg_stat_activity"
        b" WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()\0"
    )
    query = b"Q" + struct.pack("!i", 4 + len(statement)) + statement
    address = os.path.join(plan["socket"], f".s.PGSQL.{plan['port']}")
    try:
        reply = converse(address, query, timeout=SESSION_TIMEOUT_SECONDS)
    except OSError:
        return False
    rows = re.search(rb"SELECT (\d+)\0", reply)
    return bool(rows and int(rows[1])) or TOO_MANY_CONNECTIONS in reply


def converse(address: str, messages: bytes, *, timeout: float) -> bytes:
    """Begin a session at this socket, send the messages, end it; return all that was answered.

    In words of the protocol itself, so no driver needs to be loaded for it.
    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """
    names = b"user\0postgres\0database\0postgres\0\0"
    startup = struct.pack("!ii", 8 + len(names), 3 << 16) + names
    terminate = b"X\0\0\0\4"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        client.connect(address)
        client.sendall(startup + messages + terminate)
        return b"".join(iter(lambda: client.recv(4096), b""))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
