"""Choose where a throw-away server lives and the account that it runs under."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic_assay.dialects.postgresql.binaries import Binaries
from alembic_assay.dialects.user_folder import ensure_own_directory, user_folder

# The port only names the socket file. An unusual one, so that a client which drops the socket
# folder from the URL meets nobody instead of the machine's own server.
PORT = 65432

# sockaddr_un holds 104 bytes on macOS and the BSDs, 108 on Linux, with the closing zero.
LONGEST_SOCKET_PATH = 103

SHARED_MEMORY = Path("/dev/shm")
SHARED_MEMORY_NEEDED_BYTES = 1024**3


@dataclass(frozen=True, slots=True)
class Account:
    """The user that `initdb` and `postgres` run under: an unprivileged one where we are root."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        return self.uid != os.geteuid()

    @property
    def directory_mode(self) -> int:
        """The mode of folders around the server: the other account must be able to pass."""
        return 0o711 if self.is_other else 0o700

    def subprocess_options(self) -> dict[str, Any]:
        if not self.is_other:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, directory: Path) -> None:
        if self.is_other:
            os.chown(directory, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The folder that all processes of one user meet in to share a server of some binaries."""

    path: Path
    account: Account

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def archive(self) -> Path:
        """The data directory that the last server has left and the next one starts from."""
        return self.path / "data.tar"

    def data_directory(self, generation: Path) -> Path:
        """Return where the data of a generation belongs: in memory where there is room."""
        try:
            memory = os.statvfs(SHARED_MEMORY)
        except OSError:
            return generation / "data"
        kept = self.archive.stat().st_size if self.archive.exists() else 0
        has_room = memory.f_bavail * memory.f_frsize >= SHARED_MEMORY_NEEDED_BYTES + kept
        if has_room and os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
            return SHARED_MEMORY / f"alembic-assay-{os.geteuid()}-{generation.name}"
        return generation / "data"

    def socket_directory(self, generation: Path) -> Path:
        """Return where the socket of a generation belongs, short enough for a socket address."""
        directory = generation / "socket"
        if len(os.fsencode(socket_path(directory))) <= LONGEST_SOCKET_PATH:
            return directory
        return Path("/tmp") / f"alembic-assay-{os.geteuid()}-{generation.name}"


def ensure_run_directory(binaries: Binaries, recipe: tuple[str, ...]) -> RunDirectory:
    """Return the folder for the servers of these binaries, made where it is missing.

    It belongs to us alone: others can read nothing in it. `recipe` is whatever else decides what
    is cached in it, so that a change there does not meet an old cache.

    Raises ServerUnavailable where something that is not ours stands in its place.
    """
    account = server_account()
    key = hashlib.sha256("\0".join([str(binaries.directory), *recipe]).encode()).hexdigest()
    path = user_folder() / f"{binaries.version}-{key[:8]}"
    ensure_own_directory(path, account.directory_mode)
    return RunDirectory(path, account)


def socket_path(directory: Path) -> Path:
    """Return the file that a server with this socket folder listens on."""
    return directory / f".s.PGSQL.{PORT}"


def server_account() -> Account:
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    import pwd

    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(65534, 65534)
    return Account(nobody.pw_uid, nobody.pw_gid)
