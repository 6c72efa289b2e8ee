# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an incident's policy asks for now: targets, the next update, the next escalation."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from . import times
from .model import State, when
from .policy import Level

MET, MISSED, PENDING, OVERDUE = "met", "missed", "pending", "overdue"


@dataclasses.dataclass(frozen=True)
class Due:
    """One thing that is or was due.

    Attributes:
        what: response, communication, resolution, review, update, escalation.
        at: when it is due.
        done: when it was done, if it was.
        status: MET, MISSED (done too late), PENDING, OVERDUE.
        who: for an escalation: to whom, by which means.
    """

    what: str
    at: datetime.datetime
    done: datetime.datetime | None
    status: str
    who: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "what": self.what, "at": times.text(self.at), "done": times.text(self.done) if self.done else None, "status": self.status,
            "who": self.who,
        }


def due(state: State, *, now: datetime.datetime) -> list[Due]:
    """Everything the severity's level asks for, in the order of time. Nothing when the policy does not know the severity, and
    nothing of an incident in which only was looked."""
    level, began = state.level, state.began
    if level is None or began is None or state.policy is None or state.only_looked:
        return []
    resolved = state.reached("resolved") or state.closed
    first_word = when(state.updates[0]) if state.updates else None
    found = []
    for what, target, done in (
        ("response", level.response, state.reached("acknowledged")), ("communication", level.communication, first_word),
        ("resolution", level.resolution, resolved),
    ):
        at = state.policy.due(target, since=began)
        if at is None or (done is None and resolved is not None and resolved <= at):
            continue  # not asked for, or over before it was due: nobody has to do it any more
        found.append(Due(what, at, done, MISSED if done is None and resolved is not None else _status(at, done, now)))
    if resolved is not None:
        at = state.policy.due(level.review, since=resolved)
        if at is not None:
            reviewed = state.reached("reviewed")
            found.append(Due("review", at, reviewed, _status(at, reviewed, now)))
    else:
        found += _update(state, level, began, now)
    found += _escalations(state, level, began, now, resolved)
    return sorted(found, key=lambda item: item.at)


def _update(state: State, level: Level, began: datetime.datetime, now: datetime.datetime) -> list[Due]:
    if level.update_every is None:
        return []
    last = max([began, *(when(event) for event in state.updates)])
    at = last + datetime.timedelta(seconds=level.update_every)
    return [Due("update", at, None, _status(at, None, now))]


def _escalations(
    state: State, level: Level, began: datetime.datetime, now: datetime.datetime, resolved: datetime.datetime | None,
) -> list[Due]:
    """Steps that were taken, and those that are still to take: none that its milestone came before."""
    found = []
    taken = {str(event.get("to", "")).strip().lower(): when(event) for event in reversed(state.escalations)}
    for step in level.escalation:
        at = began + datetime.timedelta(seconds=step.after)
        done = taken.get(step.to.lower())
        spared = resolved if step.unless == "resolved" else state.reached(step.unless) or resolved
        if done is None and spared is not None and spared <= max(at, began):
            continue
        status = _status(at, done, now)
        if done is None and spared is not None:
            status = MISSED
        elif done is not None and step.after == 0:
            status = MET  # at once, as people can
        found.append(Due("escalation", at, done, status, f"{step.to}{f' ({step.by})' if step.by else ''}"))
    return found


def _status(at: datetime.datetime, done: datetime.datetime | None, now: datetime.datetime) -> str:
    if done is not None:
        return MET if done <= at else MISSED
    return OVERDUE if now > at else PENDING
