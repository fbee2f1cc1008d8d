"""The command line: ``alembic-assay check | drift | apply | databases``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from alembic_assay.checks import CHECKS, USUAL, create_all, distinct, drift, run_checks
from alembic_assay.checks import Progress as Report
from alembic_assay.checks.database import check_database
from alembic_assay.checks.drift import check_drift
from alembic_assay.cli.databases import list_databases, print_url, prune_databases
from alembic_assay.config import make_config
from alembic_assay.dialects import get_backend
from alembic_assay.exceptions import AssayError
from alembic_assay.findings import Finding, Severity, errors
from alembic_assay.migrate import apply_migrations
from alembic_assay.project import Project, open_project
from alembic_assay.reporting import render_json, render_summary, render_text
from alembic_assay.urls import mask, parse_url

CLEAN, FOUND, FAILED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 if all is well, 1 for findings, 2 if it could not be carried out."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except AssayError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alembic-assay", description="Prove and apply the Alembic migrations of a project."
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {version('alembic-assay')}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="run the checks on databases made for them")
    check.set_defaults(command=_check)
    check.add_argument(
        "checks",
        nargs="*",
        metavar="CHECK",
        help=f"which ones: {', '.join(CHECKS)} (default: all but {create_all.NAME})",
    )
    check.add_argument(
        "--url",
        help="where databases are made: sqlite://, postgresql:// (a server is found or started),"
        " or the URL of a server; default: ASSAY_URL, then the project's dialect",
    )
    compare = commands.add_parser("drift", help="compare the models with the migrations")
    compare.set_defaults(command=_drift)
    compare.add_argument(
        "--url",
        help="compare with this database instead, which something else has migrated; it is only"
        " read. (Databases for the comparison are made where ASSAY_URL says.)",
    )
    compare.add_argument(
        "--notes",
        action="store_true",
        help="list also what is no drift: what models cannot say, what env.py's filters hide",
    )
    for command in (check, compare):
        command.add_argument(
            "--metadata",
            metavar="PACKAGE:ATTRIBUTE",
            help="the models, where env.py gives no target_metadata",
        )
        command.add_argument("--format", choices=["text", "json"], default="text")

    apply = commands.add_parser("apply", help="create or upgrade a database, under a lock")
    apply.set_defaults(command=_apply)
    apply.add_argument("url", metavar="URL", help="the database; it is changed")
    apply.add_argument("--target", default="head", help="as for alembic upgrade (default: head)")
    apply.add_argument(
        "--lock-timeout", type=float, default=300.0, metavar="SECONDS", help="default: 300"
    )
    databases = _add_databases(commands)
    for command in (check, compare, *databases):
        command.add_argument(
            "--allow-host",
            metavar="HOST",
            action="append",
            default=[],
            help="another machine than this one, on which databases may be made and dropped; may"
            " be given several times (also: ASSAY_ALLOW_HOST)",
        )
    for command in databases:
        command.add_argument("-c", "--config", metavar="FILE", help="alembic.ini or pyproject.toml")
    for command in (check, compare, apply):
        alembic = command.add_argument_group("options of Alembic")
        alembic.add_argument("-c", "--config", metavar="FILE", help="alembic.ini or pyproject.toml")
        alembic.add_argument(
            "-n", "--name", metavar="SECTION", default="alembic", help="section of alembic.ini"
        )
        alembic.add_argument(
            "-x", metavar="KEY=VALUE", action="append", default=[], help="argument for env.py"
        )
    return parser


def _add_databases(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> list[argparse.ArgumentParser]:
    parser = commands.add_parser("databases", help="list, drop and name what the toolkit has made")
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    list_ = actions.add_parser("list", help="print what is there, and what it is")
    list_.set_defaults(command=list_databases)
    prune = actions.add_parser(
        "prune", help="drop what killed processes left behind, surplus and old templates"
    )
    prune.set_defaults(command=prune_databases)
    prune.add_argument(
        "--all", action="store_true", help="and all that was kept: only what is in use stays"
    )
    url = actions.add_parser("url", help="print the URL of a database, with its password")
    url.set_defaults(command=print_url)
    url.add_argument("database", metavar="NAME", help="as it is listed")
    for action in (list_, prune, url):
        action.add_argument(
            "--url",
            help="the server, or its kind: sqlite://, postgresql://; default: ASSAY_URL, then the"
            " project's dialect",
        )
    return [list_, prune, url]


def _check(options: argparse.Namespace) -> int:
    unknown = [name for name in options.checks if name not in CHECKS]
    if unknown:
        print(
            f"error: there is no check {', '.join(unknown)}\n  help: the checks are:"
            f" {', '.join(CHECKS)}.",
            file=sys.stderr,
        )
        return FAILED
    names = options.checks or USUAL
    with _open_project(options, url=options.url) as project, _progress(options) as report:
        _print_heading(options, project)
        found = {name: run_checks(project, [name], progress=report) for name in names}
    return _print_results(options, found)


def _drift(options: argparse.Namespace) -> int:
    url = parse_url(options.url) if options.url else None
    backend = get_backend(url).name if url is not None else None
    with _open_project(options, backend=backend) as project:
        _print_heading(options, project)
        if url is None:
            findings = check_drift(project, notes=options.notes)
        else:
            if options.format == "text":
                print(f"compared with {mask(url)}, which is only read\n")
            findings = check_database(project, url, notes=options.notes)
    return _print_results(options, {drift.NAME: distinct(findings)})


def _open_project(
    options: argparse.Namespace, *, url: str | None = None, backend: str | None = None
) -> AbstractContextManager[Project]:
    return open_project(
        url=url,
        config_file=options.config,
        section=options.name,
        x_arguments=options.x,
        metadata=options.metadata,
        backend=backend,
        allowed_hosts=options.allow_host,
    )


def _print_heading(options: argparse.Namespace, project: Project) -> None:
    if options.format == "text":
        databases = project.databases
        subject = f"{_shown(project.config_file)} on " if project.config_file else "models on "
        print(f"{subject}{databases.backend.name} ({databases.origin})\n")


def _print_results(options: argparse.Namespace, found: Mapping[str, list[Finding]]) -> int:
    findings = distinct(finding for results in found.values() for finding in results)
    if options.format == "json":
        print(render_json(findings))
    else:
        _print_table(found)
        if findings:
            print(f"\n{render_text(findings, folder=Path.cwd())}")
        print(f"\n{render_summary(findings)}")
    return FOUND if errors(findings) else CLEAN


def _apply(options: argparse.Namespace) -> int:
    url = parse_url(options.url)
    config = make_config(
        url, config_file=options.config, section=options.name, x_arguments=options.x
    )
    report = apply_migrations(
        url, config=config, target=options.target, lock_timeout=options.lock_timeout
    )
    number = len(report.applied)
    ran = f", {number} revision{'s' if number > 1 else ''} applied" if number else ""
    print(f"{report.database}: {report.action.value} at {', '.join(report.after) or 'base'}{ran}")
    return CLEAN


@contextmanager
def _progress(options: argparse.Namespace) -> Iterator[Report | None]:
    """Show a bar for each check while it runs, on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal or options.format != "text":
        yield None
        return
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield report


def _print_table(results: Mapping[str, list[Finding]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for heading in ("check", "result", "revision", "object"):
        table.add_column(heading, overflow="fold")
    colours = {Severity.ERROR: "red", Severity.NOTE: "cyan", Severity.SKIPPED: "yellow"}
    for name, found in results.items():
        if not errors(found) and not any(one.severity is Severity.SKIPPED for one in found):
            table.add_row(name, "[green]ok[/green]")
        for finding in found:
            colour = colours[finding.severity]
            result = f"[{colour}]{escape(finding.rule)}[/{colour}]"
            table.add_row(name, result, finding.revision or "", escape(finding.object or ""))
    console = Console()
    # Rich takes 80 columns where there is no terminal, and would fold the names in a log.
    console.print(table, width=None if console.is_terminal else 120)


def _shown(path: Path) -> str:
    """Return a path as short as it can be from the working directory."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
