"""Proves that Alembic migrations are right, and hands tests a database that they built.

Nothing is imported before it is used: pytest loads the plugin of this package in every run.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic_assay.checks import run_checks as run_checks
    from alembic_assay.checks.create_all import check_create_all as check_create_all
    from alembic_assay.checks.database import check_database as check_database
    from alembic_assay.checks.drift import check_drift as check_drift
    from alembic_assay.checks.heads import check_heads as check_heads
    from alembic_assay.checks.round_trip import check_round_trip as check_round_trip
    from alembic_assay.checks.upgrade import check_upgrade as check_upgrade
    from alembic_assay.config import make_config as make_config
    from alembic_assay.findings import Finding as Finding
    from alembic_assay.findings import Severity as Severity
    from alembic_assay.history import RevisionGraph as RevisionGraph
    from alembic_assay.locking import migration_lock as migration_lock
    from alembic_assay.migrate import MigrationReport as MigrationReport
    from alembic_assay.migrate import apply_migrations as apply_migrations
    from alembic_assay.migrate import async_apply_migrations as async_apply_migrations
    from alembic_assay.project import Project as Project
    from alembic_assay.project import open_project as open_project
    from alembic_assay.sandboxes import sandbox as sandbox
    from alembic_assay.sandboxes.current import current_session as current_session
    from alembic_assay.seeding import RowFactory as RowFactory

_HOMES = {
    "Finding": "findings",
    "MigrationReport": "migrate",
    "Project": "project",
    "RevisionGraph": "history",
    "RowFactory": "seeding",
    "Severity": "findings",
    "apply_migrations": "migrate",
    "async_apply_migrations": "migrate",
    "check_create_all": "checks.create_all",
    "check_database": "checks.database",
    "check_drift": "checks.drift",
    "check_heads": "checks.heads",
    "check_round_trip": "checks.round_trip",
    "check_upgrade": "checks.upgrade",
    "current_session": "sandboxes.current",
    "make_config": "config",
    "migration_lock": "locking",
    "open_project": "project",
    "run_checks": "checks",
    "sandbox": "sandboxes",
}

__all__ = [  # noqa: PLE0604 - the names stand above, once
    *_HOMES
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
