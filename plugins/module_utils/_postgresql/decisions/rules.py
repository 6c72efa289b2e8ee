# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that choose sessions: what they say, and whether a session matches one.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import ipaddress
import re
import types
import typing as t

from ..._core.durations import parse_duration
from ..._core.errors import BadInput
from .backends import ACTIVE, IDLE, Backend

ALL = "all"
OLDEST = "oldest"
ALL_BUT_OLDEST = "all_but_oldest"
ROOT_BLOCKERS = "root_blockers"
#: Of our own rule alone; see lock_queue_rule().
LOCK_QUEUE = "lock_queue"
VICTIMS = (ALL, OLDEST, ALL_BUT_OLDEST, ROOT_BLOCKERS)
GROUPS = ("query_id", "application_name")

QUERY = "query"
TRANSACTION = "transaction"
IDLE_IN_TRANSACTION = "idle_in_transaction"
IDLE_CLOCK = "idle"
#: Of an idle session at the root of a chain, which has no clock of its own: the longest wait behind it.
BLOCKING = "blocking"
#: Of a statement that waits at the head of a lock's queue.
LOCK_WAIT = "lock_wait"
CLOCKS = (QUERY, TRANSACTION, IDLE_IN_TRANSACTION, IDLE_CLOCK, BLOCKING, LOCK_WAIT)
#: The option that states a clock's minimum.
CLOCK_OPTIONS = {
    QUERY: "min_query_age", TRANSACTION: "min_transaction_age", IDLE_IN_TRANSACTION: "min_idle_in_transaction_age",
    IDLE_CLOCK: "min_idle_age",
}
#: Clocks of a rule that states none, seconds.
DEFAULT_AGES: t.Mapping[str, float] = types.MappingProxyType({QUERY: 300.0, TRANSACTION: 900.0, IDLE_IN_TRANSACTION: 300.0})

#: The default rule for idle connections: above this share of the usable connections, and down to below what is a warning.
IDLE_ABOVE_PERCENT, IDLE_TARGET_PERCENT = 90.0, 75.0

#: In client address filters: sessions over the local socket.
LOCAL = "local"
_FILTERS = ("states", "databases", "users", "application_names", "client_addresses", "query")


@dataclasses.dataclass(frozen=True)
class Clock:
    """A clock that has run out.

    Attributes:
        name: one of CLOCKS.
        since: when it began to run: ISO 8601 text, exact.
        age, minimum: seconds.
    """

    name: str
    since: str
    age: float
    minimum: float

    @property
    def overdue(self) -> float:
        """How long ago it ran out: seconds. The order of clocks by this does not change as time passes."""
        return self.age - self.minimum


