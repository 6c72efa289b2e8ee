# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache's host goes away in the middle of a recovery: as soon as keys go, everything that was begun over SSH is killed, whole, and
sshd does not listen for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from _common import Asked, main
from _host_away import away, come_back, not_back


def watch(asked: Asked) -> Callable[[], bool]:
    server: Any = redis.Redis.from_url(asked.params["url"], socket_timeout=10, client_name="drill-watch")
    most = int(server.dbsize())

    def happened() -> bool:
        nonlocal most
        count = int(server.dbsize())
        most = max(most, count)
        return count <= most - int(asked.params["fewer"])

    return happened


def inject(asked: Asked) -> None:
    away(asked, watch)


if __name__ == "__main__":
    main(inject=inject, remove=come_back, left=not_back)
