# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules by table: clocks any-of, filters all-of, exclusions win, bad ones named."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import (
    Rule,
    default_rules,
    parse_ages,
    parse_rules,
)

ACTIVE = Backend(
    pid=1, user="app", database="shop", application_name="web-1", client_addr="192.0.2.7", state="active", query="SELECT *\nFROM Orders",
    query_start="q", query_age=100.0, xact_start="x", transaction_age=200.0, state_change="s", state_age=100.0,
)
IDLE_IN = dataclasses.replace(ACTIVE, state="idle in transaction")
ABORTED = dataclasses.replace(ACTIVE, state="idle in transaction (aborted)")
IDLE = dataclasses.replace(ACTIVE, state="idle", xact_start=None, transaction_age=None)


def rule(**options: Any) -> Rule:
    return parse_rules([options])[0]


@pytest.mark.parametrize(("options", "backend", "expected"), [
    ({"min_query_age": "100"}, ACTIVE, ["query"]),
    ({"min_query_age": "101"}, ACTIVE, []),
    ({"min_query_age": 0}, IDLE_IN, []),  # its query is over
    ({"min_transaction_age": "200s"}, ACTIVE, ["transaction"]),
    ({"min_transaction_age": "200s"}, IDLE_IN, ["transaction"]),
    ({"min_transaction_age": 0}, IDLE, []),
    ({"min_idle_in_transaction_age": 100}, IDLE_IN, ["idle_in_transaction"]),
    ({"min_idle_in_transaction_age": 100}, ABORTED, ["idle_in_transaction"]),
    ({"min_idle_in_transaction_age": 0}, ACTIVE, []),
    ({"min_idle_age": 100}, IDLE, ["idle"]),
    ({"min_idle_age": 0}, IDLE_IN, []),
    ({"min_query_age": 90, "min_transaction_age": 50}, ACTIVE, ["transaction", "query"]),  # the longest overdue first
    ({"min_query_age": 10, "min_transaction_age": 190}, ACTIVE, ["query", "transaction"]),
    ({"min_query_age": 10, "min_transaction_age": 900}, ACTIVE, ["query"]),  # any-of
    ({"min_query_age": 0}, dataclasses.replace(ACTIVE, query_start=None, query_age=None), []),
    ({"min_query_age": 0}, dataclasses.replace(ACTIVE, state="disabled"), []),
])
def test_clocks(options: dict[str, Any], backend: Backend, expected: list[str]) -> None:
    assert [clock.name for clock in rule(**options).clocks(backend)] == expected


@pytest.mark.parametrize(("options", "expected"), [
    ({}, True),
    ({"users": ["app"]}, True), ({"users": ["APP"]}, False), ({"users": ["x", "a*"]}, True), ({"databases": ["sh?p"]}, True),
    ({"application_names": ["web"]}, False), ({"application_names": ["web-[0-9]"]}, True), ({"states": ["active"]}, True),
    ({"states": ["idle"]}, False), ({"client_addresses": ["192.0.2.0/24"]}, True),
    ({"client_addresses": ["198.51.100.0/24", "local"]}, False),
    ({"client_addresses": ["192.0.2.7"]}, True), ({"client_addresses": ["2001:db8::/32"]}, False),
    ({"query": r"select .*from orders"}, True), ({"query": "delete"}, False),
    ({"users": ["app"], "databases": ["other"]}, False),  # all-of
    ({"exclude_users": ["app"]}, False), ({"exclude_users": ["other"]}, True), ({"users": ["app"], "exclude_query": "orders"}, False),
    ({"exclude_client_addresses": ["192.0.2.0/25"]}, False), ({"exclude_states": ["active"], "exclude_users": ["x"]}, False),
])
def test_filters(options: dict[str, Any], expected: bool) -> None:
    assert rule(**options).passes_filters(ACTIVE) is expected


@pytest.mark.parametrize(("address", "networks", "expected"), [
    (None, ["local"], True), (None, ["0.0.0.0/0", "::/0"], False), ("2001:db8::5", ["2001:db8::/64"], True),
    ("::ffff:192.0.2.7", ["192.0.2.0/24"], True), ("fe80::1%eth0", ["fe80::/10"], True), ("192.0.2.7", ["192.0.2.1/24"], True),
])
def test_addresses(address: str | None, networks: list[str], expected: bool) -> None:
    assert rule(client_addresses=networks).passes_filters(dataclasses.replace(ACTIVE, client_addr=address)) is expected


def test_a_filter_that_is_an_empty_list_is_not_stated() -> None:
    assert rule(users=[], exclude_users=[]).passes_filters(ACTIVE)


def test_a_rule_without_clocks_has_the_default_ones_and_one_with_any_has_only_those() -> None:
    assert rule().ages == {"query": 300.0, "transaction": 900.0, "idle_in_transaction": 300.0}
    assert rule(min_query_age="1m").ages == {"query": 60.0}
    assert rule(min_idle_age="0").ages == {"idle": 0.0}
    assert parse_rules([{}], ages={"query": 1.0})[0].ages == {"query": 1.0}


def test_no_rules_are_the_default_ones_and_an_empty_list_is_none() -> None:
    assert [one.name for one in parse_rules(None)] == ["root_blockers", "idle_in_transaction", "long_running"]
    assert [one.ages for one in default_rules({"query": 1.0, "transaction": 2.0, "idle_in_transaction": 3.0})] == [
        {"query": 1.0, "transaction": 2.0, "idle_in_transaction": 3.0}, {"idle_in_transaction": 3.0}, {"query": 1.0, "transaction": 2.0},
    ]
    assert parse_rules([]) == ()


@pytest.mark.parametrize(("options", "argument"), [
    ({"query": "["}, "query"), ({"exclude_query": "(?P<"}, "exclude_query"), ({"client_addresses": ["db1"]}, "client_addresses"),
    ({"exclude_client_addresses": ["192.0.2.0/33"]}, "exclude_client_addresses"), ({"min_idle_age": "-1"}, "min_idle_age"),
    ({"min_blocked": -1}, "min_blocked"), ({"min_group_size": -1}, "min_group_size"), ({"victims": "youngest"}, "victims"),
    ({"group_by": "user"}, "group_by"), ({"idle_when_above_percent": 50, "idle_target_percent": 60}, "idle_target_percent"),
    ({"idle_when_above_percent": 101}, "idle_target_percent"),
])
def test_bad_rules_name_the_rule_and_the_option(options: dict[str, Any], argument: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_rules([{"name": "good"}, options])
    assert (caught.value.facts["rule"], caught.value.facts["argument"]) == ("rule_2", argument)
    assert caught.value.message.startswith("Rule rule_2: ")


def test_names_are_unique() -> None:
    with pytest.raises(BadInput):
        parse_rules([{"name": "a"}, {"name": "a"}])


def test_ages_from_the_options_of_a_module() -> None:
    assert parse_ages({"min_query_age": "5m", "min_transaction_age": None, "other": 1}) == {"query": 300.0}
