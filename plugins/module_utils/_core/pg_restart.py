# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a PostgreSQL server must not be restarted now.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Dependants:
    """How many backups run and how many receivers of WAL are attached. None: it cannot be seen, and then counts as there."""

    backups: t.Optional[int] = None
    replicas: t.Optional[int] = None

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        return dataclasses.asdict(self)


def restart_obstacles(
    seen: Dependants, *, stopped: bool, not_shown: str, despite_backup: bool = False, despite_replica: bool = False,
) -> list[str]:
    """Why the server must not be restarted now; empty when nothing is in the way.

    Args:
        stopped: the server has no process. Nobody can depend on it, and its start ends nobody.
        not_shown: why it is not shown that the service is this server; empty when it is.
        despite_backup, despite_replica: whether these are accepted.
    """
    if stopped:
        return []
    against = [not_shown] if not_shown else []
    if not despite_backup:
        against += _there(seen.backups, "a backup runs", "whether a backup runs cannot be seen")
    if not despite_replica:
        against += _there(
            seen.replicas, "a replica or another receiver of WAL is attached", "whether a replica is attached cannot be seen",
        )
    return against


def _there(count: t.Optional[int], one: str, unseen: str) -> list[str]:
    if count is None:
        return [unseen]
    return [one] if count else []
