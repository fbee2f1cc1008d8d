"""What a project tells the toolkit: the table ``[tool.alembic-assay]`` of its pyproject.toml."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from alembic_assay.config_files import read_toml
from alembic_assay.exceptions import ConfigError, first_line

TABLE = "alembic-assay"


@dataclass(frozen=True, slots=True)
class Settings:
    """The keys of the table, with ``-`` for ``_``; ``folder`` is where the file lies.

    ``url``: the server on which databases are made, or just its dialect (``postgresql://``).
    ``metadata``: ``package:attribute``, a ``MetaData`` or something that has one in ``metadata``.
    ``configure``: ``package:function``, called with each database's ``URL`` before env.py runs, to
    point the application's own settings at it.
    ``baseline``: what a new installation is made of before the first revision: an SQL file,
    ``package:function`` taking a ``Connection``, or ``create_all`` where it is made from the models
    and stamped.
    ``allowed_heads``: revisions or branch labels of a history that is to have several heads.
    ``irreversible``: revision to reason, for those that have no way back.
    ``databases``: name to Alembic configuration file, of those that tests use besides the own one.
    """

    folder: Path = field(default_factory=Path)
    url: str | None = None
    metadata: str | None = None
    configure: str | None = None
    baseline: str | None = None
    allowed_heads: tuple[str, ...] = ()
    irreversible: Mapping[str, str] = field(default_factory=dict)
    databases: Mapping[str, str] = field(default_factory=dict)


def load_settings(folder: Path) -> Settings:
    """Read the table from ``folder/pyproject.toml``; without one all is as by default.

    Raises ``ConfigError`` for a key that does not exist or a value of the wrong kind.
    """
    path = folder / "pyproject.toml"
    table = read_toml(path).get("tool", {}).get(TABLE, {}) if path.is_file() else {}
    known = {one.name.replace("_", "-"): one for one in fields(Settings) if one.name != "folder"}
    if not isinstance(table, dict):
        raise ConfigError(f"[tool.{TABLE}] in {path} must be a table, not {table!r}")
    values: dict[str, object] = {}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise ConfigError(
                f'[tool.{TABLE}] in {path} has a key "{key}", which does not exist',
                help=f'did you mean "{near[0]}"?' if near else f"the keys are: {', '.join(known)}.",
            )
        values[known[key].name] = _checked(key, value, path)
    return Settings(folder=folder, **values)  # type: ignore[arg-type]


def load_attribute(reference: str) -> object:
    """Return what ``package.module:attribute`` names. Raises ``ConfigError``."""
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise ConfigError(
            f'"{reference}" does not name anything',
            help="write package.module:attribute, such as shop.models:Base.metadata",
        )
    try:
        found: object = importlib.import_module(module_name)
        for name in attribute.split("."):
            found = getattr(found, name)
    except Exception as error:
        raise ConfigError(
            f'"{reference}" cannot be loaded: {first_line(error)}',
            help="see that the package is installed, or that prepend_sys_path in the Alembic"
            " configuration leads to it.",
        ) from error
    return found


_TABLES = {
    "irreversible": 'revision = "reason"',
    "databases": 'name = "path/to/alembic.ini"',
}


def _checked(key: str, value: object, path: Path) -> object:
    if key == "allowed-heads":
        good = isinstance(value, list) and all(isinstance(one, str) for one in value)
        wanted = "a list of strings"
    elif key in _TABLES:
        good = isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
        wanted = f"a table of {_TABLES[key]}"
    else:
        good, wanted = isinstance(value, str), "a string"
    if not good:
        raise ConfigError(f'"{key}" in [tool.{TABLE}] of {path} must be {wanted}, not {value!r}')
    return tuple(value) if isinstance(value, list) else value
