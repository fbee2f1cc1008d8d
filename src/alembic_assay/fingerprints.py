"""What a migrated database was made from, as a fingerprint: equal ones, equal databases."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from alembic_assay.history import RevisionGraph
from alembic_assay.project import Project

_PACKAGES = ("alembic-assay", "alembic", "sqlalchemy")

_INSTALLED = {"site-packages", "dist-packages"}
_STANDARD_LIBRARY = sysconfig.get_path("stdlib")

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
        self._start = _digest(*_surroundings(project, graph))
        self._of: dict[str, str] = {}
        for script in graph.order:
            parents = sorted(self._of[parent] for parent in graph.parents(script.revision))
            code = _code_named_by(script.module)
            self._of[script.revision] = _digest(Path(script.path).read_bytes(), *code, *parents)

    @property
    def heads(self) -> str:
        """The fingerprint of a database at the heads."""
        return self.state(self.graph.heads)

    def state(self, revisions: Iterable[str]) -> str:
        """Return the fingerprint of a database in which these revisions are the newest ones."""
        return _digest(self._start, *sorted(self._of[revision] for revision in revisions))

    def earlier_states(self) -> Iterator[str]:
        """Yield the fingerprints of states on the way to the heads, the nearest one first."""
        for script in reversed(self.graph.order):
            yield self.state([script.revision])
            parents = self.graph.parents(script.revision)
            if len(parents) > 1:
                yield self.state(parents)


def with_seed(state: str, seed: Callable[..., object]) -> str:
    """Return the fingerprint of a state to which a function has added rows."""
    return _digest(state, seed.__qualname__, *_code_of(seed))


def _surroundings(project: Project, graph: RevisionGraph) -> Iterator[str | bytes]:
    yield from (f"{package} {version(package)}" for package in _PACKAGES)
    yield f"{project.databases.backend.name} {project.databases.server.version}"
    config = project.config_for(project.databases.url)
    section = config.get_section(config.config_ini_section, {}) or {}
    toml = config.toml_alembic_config
    for key, value in sorted({**toml, **section}.items()):
        if key not in _PLACES:
            yield f"{key}={value}"
    yield f"x={getattr(config.cmd_opts, 'x', [])}"
    yield (Path(graph.script.dir) / "env.py").read_bytes()
    yield from _baseline(project)


def _baseline(project: Project) -> Iterator[str | bytes]:
    baseline = project.settings.baseline
    if baseline is None or project.starts_from_models:
        return
    yield baseline
    if baseline.endswith(".sql"):
        yield (project.settings.folder / baseline).read_bytes()
        return
    yield from _code_of(project.baseline_function())


def _code_of(function: Callable[..., object]) -> Iterator[bytes]:
    module = sys.modules[function.__module__]
    if path := _own_file(module):
        yield path.read_bytes()
    yield from _code_named_by(module)


def _code_named_by(module: ModuleType) -> Iterator[bytes]:
    """Yield the bytes of the modules, of those that are not installed, that a module names."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        for value in vars(waiting.pop()).values():
            name = _module_name(value)
            other = sys.modules.get(name)
            if other is None or other is module or name in found:
                continue
            if path := _own_file(other):
                found[name] = path
                waiting.append(other)
    for name in sorted(found):
        yield found[name].read_bytes()


def _module_name(value: object) -> str:
    """Return the module that something is, or comes from; nothing for what has none."""
    # A proxy of an application that does not run raises whatever it is asked.
    with suppress(Exception):
        name = value.__name__ if isinstance(value, ModuleType) else value.__module__
        return name if isinstance(name, str) else ""
    return ""


def _own_file(module: ModuleType) -> Path | None:
    """Return the file of a module that somebody may be working on: one that is not installed."""
    path = Path(getattr(module, "__file__", None) or "/")
    is_installed = not _INSTALLED.isdisjoint(path.parts) or path.is_relative_to(_STANDARD_LIBRARY)
    return None if is_installed or not path.is_file() else path


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]
