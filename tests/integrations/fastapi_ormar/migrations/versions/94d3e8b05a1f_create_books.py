"""create books"""

import sqlalchemy as sa
from alembic import op

revision = "94d3e8b05a1f"
down_revision = "2f6b0a7d91ce"


def upgrade() -> None:
    op.create_table(
        "books",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("author", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["author"], ["authors.id"], name="fk_books_authors_id_author"),
    )


def downgrade() -> None:
    op.drop_table("books")
