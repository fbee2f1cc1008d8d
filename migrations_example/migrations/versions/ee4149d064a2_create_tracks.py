"""create tracks

Revision ID: ee4149d064a2
Revises: c44d970fde7b
Create Date: 2025-02-03 09:27:14.662490

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "ee4149d064a2"
down_revision: str | Sequence[str] | None = "c44d970fde7b"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "tracks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("album_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint("duration_seconds > 0", name=op.f("ck_tracks_duration_is_positive")),
        sa.ForeignKeyConstraint(
            ["album_id"],
            ["albums.id"],
            name=op.f("fk_tracks_album_id_albums"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tracks")),
        sa.UniqueConstraint("album_id", "position", name=op.f("uq_tracks_album_id_position")),
    )


def downgrade() -> None:
    op.drop_table("tracks")
