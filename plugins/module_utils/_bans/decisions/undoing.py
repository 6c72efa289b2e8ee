# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a ban or an entry of an ignore list is the one that a change of ours made.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core import actions, why
from ..._core.acting import Candidate, Sight
from ..._core.actions import Action
from ..._core.addresses import Span
from ..._core.limits import Limit
from ..._core.recorded import Basis
from . import unbanning
from .replies import Ban
from .unbanning import Chosen, Covered, Target, Wish

#: Two readings of the time of one ban differ by rounding alone: seconds.
_ROUNDING = 1.5


@dataclasses.dataclass(frozen=True)
class Made:
    """What tells the ban that was made from another one: its id, where the daemon has ids, or when it was made, seconds since the epoch."""

    id: str = ""
    at: t.Optional[float] = None


@dataclasses.dataclass(frozen=True)
class Held:
    """An entry that a hold put on the ignore list of a jail.

    Attributes:
        entry: in the daemon's own spelling; empty where it is not on the list.
        unit: of systemd, that takes it out.
        units: those that are there and say that they take it out.
        expires: when that is to be. `over`: that time is over.
    """

    jail: str
    address: str
    entry: str
    unit: str
    units: tuple[str, ...] = ()
    expires: str = ""
    over: bool = False


def sight(
    wish: t.Optional[Wish] = None, bans: t.Sequence[Ban] = (), *, resource: str, shut: t.Sequence[Span] = (), repair: bool = False,
    check_mode: bool = False, limits: tuple[Limit, ...] = (), hold: t.Optional[float] = None, made: t.Optional[Made] = None,
    held: t.Optional[Held] = None,
) -> Sight[t.Any]:
    """What could be lifted or ended, of the one thing that is asked.

    Args:
        wish, bans, shut, repair, check_mode, limits, hold: as of unbanning.sight().
        made: the ban that is undone, of those that the wish is about.
        held: the entry of the hold that is ended.
    """
    if held is not None:
        return may_end(held, resource=resource)
    seen = unbanning.sight(
        wish or Wish(targets={}), bans, resource=resource, shut=shut, repair=repair, check_mode=check_mode, limits=limits, hold=hold)
    return seen if made is None else only_ours(seen, made)


def only_ours(seen: Sight[Target], made: Made) -> Sight[Target]:
    """Of the bans that there are the one that was made; where it is not there, why each of the others is not it."""
    # A daemon with ids has several bans of one address. Where ours is among them the others are nobody's business here.
    ours = [one for one in seen.candidates if isinstance(one.target, Chosen) and _is_it(one.target.ban, made)]
    basis = seen.basis and dataclasses.replace(seen.basis, given={**seen.basis.given, "made": made})
    return dataclasses.replace(seen, candidates=ours or [_not_ours(one, made) for one in seen.candidates], basis=basis)


def _is_it(ban: Ban, made: Made) -> t.Optional[bool]:
    """Whether it is the ban that was made; None where there is nothing that could be compared."""
    if ban.id:
        return ban.id == made.id if made.id else None
    return abs(ban.banned_at - made.at) <= _ROUNDING if ban.banned_at and made.at else None


def _not_ours(one: Candidate[Target], made: Made) -> Candidate[Target]:
    """The candidate settled: what is there is not what was made, or nobody can tell."""
    action = one.action
    if isinstance(one.target, Covered):
        said = f"{one.target.ban.entry} is banned, which covers it, and not it by itself"
        return dataclasses.replace(one, action=action.with_outcome(actions.NOT_NEEDED, why=why.ALREADY_SO, error=said))
    if not isinstance(one.target, Chosen) or not one.undecided:
        return one
    ban = one.target.ban
    if _is_it(ban, made) is None:
        what = "which decision was made" if ban.id else "when it was banned"
        said = f"it is banned, and {what} is not known, so nobody can tell whether it is the ban that was made: fail2ban_unban lifts it"
        return dataclasses.replace(one, unseen=said)
    said = "it was banned again since, which is another ban"
    return dataclasses.replace(one, action=action.with_outcome(actions.MOVED_ON, why=why.IDENTITY_CHANGED, error=said))


def may_end(seen: Held, *, resource: str) -> Sight[str]:
    """The hold's entry, where it is ours; the target is the entry in the daemon's spelling."""
    action = Action(
        verb=unbanning.END_HOLD, resource=resource, identity={"jail": seen.jail, "entry": seen.address},
        target={"address": seen.address, "jail": seen.jail}, name=f"{seen.address} in {seen.jail}", reason=_reason(seen),
    )
    basis = Basis("fail2ban_unban", {"resource": resource, "held": seen})
    return Sight([judged(Candidate(seen.entry, action), seen, absent=why.ALREADY_SO)], basis=basis)


def _reason(seen: Held) -> str:
    if not seen.entry:
        return f"{seen.jail} does not ignore it any more."
    if seen.over:
        return f"{seen.jail} ignores it, though the hold was to end at {seen.expires}."
    return f"{seen.jail} ignores it until {seen.unit} takes it out."


def judged(one: Candidate[str], seen: Held, *, absent: str) -> Candidate[str]:
    """The candidate, settled where there is nothing of ours to take out.

    It is ours only while our own unit is there and says that it takes this entry out: its timer, or the service that has not managed to.
    Without that it may be anybody's. A time that is over proves nothing: the timer may have failed to take it out.

    Args:
        absent: what to say where there is no entry.
    """
    action, ours = one.action, seen.unit in seen.units
    if not seen.entry:
        return dataclasses.replace(one, action=action.with_outcome(actions.NOT_NEEDED, why=absent))
    others = ", ".join(sorted(set(seen.units) - {seen.unit}))
    if ours and not others:
        return one
    if ours:
        error = f"{seen.jail} ignores it for another hold too, and {others} takes it out"
        return dataclasses.replace(one, action=action.with_outcome(actions.REFUSED, why=why.PROTECTED, error=error))
    if others:
        error = f"another hold has taken it over, and {others} takes it out"
        return dataclasses.replace(one, action=action.with_outcome(actions.MOVED_ON, why=why.IDENTITY_CHANGED, error=error))
    over = f", whose time was over at {seen.expires}," if seen.over else ""
    return dataclasses.replace(one, unseen=(
        f"{seen.jail} ignores it, and {seen.unit or 'its timer'}{over} is not there to say that it takes it out: it may be ours, which "
        f"nothing takes out any more, or somebody else's. fail2ban-client set {seen.jail} delignoreip {seen.entry} takes it out"
    ))
