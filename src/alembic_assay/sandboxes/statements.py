"""What a statement does to a transaction, as its text says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache


class Kind(Enum):
    """What a statement is for."""

    READ = auto()
    """It changes nothing that a rollback would undo, unless a function that it calls does."""
    WRITE = auto()
    BEGIN = auto()
    COMMIT = auto()
    ROLLBACK = auto()
    SAVEPOINT = auto()
    ROLLBACK_TO = auto()
    RELEASE = auto()


CONTROLS = frozenset(Kind) - {Kind.READ, Kind.WRITE}
"""What is about transactions, and nothing else."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement; ``name`` is that of the savepoint which it is about, as the database sees it."""

    kind: Kind
    name: str = ""


@lru_cache(maxsize=2048)
def read_statement(sql: str) -> Statement:
    """Return what a statement does. In doubt it writes: that is the safe side."""
    text = _LEADING.sub("", sql, count=1)
    first = _FIRST_WORD.match(text)
    word = first[0].lower() if first else ""
    if word in _CONTROLS:
        for pattern, kind in _CONTROLS[word]:
            if found := pattern.fullmatch(text):
                return Statement(kind, _name(found[1]) if found.groups() else "")
        return Statement(Kind.WRITE)
    if word in _READS:
        return Statement(Kind.WRITE if _READS[word].search(text) else Kind.READ)
    return Statement(Kind.WRITE)


_LEADING = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*", re.DOTALL)
_FIRST_WORD = re.compile(r"[A-Za-z]+")

_NAME = r'\s+("(?:[^"]|"")+"|`(?:[^`]|``)+`|[\w$]+)'
_OPTIONAL_WORD = r"(?:\s+(?:WORK|TRANSACTION))?"


def _whole(pattern: str) -> re.Pattern[str]:
    # Tools that trace queries write comments behind them.
    return re.compile(pattern + r"(?:\s|;|--[^\n]*|/\*.*?\*/)*", re.IGNORECASE | re.DOTALL)


_BEGIN = (_whole(r"BEGIN(?:\s+[A-Z ,]+)?"), Kind.BEGIN)
_COMMIT = (_whole(rf"(?:COMMIT|END){_OPTIONAL_WORD}"), Kind.COMMIT)
_ROLLBACK = (_whole(rf"(?:ROLLBACK|ABORT){_OPTIONAL_WORD}"), Kind.ROLLBACK)
_ROLLBACK_TO = (
    _whole(rf"ROLLBACK{_OPTIONAL_WORD}\s+TO(?:\s+SAVEPOINT)?{_NAME}"),
    Kind.ROLLBACK_TO,
)

_CONTROLS = {
    "begin": [_BEGIN],
    "start": [(_whole(r"START\s+TRANSACTION(?:\s+[A-Z ,]+)?"), Kind.BEGIN)],
    "commit": [_COMMIT],
    "end": [_COMMIT],
    "rollback": [_ROLLBACK, _ROLLBACK_TO],
    "abort": [_ROLLBACK],
    "savepoint": [(_whole(rf"SAVEPOINT{_NAME}"), Kind.SAVEPOINT)],
    "release": [(_whole(rf"RELEASE(?:\s+SAVEPOINT)?{_NAME}"), Kind.RELEASE)],
}

_NEVER = re.compile(r"(?!)")
_INNER_WRITE = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|INTO)\b", re.IGNORECASE)

_READS = {
    # FOR UPDATE only locks, which nobody else on the one connection would notice.
    "select": re.compile(r"\bINTO\b", re.IGNORECASE),
    "with": _INNER_WRITE,
    "values": _NEVER,
    "table": _NEVER,
    "show": _NEVER,
    "describe": _NEVER,
    "desc": _NEVER,
    "explain": re.compile(r"\bANALY[SZ]E\b", re.IGNORECASE),
    "pragma": re.compile("="),
    "fetch": _NEVER,
    "declare": _NEVER,
    "close": _NEVER,
}
"""By the first word of what only reads, what makes it write all the same."""


def _name(text: str) -> str:
    """Return a name without its quotes; one that has none is the same in every case."""
    if text[0] in '"`':
        return text[1:-1].replace(text[0] * 2, text[0])
    return text.lower()
