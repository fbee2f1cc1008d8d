"""The one engine, and what makes sessions."""

import os

from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql+psycopg://localhost/bank")

make_session = async_sessionmaker(create_async_engine(DATABASE_URL), expire_on_commit=False)
