# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ANALYZE, VACUUM and REINDEX CONCURRENTLY of named objects, each measured afterwards.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import time
import typing as t

from .._core import actions, why
from .._core.acting import Candidate, Sight, act, answered, untouched
from .._core.actions import Action, Approved
from .._core.deadline import Deadline
from .._core.errors import BadInput, IncidentError
from .._core.limits import Budget
from .._core.waiting import until
from .connection import Session, StatementFailed
from .decisions.maintenance import (
    ANALYZE,
    INDEX_KINDS,
    NONE,
    OPERATIONS,
    REINDEX,
    TABLE_KINDS,
    VACUUM,
    VACUUM_ANALYZE,
    Named,
    Object,
    Worst,
    sight,
)
from .maintenance_needs import read_needy
from .subject import Connect, OnServer

_NO_PRIVILEGE = "42501"
_SKIPPED = "the server accepted the statement and did nothing; only the owner may do this, or from PostgreSQL 17 on who has MAINTAIN on it"
_HELD_BACK = (
    "Most dead rows are still there: an old transaction, a prepared one, a slot or a standby holds them. pg_health names it in "
    "wraparound.held_back_by."
)
#: Statistics of a session arrive late on servers before 15: seconds.
STATISTICS_DELAY = 5.0
POLL = 0.2


