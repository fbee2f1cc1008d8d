"""What was found out about a template, remembered: enough to find it without reading a history.

To import Alembic and the revisions takes longer than all else that a run begins with. What they are
read for is the same as last time where the same files have the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import URL

from alembic_assay.dialects import user_folder


@dataclass(frozen=True, slots=True)
class Memory:
    """Where a project's databases were made, and by which fingerprint its template was found.

    It holds as long as the versions, and the ``files`` by their digests, are the same, and there
    are no others of Python in the ``folders``.
    """

    server: str
    server_version: str
    state: str
    versions: dict[str, str]
    files: dict[str, str]
    folders: list[str]

    def holds(self) -> bool:
        return all(
            version(package) == number for package, number in self.versions.items()
        ) and self.files == _digests([*map(Path, self.files), *_sources(self.folders)])


def memory_of(*choices: object) -> Path:
    """Return the file for what is remembered under some choices of the user."""
    digest = hashlib.sha256("\0".join(map(str, choices)).encode()).hexdigest()[:16]
    return user_folder() / f"recall-{digest}.json"


def recall(path: Path) -> Memory | None:
    """Return what was remembered, if it still holds."""
    try:
        memory = Memory(**json.loads(path.read_text(encoding="utf-8")))
        return memory if memory.holds() else None
    except (OSError, TypeError, ValueError):
        return None


def remember(
    path: Path,
    *,
    server: URL,
    server_version: str,
    state: str,
    versions: dict[str, str],
    files: Iterable[Path],
    folders: Collection[Path],
) -> None:
    """Remember a template; nothing is, where its server has a password."""
    text = server.render_as_string(hide_password=False)
    if "password" in text or server.password:
        return
    names = [str(folder) for folder in folders]
    digests = _digests([*files, *_sources(names)])
    memory = Memory(text, server_version, state, versions, digests, names)
    # Several workers may write it at once: what is not whole is no JSON, and so no memory.
    path.write_text(json.dumps(asdict(memory)), encoding="utf-8")


def _sources(folders: Iterable[str]) -> list[Path]:
    return [path for folder in folders for path in Path(folder).rglob("*.py")]


def _digests(files: Iterable[Path]) -> dict[str, str]:
    """Return the digests of files by their paths; that of a missing one is empty."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in files
    }
