"""Whether databases may be made and dropped in a place: on this machine, and not in production."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from alembic_assay.exceptions import UnsafePlace

if TYPE_CHECKING:  # the plugin reads lists of hosts, in runs that need no database
    from sqlalchemy import URL

ALLOW_HOST = "ASSAY_ALLOW_HOST"
"""The variable that lists hosts, besides this machine, on which databases may be made."""

STAGES = (
    "ENV",
    "APP_ENV",
    "ENVIRONMENT",
    "APP_ENVIRONMENT",
    "FLASK_ENV",
    "DJANGO_ENV",
    "PYTHON_ENV",
    "DEPLOY_ENV",
    "DEPLOYMENT_ENVIRONMENT",
)
"""Variables by which deployments say which one they are."""

PRODUCTION = ("production", "prod", "live")


def refuse_unsafe(server: URL, *, allowed_hosts: Collection[str]) -> None:
    """Raise ``UnsafePlace`` where no database is to be made or dropped.

    That is on any host of ``server`` which is neither this machine nor one of ``allowed_hosts``,
    and for every kind of database in an environment that calls itself production. Nothing is
    connected to or looked up. ``ASSAY_ALLOW_HOST`` allows hosts, too.
    """
    _refuse_production()
    also_allowed = split_hosts(os.environ.get(ALLOW_HOST, ""))
    given = [host for text in allowed_hosts for host in split_hosts(text)]
    allowed = {host.lower() for host in (*given, *also_allowed)}
    hosts = dict.fromkeys(host for host in hosts_of(server) if not is_this_machine(host))
    if refused := [host for host in hosts if host.lower() not in allowed]:
        listed = ",".join(refused)
        are = "is another machine" if len(refused) == 1 else "are other machines"
        raise UnsafePlace(
            f"{' and '.join(refused)} {are} than this one",
            effect="Databases would be made and dropped there; nothing was connected to.",
            help=f"if tests may do that, allow it: --assay-allow-host {listed} (pytest),"
            f" --allow-host {listed} (alembic-assay), or {ALLOW_HOST}={listed}.",
        )


def split_hosts(text: str) -> tuple[str, ...]:
    """Return the hosts in a list with commas or line ends between them."""
    return tuple(text.replace(",", " ").split())


def hosts_of(server: URL) -> Iterator[str]:
    """Yield each host to which a connection may go, without its port; none for a socket."""
    for value in (server.host, server.query.get("host"), server.query.get("hostaddr")):
        for part in (value,) if isinstance(value, str) else value or ():
            yield from (_without_port(host) for host in part.split(",") if host.strip())


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine by its name alone: a socket, ``localhost`` or a loopback."""
    if host.startswith("/") or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    # SQLAlchemy takes several as ?host=one:5432&host=two:5432; an IPv6 address has more colons.
    host = host.strip()
    name, _, port = host.partition(":")
    return name if name and port.isdigit() else host


def _refuse_production() -> None:
    for name in STAGES:
        value = os.environ.get(name, "")
        if value.strip().lower() in PRODUCTION:
            raise UnsafePlace(
                f"this is production: {name}={value} in the environment",
                effect="Databases would be made and dropped here; nothing was connected to.",
                help=f"check where tests run; if this is such a place, give {name} another value"
                f" for this run, such as {name}=test.",
            )
