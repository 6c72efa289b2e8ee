# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the instances of a service were started lately, as far as their runtime has kept it. Only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import collections
import typing as t

from .._core.errors import Blind
from .._core.words import command_words
from .._module.programs import Run
from .decisions.instance import Instance
from .decisions.services import Service

#: What systemd writes into the journal when it has started a unit, systemd.journal-fields(7) and `journalctl --catalog`.
_STARTED = "39f53479d3a045ac8e11786248231fbf"


def starts_lately(service: Service, instances: t.Sequence[Instance], *, since: float, now: float, run: Run) -> dict[str, int]:
    """The number of starts of each instance, by its id. It is never less than what the instance itself says of its last start.

    An engine keeps its last 256 events, and a journal may be short or not ours to read: there may have been more.

    Args:
        since, now: seconds since the epoch, by the host's own clock.
    """
    kept: t.Mapping[str, int] = {}
    if service.runtime == "compose" and instances:
        kept = _of_engine(service, since=since, now=now, run=run)
    elif service.runtime == "systemd" and instances:
        kept = _of_journal(service, instances[0], since=since, run=run)
    elif service.runtime == "kubernetes" and instances:
        kept = _of_cluster(service, instances, since=since, run=run)
    last = {one.id: int(one.started_at is not None and one.started_at >= since) for one in instances}
    return {one.id: max(kept.get(one.id, 0), last[one.id]) for one in instances}


def _of_engine(service: Service, *, since: float, now: float, run: Run) -> t.Mapping[str, int]:
    engine = command_words(service.where.get("container_command", ["docker"]))
    ran = run([
        # The moment itself: up to a whole second, the start that was just made would be missed.
        *engine, "events", "--since", f"{since:.6f}", "--until", f"{now:.6f}", "--filter", "type=container", "--filter", "event=start",
        "--format", "{{.Actor.ID}}",
    ])
    return collections.Counter(ran.out.split()) if not ran.problem else {}


def _of_cluster(service: Service, instances: t.Sequence[Instance], *, since: float, run: Run) -> t.Mapping[str, int]:
    # Each restart of a Deployment replaces all pods, so a pod itself knows of none.
    from .runtimes.kubernetes import rollouts

    try:
        count = rollouts(service, since=since, run=run)
    except Blind:
        return {}
    return {one.id: count for one in instances}


def _of_journal(service: Service, unit: Instance, *, since: float, run: Run) -> t.Mapping[str, int]:
    user = str(service.where.get("scope", "system")) == "user"
    ran = run([
        "journalctl", *(["--user"] if user else []), "--quiet", "--no-pager", "--output=cat", f"--since=@{since:.0f}",
        f"MESSAGE_ID={_STARTED}", f"{'USER_UNIT' if user else 'UNIT'}={unit.id}",
    ])
    return {unit.id: len(ran.out.splitlines())} if not ran.problem else {}
