"""Flask-SQLAlchemy: the fixture ``_db``, by which suites for pytest-flask-sqlalchemy give it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

_DB, _APP = "_db", "app"


def flask_database(request: pytest.FixtureRequest) -> Any | None:
    """Return the ``SQLAlchemy`` object of Flask-SQLAlchemy, if the suite has a fixture for it."""
    found = _value(request, _DB)
    # Of its class, as the object itself has them only in a context of the application.
    return found if hasattr(type(found), "engines") else None


def app_context(request: pytest.FixtureRequest) -> AbstractContextManager[Any]:
    """Return a context of the application for a block, where ``_db`` needs one, and has none."""
    if flask_database(request) is None or sys.modules["flask"].has_app_context():
        return nullcontext()
    app = _value(request, _APP)
    return nullcontext() if app is None else app.app_context()


def _value(request: pytest.FixtureRequest, name: str) -> Any | None:
    try:
        return request.getfixturevalue(name)
    except pytest.FixtureLookupError as error:
        if error.argname != name:
            raise
        return None
