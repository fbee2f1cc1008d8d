"""An Alembic ``Config`` for any database URL, from wherever a project keeps its settings."""

from __future__ import annotations

import configparser
import copy
import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from alembic.config import Config
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from alembic_assay.config_files import find_config_file, read_toml
from alembic_assay.exceptions import ConfigError
from alembic_assay.urls import parse_url


def make_config(
    url: str | URL,
    *,
    config_file: str | os.PathLike[str] | None = None,
    script_location: str | None = None,
    section: str = "alembic",
    x_arguments: Sequence[str] = (),
) -> Config:
    """Return the Alembic ``Config`` of a project, with ``sqlalchemy.url`` set to ``url``.

    The settings come from ``config_file`` (an ``alembic.ini``, or a ``pyproject.toml`` with a
    ``[tool.alembic]`` table); else, where ``script_location`` is given, from nothing else at all;
    else from the file that ``find_config_file`` finds. A relative ``script_location`` is taken
    from the folder of that file, if it is there, and from the working directory otherwise.
    ``section`` and ``x_arguments`` are Alembic's ``-n`` and ``-x``.

    Any password survives, whatever characters it has. Nothing is connected to or imported.
    Raises ``ConfigError``, or ``UsageError`` for something that is not a URL.
    """
    url = parse_url(url)
    if config_file is None and script_location is None:
        config_file = find_config_file(Path.cwd())
    config = _read(None if config_file is None else Path(config_file), section)
    config.cmd_opts = Namespace(x=list(x_arguments), verbose=False)
    if script_location is not None:
        config.set_main_option("script_location", escape(script_location))
    elif config.get_alembic_option("script_location") is None:
        is_toml = config.config_file_name is None
        raise ConfigError(
            f"{config_file} has no script_location in"
            f" {'[tool.alembic]' if is_toml else f'its section [{section}]'}",
            effect="Alembic cannot find the migrations.",
            help='add script_location = "migrations", the folder that holds env.py.'
            if is_toml
            else "add script_location = migrations, the folder that holds env.py, or name another"
            " section (-n NAME).",
        )
    _anchor_script_location(config)
    config.set_main_option("sqlalchemy.url", escape(url.render_as_string(hide_password=False)))
    return config


def bind_config(config: Config, url: URL) -> Config:
    """Return a copy of a ``Config`` with its ``sqlalchemy.url`` set; the original is kept."""
    bound = copy.copy(config)
    # Both are memoised on the instance, so that the copy would share them.
    bound.__dict__["file_config"] = copy.deepcopy(config.file_config)
    bound.__dict__["attributes"] = dict(config.attributes)
    bound.set_main_option("sqlalchemy.url", escape(url.render_as_string(hide_password=False)))
    return bound


def configured_url(config: Config) -> URL | None:
    """Return the project's own ``sqlalchemy.url``, to learn its dialect and server from.

    ``None`` where there is none, or only the ``driver://…`` that ``alembic init`` writes. What
    env.py fills in (``%(DB_PASSWORD)s``) is left as it stands.
    """
    try:
        text = config.get_main_option("sqlalchemy.url")
    except configparser.InterpolationError:
        text = config.file_config.get(config.config_ini_section, "sqlalchemy.url", raw=True)
    try:
        url = make_url(text) if text else None
        if url is not None:
            url.get_dialect()
    except (ArgumentError, ValueError, NoSuchModuleError, ModuleNotFoundError):
        return None
    return url


def load_config(config_file: Path, section: str = "alembic") -> Config:
    """Return the ``Config`` of a file as the project wrote it, its own URL included."""
    return _read(config_file, section)


def escape(value: str) -> str:
    """Return a value for ``set_main_option``, to which ``%`` begins an interpolation."""
    return value.replace("%", "%%")


def _read(path: Path | None, section: str) -> Config:
    if path is None:
        return Config(ini_section=section)
    if not path.is_file():
        raise ConfigError(
            f"{path} does not exist",
            effect="The migrations cannot be found without it.",
            help="name the file that holds Alembic's settings: -c path/to/alembic.ini",
        )
    if path.suffix == ".toml":
        if "alembic" not in read_toml(path).get("tool", {}):
            raise ConfigError(
                f"{path} has no table [tool.alembic]",
                help='add one: [tool.alembic] with script_location = "%(here)s/migrations"',
            )
        return Config(toml_file=path, ini_section=section)
    # Alembic's own command reads a pyproject.toml that lies beside the ini file as well.
    beside = path.parent / "pyproject.toml"
    config = Config(path, toml_file=beside if beside.is_file() else None, ini_section=section)
    if (problem := _problem_of_ini(config)) is not None:
        raise ConfigError(f"{path} cannot be read: {problem}")
    if not config.file_config.has_section(section):
        found = ", ".join(f"[{name}]" for name in config.file_config.sections()) or "none"
        raise ConfigError(
            f"{path} has no section [{section}]",
            effect=f"Its sections are: {found}.",
            help="name the section of the migrations: -n NAME",
        )
    return config


def _problem_of_ini(config: Config) -> str | None:
    """Let the file be parsed, and say what is wrong without quoting: it may hold a password."""
    try:
        config.file_config.sections()
    except configparser.Error as error:
        broken = getattr(error, "errors", None) or [(getattr(error, "lineno", 1), "")]
        return f"{type(error).__name__} in line {broken[0][0]}"
    except UnicodeDecodeError as error:
        return f"{type(error).__name__}, it is not written in {error.encoding}"
    return None


def _anchor_script_location(config: Config) -> None:
    """Make a relative ``script_location`` independent of the working directory."""
    location = config.get_alembic_option("script_location") or ""
    source = config.config_file_name or config.toml_file_name
    if not source or ":" in location or Path(location).is_absolute():
        return
    beside = Path(source).absolute().parent / location
    if beside.is_dir():
        config.set_main_option("script_location", escape(str(beside)))
