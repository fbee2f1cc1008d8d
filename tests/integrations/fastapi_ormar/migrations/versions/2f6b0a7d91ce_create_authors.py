"""create authors"""

import sqlalchemy as sa
from alembic import op

revision = "2f6b0a7d91ce"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "authors",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
    )


def downgrade() -> None:
    op.drop_table("authors")
