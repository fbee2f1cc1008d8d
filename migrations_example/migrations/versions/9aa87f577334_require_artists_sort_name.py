"""require artists.sort_name

Revision ID: 9aa87f577334
Revises: 0b0bfd260383
Create Date: 2025-04-28 13:42:09.614703

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "9aa87f577334"
down_revision: str | Sequence[str] | None = "0b0bfd260383"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("UPDATE artists SET sort_name = name WHERE sort_name IS NULL")
    with op.batch_alter_table("artists") as batch_op:
        batch_op.alter_column("sort_name", existing_type=sa.String(length=205), nullable=False)
        batch_op.create_index(batch_op.f("ix_artists_sort_name"), ["sort_name"])


def downgrade() -> None:
    with op.batch_alter_table("artists") as batch_op:
        batch_op.drop_index(batch_op.f("ix_artists_sort_name"))
        batch_op.alter_column("sort_name", existing_type=sa.String(length=205), nullable=True)
