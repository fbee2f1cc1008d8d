"""What MySQL prints where MariaDB, on which the other tests run, prints something else."""

from __future__ import annotations

from alembic_assay.catalog import ObjectId
from alembic_assay.dialects.mysql.ddl import define_table, define_view, without_counter

TABLE = """\
CREATE TABLE `t` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `name` varchar(50) CHARACTER SET latin1 COLLATE latin1_swedish_ci DEFAULT 'it''s',
  `old` char(3) CHARACTER SET latin1 DEFAULT NULL,
  `price` decimal(10,2) NOT NULL DEFAULT '0.00' COMMENT '/* net, (x) */',
  `uid` binary(16) DEFAULT (uuid_to_bin(uuid())),
  `at` datetime(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  `total` int GENERATED ALWAYS AS ((`id` + 1)) STORED,
  `twice` int GENERATED ALWAYS AS ((`id` * 2)) VIRTUAL NOT NULL,
  `place` point NOT NULL /*!80003 SRID 4326 */,
  `secret` int DEFAULT NULL /*!80023 INVISIBLE */,
  `narrow` int /*!50606 STORAGE DISK */ /*!50606 COLUMN_FORMAT FIXED */ DEFAULT NULL,
  `data` json DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uq` (`name`(10) DESC),
  KEY `lowered` ((lower(`name`)),`old`),
  KEY `hidden` (`price`) /*!80000 INVISIBLE */,
  KEY `tree` (`at`) USING BTREE COMMENT 'c',
  FULLTEXT KEY `words` (`name`) /*!50100 WITH PARSER `ngram` */ ,
  SPATIAL KEY `places` (`place`),
  CONSTRAINT `fk` FOREIGN KEY (`id`) REFERENCES `other`.`p` (`id`) ON DELETE CASCADE,
  CONSTRAINT `t_chk_1` CHECK ((`price` > 0)),
  CONSTRAINT `t_chk_2` CHECK ((`price` < 9)) /*!80016 NOT ENFORCED */
) /*!50100 TABLESPACE `ts` */ ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 \
COLLATE=utf8mb4_0900_ai_ci ROW_FORMAT=COMPRESSED COMMENT=' AUTO_INCREMENT=5'
/*!50100 PARTITION BY RANGE (`id`)
(PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB,
 PARTITION p1 VALUES LESS THAN MAXVALUE ENGINE = InnoDB) */"""


def test_define_table_reads_what_mysql_prints() -> None:
    found = define_table("t", TABLE, {})

    collation = "utf8mb4_0900_ai_ci"
    assert {f"{kind} {name}": dict(value) for (kind, name), value in found.items()} == {
        "table t": {
            "engine": "InnoDB",
            "collation": collation,
            "comment": " AUTO_INCREMENT=5",
            "options": "TABLESPACE `ts` AUTO_INCREMENT=7 ROW_FORMAT=COMPRESSED",
            "partition by": "RANGE (`id`) (PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB,"
            " PARTITION p1 VALUES LESS THAN MAXVALUE ENGINE = InnoDB)",
        },
        "column t.id": {"type": "bigint unsigned", "nullable": False, "autoincrement": True},
        "column t.name": {
            "type": "varchar(50)",
            "nullable": True,
            "default": "'it''s'",
            "collation": "latin1_swedish_ci",
        },
        "column t.old": {"type": "char(3)", "nullable": True, "collation": "default of latin1"},
        "column t.price": {
            "type": "decimal(10,2)",
            "nullable": False,
            "default": "'0.00'",
            "comment": "/* net, (x) */",
        },
        "column t.uid": {
            "type": "binary(16)",
            "nullable": True,
            "default": "(uuid_to_bin(uuid()))",
        },
        "column t.at": {
            "type": "datetime(6)",
            "nullable": True,
            "default": "CURRENT_TIMESTAMP(6)",
            "on update": "CURRENT_TIMESTAMP(6)",
        },
        "column t.total": {"type": "int", "nullable": True, "stored as": "(`id` + 1)"},
        "column t.twice": {"type": "int", "nullable": False, "computed as": "(`id` * 2)"},
        "column t.place": {"type": "point", "nullable": False, "srid": "4326"},
        "column t.secret": {"type": "int", "nullable": True, "invisible": True},
        "column t.narrow": {
            "type": "int",
            "nullable": True,
            "options": "STORAGE DISK COLUMN_FORMAT FIXED",
        },
        "column t.data": {"type": "json", "nullable": True},
        "primary key t.PRIMARY": {"columns": "id"},
        "index t.uq": {"unique": True, "columns": "name(10) DESC"},
        "index t.lowered": {"unique": False, "columns": "(lower(name)), old"},
        "index t.hidden": {"unique": False, "columns": "price", "options": "INVISIBLE"},
        "index t.tree": {"unique": False, "columns": "at", "using": "BTREE", "comment": "c"},
        "index t.words": {
            "unique": False,
            "columns": "name",
            "options": "WITH PARSER `ngram`",
            "type": "FULLTEXT",
        },
        "index t.places": {"unique": False, "columns": "place", "type": "SPATIAL"},
        "foreign key t.fk": {
            "columns": "id",
            "references": "other.p (id)",
            "on delete": "CASCADE",
        },
        "check constraint t.t_chk_1": {"check": "(`price` > 0)"},
        "check constraint t.t_chk_2": {"check": "(`price` < 9)", "options": "NOT ENFORCED"},
    }


def test_without_counter_leaves_out_where_auto_increment_stands_and_no_more() -> None:
    assert without_counter(TABLE) == TABLE.replace(" AUTO_INCREMENT=7", "")


def test_define_table_takes_the_collation_of_a_character_set_for_its_default() -> None:
    found = define_table(
        "t", "CREATE TABLE `t` (\n  `a` text\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3", {}
    )

    assert found[ObjectId("table", "t")]["collation"] == "default of utf8mb3"
    assert found[ObjectId("column", "t.a")]["collation"] == "default of utf8mb3"


def test_define_view_reads_the_columns_that_mysql_prints() -> None:
    found = define_view(
        "v",
        "CREATE ALGORITHM=MERGE DEFINER=`o``neill x`@`%` SQL SECURITY INVOKER VIEW `v` (`a`,`b`)"
        " AS select 1 AS `1`,' AS ' AS `2` WITH CASCADED CHECK OPTION",
    )

    assert found == {
        ObjectId("view", "v"): {
            "definition": "(`a`,`b`) AS select 1 AS `1`,' AS ' AS `2`",
            "algorithm": "MERGE",
            "security": "INVOKER",
            "check option": "CASCADED",
        }
    }


def test_define_view_that_is_not_understood_is_its_text() -> None:
    assert define_view("v", "CREATE SOMETHING") == {
        ObjectId("view", "v"): {"definition": "CREATE SOMETHING"}
    }
