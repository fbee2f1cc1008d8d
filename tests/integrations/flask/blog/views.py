"""The blog over HTTP."""

from flask import Blueprint, abort, request
from sqlalchemy.exc import IntegrityError

from blog.database import db
from blog.models import Post

views = Blueprint("views", __name__)


@views.get("/")
def list_titles() -> list[str]:
    return list(db.session.scalars(db.select(Post.title).order_by(Post.title)))


@views.post("/")
def add_post() -> tuple[str, int]:
    db.session.add(Post(title=request.form["title"]))
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        abort(409)
    return "", 201


@views.put("/<int:post_id>")
def rename_post(post_id: int) -> tuple[str, int]:
    db.get_or_404(Post, post_id).rename(request.form["title"])
    return "", 204
