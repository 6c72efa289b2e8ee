# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings, actions, and the others of the contracts, as a record tells them.

This plugin util is PRIVATE to the collection: it may change at any time.

A report must not end at one event that some module wrote without what the contract demands, and must not leave it out either:
such an event is read as unknown, with what is wrong with it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ...module_utils._core import actions, findings
from ...module_utils._core.actions import Action, Spared
from ...module_utils._core.errors import IncidentError
from ...module_utils._core.findings import Finding, Skipped
from ...module_utils._core.series import Series
from . import earlier

UNREADABLE = "unreadable"


class _Contract(t.Protocol):
    def as_dict(self) -> dict[str, t.Any]: ...


T = t.TypeVar("T", bound=_Contract)


@dataclasses.dataclass(frozen=True)
class Seen(t.Generic[T]):
    """One of the contracts' members, and where the record has it.

    Attributes:
        what: the finding, the action, ...
        seq, ts: of its event.
        check_mode: whether the execution only looked.
        item: of a loop, which one; empty outside of loops, and in records from before that was told.
        target: what a health module was told to look at; empty where its arguments do not say it, and in records from before that was told.
    """

    what: T
    host: str
    phase: str = ""
    seq: int = 0
    ts: str = ""
    check_mode: bool = False
    item: str = ""
    target: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """Its own keys and those of the event, in one."""
        return {
            **self.what.as_dict(), "host": self.host, "phase": self.phase, "seq": self.seq, "ts": self.ts, "check_mode": self.check_mode,
            **({"item": self.item} if self.item else {}), **({"target": self.target} if self.target else {}),
        }


def finding(data: t.Any) -> Finding:
    """The finding of an event."""
    known = _mapping(data)
    try:
        return Finding.from_dict(known)
    except IncidentError as exc:
        return Finding(check=str(known.get("check") or UNREADABLE), status=findings.UNKNOWN, hint=exc.message)


def skipped(data: t.Any) -> Skipped:
    """The skipped check of an event."""
    known = _mapping(data)
    try:
        return Skipped.from_dict(known)
    except IncidentError as exc:
        return Skipped(check=str(known.get("check") or UNREADABLE), reason=exc.message)


def series(data: t.Any) -> Series | None:
    """The series of an event; None where there is nothing to draw."""
    try:
        found = Series.from_dict(_mapping(data))
    except IncidentError:
        return None
    return found if found.points else None


def action(data: t.Any) -> Action:
    """The action of an event or a plan; one of an earlier record gets its name here."""
    known = _mapping(data)
    try:
        found = Action.from_dict(known)
    except IncidentError as exc:
        return Action(
            id=str(known.get("id") or ""), verb=str(known.get("verb") or UNREADABLE), resource="", identity={}, target={},
            reason=exc.message, outcome=actions.UNKNOWN,
        )
    return found if found.name else dataclasses.replace(found, name=earlier.name_of(found.target))


def spared(data: t.Any) -> Spared:
    """The spared target of an event; one of an earlier record gets its name here."""
    known = _mapping(data)
    try:
        found = Spared.from_dict(known)
    except IncidentError as exc:
        return Spared(target={}, reasons=(exc.message,), name=UNREADABLE)
    return found if found.name else dataclasses.replace(found, name=earlier.name_of(found.target))


def _mapping(data: t.Any) -> t.Mapping[str, t.Any]:
    return data if isinstance(data, t.Mapping) else {}
