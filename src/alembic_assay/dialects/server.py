"""Where databases of our own are made: a session on a server, or a folder of files."""

from __future__ import annotations

import getpass
import itertools
import json
import re
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import ClassVar, Literal, NoReturn

from sqlalchemy import URL

from alembic_assay.dialects.lock import Lock
from alembic_assay.exceptions import ServerUnavailable, UsageError, first_line
from alembic_assay.urls import mask

OWN_MARK = "alembic-assay"
"""What the comments on databases of our own begin with."""

OWN_NAME = re.compile(r"assay_([0-9a-f]{8})_[0-9a-f]{4,}")
"""The name of a database of our own, with the owner in it."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is written on a database of our own that outlives the process which made it.

    A ``template`` is ``of`` a folder of migrations, in the state that ``fingerprint`` stands for;
    a database that was ``kept`` is of a test.
    """

    kind: Literal["template", "kept"]
    of: str
    fingerprint: str = ""
    owner: str = ""
    made: str = ""

    @classmethod
    def signed(cls, kind: Literal["template", "kept"], of: str, fingerprint: str = "") -> Note:
        """Return a note with the present user, host and time."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        return cls(kind, of, fingerprint, signature(), now)

    @property
    def age(self) -> timedelta:
        return datetime.now(timezone.utc) - datetime.fromisoformat(self.made)

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Note | None:
        """Read ``str(note)``; ``None`` for anything else."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class OwnDatabase:
    """A database of the toolkit's own, as it was found on a server."""

    url: URL
    owner: str
    note: Note | None = None


class Server(ABC):
    """A place for databases of our own; it may be used from several threads.

    ``owner`` names this user of the server, and is part of the name of each database that it makes.
    A lock on the server shows to everyone that the owner lives, and ends with it: so what was left
    behind can be told from what is in use, from whichever machine.
    """

    copies_at_once: ClassVar[bool] = False
    """Whether a copy takes less time than to wait for a thread that makes one."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.owner = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def new_name(self) -> str:
        """Return a name for a database of this owner, another one each time."""
        return f"assay_{self.owner}_{next(self._numbers):04x}"

    @property
    @abstractmethod
    def version(self) -> str:
        """What a database on this server depends on: its version, or that of the library."""

    @abstractmethod
    def create(self, name: str) -> URL:
        """Create an empty database, with the mark of our own."""

    @abstractmethod
    def clone(self, source: URL, name: str) -> URL:
        """Copy a database of our own as another. Whoever is connected to it loses that."""

    @abstractmethod
    def drop(self, url: URL) -> None:
        """Drop a database of our own; one that is gone is fine, any other raises ``UsageError``."""

    @abstractmethod
    def seal(self, url: URL, note: Note) -> None:
        """Let nobody change a database of our own any more, and write a note on it, that last."""

    @abstractmethod
    def annotate(self, url: URL, note: Note) -> None:
        """Write a note on a database of our own."""

    @abstractmethod
    def set_aside(self, url: URL, template: URL, name: str) -> URL:
        """Give another name to a database of our own; a copy of ``template`` takes its place.

        Return the URL under the new name. Connections to the old one may end by it.
        """

    def content(self, url: URL) -> object | None:
        """Return something that is another when anything was written in a database of our own.

        Nobody may be connected. ``None`` where it cannot be known, or no cheaper than a copy.
        """
        del url
        return None

    @abstractmethod
    def own_databases(self) -> list[OwnDatabase]:
        """Return all databases of our own, of whichever owner."""

    @abstractmethod
    def living(self, owners: Collection[str]) -> set[str]:
        """Return which of the owners live."""

    def forget_the_dead(self) -> None:
        """Remove what is left of owners that do not live, and whose databases are gone."""
        return

    @abstractmethod
    def lock(self, name: str) -> AbstractContextManager[Lock]:
        """Yield a lock for all who use this server; it is not taken yet."""

    @abstractmethod
    def close(self) -> None:
        """End the session; what was made and not dropped is without an owner from now on."""


def refuse_to_drop(url: URL) -> NoReturn:
    """Raise the error for a database that is not our own."""
    raise UsageError(
        f"{mask(url)} was not made by alembic-assay",
        effect="It was not dropped: only databases that carry the toolkit's own mark ever are.",
        help="drop it yourself if it is not needed any more.",
    )


def cannot_make(server: URL, error: BaseException, help_: str) -> ServerUnavailable:
    """Return the error for a database that could not be made, with what may help."""
    return ServerUnavailable(
        f"no database can be made on {mask(server)}: {first_line(error)}",
        effect="The checks and the fixtures need databases of their own; none was made.",
        help=help_,
    )


def signature() -> str:
    """Return who makes databases here: user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"  # a uid without a name, in a container
    return f"{user}@{socket.gethostname()}"
