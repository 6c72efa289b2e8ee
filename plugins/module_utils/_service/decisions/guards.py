# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a service must not be started, restarted or scaled now: sentences for people.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.words import few, number

Dict = t.Mapping[str, t.Any]


def against_crash_loop(service: str, instances: t.Sequence[Dict], *, restarts: Dict) -> list[str]:
    """Against the restart of what crashes by itself: its runtime starts it again all the time, and that has not helped.

    Args:
        instances: of the service, as in the result of service_health.
        restarts: its finding of the check `restarts`; empty without one.
    """
    dying = [one for one in instances if one.get("restarting")]
    if not dying and restarts.get("status") != "critical":
        return []
    words = next((str(one["reason"]) for one in (*dying, *instances) if one.get("reason")), "")
    ended = next((one["exit_code"] for one in (*dying, *instances) if one.get("exit_code")), None)
    last = words or (f"it ended with {ended}" if ended is not None else str(restarts.get("hint") or ""))
    said = f"{service} crashes by itself and its runtime starts it again, so a restart would change nothing"
    return [f"{said}: {last}" if last else said]


def against_storm(service: str, starts: t.Mapping[str, int], *, per_hour: int) -> list[str]:
    """Against one restart more than there may be in an hour, whoever made those before: other runs, a watchdog, people.

    Args:
        starts: how often each instance was started within the last hour, as its runtime knows it.
        per_hour: how often it may be; 0 allows any number.
    """
    worst = max(starts.values(), default=0)
    if per_hour <= 0 or worst < per_hour:
        return []
    return [f"{service} was started {worst} times within the last hour, and {per_hour} are allowed (service_restarts_per_hour)"]


def against_dependencies(service: str, needs: t.Sequence[str], *, well: t.Mapping[str, t.Optional[bool]]) -> list[str]:
    """Against the restart of what could not work anyway, and would only come back with all its connections at once.

    Args:
        needs: names of services or probes, its `depends_on`.
        well: whether each that is known is well; None where that could not be seen.
    """
    down = [name for name in needs if name in well and well[name] is False]
    unseen = [name for name in needs if name not in well or well[name] is None]
    found = [f"{service} needs {few(down, most=5)}, which does not answer"] if down else []
    return found + ([f"{service} needs {few(unseen, most=5)}, of which nothing is known"] if unseen else [])


def against_connections(
    service: str, *, pool: t.Any, count: int, before: int, total: int, capacities: t.Sequence[t.Any], limit: t.Any,
) -> list[str]:
    """Against more instances than the databases have connections for.

    Args:
        pool: connections that each instance may open; 0 where that is not known.
        count, before: how many instances there are to be, and how many there are.
        total: connections that all services of the run may open then.
        capacities: how many connections each database of the run gives to applications.
        limit: the operator's word on that, which goes before; empty where there is none.
    """
    if count <= before or (not number(pool) and not capacities and limit == ""):
        return []
    if not number(pool):
        return [f"how many connections each instance of {service} opens is not known: say it in its pool"]
    if limit == "" and not capacities:
        return [f"how many connections the database of {service} gives is not known: say it in service_pool_limit"]
    room = number(limit) if limit != "" else min(number(one) for one in capacities)
    return [f"all pools together would want {total} connections, the server gives {room}"] if total > room else []
