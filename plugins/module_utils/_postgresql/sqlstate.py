# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a server refuses a connection, whatever language it speaks.

This module util is PRIVATE to the collection: it may change at any time.

libpq keeps no SQLSTATE of a connection that failed, only the text, which is in the server's lc_messages. Its protocol trace shows the
field (libpq 16 and newer trace the start-up, tried with 18; older ones give nothing here). PostgreSQL's manual, "Control Functions"
of libpq (PQtrace) and "Error and Notice Message Fields" of the protocol (field C).
"""

from __future__ import annotations

import contextlib
import re
import select
import tempfile
import time
import typing as t

with contextlib.suppress(ImportError):
    import psycopg
    from psycopg import pq

#: Our word by SQLSTATE (manual, appendix A). 28000 has several reasons, of which only the text tells.
KINDS = {
    "53300": "slots_exhausted", "57P03": "starting_up", "28P01": "wrong_password", "3D000": "no_such_database",
    "42501": "login_not_allowed", "28000": "auth_failed",
}
_STATE = re.compile(rb'\bErrorResponse\b[^\n]*? C "([0-9A-Z]{5})"')


def ask(keywords: t.Mapping[str, t.Any], *, timeout: float) -> str:
    """Try to connect once more, and listen for the SQLSTATE of the refusal.

    Args:
        keywords: libpq keywords of the login.
        timeout: seconds for the whole try.

    Returns:
        Five characters; empty when the server took the connection, said nothing, or this libpq cannot tell.
    """
    conninfo = psycopg.conninfo.make_conninfo(**keywords).encode()
    # Without a name: the trace holds what was sent, the password too.
    with tempfile.TemporaryFile() as trace, contextlib.suppress(psycopg.Error, AttributeError, OSError, ValueError):
        connection = pq.PGconn.connect_start(conninfo)
        try:
            connection.trace(trace.fileno())
            _finish(connection, deadline=time.monotonic() + timeout)
            connection.untrace()
        finally:
            connection.finish()
        trace.seek(0)
        found = _STATE.search(trace.read(65536))
        return found.group(1).decode() if found else ""
    return ""


def _finish(connection: t.Any, *, deadline: float) -> None:
    """Drive the start-up until libpq has decided, or the time is up."""
    while True:
        status = connection.connect_poll()
        left = deadline - time.monotonic()
        if status in (pq.PollingStatus.OK, pq.PollingStatus.FAILED) or left <= 0:
            return
        reading = [connection.socket] if status == pq.PollingStatus.READING else []
        writing = [] if reading else [connection.socket]
        select.select(reading, writing, [], left)
