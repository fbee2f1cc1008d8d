"""The revision graph of a project, in Alembic's words."""

from __future__ import annotations

import re
import sys
import threading
import traceback
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import MultipleHeads as AlembicMultipleHeads
from alembic.script.revision import RevisionError, RevisionMap
from alembic.util import CommandError

from alembic_assay.exceptions import (
    ConfigError,
    DatabaseAhead,
    HistoryError,
    MultipleHeads,
    first_line,
)

_SYS_PATH = threading.RLock()
"""``sys.path`` is global to the process: one project at a time has its folders there."""


class RevisionGraph:
    """All revisions of one history, read once.

    Nothing is flattened: branches, merges, several bases, several heads and ``depends_on`` are
    Alembic's, and every order is one in which Alembic itself would go.
    """

    def __init__(self, script: ScriptDirectory) -> None:
        self.script = script
        with _broken_history_as_error(script):
            self.order: tuple[Script, ...] = tuple(reversed(list(script.walk_revisions())))
            """Every revision, each after all that it needs: the order of a walk from base."""
            self.heads: tuple[str, ...] = tuple(sorted(script.get_heads()))
            self.bases: tuple[str, ...] = tuple(sorted(script.get_bases()))
        self._scripts = {revision.revision: revision for revision in self.order}
        self._locations = _locations(script)

    @classmethod
    def from_config(cls, config: Config) -> RevisionGraph:
        """Read the history that a ``Config`` points at.

        Raises ``HistoryError`` where the files do not make one, ``ConfigError`` without files.
        """
        with project_on_sys_path(config):
            try:
                script = ScriptDirectory.from_config(config)
            except (CommandError, ModuleNotFoundError) as error:
                raise ConfigError(
                    f"the folder of the migrations is not there: {error}",
                    effect=f'script_location is "{config.get_alembic_option("script_location")}".',
                    help="correct script_location: a path from the folder of the configuration"
                    " file, or package:folder.",
                ) from error
            return cls(script)

    def reloaded(self) -> RevisionGraph:
        """Return the graph as it is after env.py ran, which may set ``version_locations``."""
        if _locations(self.script) == self._locations:
            return self
        return RevisionGraph(
            ScriptDirectory(
                self.script.dir,
                version_locations=self.script.version_locations,
                sourceless=self.script.sourceless,
                recursive_version_locations=self.script.recursive_version_locations,
            )
        )

    def __contains__(self, revision: str) -> bool:
        return revision in self._scripts

    def __getitem__(self, revision: str) -> Script:
        return self._scripts[revision]

    def path(self, revision: str) -> Path:
        """Return the file of a revision."""
        return Path(self._scripts[revision].path)

    def describe(self, revision: str) -> str:
        """Return a revision as people know it: ``ae1027a6acf (add audit)``."""
        doc = self._scripts[revision].doc if revision in self._scripts else ""
        return f"{revision} ({doc})" if doc and doc != "empty message" else revision

    def ancestors(self, revision: str) -> set[str]:
        """Return all revisions that one needs, by ``down_revision`` or ``depends_on``."""
        found: set[str] = set()
        waiting = list(self.parents(revision))
        while waiting:
            parent = waiting.pop()
            if parent not in found:
                found.add(parent)
                waiting += self.parents(parent)
        return found

    def parents(self, revision: str) -> tuple[str, ...]:
        """Return the revisions that one stands on: ``down_revision`` and ``depends_on``."""
        named = _named_parents(self._scripts[revision])
        return tuple(parent.revision for parent in self.script.get_revisions(named))

    def upgrade_steps(self, current: Sequence[str], target: str) -> list[RevisionStep]:
        """Return the steps from the revisions in a database up to ``target``, none if it is there.

        ``target`` is what ``alembic upgrade`` takes. Raises ``MultipleHeads`` for ``head`` where
        there are several, ``DatabaseAhead`` for a current revision that is not in this history,
        ``HistoryError`` for a target that is not.
        """
        self._require_known(current)
        with _unresolved_as_error(target, self.heads):
            found = list(self.script.iterate_revisions(target, tuple(current), implicit_base=True))
        return [
            MigrationStep.upgrade_from_script(self.script.revision_map, revision)
            for revision in reversed(found)
        ]

    def downgrade_steps(self, current: Sequence[str], target: str) -> list[RevisionStep]:
        """Return the steps from the revisions in a database down to ``target``."""
        self._require_known(current)
        with _unresolved_as_error(target, self.heads):
            found = list(
                self.script.iterate_revisions(tuple(current), target, select_for_downgrade=True)
            )
        return [self.downgrade_step(revision.revision) for revision in found]

    def upgrade_step(self, revision: str) -> RevisionStep:
        """Return the step that upgrades to one revision."""
        return MigrationStep.upgrade_from_script(self.script.revision_map, self[revision])

    def downgrade_step(self, revision: str) -> RevisionStep:
        """Return the step that downgrades from one revision. It must have a ``downgrade()``."""
        return MigrationStep.downgrade_from_script(self.script.revision_map, self[revision])

    def _require_known(self, current: Sequence[str]) -> None:
        unknown = [revision for revision in current if revision not in self]
        if unknown:
            raise DatabaseAhead(
                f"the database is at revision {', '.join(unknown)}, which is not among the"
                f" {len(self.order)} revisions in {self.script.dir}",
                effect="It was migrated by newer code, or by other code; nothing was changed.",
                help="deploy the code that has this revision, or restore the database that fits"
                f" this code (head {', '.join(self.heads) or 'none'}).",
            )


