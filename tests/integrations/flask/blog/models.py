"""What is written."""

from sqlalchemy import false

from blog.database import db


class Post(db.Model):
    __tablename__ = "posts"

    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(80), nullable=False, unique=True)
    published = db.Column(db.Boolean, nullable=False, server_default=false())

    def rename(self, title: str) -> None:
        self.title = title
        db.session.add(self)
        db.session.commit()
