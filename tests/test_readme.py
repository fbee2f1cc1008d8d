"""Every block of the README is true."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import alembic
import pytest

from alembic_assay.pytest_plugin.choices import TARGETS
from alembic_assay.settings import load_settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
CONSOLE = [text for language, text in BLOCKS if language == "console"]
PYTHON = [text for language, text in BLOCKS if language == "python"]
CHECK, TEST, BROKEN, HELP = CONSOLE
FIRST_TEST, DRIFT_TEST, APPLICATION, AUTOGENERATE, MARKED_TESTS = PYTHON


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example, to be run and broken at will; its parent is the working directory."""
    copied = tmp_path / "migrations_example"
    shutil.copytree(
        ROOT / "migrations_example", copied, ignore=shutil.ignore_patterns("*.db", "__pycache__")
    )
    return copied


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0].endswith("alembic-assay")
    return subprocess.run(
        [sys.executable, "-m", "alembic_assay", *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def split(block: str) -> tuple[str, list[str]]:
    """Return the last command of a console block, and the lines that it prints."""
    first, *printed = block.splitlines()
    return first.removeprefix("$ ").split(" && ")[-1], printed


def stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def test_readme_has_no_block_that_is_not_tested() -> None:
    languages = [language for language, _ in BLOCKS]

    counts = [languages.count(language) for language in ("console", "python", "toml", "ini")]
    assert counts == [4, 5, 1, 1]
    assert len(languages) == 11


def test_check_command_prints_what_the_readme_says(example: Path) -> None:
    command, printed = split(CHECK)

    result = run(command, example.parent)

    assert (result.returncode, result.stderr) == (0, "")
    assert stripped(result.stdout) == printed


def test_check_of_broken_migration_prints_what_the_readme_says(example: Path) -> None:
    command, printed = split(BROKEN)
    revision = next(example.glob("migrations/versions/36722c71b347_*.py"))
    whole = revision.read_text()
    revision.write_text(re.sub(r"^    op\.drop_index\(.*$", "    pass", whole, flags=re.MULTILINE))

    result = run(command, example.parent)

    assert (result.returncode, result.stderr) == (1, "")
    assert stripped(result.stdout) == printed


def test_help_is_what_the_readme_says(tmp_path: Path) -> None:
    command, printed = split(HELP)

    result = run(command, tmp_path)

    # Where a line is broken depends on the version of Python.
    assert result.stdout.split() == " ".join(printed).split()


def test_both_commands_make_their_own_environment() -> None:
    for block, extras in ((CHECK, "."), (TEST, "'.[test]'")):
        command = block.splitlines()[0]
        assert command.startswith(
            f"$ python3 -m venv .venv && .venv/bin/pip install -q -e {extras} && .venv/bin/"
        )


def test_tests_of_the_readme_pass_in_the_example(example: Path) -> None:
    for number, code in enumerate([FIRST_TEST, DRIFT_TEST, MARKED_TESTS]):
        (example / "tests" / f"test_readme_{number}.py").write_text(code)

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", "--assay"],
        cwd=example,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout
    # ten of the example, four of the README, four checks
    assert "18 passed" in result.stdout


def test_application_of_the_readme_starts(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    monkeypatch.chdir(example.parent)
    names: dict[str, object] = {}
    exec(APPLICATION, names)

    with testclient.TestClient(names["app"]):
        pass

    assert (example.parent / "catalogue.db").stat().st_size > 0


@pytest.mark.skipif(
    tuple(map(int, alembic.__version__.split(".")[:2])) < (1, 18),
    reason="Alembic has plugins from 1.18 on",
)
def test_alembic_sees_a_changed_check_as_the_readme_says(example: Path) -> None:
    env, models = example / "migrations" / "env.py", example / "catalogue" / "models.py"
    online = re.compile(r" +context\.configure\(\n +connection=.*?\n +\)\n", re.DOTALL)
    env.write_text(online.sub(textwrap.indent(AUTOGENERATE, " " * 8), env.read_text()))
    models.write_text(models.read_text().replace("duration_seconds > 0", "duration_seconds > 1"))

    results = [
        subprocess.run(
            [sys.executable, "-m", "alembic", *words],
            cwd=example,
            capture_output=True,
            text=True,
            check=False,
        )
        for words in (["upgrade", "head"], ["check"])
    ]

    assert [result.returncode == 0 for result in results] == [True, False]
    assert (
        "check constraint tracks.ck_tracks_duration_is_positive: duration_seconds > 1 in the"
        " models, duration_seconds > 0 in the database"
    ) in results[1].stdout + results[1].stderr


def test_names_in_the_ini_file_of_the_readme_are_known(pytester: pytest.Pytester) -> None:
    text = next(text for language, text in BLOCKS if language == "ini")
    pytester.makeini(text)

    config = pytester.parseconfig()

    assert [config.getini(name) for name in TARGETS][:3] == [
        ["shop.db:engine"],
        ["shop.db:session"],
        ["shop.db:Session"],
    ]


def test_settings_of_the_readme_are_read(tmp_path: Path) -> None:
    text = next(text for language, text in BLOCKS if language == "toml")
    (tmp_path / "pyproject.toml").write_text(text)

    settings = load_settings(tmp_path)

    assert settings.url == "postgresql://"
    assert settings.metadata == "shop.models:Base"
    assert settings.configure == "shop.testing:point_to"
    assert settings.baseline == "schema.sql"
    assert settings.allowed_heads == ("shop", "audit")
    assert settings.databases == {"audit": "audit/alembic.ini"}
    assert settings.irreversible == {"ae1027a6acfd": "the old prices are gone for good"}
