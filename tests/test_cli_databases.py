"""The command ``databases``: what it prints, what it drops, and what it leaves alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest
from sqlalchemy import make_url
from tests.places import Place
from tests.processes import Answer, Children, ask, wait_until

from alembic_assay.cli import main
from alembic_assay.cli.databases import name_of
from alembic_assay.databases import Databases, open_databases
from alembic_assay.dialects import Note, get_backend, signature
from alembic_assay.safety import ALLOW_HOST, STAGES
from alembic_assay.urls import parse_url

if TYPE_CHECKING:
    from tests.conftest import ProjectFiles

HEADING = ["database", "kind", "made", "by", "of"]
TEST = "tests/test_a.py::test_a"
UNKNOWN = (
    "error: there is no database assay_01234567_0001 of the toolkit's own\n"
    "  help: alembic-assay databases list prints those that there are.\n"
)
REFUSED = (
    "error: 192.0.2.1 is another machine than this one\n"
    "  Databases would be made and dropped there; nothing was connected to.\n"
    "  help: if tests may do that, allow it: --assay-allow-host 192.0.2.1 (pytest),"
    " --allow-host 192.0.2.1 (alembic-assay), or ASSAY_ALLOW_HOST=192.0.2.1.\n"
)
NAMED_AND_CLOSED = "postgresql://app:s3cret@db.example.org:1/postgres?hostaddr=127.0.0.1"
"""A server that has to be allowed by its name; a connection would go to a closed port here."""
ACTIONS = {"list": [], "prune": [], "url": ["assay_01234567_0001"]}

# Users of MySQL have rights on each other's databases: there it would be those of other tests.
with_places_apart = pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def in_project(project_files: ProjectFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is the working directory, and nothing is chosen by the environment."""
    monkeypatch.chdir(project_files.folder)
    for name in ("ASSAY_URL", ALLOW_HOST, "ALEMBIC_CONFIG", *STAGES):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def three(place: Place, folder: Path) -> Iterator[tuple[Databases, list[str]]]:
    """Have a template, a database that was kept, and one in use; yield their names."""
    with open_databases(make_url(place.url)) as databases:
        template, kept, in_use = (databases.create() for _ in range(3))
        ask(kept, "CREATE TABLE numbers (n INTEGER)")
        databases.seal(template, Note.signed("template", str(folder), "a fingerprint"))
        databases.keep(kept, TEST)
        yield databases, [name_of(url) for url in (template, kept, in_use)]


def die(url: str, *, folder: str | None, held: str, fifo: str) -> Answer:
    """Make two databases, then the file ``held``, and wait at ``fifo`` to be killed."""
    with open_databases(make_url(url), folder=Path(folder) if folder else None) as databases:
        databases.create()
        databases.create()
        Path(held).touch()
        Path(fifo).open().close()
    return {}


@pytest.fixture
def dead(place: Place, children: Children, tmp_path: Path) -> list[str]:
    """The names of the databases that a process has left which was killed."""
    held, fifo = tmp_path / "held", tmp_path / "fifo"
    os.mkfifo(fifo)
    folder = str(place.folder) if place.folder else None
    child = children.start(die, make_url(place.url), folder=folder, held=str(held), fifo=str(fifo))
    wait_until(lambda: held.exists() or not child.is_running())
    left = place.left()
    (owner,) = {one.owner for one in place.own()}
    child.kill(9)
    wait_until(lambda: not place.server.living({owner}))
    return left


def listed(text: str, place: Place) -> list[list[str]]:
    """Return the cells of a table that was printed, of this place's databases."""
    heading, *rows = [re.split(r" {2,}", line) for line in text.splitlines()]
    assert heading == HEADING
    return [row for row in rows if row[0] in place.all()]


def made(place: Place, name: str) -> str:
    """Return when a database was made, as it is printed."""
    (note,) = [one.note for one in place.own() if name_of(one.url) == name]
    assert note is not None
    return datetime.fromisoformat(note.made).astimezone().strftime("%Y-%m-%d %H:%M")


class Printed(NamedTuple):
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Printed:
    assert main(["databases", *arguments]) == code
    return Printed(*capsys.readouterr())


