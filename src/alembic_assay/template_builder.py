"""A migrated database is built once, under a lock, and kept for all who come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Connection

from alembic_assay.dialects import Note
from alembic_assay.findings import Finding, Severity, errors
from alembic_assay.fingerprints import with_seed
from alembic_assay.lineage import Lineage
from alembic_assay.locking import held
from alembic_assay.project import Project

Seed = Callable[[Connection], object]
"""Adds rows to a migrated database; what it leaves uncommitted is committed."""


@dataclass(frozen=True, slots=True)
class Built:
    """What is wrong with the migrations that were run, and the heads of their history."""

    findings: list[Finding]
    heads: tuple[str, ...]


class Build(Protocol):
    """Brings a database to the heads, which is empty (``is_new``) or behind."""

    def __call__(self, project: Project, url: URL, *, is_new: bool) -> Built: ...


class TemplateBuilder:
    """Finds or makes the migrated database of a project, with the rows of a seed.

    It is found by the fingerprint of all that it is made from. Where there is none, the first
    process that comes makes it, under a lock, from the nearest earlier state that is there; nobody
    can change it afterwards.

    Where the fingerprint cannot tell all, each process makes one for itself, which ends with it: if
    new installations are made from the models, or if env.py has revisions of its own.

    ``folder`` is common to the processes of one run: what one of them has found is told to the
    others there. With ``rebuild`` the first one of the run makes it anew, from nothing.
    """

    def __init__(
        self,
        project: Project,
        build: Build,
        *,
        folder: Path,
        seed: Seed | None = None,
        rebuild: bool = False,
    ) -> None:
        self._project = project
        self._databases = project.databases
        self._build = build
        self._folder = folder
        self._seed = seed
        self._rebuild = rebuild
        self._graph = project.graph()
        self.lineage = lineage = (
            None if project.starts_from_models else Lineage(project, self._graph)
        )
        """What it is found by, if it is kept."""
        self._earlier = list(lineage.earlier_states()) if lineage else []
        self._migrated = lineage.heads if lineage else None
        self._wanted = with_seed(lineage.heads, seed) if lineage and seed else self._migrated
        self._url: URL | None = None

    @property
    def url(self) -> URL:
        """The database that is copied; ``ensure`` has made or found it."""
        assert self._url is not None, "ensure() comes first, and finds nothing wrong"
        return self._url

    def ensure(self) -> list[Finding]:
        """Find or make it. Return what is wrong with the migrations; with an error there is none.

        Raises ``ServerUnavailable`` where no database can be made, and what a seed raises.
        """
        if self._wanted is None:
            return self._make({})
        if not self._rebuild and self._find():
            return []
        with (
            self._databases.server.lock(f"template {self._graph.script.dir}") as lock,
            held(lock, timeout=None),
        ):
            known = self._read_record()
            if known is not None and (errors(known) or self._find()):
                return known
            if not self._rebuild and self._find():
                return []
            if self._rebuild:
                self._drop_outdated()
            findings = self._make({} if self._rebuild else self._databases.templates())
            self._write_record(findings)
            return findings

    def _find(self) -> bool:
        self._url = self._databases.templates().get(self._wanted or "")
        return self._url is not None

    def _drop_outdated(self) -> None:
        for fingerprint, url in self._databases.templates().items():
            if fingerprint in (self._wanted, self._migrated):
                self._databases.drop(url)

    def _make(self, templates: Mapping[str, URL]) -> list[Finding]:
        """Make it from the nearest of the templates, or from nothing."""
        findings: list[Finding] = []
        migrated = templates.get(self._migrated or "")
        if migrated is None:
            migrated, findings = self._migrate(templates)
            if errors(findings):
                self._databases.drop(migrated)
                return findings
        self._url = self._sow(migrated, self._seed) if self._seed else migrated
        return findings

    def _migrate(self, templates: Mapping[str, URL]) -> tuple[URL, list[Finding]]:
        """Return a database at the heads, and what is wrong with the migrations."""
        source = next((templates[state] for state in self._earlier if state in templates), None)
        url = self._databases.clone(source) if source else self._databases.create()
        with self._dropped_on_error(url):
            built = self._build(self._project, url, is_new=source is None)
            if built.heads != self._graph.heads:
                # env.py has set version_locations: the files there are not in the fingerprint.
                self._migrated = self._wanted = self.lineage = None
            if not errors(built.findings):
                self._seal(url, self._migrated)
        return url, built.findings

    def _sow(self, migrated: URL, seed: Seed) -> URL:
        """Return a copy with the rows of the seed."""
        url = self._databases.clone(migrated)
        with self._dropped_on_error(url):
            with self._databases.backend.make_own_engine(url).connect() as connection:
                seed(connection)
                connection.commit()
            self._seal(url, self._wanted)
        return url

    def _seal(self, url: URL, fingerprint: str | None) -> None:
        if fingerprint is not None:
            self._databases.seal(url, Note.signed("template", self._graph.script.dir, fingerprint))

    @contextmanager
    def _dropped_on_error(self, url: URL) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._databases.drop(url)
            raise

    @property
    def _record(self) -> Path:
        return self._folder / f"alembic-assay-{self._wanted}.json"

    def _read_record(self) -> list[Finding] | None:
        """Return what a process of this run has found, if one has made it already."""
        if not self._record.exists():
            return None
        found: list[dict[str, Any]] = json.loads(self._record.read_text(encoding="utf-8"))
        return [Finding(**{**each, "severity": Severity(each["severity"])}) for each in found]

    def _write_record(self, findings: list[Finding]) -> None:
        if self._wanted is not None:
            found = [asdict(finding) for finding in findings]
            self._record.write_text(json.dumps(found), encoding="utf-8")
