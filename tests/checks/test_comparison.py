from __future__ import annotations

from alembic_assay.catalog import ObjectId, Snapshot
from alembic_assay.checks.comparison import Side


def test_table_with_another_name_has_it_in_all_that_is_inside() -> None:
    table, column = ObjectId("table", "users"), ObjectId("column", "users.users")
    other, sequence = ObjectId("table", "users.old"), ObjectId("sequence", "users")
    snapshot = Snapshot(
        {1: {table: {}, column: {"type": "int"}}, 2: {other: {}}, 3: {sequence: {}}}
    )

    side = Side.of(snapshot).with_tables_named({"users": "Users"})

    named, inside = ObjectId("table", "Users"), ObjectId("column", "Users.users")
    assert side.objects == {named: {}, inside: {"type": "int"}, other: {}, sequence: {}}
    assert side.owners == {inside: named}
