"""Write the small Alembic projects that the fixtures are measured on.

They are generated histories (``gen_history.py``) with one more revision: a table with two rows, so
that a test has something to ask for that only the migrations can have put there.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import gen_history

REFERENCE_TABLE = "reference_currency"

QUERY = f"SELECT count(*) FROM {REFERENCE_TABLE}"
"""What each test asks, whoever gave it the database. The answer is 2."""

INSERT = f"INSERT INTO {REFERENCE_TABLE} (id, name) VALUES (3, 'Krone')"

REFERENCE_REVISION = '''"""reference currency

Revision ID: {revision}
Revises: {previous}
"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{previous}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "{table}",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_{table}"),
    )
    op.bulk_insert(table, [{{"id": 1, "name": "Euro"}}, {{"id": 2, "name": "Yen"}}])


def downgrade() -> None:
    op.drop_table("{table}")
'''


def write_project_of_tables(folder: Path, tables: int, database: str) -> Path:
    """Write a project whose history makes that many tables; return its ``alembic.ini``."""
    for seed in count(1):
        tried = gen_history.Generator(tables, database, seed, late_tables=1.0)
        revisions = 0
        while len(tried.tables) < tables - 1:
            tried.revision(revisions)
            revisions += 1
        # Some revisions make two tables, and the last one may be one of them.
        if len(tried.tables) == tables - 1:
            break
    generator = gen_history.Generator(tables, database, seed, late_tables=1.0)
    generator.n = revisions
    return _write(generator, folder)


def write_project_of_revisions(folder: Path, revisions: int, database: str) -> Path:
    """Write a project with that many revisions, of the usual kinds; return its ``alembic.ini``."""
    return _write(gen_history.Generator(revisions - 1, database, 1), folder)


def _write(generator: gen_history.Generator, folder: Path) -> Path:
    generator.write(folder)
    last, revision = (generator.revision_id(number) for number in (generator.n - 1, generator.n))
    path = folder / "migrations" / "versions" / f"{generator.n + 1:04d}_{revision}_currency.py"
    path.write_text(
        REFERENCE_REVISION.format(table=REFERENCE_TABLE, revision=revision, previous=last)
    )
    return folder / "alembic.ini"
