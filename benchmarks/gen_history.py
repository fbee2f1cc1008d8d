#!/usr/bin/env python
"""Generate a synthetic Alembic project with N linear revisions.

    python gen_history.py OUTDIR N [--dialect sqlite|postgresql] [--seed S] [--force]

Writes OUTDIR/alembic.ini, OUTDIR/migrations/ (env.py, script.py.mako, versions/) and
OUTDIR/models.py.  The metadata in models.py matches the schema at head exactly
(``alembic check`` is clean, with compare_type and compare_server_default on), and every
downgrade is a true inverse of its upgrade.

Each revision does one to three of: create_table, add_column, create_index, alter_column
(nullability, VARCHAR width, INTEGER->BIGINT, server default), add a foreign key column,
add a unique constraint, drop_column, drop_index.  For ``sqlite`` every ALTER goes through
``op.batch_alter_table`` (what ``render_as_batch`` generates); for ``postgresql`` plain ``op.*``
calls are used and a few columns are JSONB.  The sqlite project also runs on PostgreSQL except
for boolean defaults.

env.py honours, in this order: ``config.attributes["connection"]`` (a Connection, an Engine,
anything with ``.connect()``, or an AsyncEngine) and ``sqlalchemy.url`` in the Config.

Needs nothing but the standard library.  The same (N, dialect, seed) gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

NOUNS = """account address article audit_log badge basket batch booking branch brand campaign
card carrier category channel claim comment company contact contract coupon course credit
customer delivery device discount document draft employee event expense export facet feed file
folder gateway gift group holiday host image import invoice item job journal key label lead
ledger lesson license link location machine mailbox member menu message metric module note
notice offer option order outlet package page partner payment permission person photo plan
policy post price product profile project promo quota quote rating receipt record refund region
report request review role route rule schedule score search segment seller session setting shelf
shift shipment signal site skill slot snapshot source sprint stage stock store stream
subscription supplier survey tag target task tax team template tenant ticket token topic
tracker transfer trial unit upload user vendor venue version video visit voucher wallet
warehouse webhook widget workflow zone""".split()

FIELDS = """title name code status state kind description notes slug email phone amount total
price quantity position priority weight height score rank rating currency country city street
postcode latitude_e6 longitude_e6 started_on ended_on due_on published_at archived_at deleted_at
expires_at token checksum locale timezone color icon url path mime size_bytes version attempts
is_active is_public is_default is_locked payload settings metadata_json external_ref
source_ref comment reason""".split()


# --------------------------------------------------------------------------- schema model


@dataclass
class Column:
    name: str
    type: str
    nullable: bool = True
    default: str | None = None  # a Python expression, e.g. '"new"' or 'sa.text("0")'

    def call(self) -> str:
        default = f", server_default={self.default}" if self.default is not None else ""
        return f'sa.Column("{self.name}", {self.type}, nullable={self.nullable}{default})'

    def mapped(self) -> str:
        default = f", server_default={self.default}" if self.default is not None else ""
        return f"    {self.name} = mapped_column({self.type}, nullable={self.nullable}{default})"


@dataclass
class Index:
    name: str
    columns: list[str]
    unique: bool = False


@dataclass
class ForeignKey:
    name: str
    column: str
    target: str


@dataclass
class Unique:
    name: str
    columns: list[str]


@dataclass
class Table:
    name: str
    order: int
    columns: dict[str, Column] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    fks: dict[str, ForeignKey] = field(default_factory=dict)
    uniques: dict[str, Unique] = field(default_factory=dict)

    def used(self, column: str) -> bool:
        """Whether an index, a foreign key or a unique constraint covers the column."""
        return (
            any(column in i.columns for i in self.indexes.values())
            or any(column == f.column for f in self.fks.values())
            or any(column in u.columns for u in self.uniques.values())
        )


@dataclass
class Step:
    """One operation: what to write in upgrade(), and its inverse for downgrade()."""

    slug: str
    up: list[str]
    down: list[str]


# ------------------------------------------------------------------------------ generator


class Generator:
    def __init__(self, n: int, dialect: str, seed: int, late_tables: float = 0.12) -> None:
        self.n = n
        self.late_tables = late_tables
        self.pg = dialect == "postgresql"
        self.dialect = dialect
        self.seed = seed
        self.rng = random.Random(f"{seed}-{n}-{dialect}")
        self.tables: dict[str, Table] = {}

    # -- small helpers

    def alter(self, table: str, *calls: str) -> list[str]:
        """Render ``alter_column(...)``-like calls, batched for SQLite."""
        if self.pg:
            lines = []
            for call in calls:
                head, rest = call.split("(", 1)
                if head in ("create_unique_constraint", "create_foreign_key", "drop_constraint"):
                    name, rest = rest.split(", ", 1)  # the constraint's name goes before the table
                    lines.append(f'op.{head}({name}, "{table}", {rest}')
                else:
                    lines.append(f'op.{head}("{table}", {rest}')
            return lines
        return [f'with op.batch_alter_table("{table}") as batch_op:'] + [
            f"    batch_op.{call}" for call in calls
        ]

    def boolean(self, value: bool) -> str:
        if self.pg:
            return f'sa.text("{str(value).lower()}")'
        return f'sa.text("{int(value)}")'

    def new_column(self, table: Table | None, taken: set[str]) -> Column:
        rng = self.rng
        free = [f for f in FIELDS if f not in taken]
        if free:
            name = rng.choice(free)
        else:
            name = f"field_{len(taken):03d}"
        if name.startswith("is_"):
            return Column(name, "sa.Boolean()", False, self.boolean(rng.random() < 0.5))
        if name.endswith("_on"):
            return Column(name, "sa.Date()")
        if name.endswith("_at"):
            return Column(name, "sa.DateTime()")
        if name in ("payload", "settings", "metadata_json"):
            return Column(name, "postgresql.JSONB()" if self.pg else "sa.JSON()")
        if name in ("description", "notes", "comment", "reason"):
            return Column(name, "sa.Text()")
        if name in ("amount", "total", "price", "weight", "height", "score"):
            return Column(name, "sa.Numeric(12, 2)", rng.random() < 0.5, 'sa.text("0")')
        if name in ("quantity", "position", "priority", "rank", "rating", "attempts", "version"):
            return Column(name, "sa.Integer()", False, 'sa.text("0")')
        if name in ("size_bytes", "latitude_e6", "longitude_e6"):
            return Column(name, "sa.Integer()")
        if name in ("status", "state", "kind"):
            return Column(name, "sa.String(20)", False, '"new"')
        return Column(name, f"sa.String({rng.choice([40, 80, 120, 200])})", True)

    def pick(self, tables: list[Table]) -> Table:
        return self.rng.choice(tables)

    # -- operations: each returns a Step, or None when the table offers nothing to do

    def op_create_table(self) -> Step:
        rng = self.rng
        order = len(self.tables)
        base = NOUNS[order % len(NOUNS)]
        name = base if order < len(NOUNS) else f"{base}_{order // len(NOUNS) + 1}"
        table = Table(name, order)
        taken = {"id", "created_at"}
        for _ in range(rng.randint(3, 6)):
            column = self.new_column(None, taken)
            taken.add(column.name)
            table.columns[column.name] = column
        table.columns["created_at"] = Column(
            "created_at", "sa.DateTime()", False, 'sa.text("CURRENT_TIMESTAMP")'
        )
        body = ['    sa.Column("id", sa.Integer(), nullable=False),']
        tail = []
        if self.tables and rng.random() < 0.6:
            target = self.pick(list(self.tables.values()))
            column = f"{target.name}_id"
            table.columns[column] = Column(column, "sa.Integer()", True)
            fk = ForeignKey(f"fk_{name}_{column}", column, target.name)
            table.fks[fk.name] = fk
            tail.append(
                f'    sa.ForeignKeyConstraint(["{column}"], ["{target.name}.id"], name="{fk.name}"),'
            )
            table.indexes[f"ix_{name}_{column}"] = Index(f"ix_{name}_{column}", [column])
        body += [f"    {c.call()}," for c in table.columns.values()]
        tail.append(f'    sa.PrimaryKeyConstraint("id", name="pk_{name}"),')
        up = [f"op.create_table(", f'    "{name}",', *body, *tail, ")"]
        down: list[str] = []
        for index in table.indexes.values():
            up.append(
                f'op.create_index("{index.name}", "{name}", {index.columns!r})'.replace("'", '"')
            )
            down.append(f'op.drop_index("{index.name}", table_name="{name}")')
        down.append(f'op.drop_table("{name}")')
        self.tables[name] = table
        return Step(f"create_{name}", up, down)

    def op_add_column(self, table: Table) -> Step | None:
        if len(table.columns) > 28:
            return None
        column = self.new_column(table, {"id", *table.columns})
        table.columns[column.name] = column
        return Step(
            f"add_{table.name}_{column.name}",
            self.alter(table.name, f"add_column({column.call()})"),
            self.alter(table.name, f'drop_column("{column.name}")'),
        )

    def op_create_index(self, table: Table) -> Step | None:
        candidates = [
            c.name for c in table.columns.values() if "JSON" not in c.type and "Text" not in c.type
        ]
        self.rng.shuffle(candidates)
        columns = sorted(candidates[: self.rng.choice([1, 1, 2])])
        name = f"ix_{table.name}_{'_'.join(columns)}"
        if not columns or name in table.indexes or len(name) > 60:
            return None
        table.indexes[name] = Index(name, columns)
        quoted = str(columns).replace("'", '"')
        return Step(
            f"index_{table.name}",
            [f'op.create_index("{name}", "{table.name}", {quoted})'],
            [f'op.drop_index("{name}", table_name="{table.name}")'],
        )

    def op_drop_index(self, table: Table) -> Step | None:
        names = [
            i.name for i in table.indexes.values() if not any(c.endswith("_id") for c in i.columns)
        ]
        if not names:
            return None
        index = table.indexes.pop(self.rng.choice(names))
        quoted = str(index.columns).replace("'", '"')
        return Step(
            f"drop_index_{table.name}",
            [f'op.drop_index("{index.name}", table_name="{table.name}")'],
            [f'op.create_index("{index.name}", "{table.name}", {quoted})'],
        )

    def op_alter_column(self, table: Table) -> Step | None:
        rng = self.rng
        columns = [c for c in table.columns.values() if c.name != "created_at"]
        rng.shuffle(columns)
        for column in columns:
            old = Column(column.name, column.type, column.nullable, column.default)
            # Existing state that alter_column wants to know (MySQL needs it, batch likes it).
            if column.type.startswith("sa.String("):
                width = int(column.type[len("sa.String(") : -1])
                choice = rng.choice(["widen", "null", "default"])
                if choice == "widen" and width < 400:
                    column.type = f"sa.String({width + 50})"
                    return self._alter(
                        table, old, column, f"type_={column.type}", f"type_={old.type}"
                    )
                if choice == "default":
                    new = '"n/a"' if column.default != '"n/a"' else '"none"'
                    column.default = new
                    return self._alter(
                        table, old, column, f"server_default={new}", f"server_default={old.default}"
                    )
            if column.type == "sa.Integer()" and not column.name.endswith("_id"):
                column.type = "sa.BigInteger()"
                return self._alter(
                    table, old, column, "type_=sa.BigInteger()", "type_=sa.Integer()"
                )
            column.nullable = not column.nullable
            return self._alter(
                table, old, column, f"nullable={column.nullable}", f"nullable={old.nullable}"
            )
        return None

    def _alter(self, table: Table, old: Column, new: Column, up: str, down: str) -> Step:
        def call(change: str, existing: Column) -> str:
            known = f", existing_type={existing.type}"
            null = (
                "" if change.startswith("nullable") else f", existing_nullable={existing.nullable}"
            )
            return f'alter_column("{existing.name}", {change}{known}{null})'

        return Step(
            f"alter_{table.name}_{new.name}",
            self.alter(table.name, call(up, old)),
            self.alter(table.name, call(down, new)),
        )

    def op_add_fk(self, table: Table) -> Step | None:
        targets = [
            t
            for t in self.tables.values()
            if t.order < table.order and f"{t.name}_id" not in table.columns
        ]
        if not targets or len(table.columns) > 28:
            return None
        target = self.pick(targets)
        column = Column(f"{target.name}_id", "sa.Integer()", True)
        fk = ForeignKey(f"fk_{table.name}_{column.name}", column.name, target.name)
        table.columns[column.name] = column
        table.fks[fk.name] = fk
        index = Index(f"ix_{table.name}_{column.name}", [column.name])
        table.indexes[index.name] = index
        return Step(
            f"link_{table.name}_{target.name}",
            [
                *self.alter(
                    table.name,
                    f"add_column({column.call()})",
                    f'create_foreign_key("{fk.name}", "{target.name}", ["{column.name}"], ["id"])',
                ),
                f'op.create_index("{index.name}", "{table.name}", ["{column.name}"])',
            ],
            [
                f'op.drop_index("{index.name}", table_name="{table.name}")',
                *self.alter(
                    table.name,
                    f'drop_constraint("{fk.name}", type_="foreignkey")',
                    f'drop_column("{column.name}")',
                ),
            ],
        )

    def op_add_unique(self, table: Table) -> Step | None:
        names = [c.name for c in table.columns.values() if c.type.startswith("sa.String(")]
        if len(names) < 2 or len(table.uniques) >= 2:
            return None
        columns = sorted(self.rng.sample(names, 2))
        name = f"uq_{table.name}_{'_'.join(columns)}"
        if name in table.uniques or len(name) > 60:
            return None
        table.uniques[name] = Unique(name, columns)
        quoted = str(columns).replace("'", '"')
        return Step(
            f"unique_{table.name}",
            self.alter(table.name, f'create_unique_constraint("{name}", {quoted})'),
            self.alter(table.name, f'drop_constraint("{name}", type_="unique")'),
        )

    def op_drop_column(self, table: Table) -> Step | None:
        names = [
            c.name
            for c in table.columns.values()
            if c.name not in ("created_at",)
            and not table.used(c.name)
            and (c.nullable or c.default is not None)
        ]
        if len(table.columns) < 6 or not names:
            return None
        column = table.columns.pop(self.rng.choice(names))
        return Step(
            f"drop_{table.name}_{column.name}",
            self.alter(table.name, f'drop_column("{column.name}")'),
            self.alter(table.name, f"add_column({column.call()})"),
        )

    # -- one revision

    def revision(self, i: int) -> list[Step]:
        rng = self.rng
        steps: list[Step] = []
        # Projects make most of their tables early: about 9 tables at N=10, 30 at 100, 140 at 1000.
        p_table = 1.0 if i < 3 else max(self.late_tables, 0.5 - i / 150)
        if rng.random() < p_table:
            steps.append(self.op_create_table())
            if rng.random() < 0.2:
                steps.append(self.op_create_table())
            return steps
        table = self.pick(list(self.tables.values()))
        wanted = rng.choice([1, 1, 2, 3])
        tries = 0
        while len(steps) < wanted and tries < 20:
            tries += 1
            op = rng.choices(
                [
                    self.op_add_column,
                    self.op_create_index,
                    self.op_alter_column,
                    self.op_add_fk,
                    self.op_add_unique,
                    self.op_drop_column,
                    self.op_drop_index,
                ],
                [38, 16, 20, 12, 5, 6, 3],
            )[0]
            step = op(table)
            if step is not None:
                steps.append(step)
            elif tries % 5 == 0:
                table = self.pick(list(self.tables.values()))
        if not steps:
            steps.append(self.op_create_table())
        return steps

    def revision_id(self, i: int) -> str:
        return hashlib.sha256(f"{self.seed}-{self.n}-{self.dialect}-{i}".encode()).hexdigest()[:12]

    # -- files

    def write(self, out: Path) -> None:
        versions = out / "migrations" / "versions"
        versions.mkdir(parents=True)
        previous = None
        for i in range(self.n):
            steps = self.revision(i)
            revision = self.revision_id(i)
            slug = steps[0].slug[:40]
            up = [line for step in steps for line in step.up]
            down = [line for step in reversed(steps) for line in step.down]
            (versions / f"{i + 1:04d}_{revision}_{slug}.py").write_text(
                REVISION.format(
                    message=", ".join(s.slug for s in steps),
                    revision=revision,
                    previous=previous,
                    down_revision=repr(previous).replace("'", '"'),
                    up="\n".join(f"    {line}" for line in up),
                    down="\n".join(f"    {line}" for line in down),
                    pg=PG_IMPORT if any("postgresql." in line for line in up + down) else "",
                )
            )
            previous = revision
        (out / "models.py").write_text(self.models())
        (out / "alembic.ini").write_text(INI.format(url=DEFAULT_URL[self.dialect]))
        (out / "migrations" / "env.py").write_text(ENV)
        (out / "migrations" / "script.py.mako").write_text(MAKO)

    def models(self) -> str:
        chunks = [MODELS_HEAD]
        for table in self.tables.values():
            cls = "".join(part.capitalize() for part in table.name.split("_"))
            lines = [f"class {cls}(Base):", f'    __tablename__ = "{table.name}"']
            args = [f'sa.PrimaryKeyConstraint("id", name="pk_{table.name}"),']
            for fk in table.fks.values():
                args.append(
                    f'sa.ForeignKeyConstraint(["{fk.column}"], ["{fk.target}.id"], name="{fk.name}"),'
                )
            for unique in table.uniques.values():
                cols = ", ".join(f'"{c}"' for c in unique.columns)
                args.append(f'sa.UniqueConstraint({cols}, name="{unique.name}"),')
            for index in table.indexes.values():
                cols = ", ".join(f'"{c}"' for c in index.columns)
                args.append(f'sa.Index("{index.name}", {cols}),')
            lines.append("    __table_args__ = (")
            lines += [f"        {arg}" for arg in args]
            lines.append("    )")
            lines.append("    id = mapped_column(sa.Integer(), nullable=False)")
            lines += [c.mapped() for c in table.columns.values()]
            chunks.append("\n".join(lines))
        return "\n\n\n".join(chunks) + "\n"


# ------------------------------------------------------------------------------ templates

DEFAULT_URL = {
    "sqlite": "sqlite:///%(here)s/app.db",
    "postgresql": "postgresql+psycopg://localhost/app",
}

PG_IMPORT = "from sqlalchemy.dialects import postgresql\n"

REVISION = '''"""{message}

