"""The revision graph of a project, in Alembic's words."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import MultipleHeads as AlembicMultipleHeads
from alembic.script.revision import RevisionError, RevisionMap
from alembic.util import CommandError

from alembic_assay.exceptions import ConfigError, DatabaseAhead, HistoryError, MultipleHeads


class RevisionGraph:
    """All revisions of one history, read once.

    Nothing is flattened: branches, merges, several bases, several heads and ``depends_on`` are
    Alembic's, and every order is one in which Alembic itself would go.
    """

    def __init__(self, script: ScriptDirectory) -> None:
        self.script = script
        with _broken_history_as_error():
            self.order: tuple[Script, ...] = tuple(reversed(list(script.walk_revisions())))
            """Every revision, each after all that it needs: the order of a walk from base."""
            self.heads: tuple[str, ...] = tuple(sorted(script.get_heads()))
            self.bases: tuple[str, ...] = tuple(sorted(script.get_bases()))
        self._scripts = {revision.revision: revision for revision in self.order}
        self._locations = list(script.version_locations)

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
        if self.script.version_locations == self._locations:
            return self
        return RevisionGraph(
            ScriptDirectory(self.script.dir, version_locations=self.script.version_locations)
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
        script = self._scripts[revision]
        named = (*_as_tuple(script.down_revision), *_as_tuple(script.dependencies))
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
def _broken_history_as_error() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Of a duplicate or missing revision Alembic only warns, and goes on with another graph.
            warnings.filterwarnings("error", category=UserWarning, module=RevisionMap.__module__)
            yield
    except (RevisionError, CommandError, UserWarning) as error:
        raise HistoryError(
            f"the revision files do not make one history: {error}",
            effect="Alembic cannot tell in which order to run them; nothing was run.",
            help="see that each revision id is there once, and that every down_revision and"
            " depends_on names one that is.",
        ) from error
    except Exception as error:
        raise HistoryError(
            f"a revision file cannot be imported: {_place(error)}{type(error).__name__}: {error}",
            effect="Without it there is no history, so nothing was run.",
            help="correct the file; Python must be able to import it from the folder of the"
            " configuration file (prepend_sys_path).",
        ) from error


def _place(error: Exception) -> str:
    """Return ``file:line: `` of the last frame that is in a file, and not in Alembic."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if Path(frame.filename).suffix == ".py"]
    last = theirs[-1] if theirs else None
    if last is None or isinstance(error, SyntaxError) or "alembic" in Path(last.filename).parts:
        return ""
    return f"{last.filename}:{last.lineno}: "


@contextmanager
def _unresolved_as_error(target: str, heads: tuple[str, ...]) -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        if isinstance(error.__cause__, AlembicMultipleHeads):
            raise MultipleHeads(
                f"the history has {len(heads)} heads: {', '.join(heads)}",
                effect=f'"{target}" does not say which of them is meant; nothing was changed.',
                help='merge them (alembic merge heads), or ask for "heads" or one of them.',
            ) from error
        raise HistoryError(
            f'"{target}" cannot be reached: {error}',
            effect="Nothing was changed.",
            help=f"name a revision of this history; its heads are {', '.join(heads) or 'none'}.",
        ) from error


def _as_tuple(value: str | Collection[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
