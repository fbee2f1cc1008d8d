"""What is done at night, without the application."""

from sqlalchemy import func, select, update

from blog.database import WorkerSession, engine
from blog.models import Post


def publish_all() -> None:
    with WorkerSession() as session:
        session.execute(update(Post).values(published=True))
        session.commit()


def count_published() -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count(Post.id)).where(Post.published))