def test_list_says_what_each_database_is(
    place: Place, project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    with three(place, project_files.folder) as (_, (template, kept, in_use)):
        printed = run(capsys, "list", "--url", place.url)

        assert listed(printed.out, place) == [
            [template, "template", made(place, template), signature(), str(project_files.folder)],
            [kept, "kept", made(place, kept), signature(), TEST],
            [in_use, "in use"],
        ]
        assert printed.err == ""


@with_places_apart
def test_list_of_nothing_is_a_heading(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "list", "--url", place.url).out == "database   kind   made   by   of\n"


def test_server_is_that_of_the_environment(
    place: Place,
    project_files: ProjectFiles,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASSAY_URL", place.url)

    with three(place, project_files.folder) as (_, names):
        printed = run(capsys, "list")

        assert [row[0] for row in listed(printed.out, place)] == names


@pytest.mark.parametrize("by_option", [False, True])
def test_server_is_that_of_the_project(
    place: Place,
    project_files: ProjectFiles,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    by_option: bool,
) -> None:
    settings = project_files.folder / "pyproject.toml"
    settings.write_text(f"[tool.alembic-assay]\nurl = '{place.url}'\n")
    if by_option:
        monkeypatch.chdir(tmp_path)

    with three(place, project_files.folder) as (_, names):
        printed = run(capsys, "list", *(["-c", str(project_files.ini)] if by_option else []))

        assert [row[0] for row in listed(printed.out, place)] == names


def test_prune_drops_what_a_killed_process_left_and_keeps_the_rest(
    place: Place,
    project_files: ProjectFiles,
    capsys: pytest.CaptureFixture[str],
    dead: list[str],
) -> None:
    printed = run(capsys, "prune", "--url", place.url)

    lines = printed.out.splitlines()
    assert [line for line in lines if line.rpartition(" ")[2] in dead] == [
        f"dropped {name}" for name in dead
    ]
    assert lines[-1] == f"{len(lines) - 1} dropped"
    assert place.all() == set()
    with three(place, project_files.folder) as (_, names):
        assert "0 dropped" in run(capsys, "prune", "--url", place.url).out
        assert sorted(place.all()) == names


@with_places_apart
def test_prune_of_all_leaves_what_is_in_use(
    place: Place, project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    with three(place, project_files.folder) as (_, (template, kept, in_use)):
        printed = run(capsys, "prune", "--all", "--url", place.url)

        assert printed.out == (
            f"dropped {template} (template of {project_files.folder})\n"
            f"dropped {kept} (kept of {TEST})\n"
            "2 dropped\n"
        )
        assert place.all() == {in_use}


def test_url_leads_to_the_database(
    place: Place, project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    with three(place, project_files.folder) as (databases, (_, kept, _)):
        printed = run(capsys, "url", kept, "--url", place.url)

        (line,) = printed.out.splitlines()
        url = parse_url(line)
        assert url.drivername == place.backend
        with get_backend(url).connect(url) as connection:
            assert connection.exec_driver_sql("SELECT n FROM numbers").all() == []
        assert databases.backend.is_same_database(url, url.set(username="other"))


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_url_has_the_password_and_is_one_for_other_programs(
    place: Place, project_files: ProjectFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    server = make_url(place.url).set(password="s3cret/+ @:")
    with three(place, project_files.folder) as (_, (_, kept, _)):
        shown = server.render_as_string(hide_password=False)
        printed = run(capsys, "url", kept, "--url", shown).out.strip()

        assert make_url(printed).password == "s3cret/+ @:"
        with psycopg.connect(printed) as connection:
            assert connection.info.dbname == kept
            assert connection.info.password == "s3cret/+ @:"


def test_url_of_an_unknown_database_says_where_to_look(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run(capsys, "url", "assay_01234567_0001", "--url", place.url, code=2)

    assert (printed.out, printed.err) == ("", UNKNOWN)


@pytest.mark.parametrize("action", ACTIONS)
def test_server_on_another_machine_is_refused(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://app:s3cret@192.0.2.1/postgres"

    printed = run(capsys, action, *ACTIONS[action], "--url", url, code=2)

    assert (printed.out, printed.err) == ("", REFUSED)


@pytest.mark.parametrize("action", ACTIONS)
def test_server_on_a_machine_that_is_allowed_is_connected_to(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    allowed = ["--allow-host", "db.example.org"]

    printed = run(capsys, action, *ACTIONS[action], "--url", NAMED_AND_CLOSED, *allowed, code=2)

    assert printed.err.startswith(
        "error: postgresql://app:***@db.example.org:1/postgres?hostaddr=127.0.0.1 cannot be"
        " reached: OperationalError: "
    )
    assert "s3cret" not in printed.out + printed.err


def test_folder_without_a_project_and_no_url_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    printed = run(capsys, "list", code=2)

    assert printed.err.startswith("error: there is no alembic.ini, and no pyproject.toml with ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["list", "prune", "url", "what killed processes left behind"]),
        (["list"], ["--url", "--allow-host", "--config"]),
        (["prune"], ["--all", "only what is in use stays", "--url"]),
        (["url"], ["NAME", "as it is listed", "--url"]),
    ],
)
def test_help_tells_of_each_action(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["databases", *arguments, "--help"])

    printed = " ".join(capsys.readouterr().out.split())
    assert raised.value.code == 0
    assert [word for word in words if word not in printed] == []
