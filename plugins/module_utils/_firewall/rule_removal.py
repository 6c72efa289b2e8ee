# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the rules that drop one address and nobody else, and measure that they are gone.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import platform
import typing as t

from .._core import actions
from .._core.addresses import Span
from .._core.errors import IncidentError, LimitExceeded, Locked
from .._core.limits import Budget
from .._module.programs import Run
from .decisions.packet_filter import Block
from .decisions.rule_removal import Remedy, remedy
from .filters import Filters

VERB = "remove_rule"
#: flock(2) on it tells runs apart that act on the same packet filter: each network namespace has its own (namespaces(7)).
_LOCK = "/proc/self/ns/net"


class RulesRemain(IncidentError):
    """Rules that were to be removed are still there."""

    kind = "actions_failed"


@dataclasses.dataclass(frozen=True)
class Wish:
    """Whose blocks are to go.

    Attributes:
        targets: each address as it was written, and what it means.
        ports: destination ports that matter; none is every one.
        protocol: of the ports.
        approved: action ids of a plan, None for no restriction.
    """

    targets: t.Mapping[str, t.Sequence[Span]]
    ports: t.Sequence[int]
    protocol: str
    budget: Budget
    approved: t.Optional[t.Sequence[str]] = None


#: A block without its place in the chain, which moves when another rule goes.
_Key = tuple[str, str, str, str, str, str, str]


@dataclasses.dataclass
class _Found:
    asked: str
    block: Block
    cure: Remedy
    copies: int = 1


@contextlib.contextmanager
def _alone(check_mode: bool) -> t.Iterator[None]:
    """Nobody else of ours removes rules of this packet filter meanwhile; check mode only reads."""
    if check_mode:
        yield
        return
    handle = os.open(_LOCK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise Locked("Another run is removing rules on this host.", hint="Wait for it, and look again.") from exc
        yield
    finally:
        os.close(handle)


def remove_rules(wish: Wish, *, read: t.Callable[[], Filters], run: Run, check_mode: bool) -> tuple[dict[str, t.Any], IncidentError | None]:
    """Remove what drops these addresses and nobody else; everything else that keeps them out is spared, with the reason.

    Args:
        read: reads the packet filters as they are now.
        run: runs a program.

    Raises:
        LimitExceeded: more rules than the budget allows, each copy of one counted; none was removed.
        Blind: the packet filters cannot be read.
        Locked: another run removes rules here.
    """
    with _alone(check_mode):
        return _remove(wish, read=read, run=run, check_mode=check_mode)


def _remove(wish: Wish, *, read: t.Callable[[], Filters], run: Run, check_mode: bool) -> tuple[dict[str, t.Any], IncidentError | None]:
    filters = read()
    found = _blocks(wish, filters)
    spared = [
        actions.Spared(
            target={"address": one.asked, "where": one.block.where_text, "rule": one.block.rule},
            reasons=(one.cure.why_not, one.cure.advice), would_match=True, name=_named(one),
        )
        for one in found.values() if not one.cure.argv
    ]
    wanted = {key: one for key, one in found.items() if one.cure.argv}
    count = sum(one.copies for key, one in wanted.items() if actions.is_approved([_action(key, one).id], wish.approved))
    allowance = wish.budget.allowance(count)
    if count > allowance:
        raise LimitExceeded(
            f"{count} rules would be removed and {allowance} may be: max_rules {wish.budget.max_count}, {wish.budget.spent} spent "
            "already. Nothing was changed.",
            hint="Name fewer addresses, or raise max_rules.", count=count, allowance=allowance,
        )
    done = [_settle(key, one, wish, run=run, check_mode=check_mode) for key, one in wanted.items()]
    if not check_mode and any(action.outcome == actions.UNKNOWN for action in done):
        left = _blocks(wish, read())
        for number in range(1, max((one.copies for one in wanted.values()), default=1)):
            # Somebody may have added it more than once: the first one of them hides the others. Those that were counted go, no more.
            copies = [
                key for key, action in zip(wanted, done)
                if action.outcome == actions.UNKNOWN and "error" not in action.detail and key in left and number < wanted[key].copies
            ]
            if not copies:
                break
            for key in copies:
                run(wanted[key].cure.argv)
            left = _blocks(wish, read())
        done = [_measure(action, key in left) for action, key in zip(done, wanted)]
    result = {
        **actions.result(done, check_mode=check_mode, limits={"max_rules": wish.budget.max_count}, protected=spared),
        "blocks": [{**one.block.as_dict(), "address": one.asked, "remedy": one.cure.advice} for one in found.values()],
    }
    failed = actions.failed_actions(done)
    if not failed:
        return result, None
    return result, RulesRemain(
        f"{len(failed)} of {len(done)} rules are still there, such as {failed[0].target['rule']}: {failed[0].detail.get('error', '')}.",
        hint="Remove them by hand.",
    )


def _blocks(wish: Wish, filters: Filters) -> dict[_Key, _Found]:
    found: dict[_Key, _Found] = {}
    for asked, spans in wish.targets.items():
        for span in spans:
            for port in wish.ports or (None,):
                for block in filters.blocks(span, protocol=wish.protocol if port is not None else None, port=port):
                    found.setdefault(_key(block), _Found(asked, block, remedy(block), _copies(filters, block)))
    return found


def _key(block: Block) -> _Key:
    handle = "" if block.handle is None else str(block.handle)
    return block.where, block.family, block.table, block.chain or block.set, handle, block.rule, block.source


def _copies(filters: Filters, block: Block) -> int:
    """How often the chain has this very rule. An entry of a set is there once."""
    if block.set:
        return 1
    chains = (
        table.chains[block.chain] for table in filters.tables
        if (table.where, table.family, table.name) == (block.where, block.family, block.table) and block.chain in table.chains
    )
    return max(sum(rule.text == block.rule and rule.handle == block.handle for chain in chains for rule in chain.rules), 1)


def _named(one: _Found) -> str:
    return f"{one.asked} in {one.block.where_text}"


def _action(key: _Key, one: _Found) -> actions.Action:
    identity = dict(zip(("where", "family", "table", "chain", "handle", "rule", "source"), key))
    return actions.Action(
        verb=VERB, resource=f"packet_filter:{platform.node()}", identity={k: v for k, v in identity.items() if v},
        name=_named(one), target={"address": one.asked, "where": one.block.where_text, "rule": one.block.rule},
        reason=f"It drops {one.asked} and nobody else.",
        detail={"command": one.cure.advice, "hook": one.block.hook, "copies": one.copies},
    )


def _settle(key: _Key, one: _Found, wish: Wish, *, run: Run, check_mode: bool) -> actions.Action:
    action = _action(key, one)
    if not actions.is_approved([action.id], wish.approved):
        return action.with_outcome(actions.REFUSED, why="not approved")
    if check_mode:
        return action
    problem = run(one.cure.argv).problem
    return action.with_outcome(actions.UNKNOWN, **({"error": problem} if problem else {}))


def _measure(action: actions.Action, there: bool) -> actions.Action:
    if action.outcome != actions.UNKNOWN:
        return action
    if there:
        removed = "error" not in action.detail
        failed = dataclasses.replace(action, touched=removed)
        return failed.with_outcome(actions.FAILED, **({"error": "it was removed and is there again"} if removed else {}))
    return action.with_outcome(actions.MOVED_ON if "error" in action.detail else actions.DONE)
