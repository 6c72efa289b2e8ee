# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verb's id, byte for byte: an approval, a record and a plan of yesterday name it. And what each subject calls its target."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions import banning, unbanning
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.replies import Ban
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions import renewing
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.renewal import Lineage
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span
from ansible_collections.oncall.incident.plugins.module_utils._firewall import rule_removal
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet_filter import Block
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.rule_removal import Found, action_for
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions import cleaning
from ansible_collections.oncall.incident.plugins.module_utils._postgresql import prepared
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend, PreparedTransaction
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.maintenance import Object
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import parse_rules
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.sessions import Candidate
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions import clearing, clients, repairs
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.clients import RedisClient
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import acting

PG, REDIS, BANS = "pg:77:1700000000", "redis:abc", "fail2ban:web1"
SPAN = Span.of(ipaddress.ip_network("192.0.2.7/32"))
BAN = Ban(jail="sshd", entry="192.0.2.7", span=SPAN)


def session(verb: str, **more: Any) -> Action:
    backend = Backend(**{
        "pid": 42, "backend_start": "b", "user": "app", "database": "shop", "application_name": "checkout", "client_addr": "192.0.2.4",
        "state": "active", "query_start": "q", "query_age": 100.0, **more,
    })
    [rule] = parse_rules([{"min_query_age": 10}])
    return Candidate(backend, rule, rule.clocks(backend)).action(verb=verb, resource=PG)


def file(operation: str) -> Action:
    rule = cleaning.Rule("/var/log", "*.1", 1.0, operation=operation)
    found = cleaning.File("/var/log/shop.log.1", 2049, 77, 0o100644, 10, 10, 100.0)
    return cleaning.Found(found, rule).action(resource="host:web1")


def renewal(verb: str, attempt: str = "") -> Action:
    lineage = Lineage("shop.example.org", "/c", "/k")
    return renewing.action_for(verb, lineage, (), resource="host:web1", reason="r", attempt=attempt)


def repair(**seen: Any) -> Action:
    return repairs.sight(REDIS, **seen).candidates[0].action


def rule() -> Action:
    block = Block("host", "ip saddr 192.0.2.7 drop", family="ip", table="filter", chain="input", handle=4)
    return action_for(Found("192.0.2.7", block), resource=rule_removal._resource())


ACTIONS = [
    (session("terminate"), f"terminate|{PG}|backend_start=b,clock=query,pid=42,since=q",
     "pid 42 app@shop (checkout) from 192.0.2.4, active"),
    (session("cancel", client_addr=None), f"cancel|{PG}|backend_start=b,clock=query,pid=42,since=q",
     "pid 42 app@shop (checkout), active"),
    (session("cancel", user=None, database=None, application_name="", client_addr=None),
     f"cancel|{PG}|backend_start=b,clock=query,pid=42,since=q", "pid 42, active"),
    (prepared._action(PreparedTransaction("app-7", "7", "when", "app", "shop", age=1000.0), PG),
     f"rollback_prepared|{PG}|gid=app-7,prepared=when,transaction=7", "transaction app-7 of app@shop"),
    (Object(16384, "public.orders", "r", "vacuum").action(PG),
     f"vacuum|{PG}|name=public.orders,oid=16384,operation=vacuum", "public.orders"),
    (clients.action_for(RedisClient(7, "192.0.2.4:5123"), "idle", REDIS), f"kill_client|{REDIS}|id=7", "client 7 192.0.2.4:5123"),
    (clients.action_for(RedisClient(7, "192.0.2.4:5123", "worker"), "idle", REDIS),
     f"kill_client|{REDIS}|id=7", "client 7 192.0.2.4:5123 (worker)"),
    (clearing.action_for(clearing.Request(pattern="cache:*"), REDIS),
     f"clear_pattern|{REDIS}|database=0,pattern=cache:*", "database 0, pattern cache:*"),
    (clearing.action_for(clearing.Request(database=2, expected_keys=90), REDIS),
     f"flush_database|{REDIS}|database=2,expected_keys=90", "database 2"),
    (repair(raising=repairs.Raising(20000, before=50)),
     f"raise_maxclients|{REDIS}|maxclients=20000", "maxclients 20000"),
    (repair(saving=repairs.Saving("err")), f"save|{REDIS}|file=rdb", "file rdb"),
    (file("remove"), "remove_file|host:web1|inode=2049:77,path=/var/log/shop.log.1", "/var/log/shop.log.1"),
    (file("truncate"), "truncate_file|host:web1|inode=2049:77,path=/var/log/shop.log.1", "/var/log/shop.log.1"),
    (renewal("renew_certificate"), "renew_certificate|host:web1|certificate=none,name=shop.example.org", "certificate shop.example.org"),
    (renewal("settle_renewal", attempt="/b/1"), "settle_renewal|host:web1|attempt=/b/1,certificate=none,name=shop.example.org",
     "certificate shop.example.org"),
    (banning.action_for(ipaddress.ip_network("192.0.2.7/32"), jail="sshd", resource=BANS, seconds=600),
     f"ban|{BANS}|entry=192.0.2.7,jail=sshd", "192.0.2.7 in sshd"),
    (banning.action_for(ipaddress.ip_network("2001:db8::/32"), jail="", resource="crowdsec:web1", seconds=600),
     "ban|crowdsec:web1|entry=2001:db8::/32,jail=", "2001:db8::/32"),
    (unbanning.action_for(unbanning.Chosen(BAN, "192.0.2.7", SPAN, unbanning.BY_EXACT), resource=BANS),
     f"unban|{BANS}|entry=192.0.2.7,jail=sshd", "192.0.2.7 in sshd"),
    (unbanning.report_for(unbanning.Covered("192.0.2.7", SPAN, BAN), resource=BANS),
     f"unban|{BANS}|address=192.0.2.7,by=192.0.2.7,jail=sshd", "192.0.2.7 in sshd"),
    (unbanning.report_for(unbanning.Absent("192.0.2.7", SPAN), resource=BANS), f"unban|{BANS}|address=192.0.2.7", "192.0.2.7"),
]


@pytest.mark.parametrize(("action", "identity", "name"), ACTIONS, ids=[name for _action, _identity, name in ACTIONS])
def test_ids_and_names(action: Action, identity: str, name: str) -> None:
    assert (action.id, action.name) == (identity, name)


def test_a_rule_of_the_packet_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_removal.platform, "node", lambda: "web1")
    found = rule()
    assert found.id == (
        "remove_rule|packet_filter:web1|chain=input,family=ip,handle=4,rule=ip saddr 192.0.2.7 drop,table=filter,where=host"
    )
    assert found.name == "192.0.2.7 in host ip filter input handle 4"


def test_the_target_of_act_is_the_callers() -> None:
    assert acting.named({"service": "checkout", "unit": "checkout.service", "replicas": 2, "more": ["x"], "none": ""}) == (
        "service checkout, unit checkout.service, replicas 2"
    )
