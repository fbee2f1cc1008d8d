"""Where the catalogue's database is, and a session for each request."""

import os
from collections.abc import Iterator
from pathlib import Path

from fastapi import Request
from sqlalchemy.orm import Session

PROJECT = Path(__file__).parent.parent


def get_database_url() -> str:
    return os.environ.get("DATABASE_URL", f"sqlite:///{PROJECT / 'catalogue.db'}")


def get_session(request: Request) -> Iterator[Session]:
    with Session(request.state.engine) as session:
        yield session
