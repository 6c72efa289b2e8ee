# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ban addresses within limits, never an operator's, and measure that the packet filter keeps them out.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._core import actions, temporary, why
from .._core.acting import Candidate, Sight, Subject, act, answered
from .._core.actions import Action, Approved, Spared
from .._core.addresses import Network, Span, canonical, read_network
from .._core.errors import BadInput, Blind, IncidentError
from .._core.findings import CRITICAL
from .._core.limits import Budget
from .._core.waiting import until
from .._firewall.decisions.other_filters import HOSTS_DENY
from .._firewall.decisions.packet_filter import COVERING, EXACT, UNSEEN
from .._firewall.filters import Filters, read_filters
from .._module.programs import Run
from . import operators
from .client import CommandRefused
from .daemons import GROUP, Backend, CrowdSec, Fail2ban, alone
from .decisions import banning
from .decisions.access import judge_kept_out
from .decisions.banning import Protected
from .decisions.health import FILTER_ACTIONS
from .decisions.replies import Ban
from .decisions.unbanning import VERB, known_jails
from .unban import MEASURE_SECONDS, POLL, iso

DEFAULT_SECONDS = 4 * 3600.0
#: Of a decision of CrowdSec for which the caller gives no reason.
REASON = "oncall.incident"


@dataclasses.dataclass(frozen=True)
class Order:
    """Whom to ban, and how.

    Attributes:
        jail: of fail2ban; CrowdSec's decisions have it as their reason.
        seconds: of the ban, None for the jail's own.
        never_ban: networks that are never banned.
        allow_private: whether private networks may be.
        leave_rest: ban the first ones that the budget allows and leave the rest, instead of banning nobody.
        repair: make every ban of the jail again whose rule is gone, beside the targets.
    """

    targets: tuple[Network, ...]
    jail: str
    seconds: t.Optional[float]
    budget: Budget
    never_ban: tuple[Network, ...] = ()
    allow_private: bool = False
    verify: tuple[str, ...] = ("auto",)
    leave_rest: bool = False
    repair: bool = False


