# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database's host goes away in the middle of a recovery: as soon as a session of the drill has been ended, everything that was begun
over SSH is killed, whole, and sshd does not listen for a while.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from typing import Any

import psycopg
from _common import Asked, main
from _host_away import away, come_back, not_back


def connect(database: str) -> psycopg.Connection[Any]:
    """As the server's own user over its socket; root again afterwards."""
    postgres = pwd.getpwnam("postgres").pw_uid
    os.seteuid(postgres)
    try:
        # Nothing that the database's owner has made may run as the superuser.
        options = "-c search_path=pg_catalog,pg_temp"
        return psycopg.connect(dbname=database, user="postgres", application_name="drill-watch", options=options, autocommit=True)
    finally:
        os.seteuid(0)


def watch(asked: Asked) -> Callable[[], bool]:
    connection = connect(asked.params["database"])
    most = 0

    def happened() -> bool:
        nonlocal most
        rows = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, %s)", (asked.params["application"],),
        ).fetchall()
        most = max(most, rows[0][0])
        return bool(rows[0][0] < most)

    return happened


def inject(asked: Asked) -> None:
    away(asked, watch)


if __name__ == "__main__":
    main(inject=inject, remove=come_back, left=not_back)
