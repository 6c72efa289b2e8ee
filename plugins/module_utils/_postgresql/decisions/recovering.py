# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a PostgreSQL server when its recovery is verified, and what a failed mitigation asks others for.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.errors import BadInput
from ..._core.words import words_list

#: All that says how the server is now. Statistics of statements are sums over the past, in which the incident stays, so they are left to
#: investigate. So are dead rows: a transaction that was ended leaves what it had written, which autovacuum removes in its own time.
MEASURED = (
    "availability", "connections", "long_queries", "long_transactions", "idle_in_transaction", "blocking", "ungranted_locks",
    "prepared_transactions", "replication", "replication_slots", "wraparound", "backups", "timeouts",
)
#: The errors of a connection where nobody listens.
_NOBODY_LISTENS = ("refused", "no_socket")

FAILURE, RESTART_SERVICE, RESTART_DATABASE = "failure", "restart_service", "restart_database"


def verify_checks(named: t.Union[str, t.Sequence[str]], *, probe_query: str) -> dict[str, list[str]]:
    """Which checks must hold (`awaited`), and which are measured for the comparison with the start (`measured`).

    Args:
        named: the checks that the operator names.
        probe_query: with one the probe must hold too.

    Raises:
        BadInput: no check is named. The server would be called healthy without a look at it.
    """
    awaited = list(dict.fromkeys([*words_list(named), *(["probe"] if probe_query else [])]))
    if not awaited or named is None or (isinstance(named, str) and not words_list(named)):
        raise BadInput("postgres_verify_checks names no check.", hint="Name the checks that must hold, for example blocking,connections.")
    return {"awaited": awaited, "measured": list(dict.fromkeys([*MEASURED, *awaited]))}


def help_wanted(failed: t.Mapping[str, t.Any], *, start: bool) -> str:
    """What a failed mitigation comes to.

    Args:
        failed: the result of the task that failed.
        start: whether the server's start was asked for.

    Returns:
        RESTART_SERVICE: no connection slot is left, and only the application can free one.
        RESTART_DATABASE: nobody listens, and the start was asked for: that decides, and not that nothing else could be done.
        FAILURE: anything else.
    """
    error = failed.get("error", "")
    if error == "slots_exhausted":
        return RESTART_SERVICE
    return RESTART_DATABASE if start and error in _NOBODY_LISTENS else FAILURE
