"""What a user may choose, and where: command line, environment, ini file; the first one counts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose: ``--assay-url``, ``ASSAY_URL`` and the ini key ``assay_url``.

    ``action`` is argparse's; what is given several times (``append``) becomes a list with commas.
    """

    name: str
    metavar: str
    help: str
    action: str = "store"

    @property
    def option(self) -> str:
        return f"--assay-{self.name}"

    @property
    def variable(self) -> str:
        return f"ASSAY_{self.name.replace('-', '_').upper()}"

    @property
    def ini(self) -> str:
        return f"assay_{self.name.replace('-', '_')}"


URL = Choice(
    "url",
    "URL",
    "Where databases are made: sqlite://, postgresql:// (a server is found or started), or the URL"
    " of a server. Default: the dialect of the Alembic configuration.",
)
SERVER = Choice(
    "server",
    "testcontainers:IMAGE",
    "A server for the run, in a container: testcontainers:postgres:16, testcontainers:mysql:8.4.",
)
ALLOW_HOST = Choice(
    "allow-host",
    "HOST",
    "Another machine than this one, on which databases may be made and dropped; may be given"
    " several times, or as a list with commas.",
    action="append",
)
CONFIG = Choice("config", "FILE", "Alembic's settings. Default: alembic.ini or pyproject.toml.")
METADATA = Choice(
    "metadata", "PACKAGE:ATTRIBUTE", "The models, where env.py gives no target_metadata."
)
KEEP = Choice("keep", "failed", "Keep the databases of failed tests, and say where they are.")
CHOICES = (URL, SERVER, ALLOW_HOST, CONFIG, METADATA, KEEP)


def choose(config: pytest.Config, choice: Choice) -> tuple[str | None, str]:
    """Return the value of a choice and where it comes from."""
    option = config.getoption(choice.option)
    if option:
        return _as_text(option), f"from {choice.option}"
    if variable := os.environ.get(choice.variable):
        return variable, f"from env {choice.variable}"
    if ini := config.getini(choice.ini):
        return _as_text(ini), f"from ini {choice.ini}"
    return None, "default"


DEFAULT = "default"
"""The name of the database that the fixtures are for."""

TARGETS = {
    "assay_engines": "Engines of the application, as package.module:engine, or"
    " name=package.module:engine for that of another database than the default one",
    "assay_sessions": "Sessions of the application, such as a scoped_session",
    "assay_sessionmakers": "Sessionmakers of the application",
    "mocked-engines": "As assay_engines; the name in pytest-flask-sqlalchemy",
    "mocked-sessions": "As assay_sessions; the name in pytest-flask-sqlalchemy",
    "mocked-sessionmakers": "As assay_sessionmakers; the name in pytest-flask-sqlalchemy",
}
"""Ini keys, each of which names some that are to use the tests' database."""


def named_targets(config: pytest.Config, database: str) -> list[object]:
    """Return the engines, sessions and sessionmakers that are named to use a database.

    Raises ``ConfigError`` for what cannot be found.
    """
    from alembic_assay.settings import load_attribute

    named = [name.rpartition("=") for key in TARGETS for name in config.getini(key)]
    return [
        load_attribute(_with_colon(target))
        for of, _, target in named
        if (of or DEFAULT) == database
    ]


def memory_file(config: pytest.Config, *choices: str | None) -> Path:
    """Return where it is remembered what was found out under some choices."""
    from alembic_assay.recall import memory_of

    named, _ = choose(config, CONFIG)
    return memory_of(config.rootpath, named, os.environ.get("ALEMBIC_CONFIG"), *choices)


def folder_of_run(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the workers of this run have in common."""
    base = factory.getbasetemp()
    return base.parent if hasattr(config, "workerinput") else base


def _with_colon(name: str) -> str:
    """Return ``package.module:attribute`` for a name that has only dots."""
    if ":" in name:
        return name
    from importlib.util import find_spec

    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        try:
            is_module = find_spec(module) is not None
        except ModuleNotFoundError:
            continue  # its parent is no package
        if is_module:
            return f"{module}:{'.'.join(parts[end:])}"
    return name


def config_file(config: pytest.Config) -> Path:
    """Return the file with Alembic's settings. Raises ``ConfigError`` where there is none."""
    from alembic_assay.config_files import find_config_file

    named, _ = choose(config, CONFIG)
    return config.rootpath / named if named else find_config_file(config.rootpath)


def allowed_hosts(config: pytest.Config) -> tuple[str, ...]:
    """Return the other machines on which databases may be made and dropped."""
    from alembic_assay.safety import split_hosts

    return split_hosts(choose(config, ALLOW_HOST)[0] or "")


def shown(value: str) -> str:
    """Return a value as it may be printed: a URL without its password, a list in one line."""
    if "@" not in value and "password" not in value.lower():
        return " ".join(value.split())
    from alembic_assay.exceptions import UsageError
    from alembic_assay.urls import mask, parse_url

    try:
        return mask(parse_url(value))
    except UsageError:
        return "***"


def _as_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