@dataclasses.dataclass(frozen=True)
class Filters:
    """Conditions on a session. As a rule's filters all that are stated must hold; as its exclusions one is enough.

    Names are shell patterns (`*`, `?`, `[...]`), compared with their case. Addresses are networks (CIDR) or `local`.
    """

    states: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    application_names: tuple[str, ...] = ()
    client_addresses: tuple[t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network, str], ...] = ()
    query: t.Pattern[str] | None = None

    def verdicts(self, backend: Backend) -> list[bool]:
        """One verdict per stated condition."""
        found = []
        if self.states:
            found.append(backend.state in self.states)
        for patterns, value in (
            (self.databases, backend.database), (self.users, backend.user), (self.application_names, backend.application_name),
        ):
            if patterns:
                found.append(value is not None and any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns))
        if self.client_addresses:
            found.append(any(_covers(network, backend.client_addr) for network in self.client_addresses))
        if self.query is not None:
            found.append(bool(self.query.search(backend.query)))
        return found


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule. Its clocks are any-of, its filters all-of, and an exclusion always wins.

    Attributes:
        ages: minimum in seconds by clock; only the clocks in it are applied.
        min_blocked: how many sessions must wait behind it, directly or through others.
        min_group_size: how many matching sessions a group of `group_by` must have.
        idle_when_above_percent, idle_target_percent: the idle clock only counts while client sessions take more than this
            share of the connections they may use (max_connections less the reserved ones), and only for as many sessions as bring
            them down to the target.
    """

    name: str
    ages: t.Mapping[str, float]
    filters: Filters = Filters()
    exclusions: Filters = Filters()
    victims: str = ALL
    include_waiters: bool = False
    min_blocked: int = 0
    group_by: str | None = None
    min_group_size: int = 1
    idle_when_above_percent: float = 80.0
    idle_target_percent: float = 60.0

    @property
    def reads_query(self) -> bool:
        """Whether what it says of a session depends on the text of its query."""
        return self.filters.query is not None or self.exclusions.query is not None

    def passes_filters(self, backend: Backend) -> bool:
        """Whether the filters hold and no exclusion does."""
        return all(self.filters.verdicts(backend)) and not any(self.exclusions.verdicts(backend))

    def clocks(self, backend: Backend, *, blocking_for: float | None = None) -> tuple[Clock, ...]:
        """The clocks that have run out, the longest overdue first; the idle clock too, whatever the connections.

        Args:
            blocking_for: the longest wait behind it, seconds; None where nobody waits.
        """
        return tuple(clock for clock in self.running(backend, blocking_for=blocking_for) if clock.overdue >= 0)

    def running(self, backend: Backend, *, blocking_for: float | None = None) -> tuple[Clock, ...]:
        """The rule's clocks that run for the session, also those that have not run out; the longest overdue first."""
        found = []
        idle = backend.state == IDLE
        for name, since, age, running in (
            (QUERY, backend.query_start, backend.query_age, backend.state == ACTIVE or backend.state == "fastpath function call"),
            (TRANSACTION, backend.xact_start, backend.transaction_age, True),
            (IDLE_IN_TRANSACTION, backend.state_change, backend.state_age, backend.in_transaction_idle),
            (IDLE_CLOCK, backend.state_change, backend.state_age, idle),
            (BLOCKING, backend.state_change, blocking_for, idle and self.victims == ROOT_BLOCKERS),
            (LOCK_WAIT, backend.query_start, backend.waited, backend.waits_for_lock),
        ):
            # Who waits executes a statement, so its wait is measured by what that may take.
            minimum = self.ages.get(QUERY if name == BLOCKING else name)
            if minimum is not None and running and since is not None and age is not None:
                found.append(Clock(name, since, age, minimum))
        return tuple(sorted(found, key=lambda clock: (-clock.overdue, CLOCKS.index(clock.name))))


def lock_queue_rule(min_wait: float) -> Rule:
    """The rule that cancels statements at the head of a lock's queue.

    Args:
        min_wait: for how long such a statement must have waited, seconds.
    """
    return Rule(LOCK_QUEUE, {LOCK_WAIT: min_wait}, victims=LOCK_QUEUE, include_waiters=True, min_blocked=1)


def default_rules(ages: t.Mapping[str, float] = DEFAULT_AGES) -> tuple[Rule, ...]:
    """What is done when no rules are given: root blockers, then idle in transaction, then what runs too long, then idle connections.

    Idle connections only where their age is stated.
    """
    def some(*names: str) -> dict[str, float]:
        return {name: ages[name] for name in names if name in ages}

    return (
        Rule("root_blockers", some(QUERY, TRANSACTION, IDLE_IN_TRANSACTION), victims=ROOT_BLOCKERS, min_blocked=1),
        Rule("idle_in_transaction", some(IDLE_IN_TRANSACTION)),
        Rule("long_running", some(QUERY, TRANSACTION)),
        *([Rule("idle_connections", some(IDLE_CLOCK), idle_when_above_percent=IDLE_ABOVE_PERCENT, idle_target_percent=IDLE_TARGET_PERCENT)]
          if IDLE_CLOCK in ages else []),
    )


def parse_ages(stated: t.Mapping[str, t.Any]) -> dict[str, float]:
    """Minimum ages by clock from the options that state them; those that are None are left out.

    Raises:
        BadInput: not a duration; names the option.
    """
    return {clock: parse_duration(stated[option], name=option) for clock, option in CLOCK_OPTIONS.items() if stated.get(option) is not None}


