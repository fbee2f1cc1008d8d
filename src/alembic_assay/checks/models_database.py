"""The database that the models make, beside the one that the migrations make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Connection, Index, MetaData, Table
from sqlalchemy.exc import NoReferencedTableError

from alembic_assay.databases import Databases
from alembic_assay.dialects import Backend
from alembic_assay.environment import Environment
from alembic_assay.exceptions import AssayError, first_line
from alembic_assay.project import Project


class CannotCreateModels(AssayError):
    """``create_all`` of the models fails, so there is nothing to compare the migrations with."""


@dataclass(frozen=True, slots=True)
class Models:
    """The models, and all that decides what ``create_all`` makes of them.

    ``execution_options`` and ``session_settings`` are what env.py sets on its connection, such as
    a ``schema_translate_map`` or a search path. ``lay_baseline`` makes in an empty database what
    is there before the first revision.
    """

    metadatas: Sequence[MetaData]
    lay_baseline: Callable[[URL], None] = lambda url: None
    execution_options: Mapping[str, Any] = field(default_factory=dict)
    session_settings: Mapping[str, str] = field(default_factory=dict)


def models_of(project: Project, environment: Environment) -> Models:
    """Return the models that env.py has given, and what it set on its connection."""
    return models_behind(project, environment.connection, environment.metadatas())


def models_behind(
    project: Project, connection: Connection, metadatas: Sequence[MetaData]
) -> Models:
    """Return the models, with what is set on the connection that they are to be compared with."""
    translated = connection.get_execution_options().get("schema_translate_map")
    settings = project.databases.backend.session_settings(connection)
    return Models(
        metadatas,
        project.lay_baseline,
        {"schema_translate_map": translated} if translated else {},
        settings,
    )


@contextmanager
def models_database(databases: Databases, models: Models, migrated: URL) -> Iterator[Connection]:
    """Have a connection to a new database with all tables of the models, and nothing else.

    ``migrated`` is the database of the migrations, of our own or not. Models lean on things that
    only the migrations make: a function in a server default, a type, a table that is not theirs.
    Such a table is borrowed from there. Otherwise, where ``create_all`` fails in an empty database,
    it is tried in a copy of the migrated one, from which all that the models make is dropped first;
    only then, as it hides what is left there too much. Connections to ``migrated`` may end by it.
    ``empty_indexes`` are left out.

    Raises ``CannotCreateModels`` where neither is possible, and before anything is made where the
    models are of another database than the one that they are connected to.
    """
    refuse_other_databases(databases.backend, models)
    try:
        connection = _create_in_empty_database(databases, models, migrated)
    except _CreateAllFailed as failure:
        connection = _create_in_copy(databases, models, migrated, failure)
    try:
        yield connection
    finally:
        url = connection.engine.url
        connection.close()
        databases.drop(url)


def lay_baseline_without_tables(databases: Databases, models: Models, url: URL) -> None:
    """Make in an empty database what is there before the first revision, but no tables.

    Those are of an age long gone, and ``create_all`` would take them for the models' own.
    """
    models.lay_baseline(url)
    with _connect(databases, models, url) as connection:
        has_tables = databases.backend.has_tables(connection, except_for=(None, ""))
        connection.rollback()
        if has_tables:
            databases.backend.clear_for_models(connection, models.metadatas)


def refuse_other_databases(backend: Backend, models: Models) -> None:
    """Raise ``CannotCreateModels`` where ``create_all`` would make tables in other databases."""
    if not backend.schemas_are_databases:
        return
    translated = models.execution_options.get("schema_translate_map") or {}
    named = {metadata.schema for metadata in models.metadatas}
    named |= {table.schema for metadata in models.metadatas for table in metadata.tables.values()}
    others = sorted(name for one in named if (name := translated.get(one, one)) is not None)
    if others:
        raise CannotCreateModels(
            f"the models name the schema {', '.join(others)}, which is a database of its own here",
            effect="It may be in use, so no tables of the models were made there to compare with.",
            help="leave out schema= where the URL names the database; or let env.py connect with"
            f" execution_options(schema_translate_map={{{others[0]!r}: None}}).",
        )


class _CreateAllFailed(Exception):
    pass


def _create_in_empty_database(databases: Databases, models: Models, migrated: URL) -> Connection:
    url = databases.create()
    try:
        databases.backend.match_defaults(url, migrated)
        lay_baseline_without_tables(databases, models, url)
        return _create_all(databases, models, url, migrated)
    except BaseException:
        databases.drop(url)
        raise


def _create_in_copy(
    databases: Databases, models: Models, migrated: URL, failure: _CreateAllFailed
) -> Connection:
    refusal = CannotCreateModels(
        f"the tables of the models cannot be made: {first_line(failure.__cause__)}",
        effect="What the migrations make was not compared with what the models make.",
        help="see that metadata.create_all() works in an empty database.",
    )
    if not databases.is_own(migrated):
        raise refusal from failure.__cause__
    url = databases.clone(migrated)
    try:
        _clear(databases, models, url)
        return _create_all_beside_others(databases, models, url, migrated)
    except _CreateAllFailed:
        databases.drop(url)
        raise refusal from failure.__cause__
    except BaseException:
        databases.drop(url)
        raise


def _clear(databases: Databases, models: Models, url: URL) -> None:
    with _connect(databases, models, url) as connection:
        databases.backend.clear_for_models(connection, models.metadatas)


def _create_all_beside_others(
    databases: Databases, models: Models, url: URL, migrated: URL
) -> Connection:
    """Make the tables; what is there already of what listeners of the models make goes first."""
    while True:
        try:
            return _create_all(databases, models, url, migrated)
        except _CreateAllFailed as failure:
            with _connect(databases, models, url) as connection:
                error = failure.__cause__
                if not isinstance(error, Exception) or not (
                    databases.backend.make_way_for_models(connection, error)
                ):
                    raise


def _create_all(databases: Databases, models: Models, url: URL, migrated: URL) -> Connection:
    """Make the tables, and return the connection that made them."""
    connection = _connect(databases, models, url)
    try:
        with _borrowed_tables(databases, models, migrated):
            try:
                _create_tables_prepared(databases.backend, connection, models)
            except Exception as error:  # whatever a model, a driver or a listener may raise
                raise _CreateAllFailed from error
    except BaseException:
        connection.close()
        raise
    return connection


def _create_tables_prepared(backend: Backend, connection: Connection, models: Models) -> None:
    """Make the tables; only where that fails, make before what they need.

    Listeners of the models may make that themselves.
    """
    try:
        _create_tables(backend, connection, models)
    except Exception:
        connection.rollback()
        if not backend.prepare_for_models(connection, models.metadatas):
            raise
        _create_tables(backend, connection, models)


def _create_tables(backend: Backend, connection: Connection, models: Models) -> None:
    """Make the tables in a transaction; without one where a statement wants none."""
    try:
        _create_and_commit(connection, models)
    except Exception as error:
        if not backend.is_refused_in_transaction(error):
            raise
        connection.rollback()
        usual = connection.get_isolation_level()
        connection.rollback()
        connection.execution_options(isolation_level="AUTOCOMMIT")
        _create_and_commit(connection, models)
        connection.execution_options(isolation_level=usual)


def _create_and_commit(connection: Connection, models: Models) -> None:
    with _without_empty_indexes(models):
        for metadata in models.metadatas:
            metadata.create_all(connection)
        connection.commit()


def empty_indexes(metadatas: Iterable[MetaData]) -> list[Index]:
    """Return the indexes of nothing, ``Index("name")``, which no database can make."""
    return [
        index
        for metadata in metadatas
        for table in metadata.tables.values()
        for index in sorted(table.indexes, key=lambda index: str(index.name))
        if not index.expressions
    ]


@contextmanager
def _without_empty_indexes(models: Models) -> Iterator[None]:
    left_out = [
        (index.table, index) for index in empty_indexes(models.metadatas) if index.table is not None
    ]
    for table, index in left_out:
        table.indexes.discard(index)
    try:
        yield
    finally:
        for table, index in left_out:
            table.indexes.add(index)


def _connect(databases: Databases, models: Models, url: URL) -> Connection:
    """Connect as env.py does."""
    connection = databases.backend.make_own_engine(url).connect()
    try:
        connection.execution_options(**models.execution_options)
        databases.backend.apply_session_settings(connection, models.session_settings)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _borrowed_tables(databases: Databases, models: Models, migrated: URL) -> Iterator[None]:
    """Let foreign keys find the tables that are not in the models, as the migrations make them."""
    borrowed: list[tuple[MetaData, Table]] = []
    try:
        for metadata in models.metadatas:
            names = _missing_tables(metadata)
            if names:
                with databases.backend.connect_read_only(migrated) as connection:
                    for name in names:
                        schema, _, table = name.rpartition(".")
                        found = Table(
                            table,
                            metadata,
                            schema=schema or None,
                            autoload_with=connection,
                            resolve_fks=False,
                        )
                        borrowed.append((metadata, found))
        yield
    except _CreateAllFailed:
        raise
    except Exception as error:  # a table that is not in the migrations either
        raise _CreateAllFailed from error
    finally:
        for metadata, found in borrowed:
            metadata.remove(found)


def _missing_tables(metadata: MetaData) -> list[str]:
    """Return the tables to which foreign keys refer and that no model declares."""
    missing = []
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            try:
                _ = key.column
            except NoReferencedTableError:
                missing.append(key.target_fullname.rpartition(".")[0])
    return list(dict.fromkeys(missing))
