"""The pool: databases made ahead, dropped or handed out again behind a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine
from tests.processes import ask, wait_until

from alembic_assay.databases import Databases
from alembic_assay.exceptions import ServerUnavailable
from alembic_assay.pool import READY, THREADS, Pool


class Copies:
    """Copies of a database with one row, and how many there were."""

    def __init__(self, databases: Databases) -> None:
        self.databases = databases
        self.source = databases.create()
        ask(self.source, "CREATE TABLE numbers (n INTEGER)")
        ask(self.source, "INSERT INTO numbers VALUES (1)")
        self.made: list[URL] = []
        self.failure: Exception | None = None
        self.may_be_made_ahead = threading.Event()
        self.may_be_made_ahead.set()

    def __call__(self) -> URL:
        if threading.current_thread() is not threading.main_thread():
            self.may_be_made_ahead.wait()
        if self.failure is not None:
            raise self.failure
        self.made.append(self.databases.clone(self.source))
        return self.made[-1]


@pytest.fixture
def copies(databases: Databases) -> Iterator[Copies]:
    copies = Copies(databases)
    yield copies
    for url in (copies.source, *copies.made):
        databases.drop(url)


class RememberingPool(Pool):
    """A pool that remembers what was taken."""

    def __init__(self, databases: Databases, copies: Copies) -> None:
        super().__init__(databases, copies)
        self.taken: list[Engine] = []

    def take(self) -> Engine:
        self.taken.append(super().take())
        return self.taken[-1]


@pytest.fixture
def pool(databases: Databases, copies: Copies) -> Iterator[RememberingPool]:
    pool = RememberingPool(databases, copies)
    yield pool
    pool.close()
    for engine in pool.taken:
        engine.dispose()


def exists(databases: Databases, url: URL) -> bool:
    return any(one.url == url for one in databases.server.own_databases())


def threads() -> int:
    return sum(thread.name == "alembic-assay" for thread in threading.enumerate())


def numbers(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT n FROM numbers").scalars())


def write(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO numbers VALUES (2)")


def test_each_one_taken_is_another_and_as_the_source(pool: RememberingPool) -> None:
    engines = [pool.take() for _ in range(4)]

    assert len({engine.url for engine in engines}) == 4
    for engine in engines:
        assert numbers(engine) == [1]
        write(engine)
    assert numbers(pool.take()) == [1]


def test_nothing_is_made_before_the_first_is_taken(databases: Databases, copies: Copies) -> None:
    Pool(databases, copies).close()

    assert copies.made == []


def test_some_are_made_ahead_and_no_more(pool: RememberingPool, copies: Copies) -> None:
    pool.take()

    wait_until(lambda: len(copies.made) == 1 + READY)
    pool.close()
    assert len(copies.made) == 1 + READY


def test_one_that_is_made_at_once_is_not_waited_for(
    pool: RememberingPool, copies: Copies, databases: Databases
) -> None:
    if not databases.server.copies_at_once:
        pytest.skip("whoever takes one waits for a thread that makes it")
    copies.may_be_made_ahead.clear()

    try:
        taken = [numbers(pool.take()) for _ in range(3)]
    finally:
        copies.may_be_made_ahead.set()

    assert taken == [[1]] * 3


def test_one_that_was_made_ahead_is_handed_out(pool: RememberingPool, copies: Copies) -> None:
    first = pool.take().url
    wait_until(lambda: len(pool._ready) == READY)

    copies.may_be_made_ahead.clear()
    try:
        taken = [pool.take().url for _ in range(READY)]
    finally:
        copies.may_be_made_ahead.set()

    assert {first, *taken} == set(copies.made[: 1 + READY])


def test_few_are_there_however_fast_they_come_back(
    pool: RememberingPool, copies: Copies, databases: Databases
) -> None:
    for _ in range(30):
        engine = pool.take()
        write(engine)
        pool.give_back(engine)

    there = {one.url for one in databases.server.own_databases()}
    assert len(there.intersection(copies.made)) < 10


def test_one_that_was_written_to_is_dropped(pool: RememberingPool, databases: Databases) -> None:
    for _ in range(5):
        engine = pool.take()
        assert numbers(engine) == [1]
        write(engine)

        pool.give_back(engine)

        wait_until(lambda: not exists(databases, engine.url))  # noqa: B023 - asked at once


def test_one_that_was_only_read_is_handed_out_again(
    pool: RememberingPool, copies: Copies, databases: Databases
) -> None:
    if databases.server.copies_at_once:
        pytest.skip("a copy of a file is made anew: who has the old one open could write in it")
    for _ in range(30):
        engine = pool.take()
        assert numbers(engine) == [1]
        pool.give_back(engine)

    assert len(copies.made) < 15


def test_connection_that_was_forgotten_is_ended_and_what_it_did_is_gone(
    pool: RememberingPool,
) -> None:
    engine = pool.take()
    connection = engine.connect()
    connection.exec_driver_sql("INSERT INTO numbers VALUES (2)")

    pool.give_back(engine)

    assert [numbers(pool.take()) for _ in range(READY + 3)] == [[1]] * (READY + 3)
    connection.invalidate()
    connection.close()


def test_error_is_raised_by_the_one_who_takes_and_is_over_then(
    pool: RememberingPool, copies: Copies
) -> None:
    copies.failure = ServerUnavailable("full")

    with pytest.raises(ServerUnavailable, match="full"):
        pool.take()

    copies.failure = None

    def can_take() -> bool:
        try:
            pool.take()
        except ServerUnavailable:  # of the other thread, which had begun before
            return False
        return True

    wait_until(can_take)
    assert numbers(pool.taken[0]) == [1]


def test_close_ends_the_threads(pool: RememberingPool) -> None:
    pool.take()
    assert threads() == THREADS

    pool.close()

    assert threads() == 0
