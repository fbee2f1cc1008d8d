"""Ask a server over its Unix socket whether it is there."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from alembic_assay.dialects.postgresql.run_directory import socket_path

ANSWER_TIMEOUT_SECONDS = 10


def answers(sockets: Path) -> bool:
    """Tell whether a server takes connections there, in words of the protocol itself.

    So no driver needs to be loaded for it. A server that is full is running too.
    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """
    names = b"user\0postgres\0database\0postgres\0\0"
    startup = struct.pack("!ii", 8 + len(names), 3 << 16) + names
    terminate = b"X\0\0\0\4"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ANSWER_TIMEOUT_SECONDS)
        try:
            client.connect(os.fspath(socket_path(sockets)))
            client.sendall(startup + terminate)
            reply = b"".join(iter(lambda: client.recv(4096), b""))
        except OSError:
            return False
    ready, too_many_connections = b"Z\0\0\0\5I", b"\0C53300\0"
    return reply.endswith(ready) or too_many_connections in reply


def is_listening(sockets: Path) -> bool:
    """Tell whether a server holds the socket, ready for connections or not."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(os.fspath(socket_path(sockets))) == 0
