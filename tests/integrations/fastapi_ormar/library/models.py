"""The tables, and the database in which they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import ormar
from sqlalchemy import MetaData

# The models must have a database from the first; the application connects them to its own.
NOWHERE = ormar.DatabaseConnection("sqlite+aiosqlite://")
base = ormar.OrmarConfig(metadata=MetaData(), database=NOWHERE)


class Author(ormar.Model):
    ormar_config = base.copy(tablename="authors")

    id: int = ormar.Integer(primary_key=True)
    name: str = ormar.String(max_length=100, unique=True)


class Book(ormar.Model):
    ormar_config = base.copy(tablename="books")

    id: int = ormar.Integer(primary_key=True)
    title: str = ormar.String(max_length=200)
    author: Author = ormar.ForeignKey(Author, nullable=False)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[None]:
    """Have the models in the database of ``url``."""
    async with ormar.DatabaseConnection(url) as database:
        for model in (Author, Book):
            model.ormar_config.database = database
        yield
