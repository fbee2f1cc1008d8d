"""Workers: threads, each with a session of its own."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import create_engine, select
from sqlalchemy.orm import scoped_session, sessionmaker

from jobs.models import Job

make_session = sessionmaker()
Session = scoped_session(make_session)


def start() -> None:
    """Connect to the database, as a worker starts."""
    make_session.configure(bind=create_engine(os.environ["DATABASE_URL"]))


def enqueue(numbers: Iterable[int], *, workers: int = 4) -> None:
    """Add jobs, several at once."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(_add, numbers))


def work_off(*, workers: int) -> list[int]:
    """Do all jobs; return how many each worker has done."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda _: _work(), range(workers)))


def _add(number: int) -> None:
    Session.add(Job(number=number))
    Session.commit()


def _work() -> int:
    count = 0
    while (job := _claim()) is not None:
        try:
            with Session.begin_nested():
                job.state = "done"
                job.result = 100 // job.number
        except ZeroDivisionError:
            job.state = "failed"
        Session.commit()
        count += 1
    Session.remove()
    return count


def _claim() -> Job | None:
    """Return a job that nobody else is at; it is ours until the next commit."""
    queued = select(Job).where(Job.state == "queued").order_by(Job.id).limit(1)
    return Session.scalar(queued.with_for_update(skip_locked=True))
