"""Databases made ahead, in a thread, while tests run."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from sqlalchemy import URL

from alembic_assay.databases import Databases

READY, MOST_RETURNED = 2, 4
"""How many are made ahead; how many may wait to be dropped before that goes on."""


class Pool:
    """Hands out databases, each a copy that ``clone`` makes, and takes them back.

    From the first one on, the next ones are made in the background. One that comes back is dropped
    there, or handed out again if nothing was written in it. Where a copy takes no time, as that of
    a file, it is made when it is asked for.
    """

    def __init__(self, databases: Databases, clone: Callable[[], URL]) -> None:
        self._databases = databases
        self._clone = clone
        self._changed = threading.Condition()
        self._ready: deque[URL] = deque()
        self._returned: deque[URL] = deque()
        self._failure: BaseException | None = None
        self._is_closed = False
        self._pristine: object | None = None
        self._thread: threading.Thread | None = None

    def take(self) -> URL:
        """Return a database that is like the template. Raises what ``clone`` raises."""
        if not self._databases.server.copies_ahead:
            return self._clone()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="alembic-assay", daemon=True)
            self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._failure)
            if self._failure is not None:
                failure, self._failure = self._failure, None
                self._changed.notify_all()
                raise failure
            url = self._ready.popleft()
            self._changed.notify_all()
            return url

    def give_back(self, url: URL) -> None:
        """Take back a database to which nobody should be connected any more."""
        if not self._databases.server.copies_ahead:
            self._databases.drop(url)
            return
        with self._changed:
            self._returned.append(url)
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread. The databases stay with ``databases``, which drops them."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._is_closed:
                    return
                lacks = len(self._ready) < READY and len(self._returned) < MOST_RETURNED
                returned = None if lacks else self._returned.popleft()
            try:
                url = self._made() if returned is None else self._reused(returned)
            except BaseException as error:
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._failure is None or self._is_closed)
                continue
            if url is not None:
                with self._changed:
                    self._ready.append(url)
                    self._changed.notify_all()

    def _has_work(self) -> bool:
        return self._is_closed or bool(self._returned) or len(self._ready) < READY

    def _made(self) -> URL:
        url = self._clone()
        if self._pristine is None and self._ready:
            self._pristine = self._databases.server.content(url)
        return url

    def _reused(self, url: URL) -> URL | None:
        """Return the database if nothing was written in it; else drop it."""
        if self._pristine is not None and self._databases.server.content(url) == self._pristine:
            return url
        self._databases.drop(url)
        return None
