"""The catalogue over HTTP."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alembic_assay import apply_migrations
from catalogue.database import PROJECT, get_database_url, get_session
from catalogue.models import Album, AlbumKind, Artist, Track, make_sort_name


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Engine]]:
    """Bring the database to the newest revision before the first request is served."""
    url = get_database_url()
    apply_migrations(url, config=PROJECT / "alembic.ini")
    engine = create_engine(url)
    yield {"engine": engine}
    engine.dispose()


app = FastAPI(title="Music catalogue", lifespan=lifespan)

DatabaseSession = Annotated[Session, Depends(get_session)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class NewArtist(BaseModel):
    name: Name
    country: str | None = Field(None, pattern="^[A-Z]{2}$")


class ArtistOut(NewArtist):
    model_config = ConfigDict(from_attributes=True)

    id: int
    sort_name: str


class NewTrack(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    title: Name
    duration_seconds: int = Field(gt=0)
    explicit: bool = False


class NewAlbum(BaseModel):
    title: Name
    kind: AlbumKind = AlbumKind.studio
    released_on: date | None = None
    tracks: list[NewTrack] = []


class AlbumOut(NewAlbum):
    model_config = ConfigDict(from_attributes=True)

    id: int


class FoundTrack(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    title: str
    album: str
    artist: str


@app.get("/artists", response_model=list[ArtistOut])
def list_artists(session: DatabaseSession) -> Sequence[Artist]:
    return session.scalars(select(Artist).order_by(Artist.sort_name)).all()


@app.post("/artists", response_model=ArtistOut, status_code=201)
def create_artist(new: NewArtist, session: DatabaseSession) -> Artist:
    artist = Artist(**new.model_dump(), sort_name=make_sort_name(new.name))
    session.add(artist)
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise HTTPException(409, f"The catalogue has {new.name} already.") from error
    return artist


@app.post("/artists/{artist_id}/albums", response_model=AlbumOut, status_code=201)
def add_album(artist_id: int, new: NewAlbum, session: DatabaseSession) -> Album:
    if session.get(Artist, artist_id) is None:
        raise HTTPException(404, f"There is no artist {artist_id}.")
    album = Album(
        artist_id=artist_id,
        title=new.title,
        kind=new.kind,
        released_on=new.released_on,
        tracks=[
            Track(position=position, **track.model_dump())
            for position, track in enumerate(new.tracks, start=1)
        ],
    )
    session.add(album)
    session.commit()
    return album


@app.get("/tracks")
def search_tracks(title: str, session: DatabaseSession) -> list[FoundTrack]:
    statement = (
        select(Track.title, Album.title.label("album"), Artist.name.label("artist"))
        .join(Track.album)
        .join(Album.artist)
        .where(Track.title.icontains(title, autoescape=True))
        .order_by(Artist.sort_name, Album.title, Track.position)
    )
    return [FoundTrack.model_validate(row) for row in session.execute(statement)]
