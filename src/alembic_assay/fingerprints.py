"""Fingerprints: of files, of functions and the code that they name, of installed packages."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

_PACKAGES = ("alembic-assay", "alembic", "sqlalchemy")

_INSTALLED = {"site-packages", "dist-packages"}
_STANDARD_LIBRARY = sysconfig.get_path("stdlib")


def with_seed(state: str, seed: Callable[..., object]) -> str:
    """Return the fingerprint of a state to which a function has added rows."""
    code = (path.read_bytes() for path in modules_of(seed))
    return digest(state, seed.__qualname__, *code)


def versions() -> dict[str, str]:
    """Return the versions of what makes a template, but for the server's."""
    return {package: version(package) for package in _PACKAGES}


def modules_of(function: Callable[..., object]) -> list[Path]:
    """Return the file of a function's module, and those of the modules that it names."""
    module = sys.modules[function.__module__]
    own = _own_file(module)
    return [*([own] if own else []), *modules_named_by(module)]


def modules_named_by(module: ModuleType) -> list[Path]:
    """Return the files of the modules, of those that are not installed, that a module names."""
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
    return [found[name] for name in sorted(found)]


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


def digest(*parts: str | bytes) -> str:
    """Return a digest of texts and bytes, in which it shows where each one ends."""
    hashed = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()[:32]
