"""How a row is made: first the rows that it refers to, then its values, then itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, inspect, select, type_coerce
from sqlalchemy.orm import Session

from alembic_assay.dialects import Backend, get_backend
from alembic_assay.exceptions import UsageError
from alembic_assay.seeding.choosing import choose_values
from alembic_assay.seeding.draft import Draft
from alembic_assay.seeding.messages import cycle, numbered_self_reference, unknown_name
from alembic_assay.seeding.plan import Left, Link, Plan, Target
from alembic_assay.seeding.shape import Shape, read_shape


class RowMaker:
    """Makes rows in the transaction of a session; what it has read of tables it remembers."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shapes: dict[tuple[str, str | None], Shape] = {}
        self._plans: dict[Target, Plan] = {}
        self._numbers: Counter[str] = Counter()

    def make(
        self, target: Target, given: Mapping[str, Any], path: tuple[tuple[Target, str], ...] = ()
    ) -> Any:
        """Make a row with these values, and all that it needs; see ``RowFactory``.

        ``path`` are the columns for which it is made, each with the target that it is of.
        """
        # What the test has added to the session, the database is to know.
        self._session.flush()
        connection = target.connect(self._session)
        backend = get_backend(connection.engine.url)
        plan = self._plan(target, backend, connection)
        values, others = target.resolve(self._session, plan, given)
        label = plan.parts[0].shape.label
        number = self._numbers[label] + 1
        draft = Draft(
            target, plan, number, values, others, frozenset(values), connection, backend, path
        )
        self._numbers[label] = number
        for link in plan.links:
            self._meet(link, draft)
        for part in plan.parts:
            demanded = choose_values(part, draft)
            self._numbers[label] = max(self._numbers[label], draft.number)
            for link in plan.links:
                if demanded.intersection(link.keys):
                    self._refer_after_all(link, demanded, draft)
        return target.insert(self._session, plan, draft.finished(), draft.others)

    def _plan(self, target: Target, backend: Backend, connection: Connection) -> Plan:
        def read(name: str, schema: str | None) -> Shape:
            if (name, schema) not in self._shapes:
                shape = read_shape(connection, backend, name, schema)
                if shape is None:
                    place = f' in the schema "{schema}"' if schema else ""
                    tables = inspect(connection).get_table_names(schema)
                    raise unknown_name(f"the database has{place} no table", name, tables)
                self._shapes[name, schema] = shape
            return self._shapes[name, schema]

        if target not in self._plans:
            self._plans[target] = target.plan(read, backend, connection)
        return self._plans[target]

    def _meet(self, link: Link, draft: Draft) -> None:
        """Let a foreign key refer to a row, if it must."""
        known = {key: draft.known(key) for key in link.keys}
        if any(value is None and not draft.needs(key) for key, value in known.items()):
            return  # one NULL is enough to refer to nothing
        if any(value is Left.UNKNOWN for value in known.values()) or draft.given.issuperset(known):
            return
        if link.is_to_itself:
            self._point_at_itself(link, draft)
            return
        fixed = {
            name: value
            for name, value in zip(link.referred, known.values(), strict=True)
            if value is not None
        }
        if len(fixed) < len(known) or self._find_row(link, fixed, draft) is None:
            self._make_other(link, fixed, draft)

    def _find_row(
        self, link: Link, fixed: Mapping[str, Any], draft: Draft
    ) -> Mapping[str, Any] | None:
        """Return the values with which a foreign key refers to a row that is there, if there is.

        ``fixed`` are those that its columns must have.
        """
        plan = self._plan(link.target, draft.backend, draft.connection)
        fields = [plan.fields[plan.key_of(name) or name] for name in link.referred]
        table = plan.part_of(fields[0]).shape.table
        columns = [
            type_coerce(table.c[name], field.source.type)
            for name, field in zip(link.referred, fields, strict=True)
        ]
        same = (
            column == fixed[name]
            for name, column in zip(link.referred, columns, strict=True)
            if name in fixed
        )
        query = select(*columns).where(*same).order_by(*columns).limit(1)
        found = draft.connection.execute(query).first()
        return None if found is None else dict(zip(link.keys, found, strict=True))

    def _make_other(self, link: Link, fixed: Mapping[str, Any], draft: Draft) -> None:
        """Make the row that a foreign key refers to, with what is known of its key."""
        column = draft.plan.column_of(draft.plan.fields[link.keys[0]])
        path = (*draft.path, (draft.target, column))
        targets = [target for target, _ in path]
        plan = self._plan(link.target, draft.backend, draft.connection)
        given = {plan.key_of(name) or name: value for name, value in fixed.items()}
        try:
            if link.target in targets:
                circle = path[targets.index(link.target) :]
                raise cycle(draft.target.title, [name for _, name in circle], link.keys[0])
            other = self.make(link.target, given, path)
        except UsageError:
            # There may be all that there can be: the rows of a table that a migration filled.
            values = self._find_row(link, fixed, draft)
            if values is None:
                raise
            draft.values |= {key: values[key] for key in link.keys if key not in draft.values}
            return
        for key, name in zip(link.keys, link.referred, strict=True):
            if key not in draft.values:
                draft.values[key] = link.target.value_of(other, name)
                draft.fresh.add(key)
        if link.relationship:
            draft.others[link.relationship] = other

    def _refer_after_all(self, link: Link, demanded: frozenset[str], draft: Draft) -> None:
        """Let a foreign key refer to a row that could have been NULL, but for a check."""
        for key in demanded.intersection(link.keys):
            if draft.values.pop(key) is None:
                draft.values[key] = None
                return
        fixed = {
            name: draft.values[key]
            for key, name in zip(link.keys, link.referred, strict=True)
            if key in draft.values
        }
        self._make_other(link, fixed, draft)

    def _point_at_itself(self, link: Link, draft: Draft) -> None:
        fields = draft.plan.fields
        for key, name in zip(link.keys, link.referred, strict=True):
            other = draft.plan.key_of(name)
            if other is None or other == key or key in draft.values:
                continue
            if other not in draft.values and not fields[other].column.is_numbered:
                draft.forced.add(other)
            elif other not in draft.values:
                if not fields[other].takes_values:
                    self._refer_to_any(link, draft)
                    return
                table = draft.plan.part_of(fields[other]).shape.table
                number = draft.backend.next_number(draft.connection, table.c[name])
                draft.values[other] = number
            draft.copies[key] = other

    def _refer_to_any(self, link: Link, draft: Draft) -> None:
        """Let a foreign key refer to a row that is there, as the row itself cannot be known."""
        values = self._find_row(link, {}, draft)
        if values is None:
            column = draft.plan.column_of(draft.plan.fields[link.keys[0]])
            raise numbered_self_reference(
                draft.target.title, column, link.referred[0], link.keys[0]
            )
        draft.values |= values
