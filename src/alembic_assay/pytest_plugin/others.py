"""Databases that a project has besides: each has an Alembic configuration of its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from alembic_assay.databases import Databases, open_databases
from alembic_assay.exceptions import UsageError
from alembic_assay.project import find_server, open_project
from alembic_assay.pytest_plugin.building import build_template
from alembic_assay.pytest_plugin.choices import (
    allowed_hosts,
    config_file,
    folder_of_run,
    memory_file,
    named_targets,
)
from alembic_assay.pytest_plugin.worker_database import Clone, WorkerDatabase
from alembic_assay.settings import load_settings
from alembic_assay.template import Template

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine


class OtherDatabase(WorkerDatabase):
    """One of them, which can also be had anew."""

    def __init__(self, clone: Clone, targets: list[object]) -> None:
        self._databases, self._template = clone.databases, clone.template
        engine = clone.databases.backend.make_own_engine(clone.url)
        super().__init__(clone.url, engine, targets=targets, clone=clone)

    def fresh_engine(self) -> Engine:
        """Return an engine on a new copy, which goes when all of the run do."""
        return self._databases.backend.make_own_engine(self._template.clone())


class Others:
    """The databases in ``[tool.alembic-assay.databases]``, each made when it is asked for."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self._own = config_file(request.config).absolute()
        self._files = load_settings(self._own.parent).databases
        self._opened: dict[str, OtherDatabase] = {}
        self._stack = ExitStack()

    def get(self, name: str) -> OtherDatabase:
        """Return a database by its name. Raises ``UsageError`` where there is none."""
        if name not in self._files:
            raise UsageError(
                f'there is no database "{name}"',
                effect="A test asks for it in its marker.",
                help=f'name its Alembic configuration: {name} = "{name}/alembic.ini" in'
                " [tool.alembic-assay.databases] of pyproject.toml",
            )
        if name not in self._opened:
            self._opened[name] = self._open(name, self._own.parent / self._files[name])
            self._stack.callback(self._opened[name].close)
        return self._opened[name]

    def close(self) -> None:
        """Drop them."""
        self._stack.close()

    def _open(self, name: str, path: Path) -> OtherDatabase:
        config = self._request.config
        databases = self._databases_for(path)
        project = self._stack.enter_context(open_project(config_file=path, databases=databases))
        factory: Any = self._request.getfixturevalue("tmp_path_factory")

        def find() -> Any:
            return build_template(
                project,
                seed=None,
                folder=folder_of_run(config, factory),
                rebuild=config.getoption("--assay-rebuild"),
                memory_file=memory_file(config, str(path)),
            )

        template = Template(databases, find)
        return OtherDatabase(
            Clone(template.clone(), databases, template), named_targets(config, name)
        )

    def _databases_for(self, path: Path) -> Databases:
        """Return where databases of that kind are made: with the default ones, if that can be."""
        default: Databases = self._request.getfixturevalue("assay_databases")
        url = find_server(None, path)
        if url.get_backend_name() == default.url.get_backend_name():
            return default
        hosts = allowed_hosts(self._request.config)
        return self._stack.enter_context(open_databases(url, allowed_hosts=hosts))
