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

from .._core import actions, why
from .._core.acting import Candidate, Sight, Subject, act, answered, untouched
from .._core.actions import Action, Approved
from .._core.addresses import Span, read_network
from .._core.errors import IncidentError
from .._core.limits import Budget
from .._module.lease import acting_alone
from .._module.programs import Run
from .decisions.packet_filter import EXACT, Block
from .decisions.rule_removal import VERB, Found, Key, address_in, key_of, sight
from .filters import Filters

#: What tells packet filters apart: each network namespace has its own (namespaces(7)). Two on one host must not wait for each other,
#: and containers that share one must, though they share no directory for locks. flock(2) on this file does both.
_SHARED = "/proc/self/ns/net"


@dataclasses.dataclass(frozen=True)
class Wish:
    """Whose blocks are to go.

    Attributes:
        targets: each address as it was written, and what it means.
        ports: destination ports that matter; none is every one.
        protocol: of the ports.
    """

    targets: t.Mapping[str, t.Sequence[Span]]
    ports: t.Sequence[int]
    protocol: str
    budget: Budget


def remove_rules(
    wish: Wish, *, read: t.Callable[[], Filters], run: Run, approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Remove what drops these addresses and nobody else; everything else that keeps them out is spared, with the reason.

    Args:
        read: reads the packet filters as they are now.
        run: runs a program.

    Returns:
        The result, and the problem that fails the task.

    Raises:
        Blind: the packet filters cannot be read; none was removed.
        Locked: another run removes rules here.
    """
    subject = _Rules(wish, read, run)
    done = act(subject, approved=approved, check_mode=check_mode)
    return {
        **done.as_result(limits={"max_rules": wish.budget.max_count}),
        "blocks": [{**one.block.as_dict(), "address": one.asked, "remedy": one.cure.advice} for one in subject.found.values()],
    }, done.problem


class _Rules(Subject[Key]):
    """The rules, entries and routes of this network namespace that keep addresses out."""

    verbs = (VERB,)
    noun, done = "rules", "removed"
    advice = "Name fewer addresses, or raise max_rules."

    def __init__(self, wish: Wish, read: t.Callable[[], Filters], run: Run) -> None:
        self._wish, self._read, self._run = wish, read, run
        self.resource = _resource()
        self.found: dict[Key, Found] = {}
        self._filters = Filters([], [], [])

    def alone(self) -> t.ContextManager[None]:
        return acting_alone(self.resource, by=_SHARED)

    def look(self) -> Sight[Key]:
        self._filters = self._read()
        self.found = _blocks(self._wish, self._filters)
        return sight(list(self.found.values()), budget=self._wish.budget, resource=self.resource)

    def carry_out_all(self, candidates: t.Sequence[Candidate[Key]]) -> t.Iterator[Action]:
        # Each command names the rule by its whole text or its handle, so it tests again what it removes.
        refused = {one.target: problem for one in candidates if (problem := self._run(self.found[one.target].cure.argv).problem)}
        left = _blocks(self._wish, self._read())
        for number in range(1, max(self.found[one.target].copies for one in candidates)):
            # Somebody may have added it more than once: the first one of them hides the others. Those that were counted go, no more.
            copies = [
                one.target for one in candidates
                if one.target not in refused and one.target in left and number < self.found[one.target].copies
            ]
            if not copies:
                break
            for key in copies:
                self._run(self.found[key].cure.argv)
            left = _blocks(self._wish, self._read())
        for one in candidates:
            yield _measured(one.action, refused.get(one.target, ""), there=one.target in left)

    def answer(self, one: Approved) -> Action:
        there = _handles(self._filters, one.identity)
        if not there:
            return answered(one, actions.NOT_NEEDED, why.GONE_ALREADY)
        if one.identity.get("handle", "") not in there:
            return answered(one, actions.MOVED_ON, why.IDENTITY_CHANGED, error="the rule was made again: it has another handle")
        return answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, error="it does not keep out whom this call is for")


def _measured(action: Action, refused: str, *, there: bool) -> Action:
    """The action with what the packet filter shows.

    Args:
        refused: what the command said that did not work.
    """
    if not there and refused:
        return dataclasses.replace(action, touched=False).with_outcome(actions.NOT_NEEDED, why=why.GONE_ALREADY)
    if not there:
        return action.with_outcome(actions.DONE)
    if refused:
        return untouched(action, why.TARGET_REFUSED, error=refused)
    return dataclasses.replace(action, touched=True).with_outcome(
        actions.FAILED, why=why.CAME_BACK, error="it was removed and is there again", hint="Find out who adds it, and remove it there.",
    )


def _handles(filters: Filters, identity: t.Mapping[str, t.Any]) -> set[str]:
    """The handles of the rules that are as an approved one says, empty texts where they have none; no text where there is no such rule."""
    place = tuple(identity.get(name, "") for name in ("where", "family", "table", "chain"))
    text, network = identity.get("rule", ""), read_network(address_in(str(identity.get("source", ""))))
    if place[0] == "route":
        return {""} if any(text == said for _route, _kind, said in filters.routes) else set()
    rules = (
        rule for table in filters.tables for chain in table.chains.values()
        if (table.where, table.family, table.name, chain.name) == place for rule in chain.rules if rule.text == text
    )
    return {
        "" if rule.handle is None else str(rule.handle) for rule in rules
        if network is not None and any((source.addresses.find(Span.of(network)) or ("",))[0] == EXACT for source in rule.sources)
    }


def _blocks(wish: Wish, filters: Filters) -> dict[Key, Found]:
    found: dict[Key, Found] = {}
    for asked, spans in wish.targets.items():
        for span in spans:
            for port in wish.ports or (None,):
                protocol = wish.protocol if port is not None else None
                verdict = filters.connection(span, protocol=protocol, port=port)
                for block in (*verdict.blocks, *filters.refused(span, protocol=protocol, ports=[port])):
                    found.setdefault(key_of(block), Found(asked, block, _copies(filters, block)))
    return found


def _copies(filters: Filters, block: Block) -> int:
    """How often the chain has this very rule. An entry of a set is there once."""
    if block.set:
        return 1
    chains = (
        table.chains[block.chain] for table in filters.tables
        if (table.where, table.family, table.name) == (block.where, block.family, block.table) and block.chain in table.chains
    )
    return max(sum(rule.text == block.rule and rule.handle == block.handle for chain in chains for rule in chain.rules), 1)


def _resource() -> str:
    return f"packet_filter:{platform.node()}"
