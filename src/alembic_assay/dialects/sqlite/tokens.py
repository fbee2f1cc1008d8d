"""The tokens of SQL that SQLite has stored, and the one way in which we spell them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple


class Token(NamedTuple):
    """One token; ``text`` of a quoted ``name`` is without its quotes, of all others as written."""

    kind: str
    text: str
    keyword: str
    """The upper-case word or the operator, ``""`` for anything that is quoted or a number."""

    @property
    def identifier(self) -> str | None:
        """The identifier that it is where one must come: SQLite takes a string for one, too."""
        if self.kind == "string":
            return self.text[1:-1].replace("''", "'")
        is_name = self.kind == "name" or (self.kind == "word" and self.keyword not in _RESERVED)
        return self.text if is_name else None


END = Token("end", "", "")


def read_tokens(sql: str) -> list[Token]:
    """Split any text into tokens, without comments and white space; fails on none."""
    tokens = [token for text in _SPLIT.findall(sql) if (token := _make_token(text))]
    while tokens and tokens[-1].keyword == ";":
        tokens.pop()
    return tokens


def render_tokens(tokens: Sequence[Token]) -> str:
    """Spell tokens so that two spellings of the same thing become one.

    Keywords are upper-case, function names lower-case, identifiers unquoted where they can be.
    The case of identifiers stays: it does not matter to SQLite, but in a view it is what an
    application sees as a column's name.
    """
    spelled = ""
    before = before_that = END
    for token, after in zip(tokens, [*tokens, END][1:], strict=True):
        if before is not END and not _is_tight(before_that, before, token):
            spelled += " "
        spelled += _spell(token, before, after)
        before_that, before = before, token
    return spelled


def render_expression(tokens: Sequence[Token]) -> str:
    """Spell an expression, without parentheses around the whole of it."""
    return render_tokens(_unwrap(tokens))


def render_term(tokens: Sequence[Token], columns: Collection[str]) -> str:
    """Spell one term of a key or an index: ``email COLLATE NOCASE DESC``, ``lower(email)``.

    A name is spelled as in ``columns``, those of the table, which is how a reflection spells it.
    """
    direction = tokens[-1].keyword if len(tokens) > 1 else ""
    if direction in ("ASC", "DESC"):
        tokens = tokens[:-1]
    tokens = _unwrap(tokens)
    name = tokens[0].identifier if tokens else None
    if name is not None and len(tokens) == 1:
        spelled = resolve_name(name, columns)
    elif name is not None and len(tokens) == 3 and tokens[1].keyword == "COLLATE":
        spelled = f"{resolve_name(name, columns)} COLLATE {(tokens[2].identifier or '').upper()}"
    else:
        spelled = render_tokens(tokens)
    return f"{spelled} DESC" if direction == "DESC" else spelled


def resolve_name(name: str, columns: Collection[str]) -> str:
    """Return ``name`` as one of ``columns`` has it, whatever its case, if any has."""
    if name in columns:
        return name
    return next((column for column in columns if column.lower() == name.lower()), name)


@lru_cache(maxsize=4096)
def _make_token(text: str) -> Token | None:
    """Make a token of what one is written as; of a comment, none. A schema repeats its words."""
    match = _TOKEN.match(text)
    kind = match.lastgroup if match else None
    if kind is None or kind == "space":
        return None
    if kind == "name":
        quote = text[0]
        text = text[1:-1] if quote == "[" else text[1:-1].replace(quote * 2, quote)
    return Token(kind, text, text.upper() if kind in {"word", "operator"} else "")


def closing_position(tokens: Sequence[Token]) -> int:
    """Return where the parenthesis that comes first is closed, 0 if it nowhere is."""
    depth = 0
    for position, token in enumerate(tokens):
        depth += (token.keyword == "(") - (token.keyword == ")")
        if not depth:
            return position
    return 0


def _unwrap(tokens: Sequence[Token]) -> Sequence[Token]:
    while tokens and tokens[0].keyword == "(" and closing_position(tokens) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def _spell(token: Token, before: Token, after: Token) -> str:
    if token.kind == "operator":
        return {"==": "=", "!=": "<>"}.get(token.text, token.text)
    if token.kind in ("blob", "number"):
        return token.text.upper()
    if token.kind == "string":
        return token.text
    upper = token.text.upper()
    if token.kind == "name" and (upper in _RESERVED or not _WORD.fullmatch(token.text)):
        return '"' + token.text.replace('"', '""') + '"'
    if upper in _RESERVED or upper in _OTHER_KEYWORDS or before.keyword == "COLLATE":
        return upper
    return token.text.lower() if after.keyword == "(" else token.text


def _is_tight(before_that: Token, before: Token, token: Token) -> bool:
    if token.keyword in (")", ",", ".", ";") or before.keyword in ("(", "."):
        return True
    if token.keyword == "(":
        return before.kind in ("word", "name") and not _is_keyword(before)
    is_sign = before.keyword in ("+", "-") and token.kind == "number"
    is_after_operator = before_that.kind in ("operator", "end") and before_that.keyword != ")"
    return is_sign and (is_after_operator or _is_keyword(before_that))


def _is_keyword(token: Token) -> bool:
    return token.keyword in _RESERVED or token.keyword in _OTHER_KEYWORDS


# https://www.sqlite.org/src/file/src/tokenize.c: every character from U+0080 on may be part of
# an identifier, a comment may end with the text, a number may have underscores.
_KINDS = {
    "space": r"--[^\n]*|/\*.*?(?:\*/|\Z)|\Z",
    "blob": r"[xX]'[0-9a-fA-F]*'",
    "string": r"'[^']*(?:''[^']*)*'",
    "name": r"""\"[^"]*(?:""[^"]*)*"|`[^`]*(?:``[^`]*)*`|\[[^\]]*\]""",
    "number": r"0[xX][0-9a-fA-F]+"
    r"|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?",
    "word": r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*",
    "operator": r"->>|->|\|\||<=|>=|<>|!=|==|<<|>>|.",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{form})" for kind, form in _KINDS.items()), re.DOTALL)
_SPLIT = re.compile(rf"[ \t\n\f\r\ufeff]*({'|'.join(_KINDS.values())})", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*")

# Words that are an identifier only in quotes: those that have no "fallback" to one in
# https://www.sqlite.org/src/file/src/parse.y, and those that are a value without quotes.
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
    ADD ALL ALTER AND AS AUTOINCREMENT BETWEEN CASE CHECK COLLATE COMMIT CONSTRAINT CREATE
    CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP DEFAULT DEFERRABLE DELETE DISTINCT DROP ELSE ESCAPE
    EXCEPT EXISTS FALSE FOREIGN FROM GROUP HAVING IN INDEX INSERT INTERSECT INTO IS ISNULL JOIN
    LIMIT NOT NOTHING NOTNULL NULL ON OR ORDER PRIMARY REFERENCES RETURNING SELECT SET TABLE THEN
    TO TRANSACTION TRUE UNION UNIQUE UPDATE USING VALUES WHEN WHERE
        """,
    )
)

# Words of expressions, queries and triggers that are also an identifier without quotes.
_OTHER_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """
    ABORT AFTER ASC BEFORE BEGIN BY CONFLICT CROSS CURRENT DESC DO EACH END EXCLUDE FAIL FILTER
    FIRST FOLLOWING FOR FULL GLOB GROUPS IGNORE INDEXED INNER INSTEAD LAST LEFT LIKE MATCH
    MATERIALIZED NATURAL NO NULLS OF OFFSET OTHERS OUTER OVER PARTITION PRECEDING RANGE RECURSIVE
    REGEXP REPLACE RIGHT ROLLBACK ROW ROWS TIES UNBOUNDED WINDOW WITH
        """,
    )
)
