from alembic_assay import Project, check_drift


def test_models_equal_migrations(assay_project: Project) -> None:
    assert check_drift(assay_project) == []
