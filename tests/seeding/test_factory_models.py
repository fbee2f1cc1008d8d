from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import URL, inspect
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from tests.seeding.models import (
    Animal,
    Asking,
    Base,
    Cat,
    Country,
    DataBase,
    Engineer,
    Line,
    Manager,
    Note,
    Order,
    Parcel,
    Person,
    Role,
    Strict,
    User,
)
from tests.seeding.tables import count, run

from alembic_assay import RowFactory
from alembic_assay.databases import Databases
from alembic_assay.exceptions import UsageError


@pytest.fixture
def factory(session: Session) -> RowFactory:
    """A factory on a database with the tables of the models."""
    Base.metadata.create_all(session.connection())
    DataBase.metadata.create_all(session.connection())
    return RowFactory(session)


def test_model_gives_a_persistent_instance(factory: RowFactory, session: Session) -> None:
    user = factory(User, full_name="Ada")

    assert inspect(user).persistent
    assert user in session
    assert (user.id, user.full_name, user.email, user.age, user.role) == (
        1,
        "Ada",
        "email-1@example.com",
        18,
        Role.READER,
    )
    assert (user.nick, user.state, user.next_year, user.version) == (None, "new", 19, 1)
    assert (user.country.code, user.boss_id) == ("c1", None)
    assert user.created is not None


def test_values_are_the_same_for_the_same_calls(factory: RowFactory, session: Session) -> None:
    made = [(user.full_name, user.email) for user in (factory(User), factory(User))]

    assert made == [("name-1", "email-1@example.com"), ("name-2", "email-2@example.com")]


def test_parent_is_given_as_an_instance_or_as_its_key(
    factory: RowFactory, session: Session
) -> None:
    user = factory(User)

    orders = [factory(Order, user=user), factory(Order, user_id=user.id), factory(Order)]

    assert [order.user is user for order in orders] == [True, True, False]
    assert [order.user_id for order in orders] == [user.id, user.id, 2]
    assert count(session, "users") == 2


def test_parent_that_is_not_flushed_yet_is_so_before(factory: RowFactory, session: Session) -> None:
    country = Country(code="se")

    user = factory(User, country=country)

    assert user.country_code == "se"
    assert count(session, "countries") == 1


def test_parents_are_made_through_their_models(factory: RowFactory, session: Session) -> None:
    parcel = factory(Parcel)

    assert (parcel.order_id, parcel.line_no) == (parcel.line.order_id, parcel.line.no)
    assert parcel.line.order.user.state == "new"


def test_composite_parent_is_given_in_part(factory: RowFactory, session: Session) -> None:
    order = factory(Order)

    parcel = factory(Parcel, order_id=order.id)

    assert parcel.line.order is order
    assert count(session, "orders") == 1


def test_collections_and_hybrids_may_be_given(factory: RowFactory, session: Session) -> None:
    order = factory(Order)

    user = factory(User, orders=[order], label="ADA")

    assert order.user is user
    assert user.full_name == "ada"


def test_joined_and_single_table_inheritance(factory: RowFactory, session: Session) -> None:
    people = [factory(Person), factory(Engineer, language="Ada"), factory(Engineer)]
    manager = factory(Manager, bonus=3)
    session.expire_all()

    assert [(type(one), one.kind, one.name) for one in (*people, manager)] == [
        (Person, "person", "name-1"),
        (Engineer, "engineer", "name-2"),
        (Engineer, "engineer", "name-3"),
        (Manager, "manager", "name-4"),
    ]
    assert count(session, "engineers") == 2


def test_model_without_rows_of_its_own_gives_one_below_it(factory: RowFactory) -> None:
    assert type(factory(Animal)) is Cat


def test_constructor_is_called_with_what_it_takes(factory: RowFactory) -> None:
    assert (factory(Strict, name="ada").slug, factory(Asking).name) == ("slug-1", "name-1")


def test_dataclass_keeps_its_defaults(factory: RowFactory) -> None:
    note = factory(Note)

    assert (note.text, note.hint, note.state, note.hidden) == (
        "text-1",
        None,
        "draft",
        "hidden-1",
    )


def test_instance_is_whole_without_further_statements(
    factory: RowFactory, session: Session
) -> None:
    user = factory(User)
    session.expunge(user)

    assert user.created is not None
    assert user.next_year == user.age + 1


def test_check_that_only_the_migrations_made_is_met(server_session: Session) -> None:
    Base.metadata.create_all(server_session.connection())
    run(server_session, "ALTER TABLE users ADD CHECK (name LIKE 'Dr %')")

    assert RowFactory(server_session)(User).full_name.startswith("Dr ")


def test_column_that_the_model_does_not_have_is_named(
    factory: RowFactory, session: Session
) -> None:
    run(session, "DROP TABLE askings", "CREATE TABLE askings (id INTEGER PRIMARY KEY,"
        " name VARCHAR(9) NOT NULL, extra VARCHAR(9) NOT NULL)")  # fmt: skip

    with pytest.raises(UsageError) as refused:
        factory(Asking)

    assert str(refused.value) == (
        '"askings.extra" is NOT NULL and has no default, and Asking has no attribute for it\n'
        "  No Asking can be inserted, by the application either.\n"
        '  help: add the column to the model, or make a row of the table: factory("askings")'
    )
    assert factory("askings").extra == "extra-1"


def test_unknown_attribute_is_refused_before_anything_is_inserted(
    factory: RowFactory, session: Session
) -> None:
    with pytest.raises(UsageError) as refused:
        factory(Line, oder=3)

    assert str(refused.value) == (
        'Line has no attribute "oder"\n  No row was made.\n  help: did you mean "order"?'
    )
    assert count(session, "orders") == 0


def test_model_without_a_table_is_refused(factory: RowFactory, session: Session) -> None:
    run(session, "DROP TABLE stricts")

    with pytest.raises(UsageError) as refused:
        factory(Strict)

    assert str(refused.value) == (
        'the database has no table "stricts"\n'
        "  No row was made.\n"
        "  help: there are: animals, askings, countries, engineers, lines, notes, orders, parcels,"
        " people, users."
    )


async def make_user(url: URL) -> tuple[str, bool]:
    engine = create_async_engine(url)
    async with AsyncSession(engine) as session:
        await session.run_sync(lambda sync: Base.metadata.create_all(sync.connection()))
        order = await session.run_sync(lambda sync: RowFactory(sync)(Order))
        user = await session.run_sync(lambda sync: RowFactory(sync)(User))
        seen = order.user.full_name, user.created is not None
        await session.rollback()
    await engine.dispose()
    return seen


def test_async_session_runs_the_factory(databases: Databases, database_url: URL) -> None:
    url = databases.backend.async_url(database_url)

    assert asyncio.run(make_user(url)) == ("name-1", True)


def test_default_that_only_the_database_has_is_given(factory: RowFactory, session: Session) -> None:
    run(session, "DROP TABLE askings", "CREATE TABLE askings (id INTEGER PRIMARY KEY,"
        " name VARCHAR(9) DEFAULT 'nobody' NOT NULL)")  # fmt: skip

    assert factory(Asking).name == "nobody"
