# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary changes: what undoes an action, who does it, and what became of it.

This module util is PRIVATE to the collection: it may change at any time.

An action that is to be undone says so in its key `temporary`. The action that undoes it names it in its detail: `undoes` is the id of
the change, `ended` whether it was measured that the change is not in force any more.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from .actions import DONE, MOVED_ON, NOT_NEEDED, PLANNED, REFUSED, Action, was_touched
from .durations import format_duration
from .errors import BadInput
from .reading import Reading
from .why import LOCKED

# Who ends a temporary change.
KERNEL = "kernel"  # an object of the kernel that expires by itself
UNIT = "unit"  # a timer of systemd on the target
API = "api"  # the server that was asked for it ends it itself
NOBODY = "nobody"
ENDS = (KERNEL, UNIT, API, NOBODY)
_BY = {KERNEL: "by itself, in the kernel", UNIT: "by its timer", API: "by the server itself"}

#: What a look at a change says.
IN_FORCE, GONE, UNKNOWN = "in_force", "gone", "unknown"
#: The check that judges a look at a change, and the key of its detail that names the change by its id.
CHECK, CHANGE = "temporary_change", "change"
#: The keys of the detail of an action that undoes another one.
UNDOES, ENDED = "undoes", "ended"

_FORM = "%Y-%m-%dT%H:%M:%SZ"


@dataclasses.dataclass(frozen=True)
class Temporary:
    """How a change ends.

    Attributes:
        way_back: what undoes it, in one sentence.
        ends: who does that when nobody asks for it; one of ENDS.
        survives: what the change ends with anyway: "the server's restart".
        lasts: for how long it is made, seconds; 0 where it has no end of its own.
        expires: when it ends by itself, RFC 3339 in UTC; empty before it is made, and where it has no end of its own.
        armed_as: the name of the unit that ends it.
        undo: what undoing it needs: the verb, the value from before, the value that is ours, and `machine`, on which that is.
        command: what the unit runs.
        stays: it may stay as it is, such as a rollback: whoever closes the incident leaves nothing undone.
    """

    way_back: str
    ends: str = NOBODY
    survives: str = ""
    lasts: float = 0.0
    expires: str = ""
    armed_as: str = ""
    undo: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    command: tuple[str, ...] = ()
    stays: bool = False

    def armed(self, *, until: float, unit: str = "") -> Temporary:
        """The same with its end known.

        Args:
            until: seconds since the epoch.
            unit: what ends it.
        """
        return dataclasses.replace(self, expires=moment(until), armed_as=unit or self.armed_as)

    def as_dict(self) -> dict[str, t.Any]:
        """As it appears in actions."""
        return {**dataclasses.asdict(self), "undo": dict(self.undo), "command": list(self.command)}

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Temporary:
        """Read one of an action; unknown keys are ignored.

        Raises:
            BadInput: names the key that is missing or of another type, or the value that nobody knows.
        """
        given = Reading("temporary change", data)
        ends = given.text("ends", NOBODY)
        if ends not in ENDS:
            raise BadInput(f"A temporary change cannot end by {ends!r}.", hint=f"It ends by one of {', '.join(ENDS)}.")
        lasts = data.get("lasts") or 0.0
        return cls(
            way_back=given.text("way_back"), ends=ends, survives=given.text("survives", ""), expires=given.text("expires", ""),
            lasts=float(lasts) if isinstance(lasts, (int, float)) else 0.0, armed_as=given.text("armed_as", ""),
            undo=given.mapping("undo", {}), command=given.texts("command") if data.get("command") else (),
            stays=data.get("stays") is True,
        )


def of(action: Action) -> t.Optional[Temporary]:
    """How an action's change ends; None where it is not temporary.

    Raises:
        BadInput: it says so in a way that cannot be read.
    """
    return None if action.temporary is None else Temporary.from_dict(action.temporary)


def with_temporary(action: Action, temporary: t.Optional[Temporary]) -> Action:
    """The action, with how its change ends."""
    return dataclasses.replace(action, temporary=None if temporary is None else temporary.as_dict())


def undoing(action: Action, change: str) -> Action:
    """An action that undoes a change: whether it ended follows from its outcome, which is measured.

    Args:
        action: with its outcome.
        change: the id of the change.
    """
    return dataclasses.replace(action, detail={**action.detail, UNDOES: change, ENDED: looked(action) == GONE})


def looked(action: Action) -> str:
    """What an action that undoes a change, planned or done, says about the change.

    Put back, there no more, and replaced by somebody else's value: in each case what we did is not in force. What is refused by a
    rule was seen to be there. An outcome that failed or that nobody knows says nothing.
    """
    if action.outcome in (DONE, NOT_NEEDED, MOVED_ON):
        return GONE
    seen = action.outcome == PLANNED or (action.outcome == REFUSED and action.detail.get("why") != LOCKED)
    return IN_FORCE if seen else UNKNOWN


def is_change(action: Action) -> bool:
    """Whether an action has made, or may have made, a temporary change."""
    return action.temporary is not None and action.outcome != PLANNED and was_touched(action.as_dict()) is not False


def moment(seconds: float) -> str:
    """Seconds since the epoch in RFC 3339, UTC."""
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc).strftime(_FORM)


def over(temporary: Temporary, *, now: float) -> bool:
    """Whether the time is over at which it was to end by itself. That is not proof that it did."""
    if not temporary.expires:
        return False
    try:
        end = datetime.datetime.strptime(temporary.expires, _FORM).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return False
    return end.timestamp() <= now


def say(temporary: Temporary, *, planned: bool = False, late: bool = False) -> str:
    """How a change ends, in one sentence without a full stop; the same words in the plan, the status and the report.

    Args:
        late: it was seen after the time at which it was to end, so what was to end it has not.
    """
    until = f", and it ends with {temporary.survives}" if temporary.survives else ""
    if temporary.ends == NOBODY:
        return f"{'it may stay' if temporary.stays else 'nobody will undo it'}{until}"
    if planned or not temporary.expires:
        long = f" after {format_duration(temporary.lasts)}" if temporary.lasts else ""
        return f"it ends{long} {_BY[temporary.ends]}"
    return f"{'it was to end at' if late else 'until'} {temporary.expires} {_BY[temporary.ends]}{', which it did not' if late else ''}"
