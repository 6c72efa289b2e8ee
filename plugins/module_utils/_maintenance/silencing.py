# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a silence that ends by itself, end one that was made, and measure both by reading them back.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core import actions, temporary, why
from .._core.acting import Candidate, Sight, Subject, act, answered
from .._core.actions import Action, Approved
from .._core.errors import BadInput, IncidentError
from .._core.waiting import until
from .._module.lease import acting_alone
from .alertmanager import Alertmanager
from .decisions.silences import ACTIVE, END, LIMIT, SILENCE, Made, Order, Silence, change_of, is_ours, sight

#: How long it may take until a silence is seen to have its effect, and how often is looked: seconds.
MEASURE_SECONDS, POLL = 10.0, 0.3


def made_by(change: t.Mapping[str, t.Any]) -> Made:
    """The silence of an earlier action.

    Raises:
        BadInput: it has made none.
    """
    action = Action.from_dict(change)
    known = temporary.of(action)
    undo = known.undo if known is not None else {}
    if known is None or undo.get("verb") != END:
        raise BadInput(
            f"change: {action.id} has made no silence.",
            hint="Give the action as its record has it: incident undo does.", argument="change",
        )
    return Made(change=action.id, id=str(undo.get("silence") or ""), tag=str(undo.get("tag") or ""), ends=float(undo.get("ends") or 0.0))


def silence(
    server: Alertmanager, *, order: t.Optional[Order], made: t.Optional[Made], ends: float = 0.0,
    approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Make a silence, or end those that were made; in check mode only plan it.

    Args:
        ends: when a new one ends, seconds since the epoch; 0 counts from now.

    Returns:
        The module's result, and the error that must fail the task all the same.

    Raises:
        IncidentError: before anything was changed.
    """
    subject = _Silences(server, order=order, made=made, ends=ends)
    done = act(subject, approved=approved, check_mode=check_mode)
    return done.as_result(limits={} if order is None else {LIMIT: order.most}), done.problem


class _Silences(Subject[Silence]):
    """The silences of one Alertmanager, as far as one order or one change is about them."""

    noun, done = "silences", "silenced"
    advice = "Narrow the matchers, or raise max_alerts if it is right."

    def __init__(self, server: Alertmanager, *, order: t.Optional[Order], made: t.Optional[Made], ends: float) -> None:
        self._server, self._order, self._made, self._ends = server, order, made, ends
        self.verbs = (SILENCE,) if order is not None else (END,)  # type: ignore[misc]
        self.resource = server.resource
        self.undoes = made.change if made is not None else ""

    def alone(self) -> t.ContextManager[None]:
        return acting_alone(self.resource)

    def concerns(self, one: Approved) -> bool:
        if not super().concerns(one) or self._made is None or not self._made.id or not one.verb:
            return super().concerns(one)
        return one.identity.get("silence") == self._made.id

    def look(self) -> Sight[Silence]:
        there = self._server.silences()
        names: list[str] = []
        if self._order is not None:
            names = [str(one["labels"].get("alertname", "")) for one in self._unsuppressed()]
        # What others silence is nobody's business here, nor the record's.
        return sight(
            self._order, self._made, [one for one in there if self._concerns(one)], resource=self.resource, now=self._server.now,
            alerts=names,
        )

    def _concerns(self, one: Silence) -> bool:
        if self._order is not None:
            return one.runs and set(one.matchers) == set(self._order.matchers)
        made = self._made or Made()
        return one.id == made.id or (one.runs and is_ours(one))

    def _unsuppressed(self) -> list[dict[str, t.Any]]:
        matchers = self._order.matchers if self._order is not None else ()
        return [one for one in self._server.alerts(matchers).values() if one["status"]["state"] == "active"]

    def carry_out(self, candidate: Candidate[Silence]) -> Action:
        return self._ended(candidate) if self._order is None else self._created(candidate, self._order)

    def _created(self, candidate: Candidate[Silence], order: Order) -> Action:
        seen = self.look().candidates[0]
        if not seen.undecided:  # somebody has made one since the look
            return dataclasses.replace(seen.action, touched=False)
        found = self._server.create(dataclasses.replace(seen.target, ends=self._ends or self._server.now + order.seconds))
        action = self._as_made(candidate.action, found, None)
        now = until(
            lambda seen: seen[0] is not None and seen[0].state == ACTIVE and not seen[1],
            lambda: (self._one(found), self._unsuppressed()), seconds=MEASURE_SECONDS, interval=POLL,
        )
        read, loud = now
        action = self._as_made(action, found, read)
        if read is None or read.state != ACTIVE or set(read.matchers) != set(order.matchers):
            return action.with_outcome(actions.FAILED, why=why.NOT_MEASURED, error="Alertmanager does not have it as it was made")
        if loud:
            named = ", ".join(sorted({str(one["labels"].get("alertname", "")) for one in loud}))
            return action.with_outcome(actions.FAILED, why=why.NOT_MEASURED, error=f"it is active, and does not suppress {named}")
        return action.with_outcome(actions.DONE)

    def _as_made(self, action: Action, found: str, read: t.Optional[Silence]) -> Action:
        """The action with the silence's id, by which it is undone, and its end as Alertmanager has it."""
        known = temporary.of(action) or temporary.Temporary(way_back="")
        ends = {} if read is None else {"ends": read.ends}
        expires = known.expires if read is None else temporary.moment(read.ends)
        known = dataclasses.replace(known, undo={**known.undo, "silence": found, **ends}, expires=expires)
        return temporary.with_temporary(dataclasses.replace(action, detail={**action.detail, "silence": found}), known)

    def _one(self, found: str) -> t.Optional[Silence]:
        return next((one for one in self._server.silences() if one.id == found), None)

    def _ended(self, candidate: Candidate[Silence]) -> Action:
        now = next((one for one in self.look().candidates if one.action.id == candidate.action.id), None)
        if now is None:
            return dataclasses.replace(candidate.action, touched=False).with_outcome(actions.NOT_NEEDED, why=why.GONE_ALREADY)
        if not now.undecided:
            code = why.GONE_ALREADY if now.action.outcome == actions.NOT_NEEDED else now.action.detail["why"]
            return dataclasses.replace(now.action, touched=False).with_outcome(now.action.outcome, why=code)
        self._server.expire(now.target.id)
        left = until(
            lambda seen: seen is None or not seen.runs, lambda: self._one(now.target.id), seconds=MEASURE_SECONDS, interval=POLL)
        if left is not None and left.runs:
            return candidate.action.with_outcome(actions.FAILED, why=why.NOT_MEASURED, error=f"Alertmanager says that it is {left.state}")
        done = candidate.action.with_outcome(actions.DONE)
        # Where no change was named: which one it was stands in the silence.
        return done if self.undoes else temporary.undoing(done, change_of(now.target, resource=self.resource))

    def answer(self, one: Approved) -> Action:
        if one.verb == END:
            return answered(one, actions.NOT_NEEDED, why.GONE_ALREADY)
        return answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES)
