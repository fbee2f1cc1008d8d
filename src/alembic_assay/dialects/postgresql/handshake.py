"""Ask a server over its Unix socket whether it is there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from alembic_assay.dialects.postgresql.run_directory import socket_path
from alembic_assay.dialects.postgresql.supervisor import TOO_MANY_CONNECTIONS, converse

ANSWER_TIMEOUT_SECONDS = 10


def answers(sockets: Path) -> bool:
    """Tell whether a server takes connections there. One that is full is running too."""
    try:
        reply = converse(os.fspath(socket_path(sockets)), b"", timeout=ANSWER_TIMEOUT_SECONDS)
    except OSError:
        return False
    ready = b"Z\0\0\0\5I"
    return reply.endswith(ready) or TOO_MANY_CONNECTIONS in reply


def is_listening(sockets: Path) -> bool:
    """Tell whether a server holds the socket, ready for connections or not."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(os.fspath(socket_path(sockets))) == 0
