"""Run the checks on the migrations that published packages carry in their wheels.

    python benchmarks/real_histories.py [PACKAGE ...] [--database KIND] [--check NAME]

Each package gets a virtual environment of its own, ``.venv-real/<package>`` in the cache folder
(``--cache``), made once by pip; the script runs itself again in there. What a package needs beside
its migrations stands in the table below, as it would in the settings of that project. Every finding
is printed. Whether one is right can only be judged by reading the migration. For MySQL a server
must be named: ``ASSAY_URL=mysql+pymysql://…``.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection

REPOSITORY = Path(__file__).resolve().parent.parent
DATABASES = ("sqlite", "postgresql", "mysql")
CHECKS = ("heads", "upgrade", "round-trip", "drift")


@dataclass(frozen=True)
class Case:
    """A package, where its migrations are, and how a new installation of it begins."""

    package: str
    script_location: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """The strings in ``[tool.alembic-assay]``."""

    models: tuple[str, ...] = ()
    """Modules without which the metadata of env.py is not complete."""


CASES = {
    case.package: case
    for case in (
        Case("optuna", "optuna.storages._rdb:alembic"),
        Case(
            "mlflow",
            "mlflow.store:db_migrations",
            # mlflow.store.db.utils._initialize_tables() makes these, then upgrades.
            {"baseline": "real_histories:create_initial_tables_of_mlflow"},
            ("mlflow.store.db.utils",),
        ),
        Case("arize-phoenix", "phoenix.db:migrations"),
        Case("jupyterhub", "jupyterhub:alembic", {"baseline": "create_all"}),
        Case(
            "meltano",
            "meltano:migrations",
            {"metadata": "meltano.core.models:SystemMetadata"},
            ("meltano.core.job.job", "meltano.core.job_state", "meltano.core.setting"),
        ),
        Case("buildbot", "buildbot.db:migrations", {"baseline": "create_all"}),
    )
}

INI = """\
[alembic]
script_location = {location}
# Some env.py files give this file to fileConfig(), whether it configures logging or not.
[loggers]
keys = root
[handlers]
keys =
[formatters]
keys =
[logger_root]
level = WARNING
handlers =
"""


def main() -> None:
    options = parse_options()
    if options.inside:
        run_inside(
            CASES[options.package[0]], options.database or DATABASES, options.check or CHECKS
        )
        return
    for name in options.package or CASES:
        python = ensure_environment(CASES[name], Path(options.cache))
        repeated = [f"--database={one}" for one in options.database or ()]
        repeated += [f"--check={one}" for one in options.check or ()]
        subprocess.run([python, __file__, "--inside", name, *repeated], check=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("package", nargs="*", metavar="PACKAGE", help=", ".join(CASES))
    parser.add_argument("--database", action="append", choices=DATABASES, help="default: all")
    parser.add_argument("--check", action="append", choices=CHECKS, help="default: all")
    parser.add_argument(
        "--cache",
        default=str(Path.home() / ".cache" / "alembic-assay"),
        help="default: %(default)s",
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def ensure_environment(case: Case, cache: Path) -> str:
    """Return the Python of the package's virtual environment."""
    folder = cache / ".venv-real" / case.package
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing {case.package} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        wanted = [case.package, "-e", f"{REPOSITORY}[embedded,mysql]"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return str(python)


def run_inside(case: Case, databases: tuple[str, ...], checks: tuple[str, ...]) -> None:
    from importlib.metadata import version

    # The settings name functions of this module.
    sys.modules["real_histories"] = sys.modules["__main__"]
    for name in case.models:
        importlib.import_module(name)
    for database in databases:
        print(f"\n=== {case.package} {version(case.package)} on {database}", flush=True)
        with TemporaryDirectory(prefix="assay-real-") as folder:
            check(write_project(case, Path(folder)), database, checks)


def write_project(case: Case, folder: Path) -> Path:
    """Write the configuration that this project would have, and return its alembic.ini."""
    ini = folder / "alembic.ini"
    ini.write_text(INI.format(location=case.script_location))
    lines = [f'{key} = "{value}"' for key, value in case.settings.items()]
    (folder / "pyproject.toml").write_text("\n".join(["[tool.alembic-assay]", *lines, ""]))
    return ini


def check(config_file: Path, database: str, checks: tuple[str, ...]) -> None:
    from alembic_assay import open_project, run_checks

    with open_project(backend=database, config_file=config_file) as project:
        print(f"{len(project.graph().order)} revisions")
        for name in checks:
            started = time.perf_counter()
            findings = run_checks(project, [name])
            seconds = time.perf_counter() - started
            print(f"--- {name}: {len(findings)} findings in {seconds:.2f} s", flush=True)
            for finding in findings:
                print(f"[{finding.severity.value}] {finding}\n  in {finding.path or '-'}\n")


def create_initial_tables_of_mlflow(connection: Connection) -> None:
    models = importlib.import_module("mlflow.store.tracking.dbmodels.initial_models")
    models.Base.metadata.create_all(connection)


if __name__ == "__main__":
    main()
