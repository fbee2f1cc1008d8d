"""The example's own tests pass, and its migrations are right, on every database."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("url", ["sqlite://", "postgresql://"])
def test_example_passes_its_tests_and_checks(tmp_path: Path, url: str) -> None:
    example = tmp_path / "migrations_example"
    shutil.copytree(ROOT / "migrations_example", example, ignore=shutil.ignore_patterns("*.db"))

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--assay"],
        cwd=example,
        env={**os.environ, "ASSAY_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout
    assert "14 passed" in result.stdout
