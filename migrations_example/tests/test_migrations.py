from alembic_assay import check_drift


def test_models_equal_migrations(assay_project):
    assert check_drift(assay_project) == []