def maintain(
    connect: Connect, wanted: t.Sequence[Named], *, budget: Budget, approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
    worst: Worst = NONE, time_limit: float = 3600.0,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Maintain objects one after the other.

    Args:
        budget: how many objects a run may maintain.
        approved: actions of an approved plan, None for no restriction.
        worst: how many more are chosen of those that need it.
        time_limit: after so many seconds none is begun any more.

    Returns:
        The result by contract, and the problem that fails the task.

    Raises:
        BadInput: an object is not there, or not one that this can be done to; nothing was done.
        Locked: another run acts on this server; nothing was done.
    """
    subject = _Objects(connect, wanted, budget=budget, approved=approved, worst=worst, time_limit=time_limit)
    done = act(subject, approved=approved, check_mode=check_mode)
    more = {"needing": subject.needing} if worst.count else {}
    return {**done.as_result(limits={"max_objects": budget.max_count}), **more}, done.problem


class _Objects(OnServer[Object]):
    """The named objects of one database, and the worst of those that need it."""

    verbs = OPERATIONS
    noun, done = "objects", "maintained"
    advice = "Name fewer, or raise max_objects."

    def __init__(
        self, connect: Connect, wanted: t.Sequence[Named], *, budget: Budget, approved: t.Optional[t.Sequence[Approved]], worst: Worst,
        time_limit: float,
    ) -> None:
        super().__init__(connect)
        self._wanted, self._budget, self._given, self._worst = wanted, budget, approved, worst
        self._approved = approved or ()
        self._deadline = Deadline(time_limit)
        self._found: dict[tuple[str, str], Object] = {}
        self._gone: set[tuple[str, str]] = set()
        self._needy: list[Object] = []

    @property
    def needing(self) -> dict[str, int]:
        """How many need each operation."""
        return {name: sum(one.operation == name for one in self._needy) for name in self._worst.operations}

    def too_late(self) -> str:
        return f"time_limit ({self._deadline.seconds:g} s) is over" if self._deadline.passed() else ""

    def look(self) -> Sight[Object]:
        objects = [found for one in self._wanted if (found := self._resolve(one)) is not None]
        named = list({(one.operation, one.name): one for one in objects}.values())
        if self._worst.count:
            self._needy = read_needy(self.session, self._worst.operations)
        seen = sight(
            named, budget=self._budget, resource=self.resource, needy=self._needy, worst=self._worst,
            approved=None if self._given is None else [one.id for one in self._given],
        )
        self._found = {(one.target.operation, one.target.name): one.target for one in seen.candidates}
        if self._worst.count:
            self._see_who_is_gone()
        return seen

    def _see_who_is_gone(self) -> None:
        """Of what was planned and must not be maintained now: what is there no more, and what another one has the name of."""
        for one in self._approved:
            what = (one.verb, str(one.identity.get("name", "")))
            if not one.verb or not self.concerns(one) or what in self._found:
                continue
            oid = self.session.value("SELECT pg_catalog.to_regclass(%s)::oid::bigint", [what[1]])
            if oid is None:
                self._gone.add(what)
            elif str(oid) != str(one.identity.get("oid")):
                self._found[what] = Object(oid=int(oid), name=what[1], kind="", operation=what[0])

    def _resolve(self, wanted: Named) -> t.Optional[Object]:
        """The object of this name, None where it was planned and is gone since."""
        rows = self.session.rows("""
            SELECT c.oid::bigint AS oid, c.relkind::text AS kind,
                pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.oid = pg_catalog.to_regclass(%s)
        """, [wanted.name])
        if not rows:
            planned = (wanted.operation, self._as_planned(wanted))
            if planned[1]:
                self._gone.add(planned)
                return None
            raise BadInput(
                f"objects: {wanted.name} is not in database {self.session.database}.", hint="Write schema.name, quoted as in SQL.",
                argument="objects",
            )
        found = Object(operation=wanted.operation, **rows[0])
        if found.kind not in (TABLE_KINDS + INDEX_KINDS if wanted.operation == REINDEX else TABLE_KINDS):
            raise BadInput(
                f"objects: {wanted.name} cannot be given to {wanted.operation}.", hint="Name a table, or for reindex a table or an index.",
                argument="objects",
            )
        return found

    def _as_planned(self, wanted: Named) -> str:
        """Its name as the server writes it, empty where no approved action is about it."""
        planned = {one.identity.get("name") for one in self._approved if one.verb == wanted.operation and self.concerns(one)}
        if not planned:
            return ""
        try:
            name = self.session.value("""
                SELECT pg_catalog.string_agg(pg_catalog.quote_ident(part), '.' ORDER BY place)
                FROM pg_catalog.unnest(pg_catalog.parse_ident(%s)) WITH ORDINALITY AS parts (part, place)
            """, [wanted.name])
        except StatementFailed:  # no name at all
            return ""
        return str(name) if name in planned else ""

    def carry_out(self, candidate: Candidate[Object]) -> Action:
        one, action, session = candidate.target, candidate.action, self.session
        try:
            before = _state(session, one)
        except StatementFailed as exc:
            return untouched(action, why.CANNOT_LOOK, error=exc.message)
        if before is None:
            return action.with_outcome(actions.NOT_NEEDED, why=why.GONE_ALREADY)
        if before.pop("oid") != one.oid:
            return action.with_outcome(actions.MOVED_ON, why=why.IDENTITY_CHANGED)
        if not before.get("indexes", True):
            return action.with_outcome(actions.NOT_NEEDED, why=why.ALREADY_SO, error="it has no index")
        began = time.monotonic()
        try:
            session.rows(one.statement())
        except StatementFailed as exc:
            refused = {"error": exc.message, "before": before, "seconds": _since(began)}
            if exc.sqlstate == _NO_PRIVILEGE:
                return action.with_outcome(actions.NOT_PERMITTED, why=why.NOT_PERMITTED, **refused)
            return action.with_outcome(actions.FAILED, why=why.TARGET_REFUSED, **refused, **_left_behind(session, one))
        seconds = _since(began)
        shown, after = _measured(session, one, before)
        found = {"before": before, "after": after, "seconds": seconds, **_held_back(before, after)}
        return action.with_outcome(actions.DONE, **found) if shown else action.with_outcome(
            actions.FAILED, why=why.NOT_MEASURED, error=_SKIPPED, **found)

    def answer(self, one: Approved) -> Action:
        if not one.verb:
            return super().answer(one)
        what = (one.verb, str(one.identity.get("name", "")))
        now = self._found.get(what)
        if what in self._gone:
            return answered(one, actions.NOT_NEEDED, why.GONE_ALREADY)
        if now is None and self._worst.count and one.resource == self.resource:
            if what in {(needy.operation, needy.name) for needy in self._needy}:
                return answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, error="it is left alone now: see protected")
            return answered(one, actions.NOT_NEEDED, why.ALREADY_SO, error="it does not need it any more")
        if now is None:
            return answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, error="it is not among the objects now")
        if str(now.oid) != str(one.identity.get("oid")):
            return answered(one, actions.MOVED_ON, why.IDENTITY_CHANGED)
        return answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, error="the server was restarted since")


def _measured(session: Session, one: Object, before: t.Mapping[str, t.Any]) -> tuple[bool, dict[str, t.Any]]:
    """Whether the server shows that it was done, and what it shows."""

    def look() -> tuple[bool, dict[str, t.Any]]:
        after = _state(session, one) or {}
        after.pop("oid", None)
        return bool(after) and _shows(one, before, after), after

    return until(lambda seen: seen[0], look, seconds=STATISTICS_DELAY, interval=POLL)


def _held_back(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> dict[str, str]:
    """What to say of a VACUUM that was done and left most of the dead rows."""
    vacuumed = after.get("vacuum_count", 0) > before.get("vacuum_count", 0)
    return {"hint": _HELD_BACK} if vacuumed and after["dead_rows"] * 2 > before["dead_rows"] > 0 else {}


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _state(session: Session, one: Object) -> t.Optional[dict[str, t.Any]]:
    """What changes when the object of this name is maintained, and its oid; None when there is none."""
    if one.operation == REINDEX:
        # By name: the concurrent rebuild gives an index another oid.
        rows = session.rows("""
            SELECT o.oid::bigint AS oid, x.relname::text AS name, i.indisvalid AS valid,
                pg_catalog.pg_relation_filenode(x.oid)::bigint AS file
            FROM pg_catalog.pg_class AS o
                LEFT JOIN pg_catalog.pg_index AS i ON o.oid IN (i.indexrelid, i.indrelid)
                LEFT JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
            WHERE o.oid = pg_catalog.to_regclass(%s)
        """, [one.name])
        indexes = {row["name"]: {"valid": row["valid"], "file": row["file"]} for row in rows if row["name"] is not None}
        return {"oid": rows[0]["oid"], "indexes": indexes} if rows else None
    rows = session.rows("""
        SELECT oid::bigint AS oid, pg_catalog.pg_stat_get_vacuum_count(oid) AS vacuum_count,
            pg_catalog.pg_stat_get_analyze_count(oid) AS analyze_count, pg_catalog.pg_stat_get_dead_tuples(oid) AS dead_rows
        FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(%s)
    """, [one.name])
    return rows[0] if rows else None


def _left_behind(session: Session, one: Object) -> dict[str, str]:
    """What to do about the invalid indexes that a REINDEX which failed leaves on a table."""
    if one.operation != REINDEX:
        return {}
    try:
        names = [str(row["name"]) for row in session.rows("""
            SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(x.relname) AS name
            FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
                JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace
            WHERE NOT i.indisvalid AND x.relname ~ '_cc(new|old)[0-9]*$' AND i.indrelid IN (
                SELECT indrelid FROM pg_catalog.pg_index WHERE %(oid)s::oid IN (indexrelid, indrelid))
            ORDER BY name
        """, {"oid": one.oid})]
    except StatementFailed:
        return {}
    drops = " ".join(f"DROP INDEX CONCURRENTLY {name};" for name in names)
    return {"hint": f"A rebuild that failed has left invalid indexes. Remove them, then run again: {drops}"} if names else {}


def _shows(one: Object, before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> bool:
    if one.operation == REINDEX:
        old, new = before["indexes"], after["indexes"]
        return bool(new) and all(new[name]["valid"] and new[name]["file"] != old.get(name, {}).get("file") for name in new)
    counters = {ANALYZE: ("analyze_count",), VACUUM: ("vacuum_count",), VACUUM_ANALYZE: ("vacuum_count", "analyze_count")}[one.operation]
    return all(after[counter] > before[counter] for counter in counters)
