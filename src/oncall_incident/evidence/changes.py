# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The temporary changes of an incident, as its runs' records tell them: made, seen, undone. Nothing is gone that nobody has looked at."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core import temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import FAILED_OUTCOMES, UNKNOWN, Action
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.temporary import GONE, IN_FORCE, Temporary
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, told
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary

from ..errors import Stop
from ..record.recording import summarise
from ..terminal import words
from . import model, times
from .incident import Incident

#: Of a change whose outcome is not known, and of one whose time is over: neither is known to be there, nor to be gone.
MAYBE, EXPIRED = "not_known", "expired"


@dataclasses.dataclass(frozen=True)
class Change:
    """A temporary change that a run made, or may have made.

    Attributes:
        ref: short, for people to name it.
        made: when, as the record has it.
        state: in_force, not_known, expired, or gone. Only a look says gone.
        seen: when somebody last looked; when it was made, where nobody has since.
        undone: it was taken back, and did not end by itself.
    """

    ref: str
    run: str
    host: str
    action: Action
    temporary: Temporary
    made: str
    state: str
    seen: str
    undone: bool = False

    @property
    def gone(self) -> bool:
        """Whether it was measured that it is not in force."""
        return self.state == GONE

    @property
    def what(self) -> str:
        """What was changed, in words."""
        return words.one_line(f"{self.action.verb.replace('_', ' ')} {self.action.name}".strip())

    def handed_over(self) -> dict[str, Any]:
        """The change as the playbook that undoes it gets it."""
        return {**self.action.as_dict(), "ref": self.ref}

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "ref": self.ref, "run": self.run, "host": self.host, "id": self.action.id, "verb": self.action.verb, "name": self.action.name,
            "made": self.made, "state": self.state, "seen": self.seen, "undone": self.undone, "said": say(self),
            "temporary": self.temporary.as_dict(),
        }


def of(incident: Incident, *, now: datetime.datetime | None = None, state: model.State | None = None) -> list[Change]:
    """The temporary changes of an incident, in the order they were made.

    Records are long: those of runs that only looked are read where another one has made a change.

    Args:
        state: of the incident, where it is known.
    """
    state = state or incident.state()
    moment = (now or times.now()).timestamp()
    acted = {run: _summary(incident, run) for run, known in state.runs.items() if known.outcome not in model.ONLY_LOOKED}
    if not any(True for run, summary in acted.items() for _change in _made(run, summary)):
        return []
    records = [(run, acted[run] if run in acted else _summary(incident, run)) for run in state.runs]
    return fold(records, now=moment, looked=state.looked)


def _summary(incident: Incident, run: str) -> Summary | None:
    path = incident.run_dir(run)
    return summarise(path) if layout.segments(path) else None


def fold(
    records: Iterable[tuple[str, Summary | None]], *, now: float, looked: Iterable[Mapping[str, Any]] = (),
) -> list[Change]:
    """The changes that runs made, and what their later looks and undos say about them.

    Args:
        records: the runs in the order they began; None where a record is missing, so that nobody knows what the run has changed.
        now: seconds since the epoch.
        looked: events of `incident in-force`.
    """
    found: list[Change] = []
    looks: list[_Look] = []
    for run, summary in records:
        found += _made(run, summary)
        looks += _looks(summary) if summary is not None else ()
    refs = {change.ref: change for change in found}
    for event in looked:
        for one in event.get("changes") or ():
            if (change := refs.get(str(one.get("change")))) is not None:
                looks.append(_Look(change.host, change.action.id, str(event.get("at")), str(one.get("found"))))
    looks.sort(key=lambda look: look.at)
    return [_now(change, looks, now, again=_again(change, found)) for change in found]


def still(changes: Iterable[Change], *, left: Iterable[str] = ()) -> list[Change]:
    """Those that are in force or not known to be gone, without those that somebody leaves on purpose."""
    known = set(left)
    return [change for change in changes if not change.gone and change.ref not in known]


def ends_by_itself(change: Change) -> bool:
    """Whether something that is known to be there ends a change: the kernel, the server, or a unit that was armed."""
    known = change.temporary
    if not known.expires or known.ends == temporary.NOBODY or late(change):
        return False
    if known.ends == temporary.UNIT:
        return bool(known.armed_as) and change.state == IN_FORCE
    return change.state in (IN_FORCE, EXPIRED)


def may_stay(change: Change) -> bool:
    """Whether a change is known to be as it was made, and is meant to stay: the remedy itself, such as a rollback."""
    return change.temporary.stays and change.state == IN_FORCE


def late(change: Change) -> bool:
    """Whether a change was seen to be in force after the time at which it was to end."""
    return change.state == IN_FORCE and bool(change.temporary.expires) and _seconds(change.seen) > _seconds(change.temporary.expires)


def chosen(changes: Sequence[Change], named: Iterable[str]) -> list[Change]:
    """The changes that somebody named by their refs, or all of them.

    Raises:
        Stop: there is none of that name.
    """
    wanted = list(named)
    found = {}
    for name in wanted:
        matching = [change for change in changes if name and (change.ref.startswith(name) or change.action.id == name)]
        if not matching:
            known = ", ".join(f"{change.ref} ({change.what})" for change in changes) or "none"
            raise Stop(f"{name}: there is no such temporary change.", hint=f"Those that are not known to be gone: {known}.")
        found.update({change.ref: change for change in matching})
    return list(found.values()) if wanted else list(changes)


