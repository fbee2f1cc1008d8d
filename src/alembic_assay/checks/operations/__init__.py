"""The Alembic operations that would bring the migrations to where the models are."""
