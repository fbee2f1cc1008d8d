from __future__ import annotations

from collections.abc import Hashable

import pytest

from alembic_assay.catalog import Difference, ObjectId, Part, Snapshot, compare

USERS = ObjectId("table", "users")
EMAIL = ObjectId("column", "users.email")
BY_EMAIL = ObjectId("index", "users.ix_email")


def snapshot(**parts: Part) -> Snapshot:
    by_identity: dict[Hashable, Part] = {}
    by_identity.update(parts.items())
    return Snapshot(by_identity)


def test_compare_of_a_snapshot_with_itself_finds_nothing() -> None:
    one = snapshot(users={USERS: {}, EMAIL: {"type": "TEXT"}})

    assert compare(one, one) == []


def test_compare_of_equal_snapshots_read_twice_finds_nothing() -> None:
    before = snapshot(users={USERS: {}, EMAIL: {"type": "TEXT"}})
    after = snapshot(users={USERS: {}, EMAIL: {"type": "TEXT"}})

    assert compare(before, after) == []


def test_compare_with_a_changed_attribute_returns_both_definitions() -> None:
    before = snapshot(users={USERS: {}, EMAIL: {"type": "TEXT"}})
    after = snapshot(users={USERS: {}, EMAIL: {"type": "VARCHAR(50)"}})

    assert compare(before, after) == [
        Difference(EMAIL, {"type": "TEXT"}, {"type": "VARCHAR(50)"}),
    ]


def test_compare_with_objects_added_and_removed_is_ordered_by_object() -> None:
    name = ObjectId("column", "users.name")
    before = snapshot(users={USERS: {}, name: {"type": "TEXT"}, BY_EMAIL: {}})
    after = snapshot(users={USERS: {}, EMAIL: {"type": "TEXT"}})

    assert compare(before, after) == [
        Difference(EMAIL, None, {"type": "TEXT"}),
        Difference(name, {"type": "TEXT"}, None),
        Difference(BY_EMAIL, {}, None),
    ]


def test_compare_with_the_other_direction_swaps_before_and_after() -> None:
    one = snapshot(users={USERS: {}, EMAIL: {"type": "TEXT"}})
    other = snapshot(users={USERS: {}, BY_EMAIL: {"unique": True}})

    there, back = compare(one, other), compare(other, one)

    assert there
    assert back == [Difference(found.object, found.after, found.before) for found in there]


@pytest.mark.parametrize("kind", ["table", "view", "materialized view"])
def test_compare_with_a_table_or_view_that_came_does_not_list_what_is_in_it(kind: str) -> None:
    whole = ObjectId(kind, "users")
    others = ObjectId("column", "users_old.email")
    before = snapshot(old={ObjectId("table", "users_old"): {}})
    after = snapshot(
        users={whole: {}, EMAIL: {"type": "TEXT"}, BY_EMAIL: {}},
        old={ObjectId("table", "users_old"): {}, others: {"type": "TEXT"}},
    )

    assert compare(before, after) == [
        Difference(others, None, {"type": "TEXT"}),
        Difference(whole, None, {}),
    ]
    assert [found.object for found in compare(after, before)] == [others, whole]


def test_compare_with_a_table_that_only_changed_lists_what_is_in_it() -> None:
    before = snapshot(users={USERS: {"comment": "a"}})
    after = snapshot(users={USERS: {"comment": "b"}, EMAIL: {"type": "TEXT"}})

    assert [found.object for found in compare(before, after)] == [EMAIL, USERS]


def test_compare_with_a_table_made_anew_under_its_name_finds_nothing() -> None:
    before = Snapshot({16384: {USERS: {}, EMAIL: {"type": "TEXT"}}})
    after = Snapshot({16390: {USERS: {}, EMAIL: {"type": "TEXT"}}})

    assert compare(before, after) == []


def test_compare_with_a_renamed_table_lists_both_names() -> None:
    people = ObjectId("table", "people")
    before = Snapshot({16384: {USERS: {}, EMAIL: {"type": "TEXT"}}})
    after = Snapshot({16384: {people: {}, ObjectId("column", "people.email"): {"type": "TEXT"}}})

    assert compare(before, after) == [Difference(people, None, {}), Difference(USERS, {}, None)]


def test_compare_with_a_part_that_both_have_under_other_identities_finds_nothing() -> None:
    part = {USERS: {}, EMAIL: {"type": "TEXT"}}

    assert compare(Snapshot({16384: part}), Snapshot({16390: part})) == []


def test_sharing_takes_the_equal_parts_of_the_other_and_no_more() -> None:
    teams = ObjectId("table", "teams")
    earlier = snapshot(users={USERS: {}, EMAIL: {"type": "TEXT"}}, teams={teams: {}})
    later = Snapshot(
        {"users": {USERS: {}, EMAIL: {"type": "TEXT"}}, "teams": {teams: {"comment": "b"}}},
        marks={"xmin": 1},
    )

    shared = later.sharing(earlier)

    assert shared == later
    assert shared.marks is later.marks
    assert shared.parts["users"] is earlier.parts["users"]
    assert shared.parts["teams"] is later.parts["teams"]


def test_sharing_of_a_table_made_anew_keeps_its_identity() -> None:
    earlier = Snapshot({16384: {USERS: {}, EMAIL: {"type": "TEXT"}}})
    later = Snapshot({16390: {USERS: {}, EMAIL: {"type": "TEXT"}}})

    shared = later.sharing(earlier)

    assert shared.parts.keys() == {16390}
    assert shared.parts[16390] is earlier.parts[16384]


def test_snapshot_with_other_marks_is_equal() -> None:
    assert Snapshot({}, marks={"xmin": 1}) == Snapshot({}, marks={"xmin": 2})


def test_snapshot_objects_returns_those_of_all_parts() -> None:
    found = snapshot(users={USERS: {}, EMAIL: {"type": "TEXT"}}, enum={ObjectId("enum", "c"): {}})

    assert found.objects() == {USERS: {}, EMAIL: {"type": "TEXT"}, ObjectId("enum", "c"): {}}


def test_difference_of_an_object_that_came_says_added() -> None:
    assert str(Difference(EMAIL, None, {"type": "TEXT"})) == "column users.email: added"


def test_difference_of_an_object_that_went_says_removed() -> None:
    assert str(Difference(USERS, {}, None)) == "table users: removed"


def test_difference_of_attributes_says_each_in_words() -> None:
    found = Difference(
        EMAIL,
        {"type": "TEXT", "nullable": True, "default": "'x'", "collation": "C"},
        {"type": "VARCHAR(50)", "nullable": False, "comment": "main", "collation": "C"},
    )

    assert found.changes() == [
        "type: TEXT -> VARCHAR(50)",
        "nullable: yes -> no",
        "default: 'x' -> none",
        "comment: none -> main",
    ]
    assert str(found) == f"column users.email: {', '.join(found.changes())}"
