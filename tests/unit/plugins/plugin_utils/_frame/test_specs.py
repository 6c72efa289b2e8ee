# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of documented variables are judged before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.specs import (
    WITHDRAWN,
    address_errors,
    basic_of,
    load_accepted,
    load_options,
    order_errors,
    value_errors,
)

ROLES = Path(__file__).resolve().parents[5] / "roles"
OPTIONS: dict[str, dict[str, Any]] = {
    "x_count": {"type": "int", "default": 3},
    "x_mode": {"type": "str", "choices": ["a", "b"]},
    "x_verify_timeout": {"type": "str", "default": "30s"},
    "x_name": {"type": "str", "default": "3 musketeers"},
    "x_secret": {"type": "int", "no_log": True},
    "x_rows": {"type": "list", "elements": "dict", "options": {"name": {"type": "str", "required": True}}},
}


def test_right_values_give_nothing() -> None:
    values = {"x_count": "4", "x_mode": "a", "x_verify_timeout": "90", "x_name": "n", "x_rows": [{"name": "n"}], "y": object()}
    assert value_errors(values, OPTIONS) == []


@pytest.mark.parametrize(("values", "said"), [
    ({"x_count": "many"}, "x_count"),
    ({"x_mode": "c"}, "must be one of: a, b, got: c"),
    ({"x_verify_timeout": "soon"}, "x_verify_timeout: 'soon' is not a duration"),
    ({"x_verify_timeout": "-5s"}, "for example 30s"),
    ({"x_rows": [{}]}, "name"),
    ({"x_rows": [{"name": "n", "size": 3}]}, "size"),
])
def test_wrong_values_are_named(values: dict[str, Any], said: str) -> None:
    errors = value_errors(values, OPTIONS)
    assert len(errors) == 1
    assert said in errors[0]


def test_a_secret_is_not_repeated() -> None:
    assert value_errors({"x_secret": "hunter2"}, OPTIONS) == ["x_secret has a wrong type or value."]


@pytest.mark.parametrize("role", ["incident", "postgres", "service"])
def test_the_roles_can_be_read(role: str) -> None:
    assert any(name.startswith(f"{role}_") for name in load_options(ROLES, role))


@pytest.mark.parametrize(("value", "wrong"), [
    (["192.0.2.7", "2001:DB8::7", "192.0.2.0/24", "[2001:db8::7]"], []),
    ("192.0.2.7, 2001:db8::7", []),
    (["192.0.2.300", "192.0.2.7"], ["192.0.2.300"]),
    (["www.example.org"], ["www.example.org"]),
    ("192.0.2.7,", ["''"]),
    ([7.5], ["7.5"]),
    (None, []), ([], []),
])
def test_addresses(value: Any, wrong: list[str]) -> None:
    said = address_errors("x_addresses", value)
    assert [one.partition(" is neither an IP address nor a network. Write ")[0] for one in said] == [f"x_addresses: {one}" for one in wrong]


@pytest.mark.parametrize(("description", "number", "basic"), [
    (["It does.", "Basic variables: O(x_2), O(x_1). All others are advanced."], 20, ["x_2", "x_1"]),
    ("Basic variables: O(x_1). All others are advanced.", 3, ["x_1"]),
    (["It does."], 3, ["x_0", "x_1", "x_2"]),
    (["It does."], 11, []),
])
def test_basic_variables_are_those_of_the_description_or_all_of_few(description: Any, number: int, basic: list[str]) -> None:
    assert basic_of({"description": description, "options": {f"x_{one}": {} for one in range(number)}}) == basic


@pytest.mark.parametrize("name", WITHDRAWN)
def test_what_was_an_option_is_accepted_with_the_value_that_holds(name: str) -> None:
    role = name.partition("_")[0]
    accepted = load_accepted(ROLES, role)
    assert name not in load_options(ROLES, role)
    assert value_errors({name: "systemd"}, accepted) == []
    assert "must be one of: systemd, got: compose" in " ".join(value_errors({name: "compose"}, accepted))


