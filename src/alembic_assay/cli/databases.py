"""The command ``databases``: what the toolkit has made on a server, and what of it may go."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL

from alembic_assay.databases import Databases, open_databases
from alembic_assay.dialects import OwnDatabase
from alembic_assay.project import open_project
from alembic_assay.urls import parse_url

DONE, FAILED = 0, 2


def list_databases(options: argparse.Namespace) -> int:
    """Print the databases of the toolkit's own, and what they are."""
    with _open(options) as databases:
        found = databases.server.own_databases()
    _print_table(found)
    return DONE


def prune_databases(options: argparse.Namespace) -> int:
    """Drop what nobody needs any more; with ``--all`` everything that is not in use."""
    with _open(options) as databases:
        # What was left behind has gone as the place was opened.
        dropped = [*databases.left_behind, *databases.prune(everything=options.all)]
    for one in dropped:
        print(f"dropped {name_of(one.url)}{_said(one)}")
    print(f"{len(dropped)} dropped")
    return DONE


def print_url(options: argparse.Namespace) -> int:
    """Print the URL of a database, with its password: it is for other programs."""
    with _open(options) as databases:
        urls = {name_of(one.url): one.url for one in databases.server.own_databases()}
    if options.database not in urls:
        print(
            f"error: there is no database {options.database} of the toolkit's own\n"
            "  help: alembic-assay databases list prints those that there are.",
            file=sys.stderr,
        )
        return FAILED
    url = urls[options.database]
    plain = url.set(drivername=url.get_backend_name()).render_as_string(hide_password=False)
    # SQLAlchemy leaves a blank in a password as it is, which libpq does not read.
    print(plain.replace(" ", "%20") if url.password else plain)
    return DONE


def name_of(url: URL) -> str:
    """Return the name of a database as it is listed: of a file without its folder and ending."""
    return Path(str(url.database)).name.removesuffix(".db")


@contextmanager
def _open(options: argparse.Namespace) -> Iterator[Databases]:
    """Have the databases on the server of a URL, or else of the project in this folder."""
    url = options.url or os.environ.get("ASSAY_URL")
    hosts: Collection[str] = options.allow_host
    if url:
        with open_databases(parse_url(url), allowed_hosts=hosts) as databases:
            yield databases
        return
    with open_project(config_file=options.config, allowed_hosts=hosts) as project:
        yield project.databases


def _print_table(found: Sequence[OwnDatabase]) -> None:
    rows = [("database", "kind", "made", "by", "of"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("   ".join(cells).rstrip())


def _row(one: OwnDatabase) -> tuple[str, ...]:
    if one.note is None:
        return name_of(one.url), "in use", "", "", ""
    made = datetime.fromisoformat(one.note.made).astimezone().strftime("%Y-%m-%d %H:%M")
    return name_of(one.url), one.note.kind, made, one.note.owner, one.note.of


def _said(one: OwnDatabase) -> str:
    return f" ({one.note.kind} of {one.note.of})" if one.note else ""
