"""add tracks.explicit

Revision ID: adb6db6b01e4
Revises: 2b816480b1a7
Create Date: 2025-04-03 09:55:17.450382

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "adb6db6b01e4"
down_revision: str | Sequence[str] | None = "2b816480b1a7"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "tracks",
        sa.Column("explicit", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("tracks", "explicit")