def say(change: Change, *, today: datetime.date | None = None) -> str:
    """How a change is, in one sentence without a full stop.

    Args:
        today: of this day the time is enough; without it each time has its date.
    """
    last = f"last seen {clock(change.seen, today)}" if change.seen else "nobody has looked at it"
    if change.state == GONE:
        return f"{'taken back' if change.undone else 'gone'}, {last}"
    if change.state == EXPIRED:
        return f"expired at {clock(change.temporary.expires, today)}, not looked at since"
    known = change.temporary
    ends = temporary.say(dataclasses.replace(known, expires=clock(known.expires, today)) if known.expires else known, late=late(change))
    return f"in force, {ends}, {last}" if change.state == IN_FORCE else f"not known whether it is in force, {ends}, {last}"


def nobody_undoes(change: Change) -> str:
    """Why undo cannot take a change back that no role of the collection knows; without a full stop."""
    way_back = words.one_line(change.temporary.way_back).rstrip(".")
    if not change.host:
        return way_back
    return f"nothing of this collection undoes {change.action.verb}; its way back: {way_back or 'the record does not say'}"


class StillThere(Stop):
    """A temporary change that is not known to be gone holds the incident open."""


def refusal(incident: str, changes: Sequence[Change], *, doing: str) -> StillThere:
    """Why an incident cannot be resolved or closed: each change, and what to do about it."""
    today = times.now().date()
    listed = "; ".join(f"{change.ref} {change.host}: {change.what}: {say(change, today=today)}" for change in changes)
    return StillThere(
        f"{incident} cannot be {doing}: {words.count(len(changes), 'temporary change')} not known to be gone: {listed}.",
        hint=f"incident undo {incident} -i INVENTORY takes them back, incident undo {incident} {changes[0].ref} -i INVENTORY this one. "
             f"To leave one as it is: --leave {changes[0].ref} --why TEXT.",
    )


def clock(moment: str, today: datetime.date | None) -> str:
    """`02:51:07Z`, with the date where that is another day."""
    try:
        found = times.parse(moment)
    except ValueError:
        return moment
    form = "%H:%M:%SZ" if found.date() == today else "%Y-%m-%d %H:%M:%SZ"
    return found.strftime(form)


def _made(run: str, summary: Summary | None) -> Iterator[Change]:
    if summary is None:
        action = Action(verb="record_missing", resource="", identity={"run": run}, target={}, reason="", name=run, outcome=UNKNOWN)
        known = Temporary(way_back="the record of the run is missing, so what it has changed is not known")
        yield Change(ref=_ref(run, "", action), run=run, host="", action=action, temporary=known, made="", state=MAYBE, seen="")
        return
    lost = [
        (str(entry.get("host", "")), dataclasses.replace(told.action(action), outcome=UNKNOWN, touched=None), str(entry.get("ts", "")))
        for entry in summary.unanswered for action in entry.get("actions") or ()
    ]
    for host, action, ts in [*((seen.host, seen.what, seen.ts) for seen in summary.changes), *lost]:
        if not temporary.is_change(action):
            continue
        try:
            known = Temporary.from_dict(action.temporary or {})
        except BadInput:
            known = Temporary(way_back="")
        yield Change(
            ref=_ref(run, host, action), run=run, host=host, action=action, temporary=known,
            made=ts, state=MAYBE if action.outcome in FAILED_OUTCOMES else IN_FORCE, seen="" if action.outcome == UNKNOWN else ts,
        )


def _ref(run: str, host: str, action: Action) -> str:
    return hashlib.sha256(f"{run}|{host}|{action.id}".encode()).hexdigest()[:8]


@dataclasses.dataclass(frozen=True)
class _Look:
    """What one look at a change found: in_force, gone, or unknown. `undone`: the look was what took it back."""

    host: str
    change: str
    at: str
    found: str
    undone: bool = False


def _looks(summary: Summary) -> Iterator[_Look]:
    """The looks of a run: by what would undo a change, and by the check that judges them."""
    for action in summary.changes:
        if change := action.what.detail.get(temporary.UNDOES):
            found = temporary.looked(action.what)
            yield _Look(action.host, str(change), action.ts, found, undone=found == GONE and action.what.was_touched is True)
    for finding in summary.looks:
        yield _Look(finding.host, str(finding.what.detail.get(temporary.CHANGE)), finding.ts, str(finding.what.observed))


def _again(change: Change, among: Iterable[Change]) -> str:
    """When the same change was made once more, which says that it was gone; empty where it was not."""
    later = [one.made for one in among if (one.host, one.action.id) == (change.host, change.action.id) and one.made > change.made]
    return min(later, default="")


def _now(change: Change, looks: Sequence[_Look], now: float, *, again: str) -> Change:
    """The change after the looks at it that came later. One that was covered by another change comes to light again with that one's end."""
    last = change.seen
    for look in looks:
        if (look.host, look.change) != (change.host, change.action.id) or look.at <= change.made:
            continue
        last = look.at
        if look.found == GONE:
            change = dataclasses.replace(change, state=GONE, seen=look.at, undone=change.undone or look.undone)
        elif change.undone or (change.gone and again and look.at > again):
            continue
        elif look.found == IN_FORCE:
            change = dataclasses.replace(change, state=IN_FORCE, seen=look.at)
        elif not change.gone:
            change = dataclasses.replace(change, state=MAYBE)
    if change.gone:
        return change
    if temporary.over(change.temporary, now=now):
        # Somebody has looked since, whatever came of it.
        return change if _seconds(last) > _seconds(change.temporary.expires) else dataclasses.replace(change, state=EXPIRED)
    return change


def _seconds(moment: str) -> float:
    try:
        return times.parse(moment).timestamp() if moment else 0.0
    except ValueError:
        return 0.0
