"""Databases of our own: on one server, with names of their own, gone at the end."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from alembic_assay.dialects import Backend, Note, OwnDatabase, Server, get_backend, signature
from alembic_assay.exceptions import AssayError, first_line
from alembic_assay.safety import refuse_unsafe
from alembic_assay.urls import mask

log = logging.getLogger("alembic_assay")

TEMPLATES_KEPT = 5
"""Of one history, the newest ones."""

LONGEST_KEPT = timedelta(days=30)


class Databases:
    """A place where databases are made; every one is marked as ours and dropped by ``close``."""

    def __init__(self, server: Server, origin: str) -> None:
        self.server = server
        self.origin = origin
        self.backend: Backend = get_backend(server.url)
        self.asked_for = server.url
        """What led to the server: its URL, or only the kind of one that is found or started."""
        self.left_behind: list[OwnDatabase] = []
        """What was found and dropped as this place was opened."""
        self._own: list[URL] = []

    @property
    def url(self) -> URL:
        """The URL of the server."""
        return self.server.url

    def create(self) -> URL:
        """Return a new, empty database. Raises ``ServerUnavailable`` where it cannot be made."""
        return self._remember(self.server.create(self.server.new_name()))

    def clone(self, source: URL) -> URL:
        """Return a copy of a database of our own; whoever is connected to that loses it."""
        return self._remember(self.server.clone(source, self.server.new_name()))

    def drop(self, url: URL) -> None:
        """Drop a database of our own; one that is gone already is fine."""
        self.server.drop(url)
        if url in self._own:
            self._own.remove(url)

    def is_own(self, url: URL) -> bool:
        """Whether a database was made here and is still there."""
        return url in self._own

    def seal(self, url: URL, note: Note) -> None:
        """Keep a database for all who come, with a note on it; nobody can change it any more."""
        self.server.seal(url, note)
        self._own.remove(url)

    def keep(self, url: URL, of: str) -> None:
        """Leave a database as it is, for somebody to look at."""
        self.server.annotate(url, Note.signed("kept", of))
        self._own.remove(url)

    def set_aside(self, url: URL, template: URL, of: str) -> URL:
        """Keep a database under another name; return its URL. A new copy takes its place."""
        kept = self.server.set_aside(url, template, self.server.new_name())
        self.server.annotate(kept, Note.signed("kept", of))
        return kept

    def restore(self, url: URL, template: URL) -> None:
        """Put a new copy of a template in the place of a database of our own."""
        self.drop(self._remember(self.server.set_aside(url, template, self.server.new_name())))

    def templates(self) -> dict[str, URL]:
        """Return the templates on the server, by their fingerprints."""
        return {
            one.note.fingerprint: one.url
            for one in self.server.own_databases()
            if one.note is not None and one.note.kind == "template"
        }

    def prune(self, *, everything: bool = False) -> list[OwnDatabase]:
        """Drop what nobody needs any more, and return it.

        That is what was made by processes that live no longer, unless it was kept; and of what was
        kept all that is old, and templates that are not among the newest of their history, or whose
        history is gone. With ``everything`` all that is not in use goes. What has lost its mark, or
        cannot be dropped, stays, with a warning.
        """
        found = self.server.own_databases()
        living = self.server.living({one.owner for one in found})
        gone = [one for one in found if one.note is None and one.owner not in living]
        kept = [one for one in found if one.note is not None]
        gone += kept if everything else _outdated(kept)
        dropped = [one for one in gone if self._has_dropped(one.url)]
        self.server.forget_the_dead()
        return dropped

    @contextmanager
    def temporary(self) -> Iterator[URL]:
        """Have a new, empty database for a block."""
        url = self.create()
        try:
            yield url
        finally:
            self.drop(url)

    def close(self) -> None:
        """Drop all databases that were made here and are still there, then raise what failed."""
        with ExitStack() as stack:
            for url in self._own:
                stack.callback(self.server.drop, url)
        self._own.clear()

    def _has_dropped(self, url: URL) -> bool:
        """Drop a database that another process left, and tell if it is not our own, or cannot go.

        That is not to keep this process from its work.
        """
        try:
            self.server.drop(url)
        except (AssayError, SQLAlchemyError) as error:
            log.warning("%s, which was left behind, stays: %s", mask(url), first_line(error))
            return False
        return True

    def _remember(self, url: URL) -> URL:
        self._own.append(url)
        return url


@contextmanager
def open_databases(
    url: URL, *, folder: Path | None = None, allowed_hosts: Collection[str] = ()
) -> Iterator[Databases]:
    """Have a place for databases of the kind of ``url``, on its server if it names one.

    This is the one way to databases of our own: all that makes or drops any has come through here,
    and where they are not to be made ``UnsafePlace`` is raised; see ``refuse_unsafe``.

    What was left there by processes that were killed is dropped. Databases that are files lie in
    ``folder``, by default in one of this user's. Raises ``ServerUnavailable``,
    ``DatabaseUnreachable`` or ``UnsupportedDatabase``.
    """
    backend = get_backend(url)
    refuse_unsafe(url, allowed_hosts=allowed_hosts)
    with backend.serve(url, folder) as (server, origin):
        databases = Databases(server, origin)
        databases.asked_for, databases.left_behind = url, databases.prune()
        try:
            yield databases
        finally:
            databases.close()


def without_own_names(text: str) -> str:
    """Remove the names of databases of our own from a text, where they stand before other names.

    They are others in each run, and some servers name the database in each error.
    """
    return _OWN_NAME.sub("", text)


_OWN_NAME = re.compile(r"`?\bassay_[0-9a-f]{8}_[0-9a-f]{4,}\b`?\.")


def _outdated(kept: list[OwnDatabase]) -> list[OwnDatabase]:
    histories, gone, here = defaultdict(list), [], signature()
    for one in kept:
        note = one.note
        assert note is not None
        is_of_here = note.kind == "template" and note.owner == here
        if note.age > LONGEST_KEPT or (is_of_here and not Path(note.of).exists()):
            gone.append(one)
        elif note.kind == "template":
            histories[note.of, note.owner].append((note.made, str(one.url.database), one))
    for templates in histories.values():
        gone += [one for *_, one in sorted(templates, reverse=True)[TEMPLATES_KEPT:]]
    return gone
