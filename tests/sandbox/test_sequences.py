"""The numbers for new rows begin anew in each block, where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.orm import Session
from tests.sandbox.users import House, User

from alembic_assay.exceptions import NotInRollback
from alembic_assay.sandboxes import Sandbox

TABLES = {
    "postgresql": [
        "CREATE TABLE counted (id SERIAL PRIMARY KEY, name TEXT)",
        "CREATE TABLE other (id INT GENERATED ALWAYS AS IDENTITY (START -10 INCREMENT -2))",
        "CREATE SEQUENCE free START 5",
        "CREATE TABLE coded (code TEXT PRIMARY KEY)",
        "CREATE SEQUENCE codes OWNED BY coded.code",
        "INSERT INTO coded VALUES ('not a number')",
    ],
    "sqlite": ["CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)"],
    "mysql": ["CREATE TABLE counted (id INT PRIMARY KEY AUTO_INCREMENT, name TEXT)"],
}


@pytest.fixture
def engine(house: House, driver: str) -> Iterator[Engine]:
    engine = create_engine(house.with_driver(driver))
    with engine.begin() as connection:
        for statement in TABLES[engine.dialect.name]:
            connection.execute(text(statement))
    yield engine
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE counted"))
        if engine.dialect.name == "postgresql":
            connection.execute(text("DROP TABLE other, coded"))
            connection.execute(text("DROP SEQUENCE free"))
    engine.dispose()


@pytest.fixture
def box(house: House) -> Iterator[Sandbox]:
    box = Sandbox(house.url, is_own=True)
    yield box
    box.close()


def insert(connection: Connection) -> int:
    connection.execute(text("INSERT INTO counted (name) VALUES ('ann')"))
    return int(connection.scalar(text("SELECT max(id) FROM counted")) or 0)


def test_numbers_begin_anew_in_each_block(engine: Engine, box: Sandbox) -> None:
    numbers = []
    for _ in range(3):
        with box.isolated(reset_sequences=True), engine.begin() as connection:
            numbers.append([insert(connection), insert(connection)])

    assert numbers == [[1, 2], [1, 2], [1, 2]]


def test_numbers_go_on_behind_rows_that_are_there(engine: Engine, box: Sandbox) -> None:
    with engine.begin() as connection:
        assert insert(connection) == 1

    numbers = []
    for _ in range(2):
        with box.isolated(reset_sequences=True), Session(engine) as session:
            session.add(User(email="ann"))
            session.commit()
            numbers.append(insert(session.connection()))

    assert numbers == [2, 2]


def test_numbers_of_blocks_differ_without_a_reset(engine: Engine, box: Sandbox) -> None:
    numbers = []
    for _ in range(2):
        with box.isolated(), engine.begin() as connection:
            numbers.append(insert(connection))

    assert numbers == ([1, 1] if engine.dialect.name == "sqlite" else [1, 2])


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+psycopg2"], indirect=True)
def test_sequences_of_all_kinds_begin_anew(engine: Engine, box: Sandbox) -> None:
    sql = text("INSERT INTO other DEFAULT VALUES RETURNING id, nextval('free'), nextval('codes')")
    found = []
    for _ in range(2):
        with box.isolated(reset_sequences=True), engine.begin() as connection:
            found.append([tuple(connection.execute(sql).one()) for _ in range(2)])

    assert found == [[(-10, 5, 1), (-12, 6, 2)]] * 2


@pytest.mark.parametrize("driver", ["mysql+pymysql"], indirect=True)
def test_numbers_of_a_database_that_is_somebodys_do_not_begin_anew(
    house: House, engine: Engine
) -> None:
    box = Sandbox(house.url)

    with pytest.raises(NotInRollback) as raised, box.isolated(reset_sequences=True):
        pass

    assert str(raised.value) == (
        f"the numbers for new rows of {house.url!r} cannot begin anew\n"
        "  On this kind of database that lasts, and this one is not the toolkit's.\n"
        '  help: @pytest.mark.assay(isolation="fresh") gives the test a database of its own.'
    )
