"""The line of pytest's header: where databases will be made, and what was chosen."""

from __future__ import annotations

import os

import pytest

from alembic_assay.pytest_plugin.choices import CHOICES, SERVER, URL, choose, config_file, shown


def header(config: pytest.Config) -> str | None:
    """Return which server will be used, and what else was chosen, and from where."""
    chosen = [(choice, *choose(config, choice)) for choice in CHOICES]
    if not config.option.assay and all(value is None for _, value, _ in chosen):
        return None
    server = _server_said(config)
    parts = [
        f"{one.name} {shown(value)} ({source})"
        for one, value, source in chosen
        if value and not (server and one in (URL, SERVER))
    ]
    said = ", ".join([server, *parts] if server else parts)
    return f"alembic-assay: {said or 'as the Alembic configuration says'}"


def _server_said(config: pytest.Config) -> str | None:
    """Say on which server databases will be made, if that can be told by now, and why there."""
    try:
        container, source = choose(config, SERVER)
        if container is not None:
            url = os.environ[URL.variable]
            return f"{_kind(url)} on a server of its own, in {container} ({source})"
        chosen, source = choose(config, URL)
        if chosen is None and config.option.assay:
            chosen, source = _url_of_project(config)
        return _place(chosen, source) if chosen is not None else None
    except Exception:
        return None  # whatever needs a database will say what is wrong


def _place(url: str, source: str) -> str | None:
    kind = _kind(url)
    if kind == "sqlite":  # known without SQLAlchemy, whose import takes longer than many a run
        return f"{kind}, which needs no server ({source})"
    from alembic_assay.dialects import get_backend
    from alembic_assay.safety import hosts_of
    from alembic_assay.urls import parse_url

    parsed = parse_url(url)
    get_backend(parsed)  # raises for what cannot be used
    if hosts := ", ".join(hosts_of(parsed)):
        port = f":{parsed.port}" if parsed.host and parsed.port else ""
        return f"{kind} on the server at {hosts}{port} ({source})"
    if kind != "postgresql":
        return None
    from alembic_assay.dialects.postgresql.binaries import find_binaries

    if (binaries := find_binaries()) is None:
        return None
    why = f"no URL of a server was given; {source}"
    return f"{kind} on a server of its own, {binaries.origin} ({why})"


def _kind(url: str) -> str:
    return url.partition(":")[0].partition("+")[0]


def _url_of_project(config: pytest.Config) -> tuple[str, str]:
    """Return what the project itself says, and where it does."""
    from alembic_assay.config import load_config
    from alembic_assay.project import server_url
    from alembic_assay.settings import load_settings

    path = config_file(config)
    settings = load_settings(path.parent)
    url = server_url(None, settings, load_config(path))
    source = "[tool.alembic-assay]" if settings.url else os.path.relpath(path, config.rootpath)
    return url.render_as_string(hide_password=False), f"from {source}"
