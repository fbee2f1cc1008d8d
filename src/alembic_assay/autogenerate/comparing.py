"""The models against the database at hand, in the middle of Alembic's own comparison."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations.ops import ModifyTableOps, OpContainer, UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData
from sqlalchemy.exc import SQLAlchemyError

from alembic_assay.autogenerate.completing import complete
from alembic_assay.autogenerate.confirming import confirm
from alembic_assay.checks.comparison import Drift
from alembic_assay.checks.database import other_version
from alembic_assay.checks.models_database import models_behind, models_database
from alembic_assay.checks.operations.finding import Operations
from alembic_assay.checks.schemas import Schemas
from alembic_assay.config import bind_config
from alembic_assay.databases import open_databases
from alembic_assay.dialects import Backend, get_backend
from alembic_assay.exceptions import AssayError, first_line
from alembic_assay.project import Project, server_url
from alembic_assay.settings import load_settings


class _FiltersFailed(AssayError):
    """A function that env.py has given raises."""


def compare_catalogues(autogen_context: AutogenContext, upgrade_ops: UpgradeOps) -> None:
    """Bring Alembic's operations in line with what the two catalogues say.

    One is that of the database at hand, which is only read, on Alembic's own connection; the other
    that of a database that the models make, and that is gone afterwards. Operations that the
    comparison does not bear out are taken away, and what Alembic has missed is added.

    Where that cannot be done Alembic's operations stay as they are, and a warning says why.
    """
    try:
        with _kept_on_error(upgrade_ops):
            _compare(autogen_context, upgrade_ops)
    except AssayError as error:
        _warn(error.message, error.help)
    except SQLAlchemyError as error:
        _warn(first_line(error), "")


@contextmanager
def _kept_on_error(upgrade_ops: UpgradeOps) -> Iterator[None]:
    """Put the operations back as they were, where not all of what is to be done could be."""
    tables = [one for one in upgrade_ops.ops if isinstance(one, ModifyTableOps)]
    containers: list[OpContainer] = [upgrade_ops, *tables]
    before = [list(container.ops) for container in containers]
    copies = {id(one): copy.copy(one) for operations in before for one in operations}
    try:
        yield
    except BaseException:
        for container, operations in zip(containers, before, strict=True):
            container.ops = [
                one if isinstance(one, ModifyTableOps) else copies[id(one)] for one in operations
            ]
        raise


def _compare(autogen_context: AutogenContext, upgrade_ops: UpgradeOps) -> None:
    migrated, context = autogen_context.connection, autogen_context.migration_context
    given = autogen_context.metadata
    assert migrated is not None
    assert given is not None
    metadatas = [given] if isinstance(given, MetaData) else list(given)
    url = migrated.engine.url
    backend = get_backend(url)
    with _project(context, backend) as project:
        models = models_behind(project, migrated, metadatas)
        with models_database(project.databases, models, url) as scratch:
            schemas = Schemas(backend, context, metadatas, scratch, migrated)
            drifts = _drifts(schemas)
            for note in other_version(scratch, migrated):
                warnings.warn(f"alembic-assay: {note.message}. {note.effect}".strip(), stacklevel=2)
            scene = schemas.scene()
            operations = Operations(scene, drifts)
            missed = confirm(upgrade_ops, scene, operations, drifts)
            complete(upgrade_ops, scene, operations, missed)


@contextmanager
def _project(context: MigrationContext, backend: Backend) -> Iterator[Project]:
    """Have the project whose env.py runs, with a place for databases of the kind at hand."""
    config = context.config or Config()
    file = config.config_file_name or config.toml_file_name or "alembic.ini"
    settings = load_settings(Path(file).absolute().parent)
    server = server_url(None, settings, config, backend=backend.name)
    with open_databases(server) as databases:
        # Without the project's `configure`: it would point the application elsewhere in mid-run.
        yield Project(lambda url: bind_config(config, url), databases, settings)


def _drifts(schemas: Schemas) -> list[Drift]:
    try:
        drifts = schemas.compare(schemas.hidden())
    except Exception as error:  # whatever a filter of the project may raise
        if not schemas.is_filtered:
            raise
        raise _FiltersFailed(f"the filters of env.py fail: {first_line(error)}") from error
    empty = schemas.empty_indexes()
    for found in empty:
        text = f"alembic-assay did not compare {found}: it has no columns in the models"
        warnings.warn(text, stacklevel=2)
    return [drift for drift in drifts if drift.is_declared and drift.object not in empty]


def _warn(message: str, remedy: str) -> None:
    text = (
        f"alembic-assay compared nothing: {message.rstrip('.')}. This is what Alembic itself sees:"
        " no CHECK constraint, enum label, generated column, condition of an index or view was"
        " compared."
    )
    warnings.warn(f"{text} help: {remedy}" if remedy else text, stacklevel=2)
