"""A value for a column, by its type and a number; different numbers make different values."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from string import ascii_lowercase, digits
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    Enum,
    Float,
    Integer,
    Interval,
    Numeric,
    String,
    Time,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.types import TypeEngine

from alembic_assay.dialects import Backend


class NoValue(Exception):
    """No value is known for a type."""


@dataclass(frozen=True, slots=True)
class ValueSource:
    """Makes the values of one column.

    ``type`` is that of the model, whose values are wanted, and ``stored`` what the database has,
    which says how long or large they may be.
    """

    name: str
    type: TypeEngine[Any]
    stored: TypeEngine[Any]
    backend: Backend
    dialect: Dialect

    def make(self, number: int) -> Any:
        """Return the n-th value of the type that is stored. Raises ``NoValue``."""
        for type_ in (self.plain_type, self._plain(self.stored)):
            value = self.backend.make_value(type_, number)
            if value is None:
                value = self._make_generic(type_, number)
            if value is not None:
                return value
        raise NoValue

    def accept(self, value: Any) -> Any:
        """Return such a value as the model has it. Raises ``NoValue`` where it has none."""
        if not isinstance(self.type, TypeDecorator) or isinstance(value, ColumnElement):
            return value
        # A type of the application's own takes what it is made of, or what it reads from that.
        for convert in (_unchanged, self._read):
            with suppress(Exception):
                accepted = convert(value)
                self._read(self._bind(accepted))
                return accepted
        raise NoValue

    def _bind(self, value: Any) -> Any:
        try:
            return cast("TypeDecorator[Any]", self.type).process_bind_param(value, self.dialect)
        except NotImplementedError:
            return value

    def _read(self, value: Any) -> Any:
        try:
            return cast("TypeDecorator[Any]", self.type).process_result_value(value, self.dialect)
        except NotImplementedError:
            return value

    @property
    def plain_type(self) -> TypeEngine[Any]:
        """The type of the model without what is wrapped around it."""
        return self._plain(self.type)

    @property
    def length(self) -> int | None:
        """How long a text or some bytes may be."""
        lengths = (getattr(self._plain(one), "length", None) for one in (self.type, self.stored))
        return min((one for one in lengths if isinstance(one, int)), default=None)

    @property
    def limit(self) -> int:
        """The largest whole number that there may be."""
        largest = [2**31 - 1]
        for one in (self._plain(self.type), self._plain(self.stored)):
            largest.append(_LIMITS.get(str(one.__visit_name__).upper(), largest[0]))
            if isinstance(one, Numeric) and not isinstance(one, Float) and one.precision:
                largest.append(int(10 ** (one.precision - (one.scale or 0))) - 1)
        return min(largest)

    def _make_generic(self, type_: TypeEngine[Any], number: int) -> Any:
        for kind, make in _KINDS:
            if isinstance(type_, kind):
                return make(self, type_, number)
        # The binary types of a dialect have no public class in common.
        with suppress(NotImplementedError):
            if type_.python_type is bytes:
                return fit(self.name, number, self.length).encode()[: self.length]
        return None

    def _plain(self, type_: TypeEngine[Any]) -> TypeEngine[Any]:
        """Return what a type comes to in this database, without what is wrapped around it."""
        while not isinstance(type_, Interval):  # which would come to a moment
            resolved = self.backend.base_type(type_).dialect_impl(self.dialect)
            if not isinstance(resolved, TypeDecorator):
                return resolved
            type_ = resolved.impl_instance
        return type_


def _unchanged(value: Any) -> Any:
    return value


def fit(name: str, number: int, length: int | None) -> str:
    """Return such as ``name-1``, cut to a length; the number is the last to go."""
    suffix = f"-{number}"
    if length is None or len(name) + len(suffix) <= length:
        return name + suffix
    if len(suffix) < length:
        return name[: length - len(suffix)] + suffix
    if len(suffix) <= length + 1:
        return name[: length + 1 - len(suffix)] + suffix[1:]
    return spell(number, digits + ascii_lowercase)[-length:]


def spell(number: int, signs: str) -> str:
    """Spell a number in other signs than digits."""
    spelled = ""
    while number or not spelled:
        number, place = divmod(number, len(signs))
        spelled = signs[place] + spelled
    return spelled


_LIMITS = {
    "SMALL_INTEGER": 2**15 - 1,
    "SMALLINT": 2**15 - 1,
    "TINYINT": 2**7 - 1,
    "MEDIUMINT": 2**23 - 1,
}
"""By SQLAlchemy's names for types."""


def _text(source: ValueSource, type_: Any, number: int) -> str:
    email, url = f"{source.name}-{number}@example.com", f"https://example.com/{number}"
    for words, text in (("mail", email), ("url|uri|href", url)):
        fits = source.length is None or len(text) <= source.length
        if fits and re.search(words, source.name, re.IGNORECASE):
            return text
    return fit(source.name, number, source.length)


def _whole(source: ValueSource, type_: Any, number: int) -> int:
    return (number - 1) % source.limit + 1


def _numeric(source: ValueSource, type_: Any, number: int) -> Any:
    if source.limit == 0:
        value = Decimal(number % 10 ** int(type_.scale)).scaleb(-int(type_.scale))
    else:
        value = Decimal(_whole(source, type_, number))
    return value if type_.asdecimal else float(value)


def _enum(source: ValueSource, type_: Any, number: int) -> Any:
    members = list(type_.enum_class) if type_.enum_class else type_.enums
    return members[0] if members else None


def _moment(source: ValueSource, type_: Any, number: int) -> datetime:
    zone = timezone.utc if type_.timezone else None
    return datetime(2020, 1, 1, tzinfo=zone) + timedelta(seconds=number)


def _time(source: ValueSource, type_: Any, number: int) -> time:
    zone = timezone.utc if type_.timezone else None
    return (datetime(2020, 1, 1, tzinfo=zone) + timedelta(seconds=number)).timetz()


def _uuid(source: ValueSource, type_: Any, number: int) -> Any:
    value = UUID(f"00000000-0000-4000-8000-{number:012x}")
    return value if type_.as_uuid else str(value)


_KINDS: list[tuple[Any, Callable[[ValueSource, Any, int], Any]]] = [
    (Enum, _enum),
    (Boolean, lambda source, type_, number: False),
    (Integer, _whole),
    (Float, _numeric),
    (Numeric, _numeric),
    (Uuid, _uuid),
    (String, _text),
    (DateTime, _moment),
    (Date, lambda source, type_, number: date(2020, 1, 1) + timedelta(days=number)),
    (Time, _time),
    (Interval, lambda source, type_, number: timedelta(seconds=number)),
    (ARRAY, lambda source, type_, number: []),
    (JSON, lambda source, type_, number: {}),
]
"""The first that a type is one of. Enum is a String, too."""
