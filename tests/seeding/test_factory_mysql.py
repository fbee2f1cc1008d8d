from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session
from tests.seeding.tables import run

from alembic_assay import RowFactory

TYPES = {
    "tinyint": "1",
    "tinyint unsigned": "1",
    "mediumint": "1",
    "bigint unsigned": "1",
    "bool": "0",
    "bit(3)": "1",
    "year": "2001",
    "set('a','b')": "a",
    "enum('a','b')": "a",
    "decimal(4,2)": "1.00",
    "double": "1",
    "char(3)": "v-1",
    "varbinary(4)": "va-1",
    "tinytext": "value-1",
    "longblob": "value-1",
    "json": "{}",
    "date": "2020-01-02",
    "time": "00:00:01",
    "datetime(6)": "2020-01-01 00:00:01.000000",
    "timestamp": "2020-01-01 00:00:01",
}


def test_types_of_mysql_get_values(mysql_session: Session) -> None:
    made = {}
    for number, name in enumerate(TYPES):
        run(mysql_session, f"CREATE TABLE t{number} (value {name} NOT NULL)")
        RowFactory(mysql_session)(f"t{number}")
        value = "value + 0" if name.startswith("bit") else "value"
        found = mysql_session.execute(text(f"SELECT CAST({value} AS CHAR) FROM t{number}"))
        made[name] = found.scalar_one()

    assert made == TYPES


def test_geometry_of_mysql_gets_a_value(mysql_session: Session) -> None:
    run(
        mysql_session,
        "CREATE TABLE places (id INT AUTO_INCREMENT PRIMARY KEY, spot POINT NOT NULL)",
    )

    RowFactory(mysql_session)("places")

    found = mysql_session.execute(text("SELECT ST_AsText(spot) FROM places"))
    assert found.scalar_one() == "POINT(1 0)"


def test_prefix_that_must_be_unique_is_so(mysql_session: Session) -> None:
    run(
        mysql_session,
        "CREATE TABLE items (description_of_it VARCHAR(90) NOT NULL,"
        " UNIQUE KEY start (description_of_it(9)))",
    )
    factory = RowFactory(mysql_session)

    texts = [factory("items").description_of_it for _ in range(2)]

    assert texts == ["descrip-1", "descrip-2"]
