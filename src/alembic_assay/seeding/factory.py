"""Rows for tests: one call makes one that is valid, with all that it needs."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from sqlalchemy import Row, Table, inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper, Session

from alembic_assay.exceptions import UsageError
from alembic_assay.seeding.maker import RowMaker
from alembic_assay.seeding.model_target import ModelTarget
from alembic_assay.seeding.plan import Target
from alembic_assay.seeding.table_target import TableTarget

_Model = TypeVar("_Model")


class RowFactory:
    """Makes valid rows through a session, in its transaction.

        factory = RowFactory(session)
        user = factory(User, name="Ada")      # an instance, persistent and flushed
        row = factory("orders", total=5)      # a Row with all columns, as they are in the database

    A target is a model, a ``Table``, or the name of a table (``"orders"``, ``"schema.orders"``).
    What a row needs is read from the database, at the first row of each table: each column that is
    NOT NULL and has no default gets a value that fits its type, the checks, and the unique keys;
    each foreign key that must not be NULL gets a new row to refer to. Columns that may be NULL or
    have a default are left out, unless a check demands otherwise. The caller gives what the test is
    about, by the attributes of the model (``user=user`` too) or by the columns of the table.

    The n-th row of a table has the same values in each run. Nothing is committed. What cannot be
    made is a ``UsageError`` that says which column it was, and nothing was inserted for it; what
    the database refuses is the driver's error, as ever.

    With an ``AsyncSession``: ``await session.run_sync(lambda sync: RowFactory(sync)(User))``.
    """

    def __init__(self, session: Session) -> None:
        self._maker = RowMaker(session)

    @overload
    def __call__(self, target: type[_Model], /, **values: Any) -> _Model: ...

    @overload
    def __call__(self, target: str | Table, /, **values: Any) -> Row[Any]: ...

    def __call__(self, target: Any, /, **values: Any) -> Any:
        """Make a row with these values, and return it."""
        return self._maker.make(_find_target(target), values)


def _find_target(target: Any) -> Target:
    if isinstance(target, str):
        schema, _, name = target.rpartition(".")
        return TableTarget(name, schema or None)
    if isinstance(target, Table):
        return TableTarget(target.name, target.schema, target)
    try:
        found = inspect(target)
    except NoInspectionAvailable:
        found = None
    if isinstance(found, Mapper):
        return ModelTarget.of(found)
    raise UsageError(
        f"{target!r} is neither a model nor a table",
        effect="No row was made.",
        help='give a mapped class, a Table, or the name of a table: factory("orders")',
    )
