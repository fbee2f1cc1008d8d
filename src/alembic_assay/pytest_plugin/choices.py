"""What a user may choose, and where: command line, environment, ini file; the first one counts."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose: ``--assay-url``, ``ASSAY_URL`` and the ini key ``assay_url``."""

    name: str
    metavar: str
    help: str

    @property
    def option(self) -> str:
        return f"--assay-{self.name}"

    @property
    def variable(self) -> str:
        return f"ASSAY_{self.name.upper()}"

    @property
    def ini(self) -> str:
        return f"assay_{self.name}"


URL = Choice(
    "url",
    "URL",
    "Where databases are made: sqlite://, postgresql:// (a server is found or started), or the URL"
    " of a server. Default: the dialect of the Alembic configuration.",
)
CONFIG = Choice("config", "FILE", "Alembic's settings. Default: alembic.ini or pyproject.toml.")
METADATA = Choice(
    "metadata", "PACKAGE:ATTRIBUTE", "The models, where env.py gives no target_metadata."
)
CHOICES = (URL, CONFIG, METADATA)


def choose(config: pytest.Config, choice: Choice) -> tuple[str | None, str]:
    """Return the value of a choice and where it comes from."""
    option = config.getoption(choice.option)
    if option:
        return str(option), f"from {choice.option}"
    if variable := os.environ.get(choice.variable):
        return variable, f"from env {choice.variable}"
    if ini := config.getini(choice.ini):
        return str(ini), f"from ini {choice.ini}"
    return None, "default"


def shown(value: str) -> str:
    """Return a value as it may be printed: a URL without its password."""
    if "@" not in value and "password" not in value.lower():
        return value
    from alembic_assay.config import mask, parse_url
    from alembic_assay.exceptions import UsageError

    try:
        return mask(parse_url(value))
    except UsageError:
        return "***"
