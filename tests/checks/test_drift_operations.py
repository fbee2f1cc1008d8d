"""The code that the findings show is run: it mends the drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from alembic_assay.checks.drift import check_drift
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.checks.conftest import WriteModels

    from tests.conftest import ProjectFiles

ADD = "add to a new revision's upgrade(), or change the model:\n"
ID = 'Column("id", Integer, primary_key=True)'


@dataclass(frozen=True)
class Case:
    """Models, and a first revision that falls short of them; each in the words of ``sa``."""

    models: str
    upgrade: str
    databases: tuple[str, ...] = ("sqlite", "postgresql")


def table(*items: str, name: str = "t") -> str:
    return f'Table("{name}", metadata, {", ".join((ID, *items))})\n'


def create(*items: str, name: str = "t") -> str:
    id_ = 'sa.Column("id", sa.Integer, primary_key=True)'
    return f'op.create_table("{name}", {", ".join((id_, *items))})\n'


def in_users(column: str, *items: str) -> Case:
    """Return the case of a column ``c`` that is an Integer in the migrations."""
    return Case(table(column, *items), create('sa.Column("c", sa.Integer)'))


JSON = """'{"a"\\:1}'"""
PG = ("postgresql",)
SQLITE = ("sqlite",)

COLUMNS = {
    "missing": Case(table('Column("c", String(20))'), create()),
    "missing, NOT NULL": Case(table('Column("c", String(20), nullable=False)'), create()),
    "missing, with a default": Case(
        table('Column("c", sa.DateTime, server_default=sa.func.now(), nullable=False)'), create()
    ),
    "missing, computed": Case(table('Column("c", Integer, Computed("id + 1", True))'), create()),
    "missing, unique, index, foreign key": Case(
        table(name="g")
        + table(
            'Column("a", Integer, unique=True)',
            'Column("b", Integer, index=True)',
            'Column("c", ForeignKey("g.id", name="fk_c"))',
            'Column("d", Integer, ForeignKey("g.id"), unique=True, index=True)',
        ),
        create(name="g") + create(),
    ),
    "missing, identity": Case(table('Column("c", Integer, Identity())'), create(), PG),
    "missing, serial": Case(
        'Table("t", metadata, Column("id", Integer, primary_key=True), Column("c", Integer))',
        'op.create_table("t", sa.Column("c", sa.Integer))',
        PG,
    ),
    "missing, boolean with a check": Case(
        table('Column("c", sa.Boolean(create_constraint=True, name="ck_c"))'), create()
    ),
    "missing, enum without a type": Case(
        table(
            'Column("c", sa.Enum("a", "b", name="e", native_enum=False, create_constraint=True))'
        ),
        create(),
    ),
    "extra": Case(table(), create('sa.Column("c", sa.Integer)')),
    "extra, with all that hangs on it": Case(
        table(name="g") + table(),
        create(name="g")
        + create(
            'sa.Column("a", sa.Integer, unique=True)',
            'sa.Column("b", sa.Integer, index=True)',
            'sa.Column("c", sa.Integer, sa.ForeignKey("g.id", name="fk_c"))',
            'sa.Column("d", sa.Integer, sa.ForeignKey("g.id"))',
            'sa.CheckConstraint("a > 0", name="ck_a")',
        ),
    ),
    "type": in_users('Column("c", sa.BigInteger)'),
    "type, length": Case(
        table('Column("c", String(50))'), create('sa.Column("c", sa.String(20), nullable=False)')
    ),
    "type that is not cast by itself": Case(
        table('Column("c", Integer, server_default="1")'),
        create('sa.Column("c", sa.String(20), server_default="x")'),
    ),
    "type and default that are not cast": Case(
        table('Column("c", sa.Boolean)'),
        create('sa.Column("c", sa.String(20), server_default="x")'),
    ),
    "type, to an enum": Case(
        table('Column("c", sa.Enum("a", "b", name="e"), server_default="a")'),
        create('sa.Column("c", sa.String(1), server_default="a")'),
        PG,
    ),
    "type, to an array of enums": Case(
        table('Column("c", sa.ARRAY(sa.Enum("a", "b", name="e")))'),
        create('sa.Column("c", sa.ARRAY(sa.String(1)))'),
        PG,
    ),
    "type, of the application": Case(
        """
        class Code(sa.types.TypeDecorator):
            impl = String(7)
            cache_ok = True
        """
        + table('Column("c", Code)', 'Column("d", Code(), server_default="x")'),
        create('sa.Column("c", sa.Integer)'),
    ),
    "NOT NULL": in_users('Column("c", Integer, nullable=False)'),
    "nullable": Case(
        table('Column("c", Integer)'), create('sa.Column("c", sa.Integer, nullable=False)')
    ),
    "default set": in_users('Column("c", Integer, server_default="7")'),
    "default changed": Case(
        table('Column("c", String(20), server_default="it\'s 5%, :a")'),
        create('sa.Column("c", sa.String(20), server_default="x")'),
    ),
    "default removed": Case(
        table('Column("c", Integer)'), create('sa.Column("c", sa.Integer, server_default="7")')
    ),
    "default in quotes": Case(
        table("""Column("c", String(9), server_default="'x'")"""),
        create('sa.Column("c", sa.String(9))'),
    ),
    "default, JSON": Case(
        table(f"""Column("c", sa.JSON, server_default=sa.text({JSON!r}))"""),
        create('sa.Column("c", sa.JSON)'),
    ),
    "default, an expression": in_users(
        'Column("c", Integer, server_default=sa.func.length("100%"))'
    ),
    "comment": Case(
        table('Column("c", Integer, comment="it\'s :new")', 'Column("d", Integer)'),
        create('sa.Column("c", sa.Integer)', 'sa.Column("d", sa.Integer, comment="old")'),
        PG,
    ),
    "all at once": in_users('Column("c", String(5), nullable=False, server_default="x")'),
    "collation": Case(
        table('Column("c", String(5, collation="C"))', 'Column("d", String(5))'),
        create('sa.Column("c", sa.String(5))', 'sa.Column("d", sa.String(5, collation="C"))'),
        PG,
    ),
    "identity": Case(
        table('Column("c", Integer, Identity())', 'Column("d", Integer, nullable=False)'),
        create(
            'sa.Column("c", sa.Integer, nullable=False)',
            'sa.Column("d", sa.Integer, sa.Identity(), nullable=False)',
        ),
        PG,
    ),
    "identity, always": Case(
        table('Column("c", Integer, Identity(always=True))'),
        create('sa.Column("c", sa.Integer, sa.Identity())'),
        PG,
    ),
    "names that need quotes": Case(
        'Table("T x", metadata, Column("id", Integer, primary_key=True),'
        ' Column("C \'y", String(9), index=True, nullable=False, server_default="a"))',
        'op.create_table("T x", sa.Column("id", sa.Integer, primary_key=True),'
        ' sa.Column("C \'y", sa.Integer))',
    ),
}

TABLES = {
    "missing": Case(
        table(
            'Column("a", Integer, unique=True, nullable=False)',
            'Column("b", String(9), index=True, server_default="x")',
            'Column("c", sa.Boolean(create_constraint=True, name="ck_c"))',
            'CheckConstraint("a % 2 = 0")',
            """CheckConstraint("b <> ' \\\\:x'", name="ck_b")""",
            'UniqueConstraint("a", "b", name="uq_ab")',
            'Index("ix_lower", sa.text("lower(b)"))',
            'Index("ix_part", "b", unique=True, sqlite_where=sa.text("a > 5"),'
            ' postgresql_where=sa.text("a > 5"))',
        ),
        "pass",
    ),
    "missing, that refer to each other": Case(
        table('Column("b", ForeignKey("b.id"))', name="c")
        + table('Column("a", ForeignKey("a.id", name="fk_b_a"))', name="b")
        + table('Column("b", ForeignKey("b.id"))', 'Column("a", ForeignKey("a.id"))', name="a"),
        "pass",
    ),
    "missing, of an enum and a domain": Case(
        "from sqlalchemy.dialects import postgresql\n"
        'e = sa.Enum("a", "b", name="e", metadata=metadata)\n'
        'd = postgresql.DOMAIN("d", Integer, check="VALUE > 0")\n'
        + table('Column("e", e)', 'Column("f", sa.ARRAY(e))', 'Column("d", d)')
        + table('Column("e", e)', 'Column("d", d)', name="u"),
        "pass",
        PG,
    ),
    "missing, with a sequence": Case(
        'Table("t", metadata, Column("id", Integer, sa.Sequence("s", start=5), primary_key=True))',
        "pass",
        PG,
    ),
    "missing, with numbers of its own": Case(
        'Table("t", metadata, Column("id", sa.BigInteger, primary_key=True))\n'
        'Table("u", metadata, Column("id", Integer, primary_key=True, autoincrement=False))\n'
        'Table("v", metadata, Column("a", Integer, Identity(), primary_key=True))',
        "pass",
        PG,
    ),
    "missing, only for this database": Case(
        table(
            'Column("a", Integer)',
            'CheckConstraint("a > 0", name="ck_a").ddl_if(dialect="mysql")',
            'Index("ix_mysql", "a").ddl_if(dialect="mysql")',
            'Index("ix_a", "a")',
        ),
        "pass",
    ),
    "missing, in a schema that is missing": Case(
        """
        Table("T", metadata, Column("id", Integer, primary_key=True), schema="App")
        Table(
            "U", metadata, Column("e", sa.Enum("a", name="E", schema="App")),
            Column("t", ForeignKey("App.T.id"), index=True), schema="App", comment="c",
        )
        """,
        "pass",
        PG,
    ),
    "missing, excluding": Case(
        """
        from sqlalchemy.dialects.postgresql import INT4RANGE, ExcludeConstraint
        """
        + table(
            'Column("r", INT4RANGE)',
            'ExcludeConstraint(("r", "&&"), name="ex_r")',
        ),
        "pass",
        PG,
    ),
    "missing, with keys of columns": Case(
        'Table("g", metadata, Column("group id", Integer, key="id", primary_key=True))\n'
        + table('Column("group", ForeignKey("g.id"), key="g")'),
        "pass",
    ),
    "missing, without rowid": Case(
        'Table("t", metadata, Column("id", Integer, primary_key=True), sqlite_with_rowid=False)\n'
        'Table("u", metadata, Column("id", Integer, primary_key=True), sqlite_autoincrement=True)',
        "pass",
        SQLITE,
    ),
    "extra": Case(
        table(),
        create()
        + create(name="b")
        + create('sa.Column("b", sa.Integer, sa.ForeignKey("b.id"))', name="a")
        + create('sa.Column("a", sa.Integer, sa.ForeignKey("a.id"))', name="c"),
    ),
    "extra, of an enum": Case(
        table(), create() + create('sa.Column("e", sa.Enum("a", name="E x"))', name="x"), PG
    ),
    "without rowid, autoincrement": Case(
        'Table("t", metadata, Column("id", Integer, primary_key=True), sqlite_with_rowid=False)\n'
        'Table("u", metadata, Column("id", Integer, primary_key=True), sqlite_autoincrement=True)',
        'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))\n'
        'op.create_table("u", sa.Column("id", sa.Integer, primary_key=True))',
        SQLITE,
    ),
    "with rowid, no autoincrement": Case(
        'Table("t", metadata, Column("id", Integer, primary_key=True))\n'
        'Table("u", metadata, Column("id", Integer, primary_key=True))',
        'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True),'
        " sqlite_with_rowid=False)\n"
        'op.create_table("u", sa.Column("id", sa.Integer, primary_key=True),'
        " sqlite_autoincrement=True)",
        SQLITE,
    ),
    "comment set": Case(table('comment="it\'s"'), create(), PG),
    "comment changed": Case(table('comment="new"'), create('comment="old"'), PG),
    "comment removed": Case(table(), create('comment="old"'), PG),
    "in another schema": Case(
        """
        Table(
            "u", metadata, Column("id", Integer, autoincrement=False, primary_key=True),
            Column("c", String(9)),
            Column("d", Integer, unique=True), Column("e", ForeignKey("t.id", name="fk_e")),
            Index("ix_c", "c"), CheckConstraint("id > 0", name="ck_id"), schema="app",
        )
        """
        + table(),
        'op.execute("CREATE SCHEMA app")\n'
        + create()
        + 'op.create_table("u", sa.Column("id", sa.Integer, nullable=False),'
        ' sa.Column("c", sa.Integer), sa.Column("e", sa.Integer), sa.Column("x", sa.Integer),'
        ' sa.CheckConstraint("id > 1", name="ck_id"), schema="app")\n'
        + 'op.create_index("ix_x", "u", ["x"], schema="app")',
        PG,
    ),
}

AB = ('Column("a", Integer)', 'Column("b", String(9))')
CREATE_AB = ('sa.Column("a", sa.Integer)', 'sa.Column("b", sa.String(9))')


def index(models: str, migrations: str = "", databases: tuple[str, ...] = ()) -> Case:
    """Return the case of an index on ``a`` and ``b``, and its create_index without the table."""
    made = f"op.create_index({migrations})" if migrations else ""
    given = [models] if models else []
    return Case(
        table(*AB, *given), create(*CREATE_AB) + made, databases or ("sqlite", "postgresql")
    )


INDEXES = {
    "missing": index('Index("ix", "a", "b")'),
    "missing, unnamed": index('Index(None, "a")'),
    "missing, unique": index('Index("ix", "a", unique=True)'),
    "missing, expression": index('Index("ix", sa.func.lower(sa.column("b")), "a")'),
    "missing, descending": index('Index("ix", sa.text("a DESC"))'),
    "extra": index("", '"ix", "t", ["a"]'),
    "extra, expression": index("", '"ix", "t", [sa.text("lower(b)")]'),
    "columns": index('Index("ix", "a", "b")', '"ix", "t", ["a"]'),
    "order": index('Index("ix", "a", "b")', '"ix", "t", ["b", "a"]'),
    "unique": index('Index("ix", "a", unique=True)', '"ix", "t", ["a"]'),
    "expression": index('Index("ix", sa.text("lower(b)"))', '"ix", "t", [sa.text("upper(b)")]'),
    "partial": index(
        'Index("ix", "a", postgresql_where=sa.text("b = \'5%\'"),'
        " sqlite_where=sa.text(\"b = '5%'\"))",
        '"ix", "t", ["a"]',
    ),
    "method": index('Index("ix", "a", postgresql_using="hash")', '"ix", "t", ["a"]', PG),
    "included": index('Index("ix", "a", postgresql_include=["b"])', '"ix", "t", ["a"]', PG),
    "operator class": index(
        'Index("ix", "b", postgresql_ops={"b": "varchar_pattern_ops"})', '"ix", "t", ["b"]', PG
    ),
    "renamed": index('Index("Ix new", "a")', '"ix", "t", ["a"]'),
    "constraint in the migrations": Case(
        table(*AB, 'Index("ix", "a", unique=True)'),
        create(*CREATE_AB, 'sa.UniqueConstraint("a", name="uq")'),
    ),
}


def constraint(models: str, migrations: str = "", databases: tuple[str, ...] = ()) -> Case:
    """Return the case of a constraint on the columns ``a`` and ``b``, beside a table ``g``."""
    ours, theirs = ([one] if one else [] for one in (models, migrations))
    return Case(
        table(name="g") + table(*AB, *ours),
        create(name="g") + create(*CREATE_AB, *theirs),
        databases or ("sqlite", "postgresql"),
    )


CONSTRAINTS = {
    "unique, missing": constraint('UniqueConstraint("a", "b", name="uq")'),
    "unique, missing, unnamed": constraint('UniqueConstraint("a", "b")'),
    "unique, extra": constraint("", 'sa.UniqueConstraint("a", name="uq")'),
    "unique, extra, unnamed": constraint("", 'sa.UniqueConstraint("a", "b")'),
    "unique, changed": constraint(
        'UniqueConstraint("a", "b", name="uq")', 'sa.UniqueConstraint("a", name="uq")'
    ),
    "unique, deferrable": constraint(
        'UniqueConstraint("a", name="uq", deferrable=True, initially="DEFERRED")',
        'sa.UniqueConstraint("a", name="uq")',
        PG,
    ),
    "unique, conflict": constraint(
        'UniqueConstraint("a", name="uq", sqlite_on_conflict="IGNORE")',
        'sa.UniqueConstraint("a", name="uq")',
        SQLITE,
    ),
    "unique, renamed": constraint(
        'UniqueConstraint("a", name="Uq new")', 'sa.UniqueConstraint("a", name="uq")'
    ),
    "unique, named": constraint('UniqueConstraint("a", name="uq")', 'sa.UniqueConstraint("a")'),
    "check, missing": constraint('CheckConstraint("a % 2 = 0", name="ck")'),
    "check, missing, unnamed": constraint('CheckConstraint("a % 2 = 0")'),
    "check, two missing, unnamed": constraint(
        'CheckConstraint("a > 0"), CheckConstraint("a < 9"), UniqueConstraint("a", name="uq")',
        'sa.CheckConstraint("a <> 5")',
    ),
    "check, with a colon": constraint("""CheckConstraint("b <> ' \\\\:x'", name="ck")"""),
    "check, an expression": constraint(
        'CheckConstraint(sa.column("b").in_(["5%", "it\'s"]), name="ck")'
    ),
    "check, extra": constraint("", 'sa.CheckConstraint("a > 0", name="ck")'),
    "check, extra, unnamed": constraint("", 'sa.CheckConstraint("a > 0")'),
    "check, changed": constraint(
        'CheckConstraint("a > 0", name="ck")', 'sa.CheckConstraint("a > 1", name="ck")'
    ),
    "check, renamed": constraint(
        'CheckConstraint("a > 0", name="ck_new")', 'sa.CheckConstraint("a > 0", name="ck")'
    ),
    "foreign key, missing": constraint(
        'ForeignKeyConstraint(["a"], ["g.id"], name="fk", ondelete="CASCADE")'
    ),
    "foreign key, missing, unnamed": constraint('ForeignKeyConstraint(["a"], ["g.id"])'),
    "foreign key, one of two missing": Case(
        table(name="g")
        + table('Column("a", ForeignKey("g.id"))', 'Column("b", ForeignKey("g.id"))'),
        create(name="g")
        + create('sa.Column("a", sa.Integer, sa.ForeignKey("g.id"))', 'sa.Column("b", sa.Integer)'),
    ),
    "foreign key, extra": constraint("", 'sa.ForeignKeyConstraint(["a"], ["g.id"], name="fk")'),
    "foreign key, extra, unnamed": constraint("", 'sa.ForeignKeyConstraint(["a"], ["g.id"])'),
    "foreign key, changed": constraint(
        'ForeignKeyConstraint(["a"], ["g.id"], name="fk", ondelete="SET NULL")',
        'sa.ForeignKeyConstraint(["a"], ["g.id"], name="fk")',
    ),
    "foreign key, renamed": constraint(
        'ForeignKeyConstraint(["a"], ["g.id"], name="fk_new")',
        'sa.ForeignKeyConstraint(["a"], ["g.id"], name="fk")',
    ),
    "primary key, missing": Case(
        'Table("t", metadata, Column("a", String(9), primary_key=True),'
        ' Column("b", String(9), primary_key=True))',
        'op.create_table("t", sa.Column("a", sa.String(9), nullable=False),'
        ' sa.Column("b", sa.String(9), nullable=False))',
    ),
    "primary key, extra": Case(
        'Table("t", metadata, Column("a", String(9), nullable=False))',
        'op.create_table("t", sa.Column("a", sa.String(9), primary_key=True))',
    ),
    "primary key, changed": Case(
        'Table("t", metadata, Column("a", String(9), primary_key=True),'
        ' Column("b", String(9), primary_key=True))',
        'op.create_table("t", sa.Column("a", sa.String(9), primary_key=True),'
        ' sa.Column("b", sa.String(9), nullable=False))',
    ),
    "primary key, renamed": Case(
        'Table("t", metadata, Column("a", String(9)), sa.PrimaryKeyConstraint("a", name="pk_t"))\n'
        + table('Column("t", ForeignKey("t.a"))', name="u"),
        'op.create_table("t", sa.Column("a", sa.String(9), primary_key=True))\n'
        + create('sa.Column("t", sa.String(9), sa.ForeignKey("t.a"))', name="u"),
        PG,
    ),
    "excluding, missing": Case(
        "from sqlalchemy.dialects.postgresql import INT4RANGE, ExcludeConstraint\n"
        + table('Column("r", INT4RANGE)', 'ExcludeConstraint(("r", "&&"), name="ex_r")'),
        "from sqlalchemy.dialects.postgresql import INT4RANGE\n"
        + create('sa.Column("r", INT4RANGE)'),
        PG,
    ),
    "excluding, changed": Case(
        "from sqlalchemy.dialects.postgresql import INT4RANGE, ExcludeConstraint\n"
        + table('Column("r", INT4RANGE)', 'ExcludeConstraint(("r", "&&"), name="ex_r")'),
        "from sqlalchemy.dialects.postgresql import INT4RANGE, ExcludeConstraint\n"
        + create('sa.Column("r", INT4RANGE)', 'ExcludeConstraint(("r", "="), name="ex_r")'),
        PG,
    ),
    "excluding, extra": Case(
        "from sqlalchemy.dialects.postgresql import INT4RANGE\n" + table('Column("r", INT4RANGE)'),
        "from sqlalchemy.dialects.postgresql import INT4RANGE, ExcludeConstraint\n"
        + create('sa.Column("r", INT4RANGE)', 'ExcludeConstraint(("r", "="), name="ex_r")'),
        PG,
    ),
}


def enum(*labels: str) -> Case:
    """Return the case of an enum that has but these labels in the migrations."""
    return Case(
        table('Column("c", sa.Enum("a", "b:b", "it\'s", "d", name="E x"))'),
        create(f'sa.Column("c", sa.Enum(*{labels!r}, name="E x"))'),
        PG,
    )


TYPES = {
    "enum, label missing at the start": enum("b:b", "it's", "d"),
    "enum, labels missing at the start": enum("it's", "d"),
    "enum, labels missing in the middle": enum("a", "d"),
    "enum, labels missing at the end": enum("a", "b:b"),
    "enum, extra": Case(table(), create() + "op.execute(\"CREATE TYPE e AS ENUM ('a')\")", PG),
    "domain, missing": Case(
        'from sqlalchemy.dialects.postgresql import DOMAIN\nDOMAIN("d", Integer, metadata=metadata,'
        ' default="5", not_null=True, check="VALUE % 2 > 0", constraint_name="odd")\n' + table(),
        create(),
        PG,
    ),
    "domain, changed": Case(
        'from sqlalchemy.dialects.postgresql import DOMAIN\nDOMAIN("d", Integer, metadata=metadata,'
        ' default="5", not_null=True, check="VALUE > 0", constraint_name="odd")\n' + table(),
        create() + 'op.execute("CREATE DOMAIN d AS integer CONSTRAINT odd CHECK (VALUE > 1)")',
        PG,
    ),
    "domain, extra": Case(table(), create() + 'op.execute("CREATE DOMAIN d AS integer")', PG),
    "sequence, missing": Case(
        'sa.Sequence("S x", start=5, increment=2, cycle=True, metadata=metadata)\n' + table(),
        create(),
        PG,
    ),
    "sequence, changed": Case(
        'sa.Sequence("s", metadata=metadata)\n' + table(),
        create() + 'op.execute("CREATE SEQUENCE s AS integer INCREMENT 5 CYCLE")',
        PG,
    ),
    "sequence, extra": Case(table(), create() + 'op.execute("CREATE SEQUENCE s")', PG),
}

CASES = {
    f"{kind}: {name}": case
    for kind, cases in {
        "table": TABLES,
        "column": COLUMNS,
        "index": INDEXES,
        "constraint": CONSTRAINTS,
        "type": TYPES,
    }.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize(
    ("databases", "case"),
    [
        pytest.param(database, case, id=f"{name} - {database}")
        for name, case in CASES.items()
        for database in case.databases
    ],
    indirect=["databases"],
)
@pytest.mark.filterwarnings("ignore:Unnamed CHECK constraint")  # that is how it is dropped
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_code_of_the_findings_mends_the_drift(
    project_files: ProjectFiles, write_models: WriteModels, project: Project, case: Case
) -> None:
    write_models(models=case.models, upgrade=case.upgrade)
    found = check_drift(project)
    assert found
    assert [one.help for one in found if not one.help.startswith(ADD)] == []

    codes = [one.help.removeprefix(ADD) for one in found]
    project_files.add_revision("0002", "0001", upgrade="\n".join(codes))

    assert [str(one) for one in check_drift(project)] == [], "\n".join(codes)


VIEW = """
sa.event.listen(metadata, "after_create", sa.DDL("CREATE VIEW v AS SELECT id FROM t"))
"""

BY_HAND = {
    "computed": (
        Case(
            table('Column("c", Integer, Computed("id * 2", persisted=True))'),
            create('sa.Column("c", sa.Integer, sa.Computed("id * 3", persisted=True))'),
        ),
        "nothing changes the expression of a column in place: drop the column and add it again in a"
        " new revision, or change the model.",
    ),
    "enum, label removed": (
        Case(
            table('Column("c", sa.Enum("a", name="e"))'),
            create('sa.Column("c", sa.Enum("a", "b", name="e"))'),
            PG,
        ),
        "an enum's labels can be neither removed nor moved: make a new type in a new revision,"
        " change the columns to it (op.alter_column with postgresql_using), drop the old one, or"
        " change the model.",
    ),
    "enum, labels moved": (
        Case(
            table('Column("c", sa.Enum("b", "a", name="e"))'),
            create('sa.Column("c", sa.Enum("a", "b", name="e"))'),
            PG,
        ),
        "an enum's labels can be neither removed nor moved: make a new type in a new revision,"
        " change the columns to it (op.alter_column with postgresql_using), drop the old one, or"
        " change the model.",
    ),
    "serial": (
        Case(
            'Table("t", metadata, Column("id", Integer, primary_key=True, autoincrement=False))',
            create(),
            PG,
        ),
        "no operation changes where a column takes its numbers from: do it in a new revision with"
        " op.execute(), or change the model.",
    ),
    "unlogged": (
        Case(table('prefixes=["UNLOGGED"]'), create(), PG),
        "no operation changes it: do it in a new revision, with op.execute(), or change the model.",
    ),
    "view": (
        Case(
            VIEW + table(),
            create(),
        ),
        "make it in a new revision, with the statement by which the models do (op.execute()), or"
        " change the model.",
    ),
    "view that differs": (
        Case(
            VIEW + table(),
            create() + 'op.execute("CREATE VIEW v AS SELECT id + 1 AS id FROM t")',
        ),
        "drop it in a new revision and make it again, with the statement by which the models do"
        " (op.execute()), or change the model.",
    ),
    "type that cannot be imported": (
        Case(
            "class Money(sa.types.UserDefinedType):\n"
            "    cache_ok = True\n"
            "    def get_col_spec(self, **options):\n"
            '        return "NUMERIC(9)"\n\n' + table('Column("c", Money())'),
            create(),
        ),
        "add it in a new revision with op.execute(), or change the model.",
    ),
}


@pytest.mark.parametrize(
    ("databases", "case", "advice"),
    [
        pytest.param(database, case, advice, id=f"{name} - {database}")
        for name, (case, advice) in BY_HAND.items()
        for database in case.databases
    ],
    indirect=["databases"],
)
def test_difference_that_no_code_mends_is_to_be_mended_by_hand(
    write_models: WriteModels, project: Project, case: Case, advice: str
) -> None:
    write_models(models=case.models, upgrade=case.upgrade)

    [finding] = check_drift(project)

    assert finding.help == advice


def test_type_of_the_application_is_imported_where_it_can_be(
    project_files: ProjectFiles, write_models: WriteModels, project: Project
) -> None:
    (project_files.folder / "money_type.py").write_text(
        "import sqlalchemy as sa\n\n\n"
        "class Money(sa.types.UserDefinedType):\n"
        "    cache_ok = True\n\n"
        "    def get_col_spec(self, **options):\n"
        '        return "NUMERIC(9)"\n'
    )
    write_models(
        models="import money_type\n" + table('Column("c", money_type.Money)'), upgrade="pass"
    )

    [finding] = check_drift(project)

    assert finding.help.removeprefix(ADD).splitlines()[0] == "import money_type"
    project_files.add_revision("0002", "0001", upgrade=finding.help.removeprefix(ADD))
    assert check_drift(project) == []


def test_render_item_of_env_decides_how_a_type_is_written(
    project_files: ProjectFiles, write_models: WriteModels, project: Project
) -> None:
    write_models(
        models="class Code(sa.types.TypeDecorator):\n"
        "    impl = String(7)\n"
        "    cache_ok = True\n\n"
        "def render_item(kind, item, autogen_context):\n"
        '    if kind == "type" and isinstance(item, Code):\n'
        '        autogen_context.imports.add("from sqlalchemy import String as Code")\n'
        '        return "Code(7)"\n'
        "    return False\n\n" + table('Column("c", Code)'),
        upgrade=create(),
        options=", render_item=render_item",
    )

    [finding] = check_drift(project)

    code = finding.help.removeprefix(ADD)
    assert code.splitlines()[0] == "from sqlalchemy import String as Code"
    assert "sa.Column('c', Code(7), nullable=True)" in code


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_tables_are_altered_in_batches_where_env_asks_for_it(
    write_models: WriteModels, project: Project
) -> None:
    write_models(
        models=table('Column("c", Integer)'), upgrade=create(), options=", render_as_batch=True"
    )

    [finding] = check_drift(project)

    assert finding.help.removeprefix(ADD) == (
        "with op.batch_alter_table('t') as batch_op:\n"
        "    batch_op.add_column(sa.Column('c', sa.Integer(), nullable=True))"
    )


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_batch_keeps_what_sqlalchemy_does_not_reflect(
    project_files: ProjectFiles, write_models: WriteModels, project: Project
) -> None:
    kept = 'CheckConstraint("a > 0"), CheckConstraint("a < 9")'
    write_models(
        models='Table("t", metadata, Column("id", Integer, primary_key=True),'
        ' Column("a", Integer, nullable=False), Column("b", String(9)),'
        f' {kept}, Index("ix", sa.text("lower(b)")), sqlite_autoincrement=True)',
        upgrade='op.create_table("t", sa.Column("id", sa.Integer, primary_key=True),'
        ' sa.Column("a", sa.Integer), sa.Column("b", sa.String(9)),'
        f" {kept.replace('Check', 'sa.Check')}, sqlite_autoincrement=True)\n"
        'op.create_index("ix", "t", [sa.text("lower(b)")])',
    )

    [finding] = check_drift(project)

    code = finding.help.removeprefix(ADD)
    assert code == (
        "with op.batch_alter_table('t', table_args=[sa.CheckConstraint('a > 0'),"
        " sa.CheckConstraint('a < 9')], table_kwargs={'sqlite_autoincrement': True}) as batch_op:\n"
        "    batch_op.alter_column('a',\n"
        "           existing_type=sa.INTEGER(),\n"
        "           nullable=False)\n"
        "op.drop_index('ix', table_name='t', if_exists=True)\n"
        "op.create_index('ix', 't', [sa.literal_column('lower(b)')], unique=False)"
    )
    project_files.add_revision("0002", "0001", upgrade=code)
    assert check_drift(project) == []


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_triggers_that_a_batch_loses_are_named(write_models: WriteModels, project: Project) -> None:
    write_models(
        models=table(),
        upgrade=create('sa.Column("c", sa.Integer)')
        + 'op.execute("CREATE TRIGGER tg AFTER DELETE ON t BEGIN SELECT 1; END")',
    )

    [finding] = check_drift(project)

    assert finding.help.removeprefix(ADD) == (
        "with op.batch_alter_table('t') as batch_op:\n"
        "    batch_op.drop_column('c')\n"
        "# a batch loses the triggers of a table: make them again (tg)"
    )
