from litestar.testing import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from bookmarks.models import Bookmark

DOCS, NEWS = "https://docs.test", "https://news.test"


def test_bookmark_of_the_application_is_seen_by_the_test(
    client: TestClient, db_session: Session
) -> None:
    response = client.post("/", json={"url": DOCS})

    assert response.status_code == 201
    bookmark = db_session.scalars(select(Bookmark)).one()
    assert (bookmark.url, bookmark.visits) == (DOCS, 0)


def test_bookmarks_of_the_test_are_seen_by_the_application(
    client: TestClient, db_session: Session
) -> None:
    db_session.add_all([Bookmark(url=NEWS), Bookmark(url=DOCS)])
    db_session.commit()

    assert client.get("/").json() == [DOCS, NEWS]


def test_visits_are_counted(client: TestClient, db_session: Session) -> None:
    bookmark = Bookmark(url=DOCS, visits=6)
    db_session.add(bookmark)
    db_session.commit()

    counted = [client.post(f"/{bookmark.id}/visits").json()["visits"] for _ in range(2)]

    db_session.refresh(bookmark)
    assert (counted, bookmark.visits) == ([7, 8], 8)


def test_second_bookmark_of_a_page_is_refused(client: TestClient, db_session: Session) -> None:
    client.post("/", json={"url": DOCS})

    response = client.post("/", json={"url": DOCS})

    assert response.status_code == 400
    assert db_session.scalars(select(Bookmark.url)).all() == [DOCS]


def test_unknown_bookmark_is_not_found(client: TestClient) -> None:
    assert client.post("/999/visits").status_code == 404
