from sqlalchemy import URL

from alembic_assay import check_database, open_project
from alembic_assay.databases import Databases
from shop.models import Base


def test_models_equal_what_the_scripts_have_made(
    assay_databases: Databases, migrated_database: URL
) -> None:
    with open_project(metadata=Base.metadata, databases=assay_databases) as project:
        assert check_database(project, migrated_database) == []
