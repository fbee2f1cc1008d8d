"""SQL files: where one statement ends and the next begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL
from tests.processes import ask, tables

from alembic_assay.dialects import get_backend
from alembic_assay.dialects.mysql.script import split_script

SCRIPTS = {
    "nothing": ("  \n-- only a comment\n/* and; another */ # and one\n;;", []),
    "one without an end": ("SELECT 1", ["SELECT 1"]),
    "several": ("SELECT 1; SELECT 2;\nSELECT 3;", ["SELECT 1", "SELECT 2", "SELECT 3"]),
    "literals": (
        r"""SELECT 'a;b', "c;''d", `e;f`, 'g\';h', 'i'';j'; SELECT 2""",
        [r"""SELECT 'a;b', "c;''d", `e;f`, 'g\';h', 'i'';j'""", "SELECT 2"],
    ),
    "comments": (
        "SELECT 1 -- it's; one\n; /* it's; two */ SELECT 2 # it's; three\n",
        ["SELECT 1 -- it's; one", "/* it's; two */ SELECT 2 # it's; three"],
    ),
    "no comment": ("SELECT 5--1; SELECT 2", ["SELECT 5--1", "SELECT 2"]),
    "for some versions": ("/*!40101 SET NAMES utf8mb4 */;", ["/*!40101 SET NAMES utf8mb4 */"]),
    "for MariaDB": ("/*M!100100 SELECT 1 */;", ["/*M!100100 SELECT 1 */"]),
    "delimiter": (
        "SELECT 1;\nDELIMITER //\nBEGIN a; END//\n  delimiter ;\nSELECT 2;",
        ["SELECT 1", "BEGIN a; END", "SELECT 2"],
    ),
    "delimiter of the dump": (
        "DELIMITER ;;\r\n/*!50003 CREATE TRIGGER t BEGIN a; END */;;\r\nDELIMITER ;\r\nSELECT 2;",
        ["/*!50003 CREATE TRIGGER t BEGIN a; END */", "SELECT 2"],
    ),
    "delimiter as a word": ("SELECT delimiter\n FROM t;", ["SELECT delimiter\n FROM t"]),
}

SQL = r"""
/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `a;b` (id int, name varchar(20) DEFAULT '100% of; "x"'); -- it's
INSERT INTO `a;b` VALUES (1, 'it''s; %s'), (2, 'größe');
DELIMITER //
CREATE TRIGGER g BEFORE INSERT ON `a;b` FOR EACH ROW
BEGIN
    SET NEW.id = NEW.id + 1;
END//
DELIMITER ;
INSERT INTO `a;b` (id) VALUES (5);
"""


@pytest.mark.parametrize(("sql", "expected"), SCRIPTS.values(), ids=SCRIPTS)
def test_split_script_ends_statements_where_the_server_does(sql: str, expected: list[str]) -> None:
    assert list(split_script(sql)) == expected


def test_run_script_runs_all_statements_and_commits(mysql_url: URL, tmp_path: Path) -> None:
    backend = get_backend(mysql_url)

    with backend.connect(mysql_url) as connection:
        backend.run_script(connection, SQL)

    assert tables(mysql_url) == {"a;b"}
    assert ask(mysql_url, "SELECT * FROM `a;b` ORDER BY id") == [
        (1, "it's; %s"),
        (2, "größe"),
        (6, '100% of; "x"'),
    ]
