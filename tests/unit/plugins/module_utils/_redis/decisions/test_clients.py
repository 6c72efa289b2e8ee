# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.clients import (
    KillPolicy,
    KillRule,
    RedisClient,
    choose,
    parse_clients,
    spared,
)

#: Redis 7.0, Redis 6.2 without `lib-name`, one with an empty name, and one that a later version might write.
LIST = (
    "id=3 addr=127.0.0.1:52555 laddr=127.0.0.1:6379 fd=8 name= age=120 idle=60 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=26 "
    "qbuf-free=20448 argv-mem=10 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem=42 tot-mem=22298 events=r cmd=client|list user=default "
    "redir=-1 resp=2\n"
    "id=4 addr=192.0.2.7:1 fd=9 name=w=1 age=9 idle=8 flags=P db=0 sub=1 psub=0 multi=-1 omem=0 events=r cmd=subscribe user=app\n"
    "id=5 shiny=new flags=S\n"
    "nothing to see\n"
)
RULE = KillRule(min_idle=60, min_output=1000)
POLICY = KillPolicy(own_id=1, protect_names=("Worker",), protect_users=("admin",), protect_addresses=("192.0.2.9:",))


def idle(number: int, seconds: int = 100, **more: object) -> RedisClient:
    """A client that has been idle."""
    return RedisClient(**{"id": number, "flags": "N", "idle": seconds, "output": 0, **more})  # type: ignore[arg-type]


def test_lines_by_field_name() -> None:
    one, two, three = parse_clients(LIST)
    assert (one.id, one.address, one.name, one.idle, one.age, one.output, one.memory, one.flags) == (
        3, "127.0.0.1:52555", "", 60, 120, 42, 22298, "N",
    )
    assert (two.name, two.subscriptions, two.user, two.memory) == ("w=1", 1, "app", None)
    assert (three.id, three.flags, three.idle) == (5, "S", None)


@pytest.mark.parametrize(("client", "why"), [
    (idle(2), "idle for 1m40s"), (idle(2, 59), ""), (idle(2, 0, output=1000), "its output buffer holds 1000 bytes"),
    (idle(2, 0, output=999), ""), (RedisClient(id=2, flags="N"), ""),
])
def test_whom_the_rule_takes(client: RedisClient, why: str) -> None:
    assert RULE.why(client) == why


@pytest.mark.parametrize(("client", "code"), [
    (idle(1), "own_session"), (idle(2, name="oncall.incident/run"), "own_run"), (idle(2, name="sentinel-ab-cmd"), "sentinel"),
    (idle(2, flags="S"), "replica"), (idle(2, flags="M"), "primary"), (idle(2, flags="P"), "subscriber"),
    (idle(2, subscriptions=1), "subscriber"), (idle(2, flags="b"), "blocked"), (idle(2, flags=""), "unknown_type"),
    (idle(2, name="worker-7"), "protected_name"), (idle(2, user="admin"), "protected_user"),
    (idle(2, address="192.0.2.9:4711"), "protected_address"),
])
def test_who_is_spared(client: RedisClient, code: str) -> None:
    assert code in spared(client, POLICY)


def test_who_is_not() -> None:
    assert spared(idle(2, name="web", flags="N"), POLICY) == ()
    assert spared(idle(2, flags="O"), POLICY) == (), "a monitor is a client"
    assert spared(idle(2, flags="P", subscriptions=2), KillPolicy(own_id=1, include_pubsub=True)) == ()


def test_the_worst_first() -> None:
    clients = [idle(2, 70), idle(3, 500), idle(4, 0, output=5000), idle(5, 0, output=2000), idle(6, 1), idle(7, 900, flags="S")]
    choice = choose(clients, RULE, POLICY)
    assert [client.id for client, _why in choice.candidates] == [4, 5, 3, 2]
    assert [(client.id, matches) for client, _codes, matches in choice.protected] == [(7, True)]
    assert choice.population == 6
