"""``python -m alembic_assay``, and the command ``alembic-assay``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from alembic_assay.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
