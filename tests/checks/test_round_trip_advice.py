"""What a finding says to add to ``downgrade()`` is added, and the finding must be gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alembic_assay.checks.round_trip import check_round_trip
from alembic_assay.databases import Databases
from alembic_assay.project import Project

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

BASE = """
for name in ("a", "b", "c", "d"):
    op.create_table(
        name, sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", sa.Integer)
    )
"""
BASE_ON_POSTGRESQL = f"""{BASE}
op.create_table("e", sa.Column("id", sa.Integer, nullable=False))
op.execute("CREATE SCHEMA audit")
op.create_table("logs", sa.Column("id", sa.Integer, nullable=False), schema="audit")
"""

BASE_ON_MYSQL = f"""{BASE}
op.create_table("e", sa.Column("id", sa.Integer, nullable=False), sa.Column("words", sa.Text))
"""

EVERYWHERE = {
    "table f": 'op.create_table("f", sa.Column("id", sa.Integer, primary_key=True))',
    "table Order Lines": 'op.create_table("Order Lines", sa.Column("id", sa.Integer))',
    "column a.n": 'op.add_column("a", sa.Column("n", sa.Integer))',
    "column a.unitPrice": 'op.add_column("a", sa.Column("unitPrice", sa.Integer))',
    "index a.ix": 'op.create_index("ix", "a", ["x"])',
    "unique constraint b.uq": """
with op.batch_alter_table("b") as batch:
    batch.create_unique_constraint("uq", ["x"])""",
    "foreign key b.fk": """
with op.batch_alter_table("b") as batch:
    batch.create_foreign_key("fk", "c", ["x"], ["id"])""",
    "check constraint b.ck": """
with op.batch_alter_table("b") as batch:
    batch.create_check_constraint("ck", "x > 0")""",
    "view v": 'op.execute("CREATE VIEW v AS SELECT id FROM c")',
    "view Open Orders": """op.execute('CREATE VIEW "Open Orders" AS SELECT id FROM c')""",
}
SQLITE = EVERYWHERE | {
    "trigger d.g": """
op.execute("CREATE TRIGGER g AFTER INSERT ON d BEGIN DELETE FROM d WHERE id < 0; END")""",
}
MYSQL = {
    # A unique constraint is an index, and a foreign key brings one along.
    key: code
    for key, code in EVERYWHERE.items()
    if key not in ("unique constraint b.uq", "view Open Orders")
} | {
    "index b.uq": EVERYWHERE["unique constraint b.uq"],
    "foreign key d.fk_d": 'op.create_foreign_key("fk_d", "d", "c", ["x"], ["id"])',
    "index d.fk_d": "",
    "index e.search": 'op.create_index("search", "e", ["words"], mysql_prefix="FULLTEXT")',
    "column a.data": 'op.add_column("a", sa.Column("data", sa.JSON))',
    "primary key e.PRIMARY": 'op.create_primary_key(None, "e", ["id"])',
    "view Open Orders": 'op.execute("CREATE VIEW `Open Orders` AS SELECT id FROM c")',
    "trigger d.on Insert": """
op.execute("CREATE TRIGGER `on Insert` AFTER INSERT ON d FOR EACH ROW SET @last = NEW.id")""",
    "function fun": """
op.execute("CREATE FUNCTION fun(a integer) RETURNS integer DETERMINISTIC RETURN a + 1")""",
    "procedure pro": 'op.execute("CREATE PROCEDURE pro() BEGIN END")',
    "event ev": 'op.execute("CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM d")',
}
MARIADB = MYSQL | {"sequence s": 'op.execute("CREATE SEQUENCE s")'}
NEVER_CHANGED = "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
POSTGRESQL = EVERYWHERE | {
    "table audit.t": 'op.create_table("t", sa.Column("id", sa.Integer), schema="audit")',
    "column audit.logs.n": 'op.add_column("logs", sa.Column("n", sa.Integer), schema="audit")',
    "index audit.logs.ix": 'op.create_index("ix", "logs", ["id"], schema="audit")',
    "unique constraint audit.logs.uq": """
op.create_unique_constraint("uq", "logs", ["id"], schema="audit")""",
    "primary key audit.logs.pk": """
op.create_primary_key("pk", "logs", ["id"], schema="audit")""",
    "foreign key audit.logs.fk": """
op.create_foreign_key("fk", "logs", "d", ["id"], ["id"], source_schema="audit")""",
    "primary key e.pk_e": 'op.create_primary_key("pk_e", "e", ["id"])',
    "exclusion constraint d.ex": """
