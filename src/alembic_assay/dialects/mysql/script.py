"""The statements of an SQL file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from alembic_assay.dialects.mysql.tokens import QUOTED

_DELIMITER = re.compile(r"(?im)^[ \t]*delimiter[ \t]+(\S+)[ \t]*\r?$")
_COMMENT = r"/\*.*?\*/|(?:--(?=\s)|\#)[^\n]*"
_SKIPPED = re.compile(rf'{QUOTED}|"(?:[^"\\]|\\.|"")*"|{_COMMENT}|\w+', re.DOTALL)
_NOTHING = re.compile(r"(?:\s|/\*(?!M?!).*?\*/|(?:--(?=\s)|--\Z|\#)[^\n]*)*", re.DOTALL)


def split_script(sql: str) -> Iterator[str]:
    """Yield the statements of an SQL file, as the program ``mysql`` would send them.

    Each ends with a semicolon, or with what a line such as ``DELIMITER //`` names.
    https://dev.mysql.com/doc/refman/8.4/en/mysql-commands.html
    """
    delimiter, start, position = ";", 0, 0
    while position < len(sql):
        if found := _DELIMITER.match(sql, position):
            yield from _statement(sql[start:position])
            delimiter = found[1]
            start = position = found.end()
        elif sql.startswith(delimiter, position):
            yield from _statement(sql[start:position])
            start = position = position + len(delimiter)
        elif found := _SKIPPED.match(sql, position):
            position = found.end()
        else:
            position += 1
    yield from _statement(sql[start:])


def _statement(text: str) -> Iterator[str]:
    # What a comment says to some versions only (``/*!40101 SET … */``) is a statement.
    if not _NOTHING.fullmatch(text):
        yield text.strip()
