"""The files in which a project keeps its settings, found and read."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from alembic_assay.exceptions import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def find_config_file(directory: Path) -> Path:
    """Return the file in ``directory`` that holds Alembic's settings.

    That is what ``ALEMBIC_CONFIG`` names, its ``alembic.ini``, or its ``pyproject.toml`` if that
    has a ``[tool.alembic]`` table. Raises ``ConfigError``.
    """
    named = os.environ.get("ALEMBIC_CONFIG")
    if named:
        return directory / named
    ini, toml = directory / "alembic.ini", directory / "pyproject.toml"
    if ini.is_file():
        return ini
    if toml.is_file() and "alembic" in read_toml(toml).get("tool", {}):
        return toml
    raise ConfigError(
        f"there is no alembic.ini, and no pyproject.toml with [tool.alembic], in {directory}",
        effect="Without one the migrations cannot be found.",
        help="start in the folder that holds it, or name it: -c path/to/alembic.ini",
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises ``ConfigError`` where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
