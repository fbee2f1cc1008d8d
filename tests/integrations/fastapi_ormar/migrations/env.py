from alembic import context
from sqlalchemy import create_engine, pool

from library.models import base

url = context.config.get_main_option("sqlalchemy.url")
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata=base.metadata)
    with context.begin_transaction():
        context.run_migrations()
