"""What a migrated database was made from, as a fingerprint: equal ones, equal databases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from alembic_assay.fingerprints import digest, modules_named_by, modules_of, versions
from alembic_assay.history import RevisionGraph
from alembic_assay.project import Project

_PLACES = ("here", "script_location", "sqlalchemy.url", "prepend_sys_path", "version_locations")
"""Options that say where things are: two copies of a project have the same migrations."""


class Lineage:
    """The fingerprints of the states through which a history leads a database.

    A state is what is applied: some revisions, and all that they need. Its fingerprint stands for
    the bytes of all these files, for env.py, for the options, and for the versions of all that
    takes part. Of the code that revisions import, the modules that are not installed count too, and
    those that these import in turn.
    """

    def __init__(self, project: Project, graph: RevisionGraph) -> None:
        self.graph = graph
        self.files = {*_files_around(project, graph)}
        """All files that count."""
        around = (path.read_bytes() for path in sorted(self.files))
        self._start = digest(*_options(project), *around)
        self._of: dict[str, str] = {}
        for script in graph.order:
            parents = sorted(self._of[parent] for parent in graph.parents(script.revision))
            files = [Path(script.path), *modules_named_by(script.module)]
            code = (path.read_bytes() for path in files)
            self._of[script.revision] = digest(*code, *parents)
            self.files.update(files)

    @property
    def folders(self) -> set[Path]:
        """The folders in which revisions lie: a new file in one of them counts, too."""
        script = self.graph.script
        return {Path(folder) for folder in (script.dir, *script.version_locations)}

    @property
    def heads(self) -> str:
        """The fingerprint of a database at the heads."""
        return self.state(self.graph.heads)

    def state(self, revisions: Iterable[str]) -> str:
        """Return the fingerprint of a database in which these revisions are the newest ones."""
        return digest(self._start, *sorted(self._of[revision] for revision in revisions))

    def earlier_states(self) -> Iterator[str]:
        """Yield the fingerprints of states on the way to the heads, the nearest one first."""
        for script in reversed(self.graph.order):
            yield self.state([script.revision])
            parents = self.graph.parents(script.revision)
            if len(parents) > 1:
                yield self.state(parents)


def _options(project: Project) -> Iterator[str]:
    yield from (f"{package} {number}" for package, number in versions().items())
    yield f"{project.databases.backend.name} {project.databases.server.version}"
    yield f"baseline={project.settings.baseline}"
    config = project.config_for(project.databases.url)
    file, name = config.file_config, config.config_ini_section
    # As they stand: env.py may be there to fill in what the file leaves open.
    section = dict(file.items(name, raw=True)) if file.has_section(name) else {}
    for key, value in sorted({**config.toml_alembic_config, **section}.items()):
        if key not in _PLACES:
            yield f"{key}={value}"
    yield f"x={getattr(config.cmd_opts, 'x', [])}"


def _files_around(project: Project, graph: RevisionGraph) -> Iterator[Path]:
    yield Path(graph.script.dir) / "env.py"
    baseline = project.settings.baseline
    if baseline is None or project.starts_from_models:
        return
    if baseline.endswith(".sql"):
        yield project.settings.folder / baseline
    else:
        yield from modules_of(project.baseline_function())
