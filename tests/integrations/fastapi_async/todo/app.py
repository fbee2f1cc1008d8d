"""The tasks over HTTP."""

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from todo.database import get_session
from todo.models import Task

app = FastAPI()

DatabaseSession = Annotated[AsyncSession, Depends(get_session)]


class NewTask(BaseModel):
    title: str


@app.get("/tasks")
async def list_tasks(session: DatabaseSession) -> list[str]:
    titles = await session.scalars(select(Task.title).order_by(Task.title))
    return list(titles)


@app.post("/tasks", status_code=201)
async def add_task(new: NewTask, session: DatabaseSession) -> dict[str, int]:
    task = Task(title=new.title)
    session.add(task)
    try:
        await session.commit()
    except IntegrityError as error:
        raise HTTPException(409, f"{new.title} is there already.") from error
    return {"id": task.id}


@app.put("/tasks/{task_id}/done", status_code=204)
async def finish_task(task_id: int, session: DatabaseSession) -> None:
    task = await session.get(Task, task_id)
    if task is None:
        raise HTTPException(404, f"There is no task {task_id}.")
    task.done = True
    await session.commit()
