"""Own one generation of the throw-away server: start it, end it when its last user is gone.

Run by path in a bare interpreter, `python -I -S supervisor.py <generation>`, so that nothing of
the project is loaded: only the standard library may be imported here. A generation is a folder
with `server.json` (what to start and where), `users.lock` (held shared by each user process) and
`supervisor.lock` (held as long as the supervisor lives). The kernel releases such a lock when its
holder dies, however it dies; that is the whole idea.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypedDict


class Plan(TypedDict):
    """The content of `server.json`."""

    command: list[str]
    initdb: list[str]
    template: str
    data: str
    socket: str
    uid: int
    gid: int


def main(generation: Path) -> None:
    """Start the server of this generation and stay until it is gone; then remove the generation.

    The calling process returns at once, with `supervisor.lock` held by a process behind it which
    init reaps. That one ends the server as soon as no user is left. Where the server ends by
    itself, the generation is removed too, and users to come start another.
    """
    lock = locked(generation / "supervisor.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fork() != 0:
        os._exit(0)
    plan = read_plan(generation)
    try:
        server = start_server(generation, plan)
        watch = threading.Thread(target=end_when_unused, args=(generation, server), daemon=True)
        watch.start()
        server.wait()
    except (OSError, subprocess.CalledProcessError) as error:
        # To the log, before the generation is removed: the starter takes that for the end.
        print(error, file=sys.stderr, flush=True)
    finally:
        remove_generation(generation, plan)
    lock.close()


def locked(path: Path, operation: int) -> BinaryIO:
    """Open the file, made where it is missing, and lock it until it is closed.

    Processes that we start do not keep the lock, for the descriptor closes on exec; a plain
    `os.fork` does, and then the lock lasts until that child ends too.

    Raises BlockingIOError where LOCK_NB is asked for and the lock is held by another.
    """
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "wb")
    try:
        fcntl.flock(file, operation)
    except BaseException:
        file.close()
        raise
    return file


def is_supervised(generation: Path) -> bool:
    """Tell whether the supervisor of this generation is alive."""
    try:
        locked(generation / "supervisor.lock", fcntl.LOCK_EX | fcntl.LOCK_NB).close()
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


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
    account: dict[str, Any] = {}
    if plan["uid"] != os.geteuid():
        account = {"user": plan["uid"], "group": plan["gid"], "extra_groups": []}
    for directory in (plan["data"], plan["socket"]):
        os.mkdir(directory, 0o700)  # fails where it exists: it might be somebody else's
        if account:
            os.chown(directory, plan["uid"], plan["gid"])
    fill_data_directory(generation, plan, account)
    return subprocess.Popen(
        plan["command"],
        preexec_fn=die_with_supervisor(),  # noqa: PLW1509 - no other thread runs yet
        **account,
    )


def fill_data_directory(generation: Path, plan: Plan, account: dict[str, Any]) -> None:
    """Unpack the template; where there is none yet, run `initdb` and make one of the result.

    The template is an archive, for a disk takes one large file many times faster than the
    thousand small ones of a data directory. Without `tar` each start runs `initdb` instead.
    """
    data, template = plan["data"], Path(plan["template"])
    tar = shutil.which("tar")
    if tar and template.exists():
        with template.open("rb") as archive:
            subprocess.run([tar, "-xf", "-", "-C", data], check=True, stdin=archive, **account)
    else:
        subprocess.run(plan["initdb"], check=True, stdout=subprocess.DEVNULL, **account)
        if tar:
            partial = generation / template.name  # goes with the generation if we are killed
            with partial.open("wb") as archive:
                pack = [tar, "-cf", "-", "-C", data, "."]
                subprocess.run(pack, check=True, stdout=archive, **account)
                os.fsync(archive)
            partial.replace(template)


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


def end_when_unused(generation: Path, server: subprocess.Popen[bytes]) -> None:
    """End the server when no user holds the lock; hold it from then on, so that none joins."""
    with locked(generation / "users.lock", fcntl.LOCK_EX):
        server.send_signal(signal.SIGQUIT)
        server.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
