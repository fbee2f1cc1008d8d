from __future__ import annotations

import json
from pathlib import Path

from alembic_assay.findings import Finding, Severity
from alembic_assay.reporting import count, render_json, render_summary, render_text

LEFTOVER = Finding(
    "round-trip",
    "round-trip-leftover",
    "downgrade of 0002 (add audit) leaves table audit behind",
    "So that the next one fails: table audit already exists.",
    'remove it in downgrade(): op.drop_table("audit")\nor say why it stays.',
    revision="0002",
    path="/srv/shop/migrations/versions/0002_add_audit.py",
    object="table audit",
)
NOTE = Finding(
    "round-trip",
    "irreversible",
    "revision 0003 is irreversible: it has no downgrade()",
    "Its downgrade was not checked.",
    severity=Severity.NOTE,
    revision="0003",
    path="/elsewhere/0003.py",
)
SKIPPED = Finding("drift", "drift-not-checked", "there are no models", severity=Severity.SKIPPED)


def test_text_is_empty_without_findings() -> None:
    assert render_text([]) == ""


def test_text_has_errors_first_and_paths_from_the_folder_on() -> None:
    text = render_text([SKIPPED, NOTE, LEFTOVER], folder=Path("/srv/shop"))

    assert text == (
        "round-trip-leftover: downgrade of 0002 (add audit) leaves table audit behind\n"
        "  in migrations/versions/0002_add_audit.py\n"
        "  So that the next one fails: table audit already exists.\n"
        '  help: remove it in downgrade(): op.drop_table("audit")\n'
        "        or say why it stays.\n"
        "\n"
        "[note] irreversible: revision 0003 is irreversible: it has no downgrade()\n"
        "  in /elsewhere/0003.py\n"
        "  Its downgrade was not checked.\n"
        "\n"
        "[skipped] drift-not-checked: there are no models"
    )


def test_text_without_a_folder_has_whole_paths() -> None:
    assert render_text([LEFTOVER]).splitlines()[1] == f"  in {LEFTOVER.path}"


def test_text_keeps_the_order_of_findings_of_one_severity() -> None:
    others = [Finding("heads", f"rule-{number}", "so") for number in (3, 1, 2)]

    assert render_text(others) == "rule-3: so\n\nrule-1: so\n\nrule-2: so"


def test_json_has_every_field_and_the_counts() -> None:
    report = json.loads(render_json([LEFTOVER, SKIPPED]))

    assert report == {
        "findings": [
            {
                "check": "round-trip",
                "rule": "round-trip-leftover",
                "message": "downgrade of 0002 (add audit) leaves table audit behind",
                "effect": "So that the next one fails: table audit already exists.",
                "help": 'remove it in downgrade(): op.drop_table("audit")\nor say why it stays.',
                "severity": "error",
                "revision": "0002",
                "path": "/srv/shop/migrations/versions/0002_add_audit.py",
                "object": "table audit",
            },
            {
                "check": "drift",
                "rule": "drift-not-checked",
                "message": "there are no models",
                "effect": "",
                "help": "",
                "severity": "skipped",
                "revision": None,
                "path": None,
                "object": None,
            },
        ],
        "counts": {"error": 1, "note": 0, "skipped": 1},
    }


def test_json_without_findings_has_empty_counts() -> None:
    assert json.loads(render_json([])) == {
        "findings": [],
        "counts": {"error": 0, "note": 0, "skipped": 0},
    }


def test_summary_says_one_and_many_rightly() -> None:
    assert render_summary([]) == "no findings"
    assert render_summary([LEFTOVER]) == "1 error"
    assert render_summary([NOTE, NOTE]) == "2 notes"
    assert render_summary([SKIPPED, LEFTOVER, LEFTOVER, NOTE]) == "2 errors, 1 note, 1 skipped"


def test_count_has_every_severity() -> None:
    assert count([LEFTOVER, NOTE, NOTE]) == {"error": 1, "note": 2, "skipped": 0}
