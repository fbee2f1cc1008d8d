"""Payments: each is made as a whole, or not at all."""

from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bank.database import make_session
from bank.models import Account


@dataclass(frozen=True)
class Payment:
    source: str
    target: str
    cents: int


async def pay(session: AsyncSession, payment: Payment) -> None:
    """Make a payment within the transaction of a session, which goes on where it fails."""
    async with session.begin_nested():
        for owner, cents in ((payment.target, payment.cents), (payment.source, -payment.cents)):
            changed = update(Account).where(Account.owner == owner)
            await session.execute(changed.values(cents=Account.cents + cents))


async def pay_all(payments: list[Payment]) -> list[Payment]:
    """Make those payments that can be made, and return the others."""
    failed = []
    async with make_session.begin() as session:
        for payment in payments:
            try:
                await pay(session, payment)
            except IntegrityError:
                failed.append(payment)
    return failed


async def pay_all_or_none(payments: list[Payment]) -> None:
    """Make all payments. Raises ``IntegrityError`` where one cannot be made, and makes none."""
    async with make_session() as session:
        async with session.begin_nested():
            for payment in payments:
                await pay(session, payment)
        await session.commit()
