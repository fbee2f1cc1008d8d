from __future__ import annotations

from pathlib import Path

import pytest

from alembic_assay.exceptions import ConfigError
from alembic_assay.settings import Settings, load_attribute, load_settings


def write_table(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(f"[tool.alembic-assay]\n{text}\n", encoding="utf-8")
    return path


def test_load_settings_without_file_are_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings(folder=tmp_path)


def test_load_settings_without_table_are_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.black]\nurl = "sqlite://"\n')

    assert load_settings(tmp_path) == Settings(folder=tmp_path)


def test_load_settings_with_every_key_returns_all_of_them(tmp_path: Path) -> None:
    write_table(
        tmp_path,
        """
        url = "postgresql://"
        metadata = "shop.models:Base"
        configure = "shop.settings:point_at"
        baseline = "create_all"
        allowed-heads = ["expand", "contract"]
        irreversible = {a1 = "rows are lost", "b2" = "a view is gone"}
        """,
    )

    assert load_settings(tmp_path) == Settings(
        folder=tmp_path,
        url="postgresql://",
        metadata="shop.models:Base",
        configure="shop.settings:point_at",
        baseline="create_all",
        allowed_heads=("expand", "contract"),
        irreversible={"a1": "rows are lost", "b2": "a view is gone"},
    )


def test_load_settings_with_misspelled_key_suggests_the_right_one(tmp_path: Path) -> None:
    path = write_table(tmp_path, 'metdata = "shop.models:Base"')

    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)

    assert str(caught.value) == (
        f'[tool.alembic-assay] in {path} has a key "metdata", which does not exist\n'
        '  help: did you mean "metadata"?'
    )


def test_load_settings_with_underscore_in_a_key_suggests_the_hyphen(tmp_path: Path) -> None:
    path = write_table(tmp_path, "allowed_heads = []")

    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)

    assert str(caught.value) == (
        f'[tool.alembic-assay] in {path} has a key "allowed_heads", which does not exist\n'
        '  help: did you mean "allowed-heads"?'
    )


@pytest.mark.parametrize("key", ["zzz", "folder"])
def test_load_settings_with_unlike_key_lists_them_all(key: str, tmp_path: Path) -> None:
    path = write_table(tmp_path, f'{key} = "x"')

    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)

    assert str(caught.value) == (
        f'[tool.alembic-assay] in {path} has a key "{key}", which does not exist\n'
        "  help: the keys are: url, metadata, configure, baseline, allowed-heads, irreversible,"
        " databases."
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("url = 5432", '"url" {} must be a string, not 5432'),
        ("metadata = ['a:b']", "\"metadata\" {} must be a string, not ['a:b']"),
        ("configure = true", '"configure" {} must be a string, not True'),
        ("baseline = 1.5", '"baseline" {} must be a string, not 1.5'),
        ("allowed-heads = 'a1'", "\"allowed-heads\" {} must be a list of strings, not 'a1'"),
        ("allowed-heads = [1]", '"allowed-heads" {} must be a list of strings, not [1]'),
        (
            "irreversible = ['a1']",
            '"irreversible" {} must be a table of revision = "reason", not [\'a1\']',
        ),
        (
            "irreversible = {a1 = true}",
            '"irreversible" {} must be a table of revision = "reason", not {{\'a1\': True}}',
        ),
        (
            "databases = 'audit'",
            '"databases" {} must be a table of name = "path/to/alembic.ini", not \'audit\'',
        ),
    ],
)
def test_load_settings_with_value_of_the_wrong_kind_says_what_it_must_be(
    text: str, complaint: str, tmp_path: Path
) -> None:
    path = write_table(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)

    assert str(caught.value) == complaint.format(f"in [tool.alembic-assay] of {path}")


def test_load_settings_with_something_else_than_a_table_says_so(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool]\nalembic-assay = "yes"\n')

    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)

    assert str(caught.value) == f"[tool.alembic-assay] in {path} must be a table, not 'yes'"


def test_load_settings_with_broken_file_names_it(tmp_path: Path) -> None:
    path = write_table(tmp_path, "url = ")

    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)

    assert caught.value.message.startswith(f"{path} cannot be read: ")


def test_load_attribute_of_a_module_returns_it() -> None:
    assert load_attribute("alembic_assay.settings:Settings") is Settings


def test_load_attribute_with_dots_goes_down_the_attributes() -> None:
    assert load_attribute("alembic_assay.settings:Settings.__name__") == "Settings"


@pytest.mark.parametrize(
    "reference", ["alembic_assay.settings", "alembic_assay.settings:", ":Base", ""]
)
def test_load_attribute_without_attribute_says_how_to_write_it(reference: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_attribute(reference)

    assert str(caught.value) == (
        f'"{reference}" does not name anything\n'
        "  help: write package.module:attribute, such as shop.models:Base.metadata"
    )


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("no_such_shop.models:Base", "ModuleNotFoundError: No module named 'no_such_shop'"),
        (
            "alembic_assay.settings:Setings",
            "AttributeError: module 'alembic_assay.settings' has no attribute 'Setings'",
        ),
        (
            "alembic_assay.settings:Settings.metdata",
            "AttributeError: type object 'Settings' has no attribute 'metdata'",
        ),
    ],
)
def test_load_attribute_of_nothing_says_why(reference: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_attribute(reference)

    assert str(caught.value) == (
        f'"{reference}" cannot be loaded: {reason}\n'
        "  help: see that the package is installed, or that prepend_sys_path in the Alembic"
        " configuration leads to it."
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import no_such_driver", "ModuleNotFoundError: No module named 'no_such_driver'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def models(:", "SyntaxError: invalid syntax"),
    ],
)
def test_load_attribute_of_a_module_that_fails_says_why_and_keeps_the_cause(
    body: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_that_fails.py").write_text(body + "\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError) as caught:
        load_attribute("shop_that_fails:Base")

    assert caught.value.message.startswith('"shop_that_fails:Base" cannot be loaded: ')
    assert reason in caught.value.message
    assert isinstance(caught.value.__cause__, Exception)
