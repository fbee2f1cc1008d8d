"""Real connections of asyncio drivers, used on a loop of their own from any other."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from alembic_assay.sandboxes.loop_thread import Job, LoopThread
from alembic_assay.sandboxes.virtual import is_on_server

_WHEREVER = ("close", "rollback", "terminate")
"""What also the garbage collector calls, and the end of a test: outside of ``await``."""


class OnLoop:
    """One of SQLAlchemy's adapters of an asyncio driver, a connection or a cursor of one.

    Each method of it is called on the loop.
    """

    def __init__(self, adapter: Any, loop: LoopThread) -> None:
        self.__dict__.update(_adapter=adapter, _loop=loop)

    def cursor(self, *arguments: Any, **keywords: Any) -> OnLoop:
        make = self._adapter.cursor
        cursor = self._loop.call(lambda job: make(*arguments, **keywords))
        return OnLoop(cursor, self._loop)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._adapter, name)
        if not inspect.isroutine(value):
            return value
        if name.startswith("fetch") and not is_on_server(self._adapter):
            return value  # all rows are in memory
        if inspect.iscoroutinefunction(value):
            return lambda *arguments: self._loop.awaited(value(*arguments))
        if name in _WHEREVER:
            return lambda: self._loop.wait(lambda job: value())

        def call(*arguments: Any, **keywords: Any) -> Any:
            def run(job: Job) -> Any:
                return job.interruptible(lambda: value(*arguments, **keywords))()

            return self._loop.call(run)

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        self._loop.wait(lambda job: setattr(self._adapter, name, value))

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row


@contextmanager
def connections_on_loop() -> Iterator[Callable[[Callable[[], Any]], OnLoop]]:
    """Have a function that opens connections on a loop, which all are closed behind the block."""
    loop = LoopThread(is_for_many=True)
    opened: list[OnLoop] = []

    def open_one(make: Callable[[], Any]) -> OnLoop:
        opened.append(OnLoop(loop.wait(lambda job: make()), loop))
        return opened[-1]

    try:
        yield open_one
    finally:
        for connection in opened:
            with suppress(Exception):  # most of them are closed by now
                connection.close()
        loop.close()