@contextmanager
def project_on_sys_path(config: Config) -> Iterator[None]:
    """Put the project's ``prepend_sys_path`` first on ``sys.path``, and restore it afterwards.

    Alembic takes a relative entry from the working directory, and we from the folder of the
    configuration file too, so that a project can be checked from anywhere.
    """
    with _SYS_PATH:
        before = list(sys.path)
        source = config.config_file_name or config.toml_file_name
        if source:
            folder = Path(source).absolute().parent
            entries = config.get_prepend_sys_paths_list() or []
            sys.path[:0] = [str(folder / entry) for entry in entries]
        try:
            yield
        finally:
            sys.path[:] = before


@contextmanager
def _broken_history_as_error(script: ScriptDirectory) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Of a duplicate or missing revision Alembic only warns, and goes on with another graph.
            warnings.filterwarnings("error", category=UserWarning, module=RevisionMap.__module__)
            yield
    except Exception as error:
        if place := _place_in_revision(script, error):
            raise HistoryError(
                f"a revision file cannot be imported: {place}: {first_line(error)}",
                effect="Without it there is no history, so nothing was run.",
                help="correct the file; Python must be able to import it from the folder of the"
                " configuration file (prepend_sys_path).",
            ) from error
        reason = f"{error.args[0]} is not present" if isinstance(error, KeyError) else error
        files = ", ".join(_files_concerned(script, error))
        raise HistoryError(
            f"the revision files do not make one history: {reason}",
            effect="Alembic cannot tell in which order to run them; nothing was run."
            + (f" Look at: {files}" if files else ""),
            help="see that each revision id is there once, and that every down_revision and"
            " depends_on names one that is.",
        ) from error


def _place_in_revision(script: ScriptDirectory, error: Exception) -> str:
    """Return ``file:line`` of the revision file that raised, nothing if Alembic itself did."""
    folders = {folder.resolve() for folder in script._version_locations}  # noqa: SLF001
    for frame in traceback.extract_tb(error.__traceback__):
        if not folders.isdisjoint(Path(frame.filename).parents):
            return f"{frame.filename}:{frame.lineno}"
    return f"{error.filename}:{error.lineno}" if isinstance(error, SyntaxError) else ""


def _files_concerned(script: ScriptDirectory, error: Exception) -> list[str]:
    """Return the files of the revisions that an error of Alembic's speaks of."""
    words = set(re.findall(r"[^\s'(),]+", str(error)))
    loaded: list[Script] = []
    with suppress(Exception):
        # There is no graph that could be asked.
        loaded.extend(script._load_revisions())  # noqa: SLF001
    known = {one.revision for one in loaded}
    return sorted(
        one.path for one in loaded if words & {one.revision, *(set(_named_parents(one)) - known)}
    )


@contextmanager
def _unresolved_as_error(target: str, heads: tuple[str, ...]) -> Iterator[None]:
    try:
        yield
    except AlembicMultipleHeads as error:
        raise MultipleHeads(
            f"the history has {len(heads)} heads: {', '.join(heads)}",
            effect=f'"{target}" does not say which of them is meant; nothing was changed.',
            help='merge them (alembic merge heads), or ask for "heads" or one of them.',
        ) from error
    except (RevisionError, AssertionError) as error:
        # Where a relative target such as "a1+7" leads nowhere, Alembic fails by an assertion.
        raise HistoryError(
            f'"{target}" cannot be reached: {str(error) or "the history is not that long"}',
            effect="Nothing was changed.",
            help=f"name a revision of this history; its heads are {', '.join(heads) or 'none'}.",
        ) from error


def _locations(script: ScriptDirectory) -> list[str]:
    return [str(location) for location in script.version_locations]


def _named_parents(script: Script) -> tuple[str, ...]:
    return *_as_tuple(script.down_revision), *_as_tuple(script.dependencies)


def _as_tuple(value: str | Collection[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
