# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sessions are chosen, in which order, and who is spared.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._core.actions import Action, Spared, action_id
from ..._core.durations import format_duration
from .backends import Backend
from .blocking import roots, waiting_behind, waits_of
from .lock_queue import Head, heads
from .protection import UTILITY_STATEMENT, Policy, auxiliary, protections
from .rules import ALL_BUT_OLDEST, CLOCK_OPTIONS, IDLE_CLOCK, LOCK_QUEUE, OLDEST, QUERY, ROOT_BLOCKERS, TRANSACTION, Clock, Rule

CANCEL = "cancel"
TERMINATE = "terminate"
ESCALATE = "escalate"
STRATEGIES = (CANCEL, TERMINATE, ESCALATE)

#: Why a session at the root of a chain is left alone although nothing protects it.
TOO_YOUNG = "too_young"
NO_RULE = "no_rule_takes_it"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A session that a rule chose.

    Attributes:
        clocks: those that have run out, the longest overdue first.
        waiters: pids that wait behind it, directly or through others.
        waits: the same with the start of the statement that waits: (pid, query_start).
        awaits: of the head of a lock's queue what it waits for; empty for all others.
    """

    backend: Backend
    rule: Rule
    clocks: tuple[Clock, ...]
    waiters: frozenset[int] = frozenset()
    waits: frozenset[tuple[int, str | None]] = frozenset()
    awaits: str = ""

    @property
    def cancel_only(self) -> bool:
        """Whether its statement is cancelled and its session is never ended, whatever the strategy."""
        return self.rule.victims == LOCK_QUEUE

    def ids(self, *, verb: str, resource: str) -> list[str]:
        """One action id per clock; the first stays first as time passes."""
        return [session_id(verb=verb, resource=resource, backend=self.backend, clock=clock) for clock in self.clocks]

    def restricted(self, approved: t.Collection[str] | None, *, verb: str, resource: str) -> Candidate | None:
        """The candidate with its approved clocks only; None when none is."""
        ids = self.ids(verb=verb, resource=resource)
        clocks = tuple(clock for clock, identity in zip(self.clocks, ids) if approved is None or identity in approved)
        return dataclasses.replace(self, clocks=clocks) if clocks else None

    def action(self, *, verb: str, resource: str) -> Action:
        """What would be done to it."""
        first = self.clocks[0]
        limit = f"limit {format_duration(first.minimum)}"
        behind = f", {len(self.waiters)} waiting behind it" if self.waiters else ""
        what = f"waits for {self.awaits}" if self.awaits else first.name.replace("_", " ")
        return Action(
            verb=verb, resource=resource, identity=identity_of(self.backend, first), target=self.backend.describe(),
            name=self.backend.named,
            reason=f"{what} for {format_duration(first.age)} ({limit}{behind}), rule {self.rule.name}",
            detail={
                **({"awaits": self.awaits} if self.awaits else {}),
                "rule": self.rule.name, "blocks": len(self.waiters), "ids": self.ids(verb=verb, resource=resource),
                "clocks": [dataclasses.asdict(clock) for clock in self.clocks],
            },
        )


@dataclasses.dataclass(frozen=True)
class LeftRoot:
    """A session at the root of a chain that nothing protects, and that no rule takes now.

    Attributes:
        behind: everybody who waits behind it.
        reason: TOO_YOUNG or NO_RULE.
        why: the same for people.
    """

    backend: Backend
    behind: frozenset[int]
    reason: str
    why: str


@dataclasses.dataclass(frozen=True)
class Selection:
    """What one look at the server gives.

    Attributes:
        candidates: in the order of the rules, each session once.
        protected: visible sessions that are never touched.
        protected_roots: protected sessions at the root of a chain, with their reasons and everybody behind them.
        left_roots: the others at the root of a chain that are not candidates.
        queue_heads: who waits at the head of a lock's queue and holds up others.
        population: client sessions other than ours.
        waiting: sessions that wait for a lock.
    """

    candidates: tuple[Candidate, ...]
    protected: tuple[Spared, ...]
    protected_roots: tuple[tuple[Backend, tuple[str, ...], frozenset[int]], ...]
    population: int
    waiting: frozenset[int]
    left_roots: tuple[LeftRoot, ...] = ()
    queue_heads: tuple[Head, ...] = ()

    def find(self, backend: Backend) -> Candidate | None:
        """The candidate that is this very session, whatever it does now."""
        return next((c for c in self.candidates if (c.backend.pid, c.backend.backend_start) == (backend.pid, backend.backend_start)), None)


@dataclasses.dataclass(frozen=True)
class _Look:
    backends: tuple[Backend, ...]
    reasons: t.Mapping[int, tuple[str, ...]]
    behind: t.Mapping[int, frozenset[int]]
    roots: t.Mapping[int, frozenset[int]]
    clients: int
    usable_connections: int
    heads: t.Mapping[int, Head] = dataclasses.field(default_factory=dict)

    def blocking_for(self, pid: int) -> float | None:
        """The longest wait behind a session, seconds; None where nobody waits for it."""
        behind = self.behind.get(pid)
        return max((one.waited for one in self.backends if one.pid in behind), default=None) if behind else None


def session_id(*, verb: str, resource: str, backend: Backend, clock: Clock) -> str:
    """The action id of a session: its pid, its start, and the clock that made it a victim."""
    return action_id(verb=verb, resource=resource, identity=identity_of(backend, clock))


def identity_of(backend: Backend, clock: Clock) -> dict[str, t.Any]:
    """What identifies a session as it is now: another start is another session, another `since` is other work."""
    return {"pid": backend.pid, "backend_start": backend.backend_start, "clock": clock.name, "since": clock.since}


def select(backends: t.Iterable[Backend], *, rules: t.Sequence[Rule], policy: Policy, usable_connections: int) -> Selection:
    """Choose the victims of a snapshot.

    Args:
        backends: every process of the server.
        rules: tried in order; a session belongs to the first that matches.
        policy: what is protected.
        usable_connections: max_connections less the reserved ones; what the share for the idle clock is of.
    """
    known = tuple(backends)
    waits = waits_of(known)
    look = _Look(
        backends=known, reasons={b.pid: protections(b, policy) for b in known}, behind=waiting_behind(waits), roots=roots(waits),
        clients=sum(1 for b in known if b.is_client), usable_connections=usable_connections,
        heads={head.backend.pid: head for head in heads(known)},
    )
    chosen: list[Candidate] = []
    matched: set[int] = set()
    for rule in rules:
        for group in _groups(rule, [candidate for candidate in _matches(look, rule) if candidate.backend.pid not in matched]):
            # Everybody in it has had its rule, the one that `all_but_oldest` keeps too: no later rule may take it.
            matched.update(candidate.backend.pid for candidate in group)
            chosen.extend(_victims(look, rule, group))
    taken = {candidate.backend.pid for candidate in chosen}
    spared = [b for b in known if look.reasons[b.pid] and not auxiliary(b) and b.pid not in taken]
    return Selection(
        candidates=tuple(chosen),
        protected=tuple(Spared(_describe(b, policy), look.reasons[b.pid], b.pid in matched, b.named) for b in spared),
        protected_roots=tuple((b, look.reasons[b.pid], look.roots[b.pid]) for b in known if b.pid in look.roots and look.reasons[b.pid]),
        population=sum(1 for b in known if b.is_client and b.pid != policy.own_pid),
        waiting=frozenset(waits),
        left_roots=tuple(
            _left_root(look, rules, b) for b in known if b.pid in look.roots and not look.reasons[b.pid] and b.pid not in taken
        ),
        queue_heads=tuple(look.heads.values()),
    )


def _left_root(look: _Look, rules: t.Sequence[Rule], root: Backend) -> LeftRoot:
    """Why no rule takes this session at the root of a chain."""
    blocking_for = look.blocking_for(root.pid)
    behind = look.roots[root.pid]
    running = [
        clock for rule in rules if rule.passes_filters(root) and rule.min_blocked <= len(behind)
        for clock in rule.running(root, blocking_for=blocking_for) if clock.name != IDLE_CLOCK
    ]
    young = [clock for clock in running if clock.overdue < 0]
    if young and len(young) == len(running):
        first = max(young, key=lambda clock: clock.overdue)
        option = CLOCK_OPTIONS.get(first.name, CLOCK_OPTIONS[QUERY])
        said = f"{first.name.replace('_', ' ')} for {format_duration(first.age)}, and {option} is {format_duration(first.minimum)}"
        return LeftRoot(root, behind, TOO_YOUNG, f"it is too young: {said}")
    return LeftRoot(root, behind, NO_RULE, "no rule takes it")


def _describe(backend: Backend, policy: Policy) -> dict[str, t.Any]:
    # Our own statement is long and always the same.
    return {**backend.describe(), **({"query": ""} if backend.pid == policy.own_pid else {})}


def _matches(look: _Look, rule: Rule) -> list[Candidate]:
    """Everybody the rule applies to, protected ones too, so that the result can say what it spared."""
    idle = _idle_surplus(look, rule)
    # Who waits behind a protected session is never taken in its place, whatever the rule says.
    spared_waiters = {pid for root, behind in look.roots.items() if look.reasons.get(root) for pid in behind}
    found = []
    for backend in look.backends:
        if auxiliary(backend) or not rule.passes_filters(backend):
            continue
        if backend.waits_for_lock and (not rule.include_waiters or (backend.pid in spared_waiters and rule.victims != LOCK_QUEUE)):
            continue
        behind = look.behind.get(backend.pid, frozenset())
        if rule.victims == ROOT_BLOCKERS and (backend.pid not in look.roots or len(behind) < max(1, rule.min_blocked)):
            continue
        head = look.heads.get(backend.pid) if rule.victims == LOCK_QUEUE else None
        if rule.victims == LOCK_QUEUE:
            behind = head.held_up if head else frozenset()
        clocks = tuple(
            clock for clock in rule.clocks(backend, blocking_for=look.blocking_for(backend.pid))
            if clock.name != IDLE_CLOCK or backend.pid in idle
        )
        if clocks and len(behind) >= rule.min_blocked:
            awaits = head.awaits if head else ""
            found.append(Candidate(backend, rule, clocks, behind, statements_of(look.backends, behind), awaits))
    return found


def statements_of(backends: t.Iterable[Backend], pids: t.Collection[int]) -> frozenset[tuple[int, str | None]]:
    """The sessions of these pids, each with the start of its statement: what tells a wait from a later one."""
    return frozenset((backend.pid, backend.query_start) for backend in backends if backend.pid in pids)


def _groups(rule: Rule, found: t.Sequence[Candidate]) -> list[list[Candidate]]:
    """The matching sessions by what the rule groups by; groups that are too small are left out."""
    groups: dict[t.Any, list[Candidate]] = {}
    for candidate in found:
        groups.setdefault(_group(candidate.backend, rule.group_by), []).append(candidate)
    return [members for members in groups.values() if len(members) >= rule.min_group_size]


def _victims(look: _Look, rule: Rule, group: t.Sequence[Candidate]) -> list[Candidate]:
    """Those of a group that are taken; protected ones never."""
    free = (c for c in group if not objections(rule, look.reasons[c.backend.pid]))
    found = sorted(free, key=lambda c: (-c.clocks[0].overdue, c.backend.pid))
    if rule.victims in (ROOT_BLOCKERS, LOCK_QUEUE):
        found.sort(key=lambda c: -len(c.waiters))
    return {OLDEST: found[:1], ALL_BUT_OLDEST: found[1:]}.get(rule.victims, found)


def objections(rule: Rule, reasons: t.Sequence[str]) -> tuple[str, ...]:
    """What protects a session from a rule: a statement that waits in the queue of its lock has not begun, be it DDL or not."""
    return tuple(reason for reason in reasons if rule.victims != LOCK_QUEUE or reason != UTILITY_STATEMENT)


def _idle_surplus(look: _Look, rule: Rule) -> frozenset[int]:
    """Whose idle clock counts: none unless connections pass the critical share, then as many as bring them down to the target.

    Taken from the application with the most idle connections left, its longest idle one first: a leak shows as many of a kind.
    """
    if IDLE_CLOCK not in rule.ages or look.clients * 100 <= look.usable_connections * rule.idle_when_above_percent:
        return frozenset()
    pools: dict[str, list[Backend]] = {}
    for backend in look.backends:
        idle = any(clock.name == IDLE_CLOCK for clock in rule.clocks(backend))
        if idle and not look.reasons[backend.pid] and rule.passes_filters(backend):
            pools.setdefault(backend.application_name, []).append(backend)
    for pool in pools.values():
        pool.sort(key=lambda b: (b.state_age or 0.0, -b.pid))  # the longest idle last, to pop it
    chosen: set[int] = set()
    while pools and (look.clients - len(chosen)) * 100 > look.usable_connections * rule.idle_target_percent:
        largest = max(pools, key=lambda name: (len(pools[name]), name))
        chosen.add(pools[largest].pop().pid)
        if not pools[largest]:
            del pools[largest]
    return frozenset(chosen)


def _group(backend: Backend, group_by: str | None) -> t.Any:
    if group_by == "application_name":
        return backend.application_name
    if group_by == "query_id":
        return backend.query_id if backend.query_id is not None else fingerprint(backend.query)
    return None


def fingerprint(query: str) -> str:
    """The query without its constants: stands in for query_id where the server computes none (PostgreSQL 13)."""
    text = re.sub(r"/\*.*?\*/|--[^\n]*", " ", query, flags=re.DOTALL)
    text = re.sub(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b|\$\d+", "?", text)
    return " ".join(text.lower().split())


def cancel_refused(candidate: Candidate) -> str | None:
    """Why a cancel cannot help against this session; None when it can.

    A cancel ends a statement. Where none runs the server says yes, and the lock stays.
    """
    backend = candidate.backend
    if backend.in_transaction_idle:
        return "A cancel cannot end a session that is idle in transaction: it returns true and the lock stays. Use terminate or escalate."
    if backend.state == "idle":
        return "A cancel cannot end an idle connection. Use terminate or escalate."
    return None


def needs_transaction_end(candidate: Candidate) -> bool:
    """Whether ending its statement alone does not help: it is a victim for its transaction or for what it blocks."""
    return blocks_matter(candidate) or any(c.name == TRANSACTION for c in candidate.clocks)


def strongest_verb(candidate: Candidate, strategy: str) -> str:
    """The strongest thing that may be done to a session."""
    return CANCEL if candidate.cancel_only or strategy == CANCEL else TERMINATE


def blocks_matter(candidate: Candidate) -> bool:
    """Whether its rule took it for those who wait behind it."""
    return candidate.rule.victims == ROOT_BLOCKERS or candidate.rule.min_blocked > 0