def ban(
    backend: Backend, order: Order, *, run: Run, approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Ban, or in check mode only plan it.

    Returns:
        The module's result, and the error that must fail the task all the same.

    Raises:
        IncidentError: before anybody was banned.
    """
    subject = _Attackers(backend, order, run)
    done = act(subject, approved=approved, check_mode=check_mode)
    return {**done.as_result(limits=order.budget.as_dict()), **subject.facts()}, done.problem


class _Attackers(Subject[Network]):
    """The addresses that were named, at one daemon."""

    verbs = (banning.VERB,)
    noun, done = "addresses", "banned"
    advice = "Look at the list, name fewer, or raise max_victims."

    def __init__(self, backend: Backend, order: Order, run: Run) -> None:
        self._backend, self._order, self._run = backend, order, run
        self.resource = backend.resource
        self._daemon: dict[str, t.Any] = {}
        self._jails: list[str] = []
        self._seconds: t.Optional[float] = None
        self._before: list[Ban] = []
        self._after: list[Ban] = []
        self._protected = Protected()
        self._spared: dict[str, Spared] = {}
        self._filters: t.Optional[Filters] = None
        #: Whose ban is to be made again, beside the targets.
        self._lost: list[Network] = []
        #: Networks that were banned for a moment.
        self._taken_back: set[Network] = set()

    def alone(self) -> t.ContextManager[None]:
        return alone(self._backend)

    def look(self) -> Sight[Network]:
        backend, order = self._backend, self._order
        self._daemon, self._jails = backend.describe(), backend.jails()
        if order.repair and not order.targets and order.jail not in self._jails:
            return Sight([], limits=(order.budget.limit(0),))  # without bans there are none to make again
        if isinstance(backend, Fail2ban):
            known_jails([order.jail], self._jails)
            self._seconds = _seconds_of(backend, order)
        else:
            self._seconds = order.seconds or DEFAULT_SECONDS
        self._before = self._after = backend.bans(self._jails)
        # Before the packet filter, whose reading takes its time: whoever leaves meanwhile is an operator still.
        self._protected = protected_now(backend, order, run=self._run)
        if order.targets:
            self._protected.require_operator()
        try:
            self._filters = read_filters(order.verify, run=self._run, jails=self._jails) if order.verify else None
        except Blind:
            if order.targets:
                raise
        self._lost = self._lost_bans() if order.repair else []
        if not self._targets:
            return Sight([], limits=(order.budget.limit(0),))
        self._protected.require_operator()
        targets = self._targets
        seen = banning.sight(
            targets, jail=order.jail, resource=self.resource, seconds=self._seconds, bans=self._before,
            let_through=[span for span in dict.fromkeys(map(Span.of, targets)) if self._is_let_through(span)],
            protected=self._protected, allow_private=order.allow_private, budget=order.budget, leave_rest=order.leave_rest,
            covered=[span for span in dict.fromkeys(map(Span.of, targets)) if self._is_covered(span)],
        )
        ids = {canonical(network): self._id(network) for network in targets}
        self._spared = {ids[one.name]: one for one in seen.protected}
        found = [dataclasses.replace(one, action=self._with_end(one.action, one.target)) for one in seen.candidates]
        return dataclasses.replace(seen, candidates=found)

    @property
    def _targets(self) -> list[Network]:
        """Those that were named, then those whose rule is gone."""
        return list(dict.fromkeys([*self._order.targets, *self._lost]))

    def _lost_bans(self) -> list[Network]:
        """Whom the jail bans, of whom the packet filter has nothing. Where it cannot be read nobody knows."""
        banned = (read_network(ban.entry) for ban in self._before if ban.jail == self._order.jail)
        lost = self._without_rule(network for network in banned if network is not None)
        return lost if lost and self._filters_here() else []

    def _id(self, network: Network) -> str:
        return banning.action_for(network, jail=self._order.jail, resource=self.resource, seconds=self._seconds).id

    def _with_end(self, action: Action, network: Network, made: t.Optional[Ban] = None) -> Action:
        """The action with how the ban ends; one for ever is meant to stay.

        Args:
            made: the ban, once it is there.
        """
        if self._seconds is None or self._seconds < 0:
            return action
        entry = canonical(network)
        # What tells this ban from every other one of the address: the daemon's own id of it, or when it was made.
        which = {"id": made.id, "banned_at": iso(made.banned_at)} if made else {}
        known = temporary.Temporary(
            way_back=f"The ban of {entry} is over after its ban time", ends=temporary.API, lasts=self._seconds,
            undo={"verb": VERB, "jail": self._order.jail, "address": entry, **{key: value for key, value in which.items() if value}},
        )
        return temporary.with_temporary(action, known.armed(until=made.ends_at) if made is not None and made.ends_at else known)

    def _is_let_through(self, span: Span) -> bool:
        """Whether the packet filter surely has nothing against an address that the jail bans, though the jail's action writes there."""
        if all(ban.span != span for ban in self._before):
            return False
        if self._filters is None or self._filters.blind_for(span) or not isinstance(self._backend, Fail2ban):
            return False
        if any(block.matched in (EXACT, UNSEEN) for block in self._filters.blocks(span)):
            return False
        return self._filters_here()

    def _filters_here(self) -> bool:
        """Whether the jail's action is one of fail2ban's that write rules on this host."""
        backend = self._backend
        return isinstance(backend, Fail2ban) and any(
            name.startswith(FILTER_ACTIONS) for name in backend.server.texts(self._order.jail, "actions")
        )

    def _is_covered(self, span: Span) -> bool:
        """Whether the jail bans a network that holds an address, and the packet filter drops it."""
        wider = (ban.span for ban in self._before if ban.jail == self._order.jail and ban.span not in (None, span))
        if not any(other.covers(span) for other in wider if other is not None):
            return False
        if self._filters is None:
            return True
        return any(block.matched in (EXACT, COVERING) for block in self._filters.blocks(span)) and not self._lets_in(span)

    def _lets_in(self, span: Span) -> str:
        """What lets an address in all the same, though rules are about it; empty where it is kept out, or the rules do not say."""
        if self._filters is None:
            return ""
        verdicts = self._filters.connections(span, protocol="tcp", ports=())
        found = judge_kept_out(str(span), verdicts=verdicts, ports_named=False)
        return str(found.observed) if found.status == CRITICAL else ""

    def left_over(self, candidate: Candidate[Network]) -> t.Optional[Spared]:
        return banning.spared_for(candidate.target, (banning.OVER_LIMIT,)) if self._order.leave_rest else None

    def answer(self, one: Approved) -> Action:
        entry, jail = str(one.identity.get("entry", "")), one.identity.get("jail", "")
        network = read_network(entry)
        if one.id in self._spared:
            said = answered(one, actions.REFUSED, why.PROTECTED, error=f"it is spared: {', '.join(self._spared[one.id].reasons)}")
        elif network is not None and any(ban.jail == jail and ban.span == Span.of(network) for ban in self._before):
            said = answered(one, actions.NOT_NEEDED, why.ALREADY_SO, state=banning.ALREADY_BANNED)
        else:
            said = answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, error="this call is not for it")
        return dataclasses.replace(said, target={"address": entry, "jail": jail} if entry else {})

    def carry_out_all(self, candidates: t.Sequence[Candidate[Network]]) -> t.Iterator[Action]:
        # Whoever has logged in since is an operator too.
        now = Protected(operators=tuple(operators.ssh_peers()))
        self._protected = self._protected.union(now)
        todo = []
        for one in candidates:
            if banning.reasons(one.target, now, allow_private=True)[:1] == (banning.OPERATOR,):
                refused = dataclasses.replace(one.action, touched=False)
                yield refused.with_outcome(actions.REFUSED, why=why.PROTECTED, error="an operator has logged in from it meanwhile")
            else:
                todo.append(one)
        if todo:
            yield from self._banned(todo)

    def _banned(self, todo: t.Sequence[Candidate[Network]]) -> t.Iterator[Action]:
        begun, trouble = self._tell(todo)
        self._backend.clock.extend(MEASURE_SECONDS)
        try:
            if trouble is not None:
                self._backend.reopen()
            self._look_again(todo)
            self._make_room(todo)
        except IncidentError as exc:
            raise IncidentError((trouble or exc).message, hint="Run it again: it looks first.") from exc
        for one in todo:
            made = ban_made(self._after, self._before, one.target, jail=self._order.jail)
            if made is not None:
                yield self._with_end(self._measured(one), one.target, made)
            else:
                yield self._not_banned(one, begun=canonical(one.target) in begun, trouble=trouble)

    def _look_again(self, todo: t.Sequence[Candidate[Network]]) -> None:
        self._after = self._backend.bans_again(self._backend.jails())
        self._filters = self._settled([one.target for one in todo])

    def _make_room(self, todo: t.Sequence[Candidate[Network]]) -> None:
        """Ban networks again whose rule is not there, without the bans inside them: some sets take no network that overlaps. Where that is
        no use either, all is as it was: a ban that nothing drops would say that somebody is kept out."""
        backend, jail = self._backend, self._order.jail
        old = {ban.span for ban in self._before if ban.jail == jail}
        new = [one.target for one in todo if one.target.num_addresses > 1 and Span.of(one.target) not in old]
        useless = self._without_rule(new)
        if not isinstance(backend, Fail2ban) or not useless:
            return
        inside: dict[Network, list[str]] = {}
        for network in useless:
            span, entry = Span.of(network), canonical(network)
            near = (ban for ban in self._after if ban.jail == jail and ban.span != span)
            inside[network] = [ban.entry for ban in near if ban.span is not None and span.covers(ban.span)]
            backend.server.ask("set", jail, "unbanip", entry, *inside[network])
            if inside[network]:
                backend.server.ask("set", jail, "banip", entry)
        self._look_again(todo)
        lost = [network for network in self._without_rule(inside) if inside[network]]
        for network in lost:
            backend.server.ask("set", jail, "unbanip", canonical(network))
            backend.server.ask("set", jail, "banip", *inside[network])
        if lost:
            self._look_again(todo)
        self._taken_back = {network for network in inside if ban_made(self._after, self._before, network, jail=jail) is None}

    def _without_rule(self, networks: t.Iterable[Network]) -> list[Network]:
        """Those of which it is sure that the packet filter has no rule about them."""
        if self._filters is None:
            return []
        return [
            network for network in networks if not self._filters.blind_for(Span.of(network))
            and not any(block.matched in (EXACT, UNSEEN) for block in self._filters.blocks(Span.of(network)))
        ]

    def _not_banned(self, one: Candidate[Network], *, begun: bool, trouble: t.Optional[IncidentError]) -> Action:
        code = why.NOT_MEASURED
        if one.target in self._taken_back:
            return dataclasses.replace(one.action, touched=True).with_outcome(
                actions.FAILED, why=code, state=banning.NOT_BANNED,
                error="No packet filter on this host dropped this network after the ban, so the ban was taken back.",
                hint="The jail's action keeps single addresses. One such as iptables-multiport or route takes networks.",
            )
        if trouble is not None and not begun:
            code = why.OUT_OF_TIME if trouble.facts.get("reason") == "timeout" else why.NOT_TRIED
        elif isinstance(trouble, CommandRefused):
            code = why.TARGET_REFUSED
        # A ban that was to be written again was lifted first.
        touched = begun and one.action.detail.get("state") == banning.NOT_FILTERED
        return dataclasses.replace(one.action, touched=touched).with_outcome(
            actions.FAILED, why=code, state=banning.NOT_BANNED, error=trouble.message if trouble else "The daemon does not have it.",
            hint="See the daemon's log.",
        )

    def _measured(self, one: Candidate[Network]) -> Action:
        action = dataclasses.replace(one.action, touched=True)
        if self._filters is None:
            return action.with_outcome(actions.DONE, state=banning.BANNED, blocks=[])
        span = Span.of(one.target)
        found = self._filters.blocks(span)
        exact = [block for block in found if block.matched == EXACT]
        blocks = [block.as_dict() for block in exact]
        # hosts.deny is asked by the service, and says nothing to the packet filter.
        lets_in = self._lets_in(span) if any(block.where != HOSTS_DENY for block in exact) else ""
        if lets_in:
            return action.with_outcome(
                actions.FAILED, why=why.NOT_MEASURED, state=banning.LET_IN, blocks=blocks,
                error=f"The daemon has the ban, its rule is there, and the packet filter lets it in: {lets_in}.",
                hint="Move what lets it in behind the ban's rule, or have the jail write its rules where this packet passes.",
            )
        if blocks:
            return action.with_outcome(actions.DONE, state=banning.BANNED, blocks=blocks)
        unseen = [block.set for block in found if block.matched == UNSEEN and block.jail in ("", self._order.jail)]
        blind = f"the set {unseen[0]} cannot be read" if unseen else self._filters.blind_for(span)
        if blind:
            return action.with_outcome(
                actions.UNKNOWN, why=why.NO_ANSWER, state=banning.NOT_MEASURED,
                error=f"The daemon has the ban, and whether this host drops it is not known: {blind}.",
                hint="Make it readable for this user, and run it again: it looks first.",
            )
        return action.with_outcome(
            actions.FAILED, why=why.NOT_MEASURED, state=banning.NOT_FILTERED,
            error="The daemon has the ban, and no packet filter on this host drops it.",
            hint="See the daemon's log for its action. Where it filters elsewhere, set verify to an empty list.",
        )

    def _tell(self, todo: t.Sequence[Candidate[Network]]) -> tuple[set[str], t.Optional[IncidentError]]:
        """Tell the daemon, in groups: whom it was told of, and what went wrong."""
        backend, jail = self._backend, self._order.jail
        begun: set[str] = set()
        try:
            if isinstance(backend, CrowdSec):
                for one in todo:
                    entry = canonical(one.target)
                    backend.clock.need(doing="decisions add")
                    begun.add(entry)
                    backend.ban(entry, seconds=self._seconds or DEFAULT_SECONDS, reason=jail or REASON)
            elif isinstance(backend, Fail2ban):
                for start in range(0, len(todo), GROUP):
                    group = todo[start:start + GROUP]
                    backend.clock.need(doing="banip")
                    begun |= {canonical(one.target) for one in group}
                    # A ban whose rule is gone is lifted first, since the server does not write the rule of one that it has.
                    again = [canonical(one.target) for one in group if one.action.detail.get("state") == banning.NOT_FILTERED]
                    if again:
                        backend.server.ask("set", jail, "unbanip", *again)
                    backend.server.ask("set", jail, "banip", *(canonical(one.target) for one in group))
        except IncidentError as exc:
            return begun, exc
        return begun, None

    def _settled(self, networks: t.Sequence[Network]) -> t.Optional[Filters]:
        """The packet filter, once it has followed the daemon or the time for that is over."""
        if not self._order.verify:
            return None
        return until(
            lambda filters: all(
                any(block.matched in (EXACT, UNSEEN) for block in filters.blocks(Span.of(network))) for network in networks),
            lambda: read_filters(self._order.verify, run=self._run, jails=self._jails),
            seconds=self._backend.clock.within(self._backend.settles_within), interval=POLL,
        )

    def facts(self) -> dict[str, t.Any]:
        """What the result says beside the actions."""
        filters = self._filters
        return {
            "before": _listed(self._before, self._targets), "after": _listed(self._after, self._targets), "backend": self._daemon,
            "operators": sorted({canonical(one) for one in (*self._protected.operators, *self._order.never_ban)}),
            "filters": {
                "read": filters.read if filters else [], "skipped_checks": [one.as_dict() for one in filters.skipped] if filters else [],
            },
        }