def parse_rules(stated: t.Sequence[t.Mapping[str, t.Any]] | None, *, ages: t.Mapping[str, float] = DEFAULT_AGES) -> tuple[Rule, ...]:
    """Rules from a module's arguments; None gives the default rules.

    Args:
        stated: one dictionary of options each; an option that is None counts as not stated.
        ages: clocks of rules that state none.

    Raises:
        BadInput: names the rule and the option.
    """
    if stated is None:
        return default_rules(ages)
    rules = tuple(_parse_rule(options, index=index, ages=ages) for index, options in enumerate(stated))
    names = [rule.name for rule in rules]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"rules: two rules are called {twice}.", hint="Give each its own name.", argument="rules")
    return rules


def _parse_rule(options: t.Mapping[str, t.Any], *, index: int, ages: t.Mapping[str, float]) -> Rule:
    given = {key: value for key, value in options.items() if value is not None}
    name = str(given.get("name") or f"rule_{index + 1}")
    try:
        rule = Rule(
            name=name, ages=parse_ages(given) or dict(ages),
            filters=_parse_filters(given, ""), exclusions=_parse_filters(given, "exclude_"),
            **{key: given[key] for key in _PLAIN_OPTIONS if key in given},
        )
        _check(rule)
    except BadInput as exc:
        raise BadInput(f"Rule {name}: {exc.message}", hint=exc.hint, rule=name, **exc.facts) from exc
    return rule


_PLAIN_OPTIONS = (
    "victims", "include_waiters", "min_blocked", "group_by", "min_group_size", "idle_when_above_percent", "idle_target_percent",
)


def _check(rule: Rule) -> None:
    if rule.victims not in VICTIMS:
        raise BadInput(f"victims: {rule.victims!r} is none of {', '.join(VICTIMS)}.", argument="victims")
    if rule.group_by is not None and rule.group_by not in GROUPS:
        raise BadInput(f"group_by: {rule.group_by!r} is none of {', '.join(GROUPS)}.", argument="group_by")
    if not 0 <= rule.idle_target_percent <= rule.idle_when_above_percent <= 100:
        raise BadInput(
            f"idle_target_percent: {rule.idle_target_percent} is above idle_when_above_percent ({rule.idle_when_above_percent}), "
            "or one of them is not a percentage.", hint="Give 0 to 100, the target not above the other.", argument="idle_target_percent",
        )
    for option, value in (("min_blocked", rule.min_blocked), ("min_group_size", rule.min_group_size)):
        if value < 0:
            raise BadInput(f"{option}: {value} is negative.", argument=option)


def _parse_filters(given: t.Mapping[str, t.Any], prefix: str) -> Filters:
    found: dict[str, t.Any] = {}
    for option in _FILTERS:
        value = given.get(prefix + option)
        if value is None:
            continue
        if option == "query":
            found[option] = _pattern(value, prefix + option)
        elif option == "client_addresses":
            found[option] = tuple(_network(item, prefix + option) for item in value)
        else:
            found[option] = tuple(str(item) for item in value)
    return Filters(**found)


def _pattern(value: t.Any, option: str) -> t.Pattern[str]:
    try:
        return re.compile(str(value), re.IGNORECASE | re.DOTALL)
    except re.error as exc:
        raise BadInput(f"{option}: {value!r} is not a regular expression: {exc}.", hint="It is Python's syntax.", argument=option) from exc


def _network(value: t.Any, option: str) -> t.Any:
    if value == LOCAL:
        return LOCAL
    try:
        return ipaddress.ip_network(str(value), strict=False)
    except ValueError as exc:
        raise BadInput(
            f"{option}: {value!r} is not a network.", hint="Write 192.0.2.7, 192.0.2.0/24, 2001:db8::/32 or local.", argument=option,
        ) from exc


def _covers(network: t.Any, address: str | None) -> bool:
    if network == LOCAL or address is None:
        return network == LOCAL and address is None
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return any(one.version == network.version and one in network for one in (found, mapped) if one is not None)
