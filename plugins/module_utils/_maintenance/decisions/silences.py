# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which alerts a silence of Alertmanager would suppress, whether it may be made, and which silence is ours to end.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t

from ..._core import actions, temporary, why
from ..._core.acting import Candidate, Sight
from ..._core.actions import Action
from ..._core.durations import format_duration
from ..._core.errors import BadInput
from ..._core.limits import Limit
from ..._core.recorded import Basis
from ..._core.words import few

SILENCE, END = VERBS = ("silence_alerts", "end_silence")
#: Who made it, in the silence itself; its comment says for which run and person.
CREATOR = "oncall.incident"
ACTIVE, PENDING, EXPIRED = "active", "pending", "expired"
LIMIT = "max_alerts"
_NO_RUN = "-"
_COMMENT = re.compile(rf"{re.escape(CREATOR)} (?P<tag>\S+), for (?P<lasts>\S+), run (?P<run>\S+), ")
#: A label's name: Prometheus' data model.
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
#: Values that no label has: a pattern that fits them all fits everything.
_NONSENSE = ("x-3f1c", "0", "Zz zz.9/")
#: Two readings of the same time differ by rounding alone: seconds.
_ROUNDING = 1.5


@dataclasses.dataclass(frozen=True)
class Matcher:
    """One condition on a label, as Alertmanager has it.

    Attributes:
        regex: `value` is a pattern that must fit the whole label.
        equal: it must fit; otherwise it must not.
    """

    name: str
    value: str
    regex: bool = False
    equal: bool = True

    def __str__(self) -> str:
        """As Alertmanager writes it."""
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        sign = ("=" if self.equal else "!") + ("~" if self.regex else "=" if not self.equal else "")
        return f'{self.name}{sign}"{value}"'

    @property
    def narrows(self) -> bool:
        """Whether it leaves alerts out by saying which it wants. What it does not want may be anything."""
        if not self.equal or not self.value:
            return False
        return not self.regex or not any(re.fullmatch(self.value, text) for text in ("", *_NONSENSE))


@dataclasses.dataclass(frozen=True)
class Silence:
    """A silence that Alertmanager has.

    Attributes:
        ends: seconds since the epoch.
        state: active, pending or expired.
    """

    id: str
    matchers: tuple[Matcher, ...]
    ends: float
    state: str
    by: str = ""
    comment: str = ""

    @property
    def runs(self) -> bool:
        """Whether it suppresses alerts, or is to."""
        return self.state in (ACTIVE, PENDING)


@dataclasses.dataclass(frozen=True)
class Order:
    """A silence that is wanted.

    Attributes:
        seconds: how long it lasts.
        run, who: for whom it is made.
        most: so many active alerts may be suppressed.
    """

    matchers: tuple[Matcher, ...]
    seconds: float
    reason: str
    run: str = ""
    who: str = ""
    most: int = 20

    def comment(self, tag: str) -> str:
        """What people read in Alertmanager."""
        return f"{CREATOR} {tag}, for {self.seconds:g}s, run {self.run or _NO_RUN}, {self.who or 'nobody named'}: {self.reason}"


@dataclasses.dataclass(frozen=True)
class Made:
    """A silence that is to be ended.

    Attributes:
        change: the id of the action that made it; empty where it is looked for by what follows.
        id: of the silence; empty where nobody has learnt it.
        tag: in its comment.
        ends: when it is to end, as it was made; 0 where that is not known.
        run: only of this run; empty for any of ours.
        matchers: it has these.
    """

    change: str = ""
    id: str = ""
    tag: str = ""
    ends: float = 0.0
    run: str = ""
    matchers: tuple[Matcher, ...] = ()


