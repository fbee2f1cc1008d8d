"""What is dropped by whoever comes next, and what stays."""

from __future__ import annotations

import os
import secrets
import signal
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url
from tests.places import Place
from tests.processes import Answer, Children, ask, wait_until

from alembic_assay.cli.databases import name_of
from alembic_assay.databases import LONGEST_KEPT, TEMPLATES_KEPT, Databases, open_databases
from alembic_assay.dialects import Note, signature

DAY = timedelta(days=1)
ELSEWHERE = "somebody@elsewhere"
DEAD = "0123abcd"
"""An owner who never lived."""


@pytest.fixture(autouse=True)
def base_of_run(tmp_path: Path) -> None:
    """pytest chooses the folder of the run now: not in one that goes with a test."""


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A folder of migrations."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    return folder


def opened(place: Place) -> AbstractContextManager[Databases]:
    """Open the databases of a place, which prunes them."""
    return open_databases(make_url(place.url), folder=place.folder)


def prune(place: Place) -> None:
    with opened(place):
        pass


def template(
    databases: Databases, of: Path, *, owner: str = "", age: timedelta = timedelta()
) -> str:
    """Make a template and return its name."""
    return noted(databases, "template", str(of), owner, age)


def kept(databases: Databases, *, age: timedelta = timedelta()) -> str:
    """Make a database that was kept for a test and return its name."""
    return noted(databases, "kept", "test_a.py::test_a", "", age)


def noted(databases: Databases, kind: str, of: str, owner: str, age: timedelta) -> str:
    url = databases.create()
    made = (datetime.now(timezone.utc) - age).isoformat(timespec="milliseconds")
    note = Note(kind, of, secrets.token_hex(8), owner or signature(), made)  # type: ignore[arg-type]
    if kind == "kept":
        databases.keep(url, of)
        databases.server.annotate(url, note)
    else:
        databases.seal(url, note)
    return name_of(url)


def use_databases(url: str, *, folder: str | None, held: str, fifo: str) -> Answer:
    """Have three databases, make the file ``held``, then wait at ``fifo``."""
    with open_databases(make_url(url), folder=Path(folder) if folder else None) as databases:
        databases.create()
        filled = databases.create()
        ask(filled, "CREATE TABLE numbers (n INTEGER)")
        databases.clone(filled)
        Path(held).touch()
        Path(fifo).open().close()
    return {}


def only_open(url: str, *, folder: str | None) -> Answer:
    """Open the databases, which prunes them, and close them again."""
    with open_databases(make_url(url), folder=Path(folder) if folder else None):
        return {}


def test_databases_of_another_process_stay_until_it_is_killed(
    place: Place, children: Children, tmp_path: Path
) -> None:
    held, fifo = tmp_path / "held", tmp_path / "fifo"
    os.mkfifo(fifo)
    folder = str(place.folder) if place.folder else None
    child = children.start(
        use_databases, make_url(place.url), folder=folder, held=str(held), fifo=str(fifo)
    )
    wait_until(lambda: held.exists() or not child.is_running())
    (owner,) = {one.owner for one in place.own()}

    prune(place)
    assert len(place.left()) == 3

    child.kill(signal.SIGKILL)
    wait_until(lambda: not place.server.living({owner}))
    prune(place)
    assert place.left() == []


def test_databases_of_a_closed_server_are_dropped(place: Place, history: Path) -> None:
    with opened(place) as databases:
        databases.create()
        stay = {template(databases, history), kept(databases)}
        owner = databases.server.owner
        databases.server.close()
        wait_until(lambda: not place.server.living({owner}))

        prune(place)

        assert place.all() == stay


