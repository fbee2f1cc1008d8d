from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import create_engine, text
from tests.sandbox.interleavings import Interleavings
from tests.sandbox.users import House

from alembic_assay.sandboxes import Sandbox

EXAMPLES = os.environ.get("ASSAY_TEST_EXAMPLES")
"""How many examples to try, new ones each time; by default it is a few, and always the same."""


@pytest.fixture
def machine(house: House, driver: str) -> Iterator[type[Interleavings]]:
    one, other = (create_engine(house.with_driver(driver)) for _ in range(2))
    with one.begin() as connection:
        connection.execute(text("CREATE TABLE numbers (id BIGINT PRIMARY KEY NOT NULL)"))
    box = Sandbox(house.url)
    counts: Counter[str] = Counter()

    class Machine(Interleavings):
        engines = (one, other)

        @staticmethod
        def count(what: str) -> None:
            counts[what] += 1

    Machine.box = box
    yield Machine
    box.close()
    with one.begin() as connection:
        assert connection.scalars(text("SELECT id FROM numbers")).all() == []
        connection.execute(text("DROP TABLE numbers"))
    one.dispose()
    other.dispose()
    print(counts)


def test_each_step_of_several_sessions_is_right_or_refused(machine: type[Interleavings]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(EXAMPLES) if EXAMPLES else 20,
            stateful_step_count=40,
            deadline=None,
            derandomize=EXAMPLES is None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
