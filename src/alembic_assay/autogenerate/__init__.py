"""The comparison of catalogues, for Alembic's own ``check`` and ``revision --autogenerate``.

A project opts in in its env.py, from Alembic 1.18 on::

    context.configure(..., autogenerate_plugins=["alembic.autogenerate.*", "alembic_assay"])

Alembic loads this module whenever it is imported itself, in every process and while it is only half
there: so nothing of Alembic, and nothing heavy, is imported before a comparison is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps
    from alembic.runtime.plugins import Plugin
    from alembic.util import PriorityDispatchResult


def setup(plugin: Plugin) -> None:
    """Register the comparison, to be run when all others are done; called by Alembic."""
    from alembic.util import DispatchPriority

    plugin.add_autogenerate_comparator(
        _compare, "autogenerate", "alembic_assay", priority=DispatchPriority.LAST
    )


def _compare(autogen_context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    from alembic.util import PriorityDispatchResult

    from alembic_assay.autogenerate.comparing import compare_catalogues

    compare_catalogues(autogen_context, upgrade_ops)
    return PriorityDispatchResult.CONTINUE


class _Iterable(ModuleType):
    """A module that is also the list of itself.

    Up to 1.20.0 Alembic loops over what the entry point names, and fails to be imported at all
    where that is a plain module, as its documentation wants it and as later versions take it.
    """

    def __iter__(self) -> Iterator[ModuleType]:
        yield self


sys.modules[__name__].__class__ = _Iterable
