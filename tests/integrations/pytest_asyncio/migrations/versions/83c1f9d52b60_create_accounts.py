"""create accounts"""

import sqlalchemy as sa
from alembic import op

revision = "83c1f9d52b60"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("owner", sa.String(100), primary_key=True),
        sa.Column("cents", sa.Integer, nullable=False),
        sa.CheckConstraint("cents >= 0", name="no_debts"),
    )


def downgrade() -> None:
    op.drop_table("accounts")
