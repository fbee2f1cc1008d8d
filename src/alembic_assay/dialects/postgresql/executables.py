"""Bring the executables of the server to where its account can execute them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from alembic_assay.dialects.postgresql.binaries import Binaries
from alembic_assay.dialects.postgresql.run_directory import RunDirectory
from alembic_assay.dialects.user_folder import is_open_to_others


def ensure_executable(run: RunDirectory, binaries: Binaries) -> Path:
    """Return a folder of these executables that the account of the server can execute.

    That is their own folder, unless it lies where the account may not go, as a virtual
    environment below /root does. Then it is a copy; no mode of the original is changed. The
    caller holds the start lock.
    """
    if not run.account.is_other or is_open_to_others(binaries.directory / "postgres"):
        return binaries.directory
    install = binaries.directory.parent
    package = install.parent
    # Where auditwheel puts the libraries of a wheel; the executables find them by relative path.
    libraries = package.parent / f"{package.name}.libs"

    copy = run.path / "binaries"
    if not is_whole(copy):
        remove_damaged(copy)
        partial = Path(tempfile.mkdtemp(prefix=f"{copy.name}.partial-", dir=run.path))
        copy_for_others(install, partial / package.name / install.name)
        if libraries.is_dir():
            copy_for_others(libraries, partial / libraries.name)
        for folder in (partial, partial / package.name):
            folder.chmod(0o755)
        seal_directory(partial, copy)
    return copy / package.name / install.name / binaries.directory.name


def is_whole(directory: Path) -> bool:
    """Tell whether a cached directory is exactly as it was when it was sealed.

    One that was being filled by a process that was killed is not. Neither is one from which a
    cleaner of temporary folders removed files, or whose files a power failure has emptied.
    """
    seal = seal_of(directory)
    return directory.is_dir() and seal.exists() and seal.read_text() == measure(directory)


def seal_directory(partial: Path, directory: Path) -> None:
    """Move a filled directory to where it is cached, and note what is in it."""
    partial.rename(directory)
    seal_of(directory).write_text(measure(directory))


def seal_of(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.whole")


def measure(directory: Path) -> str:
    sizes = [
        os.lstat(os.path.join(parent, name)).st_size
        for parent, _, names in os.walk(directory)
        for name in names
    ]
    return f"{len(sizes)} files, {sum(sizes)} bytes"


def remove_damaged(directory: Path) -> None:
    """Remove a cached directory that is not whole, and what was to become one."""
    for leftover in (directory, *directory.parent.glob(f"{directory.name}.partial-*")):
        shutil.rmtree(leftover, ignore_errors=True)


def copy_for_others(source: Path, target: Path) -> None:
    """Copy a tree, readable and executable by all where its owner can read and execute."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.a", "include"))
    for parent, _, names in os.walk(target):
        os.chmod(parent, 0o755)
        for name in names:
            file = Path(parent, name)
            file.chmod(0o755 if os.access(file, os.X_OK) else 0o644)
