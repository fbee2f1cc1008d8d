from __future__ import annotations

from alembic_assay.findings import Finding, Severity, errors


def test_finding_with_a_message_alone_is_one_line() -> None:
    assert str(Finding("heads", "several-heads", "there are 2 heads")) == (
        "several-heads: there are 2 heads"
    )


def test_finding_with_effect_and_help_says_them_below() -> None:
    finding = Finding(
        "round-trip",
        "round-trip-leftover",
        'downgrade a2 -> a1 leaves table "audit" behind',
        effect='upgrade() creates it in a2.py; downgrade() does not drop it.\n"audit" exists then.',
        help='add op.drop_table("audit") to downgrade(),\nor mark the revision irreversible.',
    )

    assert str(finding) == (
        'round-trip-leftover: downgrade a2 -> a1 leaves table "audit" behind\n'
        "  upgrade() creates it in a2.py; downgrade() does not drop it.\n"
        '  "audit" exists then.\n'
        '  help: add op.drop_table("audit") to downgrade(),\n'
        "        or mark the revision irreversible."
    )


def test_errors_of_findings_of_every_severity_are_those_that_fail_a_check() -> None:
    findings = {one: Finding("heads", "rule", "text", severity=one) for one in Severity}

    assert errors(findings.values()) == [findings[Severity.ERROR]]


def test_finding_by_default_is_an_error() -> None:
    assert Finding("heads", "rule", "text").severity is Severity.ERROR
