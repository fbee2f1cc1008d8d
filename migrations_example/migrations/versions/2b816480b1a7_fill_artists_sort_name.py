"""fill artists.sort_name

Revision ID: 2b816480b1a7
Revises: 2936e3346b99
Create Date: 2025-03-11 11:46:02.193845

"""

from collections.abc import Sequence

from alembic import op

revision: str = "2b816480b1a7"
down_revision: str | Sequence[str] | None = "2936e3346b99"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("UPDATE artists SET sort_name = name")
    op.execute(
        "UPDATE artists SET sort_name = substr(name, 5) || ', The'"
        " WHERE substr(name, 1, 4) = 'The '"
    )


def downgrade() -> None:
    op.execute("UPDATE artists SET sort_name = NULL")
