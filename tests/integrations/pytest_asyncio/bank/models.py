"""Who has how much."""

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("cents >= 0", name="no_debts"),)

    owner: Mapped[str] = mapped_column(String(100), primary_key=True)
    cents: Mapped[int]
