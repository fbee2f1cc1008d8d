"""require the kind of an album

Revision ID: c44d970fde7b
Revises: cc96518c6c32
Create Date: 2025-01-21 16:03:22.540918

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "c44d970fde7b"
down_revision: str | Sequence[str] | None = "cc96518c6c32"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("UPDATE albums SET kind = 'studio' WHERE kind IS NULL")
    with op.batch_alter_table("albums") as batch_op:
        batch_op.alter_column(
            "kind",
            existing_type=sa.Enum("studio", "live", "compilation", name="album_kind"),
            nullable=False,
            server_default="studio",
        )


def downgrade() -> None:
    with op.batch_alter_table("albums") as batch_op:
        batch_op.alter_column(
            "kind",
            existing_type=sa.Enum("studio", "live", "compilation", name="album_kind"),
            nullable=True,
            server_default=None,
        )
