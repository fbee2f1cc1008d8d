"""``pytest --assay``: the checks as test items, in runs of their own."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alembic_assay.dialects.postgresql.binaries import find_binaries

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

# pytester forgets the modules that are first imported while it is there; imported a second time,
# SQLAlchemy's would register everything twice.
for _name in (
    "alembic_assay.dialects.postgresql",
    "alembic_assay.dialects.sqlite",
    "alembic_assay.pytest_plugin.items",
    "alembic_assay.sandboxes",
    "alembic_assay.template_builder",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "sqlalchemy.orm",
):
    importlib.import_module(_name)

CREATE_A = 'op.create_table("a", sa.Column("id", sa.Integer, primary_key=True))'
MODELS = """
import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table("a", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""
ENV_WITH_MODELS = "from assay_shop_models import metadata\n"


@pytest.fixture
def files(
    pytester: pytest.Pytester,
    make_project: Callable[..., ProjectFiles],
    monkeypatch: pytest.MonkeyPatch,
) -> ProjectFiles:
    """An Alembic project on SQLite in the folder in which pytester runs pytest."""
    for name in ("ASSAY_URL", "ASSAY_CONFIG", "ASSAY_METADATA", "ALEMBIC_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return make_project(pytester.path)


@pytest.fixture
def right_files(files: ProjectFiles) -> ProjectFiles:
    """A project with models, and one revision that makes them."""
    (files.folder / "assay_shop_models.py").write_text(MODELS)
    files.write_env(metadata="metadata")
    files.env.write_text(ENV_WITH_MODELS + files.env.read_text())
    files.add_table("0001", None, "a")
    return files


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)


def section(result: pytest.RunResult, name: str) -> list[str]:
    """Return the lines below the heading that has these words, up to the next one."""
    found: list[str] = []
    inside = False
    for line in result.outlines:
        if re.fullmatch(r"[=_]+ .* [=_]+", line):
            inside = line.strip("=_ ") == name
        elif inside and line:
            found.append(line)
    return found


def test_assay_needs_no_test_file(pytester: pytest.Pytester, right_files: ProjectFiles) -> None:
    result = run(pytester, "--assay", "-v")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "alembic-assay::heads PASSED*",
            "alembic-assay::upgrade PASSED*",
            "alembic-assay::round-trip PASSED*",
            "alembic-assay::drift PASSED*",
        ]
    )
    assert result.ret == 0


def test_without_assay_nothing_is_checked(
    pytester: pytest.Pytester, right_files: ProjectFiles
) -> None:
    result = run(pytester)

    result.assert_outcomes()
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.no_fnmatch_line("*alembic-assay:*")


def test_assay_fails_with_the_text_of_the_findings(
    pytester: pytest.Pytester, right_files: ProjectFiles
) -> None:
    right_files.add_revision(
        "0002", "0001", upgrade='op.create_index("ix", "a", ["id"])', message="index a"
    )

    result = run(pytester, "--assay")

    result.assert_outcomes(passed=2, failed=2)
    assert section(result, "alembic-assay::round-trip") == [
        "downgrade-does-nothing: downgrade of 0002 (index a) undoes nothing: index a.ix stays",
        "  in migrations/versions/0002.py",
        (
            "  The database is said to be a revision older and is not, so that the next one fails:"
            " OperationalError: index ix already exists."
        ),
        "  help: write downgrade(); if there is no way back, let it raise NotImplementedError.",
    ]
    *drift, code = section(result, "alembic-assay::drift")
    assert drift == [
        "drift-extra: index a.ix is in the migrations, but not in the models",
        "  The application's models and its database do not agree.",
        "  help: add to a new revision's upgrade(), or change the model:",
    ]
    assert code.strip().startswith("op.drop_index(")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_assay_of_a_broken_history_fails_heads_and_skips_the_rest(
    pytester: pytest.Pytester, files: ProjectFiles
) -> None:
    files.add_revision("0002", "0001")

    result = run(pytester, "--assay")

    result.assert_outcomes(failed=1, skipped=3)
    assert section(result, "alembic-assay::heads")[0].startswith(
        "broken-history: the revision files do not make one history: Revision 0001 referenced"
    )


def test_notes_are_shown_at_the_end(pytester: pytest.Pytester, right_files: ProjectFiles) -> None:
    right_files.add_revision("0002", "0001", downgrade=None, message="no way")

    result = run(pytester, "--assay")

    result.assert_outcomes(passed=4)
    assert section(result, "notes on the migrations") == [
        "[note] irreversible: revision 0002 (no way) is irreversible: it has no downgrade()",
        "  in migrations/versions/0002.py",
        "  Its downgrade was not checked.",
    ]


def test_drift_without_models_is_skipped_with_its_reason(
    pytester: pytest.Pytester, files: ProjectFiles
) -> None:
    files.add_table("0001", None, "a")

    result = run(pytester, "--assay", "-rs")

    result.assert_outcomes(passed=3, skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED * gives no target_metadata, so there are no models to compare with"]
    )


