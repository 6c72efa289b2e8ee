# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepared transactions: no session, no pid, no end by itself. Rolled back only on request.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core import actions, why
from .._core.acting import untouched
from .._core.actions import Action
from .._core.durations import format_duration
from .._core.errors import CannotReach
from .connection import Session, StatementFailed
from .decisions.backends import Backend, PreparedTransaction

ROLLBACK_PREPARED = "rollback_prepared"
_NO_PRIVILEGE, _NO_SUCH_TRANSACTION = "42501", "42704"

#: Opens a session in a database: needed because a prepared transaction is rolled back in its own.
Open = t.Callable[[str], Session]


def plan_rollbacks(
    found: t.Sequence[PreparedTransaction], *, resource: str, min_age: float, min_blocked: int = 1,
) -> list[tuple[PreparedTransaction, Action]]:
    """Those that are older than `min_age` seconds or block at least `min_blocked` sessions, with the action for each.

    Never those of logical replication: the subscription stops for good at a COMMIT PREPARED of what is not there any more.
    """
    old = [one for one in found if one.age >= min_age or len(one.blocks) >= max(1, min_blocked)]
    return [(one, _action(one, resource)) for one in old if not one.subscription]


def waiting_for_standby(one: PreparedTransaction, backends: t.Iterable[Backend]) -> tuple[int, ...]:
    """The pids of the sessions that prepare or finish it now and wait for the synchronous standby.

    Until then it is among the prepared transactions, and the server refuses a rollback as busy. No view says which session is at
    work on which one: the statement names it, and takes no parameters.
    """
    return tuple(backend.pid for backend in backends if one.is_finished_by(backend))


def identity_of(one: PreparedTransaction) -> dict[str, t.Any]:
    """What identifies it: its name may be given again."""
    return {"gid": one.gid, "transaction": one.transaction, "prepared": one.prepared}


def _action(one: PreparedTransaction, resource: str) -> Action:
    behind = f", {len(one.blocks)} waiting behind it" if one.blocks else ""
    return Action(
        verb=ROLLBACK_PREPARED, resource=resource, identity=identity_of(one), target=one.describe(), name=one.named,
        reason=f"prepared {format_duration(one.age)} ago{behind}", detail={"blocks": len(one.blocks)},
    )


def roll_back(session: Session, one: PreparedTransaction, action: Action, *, open_database: Open) -> Action:
    """Roll one back, if it still is the one that was planned, and measure that it is gone."""
    try:
        if one.database == session.database:
            return _roll_back(session, one, action)
        with open_database(one.database) as there:
            return _roll_back(there, one, action)
    except (StatementFailed, CannotReach) as exc:  # it was not begun: the rest is caught below
        return untouched(action, why.CANNOT_LOOK, error=exc.message)


def _roll_back(session: Session, one: PreparedTransaction, action: Action) -> Action:
    sql = session.value(
        # The server quotes the name itself: ROLLBACK PREPARED takes no parameter.
        """
        SELECT pg_catalog.format('ROLLBACK PREPARED %%L', gid) FROM pg_catalog.pg_prepared_xacts
        WHERE gid = %(gid)s AND transaction::text = %(transaction)s AND prepared = %(prepared)s::timestamptz
            AND owner = %(owner)s AND database = %(database)s
        """,
        dataclasses.asdict(one),
    )
    if sql is None:
        return action.with_outcome(actions.NOT_NEEDED, why=why.GONE_ALREADY)
    answered = False
    try:
        session.rows(str(sql))
        answered = True
        left = session.value(
            "SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE gid = %s AND transaction::text = %s", [one.gid, one.transaction],
        )
    except (StatementFailed, CannotReach) as exc:
        if isinstance(exc, StatementFailed) and not answered:
            return _refused(action, exc)
        return dataclasses.replace(action.with_outcome(actions.UNKNOWN, why=why.NO_ANSWER, error=exc.message), touched=answered or None)
    measured = action.with_outcome(actions.STILL_RUNNING, why=why.NOT_MEASURED) if left else action.with_outcome(actions.DONE)
    return dataclasses.replace(measured, touched=True)


def _refused(action: Action, exc: StatementFailed) -> Action:
    if exc.sqlstate == _NO_SUCH_TRANSACTION:
        return action.with_outcome(actions.NOT_NEEDED, why=why.GONE_ALREADY)
    outcome, code = (actions.FAILED, why.TARGET_REFUSED) if exc.sqlstate != _NO_PRIVILEGE else (actions.NOT_PERMITTED, why.NOT_PERMITTED)
    return action.with_outcome(outcome, why=code, error=exc.message, sqlstate=exc.sqlstate)
