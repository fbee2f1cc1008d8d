"""The projects' own tests are run by pytest processes of their own."""

from __future__ import annotations

collect_ignore_glob = ["*/*"]
