"""What apply_migrations reports, for each target and way to create."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import URL, Column, Integer, MetaData, Table, event
from tests.processes import (
    heads,
    missing_database,
    tables,
)
from tests.states import (
    models,
    timeless,
    with_transactional_ddl,
)

from alembic_assay.config import make_config
from alembic_assay.databases import Databases
from alembic_assay.exceptions import (
    HistoryError,
    MultipleHeads,
    UsageError,
)
from alembic_assay.migrate import (
    Action,
    MigrationReport,
    apply_migrations,
)

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles


def test_empty_database_is_created(database_url: URL, history: ProjectFiles) -> None:
    report = apply_migrations(database_url, config=history.ini)

    assert timeless(report) == MigrationReport(
        database=database_url.render_as_string(),
        action=Action.CREATED,
        before=(),
        after=("b",),
        applied=("a", "b"),
    )
    assert tables(database_url) == {"alembic_version", "first", "second"}


def test_missing_database_is_created(databases: Databases, history: ProjectFiles) -> None:
    with missing_database(databases) as url:
        report = apply_migrations(url, config=history.ini)

        assert timeless(report) == MigrationReport(
            url.render_as_string(), Action.CREATED, (), ("b",), ("a", "b")
        )
        assert tables(url) == {"alembic_version", "first", "second"}


def test_database_behind_is_upgraded(database_url: URL, history: ProjectFiles) -> None:
    apply_migrations(database_url, config=history.ini, target="a")

    report = apply_migrations(database_url, config=history.ini)

    assert timeless(report) == MigrationReport(
        database_url.render_as_string(), Action.UPGRADED, ("a",), ("b",), ("b",)
    )


def test_database_at_head_is_up_to_date(database_url: URL, history: ProjectFiles) -> None:
    apply_migrations(database_url, config=history.ini)

    report = apply_migrations(database_url, config=history.ini)

    assert timeless(report) == MigrationReport(
        database_url.render_as_string(), Action.UP_TO_DATE, ("b",), ("b",)
    )


def test_history_without_revisions_is_up_to_date(
    database_url: URL, project_files: ProjectFiles
) -> None:
    report = apply_migrations(database_url, config=project_files.ini)

    assert timeless(report) == MigrationReport(
        database_url.render_as_string(), Action.UP_TO_DATE, (), ()
    )
    assert tables(database_url) == set()


def test_url_as_text_and_script_location_alone_are_enough(
    database_url: URL, history: ProjectFiles
) -> None:
    text = database_url.render_as_string(hide_password=False)

    report = apply_migrations(text, script_location=str(history.folder / "migrations"))

    assert report.action == Action.CREATED


def test_config_object_is_used_and_kept_as_it_was(database_url: URL, history: ProjectFiles) -> None:
    config = make_config("sqlite:///other.db", config_file=history.ini)

    report = apply_migrations(database_url, config=config)

    assert report.database == database_url.render_as_string()
    assert config.get_main_option("sqlalchemy.url") == "sqlite:///other.db"
    assert config.attributes == {}
    assert tables(database_url) == {"alembic_version", "first", "second"}


def test_target_revision_is_reached_and_not_passed(
    database_url: URL, history: ProjectFiles
) -> None:
    report = apply_migrations(database_url, config=history.ini, target="a")

    assert (report.action, report.after, report.applied) == (Action.CREATED, ("a",), ("a",))
    assert tables(database_url) == {"alembic_version", "first"}


def test_target_behind_the_database_is_never_downgraded_to(
    database_url: URL, history: ProjectFiles
) -> None:
    apply_migrations(database_url, config=history.ini)

    report = apply_migrations(database_url, config=history.ini, target="a")

    assert (report.action, report.after) == (Action.UP_TO_DATE, ("b",))


def test_target_heads_applies_every_branch(database_url: URL, history: ProjectFiles) -> None:
    history.add_table("c", "a", "third")

    report = apply_migrations(database_url, config=history.ini, target="heads")
    again = apply_migrations(database_url, config=history.ini, target="heads")

    assert (report.action, report.after) == (Action.CREATED, ("b", "c"))
    assert sorted(report.applied) == ["a", "b", "c"]
    assert (again.action, again.before) == (Action.UP_TO_DATE, ("b", "c"))


def test_target_head_with_several_heads_is_refused_before_anything_is_made(
    databases: Databases, history: ProjectFiles
) -> None:
    history.add_table("c", "a", "third")

    with missing_database(databases) as url:
        with pytest.raises(MultipleHeads) as raised:
            apply_migrations(url, config=history.ini)

        assert not databases.backend.exists(url)
    assert str(raised.value) == (
        "the history has 2 heads: b, c\n"
        '  "head" does not say which of them is meant; nothing was changed.\n'
        '  help: merge them (alembic merge heads), or ask for "heads" or one of them.'
    )


@pytest.mark.parametrize("target", ["+1", "-1", "shop@+1"])
def test_target_relative_to_the_database_is_refused(
    database_url: URL, history: ProjectFiles, target: str
) -> None:
    with pytest.raises(UsageError) as raised:
        apply_migrations(database_url, config=history.ini, target=target)

    assert str(raised.value) == (
        f'the target "{target}" is relative to where the database is\n'
        "  Each process that starts would go on from where the last one stopped.\n"
        '  help: name a revision, "head" or "heads".'
    )
    assert tables(database_url) == set()


def test_target_that_is_no_revision_is_refused(database_url: URL, history: ProjectFiles) -> None:
    with pytest.raises(HistoryError, match=r'^"nowhere" cannot be reached: '):
        apply_migrations(database_url, config=history.ini, target="nowhere")

    assert tables(database_url) == set()


def test_broken_history_is_refused_before_anything_is_made(
    databases: Databases, history: ProjectFiles
) -> None:
    history.add_revision("c", "missing")

    with missing_database(databases) as url:
        with pytest.raises(HistoryError):
            apply_migrations(url, config=history.ini)

        assert not databases.backend.exists(url)


def test_create_all_makes_tables_and_stamp(database_url: URL, history: ProjectFiles) -> None:
    report = apply_migrations(
        database_url, config=history.ini, create="create_all", metadata=models()
    )

    assert timeless(report) == MigrationReport(
        database_url.render_as_string(), Action.CREATED, (), ("b",)
    )
    assert tables(database_url) == {"alembic_version", "first", "second"}
    assert heads(database_url) == ["b"]


def test_create_all_of_several_heads_stamps_each(database_url: URL, history: ProjectFiles) -> None:
    history.add_table("c", "a", "third")

    report = apply_migrations(
        database_url, config=history.ini, target="heads", create="create_all", metadata=models()
    )

    assert report.after == ("b", "c")
    assert heads(database_url) == ["b", "c"]


@with_transactional_ddl
def test_create_all_that_fails_leaves_neither_tables_nor_stamp(
    database_url: URL, history: ProjectFiles
) -> None:
    metadata = models()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no second table")

    event.listen(metadata.tables["second"], "before_create", fail)

    with pytest.raises(RuntimeError, match="no second table"):
        apply_migrations(database_url, config=history.ini, create="create_all", metadata=metadata)

    assert "first" not in tables(database_url)
    event.remove(metadata.tables["second"], "before_create", fail)
    report = apply_migrations(
        database_url, config=history.ini, create="create_all", metadata=metadata
    )
    assert report.action == Action.CREATED


def test_create_all_for_an_older_revision_is_refused(
    database_url: URL, history: ProjectFiles
) -> None:
    with pytest.raises(UsageError) as raised:
        apply_migrations(
            database_url, config=history.ini, target="a", create="create_all", metadata=models()
        )

    assert str(raised.value) == (
        'create="create_all" makes the models of today, not those of "a"\n'
        "  The next upgrade would fail on what is there already.\n"
        '  help: leave the target at "head", or let the migrations create the database.'
    )
    assert tables(database_url) == set()


def test_create_all_is_not_for_a_database_with_a_revision(
    database_url: URL, history: ProjectFiles
) -> None:
    apply_migrations(database_url, config=history.ini, target="a")
    other = MetaData()
    Table("never", other, Column("id", Integer))

    report = apply_migrations(database_url, config=history.ini, create="create_all", metadata=other)

    assert (report.action, report.applied) == (Action.UPGRADED, ("b",))
    assert tables(database_url) == {"alembic_version", "first", "second"}


@pytest.mark.parametrize("metadata", [None, MetaData()], ids=["none", "empty"])
def test_create_all_without_tables_is_refused_before_anything_is_made(
    databases: Databases, history: ProjectFiles, metadata: MetaData | None
) -> None:
    with missing_database(databases) as url:
        with pytest.raises(UsageError) as raised:
            apply_migrations(url, config=history.ini, create="create_all", metadata=metadata)

        assert not databases.backend.exists(url)
    assert str(raised.value) == (
        'create="create_all" was asked for without metadata that has tables\n'
        "  The database would be stamped as migrated and be empty.\n"
        "  help: pass metadata=Base.metadata, with the modules of all models imported."
    )
