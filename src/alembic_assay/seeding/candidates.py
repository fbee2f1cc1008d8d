"""Values that may be right where the first one is not: from the text of checks, and a few others.

Which one is right, the database itself says.
"""

from __future__ import annotations

import re
import string
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON
from sqlalchemy import Enum as EnumType

from alembic_assay.seeding.values import NoValue, ValueSource, fit, spell

_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_NUMBER = re.compile(r"(?<![\w'.])-?\d+(?:\.\d+)?(?![\w'])")
_WHOLE = re.compile(r"-?\d+")

_FEW = 10
"""Numbers for which there are values of all kinds."""

LONGEST = 2000
"""Numbers in a check up to this one may be the length of a text."""


@dataclass(frozen=True, slots=True)
class Literals:
    """What stands in the text of some checks, in its order."""

    texts: tuple[str, ...] = ()
    numbers: tuple[Decimal, ...] = ()

    @classmethod
    def of(cls, sqls: Iterable[str]) -> Literals:
        """Read the literals of some SQL; those within a list as a text (``{a,b}``) too."""
        texts: list[str] = []
        numbers: list[Decimal] = []
        for sql in sqls:
            for quoted in _QUOTED.findall(sql):
                text = quoted.replace("''", "'")
                texts.append(text)
                if text.startswith("{") and text.endswith("}"):
                    texts += [one.strip('" ') for one in text[1:-1].split(",") if one]
            numbers += map(Decimal, _NUMBER.findall(sql))
        numbers += [Decimal(text) for text in texts if _NUMBER.fullmatch(text)]
        return cls(tuple(dict.fromkeys(texts)), tuple(dict.fromkeys(numbers)))

    @property
    def lengths(self) -> list[int]:
        """How long a text may have to be, the exact numbers first."""
        exact = [int(one) for one in self.numbers if one == int(one)]
        wanted = [one + more for more in (0, 1, -1) for one in exact]
        return [one for one in dict.fromkeys(wanted) if 0 < one <= LONGEST]


def make_candidates(
    source: ValueSource, numbers: Sequence[int], literals: Literals | None
) -> list[Any]:
    """Return different values for a column, the likeliest first.

    ``numbers`` has more than one for a column that may have to differ from other rows, and
    ``literals`` are of the checks that it may have to meet. There are none where the model takes
    none. Raises ``NoValue`` where the type that is stored is not known.
    """
    plain = [source.make(number) for number in numbers]
    others: list[Any] = []
    for number in numbers[:_FEW]:
        others += _alternatives(source, plain[0], number, literals or Literals())
    # Without a check all that may be wrong with a value is that another row has it.
    found = [plain[0], *others, *plain] if literals else [*plain, *others]
    return list(_accepted(source, {_identity(one): one for one in found}.values()))


