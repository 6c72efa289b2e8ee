# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Protection classes by table: each alone is enough, and nothing else protects."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.protection import (
    Policy,
    auxiliary,
    protections,
    provider_of,
)

VICTIM = Backend(pid=10, backend_start="t", user="app", application_name="web", state="active", query="SELECT 1")
POLICY = Policy(own_pid=1)


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, ()),
    ({"pid": 1}, ("own_session",)),
    ({"application_name": "oncall.incident/run"}, ("own_run",)),
    ({"application_name": "OnCall.Incident"}, ("own_run",)),
    ({"readable": False, "backend_type": None}, ("not_readable",)),
    ({"backend_type": "walsender"}, ("backend_type:walsender",)),
    ({"backend_type": "autovacuum worker"}, ("backend_type:autovacuum worker",)),
    ({"backend_type": "pg_cron launcher"}, ("backend_type:pg_cron launcher",)),
    ({"backend_type": "parallel worker", "leader_pid": 9}, ("backend_type:parallel worker", "parallel_worker")),
    ({"leader_pid": 10}, ()),  # the leader itself
    ({"holds_slot": True}, ("replication",)),
    ({"superuser": True, "user": "postgres"}, ("superuser",)),
    ({"user": "rdsadmin"}, ("provider_role",)), ({"user": "cloudsqladmin"}, ("provider_role",)), ({"user": "azuresu"}, ("provider_role",)),
    ({"user": "supabase_auth_admin"}, ("provider_role",)), ({"user": "cloud_admin"}, ("provider_role",)),
    ({"user": "rds_superuser"}, ()),
    ({"application_name": "pg_dump"}, ("backup_tool",)), ({"application_name": "pgBackRest [backup]"}, ("backup_tool",)),
    ({"application_name": "Barman"}, ("backup_tool",)), ({"application_name": "wal-g"}, ("backup_tool",)),
    ({"application_name": "my pg_dump"}, ()),
    ({"query": "VACUUM orders"}, ("utility_statement",)), ({"query": "VACUUM orders", "state": "idle in transaction"}, ()),
    ({"query": "VACUUM orders", "state": "idle"}, ()),
    ({"query": "SELECT pg_backup_start('x')", "state": "idle in transaction"}, ("began_backup",)),
    ({"query": "SELECT pg_start_backup('x', false, false)", "state": "idle"}, ("began_backup",)),
    ({"query": "/* incident:keep */ SELECT 1"}, ("keep_comment",)), ({"query": "SELECT 'incident:keep'"}, ()),
    ({"query": "COMMIT", "wait_event_type": "IPC", "wait_event": "SyncRep"}, ("synchronous_commit",)),
    ({"wait_event_type": "IPC", "wait_event": "ParallelFinish"}, ()),
    ({"progress": ("pg_stat_progress_copy",)}, ("progress:pg_stat_progress_copy",)),
    ({"roles": ("payroll",)}, ("member_of:payroll",)),
    ({"may_signal": False}, ("not_permitted",)),
])
def test_protections(changes: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert protections(dataclasses.replace(VICTIM, **changes), POLICY) == expected


@pytest.mark.parametrize(("policy", "expected"), [
    ({"allow_superuser_roles": ("boss",)}, ("superuser",)),
    ({"own_superuser": True}, ("superuser",)),
    ({"own_superuser": True, "allow_superuser_roles": ("other",)}, ("superuser",)),
    ({"own_superuser": True, "allow_superuser_roles": ("boss",)}, ()),
])
def test_superusers_only_when_named_and_we_are_one(policy: dict[str, Any], expected: tuple[str, ...]) -> None:
    boss = dataclasses.replace(VICTIM, user="boss", superuser=True)
    assert protections(boss, dataclasses.replace(POLICY, **policy)) == expected


def test_an_empty_name_protects_nobody() -> None:
    assert protections(VICTIM, dataclasses.replace(POLICY, protect_application_names=("",))) == ()


@pytest.mark.parametrize(("backend_type", "expected"), [
    ("checkpointer", True), ("io worker", True), ("autovacuum launcher", True), ("walsender", False), ("client backend", False),
    ("autovacuum worker", False), ("some extension's worker", False),
])
def test_auxiliary(backend_type: str, expected: bool) -> None:
    assert auxiliary(Backend(pid=1, backend_type=backend_type)) is expected


@pytest.mark.parametrize(("roles", "expected"), [
    ([], None), (["postgres", "app"], None), (["rds_superuser"], "rds"), (["cloudsqlsuperuser"], "cloudsql"), (["azure_pg_admin"], "azure"),
    (["neon_superuser"], "neon"), (["supabase_admin", "postgres"], "supabase"),
])
def test_provider_of(roles: list[str], expected: str | None) -> None:
    assert provider_of(roles) == expected