def read_matchers(given: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[Matcher, ...]:
    """The matchers of a silence.

    Raises:
        BadInput: there are none, one is none, or together they fit every alert.
    """
    found = tuple(_matcher(one) for one in given)
    if not any(one.narrows for one in found):
        said = f"{said_of(found)} fits every alert" if found else "there are none"
        raise BadInput(
            f"matchers: {said}.",
            hint="Give one at least that says which value of a label is meant, such as instance or service.", argument="matchers",
        )
    return tuple(sorted(dict.fromkeys(found), key=str))


def _matcher(given: t.Mapping[str, t.Any]) -> Matcher:
    name, value, regex = str(given.get("name") or ""), str(given.get("value") or ""), bool(given.get("is_regex"))
    if not _NAME.match(name):
        raise BadInput(f"matchers: {name!r} is not the name of a label.", hint="Give name and value.", argument="matchers")
    if regex:
        try:
            re.compile(value)
        except re.error as exc:
            raise BadInput(
                f"matchers: {value!r} is not a pattern: {exc}.", hint="Correct it, or write it more simply.", argument="matchers",
            ) from None
    return Matcher(name, value, regex, bool(given.get("is_equal", True)))


def said_of(matchers: t.Sequence[Matcher]) -> str:
    """The matchers in words."""
    return ", ".join(str(one) for one in matchers)


def tag_of(order: Order, *, resource: str) -> str:
    """What tells a silence of this run from others, in its comment."""
    return hashlib.sha256(json.dumps([resource, said_of(order.matchers), order.run]).encode()).hexdigest()[:12]


def sight(
    order: t.Optional[Order] = None, made: t.Optional[Made] = None, there: t.Sequence[Silence] = (), *, resource: str, now: float,
    alerts: t.Sequence[str] = (),
) -> Sight[Silence]:
    """What would be done: a silence made, or those that were made ended.

    Args:
        there: the silences that Alertmanager has.
        now: seconds since the epoch.
        alerts: names of the alerts that are active, that the order fits, and that nothing suppresses yet.
    """
    basis = Basis("alert_silence", {"order": order, "made": made, "there": there, "resource": resource, "now": now, "alerts": alerts})
    if made is not None:
        return Sight(_ending(made, there, resource=resource), basis=basis)
    if order is None:
        raise BadInput("Neither a silence to make nor one to end is named.")
    limit = Limit(LIMIT, order.most, f"{LIMIT} {order.most}", unit="active alerts")
    return Sight([_making(order, there, resource=resource, now=now, alerts=alerts)], limits=(limit,), basis=basis)


def _making(order: Order, there: t.Sequence[Silence], *, resource: str, now: float, alerts: t.Sequence[str]) -> Candidate[Silence]:
    said, lasts = said_of(order.matchers), format_duration(order.seconds)
    tag = tag_of(order, resource=resource)
    count = f"{len(alerts)} active alert{'' if len(alerts) == 1 else 's'}"
    which = f": {few(sorted(set(alerts)), most=5)}" if alerts else ""
    action = Action(
        verb=SILENCE, resource=resource, identity={"matchers": said, "lasts": f"{order.seconds:g}s"},
        target={"matchers": said, "lasts": lasts, "active_alerts": len(alerts)}, name=f"{said} for {lasts}, {count}",
        reason=f"{order.reason.strip().rstrip('.')}. It suppresses {count} now{which}.",
    )
    ends = temporary.Temporary(
        way_back="the silence is expired in Alertmanager", ends=temporary.API, lasts=order.seconds,
        undo={"verb": END, "url": resource, "tag": tag, "silence": ""},
    )
    action = temporary.with_temporary(action, ends)
    same = [one for one in there if one.runs and set(one.matchers) == set(order.matchers)]
    # Ours is not doubled. Somebody else's is enough where it lasts as long.
    enough = next((one for one in same if is_ours(one) or one.ends >= now + order.seconds - _ROUNDING), None)
    if enough is not None:
        whose = f"{enough.by or 'nobody'}: {enough.comment}" if enough.comment else enough.by or "nobody"
        told = f"silence {enough.id} does it until {temporary.moment(enough.ends)}, made by {whose}"
        action = action.with_outcome(actions.NOT_NEEDED, why=why.ALREADY_SO, error=told, silence=enough.id)
    target = Silence("", order.matchers, now + order.seconds, PENDING, by=CREATOR, comment=order.comment(tag))
    return Candidate(target, action, uses={LIMIT: len(alerts)})


def is_ours(one: Silence) -> bool:
    """Whether this collection has made a silence."""
    return one.by == CREATOR and _COMMENT.match(one.comment) is not None


def _ending(made: Made, there: t.Sequence[Silence], *, resource: str) -> list[Candidate[Silence]]:
    if made.change:
        return [_undoing(made, there, resource=resource)]
    return [
        Candidate(one, _end(one, resource=resource, reason=f"It was made by {one.comment}."))
        for one in there if one.runs and is_ours(one) and set(one.matchers) == set(made.matchers) and made.run in ("", _said(one, "run"))
    ]


def _said(one: Silence, what: str) -> str:
    """The tag, the run, or how long it lasts, in a comment of ours."""
    found = _COMMENT.match(one.comment)
    return found[what] if found else ""


def change_of(one: Silence, *, resource: str) -> str:
    """The id of the action that made a silence of ours."""
    return actions.action_id(verb=SILENCE, resource=resource, identity={"matchers": said_of(one.matchers), "lasts": _said(one, "lasts")})


def _end(one: Silence, *, resource: str, reason: str) -> Action:
    said = said_of(one.matchers)
    return Action(
        verb=END, resource=resource, identity={"silence": one.id}, target={"silence": one.id, "matchers": said}, reason=reason,
        name=f"{one.id} ({said})" if said else one.id,
    )


def _undoing(made: Made, there: t.Sequence[Silence], *, resource: str) -> Candidate[Silence]:
    """The silence of a change, as long as it is the one that was made."""
    found = next((one for one in there if made.id and one.id == made.id), None)
    if found is None and made.tag and not made.id:
        found = next((one for one in there if one.runs and is_ours(one) and _said(one, "tag") == made.tag), None)
    if found is None:
        gone = Silence(made.id or made.tag, (), 0.0, EXPIRED)
        action = _end(gone, resource=resource, reason="It is not there any more.")
        return Candidate(gone, action.with_outcome(actions.NOT_NEEDED, why=why.ALREADY_SO))
    until = temporary.moment(found.ends)
    action = _end(found, resource=resource, reason=f"It suppresses alerts until {until}.")
    if not found.runs:
        return Candidate(found, action.with_outcome(actions.NOT_NEEDED, why=why.ALREADY_SO))
    others = "" if is_ours(found) else "somebody else has it now"
    if made.ends and abs(found.ends - made.ends) > _ROUNDING:
        others = f"somebody has set its end to {until}"
    if others:
        action = action.with_outcome(actions.MOVED_ON, why=why.NO_LONGER_MATCHES, error=others)
    return Candidate(found, action)
