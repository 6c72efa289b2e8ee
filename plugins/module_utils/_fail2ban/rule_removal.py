# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the rules that drop one address and nobody else, and measure that they are gone.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import platform
import typing as t

from .._core import actions
from .._core.addresses import Span
from .._core.errors import IncidentError, LimitExceeded
from .._core.limits import Budget
from .._core.packet_filter import Block
from .._core.rule_removal import Remedy, remedy
from .filters import Filters
from .programs import Run

VERB = "remove_rule"
#: How many copies of one rule are removed.
MAX_COPIES = 10


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


def remove_rules(wish: Wish, *, read: t.Callable[[], Filters], run: Run, check_mode: bool) -> tuple[dict[str, t.Any], IncidentError | None]:
    """Remove what drops these addresses and nobody else; everything else that keeps them out is spared, with the reason.

    Args:
        read: reads the packet filters as they are now.
        run: runs a program.

    Raises:
        LimitExceeded: more rules than the budget allows; none was removed.
        Blind: the packet filters cannot be read.
    """
    filters = read()
    found = _blocks(wish, filters)
    spared = [
        actions.Spared(
            target={"address": one.asked, "where": one.block.where_text, "rule": one.block.rule},
            reasons=(one.cure.why_not, one.cure.advice), would_match=True,
        )
        for one in found.values() if not one.cure.argv
    ]
    wanted = {key: one for key, one in found.items() if one.cure.argv}
    allowance = wish.budget.allowance(len(wanted))
    if len(wanted) > allowance:
        raise LimitExceeded(
            f"{len(wanted)} rules would be removed and {allowance} may be: max_rules {wish.budget.max_count}, {wish.budget.spent} spent "
            "already. Nothing was changed.",
            hint="Name fewer addresses, or raise max_rules.", count=len(wanted), allowance=allowance,
        )
    done = [_settle(key, one, wish, run=run, check_mode=check_mode) for key, one in wanted.items()]
    if not check_mode and any(action.outcome == actions.UNKNOWN for action in done):
        left = _blocks(wish, read())
        for _round in range(MAX_COPIES):
            # Somebody may have added it more than once: the first one of them hides the others.
            copies = [
                key for key, action in zip(wanted, done)
                if action.outcome == actions.UNKNOWN and "error" not in action.detail and key in left
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
                    found.setdefault(_key(block), _Found(asked, block, remedy(block)))
    return found


def _key(block: Block) -> _Key:
    handle = "" if block.handle is None else str(block.handle)
    return block.where, block.family, block.table, block.chain or block.set, handle, block.rule, block.source


def _settle(key: _Key, one: _Found, wish: Wish, *, run: Run, check_mode: bool) -> actions.Action:
    identity = dict(zip(("where", "family", "table", "chain", "handle", "rule", "source"), key))
    action = actions.Action(
        id=actions.action_id(verb=VERB, resource=f"packet_filter:{platform.node()}", identity={k: v for k, v in identity.items() if v}),
        verb=VERB, target={"address": one.asked, "where": one.block.where_text, "rule": one.block.rule},
        reason=f"It drops {one.asked} and nobody else.", detail={"command": one.cure.advice, "hook": one.block.hook},
    )
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
        return action.with_outcome(actions.FAILED, **({} if "error" in action.detail else {"error": "it was removed and is there again"}))
    return action.with_outcome(actions.MOVED_ON if "error" in action.detail else actions.DONE)
