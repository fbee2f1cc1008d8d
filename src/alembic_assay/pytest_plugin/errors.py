"""Errors of the toolkit's own, as pytest shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def errors_as_text() -> Iterator[None]:
    """Fail with the text of our own errors alone: a traceback shows the arguments of the driver.

    The password is among them.
    """
    from alembic_assay.exceptions import AssayError, FindingsDetected

    try:
        yield
    except (AssayError, FindingsDetected) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
