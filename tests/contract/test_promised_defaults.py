# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defaults that users were promised: to change one is a decision, not a slip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.args import connection_spec
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import default_rules
from ansible_collections.oncall.incident.plugins.modules import fail2ban_ban, fail2ban_unban, pg_terminate_long_queries

ROLE = Path(__file__).parents[2] / "roles" / "postgres" / "defaults" / "main.yml"
REDIS_ROLE = Path(__file__).parents[2] / "roles" / "redis" / "defaults" / "main.yml"
LIMITS = {
    "max_victims": 10, "max_percent": 25, "min_query_age": "5m", "min_idle_in_transaction_age": "5m", "min_transaction_age": "15m",
    "strategy": "escalate", "allow_superuser_roles": [], "protect_roles": [], "rollback_prepared": False, "cancel_lock_queue": False,
    "min_lock_wait_age": "10s",
}
OFF = {"postgres_restart_database": False, "postgres_min_idle_age": "", "postgres_maintain": [], "postgres_maintain_worst": 0,
       "postgres_restart_despite_backup": False, "postgres_restart_despite_replica": False}


REDIS = {
    "redis_restart": "auto", "redis_accept_data_loss": False, "redis_clear": "auto", "redis_clear_pattern": "", "redis_clear_flush": False,
    "redis_clear_not_a_cache": False, "redis_clear_max_keys": 10000, "redis_free_disk_command": [], "redis_remove_stale_rdb": False,
    "redis_raise_maxclients": 0, "redis_kill_max_victims": 10, "redis_kill_max_percent": 25, "redis_kill_min_idle": "5m",
    "redis_kill_pubsub": False, "redis_repoint_primary_host": "",
}


def test_what_loses_data_is_off() -> None:
    defaults: dict[str, Any] = yaml.safe_load(REDIS_ROLE.read_text())
    assert {name: defaults[name] for name in REDIS} == REDIS
    assert "redis_clear_expected_keys" not in defaults, "only the caller knows"


def test_limits_of_the_module() -> None:
    spec = pg_terminate_long_queries.argument_spec()
    assert {name: spec[name]["default"] for name in LIMITS} == LIMITS
    assert "default" not in spec["min_idle_age"], "no idle connection is ended unless somebody says so"
    assert "default" not in spec["approved"], "no approval is no restriction but the limits; an empty one is nothing"
    assert spec["protect_application_names"]["default"] == [
        "pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup", "pgbackrest", "barman", "wal-g",
    ]


def test_limits_of_the_role() -> None:
    defaults: dict[str, Any] = yaml.safe_load(ROLE.read_text())
    assert {name: defaults[f"postgres_{name}"] for name in LIMITS} == LIMITS
    assert {name: defaults[name] for name in OFF} == OFF
    assert defaults["postgres_verify_checks"] == ["connections", "blocking", "idle_in_transaction", "long_queries"]


def test_rules_without_any() -> None:
    assert [rule.name for rule in default_rules()] == ["root_blockers", "idle_in_transaction", "long_running"]
    assert default_rules()[0].ages == {"query": 300, "transaction": 900, "idle_in_transaction": 300}
    assert not any(rule.include_waiters for rule in default_rules())


def test_full_servers_are_tried_for_half_a_minute() -> None:
    assert connection_spec()["connect_retry"]["default"] == "30s"


def test_limits_of_letting_in_and_keeping_out() -> None:
    """Read from the documentation, which ansible-test compares with the arguments."""
    unban, ban = (yaml.safe_load(module.DOCUMENTATION)["options"] for module in (fail2ban_unban, fail2ban_ban))
    promised = {
        "covering": "report", "max_entries": 20, "max_victims": 1000, "repair": False, "resolve": False, "verify": ["auto"],
        "observe": "3s",
    }
    assert {name: unban[name]["default"] for name in promised} == promised
    assert not [name for name in ("confirm_all", "hold") if "default" in unban[name]]
    assert "default" not in APPROVED_SPEC, "left out it is no restriction, and an empty one allows nothing"
    assert {name: ban[name]["default"] for name in ("max_victims", "allow_private", "never_ban", "verify")} == {
        "max_victims": 10, "allow_private": False, "never_ban": [], "verify": ["auto"],
    }


def test_whom_the_firewall_scenarios_may_touch() -> None:
    defaults: dict[str, Any] = yaml.safe_load((ROLE.parents[2] / "fail2ban" / "defaults" / "main.yml").read_text())
    promised = {
        "fail2ban_max_addresses": 20, "fail2ban_max_victims": 10, "fail2ban_max_rules": 3, "fail2ban_attack_min_failures": 20,
        "fail2ban_covering": "report", "fail2ban_repair": False, "fail2ban_hold": "", "fail2ban_remove_rules": False,
        "fail2ban_allow_private": False, "fail2ban_service_action": "none",
    }
    assert {name: defaults[name] for name in promised} == promised
