# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ban addresses within limits, never an operator's, and measure that the packet filter keeps them out.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from .._core import actions
from .._core.addresses import Network, Span, canonical, read_network
from .._core.errors import BadInput, IncidentError, LimitExceeded
from .._core.limits import Budget
from .._firewall.decisions.packet_filter import EXACT
from .._firewall.filters import Filters, read_filters
from .._module.programs import Run
from . import operators
from .daemons import GROUP, Backend, CrowdSec, Fail2ban, acting_alone
from .decisions import banning
from .decisions.banning import Protected
from .decisions.replies import Ban
from .decisions.unbanning import known_jails
from .unban import MEASURE_SECONDS, POLL, iso

DEFAULT_SECONDS = 4 * 3600.0


class NotBanned(IncidentError):
    """Somebody who was to be kept out is not."""

    kind = "actions_failed"


@dataclasses.dataclass(frozen=True)
class Order:
    """Whom to ban, and how.

    Attributes:
        jail: of fail2ban; CrowdSec's decisions have it as their reason.
        seconds: of the ban, None for the jail's own.
        never_ban: networks that are never banned.
        allow_private: whether private networks may be.
        leave_rest: ban the first ones that the budget allows and leave the rest, instead of banning nobody.
    """

    targets: tuple[Network, ...]
    jail: str
    seconds: t.Optional[float]
    budget: Budget
    never_ban: tuple[Network, ...] = ()
    allow_private: bool = False
    verify: tuple[str, ...] = ("auto",)
    approved: t.Optional[t.Sequence[str]] = None
    leave_rest: bool = False


def ban(backend: Backend, order: Order, *, run: Run, check_mode: bool) -> tuple[dict[str, t.Any], IncidentError | None]:
    """Ban, or in check mode only plan it.

    Returns:
        The module's result, and the error that must fail the task all the same.

    Raises:
        IncidentError: before anybody was banned.
    """
    daemon, jails = backend.describe(), backend.jails()
    seconds = order.seconds
    if isinstance(backend, Fail2ban):
        known_jails([order.jail], jails)
        seconds = _seconds_of(backend, order)
    else:
        seconds = seconds or DEFAULT_SECONDS
    before = backend.bans(jails)
    protected = protected_now(backend, order, run=run)
    protected.require_operator()
    filters = read_filters(order.verify, run=run, jails=jails) if order.verify else None
    work = _plan(order, before, protected, resource=backend.resource, seconds=seconds)
    limits = order.budget.as_dict()
    work = _limited(work, order)
    after = before
    if not check_mode and work.todo:
        with acting_alone(backend.server.path if isinstance(backend, Fail2ban) else "/etc/crowdsec"):
            # Somebody may have logged in since, and whoever has left is an operator still: both looks count. With the lock held
            # nobody of ours changes the bans any more, so all that was decided is decided again.
            protected = protected.union(protected_now(backend, order, run=run))
            protected.require_operator()
            before = after = backend.bans_again(backend.jails())
            work = _limited(_plan(order, before, protected, resource=backend.resource, seconds=seconds), order)
            if work.todo:
                done, after, filters = _carry_out(backend, work, order, seconds=seconds, run=run, jails=jails)
                work = dataclasses.replace(work, todo=tuple(zip((network for network, _action in work.todo), done)))
    found = [action for _network, action in work.todo] + list(work.others)
    result = {
        **actions.result(found, check_mode=check_mode, limits=limits, protected=work.spared),
        "before": _listed(before, order), "after": _listed(after, order), "backend": daemon,
        "operators": sorted({canonical(one) for one in (*protected.operators, *order.never_ban)}),
        "filters": {"read": filters.read if filters else [], "skipped_checks": [s.as_dict() for s in filters.skipped] if filters else []},
    }
    failed = actions.failed_actions(found)
    if not failed:
        return result, None
    said = "; ".join(f"{action.target['address']} {action.detail.get('state') or action.outcome}" for action in failed[:5])
    return result, NotBanned(f"Not kept out: {said}. {failed[0].detail.get('error', '')}".strip(), hint=failed[0].detail.get("hint"))


def protected_now(backend: Backend, order: Order, *, run: Run) -> Protected:
    """Who must not be banned, as of now."""
    ignored = [read_network(text) for text in backend.server.texts(order.jail, "ignoreip")] if isinstance(backend, Fail2ban) else []
    return Protected(
        operators=tuple({*operators.ssh_peers(), *operators.callers(os.environ)}), never_ban=order.never_ban,
        own=tuple(operators.own_addresses(run)), gateways=tuple(operators.gateways(run)), resolvers=tuple(operators.resolvers()),
        ignored=tuple(network for network in ignored if network is not None),
    )


@dataclasses.dataclass(frozen=True)
class _Plan:
    todo: tuple[tuple[Network, actions.Action], ...]
    others: tuple[actions.Action, ...]
    spared: tuple[actions.Spared, ...]


def _plan(order: Order, before: t.Sequence[Ban], protected: Protected, *, resource: str, seconds: float | None) -> _Plan:
    there = {ban.span for ban in before if ban.jail == order.jail or not order.jail}
    todo, others, spared = [], [], []
    for network in dict.fromkeys(order.targets):
        why = banning.reasons(network, protected, allow_private=order.allow_private)
        action = banning.action_for(network, jail=order.jail, resource=resource, seconds=seconds)
        if why:
            spared.append(banning.spared_for(network, why))
        elif Span.of(network) in there:
            others.append(action.with_outcome(actions.NOT_NEEDED, state=banning.ALREADY_BANNED))
        elif not actions.is_approved([action.id], order.approved):
            others.append(action.with_outcome(actions.REFUSED, why="not_approved"))
        else:
            todo.append((network, action))
    return _Plan(tuple(todo), tuple(others), tuple(spared))


