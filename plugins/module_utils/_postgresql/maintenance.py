# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ANALYZE, VACUUM and REINDEX CONCURRENTLY of named objects, each measured afterwards.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

from .._core import actions
from .._core.errors import BadInput, IncidentError, LimitExceeded
from .._core.limits import Budget
from .connection import Session, StatementFailed
from .signals import acting_alone

ANALYZE, VACUUM, VACUUM_ANALYZE, REINDEX = OPERATIONS = ("analyze", "vacuum", "vacuum_analyze", "reindex")
_STATEMENTS = {ANALYZE: "ANALYZE {}", VACUUM: "VACUUM {}", VACUUM_ANALYZE: "VACUUM (ANALYZE) {}", REINDEX: "REINDEX {} CONCURRENTLY {}"}
_INDEX_KINDS, _TABLE_KINDS = ("i",), ("r", "m")
_NOT_PERMITTED = "42501"
#: Statistics of a session arrive late on servers before 15: seconds.
STATISTICS_DELAY = 5.0
POLL = 0.2


class MaintenanceFailed(IncidentError):
    """An object could not be maintained, or the measurement does not show it."""

    kind = "actions_failed"


@dataclasses.dataclass(frozen=True)
class Object:
    """A table or an index on this server. `name` is quoted and qualified by the server itself."""

    oid: int
    name: str
    kind: str
    operation: str

    def statement(self) -> str:
        """The statement that maintains it."""
        what = ["INDEX" if self.kind in _INDEX_KINDS else "TABLE"] if self.operation == REINDEX else []
        return _STATEMENTS[self.operation].format(*what, self.name)

    def action(self, resource: str) -> actions.Action:
        """What would be done to it."""
        target = {"operation": self.operation, "name": self.name, "oid": self.oid}
        return actions.Action(
            verb=self.operation, resource=resource, identity=target, target=target, name=self.name,
            reason="It was named for maintenance.", detail={"statement": self.statement()},
        )


def resolve(session: Session, *, operation: str, name: str) -> Object:
    """Find a named object.

    Raises:
        BadInput: there is none of this name, or not one that this can be done to.
    """
    rows = session.rows("""
        SELECT c.oid::bigint AS oid, c.relkind::text AS kind,
            pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = pg_catalog.to_regclass(%s)
    """, [name])
    if not rows:
        raise BadInput(
            f"objects: {name} is not in database {session.database}.", hint="Write schema.name, quoted as in SQL.", argument="objects",
        )
    found = Object(operation=operation, **rows[0])
    if found.kind not in (_TABLE_KINDS + _INDEX_KINDS if operation == REINDEX else _TABLE_KINDS):
        raise BadInput(
            f"objects: {name} cannot be given to {operation}.", hint="Name a table, or for reindex a table or an index.",
            argument="objects",
        )
    return found


def maintain(
    session: Session, wanted: t.Sequence[Object], *, budget: Budget, approved: t.Sequence[str] | None, check_mode: bool,
) -> tuple[dict[str, t.Any], IncidentError | None]:
    """Maintain the objects one after the other.

    Args:
        budget: how many objects a run may maintain.
        approved: action ids of an approved plan, None for no restriction.

    Returns:
        The result by contract, and the error that the task must fail with, if any.

    Raises:
        LimitExceeded: more objects than allowed; nothing was done.
        Locked: another run acts on this server; nothing was done.
    """
    planned = [(one, one.action(session.resource)) for one in wanted]
    allowance = budget.allowance(len(planned))
    limits = {"max_objects": budget.max_count}
    if len(planned) > allowance:
        raise LimitExceeded(
            f"{len(planned)} objects are named and {allowance} may be maintained; nothing was done.",
            hint="Name fewer, or raise max_objects.", contract=actions.ACTIONS_CONTRACT,
            actions=[a.with_outcome(actions.REFUSED, why="limit").as_dict() for _one, a in planned],
        )
    done = []
    with contextlib.nullcontext() if check_mode else acting_alone(session):
        for one, action in planned:
            if not actions.is_approved([action.id], approved):
                done.append(action.with_outcome(actions.REFUSED, why="not approved"))
            else:
                done.append(action if check_mode else _carry_out(session, one, action))
    failed = actions.failed_actions(done)
    problem = MaintenanceFailed(
        "Not done: " + "; ".join(f"{a.verb} {a.target['name']}: {a.detail.get('error') or a.outcome}" for a in failed) + ".",
        hint="An index that REINDEX left invalid ends in _ccnew; drop it.",
    ) if failed else None
    return actions.result(done, check_mode=check_mode, limits=limits), problem


def _carry_out(session: Session, one: Object, action: actions.Action) -> actions.Action:
    before = _state(session, one)
    start = time.monotonic()
    try:
        session.rows(one.statement())
    except StatementFailed as exc:
        outcome = actions.NOT_PERMITTED if exc.sqlstate == _NOT_PERMITTED else actions.FAILED
        return action.with_outcome(outcome, error=exc.message, before=before, seconds=round(time.monotonic() - start, 3))
    seconds = round(time.monotonic() - start, 3)
    until = time.monotonic() + STATISTICS_DELAY
    while True:
        after = _state(session, one)
        if _shows(one, before, after):
            return action.with_outcome(actions.DONE, before=before, after=after, seconds=seconds)
        if time.monotonic() > until:
            why = "the server accepted the statement and did nothing; only the owner may do this"
            return action.with_outcome(actions.FAILED, error=why, before=before, after=after, seconds=seconds)
        time.sleep(POLL)


def _state(session: Session, one: Object) -> dict[str, t.Any]:
    """What changes when the object is maintained."""
    if one.operation == REINDEX:
        rows = session.rows("""
            SELECT c.relname::text AS name, i.indisvalid AS valid, pg_catalog.pg_relation_filenode(c.oid)::bigint AS file
            FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
            WHERE i.indexrelid = %(oid)s OR i.indrelid = %(oid)s
        """, {"oid": one.oid})
        if not rows:  # the concurrent rebuild gave the index another oid: look for it by name
            rows = session.rows("""
                SELECT c.relname::text AS name, i.indisvalid AS valid, pg_catalog.pg_relation_filenode(c.oid)::bigint AS file
                FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
                WHERE i.indexrelid = pg_catalog.to_regclass(%s)
            """, [one.name])
        return {"indexes": {row["name"]: {"valid": row["valid"], "file": row["file"]} for row in rows}}
    return session.rows("""
        SELECT pg_catalog.pg_stat_get_vacuum_count(%(oid)s::oid) AS vacuum_count,
            pg_catalog.pg_stat_get_analyze_count(%(oid)s::oid) AS analyze_count,
            pg_catalog.pg_stat_get_dead_tuples(%(oid)s::oid) AS dead_rows
    """, {"oid": one.oid})[0]


def _shows(one: Object, before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> bool:
    if one.operation == REINDEX:
        old, new = before["indexes"], after["indexes"]
        return bool(new) and all(new[name]["valid"] and new[name]["file"] != old.get(name, {}).get("file") for name in new)
    counters = {ANALYZE: ("analyze_count",), VACUUM: ("vacuum_count",), VACUUM_ANALYZE: ("vacuum_count", "analyze_count")}[one.operation]
    return all(after[counter] > before[counter] for counter in counters)
