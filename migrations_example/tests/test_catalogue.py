import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from catalogue.models import Album, AlbumKind, Artist, Track

ABBEY_ROAD = {
    "title": "Abbey Road",
    "released_on": "1969-09-26",
    "tracks": [
        {"title": "Come Together", "duration_seconds": 259},
        {"title": "Something", "duration_seconds": 182},
    ],
}


def test_artists_are_listed_by_sort_name(client: TestClient) -> None:
    for name in ("The Beatles", "Nina Simone", "ABBA"):
        assert client.post("/artists", json={"name": name}).status_code == 201

    listed = [artist["sort_name"] for artist in client.get("/artists").json()]

    assert listed == ["ABBA", "Beatles, The", "Nina Simone"]


@pytest.mark.parametrize("name", ["ABBA", "Nina Simone"])
def test_commit_is_gone_in_the_next_test(client: TestClient, name: str) -> None:
    assert client.get("/artists").json() == []

    client.post("/artists", json={"name": name})

    assert [artist["name"] for artist in client.get("/artists").json()] == [name]


def test_second_artist_of_a_name_is_refused(client: TestClient) -> None:
    client.post("/artists", json={"name": "ABBA"})

    response = client.post("/artists", json={"name": "ABBA"})

    assert response.status_code == 409
    assert len(client.get("/artists").json()) == 1


def test_album_keeps_its_tracks_in_order(client: TestClient, db_session: Session) -> None:
    artist = client.post("/artists", json={"name": "The Beatles"}).json()

    response = client.post(f"/artists/{artist['id']}/albums", json=ABBEY_ROAD)

    assert response.status_code == 201
    album = db_session.scalars(select(Album)).one()
    assert album.kind is AlbumKind.studio
    assert [(track.position, track.title) for track in album.tracks] == [
        (1, "Come Together"),
        (2, "Something"),
    ]


def test_search_finds_tracks_by_part_of_their_title(client: TestClient) -> None:
    artist = client.post("/artists", json={"name": "The Beatles"}).json()
    client.post(f"/artists/{artist['id']}/albums", json=ABBEY_ROAD)

    found = client.get("/tracks", params={"title": "together"}).json()

    assert found == [{"title": "Come Together", "album": "Abbey Road", "artist": "The Beatles"}]


def test_track_of_zero_seconds_is_refused(db_session: Session) -> None:
    artist = Artist(name="John Cage", sort_name="John Cage")
    silence = Track(position=1, title="0:00", duration_seconds=0)
    artist.albums.append(Album(title="Silence", tracks=[silence]))
    db_session.add(artist)

    with pytest.raises(IntegrityError):
        db_session.flush()