def test_keyword_chooses_among_the_checks(
    pytester: pytest.Pytester, right_files: ProjectFiles
) -> None:
    result = run(pytester, "--assay", "-k", "round", "-v")

    result.assert_outcomes(passed=1, deselected=3)
    result.stdout.fnmatch_lines(["alembic-assay::round-trip PASSED*"])


def test_checks_run_before_the_tests(pytester: pytest.Pytester, right_files: ProjectFiles) -> None:
    pytester.makepyfile(test_own="def test_own():\n    pass\n")

    result = run(pytester, "--assay", "-v")

    result.assert_outcomes(passed=5)
    ran = [line.split(" ")[0] for line in result.outlines if " PASSED" in line]
    assert ran == [
        "alembic-assay::heads",
        "alembic-assay::upgrade",
        "alembic-assay::round-trip",
        "alembic-assay::drift",
        "test_own.py::test_own",
    ]


def test_collect_only_lists_the_checks_and_runs_none(
    pytester: pytest.Pytester, right_files: ProjectFiles
) -> None:
    right_files.env.write_text(f"{right_files.env.read_text()}\nopen('ran', 'w').close()\n")

    result = run(pytester, "--assay", "--collect-only", "-q")

    assert result.outlines[:4] == [
        "alembic-assay::heads",
        "alembic-assay::upgrade",
        "alembic-assay::round-trip",
        "alembic-assay::drift",
    ]
    assert result.ret == 0
    assert not (pytester.path / "ran").exists()


def test_checks_are_in_the_report_for_machines(
    pytester: pytest.Pytester, right_files: ProjectFiles
) -> None:
    result = run(pytester, "--assay", "--junitxml=report.xml")

    result.assert_outcomes(passed=4)
    names = re.findall(r'<testcase [^>]*name="([^"]*)"', Path("report.xml").read_text())
    assert names == ["heads", "upgrade", "round-trip", "drift"]


