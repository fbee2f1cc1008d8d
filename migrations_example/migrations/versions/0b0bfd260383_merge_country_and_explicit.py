"""merge country and explicit

Revision ID: 0b0bfd260383
Revises: 3cce85d87acd, adb6db6b01e4
Create Date: 2025-04-07 10:30:46.882519

"""

from collections.abc import Sequence

revision: str = "0b0bfd260383"
down_revision: str | Sequence[str] | None = ("3cce85d87acd", "adb6db6b01e4")
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
