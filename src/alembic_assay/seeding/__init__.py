"""Valid rows, made for tests from what the database says of its tables."""

from __future__ import annotations

from alembic_assay.seeding.factory import RowFactory

__all__ = ["RowFactory"]