def test_missing_configuration_is_said_in_each_check(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--assay")

    result.assert_outcomes(errors=4)
    assert section(result, "ERROR at setup of alembic-assay::heads") == [
        f"there is no alembic.ini, and no pyproject.toml with [tool.alembic], in {pytester.path}",
        "  Without one the migrations cannot be found.",
        "  help: start in the folder that holds it, or name it: -c path/to/alembic.ini",
    ]


@pytest.mark.parametrize("place", [".", "tests"])
def test_overrides_of_a_conftest_count_for_the_checks(
    pytester: pytest.Pytester, files: ProjectFiles, place: str
) -> None:
    files.ini.rename(files.folder / "alembic.ini.off")
    (files.folder / "alembic.ini").write_text("[alembic]\nscript_location = nowhere\n")
    (files.folder / "assay_shop_models.py").write_text(MODELS)
    files.add_table("0001", None, "a")
    folder = files.folder / place
    folder.mkdir(exist_ok=True)
    (folder / "conftest.py").write_text(
        f"""
import sys

import pytest

sys.path.insert(0, {str(files.folder)!r})

from assay_shop_models import metadata


@pytest.fixture(scope="session")
def assay_config():
    from alembic_assay import make_config

    return lambda url: make_config(url, script_location={str(files.folder / "migrations")!r})


@pytest.fixture(scope="session")
def assay_metadata():
    return metadata


@pytest.fixture(scope="session")
def assay_url():
    return "sqlite://"
"""
    )
    (folder / "test_own.py").write_text(
        "def test_own(assay_project):\n    assert assay_project.metadata.tables.keys() == {'a'}\n"
    )

    result = run(pytester, "--assay")

    result.assert_outcomes(passed=5)


@pytest.mark.parametrize(
    ("arguments", "variable", "ini", "said"),
    [
        (["--assay-url=sqlite://"], "oracle://", "oracle://", "(from --assay-url)"),
        ([], "sqlite://", "oracle://", "(from env ASSAY_URL)"),
        ([], None, "sqlite://", "(from ini assay_url)"),
    ],
)
def test_url_is_chosen_by_option_then_environment_then_ini(
    pytester: pytest.Pytester,
    right_files: ProjectFiles,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str | None,
    ini: str,
    said: str,
) -> None:
    right_files.ini.write_text(right_files.ini.read_text().replace("sqlite://", "mssql://"))
    pytester.makeini(f"[pytest]\nassay_url = {ini}\n")
    if variable:
        monkeypatch.setenv("ASSAY_URL", variable)

    result = run(pytester, "--assay", *arguments)

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines([f"alembic-assay: sqlite, which needs no server {said}"])


def test_url_of_the_configuration_is_the_default(
    pytester: pytest.Pytester, right_files: ProjectFiles
) -> None:
    result = run(pytester, "--assay", "-k", "heads")

    result.assert_outcomes(passed=1, deselected=3)
    result.stdout.fnmatch_lines(["alembic-assay: sqlite, which needs no server (from alembic.ini)"])


def test_header_says_every_choice_and_masks_the_password(
    pytester: pytest.Pytester, right_files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_URL", "postgresql://app:s3cret@localhost:1/postgres")
    pytester.makeini("[pytest]\nassay_config = alembic.ini\n")

    result = run(pytester, "--assay-metadata=assay_shop_models:metadata")

    result.stdout.fnmatch_lines(
        [
            (
                "alembic-assay: postgresql on the server at localhost:1 (from env ASSAY_URL),"
                " config alembic.ini (from ini assay_config),"
                " metadata assay_shop_models:metadata (from --assay-metadata)"
            )
        ]
    )
    assert "s3cret" not in result.stdout.str()


def test_header_survives_something_that_is_no_url(
    pytester: pytest.Pytester, right_files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_URL", "app:s3cret@localhost")

    result = run(pytester, "--assay", "-k", "heads")

    result.assert_outcomes(errors=1, deselected=3)
    result.stdout.fnmatch_lines(["alembic-assay: url *** (from env ASSAY_URL)"])
    result.stdout.fnmatch_lines(["the database URL cannot be read"])
    assert "s3cret" not in result.stdout.str() + result.stderr.str()


def test_header_says_which_server_will_be_started_and_why(
    pytester: pytest.Pytester, right_files: ProjectFiles
) -> None:
    binaries = find_binaries()
    assert binaries is not None
    pytester.makeini("[pytest]\nassay_url = postgresql://\n")

    result = run(pytester)

    assert (
        f"alembic-assay: postgresql on a server of its own, {binaries.origin}"
        " (no URL of a server was given; from ini assay_url)"
    ) in result.outlines


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql+asyncpg://app:s3cret@127.0.0.1/shop", "postgresql on the server at 127.0.0.1"),
        ("postgresql:///shop?host=/run/pg&user=app", "postgresql on the server at /run/pg"),
        ("postgresql://a,b/shop", "postgresql on the server at a, b"),
        ("mariadb+pymysql://root:s3cret@[::1]:3307/", "mariadb on the server at ::1:3307"),
    ],
)
def test_header_says_the_server_of_a_url(
    pytester: pytest.Pytester, right_files: ProjectFiles, url: str, place: str
) -> None:
    result = run(pytester, f"--assay-url={url}")

    assert f"alembic-assay: {place} (from --assay-url)" in result.outlines


@pytest.mark.parametrize("url", ["oracle://localhost/x", "mysql://", "postgresql+nothing"])
def test_header_of_a_server_that_cannot_be_told_says_what_was_chosen(
    pytester: pytest.Pytester, right_files: ProjectFiles, url: str
) -> None:
    result = run(pytester, f"--assay-url={url}")

    assert f"alembic-assay: url {url} (from --assay-url)" in result.outlines
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_header_of_the_checks_says_what_the_settings_do(
    pytester: pytest.Pytester, right_files: ProjectFiles
) -> None:
    settings = '[tool.alembic-assay]\nurl = "postgresql://app:s3cret@localhost:1/"\n'
    (pytester.path / "pyproject.toml").write_text(settings)

    result = run(pytester, "--assay", "--collect-only")

    result.stdout.fnmatch_lines(
        ["alembic-assay: postgresql on the server at localhost:1 (from [[]tool.alembic-assay])"]
    )


def test_header_of_checks_without_a_configuration_says_where_it_should_be(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester, "--assay", "--collect-only")

    result.stdout.fnmatch_lines(["alembic-assay: as the Alembic configuration says"])


def test_server_that_cannot_be_reached_is_said_without_the_password(
    pytester: pytest.Pytester, right_files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_URL", "postgresql://app:s3cret@localhost:1/postgres")

    result = run(pytester, "--assay", "-k", "heads")

    result.assert_outcomes(errors=1, deselected=3)
    result.stdout.fnmatch_lines(
        ["postgresql*://app:***@localhost:1/postgres cannot be reached: OperationalError: *"]
    )
    assert "s3cret" not in result.stdout.str() + result.stderr.str()


def test_config_and_metadata_may_be_chosen(pytester: pytest.Pytester, files: ProjectFiles) -> None:
    folder = files.folder / "database"
    folder.mkdir()
    files.ini.rename(folder / "shop.ini")
    (files.folder / "migrations").rename(folder / "migrations")
    (folder / "assay_shop_models.py").write_text(MODELS)

    result = run(
        pytester,
        "--assay",
        "--assay-config=database/shop.ini",
        "--assay-metadata=assay_shop_models:metadata",
    )

    result.assert_outcomes(passed=3, failed=1)
    assert section(result, "alembic-assay::drift")[0] == (
        "drift-missing: table a is in the models, but not in the migrations"
    )


def test_nothing_but_pytest_is_imported_when_no_database_is_used(
    pytester: pytest.Pytester, right_files: ProjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_URL", "sqlite://")
    pytester.makepyfile(
        """
        import sys

        def test_own():
            assert "alembic_assay.pytest_plugin" in sys.modules
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert not loaded & {"sqlalchemy", "alembic", "rich", "filelock", "psycopg"}
        """
    )

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=1)


def test_unknown_word_for_what_to_keep_is_refused(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--assay-keep=always")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            'ERROR: there is nothing to keep by the name "always" (from --assay-keep)',
            "  help: --assay-keep=failed keeps the databases of failed tests.",
        ]
    )
