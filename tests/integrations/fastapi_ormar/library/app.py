"""The library over HTTP; as it starts, its database is made or brought up to date."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import ormar
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from alembic_assay import async_apply_migrations
from library.models import Author, Book, base, connected

PROJECT = Path(__file__).parent.parent


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    url = os.environ.get("DATABASE_URL", f"sqlite+aiosqlite:///{PROJECT / 'library.db'}")
    await async_apply_migrations(
        url, config=PROJECT / "alembic.ini", create="create_all", metadata=base.metadata
    )
    async with connected(url):
        yield


app = FastAPI(lifespan=lifespan)


class NewBook(BaseModel):
    title: str
    author: str


@app.post("/books", status_code=201)
async def add_book(new: NewBook) -> dict[str, int]:
    author, _ = await Author.objects.get_or_create(name=new.author)
    book = await Book.objects.create(title=new.title, author=author)
    return {"id": book.id}


@app.get("/authors/{author_id}/books")
async def list_books(author_id: int) -> list[str]:
    try:
        author = await Author.objects.select_related("books").get(id=author_id)
    except ormar.NoMatch as error:
        raise HTTPException(404, f"There is no author {author_id}.") from error
    return sorted(book.title for book in author.books)
