"""URLs of databases, read and printed without a word of their passwords."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from alembic_assay.exceptions import UsageError


def parse_url(url: str | URL) -> URL:
    """Return ``url`` as a ``URL``. Raises ``UsageError``, never with the text of the URL in it."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        # The text that could not be read may well hold a password, and so may the cause.
        pass
    raise UsageError(
        "the database URL cannot be read",
        effect="It is not printed here, as it may hold a password.",
        help='write it as "dialect://user:password@host/database", special characters in the'
        " password %-encoded, such as postgresql://app:p%40ss@localhost/shop.",
    )


def mask(url: URL) -> str:
    """Return a URL as it may be printed: with ``***`` for any password, also one in its query."""
    secret = {key: "***" for key in url.query if "password" in key.lower()}
    return url.update_query_dict(secret).render_as_string()
