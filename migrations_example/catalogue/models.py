"""The catalogue's tables."""

import enum
from datetime import date

from sqlalchemy import (
    CheckConstraint,
    Enum,
    ForeignKey,
    MetaData,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class AlbumKind(enum.Enum):
    studio = "studio"
    live = "live"
    compilation = "compilation"


class Artist(Base):
    __tablename__ = "artists"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    sort_name: Mapped[str] = mapped_column(String(205), index=True)
    country: Mapped[str | None] = mapped_column(String(2))

    albums: Mapped[list["Album"]] = relationship(
        back_populates="artist", cascade="all, delete-orphan"
    )


class Album(Base):
    __tablename__ = "albums"
    __table_args__ = (UniqueConstraint("artist_id", "title"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    artist_id: Mapped[int] = mapped_column(ForeignKey("artists.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    kind: Mapped[AlbumKind] = mapped_column(
        Enum(AlbumKind, name="album_kind"),
        default=AlbumKind.studio,
        server_default=AlbumKind.studio.name,
    )
    released_on: Mapped[date | None]

    artist: Mapped[Artist] = relationship(back_populates="albums")
    tracks: Mapped[list["Track"]] = relationship(
        back_populates="album", cascade="all, delete-orphan", order_by="Track.position"
    )


class Track(Base):
    __tablename__ = "tracks"
    __table_args__ = (
        UniqueConstraint("album_id", "position"),
        CheckConstraint("duration_seconds > 0", name="duration_is_positive"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    album_id: Mapped[int] = mapped_column(ForeignKey("albums.id", ondelete="CASCADE"))
    position: Mapped[int]
    title: Mapped[str] = mapped_column(String(200), index=True)
    duration_seconds: Mapped[int]
    explicit: Mapped[bool] = mapped_column(default=False, server_default=false())

    album: Mapped[Album] = relationship(back_populates="tracks")


def make_sort_name(name: str) -> str:
    """Return the name as a record shop files it: "The Beatles" under "Beatles, The"."""
    article, _, rest = name.partition(" ")
    return f"{rest}, {article}" if article == "The" and rest else name
