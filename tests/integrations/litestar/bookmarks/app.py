"""The bookmarks over HTTP."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from litestar import Litestar, get, post
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath, JSONBody
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from bookmarks.models import Bookmark

DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql+psycopg://localhost/bookmarks")

engine = create_async_engine(DATABASE_URL)


@asynccontextmanager
async def lifespan(_app: Litestar) -> AsyncIterator[None]:
    yield
    await engine.dispose()


async def provide_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


DatabaseSession = NamedDependency[AsyncSession]


@dataclass
class NewBookmark:
    url: str


@get("/")
async def list_bookmarks(session: DatabaseSession) -> list[str]:
    return list(await session.scalars(select(Bookmark.url).order_by(Bookmark.url)))


@post("/")
async def add_bookmark(data: JSONBody[NewBookmark], session: DatabaseSession) -> dict[str, int]:
    bookmark = Bookmark(url=data.url)
    session.add(bookmark)
    try:
        await session.commit()
    except IntegrityError as error:
        raise ClientException(f"{data.url} is there already.") from error
    return {"id": bookmark.id}


@post("/{bookmark_id:int}/visits")
async def visit(bookmark_id: FromPath[int], session: DatabaseSession) -> dict[str, int]:
    bookmark = await session.get(Bookmark, bookmark_id)
    if bookmark is None:
        raise NotFoundException
    bookmark.visits += 1
    await session.commit()
    return {"visits": bookmark.visits}


app = Litestar(
    [list_bookmarks, add_bookmark, visit],
    dependencies={"session": provide_session},
    lifespan=[lifespan],
)