def _limited(work: _Plan, order: Order) -> _Plan:
    """What the budget allows: the first ones, in the caller's order, where the rest may be left; who is left is spared by the limit.

    Raises:
        LimitExceeded: it is more, and leave_rest is off.
    """
    allowance = order.budget.allowance(len(work.todo))
    if len(work.todo) <= allowance:
        return work
    if order.leave_rest:
        left = tuple(banning.spared_for(network, ("over_limit",)) for network, _action in work.todo[allowance:])
        return dataclasses.replace(work, todo=work.todo[:allowance], spared=(*work.spared, *left))
    raise LimitExceeded(
        f"{len(work.todo)} would be banned and {allowance} may be: max_victims {order.budget.max_count}, {order.budget.spent} spent "
        "already. Nobody was banned.",
        hint="Look at the list, name fewer, or raise max_victims.", count=len(work.todo), allowance=allowance,
        limits=order.budget.as_dict(), contract=actions.ACTIONS_CONTRACT, protected=[spared.as_dict() for spared in work.spared],
        actions=[action.with_outcome(actions.REFUSED, why="limit_exceeded").as_dict() for _network, action in work.todo],
    )


def _seconds_of(backend: Fail2ban, order: Order) -> float | None:
    """fail2ban has no ban time for one address: what the caller asks for must be what the jail has."""
    own = backend.server.number(order.jail, "bantime")
    if order.seconds is not None and (own is None or int(order.seconds) != own):
        raise BadInput(
            f"bantime: {order.jail} bans for {own} s, and fail2ban has no ban time for one address.",
            hint="Leave bantime out, name a jail that has it, or use CrowdSec.", argument="bantime", jail_bantime=own,
        )
    return own


def _carry_out(
    backend: Backend, work: _Plan, order: Order, *, seconds: float | None, run: Run, jails: t.Sequence[str],
) -> tuple[list[actions.Action], list[Ban], Filters | None]:
    trouble = _tell(backend, [canonical(network) for network, _action in work.todo], order, seconds=seconds)
    backend.clock.extend(MEASURE_SECONDS)
    try:
        if trouble is not None:
            backend.reopen()
        after = backend.bans_again(backend.jails())
        filters = _settled(backend, work, order, run=run, jails=jails)
    except IncidentError as exc:
        said = (trouble or exc).message
        return [action.with_outcome(actions.UNKNOWN, error=said) for _network, action in work.todo], [], None
    there = {ban.span for ban in after if ban.jail == order.jail or not isinstance(backend, Fail2ban)}
    done = []
    for network, action in work.todo:
        span = Span.of(network)
        if span not in there:
            done.append(dataclasses.replace(action, touched=False).with_outcome(
                actions.FAILED, state=banning.NOT_BANNED, error=trouble.message if trouble else "The daemon does not have it.",
                hint="See the daemon's log."))
            continue
        blocks = [block for block in filters.blocks(span) if block.matched == EXACT] if filters else []
        if filters is not None and not blocks:
            done.append(dataclasses.replace(action, touched=True).with_outcome(
                actions.FAILED, state=banning.NOT_FILTERED, error="The daemon has the ban, and no packet filter on this host drops it.",
                hint="See the daemon's log for its action. Where it filters elsewhere, set verify to an empty list."))
        else:
            done.append(action.with_outcome(actions.DONE, state=banning.BANNED, blocks=[block.as_dict() for block in blocks]))
    return done, after, filters


def _tell(backend: Backend, entries: t.Sequence[str], order: Order, *, seconds: float | None) -> IncidentError | None:
    try:
        if isinstance(backend, CrowdSec):
            for entry in entries:
                backend.ban(entry, seconds=seconds or DEFAULT_SECONDS, reason=order.jail or "oncall.incident")
        elif isinstance(backend, Fail2ban):
            for start in range(0, len(entries), GROUP):
                backend.clock.need(doing="banip")
                backend.server.ask("set", order.jail, "banip", *entries[start:start + GROUP])
    except IncidentError as exc:
        return exc
    return None


def _settled(backend: Backend, work: _Plan, order: Order, *, run: Run, jails: t.Sequence[str]) -> Filters | None:
    """The packet filter, once it has followed the daemon or the time for that is over."""
    if not order.verify:
        return None
    end = time.monotonic() + min(backend.settles_within, backend.clock.left())
    while True:
        filters = read_filters(order.verify, run=run, jails=jails)
        if time.monotonic() >= end or all(filters.blocks(Span.of(network)) for network, _action in work.todo):
            return filters
        time.sleep(POLL)


def _listed(bans: t.Sequence[Ban], order: Order) -> list[dict[str, t.Any]]:
    spans = {Span.of(network) for network in order.targets}
    return [
        {"jail": ban.jail, "address": ban.entry, "banned_at": iso(ban.banned_at), "ends_at": iso(ban.ends_at), "seconds": ban.seconds,
         "permanent": ban.permanent}
        for ban in bans if ban.span in spans
    ]
