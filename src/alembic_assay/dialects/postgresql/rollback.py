"""PostgreSQL: DDL can be rolled back too; what works between sessions, or without one, cannot."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect

from alembic_assay.dialects.rollback import Ask, RollbackRules

_OUTSIDE = "cannot be run within a transaction"
_NOT_DELIVERED = "tells others nothing until a real commit"

_RESTART_SEQUENCES = """
DO $$
DECLARE
    one record;
    latest bigint;
    number bigint;
    is_called boolean;
BEGIN
    FOR one IN
        SELECT s.seqrelid::regclass AS name, s.seqstart, s.seqincrement,
            d.refobjid::regclass AS relation, a.attname AS attribute
        FROM pg_catalog.pg_sequence s
        JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
        LEFT JOIN pg_catalog.pg_depend d ON d.objid = s.seqrelid AND d.deptype IN ('a', 'i')
            AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
            AND d.refobjsubid > 0
        LEFT JOIN pg_catalog.pg_attribute a
            ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                AND a.atttypid = ANY ('{int2,int4,int8}'::regtype[])
        WHERE pg_has_role(c.relowner, 'USAGE')
    LOOP
        latest := NULL;
        IF one.attribute IS NOT NULL THEN
            EXECUTE format(
                'SELECT %s(%I)::bigint FROM %s',
                CASE WHEN one.seqincrement > 0 THEN 'max' ELSE 'min' END,
                one.attribute, one.relation
            ) INTO latest;
        END IF;
        IF latest IS NULL OR (latest - one.seqstart) * sign(one.seqincrement) < 0 THEN
            latest := one.seqstart - one.seqincrement;
        END IF;
        EXECUTE format('SELECT last_value, is_called FROM %s', one.name) INTO number, is_called;
        IF is_called THEN
            number := number + one.seqincrement;
        END IF;
        IF number <> latest + one.seqincrement THEN
            EXECUTE format(
                'ALTER SEQUENCE %s RESTART WITH %s', one.name, latest + one.seqincrement
            );
        END IF;
    END LOOP;
END
$$
"""


class PostgreSQLRollbackRules(RollbackRules):
    """One session, and so nobody to wait for or to tell."""

    errors_abort = True
    lasting = r"^\s*PREPARE\b|\bpg_(?:try_)?advisory_lock"
    refusals = (
        (r"\bCONCURRENTLY\b", _OUTSIDE),
        (r"^\s*(?:VACUUM|ALTER\s+SYSTEM|CHECKPOINT)\b", _OUTSIDE),
        (r"^\s*(?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE|SUBSCRIPTION)\b", _OUTSIDE),
        (r"^\s*(?:NOTIFY|LISTEN)\b", _NOT_DELIVERED),
        (r"\bpg_notify\s*(?=\()", _NOT_DELIVERED),
        (r"^\s*(?:PREPARE\s+TRANSACTION|(?:COMMIT|ROLLBACK)\s+PREPARED)\b", _OUTSIDE),
    )

    def take_over(self, dialect: Dialect, connection: Any) -> None:
        if dialect.detect_autocommit_setting(connection):
            level = dialect.default_isolation_level
            assert level is not None, "the dialect has been connected"
            dialect.set_isolation_level(connection, level)

    def join(self, dialect: Dialect, driver_connection: Any) -> Any:
        import psycopg

        # Each object has prepared statements of its own, under names of the session.
        def joined(kind: Any) -> Any:
            connection = kind(driver_connection.pgconn)
            connection.prepare_threshold = None
            return connection

        async def make_async(*_: object, **__: object) -> Any:
            return joined(psycopg.AsyncConnection)

        if dialect.is_async:
            return dialect.loaded_dbapi.connect(async_creator_fn=make_async)
        return joined(psycopg.Connection)

    def has_deferred_constraints(self, ask: Ask) -> bool:
        return bool(
            ask(
                "SELECT 1 FROM pg_catalog.pg_constraint WHERE condeferrable UNION ALL"
                " SELECT 1 FROM pg_catalog.pg_trigger WHERE tgdeferrable LIMIT 1"
            )
        )

    def check_deferred_constraints(self, dialect: Dialect, ask: Ask) -> None:
        # An error leaves the savepoint to the rollback of the transaction, which it calls for.
        ask("SAVEPOINT assay_constraints")
        ask("SET CONSTRAINTS ALL IMMEDIATE")
        ask("ROLLBACK TO SAVEPOINT assay_constraints")
        ask("RELEASE SAVEPOINT assay_constraints")

    def restart_sequences(self, ask: Ask) -> None:
        # Within the transaction: behind the test the sequences are what they were.
        ask(_RESTART_SEQUENCES)
