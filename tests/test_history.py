from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.runtime.migration import RevisionStep

from alembic_assay.config import make_config
from alembic_assay.exceptions import ConfigError, DatabaseAhead, HistoryError, MultipleHeads
from alembic_assay.history import RevisionGraph, project_on_sys_path

RECORDING_ENV = """
from alembic import context
from sqlalchemy import create_engine


def record(*, step, **others):
    with open({log!r}, "a") as log:
        log.write(("+" if step.is_upgrade else "-") + step.{wanted}_revision_id + "\\n")


engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection=connection, on_version_apply=record)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""


def linear(files: Any) -> None:
    files.add_revision("a1")
    files.add_revision("a2", "a1")
    files.add_revision("a3", "a2")


def branched(files: Any) -> None:
    files.add_revision("a1")
    files.add_revision("b2", "a1", branch_labels="bees")
    files.add_revision("c2", "a1", branch_labels="cats")
    files.add_revision("b3", "b2")


def merged(files: Any) -> None:
    branched(files)
    files.add_revision("m4", ("b3", "c2"))
    files.add_revision("m5", "m4")


def several_bases(files: Any) -> None:
    files.add_revision("a1")
    files.add_revision("a2", "a1")
    files.add_revision("z1")
    files.add_revision("z2", "z1")


def bases_merged(files: Any) -> None:
    several_bases(files)
    files.add_revision("m3", ("a2", "z2"))


def dependent(files: Any) -> None:
    # The names would put a2 first, but it needs what stands on the other base.
    several_bases(files)
    files.add_revision("a3", "a2", depends_on="z2")
    files.add_revision("z3", "z2")


def dependent_on_a_label(files: Any) -> None:
    files.add_revision("a1", depends_on="zoo")
    files.add_revision("a2", "a1")
    files.add_revision("z1", branch_labels="zoo")


def diamonds(files: Any) -> None:
    files.add_revision("d9")
    files.add_revision("d1", "d9")
    files.add_revision("d2", "d9")
    files.add_revision("d3", ("d1", "d2"))
    files.add_revision("d0", "d3")
    files.add_revision("d4", "d3")
    files.add_revision("d5", ("d4", "d0"))


HISTORIES = [
    linear,
    branched,
    merged,
    several_bases,
    bases_merged,
    dependent,
    dependent_on_a_label,
    diamonds,
]


def read_graph(files: Any) -> RevisionGraph:
    return RevisionGraph.from_config(make_config("sqlite://", config_file=files.ini))


def ids(steps: list[RevisionStep]) -> list[str]:
    return [step.revision.revision for step in steps]


@pytest.fixture
def graph_of(project_files: Any) -> Callable[[Callable[[Any], None]], RevisionGraph]:
    def read(history: Callable[[Any], None]) -> RevisionGraph:
        history(project_files)
        return read_graph(project_files)

    return read


GraphOf = Callable[[Callable[[Any], None]], RevisionGraph]

# Shape and order


@pytest.mark.parametrize(
    ("history", "heads", "bases"),
    [
        (linear, ("a3",), ("a1",)),
        (branched, ("b3", "c2"), ("a1",)),
        (merged, ("m5",), ("a1",)),
        (several_bases, ("a2", "z2"), ("a1", "z1")),
        (bases_merged, ("m3",), ("a1", "z1")),
        (dependent, ("a3", "z3"), ("a1", "z1")),
        (dependent_on_a_label, ("a2", "z1"), ("a1", "z1")),
        (diamonds, ("d5",), ("d9",)),
    ],
)
def test_graph_of_any_shape_has_its_heads_and_bases(
    history: Callable[[Any], None], heads: tuple[str], bases: tuple[str], graph_of: GraphOf
) -> None:
    graph = graph_of(history)

    assert graph.heads == heads
    assert graph.bases == bases


def test_graph_without_revisions_is_empty(project_files: Any) -> None:
    graph = read_graph(project_files)

    assert (graph.order, graph.heads, graph.bases) == ((), (), ())
    assert graph.upgrade_steps((), "heads") == []


@pytest.mark.parametrize("history", HISTORIES)
def test_graph_order_puts_each_revision_behind_all_that_it_needs(
    history: Callable[[Any], None], graph_of: GraphOf
) -> None:
    graph = graph_of(history)

    order = [revision.revision for revision in graph.order]
    assert len(order) == len(set(order))
    for position, revision in enumerate(order):
        assert graph.ancestors(revision) <= set(order[:position])


@pytest.mark.parametrize("history", HISTORIES)
def test_graph_order_and_steps_are_those_of_alembic_itself(
    history: Callable[[Any], None], project_files: Any, tmp_path: Path
) -> None:
    history(project_files)
    log = tmp_path / "log"
    config = make_config(f"sqlite:///{tmp_path}/app.db", config_file=project_files.ini)
    project_files.write_env(RECORDING_ENV.format(log=str(log), wanted="up"))
    graph = read_graph(project_files)

    command.upgrade(config, "heads")
    upgraded = log.read_text().split()
    log.unlink()
    project_files.write_env(
        RECORDING_ENV.format(log=str(log), wanted="up").replace(
            "step.up_revision_id", "step.up_revision_ids[0]"
        )
    )
    command.downgrade(config, "base")
    downgraded = log.read_text().split()

    assert [f"+{revision.revision}" for revision in graph.order] == upgraded
    assert [f"+{one}" for one in ids(graph.upgrade_steps((), "heads"))] == upgraded
    assert [f"-{one}" for one in ids(graph.downgrade_steps(graph.heads, "base"))] == downgraded


# Looking things up


def test_graph_lookups_of_a_revision_give_script_path_and_description(project_files: Any) -> None:
    path = project_files.add_revision("a1", message="add audit")
    project_files.add_revision("a2", "a1", message="empty message")

    graph = read_graph(project_files)

    assert "a1" in graph
    assert "a" not in graph
    assert graph["a1"].revision == "a1"
    assert graph.path("a1") == path
    assert graph.describe("a1") == "a1 (add audit)"
    assert graph.describe("a2") == "a2"
    assert graph.describe("unknown") == "unknown"


def test_parents_and_ancestors_follow_down_revision_and_depends_on(graph_of: GraphOf) -> None:
    graph = graph_of(dependent)

    assert sorted(graph.parents("a3")) == ["a2", "z2"]
    assert graph.ancestors("a3") == {"a1", "a2", "z1", "z2"}
    assert graph.ancestors("z3") == {"z1", "z2"}
    assert graph.ancestors("a1") == set()


def test_parents_with_dependency_on_a_label_are_revisions(graph_of: GraphOf) -> None:
    assert graph_of(dependent_on_a_label).parents("a1") == ("z1",)


def test_parents_of_a_merge_are_all_its_branches(graph_of: GraphOf) -> None:
    assert sorted(graph_of(merged).parents("m4")) == ["b3", "c2"]


# Steps


@pytest.mark.parametrize(
    ("history", "current", "target", "expected"),
    [
        (linear, (), "head", ["a1", "a2", "a3"]),
        (linear, ("a1",), "head", ["a2", "a3"]),
        (linear, ("a1",), "+1", ["a2"]),
        (linear, (), "a2", ["a1", "a2"]),
        (linear, ("a3",), "head", []),
        (linear, ("a3",), "a1", []),
        (branched, ("a1",), "bees@head", ["b2", "b3"]),
        (branched, ("b3",), "heads", ["c2"]),
        (branched, (), "cats", ["a1", "c2"]),
        (merged, ("b3", "c2"), "m4", ["m4"]),
        (several_bases, ("z2",), "heads", ["a1", "a2"]),
        (dependent, ("a2",), "a3", ["z1", "z2", "a3"]),
    ],
)
def test_upgrade_steps_from_the_current_revisions_are_those_that_are_missing(
    history: Callable[[Any], None],
    current: tuple[str, ...],
    target: str,
    expected: list[str],
    graph_of: GraphOf,
) -> None:
    steps = graph_of(history).upgrade_steps(current, target)

    assert ids(steps) == expected
    assert all(step.is_upgrade for step in steps)


@pytest.mark.parametrize(
    ("history", "current", "target", "expected"),
    [
        (linear, ("a3",), "base", ["a3", "a2", "a1"]),
        (linear, ("a3",), "a1", ["a3", "a2"]),
        (linear, ("a3",), "-1", ["a3"]),
        (linear, (), "base", []),
        (branched, ("b3", "c2"), "bees@a1", ["b3", "b2"]),
        (merged, ("m5",), "m4", ["m5"]),
    ],
)
def test_downgrade_steps_from_the_current_revisions_are_those_above_the_target(
    history: Callable[[Any], None],
    current: tuple[str, ...],
    target: str,
    expected: list[str],
    graph_of: GraphOf,
) -> None:
    steps = graph_of(history).downgrade_steps(current, target)

    assert ids(steps) == expected
    assert not any(step.is_upgrade for step in steps)


def test_single_steps_of_a_revision_go_up_and_down(graph_of: GraphOf) -> None:
    graph = graph_of(linear)

    up, down = graph.upgrade_step("a2"), graph.downgrade_step("a2")

    assert (up.is_upgrade, up.from_revisions, up.to_revisions) == (True, ("a1",), ("a2",))
    assert (down.is_upgrade, down.from_revisions, down.to_revisions) == (False, ("a2",), ("a1",))


@pytest.mark.parametrize("steps", ["upgrade_steps", "downgrade_steps"])
def test_steps_from_an_unknown_revision_say_that_the_database_is_ahead(
    steps: str, graph_of: GraphOf
) -> None:
    graph = graph_of(linear)

    with pytest.raises(DatabaseAhead) as caught:
        getattr(graph, steps)(("a2", "f00"), "base")

    assert str(caught.value) == (
        "the database is at revision f00, which is not among the 3 revisions in"
        f" {graph.script.dir}\n"
        "  It was migrated by newer code, or by other code; nothing was changed.\n"
        "  help: deploy the code that has this revision, or restore the database that fits this"
        " code (head a3)."
    )


def test_upgrade_steps_to_head_with_several_heads_name_them(graph_of: GraphOf) -> None:
    with pytest.raises(MultipleHeads) as caught:
        graph_of(branched).upgrade_steps((), "head")

    assert str(caught.value) == (
        "the history has 2 heads: b3, c2\n"
        '  "head" does not say which of them is meant; nothing was changed.\n'
        '  help: merge them (alembic merge heads), or ask for "heads" or one of them.'
    )


def test_upgrade_steps_to_an_unknown_target_name_the_heads(graph_of: GraphOf) -> None:
    with pytest.raises(HistoryError) as caught:
        graph_of(linear).upgrade_steps((), "nothing")

    assert str(caught.value) == (
        "\"nothing\" cannot be reached: No such revision or branch 'nothing'\n"
        "  Nothing was changed.\n"
        "  help: name a revision of this history; its heads are a3."
    )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("+7", "Relative revision +7 didn't produce 7 migrations"),
        ("a1+7", "the history is not that long"),
        ("bees@head", "No such revision or branch 'bees'"),
    ],
)
def test_upgrade_steps_to_a_target_beyond_the_history_say_why(
    target: str, reason: str, graph_of: GraphOf
) -> None:
    with pytest.raises(HistoryError) as caught:
        graph_of(linear).upgrade_steps((), target)

    assert caught.value.message == f'"{target}" cannot be reached: {reason}'


@pytest.mark.parametrize("target", ["-7", "nothing"])
def test_downgrade_steps_to_a_target_beyond_the_history_raise_history_error(
    target: str, graph_of: GraphOf
) -> None:
    with pytest.raises(HistoryError, match="cannot be reached"):
        graph_of(linear).downgrade_steps(("a3",), target)


# Broken histories

NOT_ONE_HISTORY = (
    "  Alembic cannot tell in which order to run them; nothing was run. Look at: {files}\n"
    "  help: see that each revision id is there once, and that every down_revision and depends_on"
    " names one that is."
)


def test_graph_with_a_duplicate_revision_names_both_files(project_files: Any) -> None:
    linear(project_files)
    first = project_files.folder / "migrations" / "versions" / "a2.py"
    second = first.with_name("copy_of_a2.py")
    second.write_text(first.read_text())

    with pytest.raises(HistoryError) as caught:
        read_graph(project_files)

    assert str(caught.value) == (
        "the revision files do not make one history: Revision a2 is present more than once\n"
        + NOT_ONE_HISTORY.format(files=f"{first}, {second}")
    )


def test_graph_with_a_missing_parent_names_the_file(project_files: Any) -> None:
    linear(project_files)
    path = project_files.add_revision("a4", "gone")

    with pytest.raises(HistoryError) as caught:
        read_graph(project_files)

    assert caught.value.message.startswith(
        "the revision files do not make one history: Revision gone referenced from gone -> a4"
    )
    assert str(caught.value).endswith(NOT_ONE_HISTORY.format(files=path))


def test_graph_with_a_missing_dependency_names_the_file(project_files: Any) -> None:
    linear(project_files)
    path = project_files.add_revision("a4", "a3", depends_on="gone")

    with pytest.raises(HistoryError) as caught:
        read_graph(project_files)

    assert str(caught.value) == (
        "the revision files do not make one history: gone is not present\n"
        + NOT_ONE_HISTORY.format(files=path)
    )


def test_graph_with_a_cycle_names_the_files(project_files: Any) -> None:
    project_files.add_revision("a1")
    two = project_files.add_revision("a2", "a3")
    three = project_files.add_revision("a3", "a2")

    with pytest.raises(HistoryError) as caught:
        read_graph(project_files)

    assert "Cycle is detected in revisions" in caught.value.message
    assert str(caught.value).endswith(NOT_ONE_HISTORY.format(files=f"{two}, {three}"))


def test_graph_with_a_label_used_twice_names_the_files(project_files: Any) -> None:
    first = project_files.add_revision("a1", branch_labels="main")
    second = project_files.add_revision("z1", branch_labels="main")

    with pytest.raises(HistoryError) as caught:
        read_graph(project_files)

    assert "Branch name 'main'" in caught.value.message
    assert str(caught.value).endswith(NOT_ONE_HISTORY.format(files=f"{first}, {second}"))


CANNOT_BE_IMPORTED = (
    "\n  Without it there is no history, so nothing was run.\n"
    "  help: correct the file; Python must be able to import it from the folder of the"
    " configuration file (prepend_sys_path)."
)


def test_graph_with_a_syntax_error_names_file_and_line(project_files: Any) -> None:
    path = project_files.add_revision("a1", upgrade="op.execute(")

    with pytest.raises(HistoryError) as caught:
        read_graph(project_files)

    line = path.read_text().splitlines().index("    op.execute(") + 1
    assert str(caught.value) == (
        f"a revision file cannot be imported: {path}:{line}: SyntaxError: '(' was never closed"
        f" (a1.py, line {line})" + CANNOT_BE_IMPORTED
    )
    assert isinstance(caught.value.__cause__, SyntaxError)


def test_graph_with_an_import_error_names_file_and_line(project_files: Any) -> None:
    path = project_files.add_revision("a1")
    path.write_text(f"import no_such_shop\n{path.read_text()}")

    with pytest.raises(HistoryError) as caught:
        read_graph(project_files)

    assert str(caught.value) == (
        f"a revision file cannot be imported: {path}:1: ModuleNotFoundError: No module named"
        " 'no_such_shop'" + CANNOT_BE_IMPORTED
    )


def test_graph_with_an_operation_outside_of_upgrade_names_file_and_line(
    project_files: Any,
) -> None:
    path = project_files.add_revision("a1")
    path.write_text(f"from alembic import op; op.execute('SELECT 1')\n{path.read_text()}")

    with pytest.raises(HistoryError) as caught:
        read_graph(project_files)

    assert caught.value.message.startswith(f"a revision file cannot be imported: {path}:1: ")


def test_graph_of_a_project_in_a_folder_named_alembic_names_file_and_line(
    make_project: Callable[..., Any],
) -> None:
    files = make_project("alembic")
    path = files.add_revision("a1")
    path.write_text(f"raise RuntimeError('no')\n{path.read_text()}")

    with pytest.raises(HistoryError) as caught:
        read_graph(files)

    assert caught.value.message == (
        f"a revision file cannot be imported: {path}:1: RuntimeError: no"
    )


def test_graph_with_a_file_without_revision_names_it(project_files: Any) -> None:
    path = project_files.folder / "migrations" / "versions" / "notes.py"
    path.write_text("text = 'no revision'\n")

    with pytest.raises(HistoryError) as caught:
        read_graph(project_files)

    assert str(path) in str(caught.value) or path.name in str(caught.value)


def test_graph_without_the_folder_of_migrations_says_where_it_was_looked_for(
    tmp_path: Path,
) -> None:
    config = make_config("sqlite://", script_location=str(tmp_path / "none"))

    with pytest.raises(ConfigError) as caught:
        RevisionGraph.from_config(config)

    assert str(caught.value) == (
        f"the folder of the migrations is not there: {caught.value.__cause__}\n"
        f'  script_location is "{tmp_path}/none".\n'
        "  help: correct script_location: a path from the folder of the configuration file, or"
        " package:folder."
    )


def test_graph_of_a_package_that_is_not_installed_says_so() -> None:
    config = make_config("sqlite://", script_location="no_such_shop:migrations")

    with pytest.raises(ConfigError) as caught:
        RevisionGraph.from_config(config)

    assert caught.value.message == (
        "the folder of the migrations is not there: No module named 'no_such_shop'"
    )


# sys.path


def test_graph_of_revisions_that_import_the_project_restores_sys_path(
    project_files: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (project_files.folder / "shop_for_history.py").write_text("NAME = 'shop'\n")
    path = project_files.add_revision("a1")
    path.write_text(f"import shop_for_history\n{path.read_text()}")
    project_files.ini.write_text(
        "[alembic]\nscript_location = migrations\nprepend_sys_path = .\npath_separator = os\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "shop_for_history", raising=False)
    before = list(sys.path)

    graph = read_graph(project_files)

    assert graph.heads == ("a1",)
    assert sys.path == before


def test_graph_of_a_broken_history_restores_sys_path(project_files: Any) -> None:
    project_files.add_revision("a2", "gone")
    before = list(sys.path)

    with pytest.raises(HistoryError):
        read_graph(project_files)

    assert sys.path == before


def test_project_on_sys_path_inside_the_block_has_the_project_first(project_files: Any) -> None:
    config = make_config("sqlite://", config_file=project_files.ini)
    before = list(sys.path)

    with project_on_sys_path(config):
        inside = list(sys.path)
        sys.path.append("left behind")

    assert inside == [str(project_files.folder), *before]
    assert sys.path == before
