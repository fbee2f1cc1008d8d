"""index tracks by title

Revision ID: 36722c71b347
Revises: ee4149d064a2
Create Date: 2025-02-17 14:51:38.071264

"""

from collections.abc import Sequence

from alembic import op

revision: str = "36722c71b347"
down_revision: str | Sequence[str] | None = "ee4149d064a2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(op.f("ix_tracks_title"), "tracks", ["title"])


def downgrade() -> None:
    op.drop_index(op.f("ix_tracks_title"), table_name="tracks")
