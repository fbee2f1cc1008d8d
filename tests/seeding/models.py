"""Models of several styles."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    String,
    UniqueConstraint,
    func,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    mapped_column,
    relationship,
    validates,
)


class Base(DeclarativeBase):
    pass


class Role(enum.Enum):
    READER = "reader"
    WRITER = "writer"


class Country(Base):
    __tablename__ = "countries"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)


class User(Base):
    __tablename__ = "users"
    __table_args__ = (CheckConstraint("age >= 18"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    full_name: Mapped[str] = mapped_column("name", String(30))
    email: Mapped[str] = mapped_column(String(60), unique=True)
    age: Mapped[int]
    role: Mapped[Role]
    nick: Mapped[str | None] = mapped_column(String(30))
    state: Mapped[str] = mapped_column(String(9), default="new")
    created: Mapped[datetime] = mapped_column(DateTime, server_default=func.now())
    next_year: Mapped[int] = mapped_column(Integer, Computed("age + 1", persisted=True))
    version: Mapped[int] = mapped_column()
    country_code: Mapped[str] = mapped_column(ForeignKey("countries.code"))
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    country: Mapped[Country] = relationship()
    orders: Mapped[list[Order]] = relationship(back_populates="user")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - as SQLAlchemy documents it

    @hybrid_property
    def label(self) -> str:
        return self.full_name.upper()

    @label.inplace.setter
    def _set_label(self, value: str) -> None:
        self.full_name = value.lower()

    @validates("email")
    def require_at(self, key: str, value: str) -> str:
        assert "@" in value
        return value


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    country_code: Mapped[str] = mapped_column(ForeignKey("countries.code"))
    user: Mapped[User] = relationship(back_populates="orders")


class Line(Base):
    __tablename__ = "lines"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order: Mapped[Order] = relationship()


class Parcel(Base):
    __tablename__ = "parcels"
    __table_args__ = (
        ForeignKeyConstraint(["order_id", "line_no"], ["lines.order_id", "lines.no"]),
        UniqueConstraint("order_id", "line_no"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int]
    line_no: Mapped[int]
    line: Mapped[Line] = relationship()


class Person(Base):
    __tablename__ = "people"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))
    name: Mapped[str] = mapped_column(String(9))


class Engineer(Person):
    __tablename__ = "engineers"
    __mapper_args__ = {"polymorphic_identity": "engineer"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    language: Mapped[str] = mapped_column(String(20))


class Manager(Person):
    __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012

    bonus: Mapped[int | None]


class Animal(Base):
    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))


class Cat(Animal):
    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012


class Strict(Base):
    __tablename__ = "stricts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    slug: Mapped[str] = mapped_column(String(20))

    def __init__(self, name: str) -> None:
        self.name = name
        self.slug = name.upper()


class Asking(Base):
    __tablename__ = "askings"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))

    def __init__(self, connection: Any) -> None:
        raise AssertionError("wants what nobody has")


class DataBase(MappedAsDataclass, DeclarativeBase):
    pass


class Note(DataBase):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(init=False, primary_key=True)
    text: Mapped[str] = mapped_column(String(20))
    hint: Mapped[str | None] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), default="draft")
    hidden: Mapped[str] = mapped_column(String(20), init=False)
