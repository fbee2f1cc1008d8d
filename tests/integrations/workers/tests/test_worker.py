import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.models import Job
from jobs.worker import enqueue, work_off


def results(session: Session) -> list[tuple[int, str, int | None]]:
    jobs = session.scalars(select(Job).order_by(Job.number))
    return [(job.number, job.state, job.result) for job in jobs]


@pytest.mark.parametrize("count", [1, 4])
def test_jobs_that_several_threads_add_are_queued(db_session: Session, count: int) -> None:
    enqueue(range(count))

    assert results(db_session) == [(number, "queued", None) for number in range(count)]


def test_jobs_of_the_test_are_done(db_session: Session) -> None:
    db_session.add_all([Job(number=4), Job(number=5)])
    db_session.commit()

    assert work_off(workers=1) == [2]

    assert results(db_session) == [(4, "done", 25), (5, "done", 20)]


def test_job_that_fails_keeps_no_other_from_being_done(db_session: Session) -> None:
    enqueue([0, 5], workers=1)

    work_off(workers=1)

    assert results(db_session) == [(0, "failed", None), (5, "done", 20)]


@pytest.mark.assay(isolation="fresh")  # workers lock rows against each other
def test_each_job_is_done_by_one_of_four_workers(db_session: Session) -> None:
    enqueue(range(20))

    counts = work_off(workers=4)

    assert sum(counts) == 20
    assert results(db_session)[0] == (0, "failed", None)
    assert results(db_session)[1:] == [(n, "done", 100 // n) for n in range(1, 20)]
