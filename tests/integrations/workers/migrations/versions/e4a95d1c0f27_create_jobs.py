"""create jobs"""

import sqlalchemy as sa
from alembic import op

revision = "e4a95d1c0f27"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False, server_default="queued"),
        sa.Column("result", sa.Integer),
    )


def downgrade() -> None:
    op.drop_table("jobs")