op.execute("ALTER TABLE d ADD CONSTRAINT ex EXCLUDE (x WITH =)")""",
    "enum state": """op.execute("CREATE TYPE state AS ENUM ('x')")""",
    "enum orderState": """op.execute("CREATE TYPE \\"orderState\\" AS ENUM ('x')")""",
    "enum audit.state": """op.execute("CREATE TYPE audit.state AS ENUM ('x')")""",
    "domain dom": 'op.execute("CREATE DOMAIN dom AS integer")',
    "domain audit.dom": 'op.execute("CREATE DOMAIN audit.dom AS integer")',
    "composite type comp": 'op.execute("CREATE TYPE comp AS (x integer)")',
    "range type ran": 'op.execute("CREATE TYPE ran AS RANGE (subtype = float8)")',
    "sequence s": 'op.execute("CREATE SEQUENCE s")',
    "sequence orderNumber": """op.execute('CREATE SEQUENCE "orderNumber"')""",
    "materialized view mv": 'op.execute("CREATE MATERIALIZED VIEW mv AS SELECT id FROM c")',
    "view audit.v": 'op.execute("CREATE VIEW audit.v AS SELECT 1 AS one")',
    "function fun(integer, text)": """
op.execute("CREATE FUNCTION fun(integer, text) RETURNS text LANGUAGE sql AS 'SELECT $2'")""",
    "function audit.fun()": """
op.execute("CREATE FUNCTION audit.fun() RETURNS integer LANGUAGE sql AS 'SELECT 1'")""",
    "procedure pro()": """op.execute("CREATE PROCEDURE pro() LANGUAGE sql AS 'SELECT 1'")""",
    "aggregate total(integer)": """
op.execute("CREATE AGGREGATE total(integer) (sfunc = int4pl, stype = integer)")""",
    "trigger d.g": f"""
op.execute("CREATE TRIGGER g BEFORE UPDATE ON d FOR EACH ROW {NEVER_CHANGED}")""",
    "trigger d.onUpdate": f"""
op.execute('CREATE TRIGGER "onUpdate" BEFORE UPDATE ON d FOR EACH ROW {NEVER_CHANGED}')""",
    "trigger audit.logs.g": f"""
op.execute("CREATE TRIGGER g BEFORE UPDATE ON audit.logs FOR EACH ROW {NEVER_CHANGED}")""",
    "policy d.pol": 'op.execute("CREATE POLICY pol ON d")',
    "rule d.ru": 'op.execute("CREATE RULE ru AS ON DELETE TO d DO NOTHING")',
    "statistics st": 'op.execute("CREATE STATISTICS st ON id, x FROM d")',
    "schema other": 'op.execute("CREATE SCHEMA other")',
    "extension file_fdw": 'op.execute("CREATE EXTENSION file_fdw")',
}


def test_what_the_findings_say_to_remove_mends_the_downgrade(
    project_files: ProjectFiles, project: Project
) -> None:
    base, leftovers = of_kind(project.databases)
    project_files.add_revision("0001", upgrade=base, downgrade=None)
    # So that not nothing at all is undone, which is another rule.
    upgrade = 'op.create_table("undone", sa.Column("id", sa.Integer))'
    upgrade = "\n".join([upgrade, *leftovers.values()])
    downgrade = 'op.drop_table("undone")'
    project_files.add_revision("0002", "0001", upgrade=upgrade, downgrade=downgrade)
    found = [one for one in check_round_trip(project) if one.revision == "0002"]
    assert {one.rule for one in found} == {"round-trip-leftover"}
    assert sorted(str(one.object) for one in found) == sorted(leftovers)

    codes = [one.help.removeprefix("remove it in downgrade(): ") for one in found]
    downgrade = "\n".join([downgrade, *codes])
    project_files.add_revision("0002", "0001", upgrade=upgrade, downgrade=downgrade)

    assert [str(one) for one in check_round_trip(project) if one.revision == "0002"] == []


def of_kind(databases: Databases) -> tuple[str, dict[str, str]]:
    """Return what there is before, and what is left behind, on a kind of database."""
    if databases.backend.name == "sqlite":
        return BASE, SQLITE
    if databases.backend.name == "postgresql":
        return BASE_ON_POSTGRESQL, POSTGRESQL
    with databases.backend.connect(databases.url) as connection:
        is_mariadb = getattr(connection.dialect, "is_mariadb", False)
    return BASE_ON_MYSQL, MARIADB if is_mariadb else MYSQL


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_leftover_constraint_without_a_name_is_to_be_left_out_of_a_new_table(
    project_files: ProjectFiles, project: Project
) -> None:
    project_files.add_revision(
        "0001",
        upgrade='op.create_table("a", sa.Column("x", sa.Integer))',
        downgrade='op.drop_table("a")',
    )
    project_files.add_revision(
        "0002",
        "0001",
        upgrade="""
        op.drop_table("a")
        op.create_table(
            "a", sa.Column("x", sa.Integer), sa.Column("y", sa.Integer), sa.UniqueConstraint("x")
        )
        """,
        downgrade='op.drop_column("a", "y")',
    )

    [finding] = check_round_trip(project)

    assert str(finding) == (
        "round-trip-leftover: downgrade of 0002 (0002) leaves unique constraint a.(x) behind\n"
        "  So that databases which went back differ from those which did not.\n"
        "  help: remove it in downgrade(): it has no name, so rebuild a without it:"
        ' op.batch_alter_table("a", copy_from=...)'
    )
