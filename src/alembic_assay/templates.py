"""A migrated database, built once and copied for everyone who needs one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import URL, make_url

from alembic_assay.findings import Finding, Severity
from alembic_assay.project import Project

Build = Callable[[Project, URL], Sequence[Finding]]
"""Migrates an empty database, and returns what is wrong with the migrations."""


@dataclass(slots=True)
class _Record:
    """What the processes of one run know of their template, kept in a file."""

    url: str
    findings: list[dict[str, Any]]
    users: list[str] = field(default_factory=list)


@contextmanager
def shared_template(
    project: Project, folder: Path, user: str, build: Build
) -> Iterator[tuple[URL, list[Finding]]]:
    """Have the template of a run for a block: its URL, and what ``build`` found.

    The first process that comes builds it, under a lock; the others wait and take it as it is; the
    last one to leave drops it. ``folder`` is common to the processes of the run, ``user`` names one
    of them. Nobody may stay connected to the template, or it cannot be copied.
    """
    name = hashlib.sha256(_identity(project).encode()).hexdigest()[:12]
    path = folder / f"alembic-assay-{name}.json"
    lock = FileLock(folder / f"alembic-assay-{name}.lock", fallback_to_soft=False)
    with lock:
        record = _read(path)
        if record is None or not project.databases.backend.exists(make_url(record.url)):
            record = _build(project, build)
        record.users.append(user)
        _write(path, record)
    try:
        yield make_url(record.url), [_finding(values) for values in record.findings]
    finally:
        with lock:
            record = _read(path) or record
            record.users.remove(user)
            _write(path, record)
            if not record.users:
                path.unlink()
                project.databases.drop(make_url(record.url))


def _identity(project: Project) -> str:
    graph = project.graph()
    server = project.databases.server.render_as_string(hide_password=False)
    return "\0".join([graph.script.dir, *graph.heads, server, project.settings.baseline or ""])


def _build(project: Project, build: Build) -> _Record:
    url = project.databases.create()
    try:
        findings = build(project, url)
    except BaseException:
        project.databases.drop(url)
        raise
    project.databases.disown(url)
    return _Record(
        url.render_as_string(hide_password=False), [asdict(finding) for finding in findings]
    )


def _read(path: Path) -> _Record | None:
    return _Record(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _write(path: Path, record: _Record) -> None:
    # It holds the password of a server.
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(record)), encoding="utf-8")


def _finding(values: dict[str, Any]) -> Finding:
    return Finding(**{**values, "severity": Severity(values["severity"])})
