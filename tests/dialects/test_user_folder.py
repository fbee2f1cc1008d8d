"""The folder of a user: where it lies, who may enter it, and what is refused in its place."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from alembic_assay.dialects.user_folder import choose_folder, ensure_own_directory, user_folder
from alembic_assay.exceptions import ServerUnavailable

IS_ROOT = sys.platform != "win32" and os.geteuid() == 0


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a temporary folder for this test alone, open to others, with no runtime folder."""
    with tempfile.TemporaryDirectory(prefix="assay-", dir="/tmp") as name:
        Path(name).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", name)
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        yield Path(name)


def test_user_folder_is_made_below_the_temporary_folder(temporary: Path) -> None:
    folder = user_folder()

    assert folder == temporary / f"alembic-assay-{os.geteuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == (0o711 if IS_ROOT else 0o700)
    assert user_folder() == folder


def test_user_folder_of_root_in_a_closed_temporary_folder_lies_in_tmp(temporary: Path) -> None:
    temporary.chmod(0o700)

    assert choose_folder(0) == Path("/tmp/alembic-assay-0")


@pytest.mark.skipif(IS_ROOT, reason="root's may have to be open to the account of a server")
def test_user_folder_with_a_runtime_folder_lies_in_it(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(temporary))

    assert user_folder() == temporary / "alembic-assay"


def test_user_folder_on_windows_lies_in_the_temporary_folder(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "geteuid")

    folder = user_folder()

    assert folder == temporary / "alembic-assay"
    assert folder.is_dir()


def test_own_directory_that_was_opened_to_others_is_closed_again(temporary: Path) -> None:
    (temporary / "own").mkdir()
    (temporary / "own").chmod(0o777)

    ensure_own_directory(temporary / "own", 0o700)

    assert stat.S_IMODE((temporary / "own").stat().st_mode) == 0o700


def test_own_directory_where_there_is_no_parent_is_reported(temporary: Path) -> None:
    with pytest.raises(ServerUnavailable) as caught:
        ensure_own_directory(temporary / "none" / "own", 0o700)

    assert str(caught.value) == (
        f"the folder {temporary}/none/own cannot be made: No such file or directory\n"
        "  there is no place for the databases that tests are given\n"
        "  help: set TMPDIR to a folder that you can write to"
    )


def test_own_directory_that_is_a_file_is_refused(temporary: Path) -> None:
    (temporary / "own").touch()

    with pytest.raises(ServerUnavailable) as caught:
        ensure_own_directory(temporary / "own", 0o700)

    assert str(caught.value) == (
        f"{temporary}/own is not a folder that belongs to uid {os.geteuid()}; "
        f"a folder of uid {os.geteuid()} was expected\n"
        "  databases whose files lie there could be read or replaced by another user\n"
        "  help: remove it, or set TMPDIR to a folder of your own"
    )
