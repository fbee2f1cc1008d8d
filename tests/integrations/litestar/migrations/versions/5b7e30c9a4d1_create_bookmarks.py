"""create bookmarks"""

import sqlalchemy as sa
from alembic import op

revision = "5b7e30c9a4d1"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "bookmarks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("url", sa.String(1000), nullable=False, unique=True),
        sa.Column("visits", sa.Integer, nullable=False, server_default="0"),
    )


def downgrade() -> None:
    op.drop_table("bookmarks")
