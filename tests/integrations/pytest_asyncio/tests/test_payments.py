from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bank.models import Account
from bank.payments import Payment, pay, pay_all, pay_all_or_none

SMALL, LARGE = Payment("Ada", "Grace", 30), Payment("Ada", "Grace", 200)


async def balances(session: AsyncSession) -> dict[str, int]:
    rows = await session.execute(select(Account.owner, Account.cents))
    return dict(rows.all())


class Payments:
    @pytest.fixture(autouse=True)
    async def accounts(self, async_db_session: AsyncSession) -> AsyncIterator[None]:
        async_db_session.add_all([Account(owner="Ada", cents=100), Account(owner="Grace", cents=0)])
        await async_db_session.commit()
        yield
        assert sum((await balances(async_db_session)).values()) == 100

    async def test_payment_is_made(self, async_db_session: AsyncSession) -> None:
        await pay(async_db_session, SMALL)
        await async_db_session.commit()

        assert await balances(async_db_session) == {"Ada": 70, "Grace": 30}

    async def test_payment_that_fails_leaves_the_transaction_as_it_was(
        self, async_db_session: AsyncSession
    ) -> None:
        await pay(async_db_session, SMALL)

        with pytest.raises(IntegrityError):
            await pay(async_db_session, LARGE)

        assert await balances(async_db_session) == {"Ada": 70, "Grace": 30}

    async def test_payment_is_undone_by_a_rollback(self, async_db_session: AsyncSession) -> None:
        await pay(async_db_session, SMALL)

        await async_db_session.rollback()

        assert await balances(async_db_session) == {"Ada": 100, "Grace": 0}

    async def test_only_payments_that_can_be_made_are(self, async_db_session: AsyncSession) -> None:
        failed = await pay_all([SMALL, LARGE, SMALL, LARGE])

        assert failed == [LARGE, LARGE]
        assert await balances(async_db_session) == {"Ada": 40, "Grace": 60}

    async def test_none_is_made_where_one_fails(self, async_db_session: AsyncSession) -> None:
        with pytest.raises(IntegrityError):
            await pay_all_or_none([SMALL, LARGE])

        assert await balances(async_db_session) == {"Ada": 100, "Grace": 0}


class TestInTheLoopOfEachTest(Payments):
    pass


@pytest.mark.asyncio(loop_scope="session")
class TestInOneLoop(Payments):
    pass
