"""An event loop in a thread of its own, on which asyncio drivers are used from any other loop.

A connection of asyncpg belongs to the loop in which it was made; tests have a new loop each, and
test clients one in another thread. So all of them use it there.

``greenlet_spawn`` and ``await_only`` are what SQLAlchemy's own asyncio dialects are made with.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any, TypeVar

from sqlalchemy.util import await_only, greenlet_spawn

T = TypeVar("T")


class Job:
    """Work on the loop, which can be cancelled at the one point where it waits for the database.

    What is done around that, such as to lay a savepoint, is always done to its end.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._is_cancelled = False

    def interruptible(
        self, function: Callable[[], T], *, ends_at_once: bool = True
    ) -> Callable[[], T]:
        """Return a function that does the same, and that an earlier cancellation ends.

        One amid it does so if it ``ends_at_once``; else that is done to its end, too.
        """

        def run() -> T:
            if self._is_cancelled:
                raise asyncio.CancelledError
            self._task = asyncio.current_task() if ends_at_once else None
            try:
                return function()
            finally:
                self._task = None

        return run

    def cancel(self) -> None:
        """Cancel it; to be called on its loop."""
        self._is_cancelled = True
        if self._task is not None:
            self._task.cancel()


class LoopThread:
    """Runs functions that use asyncio drivers, whoever calls them: one at a time, or many."""

    def __init__(self, *, is_for_many: bool = False) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="alembic-assay loop", daemon=True
        )
        self._thread.start()
        self._turn = None if is_for_many else asyncio.Lock()

    def call(self, function: Callable[[Job], T]) -> T:
        """Run a function in a greenlet on the loop; called in one of another loop, or of none.

        Raises ``MissingGreenlet`` where SQLAlchemy's asyncio dialects do: outside of ``await``.
        """
        result: T = await_only(self._awaited(function))
        return result

    def wait(self, function: Callable[[Job], T]) -> T:
        """Run a function as ``call`` does, and block until it is done."""
        return asyncio.run_coroutine_threadsafe(self._run(function, Job()), self._loop).result()

    async def awaited(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, and await it in another one."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    def wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, and block until it is done."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _awaited(self, function: Callable[[Job], T]) -> T:
        job = Job()
        running = asyncio.run_coroutine_threadsafe(self._run(function, job), self._loop)
        try:
            return await asyncio.shield(asyncio.wrap_future(running))
        except asyncio.CancelledError:
            self._loop.call_soon_threadsafe(job.cancel)
            raise

    async def _run(self, function: Callable[[Job], T], job: Job) -> T:
        async with self._turn or nullcontext():
            result: T = await greenlet_spawn(function, job)
            return result
