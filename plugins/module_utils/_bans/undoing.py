# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take back what was done for a while: a hold before its timer does, a ban before its time is over.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t

from .._core import actions, temporary, why
from .._core.acting import Candidate, Sight, Subject, act, failure, not_seen
from .._core.actions import Action, Approved
from .._core.addresses import read_network
from .._core.errors import BadInput, IncidentError, LimitExceeded
from .._module.programs import Run
from . import hold as holding
from .daemons import Backend, Fail2ban, alone
from .decisions import unbanning
from .decisions.replies import Ban
from .decisions.unbanning import Chosen, Covered, Wish
from .unban import Bans, Order

#: Two readings of the time of one ban differ by rounding alone: seconds.
_ROUNDING = 1.5


def undo(
    backend: Backend, change: Action, order: Order, *, run: Run, approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Take a change back, or in check mode say whether it is in force.

    Returns:
        The module's result, and the error that must fail the task all the same.

    Raises:
        BadInput: the change is none of ours.
        IncidentError: before anything was changed.
    """
    known = temporary.of(change)
    said = known.undo if known is not None else {}
    jail, address = str(said.get("jail") or ""), str(said.get("address") or "")
    network = read_network(address)
    if network is None or said.get("verb") not in (unbanning.END_HOLD, unbanning.VERB):
        raise BadInput(
            f"change: {change.id} is neither a hold nor a ban with an end.",
            hint="Give the action as its record has it: incident undo does.", argument="change",
        )
    if said["verb"] == unbanning.END_HOLD:
        hold = _Held(backend, change, jail=jail, address=address, run=run)
        done = act(hold, approved=approved, check_mode=check_mode)
        return done.as_result(limits={}), done.problem
    order = dataclasses.replace(order, jails=(jail,) if isinstance(backend, Fail2ban) else (), hold=None)
    bans = Banned(backend, Wish(targets={address: [network]}), order, run, check_mode, change=change, made=said)
    lifted = act(bans, approved=approved, check_mode=check_mode)
    problem = lifted.problem if isinstance(lifted.problem, LimitExceeded) else failure(lifted.actions)
    return bans.result(lifted), problem


class _Held(Subject[str]):
    """An entry that a hold put on the ignore list of a jail; the target is the entry in the daemon's own spelling.

    It is ours only while our own unit is there and says that it takes this entry out: its timer, or the service that has not managed to.
    Without that it may be anybody's.

    Args:
        change: the action that made the hold.
    """

    verbs = (unbanning.END_HOLD,)
    noun, done = "holds", "ended"

    def __init__(self, backend: Backend, change: Action, *, jail: str, address: str, run: Run) -> None:
        if not isinstance(backend, Fail2ban):
            raise BadInput("change: a hold is fail2ban's, and another daemon answers here.", hint="Set backend.", argument="change")
        self._backend, self._jail, self._address, self._run = backend, jail, address, run
        self._known = temporary.of(change) or temporary.Temporary(way_back="")
        self.undoes, self.resource = change.id, backend.resource

    def alone(self) -> t.ContextManager[None]:
        return alone(self._backend)

    def concerns(self, one: Approved) -> bool:
        return super().concerns(one) and (not one.verb or dict(one.identity) == self._identity)

    @property
    def _identity(self) -> dict[str, t.Any]:
        return {"jail": self._jail, "entry": self._address}

    @property
    def _unit(self) -> str:
        return self._known.armed_as

    @property
    def _over(self) -> bool:
        return temporary.over(self._known, now=time.time())

    def look(self) -> Sight[str]:
        entry = self._entry()
        reason = f"{self._jail} ignores it until {self._unit} takes it out." if entry else f"{self._jail} does not ignore it any more."
        if entry and self._over:
            reason = f"{self._jail} ignores it, though the hold was to end at {self._known.expires}."
        action = Action(
            verb=unbanning.END_HOLD, resource=self.resource, identity=self._identity, target={"address": self._address, "jail": self._jail},
            name=f"{self._address} in {self._jail}", reason=reason,
        )
        return Sight([self._judged(Candidate(entry, action), absent=why.ALREADY_SO)])

    def _judged(self, one: Candidate[str], *, absent: str) -> Candidate[str]:
        """The candidate, settled where there is nothing of ours to take out.

        Args:
            absent: what to say where there is no entry.
        """
        action = one.action
        if not one.target:
            return dataclasses.replace(one, action=action.with_outcome(actions.NOT_NEEDED, why=absent))
        timers = {unit for unit, held in holding.earlier(self._backend.server.path, self._run).items() if self._pair in held}
        others = ", ".join(sorted(timers - {self._unit}))
        if self._unit in timers and not others:
            return one
        if self._unit in timers:
            error = f"{self._jail} ignores it for another hold too, and {others} takes it out"
            return dataclasses.replace(one, action=action.with_outcome(actions.REFUSED, why=why.PROTECTED, error=error))
        if others:
            error = f"another hold has taken it over, and {others} takes it out"
        else:
            # A time that is over proves nothing: the timer may have failed to take it out.
            unit = self._unit or "its timer"
            over = f", whose time was over at {self._known.expires}," if self._over else ""
            return dataclasses.replace(one, unseen=(
                f"{self._jail} ignores it, and {unit}{over} is not there to say that it takes it out: it may be ours, which nothing takes "
                f"out any more, or somebody else's. fail2ban-client set {self._jail} delignoreip {one.target} takes it out"
            ))
        return dataclasses.replace(one, action=action.with_outcome(actions.MOVED_ON, why=why.IDENTITY_CHANGED, error=error))

    @property
    def _pair(self) -> tuple[str, str]:
        return self._jail, self._address

    def _entry(self, jail: str = "", address: str = "") -> str:
        """The entry as the jail has it; empty where it has none. What a network covers is no entry of ours."""
        jail, wanted = jail or self._jail, read_network(address or self._address)
        if jail not in self._backend.jails():
            return ""
        return next((text for text in self._backend.server.texts(jail, "ignoreip") if read_network(text) == wanted), "")

    def carry_out(self, candidate: Candidate[str]) -> Action:
        entry = self._entry()
        again = self._judged(dataclasses.replace(candidate, target=entry), absent=why.GONE_ALREADY)
        if again.unseen:
            return not_seen(again.action, again.unseen)
        if not again.undecided:
            return dataclasses.replace(again.action, touched=False)
        self._backend.server.ask("set", self._jail, "delignoreip", entry)
        if self._entry():
            return candidate.action.with_outcome(actions.FAILED, why=why.NOT_MEASURED, error=f"{self._jail} still ignores {entry}")
        stopped, left = self._stopped()
        return candidate.action.with_outcome(actions.DONE, timers_stopped=stopped, **({"unit_left": left} if left else {}))

    def _stopped(self) -> tuple[list[str], str]:
        """Stop our unit where it has nothing left to take out; one that has goes on. What was stopped, and why it may be there still."""
        held = holding.earlier(self._backend.server.path, self._run).get(self._unit, set())
        if any(self._entry(jail, address) for jail, address in held - {self._pair}):
            return [], ""
        problem = holding.stop(self._unit, self._run)
        return ([], f"{self._unit} may still be there: {problem}") if problem else ([self._unit], "")


class Banned(Bans):
    """One ban that was made for a while, as long as it is the one that was made.

    Args:
        made: what the change says of it: `id`, where the daemon has ids, or `banned_at`.
    """

    def __init__(
        self, backend: Backend, wish: Wish, order: Order, run: Run, check_mode: bool, *, change: Action, made: t.Mapping[str, t.Any],
    ) -> None:
        super().__init__(backend, wish, order, run, check_mode)
        self.undoes = change.id
        self._made_id, self._made_at = str(made.get("id") or ""), _seconds(str(made.get("banned_at") or ""))

    def concerns(self, one: Approved) -> bool:
        asked = {network for networks in self.wish.targets.values() for network in networks}
        return super().concerns(one) and (not one.verb or read_network(str(one.identity.get("entry", ""))) in asked)

    def look(self) -> Sight[t.Any]:
        sight = super().look()
        # A daemon with ids has several bans of one address. Where ours is among them the others are nobody's business here.
        ours = [one for one in sight.candidates if isinstance(one.target, Chosen) and self._is_ours(one.target.ban)]
        return dataclasses.replace(sight, candidates=ours or [self._not_ours(one) for one in sight.candidates])

    def _is_ours(self, ban: Ban) -> t.Optional[bool]:
        """Whether it is the ban that was made; None where there is nothing that could be compared."""
        if ban.id:
            return ban.id == self._made_id if self._made_id else None
        return abs(ban.banned_at - self._made_at) <= _ROUNDING if ban.banned_at and self._made_at else None

    def _not_ours(self, one: Candidate[t.Any]) -> Candidate[t.Any]:
        """The candidate settled: what is there is not what was made, or nobody can tell."""
        action = one.action
        if isinstance(one.target, Covered):
            said = f"{one.target.ban.entry} is banned, which covers it, and not it by itself"
            return dataclasses.replace(one, action=action.with_outcome(actions.NOT_NEEDED, why=why.ALREADY_SO, error=said))
        if not isinstance(one.target, Chosen) or not one.undecided:
            return one
        ban = one.target.ban
        if self._is_ours(ban) is None:
            what = "which decision was made" if ban.id else "when it was banned"
            said = f"it is banned, and {what} is not known, so nobody can tell whether it is the ban that was made: fail2ban_unban lifts it"
            return dataclasses.replace(one, unseen=said)
        said = "it was banned again since, which is another ban"
        return dataclasses.replace(one, action=action.with_outcome(actions.MOVED_ON, why=why.IDENTITY_CHANGED, error=said))


def _seconds(text: str) -> t.Optional[float]:
    try:
        return datetime.datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None
