"""create artists

Revision ID: 7c897ccc88bc
Revises:
Create Date: 2025-01-08 10:12:41.307156

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "7c897ccc88bc"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "artists",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artists")),
        sa.UniqueConstraint("name", name=op.f("uq_artists_name")),
    )


def downgrade() -> None:
    op.drop_table("artists")
