# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server does not tell, and what must be granted or switched on so that it does.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.findings import Skipped
from .backends import Backend

_MAX_NAMED = 3


def quoted(identifier: str) -> str:
    """An identifier for a statement that people run."""
    return '"' + identifier.replace('"', '""') + '"'


def unseen_sessions(check: str, sessions: t.Iterable[Backend], *, login: str) -> list[Skipped]:
    """The check as one that could not look at some sessions.

    Args:
        sessions: those of which the server does not say what they do.
        login: our role.
    """
    found = list(sessions)
    hidden, untracked = [one for one in found if not one.readable], [one for one in found if one.readable]
    skipped = []
    if untracked:
        wake = " ".join(f"ALTER ROLE {quoted(role)} SET track_activities = on;" for role in _roles(untracked)[:_MAX_NAMED])
        skipped.append(Skipped(
            check,
            f"tracking_off: track_activities is off, or was, for {_named(untracked)}: the server does not say what they do, or since when",
            f"Run as a superuser: {wake} It counts for new sessions.",
        ))
    if hidden:
        skipped.append(Skipped(
            check, f"permission_denied: {login} may not see {_named(hidden)}",
            f"Run as a superuser: GRANT pg_read_all_stats TO {quoted(login)}; (pg_monitor includes it).",
        ))
    return skipped


def uncounted_rows(
    *, counting: bool, off_for: t.Sequence[str], database: str, check: str = "vacuum", what: str = "dead rows",
) -> list[Skipped]:
    """The check as one whose numbers are missing.

    Args:
        counting: whether track_counts is on in our session.
        off_for: roles and databases for which it is off: `role app`.
        database: the one that is looked at.
        what: is not counted.
    """
    if counting and not off_for:
        return []
    who = _some(off_for) if off_for else "the server"
    return [Skipped(
        check, f"tracking_off: track_counts is off for {who}: {what} in database {database} are not counted",
        "Switch track_counts on there (ALTER SYSTEM, ALTER DATABASE or ALTER ROLE ... SET track_counts = on): autovacuum needs it too.",
    )]


def untracked_statements(*, track: t.Optional[str], query_ids: t.Optional[str], off_for: t.Sequence[str]) -> list[Skipped]:
    """The check statements as one that sees no statements, or not everybody's.

    Args:
        track, query_ids: pg_stat_statements.track and compute_query_id; None where the server does not have the setting.
        off_for: roles and databases for which the first is none or the second is off.
    """
    off = [name for name, value, never in (
        ("pg_stat_statements.track", track, "none"), ("compute_query_id", query_ids, "off"),
    ) if value == never]
    if not off and not off_for:
        return []
    what = f"{' and '.join(off)} switched off" if off else f"they are switched off for {_some(off_for)}"
    return [Skipped(
        "statements", f"tracking_off: statements are not collected: {what}",
        "Set pg_stat_statements.track to top and compute_query_id to auto there (ALTER SYSTEM, ALTER DATABASE or ALTER ROLE).",
    )]


def _roles(sessions: t.Iterable[Backend]) -> list[str]:
    return sorted({one.user or "" for one in sessions})


def _named(sessions: t.Sequence[Backend]) -> str:
    pids = _some([str(pid) for pid in sorted(one.pid for one in sessions)])
    roles = _some([f"role {role}" for role in _roles(sessions)])
    return f"{len(sessions)} session{'s' if len(sessions) > 1 else ''} of {roles} (pid {pids})"


def _some(names: t.Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
