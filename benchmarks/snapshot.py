"""Measure one full snapshot of a schema beside SQLAlchemy's reflection of the same.

    pip install -e '.[embedded]'
    python benchmarks/snapshot.py [--tables 300] [--repeat 15] [URL ...]

A URL says where the database is made, as for the checks: ``sqlite://``, ``postgresql://`` for a
server that is found or started, or the URL of one. Without any, all kinds that need none are
measured, and the server that ``ASSAY_URL`` names. The schema is that of a generated history
(``gen_history.py``), made from its models.

Both take turns, each on an engine and a connection that are new: either is done once in the life of
a program, and pays for the queries that are to be compiled and planned. A snapshot is
``read_catalog`` without an earlier one, on the connection that the checks read on; a reflection is
``MetaData().reflect()``. Each pays for the collection of its own garbage, and neither for what the
benchmark itself has in memory. A snapshot tells more: functions, triggers, enums, policies, storage
options. Beside the wall time stands the CPU time of the process, without that of a server.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import gen_history
from sqlalchemy import URL, MetaData, make_url

from alembic_assay.databases import open_databases
from alembic_assay.dialects import Backend, get_backend
from alembic_assay.exceptions import AssayError

TARGET = 1 / 5
"""How long a snapshot may take, as a multiple of the reflection."""

VERSION_TABLE = (None, "alembic_version")

T = TypeVar("T")

Seconds = tuple[float, float]
"""Wall time, and CPU time of the process."""


def main() -> None:
    options = parse_options()
    for text in options.url or found_urls():
        url = make_url(text)
        try:
            measure(url, options.tables, options.repeat)
        except AssayError as error:
            print(f"\n{url.get_backend_name()} is left out: {error.message}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", nargs="*", help="where to make the database")
    parser.add_argument("--tables", type=int, default=300)
    parser.add_argument("--repeat", type=int, default=15)
    return parser.parse_args()


def found_urls() -> list[str]:
    """Return a URL for each kind of database that can be had here."""
    given = os.environ.get("ASSAY_URL", "")
    kinds = ["sqlite://", "postgresql://", "mysql://", "mariadb://"]
    own = make_url(given).get_backend_name() if given else ""
    return [given if url == f"{own}://" else url for url in kinds]


def measure(server: URL, tables: int, repeat: int) -> None:
    backend = get_backend(server)
    models = make_models(tables, backend.name)
    with open_databases(server) as databases, databases.temporary() as url:
        models.create_all(databases.backend.make_own_engine(url))
        tables_found = {work.__name__: work(backend, url)[0] for work in (snapshot, reflection)}
        print(f"\n{backend.name} ({databases.origin}), load {os.getloadavg()[0]:.2f}")
        print(f"tables that each found: {tables_found}, rounds: {repeat}")
        seconds: dict[str, list[Seconds]] = {"snapshot": [], "reflection": []}
        for _ in range(repeat):
            seconds["snapshot"].append(snapshot(backend, url)[1])
            seconds["reflection"].append(reflection(backend, url)[1])
    print_table(seconds)


def make_models(tables: int, dialect: str) -> MetaData:
    """Return the models of a generated history with that many tables."""
    generated = "postgresql" if dialect == "postgresql" else "sqlite"
    generator = gen_history.Generator(tables, generated, seed=1)
    revision = 0
    while len(generator.tables) < tables:
        generator.revision(revision)
        revision += 1
    with TemporaryDirectory(prefix="assay-bench-") as folder:
        path = Path(folder, "generated_models.py")
        path.write_text(generator.models())
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    metadata = module.metadata
    assert isinstance(metadata, MetaData)
    return metadata


def snapshot(backend: Backend, url: URL) -> tuple[int, Seconds]:
    """Take a snapshot; return how many tables it has and how long it took."""
    with (
        backend.make_own_engine(url).connect() as connection,
        backend.catalog_reader(connection) as reader,
    ):
        found, seconds = timed(lambda: backend.read_catalog(reader, version_table=VERSION_TABLE))
    return sum(key.kind == "table" for key in found.objects()), seconds


def reflection(backend: Backend, url: URL) -> tuple[int, Seconds]:
    """Reflect the same; return how many tables that found and how long it took."""
    metadata = MetaData()
    with backend.make_own_engine(url).connect() as connection:
        _, seconds = timed(lambda: metadata.reflect(connection))
    return len(metadata.tables), seconds


def timed(work: Callable[[], T]) -> tuple[T, Seconds]:
    gc.collect()
    gc.freeze()
    started, cpu_before = time.perf_counter(), time.process_time()
    made = work()
    return made, (time.perf_counter() - started, time.process_time() - cpu_before)


def print_table(seconds: dict[str, list[Seconds]]) -> None:
    print(f"{'':<12}{'wall':>10}{'ratio':>8}{'CPU':>11}{'ratio':>8}")
    medians = {
        name: [statistics.median(one) for one in zip(*each, strict=True)]
        for name, each in seconds.items()
    }
    base_wall, base_cpu = medians["reflection"]
    for name, (wall, cpu) in medians.items():
        row = f"{name:<12}{wall * 1000:>7.1f} ms{wall / base_wall:>8.3f}"
        row += f"{cpu * 1000:>8.1f} ms{cpu / base_cpu:>8.3f}"
        verdict = "met" if wall / base_wall <= TARGET else "MISSED"
        print(row + (f"   {verdict} (at most {TARGET:.3f})" if name == "snapshot" else ""))


if __name__ == "__main__":
    main()