def _accepted(source: ValueSource, values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        with suppress(NoValue):
            yield source.accept(value)


def _identity(value: Any) -> Hashable:
    # True equals 1, and lists cannot be hashed.
    return value if isinstance(value, Enum) else (type(value), repr(value))


def _alternatives(
    source: ValueSource, first: Any, number: int, literals: Literals
) -> Iterator[Any]:
    type_ = source.plain_type
    if isinstance(type_, EnumType) and (type_.enum_class or type_.enums):
        yield from type_.enum_class or type_.enums
    elif isinstance(type_, ARRAY):
        item = ValueSource(
            source.name, type_.item_type, type_.item_type, source.backend, source.dialect
        )
        for one in make_candidates(item, [number], literals):
            yield [one]
    elif isinstance(type_, JSON):
        yield from ({"key": number}, [], [number], {"key": f"{source.name}-{number}"})
        yield from ({text: f"{source.name}-{number}"} for text in literals.texts)
        yield from ({text: number} for text in literals.texts)
    elif isinstance(first, bool):
        yield from (False, True)
    elif isinstance(first, int):
        yield from _whole_numbers(source, number, literals)
    elif isinstance(first, (float, Decimal)):
        yield from map(type(first), _numbers(source, number, literals))
    elif isinstance(first, str):
        yield from _texts(source, number, literals)
    elif isinstance(first, bytes):
        yield from (text.encode() for text in _texts(source, number, literals))
    elif isinstance(first, (date, time, timedelta)):
        yield from _times(first, literals)
    elif isinstance(first, UUID):
        with suppress(ValueError):
            yield from map(UUID, literals.texts)


def _numbers(source: ValueSource, number: int, literals: Literals) -> Iterator[Decimal]:
    """Yield what is at, beside and between the numbers in the checks."""
    near = [one + more for one in literals.numbers for more in (0, 1, -1)]
    beside = [Decimal(one) for one in (number + 1, number - 1)]
    for one in (*near, *beside, *map(Decimal, ("0", "1", "0.5", "-1", "10", "100"))):
        if abs(one) <= max(source.limit, 1):
            yield one


def _whole_numbers(source: ValueSource, number: int, literals: Literals) -> Iterator[int]:
    for one in _numbers(source, number, literals):
        if one == int(one):
            yield int(one)


def _texts(source: ValueSource, number: int, literals: Literals) -> Iterator[str]:
    """Yield texts of several kinds, which are not too long; patterns come last."""
    patterns = [text for text in literals.texts if re.search(r"[%\\^$*]", text)]
    others = [text for text in literals.texts if text not in patterns]
    longest = LONGEST if source.length is None else source.length
    lengths = [one for one in literals.lengths if one <= longest][:16]
    made = [*others, *(_pad(source.name, number, length) for length in lengths)]
    made += _kinds_of_text(source.name, number, longest)
    for length in lengths:
        made += _signs(number, length)
    made += [f"{text}{number}" for text in others]
    made += [re.sub(r"[%\\^$]", "", text) for text in patterns] + patterns
    yield from (text for text in dict.fromkeys(made) if len(text) <= longest)


def _kinds_of_text(name: str, number: int, longest: int) -> Iterator[str]:
    word = re.sub(r"[^a-z]", "", name.lower()) + spell(number - 1, string.ascii_lowercase)
    yield f"{name}-{number}@example.com"
    yield f"https://example.com/{number}"
    yield f"{name}_{number}"
    yield from (word, word.upper(), word.capitalize(), "{}", str(number))
    yield from _signs(number, min(longest, 8))
    yield f"00000000-0000-4000-8000-{number:012x}"
    yield from ("[]", f'{{"key": {number}}}', f"/{name}/{number}", f"+4930{number:07}")
    yield from (f"1.0.{number}", f"10.0.0.{number % 256}", "2020-01-01", "12:00", "")


def _signs(number: int, length: int) -> Iterator[str]:
    """Yield texts of one length: of digits, small and capital letters."""
    yield str(number).rjust(length, "0")[-length:]
    for signs in (string.ascii_lowercase, string.ascii_uppercase):
        yield spell(number - 1, signs).rjust(length, signs[0])[-length:]


def _pad(name: str, number: int, length: int) -> str:
    zeros = length - len(name) - 1
    return f"{name}-{number:0{zeros}}" if zeros > 0 else fit(name, number, length)


def _times(first: Any, literals: Literals) -> Iterator[Any]:
    """Yield what is in the checks, before, after, and far from the first value."""
    for text in literals.texts:
        with suppress(ValueError):
            if isinstance(first, datetime):
                yield datetime.fromisoformat(text).replace(tzinfo=first.tzinfo)
            elif isinstance(first, (date, time)):
                yield type(first).fromisoformat(text)
    if isinstance(first, time):
        yield from (first.replace(hour=hour) for hour in (12, 23))
    elif isinstance(first, timedelta):
        yield from (first + timedelta(seconds=1), timedelta(0), timedelta(days=1), -first)
    else:
        day = timedelta(days=1)
        yield from (first + day, first - day, first.replace(year=2100), first.replace(year=1990))
