"""What is in a database, to be compared with what was in it."""

from __future__ import annotations

import hashlib

from alembic_assay.dialects.mysql.definitions import prepare, read_definitions, read_filled
from alembic_assay.dialects.mysql.driver import Rows, Run
from alembic_assay.dialects.mysql.tokens import quote


def read_content(run: Run) -> object:
    """Read the database that a session is in: all definitions, counters and rows.

    It is equal for two databases of other names that have the same in them. No time stamp and no
    statistics of the server are asked, as they lag behind, or count in seconds.
    """
    prepare(run)
    ((name, defaults),) = run("SHOW CREATE DATABASE " + quote(run("SELECT DATABASE()")[0][0]))
    definitions = read_definitions(run, name="")
    tables = list(definitions.tables)
    return (
        defaults.replace(name, ""),
        definitions,
        _checksums(run, tables),
        [_digest(run(f"SELECT * FROM {quote(table)}")) for table in read_filled(run, tables)],
    )


def _checksums(run: Run, tables: list[str]) -> list[object]:
    """Return what tells most changes, those of invisible columns and last digits of floats as well.

    It is a mere sum of the rows' CRCs, which one in ten thousand exchanges of two values leaves as
    it is: so the rows are read, too.
    """
    if not tables:
        return []
    return [value for _, value in run(f"CHECKSUM TABLE {', '.join(map(quote, tables))}")]


def _digest(rows: Rows) -> str:
    return hashlib.blake2b(repr(rows).encode()).hexdigest()
