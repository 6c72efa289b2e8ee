# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sessions are never touched, and why. No rule and no filter overrides it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .backends import Backend

#: Compared with the beginning of application_name, whatever its case.
BACKUP_TOOLS: tuple[str, ...] = ("pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup", "pgbackrest", "barman", "wal-g")

#: The clouds' own roles, by provider. The customers' administrators (rds_superuser and the like) are not among them.
PROVIDER_ROLES: t.Mapping[str, tuple[str, ...]] = {
    "rds": ("rdsadmin", "rdsrepladmin", "rdswriteforwarduser"),
    "cloudsql": ("cloudsqladmin", "cloudsqlagent", "cloudsqlreplica", "cloudsqlimportexport", "cloudsqllogical", "cloudsqlobservability"),
    "azure": ("azuresu", "azure_superuser", "azure_pg_replication"),
    "supabase": (
        "supabase_admin", "supabase_auth_admin", "supabase_storage_admin", "supabase_replication_admin", "supabase_read_only_user",
        "supabase_etl_admin", "supabase_realtime_admin",
    ),
    "neon": ("cloud_admin",),
}
_ALL_PROVIDER_ROLES = frozenset(role for roles in PROVIDER_ROLES.values() for role in roles)

# These expressions mean the same to Python and, as POSIX expressions with the flag for any case, to PostgreSQL:
# the server tests them again in the statement that signals. So no lazy matching and no \b in them.
_SKIPPED = r"(\s|--[^\n]*\n|/\*([^*]|\*+[^*/])*\*+/|\()*"
UTILITY = (
    r"(^|;)" + _SKIPPED + r"(alter|analyse|analyze|cluster|comment|copy|create|drop|grant|import|reassign|refresh|reindex|repack|revoke"
    r"|security|truncate|vacuum|checkpoint)([^a-z0-9_]|$)"
)
BEGINS_BACKUP = r"(pg_backup_start|pg_start_backup)\s*\("
KEEP = r"(/\*[^*]*|--[^\n]*)incident:keep"
#: Why a session is spared that runs DDL, VACUUM, COPY and the like.
UTILITY_STATEMENT = "utility_statement"
#: Why a session is spared of which nobody knows what it does, and for how long.
UNTOLD = "activity_not_tracked"
#: Why a session is spared whose commit waits for its synchronous standby.
SYNCHRONOUS_COMMIT = "synchronous_commit"
#: What helps such a session, and why nothing that ends it does.
COMMIT_WAITS = (
    "The commit waits for a synchronous standby. Bring one back, or take it out of synchronous_standby_names and reload: the commit goes "
    "on by itself then. A cancel, a terminate or a restart of the server would leave a commit that no standby has."
)
_UTILITY, _BEGINS_BACKUP, _KEEP = (re.compile(text, re.IGNORECASE) for text in (UTILITY, BEGINS_BACKUP, KEEP))

#: Processes of the server itself that nobody would think of as sessions: not even listed as protected.
_AUXILIARY = frozenset({
    "archiver", "autovacuum launcher", "background writer", "checkpointer", "io worker", "logger", "logical replication launcher",
    "slotsync worker", "startup", "stats collector", "walreceiver", "walsummarizer", "walwriter",
})


@dataclasses.dataclass(frozen=True)
class Policy:
    """What is protected beside the fixed classes, and who we are.

    Attributes:
        own_pid: our own session.
        own_prefix: application names that begin so are other runs of ours.
        own_superuser: whether our role is a superuser.
        allow_superuser_roles: superuser roles that may be chosen all the same, if ours is one too.
        protect_application_names: prefixes, any case.
    """

    own_pid: int = -1
    own_prefix: str = "oncall.incident"
    own_superuser: bool = False
    allow_superuser_roles: tuple[str, ...] = ()
    protect_application_names: tuple[str, ...] = BACKUP_TOOLS

    def superuser_allowed(self, user: str | None) -> bool:
        """Whether a superuser session of this role may be chosen."""
        return self.own_superuser and user in self.allow_superuser_roles


def auxiliary(backend: Backend) -> bool:
    """Whether it is not a session but a part of the server."""
    return backend.backend_type in _AUXILIARY or (backend.backend_type is None and backend.readable and backend.user is None)


def protections(backend: Backend, policy: Policy) -> tuple[str, ...]:
    """Why the session must not be touched, as codes; empty when nothing protects it.

    Utility statements protect while they run: one that is over no longer does, so a migration that went idle in its
    transaction and blocks everybody can be ended.
    """
    found = [name for name, holds in _tests(backend, policy) if holds]
    return tuple(found + [f"progress:{view}" for view in backend.progress] + [f"member_of:{role}" for role in backend.roles])


def _tests(backend: Backend, policy: Policy) -> t.Iterator[tuple[str, bool]]:
    name = backend.application_name.lower()
    yield "own_session", backend.pid == policy.own_pid
    yield "own_run", backend.pid != policy.own_pid and name.startswith(policy.own_prefix.lower())
    yield "not_readable", not backend.readable
    yield f"backend_type:{backend.backend_type}", backend.readable and not backend.is_client
    yield "replication", backend.holds_slot
    yield "parallel_worker", backend.leader_pid is not None and backend.leader_pid != backend.pid
    yield "superuser", backend.superuser and not policy.superuser_allowed(backend.user)
    yield "provider_role", backend.user in _ALL_PROVIDER_ROLES
    yield "backup_tool", any(name.startswith(prefix.lower()) for prefix in policy.protect_application_names if prefix)
    yield UTILITY_STATEMENT, runs_utility(backend)
    yield "began_backup", bool(_BEGINS_BACKUP.search(backend.query))
    # A cancel or a terminate ends the wait: the client is told of a commit that no standby has.
    yield SYNCHRONOUS_COMMIT, backend.waits_for_standby
    yield "keep_comment", bool(_KEEP.search(backend.query))
    yield UNTOLD, backend.untold
    yield "not_permitted", backend.is_client and not backend.may_signal


def runs_utility(backend: Backend) -> bool:
    """Whether it is running DDL, VACUUM, COPY, REFRESH and the like now."""
    return not backend.in_transaction_idle and backend.state != "idle" and bool(_UTILITY.search(backend.query))


def provider_of(roles: t.Iterable[str]) -> str | None:
    """Whose service the server is, by the roles it has; None for one's own server."""
    found = set(roles)
    return next((provider for provider, marks in PROVIDER_MARKS.items() if found & set(marks)), None)


#: Roles that show whose service it is.
PROVIDER_MARKS: t.Mapping[str, tuple[str, ...]] = {
    "supabase": ("supabase_admin",), "neon": ("neon_superuser",), "rds": ("rdsadmin", "rds_superuser"),
    "cloudsql": ("cloudsqladmin", "cloudsqlsuperuser"), "azure": ("azuresu", "azure_pg_admin"),
}
PROVIDER_NOTES: t.Mapping[str, str] = {
    "supabase": "Supabase: the role postgres may signal other roles' sessions, but not those of supabase_admin and other superusers.",
    "neon": "Neon: a role may signal its own sessions only, unless it was granted pg_signal_backend.",
    "rds": "Amazon RDS: rds_superuser or a member of pg_signal_backend may signal, but not the sessions of rdsadmin.",
    "cloudsql": "Cloud SQL: cloudsqlsuperuser includes pg_signal_backend, but the sessions of cloudsqladmin are out of reach.",
    "azure": "Azure Database: azure_pg_admin includes pg_signal_backend, but the sessions of azuresu are out of reach.",
}