@pytest.mark.parametrize(("values", "said"), [
    ({"redis_login_host": "redis://cache1:6380"},
     "redis_login_host: a URL is not a host. Give redis_login_host: cache1 and redis_login_port"),
    ({"postgres_login_host": "db1:5433"}, "Give postgres_login_host: db1 and postgres_login_port: 5433."),
    ({"postgres_max_victims": -1}, "postgres_max_victims: -1 is out of range. Allowed: 0 or more."),
    ({"postgres_rules": [{"name": "old", "min_query_age": "-5s"}]}, "postgres_rules: min_query_age: '-5s' is not a duration."),
    ({"fail2ban_ports": [22, 70000]}, "fail2ban_ports: 70000 is out of range."),
    ({"postgres_maintain_worst": -1}, "postgres_maintain_worst: -1 is out of range."),
    ({"postgres_maintain_time_limit": "0s"}, "postgres_maintain_time_limit: 0s is out of range."),
    ({"postgres_thresholds": {"connections_warning": -5}}, "postgres_thresholds: connections_warning: -5 is not usable."),
    ({"postgres_thresholds": {"long_queries_warning": "soon"}}, "postgres_thresholds: long_queries_warning: 'soon' is not a duration."),
    ({"postgres_thresholds": {"blocking_warning": "2m"}}, "postgres_thresholds: blocking_warning is beyond blocking_critical."),
    ({"postgres_thresholds": {"conections_warning": 80}}, "no option conections_warning. Did you mean connections_warning?"),
    ({"postgres_thresholds": {"vacuum_min_dead_rows": -1}}, "postgres_thresholds: vacuum_min_dead_rows: -1 is out of range."),
    ({"postgres_thresholds": {"standbys_expected": "two"}}, "postgres_thresholds: "),
    ({"postgres_thresholds": {"unused_indexes_min_age": "old"}}, "postgres_thresholds: unused_indexes_min_age: 'old' is not a duration."),
    ({"redis_thresholds": {"connections_warning": "-1"}}, "redis_thresholds: connections_warning: '-1' is not usable."),
])
def test_hosts_and_ranges_of_the_roles(values: dict[str, Any], said: str) -> None:
    role = next(iter(values)).partition("_")[0]
    (error,) = value_errors(values, load_options(ROLES, role))
    assert said in error


@pytest.mark.parametrize("values", [
    {"fail2ban_refusals_since": "", "fail2ban_hold": "", "fail2ban_attack_bantime": ""}, {"redis_login_host": "[2001:db8::7]"},
    {"postgres_thresholds": {"connections_warning": "off", "blocking_critical": "{{ later }}", "standbys_expected": 1}},
    {"redis_thresholds": {"connections_warning": 70}}, {"postgres_login_host": "/run/postgresql"},
    {"postgres_rules": [{"name": "old", "min_query_age": "5m"}]},
])
def test_what_the_roles_take(values: dict[str, Any]) -> None:
    role = next(iter(values)).partition("_")[0]
    assert value_errors(values, load_options(ROLES, role)) == []


@pytest.mark.parametrize(("values", "wrong"), [
    ({"postgres_verify_hold": "5m"}, True), ({"postgres_verify_hold": "5m", "postgres_verify_timeout": "10m"}, False),
    ({"postgres_disk_warning_percent": 95}, True), ({"postgres_disk_critical_percent": 70}, True), ({}, False),
])
def test_what_must_not_be_more_than_another(values: dict[str, Any], wrong: bool) -> None:
    assert bool(order_errors(values, load_options(ROLES, "postgres"))) is wrong


@pytest.mark.parametrize(("stated", "said"), [
    ({"memory_warning": "70", "latency_critical": "500ms", "errors_warning": "off", "misses_warning": False, "pings": 5}, ""),
    ({"memory_critical": "150"}, "memory_critical: 150 is out of range. Allowed: 0 to 100, or off."),
    ({"connections_warning": "-5"}, "connections_warning: '-5' is not usable. Give a number, or off."),
    ({"latency_warning": "soon"}, "latency_warning: 'soon' is not a duration"),
    ({"replication_bytes_warning": "much"}, "replication_bytes_warning: 'much' is not usable. Give bytes"),
    ({"memory_warning": "95"}, "memory_warning is beyond memory_critical. Give the lower value as the warning."),
    ({"pings": 0}, "pings: 0 is out of range. Allowed: 1 to 1000."),
    ({"sample_seconds": "2d"}, "sample_seconds: 2d is out of range."),
    ({"memory_warnin": "70"}, "there is no option memory_warnin. Did you mean memory_warning?"),
    ({"max_seconds": "9s", "wait_for": {"hold": "1s"}}, ""), ({"max_seconds": "0s"}, "max_seconds: 0s is out of range."),
    ({"no_such": "9s"}, "there is no option no_such."),
])
def test_thresholds_of_redis_that_cannot_be_are_named(stated: dict[str, Any], said: str) -> None:
    errors = value_errors({"redis_thresholds": stated}, load_options(ROLES, "redis"))
    assert len(errors) == bool(said) and all(one.startswith("redis_thresholds: ") and said in one for one in errors), errors
