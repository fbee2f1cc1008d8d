from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alembic_assay.dialects.sqlite.expressions import (
    Node,
    is_constant,
    parse_expression,
    parse_statements,
)
from alembic_assay.dialects.sqlite.names import Names

NAMES = Names({"a", "b", "s"}, "t")

OPERATORS = (
    *("OR", "AND", "=", "==", "<>", "!=", "IS", "IS NOT", "IS DISTINCT FROM", "LIKE", "GLOB"),
    *("NOT LIKE", "<", "<=", ">", ">=", "&", "|", "<<", ">>", "+", "-", "*", "/", "%", "||"),
)
LEAVES = ("a", "B", '"s"', "t.a", "1", "0", "2.50", "'x'", "NULL", "TRUE", "FALSE", "-1")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """Return expressions, with parentheses only here and there."""
    form = draw(st.integers(0, 11)) if depth else 0
    part = expressions(depth - 1)
    if form <= 1:
        made = draw(st.sampled_from(LEAVES))
    elif form <= 6:
        made = f"{draw(part)} {draw(st.sampled_from(OPERATORS))} {draw(part)}"
    elif form == 7:
        made = f"{draw(st.sampled_from(('NOT ', '- ', '+', '~')))}{draw(part)}"
    elif form == 8:
        made = f"{draw(part)} {draw(st.sampled_from(('ISNULL', 'NOTNULL', 'NOT NULL')))}"
    elif form == 9:
        negated = draw(st.sampled_from(("", "NOT ")))
        made = f"{draw(part)} {negated}BETWEEN {draw(part)} AND {draw(part)}"
    elif form == 10:
        made = (
            f"{draw(part)} {draw(st.sampled_from(('IN', 'NOT IN')))} ({draw(part)}, {draw(part)})"
        )
    else:
        made = draw(
            st.sampled_from(
                ("CASE WHEN {0} THEN {1} END", "CAST({0} AS TEXT)", "coalesce({0}, {1})")
            )
        ).format(draw(part), draw(part))
    return f"({made})" if draw(st.integers(0, 3)) == 0 else made


def in_parentheses(tree: Node) -> str:
    """Spell a tree so that no precedence is needed to read it."""
    kind, *rest = tree
    texts = [in_parentheses(part) for part in rest if isinstance(part, tuple)]
    match kind:
        case "integer" | "real" | "number" | "blob" | "name":
            return f"({rest[0]})"
        case "string":
            return "'" + str(rest[0]).replace("'", "''") + "'"
        case "NULL":
            return "(NULL)"
        case "truth":
            return "TRUE" if rest[0] == "1" else "FALSE"
        case "list":
            return f"({', '.join(texts)})"
        case "call":
            return f"{rest[0]}({', '.join(texts)})"
        case "type":
            return str(rest[0])
        case "CAST":
            return f"CAST({texts[0]} AS {texts[1]})"
        case "CASE":
            return "(CASE " + " ".join(spelled_case(rest)) + " END)"
        case "BETWEEN":
            return f"({texts[0]} BETWEEN {texts[1]} AND {texts[2]})"
        case "AND" | "OR":
            return "(" + f" {kind} ".join(texts) + ")"
    return f"({kind} {texts[0]})" if len(texts) == 1 else f"({texts[0]} {kind} {texts[1]})"


def spelled_case(parts: list[object]) -> Iterator[str]:
    for part in parts:
        yield in_parentheses(part) if isinstance(part, tuple) else str(part)