def protected_now(backend: Backend, order: Order, *, run: Run) -> Protected:
    """Who must not be banned, as of now."""
    ignored = [read_network(text) for text in backend.server.texts(order.jail, "ignoreip")] if isinstance(backend, Fail2ban) else []
    return Protected(
        operators=tuple({*operators.ssh_peers(), *operators.callers(os.environ)}), never_ban=order.never_ban,
        own=tuple(operators.own_addresses(run)), gateways=tuple(operators.gateways(run)), resolvers=tuple(operators.resolvers()),
        ignored=tuple(network for network in ignored if network is not None),
    )


def ban_made(now: t.Sequence[Ban], before: t.Sequence[Ban], network: Network, *, jail: str) -> t.Optional[Ban]:
    """The ban of a network that there is after it was asked for; None where there is none.

    A daemon with ids may have several of one address. Ours is the new one with our reason; where another one has come meanwhile, and
    nobody can tell the two apart, it has no id here: then it is not lifted for ours.
    """
    there = [ban for ban in now if ban.span == Span.of(network)]
    if not any(ban.id for ban in there):
        return next((ban for ban in there if ban.jail == jail), None)
    known = {ban.id for ban in before}
    new = [ban for ban in there if ban.id not in known]
    ours = [ban for ban in new if ban.jail == (jail or REASON)] or new
    return ours[0] if len(ours) == 1 else dataclasses.replace(ours[0], id="") if ours else None


def _seconds_of(backend: Fail2ban, order: Order) -> float | None:
    """fail2ban has no ban time for one address: what the caller asks for must be what the jail has."""
    own = backend.server.number(order.jail, "bantime")
    if order.targets and order.seconds is not None and (own is None or int(order.seconds) != own):
        raise BadInput(
            f"bantime: {order.jail} bans for {own} s, and fail2ban has no ban time for one address.",
            hint="Leave bantime out, name a jail that has it, or use CrowdSec.", argument="bantime", jail_bantime=own,
        )
    return own


def _listed(bans: t.Sequence[Ban], targets: t.Iterable[Network]) -> list[dict[str, t.Any]]:
    spans = {Span.of(network) for network in targets}
    return [
        {"jail": ban.jail, "address": ban.entry, "banned_at": iso(ban.banned_at), "ends_at": iso(ban.ends_at), "seconds": ban.seconds,
         "permanent": ban.permanent}
        for ban in bans if ban.span in spans
    ]
