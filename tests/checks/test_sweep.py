"""The way down of the sweep, which compares only what has changed since the last comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alembic_assay.checks.sweep import count_proven

if TYPE_CHECKING:
    from alembic_assay.project import Project
    from tests.conftest import ProjectFiles

CREATE_USERS = """op.create_table(
    "users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.String(50))
)"""
CREATE_INDEX = 'op.create_index("ix_email", "users", ["email"])'
DROP_INDEX = 'op.drop_index("ix_email", "users")'


@pytest.mark.parametrize(("downgrade_of_second", "proven"), [(DROP_INDEX, 3), ("pass", 1)])
def test_sweep_below_a_table_that_was_made_anew_proves_what_is_right(
    project_files: ProjectFiles, project: Project, downgrade_of_second: str, proven: int
) -> None:
    project_files.add_revision("0001", upgrade=CREATE_USERS, downgrade='op.drop_table("users")')
    project_files.add_revision("0002", "0001", upgrade=CREATE_INDEX, downgrade=downgrade_of_second)
    project_files.add_revision(
        "0003",
        "0002",
        upgrade='op.drop_table("users")',
        downgrade=f"{CREATE_USERS}\n{CREATE_INDEX}",
    )

    with project.empty_environment(project.graph(), is_stepwise=True) as environment:
        assert count_proven(project, environment) == proven


@pytest.mark.parametrize(("downgrade_of_first", "proven"), [(DROP_INDEX, 4), ("pass", 2)])
def test_sweep_over_a_change_that_comes_and_goes_proves_what_is_right(
    project_files: ProjectFiles, project: Project, downgrade_of_first: str, proven: int
) -> None:
    project_files.add_revision("0001", upgrade=CREATE_USERS, downgrade='op.drop_table("users")')
    project_files.add_revision("0002", "0001", upgrade=CREATE_INDEX, downgrade=downgrade_of_first)
    project_files.add_revision("0003", "0002", upgrade=DROP_INDEX, downgrade=CREATE_INDEX)
    project_files.add_revision("0004", "0003", upgrade=CREATE_INDEX, downgrade=DROP_INDEX)

    with project.empty_environment(project.graph(), is_stepwise=True) as environment:
        assert count_proven(project, environment) == proven
