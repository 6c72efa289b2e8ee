# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clients of a Redis server may be ended, and which never.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.acting import Candidate, Sight
from ..._core.actions import Action, Spared
from ..._core.durations import format_duration
from ..._core.limits import Budget
from ..._core.recorded import Basis

VERB = "kill_client"

#: Names of connections that are never ended, by their beginning: other runs of ours, and Sentinel's.
OWN_NAMES, SENTINEL_NAMES = "oncall.incident", "sentinel-"


@dataclasses.dataclass(frozen=True)
class RedisClient:
    """A line of CLIENT LIST (https://redis.io/docs/latest/commands/client-list/). What is missing or no number is None.

    Attributes:
        id: never used twice while the server runs.
        flags: letters: N normal, S replica, M primary, P subscriber, O monitor, b blocked, x in a transaction, A to be closed.
        age, idle: seconds.
        output: bytes of its output buffer (`omem`).
        memory: bytes of all its memory (`tot-mem`), None before Redis 6.2.
    """

    id: int
    address: str = ""
    name: str = ""
    user: str = ""
    flags: str = ""
    age: t.Optional[int] = None
    idle: t.Optional[int] = None
    output: t.Optional[int] = None
    memory: t.Optional[int] = None
    subscriptions: int = 0
    command: str = ""
    database: str = ""

    @property
    def named(self) -> str:
        """The client in words: `client 7 192.0.2.4:5123 (worker)`."""
        return f"client {self.id} {self.address}" + (f" ({self.name})" if self.name else "")

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        return {
            "id": self.id, "address": self.address, "name": self.name, "user": self.user, "flags": self.flags, "age": self.age,
            "idle": self.idle, "output_bytes": self.output, "command": self.command, "database": self.database,
        }


@dataclasses.dataclass(frozen=True)
class KillRule:
    """Whom to end. Any-of; None applies none.

    Attributes:
        min_idle: seconds without a command.
        min_output: bytes of the output buffer.
    """

    min_idle: t.Optional[float] = None
    min_output: t.Optional[int] = None

    def why(self, client: RedisClient) -> str:
        """Why the rule takes it; empty when it does not. What is not known takes nobody."""
        if self.min_output is not None and client.output is not None and client.output >= self.min_output:
            return f"its output buffer holds {client.output} bytes"
        if self.min_idle is not None and client.idle is not None and client.idle >= self.min_idle:
            return f"idle for {format_duration(client.idle)}"
        return ""


@dataclasses.dataclass(frozen=True)
class KillPolicy:
    """Who is spared whatever the rule says.

    Attributes:
        own_id: our own connection.
        protect_names: beginnings of connection names.
        protect_users: ACL users.
        protect_addresses: beginnings of addresses, such as `192.0.2.7:`.
        include_pubsub: whether subscribers may be ended: idle is what a subscriber is.
    """

    own_id: int
    protect_names: tuple[str, ...] = ()
    protect_users: tuple[str, ...] = ()
    protect_addresses: tuple[str, ...] = ()
    include_pubsub: bool = False


def parse_clients(text: str) -> list[RedisClient]:
    """CLIENT LIST by field name; unknown fields are dropped, lines without an id too."""
    found = []
    for line in text.splitlines():
        fields = dict(part.partition("=")[::2] for part in line.strip().split(" ") if "=" in part)
        number = _number(fields.get("id"))
        if number is not None:
            found.append(RedisClient(
                id=number, address=fields.get("addr", ""), name=fields.get("name", ""), user=fields.get("user", ""),
                flags=fields.get("flags", ""), age=_number(fields.get("age")), idle=_number(fields.get("idle")),
                output=_number(fields.get("omem")), memory=_number(fields.get("tot-mem")), command=fields.get("cmd", ""),
                database=fields.get("db", ""),
                subscriptions=sum(_number(fields.get(name)) or 0 for name in ("sub", "psub", "ssub")),
            ))
    return found


