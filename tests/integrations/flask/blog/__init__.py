"""A blog."""

from flask import Flask

from blog.database import db
from blog.views import views


def create_app(database_url: str) -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db.init_app(app)
    app.register_blueprint(views)
    return app
