import pytest
from flask.testing import FlaskClient
from sqlalchemy import inspect, text
from sqlalchemy.exc import ProgrammingError

from blog.database import db
from blog.models import Post
from blog.publishing import count_published, publish_all


@pytest.mark.parametrize("title", ["First", "Second"])
def test_commit_does_not_outlive_the_test(db_session, title: str) -> None:
    assert db_session.query(Post).all() == []

    db_session.add(Post(title=title))
    db_session.commit()

    assert db_session.query(Post).one().title == title


def test_model_commits_through_the_session_of_the_application(db_session) -> None:
    post = Post(title="Draft")
    db_session.add(post)
    db_session.commit()

    post.rename("Final")

    assert db_session is db.session
    assert post.title == "Final"


def test_posts_of_the_test_are_seen_by_the_application(db_session, client: FlaskClient) -> None:
    db_session.add_all([Post(title="Second"), Post(title="First")])
    db_session.commit()

    assert client.get("/").json == ["First", "Second"]


def test_post_of_the_application_is_seen_by_the_test(db_session, client: FlaskClient) -> None:
    response = client.post("/", data={"title": "First"})

    assert response.status_code == 201
    assert db_session.query(Post).one().title == "First"


def test_object_of_the_test_has_what_the_application_changed(
    db_session, client: FlaskClient
) -> None:
    post = Post(title="Draft")
    db_session.add(post)
    db_session.commit()

    client.put(f"/{post.id}", data={"title": "Final"})

    assert post.title == "Final"


def test_second_post_of_a_title_is_refused(db_session, client: FlaskClient) -> None:
    client.post("/", data={"title": "First"})

    response = client.post("/", data={"title": "First"})

    assert response.status_code == 409
    assert db_session.query(Post).count() == 1


def test_engine_and_sessionmaker_of_the_application_are_in_the_transaction(db_session) -> None:
    db_session.add_all([Post(title="First"), Post(title="Second", published=True)])
    db_session.commit()
    assert count_published() == 1

    publish_all()

    assert count_published() == 2


def test_engine_goes_on_behind_an_error(db_engine, db_session) -> None:
    with pytest.raises(ProgrammingError), db_engine.begin() as connection:
        connection.execute(text("SELECT title FROM nowhere"))

    with db_engine.begin() as connection:
        connection.execute(text("INSERT INTO posts (title) VALUES ('First')"))

    assert db_session.query(Post).one().title == "First"


def test_raw_connection_commits(db_engine, db_session) -> None:
    connection = db_engine.raw_connection()
    connection.cursor().execute("INSERT INTO posts (title) VALUES ('First')")
    connection.commit()
    connection.close()

    assert db_session.query(Post).count() == 1


@pytest.mark.parametrize("time", ["once", "twice"])
def test_table_is_dropped(db_engine, time: str) -> None:
    with db_engine.begin() as connection:
        connection.execute(text("DROP TABLE posts"))

    assert not inspect(db_engine).has_table("posts")
