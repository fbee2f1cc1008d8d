"""Find the folder in which the toolkit keeps files of one user, closed to all others."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

from alembic_assay.exceptions import ServerUnavailable


def user_folder() -> Path:
    """Return the folder of this user for files of the toolkit, made where it is missing.

    It lies below XDG_RUNTIME_DIR or the temporary folder and belongs to us alone: others can read
    nothing in it. Root's can be passed through, for what a server keeps there runs under another
    account. On Windows the temporary folder is the user's own already, and nothing is checked.

    Raises ServerUnavailable where it cannot be made, or something that is not ours stands in its
    place.
    """
    if sys.platform == "win32":
        folder = Path(tempfile.gettempdir()) / "alembic-assay"
        ensure_own_directory(folder, 0o700)
        return folder
    uid = os.geteuid()
    folder = choose_folder(uid)
    ensure_own_directory(folder, 0o711 if uid == 0 else 0o700)
    return folder


def ensure_own_directory(path: Path, mode: int) -> None:
    """Make this folder, where it is missing, with exactly this mode; check that it is ours.

    Raises ServerUnavailable where it cannot be made, or something that is not ours stands in its
    place.
    """
    try:
        path.mkdir(mode)
    except FileExistsError:
        pass
    except OSError as error:
        raise ServerUnavailable(
            f"the folder {path} cannot be made: {error.strerror}",
            effect="there is no place for the databases that tests are given",
            help="set TMPDIR to a folder that you can write to",
        ) from error
    if sys.platform == "win32":
        return
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a folder"
        raise ServerUnavailable(
            f"{path} is {kind} that belongs to uid {found.st_uid}; "
            f"a folder of uid {os.geteuid()} was expected",
            effect="databases whose files lie there could be read or replaced by another user",
            help="remove it, or set TMPDIR to a folder of your own",
        )
    if stat.S_IMODE(found.st_mode) != mode:
        path.chmod(mode)


def is_open_to_others(path: Path) -> bool:
    """Tell whether any other account may pass through this folder, or execute this file."""
    resolved = path.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (resolved, *resolved.parents))


def choose_folder(uid: int) -> Path:
    temporary = Path(tempfile.gettempdir())
    if uid == 0:
        # $XDG_RUNTIME_DIR is closed to other accounts by definition, TMPDIR may be.
        usable = temporary if is_open_to_others(temporary) else Path("/tmp")  # noqa: S108 - checked to be ours
        return usable / f"alembic-assay-{uid}"
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute() and is_owned(runtime, uid):
        return runtime / "alembic-assay"
    return temporary / f"alembic-assay-{uid}"


def is_owned(directory: Path, uid: int) -> bool:
    try:
        owner = directory.stat().st_uid
    except OSError:
        return False
    return owner == uid and os.access(directory, os.W_OK | os.X_OK)
