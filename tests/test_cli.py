from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL
from tests.states import with_transactional_ddl

from alembic_assay.cli import main
from alembic_assay.databases import Databases

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

MODELS = """
import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""
CREATE_A = 'op.create_table("a", sa.Column("id", sa.Integer))'


@pytest.fixture(autouse=True)
def in_project(project_files: ProjectFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is the working directory, and nothing is chosen by the environment."""
    monkeypatch.chdir(project_files.folder)
    for name in ("ASSAY_URL", "ALEMBIC_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def right_project(project_files: ProjectFiles) -> ProjectFiles:
    """A project with models, and one revision that makes them."""
    project_files.add_table("0001", None, "users")
    project_files.write_env(metadata="metadata")
    project_files.env.write_text(MODELS + project_files.env.read_text())
    return project_files


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def run_module(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic_assay", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_of_a_right_project_prints_ok_and_returns_0(
    right_project: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["check"])

    printed = capsys.readouterr()
    assert lines(printed.out) == [
        "alembic.ini on sqlite (files in a temporary folder)",
        "",
        "check        result   revision   object",
        "heads        ok",
        "upgrade      ok",
        "round-trip   ok",
        "drift        ok",
        "",
        "no findings",
    ]
    assert (code, printed.err) == (0, "")


def test_check_runs_on_the_server_of_a_url(
    right_project: ProjectFiles, databases: Databases, capsys: pytest.CaptureFixture[str]
) -> None:
    server = databases.url.render_as_string(hide_password=False)

    code = main(["check", "--url", server])

    printed = lines(capsys.readouterr().out)
    assert printed[0].startswith(f"alembic.ini on {databases.backend.name} (")
    assert (code, printed[-1]) == (0, "no findings")


def test_check_prints_findings_in_the_table_and_below_and_returns_1(
    project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    project_files.add_revision(
        "0001",
        upgrade=f'{CREATE_A}\nop.create_table("b", sa.Column("id", sa.Integer))',
        downgrade='op.drop_table("a")',
        message="make two",
    )
    project_files.add_revision("0002", "0001", downgrade=None, message="no way")

    code = main(["check"])

    assert code == 1
    assert lines(capsys.readouterr().out) == [
        "alembic.ini on sqlite (files in a temporary folder)",
        "",
        "check        result                revision   object",
        "heads        ok",
        "upgrade      ok",
        "round-trip   round-trip-leftover   0001       table b",
        "round-trip   irreversible          0002",
        "drift        drift-not-checked",
        "",
        "round-trip-leftover: downgrade of 0001 (make two) leaves table b behind",
        "  in migrations/versions/0001.py",
        "  So that the next one fails: OperationalError: table b already exists.",
        '  help: remove it in downgrade(): op.drop_table("b")',
        "",
        "[note] irreversible: revision 0002 (no way) is irreversible: it has no downgrade()",
        "  in migrations/versions/0002.py",
        "  Its downgrade was not checked.",
        "",
        (
            f"[skipped] drift-not-checked: {project_files.env} gives no target_metadata,"
            " so there are no models to compare with"
        ),
        (
            '  help: name them: --metadata package.models:Base, or metadata = "package.models:Base"'
            " in"
            " [tool.alembic-assay]."
        ),
        "",
        "1 error, 1 note, 1 skipped",
    ]


def test_check_that_finds_notes_and_skipped_alone_returns_0(
    project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    project_files.add_revision("0001", upgrade=CREATE_A, downgrade=None)

    code = main(["check"])

    assert lines(capsys.readouterr().out)[2:] == [
        "check        result              revision   object",
        "heads        ok",
        "upgrade      ok",
        "round-trip   ok",
        "round-trip   irreversible        0001",
        "drift        drift-not-checked",
        "",
        "[note] irreversible: revision 0001 (0001) is irreversible: it has no downgrade()",
        "  in migrations/versions/0001.py",
        "  Its downgrade was not checked.",
        "",
        (
            f"[skipped] drift-not-checked: {project_files.env} gives no target_metadata,"
            " so there are no models to compare with"
        ),
        (
            '  help: name them: --metadata package.models:Base, or metadata = "package.models:Base"'
            " in"
            " [tool.alembic-assay]."
        ),
        "",
        "1 note, 1 skipped",
    ]
    assert code == 0


def test_check_that_finds_what_another_found_is_not_ok_in_the_table(
    project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    project_files.add_revision("0001", upgrade='op.drop_table("nowhere")')

    code = main(["check", "upgrade", "round-trip"])

    assert lines(capsys.readouterr().out)[2:] == [
        "check        result           revision   object",
        "upgrade      upgrade-failed   0001",
        "round-trip   upgrade-failed   0001",
        "",
        "upgrade-failed: upgrade to 0001 (0001) fails: OperationalError: no such table: nowhere",
        "  in migrations/versions/0001.py",
        "  A database cannot be brought to head.",
        "  help: correct upgrade(), or, if new installations do not start from an empty database,",
        (
            '        say from what: baseline = "schema.sql", "package:function" or "create_all" in'
            " [tool.alembic-assay]."
        ),
        "",
        "1 error",
    ]
    assert code == 1


def test_check_of_named_checks_runs_no_others(
    right_project: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["check", "drift", "heads"])

    assert lines(capsys.readouterr().out)[2:5] == [
        "check   result   revision   object",
        "drift   ok",
        "heads   ok",
    ]
    assert code == 0


def test_check_that_does_not_exist_returns_2(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", "heads", "spelling"])

    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err == (
        "error: there is no check spelling\n"
        "  help: the checks are: heads, upgrade, round-trip, drift, create-all.\n"
    )


def test_check_of_a_broken_history_is_a_finding_and_returns_1(
    project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    project_files.add_revision("0002", "0001")

    code = main(["check"])

    printed = lines(capsys.readouterr().out)
    assert printed[2:7] == [
        "check        result                   revision   object",
        "heads        broken-history",
        "upgrade      upgrade-not-checked",
        "round-trip   round-trip-not-checked",
        "drift        drift-not-checked",
    ]
    assert (
        "broken-history: the revision files do not make one history: Revision 0001 referenced from"
        " 0001 -> 0002 (head), 0002 is not present"
    ) in printed
    assert (code, printed[-1]) == (1, "1 error, 3 skipped")


def test_check_without_a_configuration_returns_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)

    code = main(["check"])

    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err == (
        f"error: there is no alembic.ini, and no pyproject.toml with [tool.alembic], in {empty}\n"
        "  Without one the migrations cannot be found.\n"
        "  help: start in the folder that holds it, or name it: -c path/to/alembic.ini\n"
    )


def test_check_of_an_unsupported_database_returns_2(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", "--url", "oracle://scott:tiger@db/shop"])

    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err.startswith('error: the database "oracle" is not supported\n')
    assert "tiger" not in printed.err


def test_check_without_arguments_for_an_option_returns_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["check", "--format", "yaml"])

    assert caught.value.code == 2


def test_check_as_json_prints_json_alone(
    project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project_files.add_revision("0001", upgrade=CREATE_A, message="make a")

    code = main(["check", "round-trip", "--format", "json"])

    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "findings": [
            {
                "check": "round-trip",
                "rule": "downgrade-does-nothing",
                "message": "downgrade of 0001 (make a) undoes nothing: table a stays",
                "effect": "The database is said to be a revision older and is not, so that the"
                " next one fails: OperationalError: table a already exists.",
                "help": "write downgrade(); if there is no way back, let it raise"
                " NotImplementedError.",
                "severity": "error",
                "revision": "0001",
                "path": str(path),
                "object": None,
            }
        ],
        "counts": {"error": 1, "note": 0, "skipped": 0},
    }
    assert (code, printed.err) == (1, "")


def test_drift_is_the_check_of_that_name(
    right_project: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    right_project.add_table("0002", "0001", "old")

    code = main(["drift", "--format", "json"])

    report = json.loads(capsys.readouterr().out)
    assert [(one["check"], one["rule"], one["object"]) for one in report["findings"]] == [
        ("drift", "drift-extra", "table old")
    ]
    assert code == 1


def test_metadata_of_the_command_line_is_compared(
    project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    (project_files.folder / "assay_cli_models.py").write_text(MODELS)

    code = main(["drift", "--metadata", "assay_cli_models:metadata", "--format", "json"])

    report = json.loads(capsys.readouterr().out)
    assert [one["object"] for one in report["findings"]] == ["table users"]
    assert code == 1


def test_metadata_that_cannot_be_loaded_returns_2(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["drift", "--metadata", "assay_no_models:metadata"])

    assert code == 2
    assert capsys.readouterr().err == (
        'error: "assay_no_models:metadata" cannot be loaded:'
        " ModuleNotFoundError: No module named 'assay_no_models'\n"
        "  help: see that the package is installed, or that prepend_sys_path in the Alembic"
        " configuration leads to it.\n"
    )


def test_options_of_alembic_keep_their_meaning(
    project_files: ProjectFiles, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ini = project_files.ini.rename(project_files.folder / "other.ini")
    ini.write_text(ini.read_text().replace("[alembic]", "[shop]"))
    seen = tmp_path / "seen"
    project_files.env.write_text(
        "from alembic import context\n"
        "from pathlib import Path\n"
        f"Path({str(seen)!r}).write_text(repr(context.get_x_argument(as_dictionary=True)))\n"
        f"{project_files.env.read_text()}"
    )
    project_files.add_table("0001", None, "users")

    code = main(["check", "upgrade", "-c", "other.ini", "-n", "shop", "-x", "a=1", "-x", "b=2"])

    assert code == 0
    assert seen.read_text() == "{'a': '1', 'b': '2'}"
    assert capsys.readouterr().out.startswith("other.ini on sqlite")


def test_section_that_does_not_exist_returns_2(
    project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["check", "-n", "shop"])

    assert code == 2
    assert capsys.readouterr().err == (
        "error: alembic.ini has no section [shop]\n"
        "  Its sections are: [alembic].\n"
        "  help: name the section of the migrations: -n NAME\n"
    ).replace("error: alembic.ini", f"error: {project_files.ini}")


def test_progress_is_shown_on_a_terminal_alone(right_project: ProjectFiles) -> None:
    primary, secondary = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "alembic_assay", "check"],
        stdout=subprocess.PIPE,
        stderr=secondary,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    ) as process:
        os.close(secondary)
        shown = read_to_end(primary)
        printed = process.communicate()[0].decode()
    os.close(primary)

    assert process.returncode == 0
    assert re.search(r"round-trip .*━", shown)
    assert "━" not in printed
    assert run_module("check").stderr == ""


def test_module_runs_the_command_line(right_project: ProjectFiles) -> None:
    done = run_module("check")

    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout)[-1] == "no findings"


def test_module_returns_the_code_of_the_command(project_files: ProjectFiles) -> None:
    project_files.add_revision("0002", "0001")

    assert run_module("check", "heads").returncode == 1
    assert run_module("check", "spelling").returncode == 2
    assert run_module().returncode == 2


def test_check_leaves_the_database_of_the_project_alone(
    right_project: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    text = right_project.ini.read_text()
    right_project.ini.write_text(text.replace("sqlite://", "sqlite:///app.db"))

    code = main(["check"])

    assert code == 0
    assert not (right_project.folder / "app.db").exists()


def test_apply_creates_and_then_has_nothing_to_do(
    right_project: ProjectFiles, database_url: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    right_project.add_table("0002", "0001", "groups")
    url, shown = database_url.render_as_string(hide_password=False), str(database_url)

    assert main(["apply", url, "--target", "0001"]) == 0
    assert capsys.readouterr().out == f"{shown}: created at 0001, 1 revision applied\n"
    assert main(["apply", url]) == 0
    assert capsys.readouterr().out == f"{shown}: upgraded at 0002, 1 revision applied\n"
    assert main(["apply", url]) == 0
    assert capsys.readouterr().out == f"{shown}: up to date at 0002\n"


@with_transactional_ddl
def test_apply_of_a_failing_revision_prints_its_error_and_returns_2(
    right_project: ProjectFiles, database_url: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    path = right_project.add_revision("0002", "0001", upgrade='op.drop_table("nowhere")')

    code = main(["apply", database_url.render_as_string(hide_password=False)])

    error = {
        "sqlite": "OperationalError: no such table: nowhere",
        "postgresql": 'UndefinedTable: table "nowhere" does not exist',
    }[database_url.get_backend_name()]
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err == (
        f"error: the upgrade of revision 0002 (0002) failed: {error}\n"
        f"  It is in {path}; steps before it that stay done: 1.\n"
        "  help: correct the revision, then run it again.\n"
    )


def test_apply_masks_the_password(
    right_project: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["apply", "postgresql://app:s3cret@localhost:1/shop"])

    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err.startswith(
        "error: postgresql://app:***@localhost:1/shop cannot be reached: OperationalError:"
    )
    assert "s3cret" not in printed.err


def test_apply_of_something_that_is_no_url_returns_2_without_printing_it(
    right_project: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["apply", "s3cret"])

    printed = capsys.readouterr()
    assert code == 2
    assert printed.err.startswith("error: the database URL cannot be read\n")
    assert "s3cret" not in printed.err


def read_to_end(descriptor: int) -> str:
    """Read a terminal until nobody has it open any more."""
    found = b""
    while True:
        try:
            block = os.read(descriptor, 4096)
        except OSError:
            block = b""
        if not block:
            return found.decode()
        found += block