def spared(client: RedisClient, policy: KillPolicy) -> tuple[str, ...]:
    """Why the client must not be ended, as codes; empty when nothing protects it."""
    name = client.name.lower()
    tests = (
        ("own_session", client.id == policy.own_id),
        ("own_run", client.id != policy.own_id and name.startswith(OWN_NAMES)),
        ("sentinel", name.startswith(SENTINEL_NAMES)),
        # A monitor is a normal client that shows the flag of a replica on some servers.
        ("replica", "S" in client.flags and "O" not in client.flags),
        ("primary", "M" in client.flags),
        ("subscriber", not policy.include_pubsub and ("P" in client.flags or client.subscriptions > 0)),
        ("blocked", "b" in client.flags),
        ("unknown_type", not client.flags),
        ("protected_name", any(name.startswith(prefix.lower()) for prefix in policy.protect_names if prefix)),
        ("protected_user", client.user in policy.protect_users),
        ("protected_address", any(client.address.startswith(prefix) for prefix in policy.protect_addresses if prefix)),
    )
    return tuple(code for code, holds in tests if holds)


@dataclasses.dataclass(frozen=True)
class Choice:
    """Who may be ended.

    Attributes:
        candidates: with the reason, the worst first.
        protected: clients that are spared, why, and whether the rule would have taken them.
        population: all clients but ourselves.
    """

    candidates: tuple[tuple[RedisClient, str], ...]
    protected: tuple[tuple[RedisClient, tuple[str, ...], bool], ...]
    population: int


def choose(clients: t.Sequence[RedisClient], rule: KillRule, policy: KillPolicy) -> Choice:
    """Order the candidates: the biggest output buffers first, then the longest idle."""
    candidates: list[tuple[RedisClient, str]] = []
    protected: list[tuple[RedisClient, tuple[str, ...], bool]] = []
    for client in clients:
        why, codes = rule.why(client), spared(client, policy)
        if codes:
            protected.append((client, codes, bool(why)))
        elif why:
            candidates.append((client, why))
    by_buffer = rule.min_output if rule.min_output is not None else float("inf")
    candidates.sort(key=lambda found: (
        -(found[0].output or 0) if (found[0].output or 0) >= by_buffer else 0, -(found[0].idle or 0), found[0].id,
    ))
    return Choice(tuple(candidates), tuple(protected), population=sum(client.id != policy.own_id for client in clients))


def sight(
    clients: t.Sequence[RedisClient], *, rule: KillRule, policy: KillPolicy, budget: Budget, approved: t.Optional[t.Sequence[str]],
    resource: str,
) -> Sight[RedisClient]:
    """Who could be ended, of the clients that there are.

    Beside the approved ones only the worst others are candidates that the limits have room for: a refusal of thousands says nothing more.

    Args:
        approved: ids of approved actions; None restricts nothing.
        resource: the server.
    """
    choice = choose(clients, rule, policy)
    limit = budget.limit(choice.population)
    candidates = [Candidate(one, action_for(one, reason, resource)) for one, reason in choice.candidates]
    if approved is not None:
        ours = [one for one in candidates if one.action.id in approved]
        others = [one for one in candidates if one.action.id not in approved]
        candidates = [*ours, *others[:max(limit.most - len(ours), 0)]]
    spared_ones = tuple(Spared(one.as_dict(), codes, matches, name=one.named) for one, codes, matches in choice.protected)
    return Sight(candidates, protected=spared_ones, limits=(limit,), basis=Basis("redis_client_kill", {
        "clients": clients, "rule": rule, "policy": policy, "budget": budget, "resource": resource,
    }))


def action_for(one: RedisClient, reason: str, resource: str) -> Action:
    """Ending a client."""
    return Action(
        verb=VERB, resource=resource, identity={"id": one.id}, target=one.as_dict(), name=one.named,
        reason=f"{reason[:1].upper()}{reason[1:]}".rstrip(".") + ".",
    )


def _number(value: t.Optional[str]) -> t.Optional[int]:
    try:
        return int(value or "")
    except ValueError:
        return None
