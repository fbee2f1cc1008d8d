from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from catalogue.app import app


@pytest.fixture(autouse=True)
def empty_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'catalogue.db'}")


def test_start_migrates_the_database() -> None:
    with TestClient(app) as client:
        response = client.post("/artists", json={"name": "The Beatles"})

    assert response.status_code == 201
    assert response.json()["sort_name"] == "Beatles, The"


def test_second_start_keeps_what_was_written() -> None:
    with TestClient(app) as client:
        client.post("/artists", json={"name": "Nina Simone"})

    with TestClient(app) as client:
        artists = client.get("/artists").json()

    assert [artist["name"] for artist in artists] == ["Nina Simone"]