Revision ID: {revision}
Revises: {previous}
"""

import sqlalchemy as sa
from alembic import op
{pg}
revision = "{revision}"
down_revision = {down_revision}
branch_labels = None
depends_on = None


def upgrade() -> None:
{up}


def downgrade() -> None:
{down}
'''

INI = """[alembic]
script_location = %(here)s/migrations
prepend_sys_path = %(here)s
path_separator = os
sqlalchemy.url = {url}
"""

ENV = """from alembic import context
from sqlalchemy import engine_from_config, pool
from sqlalchemy.engine import Connection

from models import metadata as target_metadata

config = context.config


def run(connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=target_metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_async(engine) -> None:
    async with engine.connect() as connection:
        await connection.run_sync(run)


def run_migrations_offline() -> None:
    context.configure(
        url=config.get_main_option("sqlalchemy.url"),
        target_metadata=target_metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
    )
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online() -> None:
    connectable = config.attributes.get("connection")
    if connectable is None:
        connectable = engine_from_config(
            config.get_section(config.config_ini_section, {}),
            prefix="sqlalchemy.",
            poolclass=pool.NullPool,
        )
    if isinstance(connectable, Connection):
        run(connectable)
    elif type(connectable).__name__ == "AsyncEngine":
        import asyncio

        asyncio.run(run_async(connectable))
    else:
        with connectable.connect() as connection:
            run(connection)


if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
"""

MAKO = '''"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
'''

MODELS_HEAD = """import sqlalchemy as sa
from sqlalchemy.dialects import postgresql  # noqa: F401
from sqlalchemy.orm import DeclarativeBase, mapped_column

metadata = sa.MetaData()


class Base(DeclarativeBase):
    metadata = metadata"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("outdir", type=Path)
    parser.add_argument("n", type=int, help="number of revisions")
    parser.add_argument("--dialect", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--late-tables",
        type=float,
        default=0.12,
        help="share of the late revisions that make a table (0.33: some 400 tables at N=1000)",
    )
    parser.add_argument("--force", action="store_true", help="replace OUTDIR if it exists")
    args = parser.parse_args(argv)
    if args.n < 1:
        parser.error("N must be at least 1")
    if args.outdir.exists() and any(args.outdir.iterdir()):
        if not args.force:
            parser.error(f"{args.outdir} is not empty (use --force)")
        shutil.rmtree(args.outdir)
    args.outdir.mkdir(parents=True, exist_ok=True)
    Generator(args.n, args.dialect, args.seed, args.late_tables).write(args.outdir)
    return 0


if __name__ == "__main__":
    sys.exit(main())
