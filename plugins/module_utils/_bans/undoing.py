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
from .decisions.unbanning import Wish
from .decisions.undoing import Held, Made, judged, may_end, only_ours
from .unban import Bans, Order


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
        return super().concerns(one) and (not one.verb or dict(one.identity) == {"jail": self._jail, "entry": self._address})

    def look(self) -> Sight[str]:
        return may_end(self._seen(), resource=self.resource)

    def _seen(self) -> Held:
        entry = self._entry()
        units = tuple(sorted(unit for unit, pairs in self._earlier().items() if self._pair in pairs)) if entry else ()
        return Held(
            self._jail, self._address, entry, self._known.armed_as, units, expires=self._known.expires,
            over=temporary.over(self._known, now=time.time()),
        )

    @property
    def _pair(self) -> tuple[str, str]:
        return self._jail, self._address

    def _earlier(self) -> dict[str, set[tuple[str, str]]]:
        return holding.earlier(self._backend.server.path, self._run)

    def _entry(self, jail: str = "", address: str = "") -> str:
        """The entry as the jail has it; empty where it has none. What a network covers is not an entry of ours."""
        jail, wanted = jail or self._jail, read_network(address or self._address)
        if jail not in self._backend.jails():
            return ""
        return next((text for text in self._backend.server.texts(jail, "ignoreip") if read_network(text) == wanted), "")

    def carry_out(self, candidate: Candidate[str]) -> Action:
        seen = self._seen()
        again = judged(dataclasses.replace(candidate, target=seen.entry), seen, absent=why.GONE_ALREADY)
        if again.unseen:
            return not_seen(again.action, again.unseen)
        if not again.undecided:
            return dataclasses.replace(again.action, touched=False)
        self._backend.server.ask("set", self._jail, "delignoreip", seen.entry)
        if self._entry():
            return candidate.action.with_outcome(actions.FAILED, why=why.NOT_MEASURED, error=f"{self._jail} still ignores {seen.entry}")
        stopped, left = self._stopped()
        return candidate.action.with_outcome(actions.DONE, timers_stopped=stopped, **({"unit_left": left} if left else {}))

    def _stopped(self) -> tuple[list[str], str]:
        """Stop our unit where it has nothing left to take out; one that has goes on. What was stopped, and why it may be there still."""
        unit = self._known.armed_as
        if any(self._entry(jail, address) for jail, address in self._earlier().get(unit, set()) - {self._pair}):
            return [], ""
        problem = holding.stop(unit, self._run)
        return ([], f"{unit} may still be there, and root may stop it: {problem}") if problem else ([unit], "")


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
        self._made = Made(str(made.get("id") or ""), _seconds(str(made.get("banned_at") or "")))

    def concerns(self, one: Approved) -> bool:
        asked = {network for networks in self.wish.targets.values() for network in networks}
        return super().concerns(one) and (not one.verb or read_network(str(one.identity.get("entry", ""))) in asked)

    def look(self) -> Sight[t.Any]:
        return only_ours(super().look(), self._made)


def _seconds(text: str) -> t.Optional[float]:
    try:
        return datetime.datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None
