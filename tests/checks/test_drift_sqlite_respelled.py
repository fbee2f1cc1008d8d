from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from tests.checks.compared import compare_models
from tests.checks.generated_models import Plan, make_metadata, plans

from alembic_assay.databases import Databases
from alembic_assay.dialects.sqlite.tokens import Token, read_tokens

SPACES = (" ", "  ", "\n", "\t", " /* not, needed ( */ ", " -- until here\n")


def statements(metadata: MetaData) -> Iterator[str]:
    dialect = sqlite.dialect()
    for table in metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            yield str(CreateIndex(index).compile(dialect=dialect))


def respelled(sql: str, chance: random.Random) -> str:
    """Spell a statement in another way that means the same."""
    spelled, depth = "", 0
    doubled: list[int] = []
    before = ""
    for token in read_tokens(sql):
        text = spell(token, chance)
        depth += token.keyword == "("
        if token.keyword == "(" and before in _BEFORE_EXPRESSION:
            doubled.append(depth)
            text = "(("
        if token.keyword == ")":
            if doubled and doubled[-1] == depth:
                doubled.pop()
                text = "))"
            depth -= 1
        spelled += chance.choice(SPACES) + text
        before = token.keyword
    return spelled


_BEFORE_EXPRESSION = ("CHECK", "DEFAULT", "AND", "OR", "NOT", "(")


def spell(token: Token, chance: random.Random) -> str:
    if token.kind == "name":
        quoted = '"' + token.text.replace('"', '""') + '"'
        return chance.choice([quoted, "`" + token.text.replace("`", "``") + "`"])
    if token.keyword in ("<>", "!="):
        return chance.choice(["<>", "!="])
    if token.kind == "word":
        return "".join(chance.choice([one.lower(), one.upper()]) for one in token.text)
    return token.text


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_other_spellings_are_no_drift(databases: Databases, tmp_path: Path) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(plans(), st.randoms(use_true_random=False))
    def check(plan: Plan, chance: random.Random) -> None:
        made = [respelled(sql, chance) for sql in statements(make_metadata(plan))]
        with databases.temporary() as url:
            with databases.backend.connect(url) as connection:
                databases.backend.run_script(connection, ";".join(made))

            found = compare_models(databases, tmp_path, make_metadata(plan), url)

        assert [str(one) for one in found] == [], made

    check()
