"""add artists.sort_name

Revision ID: 2936e3346b99
Revises: 36722c71b347
Create Date: 2025-03-11 11:19:50.385127

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "2936e3346b99"
down_revision: str | Sequence[str] | None = "36722c71b347"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("artists", sa.Column("sort_name", sa.String(length=205), nullable=True))


def downgrade() -> None:
    op.drop_column("artists", "sort_name")
