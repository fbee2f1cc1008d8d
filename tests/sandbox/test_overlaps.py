"""Transactions that overlap: each is what it would be alone, or the test fails."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from tests.sandbox.users import SYNC, USERS, House, User, emails, failing_sandbox

from alembic_assay.exceptions import OverlapError

ABORTING = [one for one in SYNC if one.startswith("postgresql")]


@pytest.fixture
def one(app: Engine) -> Iterator[Connection]:
    with app.connect() as connection:
        yield connection


@pytest.fixture
def other(app: Engine) -> Iterator[Connection]:
    with app.connect() as connection:
        yield connection


def insert(connection: Connection, *names: str) -> None:
    for name in names:
        connection.execute(USERS.insert(), {"email": name})


def test_first_of_two_commits_first(one: Connection, other: Connection) -> None:
    insert(one, "ann")
    insert(other, "bob")
    one.commit()
    other.commit()

    assert emails(one) == ["ann", "bob"]


def test_reader_that_ends_later_undoes_nothing(
    app: Engine, one: Connection, other: Connection
) -> None:
    emails(one)
    with app.begin() as connection:
        insert(connection, "ann")
    emails(other)
    one.rollback()
    other.close()

    assert emails(one) == ["ann"]


def test_reader_that_ends_earlier_undoes_nothing(one: Connection, other: Connection) -> None:
    emails(one)
    insert(other, "ann")
    one.rollback()
    insert(other, "bob")
    other.commit()

    assert emails(one) == ["ann", "bob"]


def test_reader_that_begins_to_write_is_undone_alone(one: Connection, other: Connection) -> None:
    emails(one)
    insert(other, "ann")
    other.commit()
    insert(one, "bob")
    one.rollback()

    assert emails(one) == ["ann"]


def test_upper_transaction_is_undone_alone(one: Connection, other: Connection) -> None:
    insert(one, "ann")
    insert(other, "bob")
    other.rollback()
    one.commit()

    assert emails(one) == ["ann"]


def test_transactions_one_after_the_other_never_overlap(app: Engine) -> None:
    for name in ("ann", "bob", "eve"):
        with app.connect() as connection:
            insert(connection, name)
            connection.rollback()
            insert(connection, name)
            connection.commit()
        with pytest.raises(IntegrityError), app.begin() as connection:
            insert(connection, name)

    with app.connect() as connection:
        assert emails(connection) == ["ann", "bob", "eve"]


@pytest.mark.parametrize("driver", ABORTING, indirect=True)
def test_error_aborts_only_its_own_transaction(one: Connection, other: Connection) -> None:
    insert(one, "ann")
    one.commit()
    emails(one)
    insert(other, "bob")
    with pytest.raises(IntegrityError):
        insert(one, "ann")
    insert(other, "eve")

    with pytest.raises(DBAPIError, match="current transaction is aborted"):
        emails(one)
    other.commit()
    assert emails(other) == ["ann", "bob", "eve"]
    one.rollback()
    assert emails(one) == ["ann", "bob", "eve"]


@pytest.mark.parametrize("driver", [one for one in SYNC if "sqlite" not in one], indirect=True)
def test_failed_change_is_nothing_to_undo(one: Connection, other: Connection) -> None:
    insert(one, "ann")
    one.commit()
    with pytest.raises(IntegrityError):
        insert(one, "ann")
    insert(other, "eve")
    other.commit()
    one.rollback()

    assert emails(one) == ["ann", "eve"]


def test_error_of_a_savepoint_is_undone_under_another_transaction(
    one: Connection, other: Connection
) -> None:
    insert(one, "ann")
    insert(other, "bob")
    nested = one.begin_nested()
    with pytest.raises(IntegrityError):
        insert(one, "ann")
    nested.rollback()
    insert(one, "cid")
    one.commit()
    other.commit()

    assert emails(one) == ["ann", "bob", "cid"]


def test_savepoint_above_others_is_undone_alone(one: Connection, other: Connection) -> None:
    insert(one, "ann")
    insert(other, "bob")
    with one.begin_nested() as nested:
        insert(one, "cid")
        nested.rollback()
    insert(other, "eve")
    one.commit()
    other.commit()

    assert emails(one) == ["ann", "bob", "eve"]


def test_lower_transaction_cannot_be_undone_alone(house: House, driver: str) -> None:
    with (
        failing_sandbox(house, driver, OverlapError) as (engine, raised),
        engine.connect() as one,
        engine.connect() as other,
    ):
        insert(one, "ann")
        insert(other, "bob")
        with pytest.raises(OverlapError):
            one.rollback()
        other.commit()
        assert emails(other) == ["ann", "bob"]  # no row is lost

    lines = re.sub(r"py:\d+", "py:<line>", str(raised.value)).splitlines()
    assert lines == [
        "two transactions that overlap have both written, and one of them rolls back:"
        " test_overlaps.py:<line>, test_overlaps.py:<line>",
        "  All that a test does is in one transaction of the database, in which the second cannot"
        " be kept without the first; here both are kept, and so the test fails.",
        "  help: end one transaction before the other writes; or"
        ' @pytest.mark.assay(isolation="fresh") gives the test a database of its own.',
    ]


def test_transaction_below_one_that_was_committed_cannot_be_undone(
    house: House, driver: str
) -> None:
    with (
        failing_sandbox(house, driver, OverlapError) as (engine, _),
        engine.connect() as one,
    ):
        insert(one, "ann")
        with engine.begin() as other:
            insert(other, "bob")
        with pytest.raises(OverlapError):
            one.rollback()
        assert emails(one) == ["ann", "bob"]


def test_savepoint_below_another_transaction_cannot_be_undone(house: House, driver: str) -> None:
    with failing_sandbox(house, driver, OverlapError) as (engine, _), Session(engine) as one:
        one.add(User(email="ann"))
        one.flush()
        nested = one.begin_nested()
        one.add(User(email="bob"))
        one.flush()
        with engine.begin() as other:
            insert(other, "eve")
        with pytest.raises(OverlapError):
            nested.rollback()
        with pytest.raises(OverlapError):
            one.close()


def test_overlap_that_nobody_hears_of_fails_the_block(house: House, driver: str) -> None:
    with failing_sandbox(house, driver, OverlapError) as (engine, _):
        connection = engine.raw_connection()
        connection.cursor().execute("INSERT INTO users (email) VALUES ('ann')")
        with engine.begin() as other:
            insert(other, "bob")
        connection.close()  # the pool rolls back, and only logs an error of that


@pytest.mark.parametrize("driver", ABORTING, indirect=True)
def test_statement_that_is_not_known_to_read_counts_as_a_change(
    one: Connection, other: Connection
) -> None:
    insert(one, "ann")
    other.execute(text("DO $$ BEGIN END $$"))
    other.rollback()
    one.rollback()

    assert emails(one) == []