def test_newest_templates_of_each_history_and_user_stay(
    place: Place, history: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with opened(place) as databases:
        # The older ones first: another process may prune at any time.
        own = [template(databases, history, age=n * DAY) for n in reversed(range(8))]
        others = {
            template(databases, other, age=20 * DAY),
            template(databases, history, owner=ELSEWHERE, age=20 * DAY),
        }

    prune(place)

    assert place.all() == {*own[-TEMPLATES_KEPT:], *others}


def test_what_was_kept_for_long_is_dropped(place: Place, history: Path) -> None:
    old, young = LONGEST_KEPT + DAY, LONGEST_KEPT - DAY
    with opened(place) as databases:
        template(databases, history, age=old)
        template(databases, history, owner=ELSEWHERE, age=old)
        kept(databases, age=old)
        stay = {template(databases, history, age=young), kept(databases, age=young)}

    prune(place)

    assert place.all() == stay


def test_template_whose_history_is_gone_is_dropped_by_whom_it_is_of(
    place: Place, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    with opened(place) as databases:
        template(databases, gone)
        # A folder on another machine cannot be looked for from here.
        stays = template(databases, gone, owner=ELSEWHERE)

    prune(place)

    assert place.all() == {stays}


def test_database_with_our_mark_and_another_name_is_left_alone(place: Place) -> None:
    name = f"assay_{secrets.token_hex(8)}"
    with opened(place) as databases:
        url = databases.server.create(name)

    prune(place)

    assert place.all() == {name}
    place.server.drop(url)


def test_nothing_is_in_the_way_of_several_who_prune_at_once(
    place: Place, children: Children, history: Path
) -> None:
    folder = str(place.folder) if place.folder else None
    with opened(place) as databases:
        for _ in range(3):
            databases.create()
        templates = [template(databases, history, age=n * DAY) for n in reversed(range(9))]
        owner = databases.server.owner
        databases.server.close()
        wait_until(lambda: not place.server.living({owner}))

        race = children.race(4, only_open, make_url(place.url), folder=folder)

        for child in race:
            child.result()
            assert not child.said("stays")
    assert place.all() == set(templates[-TEMPLATES_KEPT:])


@pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)
def test_everything_is_dropped_but_what_is_in_use(place: Place, history: Path) -> None:
    # Not on MySQL, where users have rights on each other's databases: those of other tests.
    with opened(place) as databases, opened(place) as other:
        in_use = {name_of(databases.create()), name_of(other.create())}
        dropped = {template(databases, history), kept(other)}

        found = databases.prune(everything=True)

        assert {name_of(one.url) for one in found} == dropped
        assert place.all() == in_use


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for databases that are files."""
    folder = tmp_path / "databases"
    folder.mkdir()
    return folder


def opened_folder(folder: Path) -> AbstractContextManager[Databases]:
    return open_databases(make_url("sqlite://"), folder=folder)


def test_files_that_a_dead_process_has_not_finished_are_removed(folder: Path) -> None:
    endings = ("1.db-unfinished", "2.db-unfinished-journal", "3.db.note-unfinished", "4.db-wal")
    for ending in endings:
        (folder / f"assay_{DEAD}_000{ending}").write_text("torn")
    (folder / f"assay_{DEAD}.alive").touch()

    with opened_folder(folder):
        pass

    assert list(folder.iterdir()) == []


def test_file_that_a_living_process_has_not_finished_stays(folder: Path) -> None:
    with opened_folder(folder) as databases:
        unfinished = folder / f"assay_{databases.server.owner}_0001.db-unfinished"
        unfinished.touch()

        with opened_folder(folder):
            pass

        assert unfinished.exists()


def test_file_that_lost_its_mark_or_is_damaged_stays_and_is_in_nobodys_way(folder: Path) -> None:
    with opened_folder(folder) as databases:
        unmarked, damaged, dead = [databases.create() for _ in range(3)]
        ask(unmarked, "PRAGMA application_id = 7")
        Path(str(damaged.database)).write_text("notes" * 1000)
        databases.server.close()

        with opened_folder(folder) as others:
            assert [one.url for one in others.left_behind] == [dead]

        assert {path.name for path in folder.iterdir()} == {
            Path(str(url.database)).name for url in (unmarked, damaged)
        }
        forget(databases, unmarked, damaged, dead)


def forget(databases: Databases, *urls: URL) -> None:
    """Let nothing be dropped at the end."""
    for url in urls:
        databases._own.remove(url)
