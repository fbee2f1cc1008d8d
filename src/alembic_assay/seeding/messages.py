"""What is said where a row cannot be made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from alembic_assay.exceptions import UsageError
from alembic_assay.seeding.shape import Condition


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that nothing has."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return UsageError(
        f'{what} "{name}"',
        effect="No row was made.",
        help=f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(names) or 'none'}.",
    )


def unknown_type(title: str, column: str, key: str, type_: str) -> UsageError:
    """Return the error for a column of whose type no value is known."""
    return UsageError(
        f'"{column}" needs a value, and none is known for its type {type_}',
        effect=f"It is NOT NULL and has no default. {_no_row(column)}",
        help=f"give one: {give(title, key)}",
    )


def unmet(
    title: str, table: str, conditions: Sequence[Condition], keys: Sequence[str]
) -> UsageError:
    """Return the error for conditions that no row was found to meet."""
    labels = " and ".join(dict.fromkeys(one.label for one in conditions))
    return UsageError(
        f'no values were found for "{table}" that meet {labels}',
        effect="Those tried were made of its literals and of common ones."
        f' No row of "{table}" was made.',
        help=f"give some: {give(title, *keys)}",
    )


def cycle(title: str, columns: Sequence[str], key: str) -> UsageError:
    """Return the error for rows of which each needs the other first."""
    path = " -> ".join(f'"{one}"' for one in columns)
    return UsageError(
        f"the foreign keys {path} go round in a circle",
        effect="All are NOT NULL, so that no row can be the first, and there is none yet.",
        help=f"give a row that is there: {give(title, key)}",
    )


def numbered_self_reference(title: str, column: str, referred: str, key: str) -> UsageError:
    """Return the error for a row that cannot point at itself."""
    return UsageError(
        f'"{column}" is NOT NULL and refers to "{referred}" of the same table',
        effect="A row could only point at itself, but its number is GENERATED ALWAYS by the"
        " database and not known before; and there is no other one.",
        help=f"give a row that is there: {give(title, key)}",
    )


def not_in_model(model: str, table: str, column: str) -> UsageError:
    """Return the error for a column without which a model cannot be inserted."""
    return UsageError(
        f'"{table}.{column}" is NOT NULL and has no default, and {model} has no attribute for it',
        effect=f"No {model} can be inserted, by the application either.",
        help=f'add the column to the model, or make a row of the table: factory("{table}")',
    )


def _no_row(column: str) -> str:
    return f'No row of "{column.rpartition(".")[0]}" was made.'


def give(title: str, *keys: str) -> str:
    """Return the call that gives values."""
    return f"factory({title}, {', '.join(f'{key}=...' for key in keys)})"
