"""The source of a function without what only people see: comments, line breaks, capital letters."""

from __future__ import annotations

import re

_DEFINITION = re.compile(
    r"(?P<head>.*\n LANGUAGE (?:sql|plpgsql)\n.*?)"
    r"AS (?P<quote>\$(?:function|procedure)\w*\$)(?P<body>.*)(?P=quote)\s*",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"""
    (?P<ignored> --[^\n]* | /\*.*?\*/ | \s+ )
    | (?P<quoted> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
        | (?P<dollar> \$\w*\$ ) .*? (?P=dollar) )
    | (?P<word> [\w$]+ )
    | (?P<sign> . )
    """,
    re.DOTALL | re.VERBOSE,
)


def are_same_functions(one: str, other: str) -> bool:
    """Whether two definitions, as ``pg_get_functiondef`` writes them, do the same.

    Of other languages than SQL and PL/pgSQL every character counts.
    """
    mine, yours = _DEFINITION.fullmatch(one), _DEFINITION.fullmatch(other)
    if mine is None or yours is None or mine["head"] != yours["head"]:
        return False
    return _tokens(mine["body"]) == _tokens(yours["body"])


def _tokens(body: str) -> list[str]:
    tokens = [
        found[0] if found.lastgroup == "quoted" or found["quoted"] else found[0].lower()
        for found in _TOKEN.finditer(body)
        if not found["ignored"]
    ]
    while tokens and tokens[-1] == ";":  # whether the last statement is ended or not
        tokens.pop()
    return tokens
