"""A parser's way through a list of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from alembic_assay.dialects.sqlite.tokens import END, Token, closing_position

_Found = TypeVar("_Found")


class Unparsable(Exception):
    """SQL text is not what the parser knows; its caller falls back on the bare tokens."""


class Cursor:
    """A place in a list of tokens, from which a parser takes what it expects."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._keywords = tuple(token.keyword for token in tokens)
        self._position = 0

    def at(self, *keywords: str) -> bool:
        """Whether these bare words or operators come next."""
        return self._keywords[self._position : self._position + len(keywords)] == keywords

    def accept(self, *keywords: str) -> bool:
        """Take these bare words or operators if they come next."""
        if not self.at(*keywords):
            return False
        self._position += len(keywords)
        return True

    def take_words(self, *phrases: str) -> str:
        """Take one of these phrases. Raises ``Unparsable`` where another one comes."""
        for phrase in phrases:
            if self.accept(*phrase.split()):
                return phrase
        raise Unparsable(f"expected one of {', '.join(phrases)}, found {self.peek().text!r}")

    def peek(self) -> Token:
        """Return the next token, ``END`` after the last one."""
        return self._tokens[self._position] if self._position < len(self._tokens) else END

    def is_at_end(self) -> bool:
        """Whether no token is left."""
        return self._position >= len(self._tokens)

    def attempt(self, parse: Callable[[], _Found]) -> _Found | None:
        """Return what ``parse`` makes; take nothing, and return none, where it cannot."""
        start = self._position
        try:
            return parse()
        except Unparsable:
            self._position = start
            return None

    def take(self) -> Token:
        """Take any one token. Raises ``Unparsable`` at the end."""
        token = self.peek()
        if token is END:
            raise Unparsable("unexpected end")
        self._position += 1
        return token

    def take_name(self) -> str:
        """Take an identifier, of which SQLite also knows the form of a string literal."""
        name = self.take().identifier
        if name is None:
            raise Unparsable(f"expected a name, found {self._tokens[self._position - 1].text!r}")
        return name

    def take_group(self) -> Sequence[Token]:
        """Take what stands in parentheses and return it without them."""
        rest = self._tokens[self._position :]
        end = closing_position(rest) if self.at("(") else 0
        if not end:
            raise Unparsable(f"expected parentheses, found {self.peek().text!r}")
        self._position += end + 1
        return rest[1:end]

    def take_items(self) -> list[Sequence[Token]]:
        """Take a list in parentheses and return its items."""
        items: list[list[Token]] = [[]]
        depth = 0
        for token in self.take_group():
            depth += (token.keyword == "(") - (token.keyword == ")")
            if token.keyword == "," and not depth:
                items.append([])
            else:
                items[-1].append(token)
        return [*items]

    def take_end(self) -> None:
        """Take nothing. Raises ``Unparsable`` where something is left."""
        if self.peek() is not END:
            raise Unparsable(f"expected the end, found {self.peek().text!r}")

    def take_until(self, *keywords: str) -> Sequence[Token]:
        """Take all tokens up to one of these outside of parentheses, or to the end."""
        start, depth = self._position, 0
        while self.peek() is not END and (depth or self.peek().keyword not in keywords):
            token = self.take()
            depth += (token.keyword == "(") - (token.keyword == ")")
        return self._tokens[start : self._position]


def take_qualified_name(cursor: Cursor) -> str:
    """Take the name of the object that a CREATE statement makes, without its schema."""
    cursor.accept("IF", "NOT", "EXISTS")
    name = cursor.take_name()
    return cursor.take_name() if cursor.accept(".") else name
