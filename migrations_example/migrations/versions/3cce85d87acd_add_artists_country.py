"""add artists.country

Revision ID: 3cce85d87acd
Revises: 2b816480b1a7
Create Date: 2025-04-02 15:08:33.729460

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "3cce85d87acd"
down_revision: str | Sequence[str] | None = "2b816480b1a7"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("artists", sa.Column("country", sa.String(length=2), nullable=True))


def downgrade() -> None:
    op.drop_column("artists", "country")
