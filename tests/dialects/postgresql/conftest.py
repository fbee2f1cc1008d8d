"""Server binaries, and folders for the throw-away servers that are started from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.dialects.postgresql.servers import (
    generations,
    open_directory,
    use_temporary,
    wait_until,
)

from alembic_assay.dialects.postgresql.binaries import (
    Binaries,
    find_binaries,
    find_machine_binaries,
    find_wheel_binaries,
)

SUPPLIERS = {"machine": find_machine_binaries, "wheel": find_wheel_binaries}


@pytest.fixture(params=SUPPLIERS)
def binaries(request: pytest.FixtureRequest) -> Binaries:
    """Each kind of binaries that is here."""
    found = SUPPLIERS[request.param]()
    if found is None:
        pytest.skip(f"no {request.param} binaries")
    return found


@pytest.fixture
def any_binaries() -> Binaries:
    found = find_binaries()
    if found is None:
        pytest.skip("no server binaries")
    return found


@pytest.fixture(scope="module")
def warm_directory() -> Iterator[Path]:
    """Keep the cached templates from test to test."""
    with open_directory() as directory:
        yield directory


@pytest.fixture
def base(warm_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a temporary folder for servers of this file alone; none of this test stays."""
    use_temporary(warm_directory, monkeypatch)
    yield warm_directory
    wait_until(lambda: not generations(warm_directory))


@pytest.fixture
def fresh_base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a temporary folder for servers of this test alone, with nothing cached."""
    with open_directory() as directory:
        use_temporary(directory, monkeypatch)
        yield directory
        wait_until(lambda: not generations(directory))
