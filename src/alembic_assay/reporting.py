"""Findings as text for people and as JSON for programs. Values in, strings out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from alembic_assay.findings import Finding, Severity


def render_text(findings: Sequence[Finding], *, folder: Path | None = None) -> str:
    """Return the findings one below the other, errors first; paths from ``folder`` on."""
    order = list(Severity)
    ranked = sorted(findings, key=lambda finding: order.index(finding.severity))
    return "\n\n".join(_block(finding, folder) for finding in ranked)


def render_json(findings: Sequence[Finding]) -> str:
    """Return ``{"findings": [...], "counts": {severity: number}}``."""
    counts = count(findings)
    return json.dumps({"findings": [asdict(one) for one in findings], "counts": counts}, indent=2)


def render_summary(findings: Sequence[Finding]) -> str:
    """Return one line: ``2 errors, 1 note``, or ``no findings``."""
    words = {"error": ("error", "errors"), "note": ("note", "notes"), "skipped": ("skipped",) * 2}
    parts = [
        f"{number} {words[severity][number != 1]}"
        for severity, number in count(findings).items()
        if number
    ]
    return ", ".join(parts) or "no findings"


def count(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how many findings there are of each severity."""
    return {
        severity.value: sum(finding.severity is severity for finding in findings)
        for severity in Severity
    }


def _block(finding: Finding, folder: Path | None) -> str:
    text = str(finding)
    if finding.severity is not Severity.ERROR:
        text = f"[{finding.severity.value}] {text}"
    if finding.path is not None:
        first, _, rest = text.partition("\n")
        text = "\n".join(filter(None, [first, f"  in {_relative(finding.path, folder)}", rest]))
    return text


def _relative(path: str, folder: Path | None) -> str:
    if folder is None:
        return path
    try:
        return str(Path(path).relative_to(folder))
    except ValueError:
        return path