@pytest.fixture(scope="module")
def table() -> Iterator[sqlite3.Connection]:
    """A table ``t`` with rows that tell most expressions apart."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a INTEGER, b NUMERIC, s TEXT)")
    values = (None, 0, 1, -1, 2.5, "x", "1")
    rows = [(a, b, s) for a in values for b in values for s in ("x", "1", "", None)]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    yield connection
    connection.close()


def evaluate(table: sqlite3.Connection, expression: str) -> list[object]:
    return table.execute(f"SELECT typeof(x), x FROM (SELECT {expression} AS x FROM t)").fetchall()


def test_tree_is_what_sqlite_itself_reads(table: sqlite3.Connection) -> None:
    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(expressions())
    def check(expression: str) -> None:
        try:
            expected = evaluate(table, expression)
        except sqlite3.Error:  # a LIKE of what is too long, or a syntax that is none
            return
        tree = parse_expression(expression, NAMES)

        assert evaluate(table, in_parentheses(tree)) == expected

    check()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a = 1 AND (b = 2 AND s = 'x')", "a=1 and b=2 and s='x'"),
        ("a BETWEEN 1 AND 2 AND b", "((a between (1) and (2)) and (b))"),
        ("NOT a IS NULL", "a IS NOT NULL"),
        ("a IS NOT DISTINCT FROM b", "a IS b"),
        ("s LIKE 'a!%' ESCAPE '!' OR a", "((s LIKE 'a!%' ESCAPE '!')) OR a"),
        ("CASE WHEN (a > 0) THEN (1) ELSE b END", "case when a > 0 then 1 else b end"),
        ("CAST(a AS varchar(10)) = ''", "cast((a) as VARCHAR ( 10 )) = ''"),
        ("count(*) > 1", "COUNT( * ) > 1"),
        ("(a, b) IN (SELECT a, b FROM t)", "( (a) , b ) in ( select a, b from t )"),
        ("a IN (SELECT b FROM t WHERE (b > 0))", "a IN (SELECT b FROM t WHERE b > 0)"),
        ("a = 0x1F", "a = 0x1f"),
        ("x'ab' = s", "X'AB' = s"),
    ],
)
def test_two_spellings_are_one_tree(one: str, other: str) -> None:
    assert parse_expression(one, NAMES)[0] != "text"
    assert parse_expression(one, NAMES) == parse_expression(other, NAMES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a - (b - 1)", "a - b - 1"),
        ("a = 1 AND (b OR s)", "a = 1 AND b OR s"),
        ("a + 1.0", "a + 1"),
        ('"x" = s', '"X" = s'),
        ("a IN (b)", "a = b"),
        ("a IN t", "a IN (a)"),
        ("count(DISTINCT a)", "count(a)"),
        ("- a", "a"),
        ("-(-1)", "1 - 1"),
        ("NOT (a = b)", "a = b"),
        ("(a", "a"),
    ],
)
def test_two_meanings_are_two_trees(one: str, other: str) -> None:
    assert parse_expression(one, NAMES) != parse_expression(other, NAMES)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT a AS x FROM t WHERE (a > 0)", "select a x from t where a > 0", True),
        (
            "SELECT a FROM t INNER JOIN u ON (t.a = u.a)",
            "SELECT a FROM t JOIN u ON t.a = u.a",
            True,
        ),
        ("SELECT a FROM t LEFT OUTER JOIN u", "SELECT a FROM t LEFT JOIN u", True),
        ("SELECT a FROM t ORDER BY a ASC, b DESC", "SELECT a FROM t ORDER BY a, b DESC", True),
        ("SELECT a FROM t ORDER BY a DESC", "SELECT a FROM t ORDER BY a", False),
        ("SELECT a asc FROM t", "SELECT a FROM t", False),
        ("SELECT a FROM (SELECT b FROM t)", "SELECT a FROM (SELECT a FROM t)", False),
        ("SELECT sum(a) OVER (ORDER BY b)", "SELECT sum(a) OVER (ORDER BY a)", False),
        ("VALUES (1), (2)", "VALUES (1, 2)", False),
        ("INSERT INTO t (a) VALUES ((1))", "insert into t(a) values (1)", True),
    ],
)
def test_statements_are_the_same_where_their_expressions_are(
    one: str, other: str, *, same: bool
) -> None:
    names = Names({"a", "b", "t", "u"}, others_are_strings=False)

    assert (parse_statements(one, names) == parse_statements(other, names)) is same


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", True),
        ("'x' || 'y'", True),
        ("CASE WHEN 1 THEN NULL END", True),
        ("random()", False),
        ("1 + random()", False),
        ("CURRENT_TIMESTAMP", False),
        ("a", False),
        ("(SELECT 1)", False),
    ],
)
def test_only_literals_and_operators_are_constant(expression: str, *, expected: bool) -> None:
    assert is_constant(parse_expression(expression, NAMES)) is expected
