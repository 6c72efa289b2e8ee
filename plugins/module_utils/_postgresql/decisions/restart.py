# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a PostgreSQL server must not be restarted now.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import CRITICAL, OK, Finding, Skipped
from ..._core.judging import Judged, Verdict, judge_look
from ..._core.recorded import Basis
from ..._core.words import few
from ..._service.decisions import identity
from .protection import COMMIT_WAITS
from .restart_cost import Cost, say

MODULE = "pg_restart_check"
CHECK = "restart"
_HINT_UNSEEN = (
    "What cannot be seen, as on a server that is frozen, is accepted with despite_backup and despite_replica "
    "(postgres_restart_despite_backup, postgres_restart_despite_replica)."
)
COMMITS = "a commit waits for its synchronous standby (bring one back, or take it out of synchronous_standby_names and reload)"
_UNSEEN = "cannot be seen"
#: So many of those who depend on it are named.
_NAMED = 3
_START = "The server is stopped, and its start was asked for."
_RESTART = "The restart of the server was asked for as the last resort."


@dataclasses.dataclass(frozen=True)
class Dependants:
    """Who would be harmed. None: it cannot be seen, and then counts as there.

    Attributes:
        backups: how many run.
        replicas: how many receivers of WAL are attached.
        commits: how many sessions wait with their commit for a synchronous standby: a restart leaves commits that no standby has.
        names: who they are, for people.
    """

    backups: t.Optional[int] = None
    replicas: t.Optional[int] = None
    commits: t.Optional[int] = None
    names: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        return {"backups": self.backups, "replicas": self.replicas, "commits": self.commits}


@dataclasses.dataclass(frozen=True)
class RestartSeen:
    """What one look saw.

    Attributes:
        dependants: who would be harmed.
        host: the server, as its host sees it.
        blind: what hides some of them, or all.
        silent: see restart_obstacles().
        ports: of the server.
        configured: the ports that the unit's configuration sets.
        cost: what a restart would end; None where that cannot be seen.
    """

    dependants: Dependants
    host: identity.Judged
    blind: tuple[Skipped, ...] = ()
    silent: bool = False
    ports: tuple[int, ...] = ()
    configured: tuple[int, ...] = ()
    cost: t.Optional[Cost] = None


def decide(seen: RestartSeen, service: t.Mapping[str, t.Any], despite_backup: bool, despite_replica: bool) -> Judged:
    """The verdict on the restart of a server.

    Args:
        service: the result of the module service_instances for the unit, or its essence.
        despite_backup, despite_replica: see restart_obstacles().
    """
    proof = identity.configured_elsewhere(
        identity.compare(seen.host, service), name=identity.name_of(service), configured=seen.configured, wanted=set(seen.ports),
    )
    obstacles = restart_obstacles(
        seen.dependants, stopped=proof.stopped, not_shown=proof.why, despite_backup=despite_backup, despite_replica=despite_replica,
        silent=seen.silent,
    )
    loses = "" if proof.stopped else say(seen.cost)
    verdict = _judge(obstacles, not_shown=proof.why, blind=seen.blind, loses=loses, names=seen.dependants.names)
    return Judged(verdict, {
        "cost": None if seen.cost is None else seen.cost.as_dict(), "loses": loses,
        "obstacles": obstacles, "seen": seen.dependants.as_dict(), "listening": seen.host.listening, "process_id": seen.host.process,
        "stopped": proof.stopped,
    }, Basis(MODULE, {
        "seen": seen, "service": identity.essence(service), "despite_backup": despite_backup, "despite_replica": despite_replica,
    }))


def _judge(
    obstacles: t.Sequence[str], *, not_shown: str, blind: t.Sequence[Skipped], loses: str, names: t.Sequence[str],
) -> Verdict:
    """What is seen to be in the way is critical; what cannot be seen counts as there, and is unknown."""
    told = "; ".join(one.reason for one in blind)
    detail = {**({"cannot_see": told} if blind else {}), **({"loses": loses} if loses else {})}
    hidden = unseen(obstacles)
    known = [one for one in obstacles if one not in hidden]
    who = f": {few(names, most=_NAMED)}" if names else ""
    wait = [f"Wait until nobody depends on the server{who}."] if set(known) - {not_shown, COMMITS} else []
    hint = " ".join([*([identity.HINT_IDENTITY] if not_shown else []), *([COMMIT_WAITS] if COMMITS in known else []), *wait])
    findings = [Finding(CHECK, CRITICAL, observed="; ".join(known), hint=hint, detail=detail)] if known else []
    if not obstacles:
        findings = [Finding(CHECK, OK, observed="nothing is in the way", detail=detail)]
    grants = " ".join(dict.fromkeys(one.hint for one in blind if one.hint))
    left = [Skipped(CHECK, f"{'; '.join(hidden)}: {told}", f"{grants} {_HINT_UNSEEN}".strip())] if hidden else []
    return judge_look(findings, left, asked=(CHECK,))


def restart_obstacles(
    seen: Dependants, *, stopped: bool, not_shown: str, despite_backup: bool = False, despite_replica: bool = False,
    silent: bool = False,
) -> list[str]:
    """Why the server must not be restarted now; empty when nothing is in the way.

    Args:
        stopped: the server has no process. Nobody can depend on it, and its start ends nobody.
        not_shown: why it is not shown that the service is this server; empty when it is.
        despite_backup, despite_replica: whether these are accepted.
        silent: the server answers nobody, as one that is frozen. Then nobody can bring a commit's standby back either; whoever accepts
            both of the others unseen accepts that too. A commit that is seen to wait is never accepted.
    """
    if stopped:
        return []
    against = [not_shown] if not_shown else []
    if not despite_backup:
        against += _there(seen.backups, "a backup runs", "whether a backup runs")
    if not despite_replica:
        against += _there(seen.replicas, "a replica or another receiver of WAL is attached", "whether a replica is attached")
    if not (seen.commits is None and silent and despite_backup and despite_replica):
        against += _there(seen.commits, COMMITS, "whether a commit waits for its synchronous standby")
    return against


def _there(count: t.Optional[int], one: str, question: str) -> list[str]:
    if count is None:
        return [f"{question} {_UNSEEN}"]
    return [one] if count else []


def unseen(obstacles: t.Iterable[str]) -> list[str]:
    """Those of restart_obstacles() that are there only because it cannot be seen that they are not."""
    return [one for one in obstacles if one.endswith(_UNSEEN)]


def restart_request(check: t.Mapping[str, t.Any], *, via: str, service: str) -> dict[str, t.Any]:
    """How the restart of the server is asked for: `forbidden` (why it must not be now), `start_only` and `reason`.

    Args:
        check: what pg_restart_check returned; what a restart would lose is told with its reason. What is not seen counts as there, and
            only on the server's own host is it seen what the unit is, so it is not asked elsewhere.
        via: the way to the server.
        service: name of the unit.
    """
    if via != "host":
        elsewhere = f"only with postgres_via=host (here: {via}) can it be shown that unit {service} is this server. Restart it by hand"
        return {"forbidden": [elsewhere], "start_only": False, "reason": _RESTART}
    stopped = bool(check.get("stopped"))
    reason = _START if stopped else f"{_RESTART} {check.get('loses', '')}".strip()
    return {"forbidden": list(check["obstacles"]), "start_only": stopped, "reason": reason}
