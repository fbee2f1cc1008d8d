"""create albums

Revision ID: cc96518c6c32
Revises: 7c897ccc88bc
Create Date: 2025-01-08 10:40:05.918273

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "cc96518c6c32"
down_revision: str | Sequence[str] | None = "7c897ccc88bc"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "albums",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("artist_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column(
            "kind", sa.Enum("studio", "live", "compilation", name="album_kind"), nullable=True
        ),
        sa.Column("released_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["artist_id"],
            ["artists.id"],
            name=op.f("fk_albums_artist_id_artists"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_albums")),
        sa.UniqueConstraint("artist_id", "title", name=op.f("uq_albums_artist_id_title")),
    )


def downgrade() -> None:
    op.drop_table("albums")
    # PostgreSQL keeps the type when the table that used it is gone.
    sa.Enum(name="album_kind").drop(op.get_bind(), checkfirst=False)
