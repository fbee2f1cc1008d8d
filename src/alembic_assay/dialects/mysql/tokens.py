"""Words, names and literals in what the server prints."""

from __future__ import annotations

import re

QUOTED = r"'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`"
"""A string literal or a quoted name, as a regular expression."""

_PIECE = re.compile(rf"{QUOTED}|[(),]|\s+|[^\s'`(),]+|.", re.DOTALL)
_ATOM = r"[\w.=-]|`[\w$]+`|'[^'\\\s]*'(?!')"
_PLAIN = re.compile(rf"(?:{_ATOM}|\((?:{_ATOM}|,)*\)| (?! ))+(?<! )")
"""Words without any white space in them, as in most lines: they are split without a search."""

_VERSION_COMMENT = re.compile(rf"({QUOTED})|/\*M?!\d* ?| ?\*/", re.DOTALL)
_NAME = re.compile(r"`(?:[^`]|``)*`")
_SIMPLE_NAME = re.compile(r"`([\w$]+)`")
_ESCAPED = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "Z": "\x1a"}


def split_words(text: str) -> list[str]:
    """Split at white space, but not inside of parentheses, names and literals."""
    if _PLAIN.fullmatch(text):
        return text.split(" ")
    words = []
    word, depth = "", 0
    for piece in _PIECE.findall(text):
        if depth == 0 and piece.isspace():
            if word:
                words.append(word)
            word = ""
            continue
        depth += (piece == "(") - (piece == ")")
        word += piece
    return [*words, word] if word else words


def split_list(text: str) -> list[str]:
    """Split at commas, but not inside of parentheses, names and literals."""
    if "(" not in text and "," not in text:
        return [text]
    items, depth = [""], 0
    for piece in _PIECE.findall(text):
        if depth == 0 and piece == ",":
            items.append("")
            continue
        depth += (piece == "(") - (piece == ")")
        items[-1] += piece
    return [item.strip() for item in items]


def unwrap_comments(sql: str) -> str:
    """Return a statement with what it says to some versions only (``/*!80023 INVISIBLE */``)."""
    if "/*" not in sql:
        return sql
    return _VERSION_COMMENT.sub(lambda match: match[1] or "", sql)


def unquote(text: str) -> str:
    """Remove the quotes of names: of one that is all of the text, else of those that need none."""
    if text.count("`") == 2 and text[0] == text[-1] == "`":
        return text[1:-1]
    if _NAME.fullmatch(text):
        return text[1:-1].replace("``", "`")
    return _SIMPLE_NAME.sub(r"\1", text)


def read_text(literal: str) -> str:
    """Return what a string literal stands for; anything else as it is."""
    if not literal.startswith("'"):
        return literal
    return _ESCAPED.sub(
        lambda match: _ESCAPES.get(match[1], match[1]) if match[1] else "'", literal[1:-1]
    )


def literal(text: str) -> str:
    """Return a text as a string literal of SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def quote(name: str) -> str:
    """Return a name as SQL needs it."""
    return "`" + name.replace("`", "``") + "`"
