# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What redis_health does: it answers the question of its arguments, each look behind a hard wall of time.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from .._core.deadline import Deadline
from .._core.errors import CannotReach, IncidentError
from .._core.judging import Verdict, answer, judge_look, question_from
from .._core.log_grammars import REDIS
from .._core.recorded import Basis
from .._module.logs import with_last_words
from .args import Way, way_from
from .decisions.availability import ALIVE_ALL_THE_SAME, is_of_another, is_sick
from .decisions.facts import Request
from .decisions.remedies import remedies_for
from .health import CHECKS, refused
from .health_args import asked_by_default, request_from
from .topology import Look, Node, Raw, Topology, alone, look, made

#: What is kept of max_seconds for judging and for leaving the module: a share, and at most so many seconds.
_KEPT_SHARE, _KEPT = 0.05, 0.5


@dataclasses.dataclass(frozen=True)
class Judged:
    """One look with its verdict, and what both were made from."""

    look: Look
    verdict: Verdict
    basis: t.Optional[Basis] = None

    def as_result(self) -> dict[str, t.Any]:
        """What the look has in results beside the verdict."""
        seen = self.look
        return {
            "changed": False, "reachable": not seen.seed.error, **seen.state.as_dict(), "recovery": seen.recovery,
            "remedies": remedies_for(seen.recovery), "recoveries": list(seen.recoveries), "server": dict(seen.server),
            "topology": seen.kind or "single", "nodes": [dict(node) for node in seen.nodes], **seen.data,
        }


def run(params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """The module's result, and the problem that must fail the task although there is a result.

    Raises:
        BadInput: an argument is not usable.
        CannotReach: the server refused us in a way that says nothing of its health.
    """
    way, question = way_from(params), question_from(params, checks=CHECKS, default=asked_by_default(params), what="Redis")
    asked = question.asked or ()
    request = request_from(params, asked=asked)
    bound = way.max_seconds - min(way.max_seconds * _KEPT_SHARE, _KEPT)
    walk, workers = params["topology"] == "auto", params["workers"]

    def one(wanted: Request) -> Judged:
        seen = _known(_behind_wall(lambda: look(way, wanted, Deadline(bound), walk=walk, workers=workers), way, wanted))
        return with_last_words(judged(seen, wanted, asked), path=params["server_log"] or "", grammar=REDIS, port=way.login.port)

    awaited = question.wait.checks if question.wait else ()
    return answer(question, lambda: one(request), brief=lambda: one(dataclasses.replace(request, checks=awaited)))


def judged(seen: Look, request: Request, asked: tuple[str, ...]) -> Judged:
    """A look with its verdict."""
    raw = seen.raw
    # The nodes apart: where there are too many of them, what the seed said is kept. They are in the order of the topology's members.
    basis = None if raw is None else Basis("redis_health", {
        "seed": raw.seed.recalled(), "topology": raw.topology, "walk": raw.walk, "request": request, "asked": asked,
        "nodes": [dataclasses.replace(one.recalled(), member=None) for one in raw.nodes],
    })
    return Judged(seen, judge_look(seen.findings, seen.skipped, asked=asked), basis)


def decide(
    seed: Node, topology: Topology, nodes: tuple[Node, ...], walk: bool, request: Request, asked: tuple[str, ...],
) -> Judged:
    """The look that comes of what was seen, with its verdict; see judged()."""
    members = [dataclasses.replace(one.whole(), member=member) for one, member in zip(nodes, topology.members)]
    raw = Raw(seed.whole(), topology, tuple(members), walk)
    return judged(dataclasses.replace(made(raw, request), raw=raw), request, asked)


def _known(seen: Look) -> Look:
    """The look, where the seed's refusal says something of its health.

    Raises:
        CannotReach: it says that we ask wrongly.
    """
    kind = seen.seed.error
    if kind and not is_sick(kind) and not is_of_another(kind):
        finding = seen.seed.findings[0]
        raise CannotReach(
            f"Redis at {seen.seed.address} could not be used ({kind}): {str(finding.detail.get('message', '')).rstrip('.')}.",
            hint=finding.hint, error=kind, alive=True if kind in ALIVE_ALL_THE_SAME else None,
            ping="NOAUTH" if kind == "auth_required" else "",
        )
    return seen


def _behind_wall(work: t.Callable[[], Look], way: Way, request: Request) -> Look:
    """Do the work beside us and leave it behind when max_seconds are over, whatever it waits for."""
    done: list[Look] = []
    failed: list[BaseException] = []

    def do() -> None:
        try:
            done.append(work())
        except BaseException as exc:
            failed.append(exc)

    worker = threading.Thread(target=do, daemon=True)
    worker.start()
    worker.join(way.max_seconds)
    if failed:
        raise failed[0]
    if done:
        return done[0]
    said = f"no result within max_seconds ({way.max_seconds:.0f} s)"
    late = CannotReach("The look did not end in time.", error="timeout", server_message=said)
    seed = refused(late, way.login, request)
    return dataclasses.replace(alone(seed, request, walk=True), raw=Raw(Node.of(seed)))
