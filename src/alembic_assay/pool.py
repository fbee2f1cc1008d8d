"""Databases made ahead, in threads, while tests run."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from sqlalchemy import URL, Engine
from sqlalchemy.pool import QueuePool

from alembic_assay.databases import Databases

READY, THREADS = 2, 2
"""How many are made ahead; how many threads do that, and drop what comes back."""

PAUSE_SECONDS = 0.005
"""Where a copy is made at once: how long nobody takes one before the threads begin."""


class Pool:
    """Hands out databases, each a copy that ``clone`` makes, as engines on them; takes them back.

    From the first one on, the next ones are made in the background, connected already. One that
    comes back is dropped there, or handed out again if nothing was written in it.

    Where a copy is made at once, as that of a file, nobody waits for one: who finds none makes it,
    and drops what came back before. The threads keep still until a test has gone on to something
    else, as they would hold it up: one thread of Python runs at a time.
    """

    def __init__(self, databases: Databases, clone: Callable[[], URL]) -> None:
        self._databases = databases
        self._clone = clone
        self._copies_at_once = databases.server.copies_at_once
        self._changed = threading.Condition()
        self._ready: deque[Engine] = deque()
        self._making = 0
        self._turns = 0
        self._returned: deque[URL] = deque()
        self._failure: BaseException | None = None
        self._is_closed = False
        self._is_begun = False
        self._pristine: object | None = None
        self._threads: list[threading.Thread] = []

    def take(self) -> Engine:
        """Return an engine on a database that is like the template. Raises what ``clone`` does."""
        while len(self._threads) < THREADS:
            thread = threading.Thread(target=self._work, name="alembic-assay", daemon=True)
            self._threads.append(thread)
            thread.start()
        with self._changed:
            self._turns += 1
            if not self._copies_at_once:
                self._changed.wait_for(lambda: self._ready or self._failure)
            self._changed.notify_all()
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._ready:
                return self._ready.popleft()
            returned, self._returned = self._returned, deque()
        for url in returned:
            self._databases.drop(url)
        return self._engine(self._clone())

    def give_back(self, engine: Engine) -> None:
        """Take back a database to which nobody should be connected any more."""
        engine.dispose()
        with self._changed:
            self._turns += 1
            self._returned.append(engine.url)
            self._changed.notify_all()

    def close(self) -> None:
        """End the threads. The databases stay with ``databases``, which drops them."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for engine in self._ready:
            engine.dispose()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
            if self._copies_at_once and not self._is_pause():
                continue
            with self._changed:
                if self._is_closed:
                    return
                if not self._has_work():
                    continue  # the other thread was faster
                # First, so that they never become many, and none is made where one can be reused.
                returned = self._returned.popleft() if self._returned else None
                self._making += 1
            engine, failure = None, None
            try:
                engine = self._next(returned)
            except BaseException as error:
                failure = error
            with self._changed:
                self._making -= 1
                self._failure = self._failure or failure
                if engine is not None:
                    self._ready.append(engine)
                self._changed.notify_all()

    def _has_work(self) -> bool:
        if self._is_closed:
            return True
        lacks = len(self._ready) + self._making < READY
        return self._failure is None and (lacks or bool(self._returned))

    def _is_pause(self) -> bool:
        """Wait a moment, and tell if no test took one or gave one back."""
        turns = self._turns
        time.sleep(PAUSE_SECONDS)
        return self._turns == turns

    def _next(self, returned: URL | None) -> Engine | None:
        """Return an engine on the database that came back, or on a new one; none if it had to go.

        It is connected, as the first connection takes longest.
        """
        url = self._made() if returned is None else self._reused(returned)
        if url is None:
            return None
        engine = self._engine(url)
        with engine.connect():
            return engine

    def _made(self) -> URL:
        url = self._clone()
        if self._is_begun and self._pristine is None:
            self._pristine = self._databases.server.content(url)
        self._is_begun = True  # and the first one is waited for
        return url

    def _reused(self, url: URL) -> URL | None:
        """Return the database if nothing was written in it; else drop it."""
        if self._pristine is not None and self._databases.server.content(url) == self._pristine:
            return url
        self._databases.drop(url)
        return None

    def _engine(self, url: URL) -> Engine:
        return self._databases.backend.make_own_engine(url, QueuePool)
