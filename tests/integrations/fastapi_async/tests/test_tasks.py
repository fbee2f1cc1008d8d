import anyio
import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from todo.models import Task

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("title", ["Sleep", "Eat"])
async def test_task_is_there_until_the_end_of_the_test(client: AsyncClient, title: str) -> None:
    assert (await client.get("/tasks")).json() == []

    response = await client.post("/tasks", json={"title": title})

    assert response.status_code == 201
    assert (await client.get("/tasks")).json() == [title]


async def test_finished_task_is_done(client: AsyncClient, async_db_session: AsyncSession) -> None:
    task = Task(title="Sleep")
    async_db_session.add(task)
    await async_db_session.commit()

    response = await client.put(f"/tasks/{task.id}/done")

    assert response.status_code == 204
    assert not task.done  # the application has a session of its own
    await async_db_session.refresh(task)
    assert task.done


async def test_second_task_of_a_title_is_refused(
    client: AsyncClient, async_db_session: AsyncSession
) -> None:
    await client.post("/tasks", json={"title": "Sleep"})

    response = await client.post("/tasks", json={"title": "Sleep"})

    assert response.status_code == 409
    assert (await async_db_session.scalars(select(Task.title))).all() == ["Sleep"]


async def test_tasks_are_added_at_the_same_time(client: AsyncClient) -> None:
    titles = ["Eat", "Read", "Sleep", "Walk"]

    async with anyio.create_task_group() as group:
        for title in titles:
            group.start_soon(lambda title: client.post("/tasks", json={"title": title}), title)

    assert (await client.get("/tasks")).json() == titles


async def test_session_is_rolled_back_without_the_work_of_the_application(
    client: AsyncClient, async_db_session: AsyncSession
) -> None:
    await client.post("/tasks", json={"title": "Eat"})
    async_db_session.add(Task(title="Sleep"))
    await async_db_session.flush()

    await async_db_session.rollback()

    assert (await client.get("/tasks")).json() == ["Eat"]


async def test_unknown_task_is_not_found(client: AsyncClient) -> None:
    response = await client.put("/tasks/999/done")

    assert response.status_code == 404
