"""Three ways to the one database."""

import os

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

db = SQLAlchemy()
engine = create_engine(os.environ.get("DATABASE_URL", "postgresql+psycopg://localhost/blog"))
WorkerSession = sessionmaker()
