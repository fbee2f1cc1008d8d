"""The names that an SQL text of SQLite may use, and what it means by each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


def fold(name: str) -> str:
    """Return a name as SQLite compares it: only the letters of ASCII have no case."""
    return name.encode().lower().decode()


@dataclass(frozen=True, slots=True)
class Names:
    """What a text may name.

    ``known`` are folded. ``table`` is the folded name of the only table that columns can be of, so
    that it may stand before them or not. With ``others_are_strings`` any other name is a string:
    SQLite takes double quotes for those, too. https://www.sqlite.org/quirks.html#dblquote
    """

    known: Collection[str] = ()
    table: str | None = None
    others_are_strings: bool = True

    def resolve(self, name: str) -> tuple[str, str]:
        """Return what one name means, so that two spellings of the same thing become one."""
        folded = fold(name)
        if folded in self.known or folded in _ROWID:
            return "name", folded
        return ("string" if self.others_are_strings else "name"), name

    def resolve_qualified(self, qualifier: str, name: str) -> tuple[str, str]:
        """Return what a name behind another one means."""
        if fold(qualifier) == self.table:
            return "name", fold(name)
        return "name", f"{fold(qualifier)}.{fold(name)}"


_ROWID = ("rowid", "oid", "_rowid_")
