# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An application writes cache keys without end and without a time to live, until the server refuses: on an application's host.

The server has a maxmemory, and a policy that evicts nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import redis
from _common import Asked, main, ready


def prefix(asked: Asked) -> str:
    """Its own mark is in every name: whoever takes it back takes nothing else, and nothing of another host that does the same."""
    return f"{asked.params['prefix']}oncall-drill:{asked.mark}:"


def server(asked: Asked) -> redis.Redis:
    return redis.Redis.from_url(asked.params["url"], socket_timeout=10, socket_connect_timeout=5, client_name="drill-poison")


def refused(connection: redis.Redis, name: str, value: bytes) -> bool:
    """Whether the server no longer takes a key."""
    try:
        connection.set(name, value)
    except redis.exceptions.ResponseError as exc:
        if str(exc).startswith(("OOM", "command not allowed when used memory")):
            return True
        raise
    return False


def inject(asked: Asked) -> None:
    connection, value = server(asked), b"x" * asked.params["bytes"]
    if any(refused(connection, f"{prefix(asked)}{number}", value) for number in range(asked.params["most"])):
        ready()
    else:
        sys.exit("the server refused nothing: is maxmemory set, with a policy that evicts nothing?")


def pattern(asked: Asked) -> str:
    """The pattern of all names of this fault."""
    return prefix(asked).replace("*", "\\*").replace("?", "\\?").replace("[", "\\[") + "*"


def remove(asked: Asked) -> None:
    connection = server(asked)
    for name in list(connection.scan_iter(match=pattern(asked), count=1000)):
        connection.unlink(name)


def left(asked: Asked) -> Iterator[str]:
    count = sum(1 for _name in server(asked).scan_iter(match=pattern(asked), count=1000))
    if count:
        yield f"{count} keys {prefix(asked)}*"


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
