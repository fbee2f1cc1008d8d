"""The source of a trigger, a routine or an event without what only people see."""

from __future__ import annotations

import re
from collections.abc import Container

from alembic_assay.dialects.mysql.tokens import read_text

_TOKEN = re.compile(
    r"""
    (?P<ignored> \s+ | /\*(?!M?!).*?\*/ | (?: --(?=\s|\Z) | \# ) [^\n]* )
    | (?P<text> '(?:[^'\\]|\\.|'')*' )
    | (?P<double> "(?:[^"\\]|\\.|"")*" )
    | (?P<name> `(?:[^`]|``)*` )
    | (?P<word> [\w$]+ )
    | (?P<sign> . )
    """,
    re.DOTALL | re.VERBOSE,
)


def are_same_bodies(one: str, other: str, tables: Container[str]) -> bool:
    """Whether two bodies do the same, but for comments, white space, quotes and capital letters.

    Capital letters count in the names of tables, of which ``tables`` has all in lower case.
    """
    return _tokens(one, tables) == _tokens(other, tables)


def _tokens(body: str, tables: Container[str]) -> list[tuple[str, str]]:
    tokens = [_token(found, tables) for found in _TOKEN.finditer(body) if not found["ignored"]]
    while tokens and tokens[-1][1] == ";":  # whether the last statement is ended or not
        tokens.pop()
    return tokens


def _token(found: re.Match[str], tables: Container[str]) -> tuple[str, str]:
    text = found[0]
    if found["text"]:
        return "text", read_text(text)
    if found["double"]:
        # In the mode ANSI_QUOTES it would be a name, so it is not the same as a text.
        return "double", text
    word = text[1:-1].replace("``", "`") if found["name"] else text
    return "word", word if word.lower() in tables else word.lower()
