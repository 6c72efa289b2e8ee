# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What redis_health does: one look or a wait, behind a hard wall of time.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from .._core.deadline import Deadline
from .._core.errors import CannotReach, IncidentError
from .._core.findings import must_fail, verdict
from .._core.recovery import compare, not_ok, not_recovered
from .._core.waiting import wait_from, watch_until_held
from .args import Way, way_from
from .decisions.availability import ALIVE_ALL_THE_SAME, is_sick
from .decisions.facts import Request
from .decisions.remedies import remedies_for
from .health import refused
from .health_args import request_from
from .topology import Look, alone, look

#: What is kept of max_seconds for judging and for leaving the module: a share, and at most so many seconds.
_KEPT_SHARE, _KEPT = 0.05, 0.5


class Unhealthy(IncidentError):
    """The task asked to fail at this status."""

    kind = "unhealthy"


class NotRecovered(IncidentError):
    """The checks that were waited for did not hold."""

    kind = "not_recovered"


def run(params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """The module's result, and the problem that must fail the task although there is a result.

    Raises:
        BadInput: an argument is not usable.
        CannotReach: the server refused us in a way that says nothing of its health.
    """
    way, request = way_from(params), request_from(params)
    wait = wait_from(params["wait_for"]) if params["wait_for"] else None
    bound = way.max_seconds - min(way.max_seconds * _KEPT_SHARE, _KEPT)
    walk, workers = params["topology"] == "auto", params["workers"]

    def one(wanted: Request) -> Look:
        return _known(look(way, wanted, Deadline(bound), walk=walk, workers=workers))

    waiting: dict[str, t.Any] = {}
    if wait is None:
        seen = _behind_wall(lambda: one(request), way.max_seconds, way, request)
    else:
        brief, awaited = dataclasses.replace(request, checks=wait.checks), wait
        watched: list[t.Any] = []

        def waited() -> Look:
            watched.append(watch_until_held(lambda: one(brief), lambda: one(request), wait=awaited))
            return t.cast(Look, watched[0].last)

        wall = wait.timeout + 2 * way.max_seconds
        seen = _behind_wall(waited, wall, way, request)
        waiting = watched[0].as_dict() if watched else {"held": False, "waited": wall, "polls": 0, "history": []}
    result = {**as_result(seen), **waiting}
    statuses = seen.statuses()
    if params["baseline"] is not None:
        compared = compare(statuses, baseline=params["baseline"], judged=wait.checks if wait else ())
        result.update(remaining=dict(compared.remaining), new=dict(compared.new))
    if wait:
        result["not_recovered"] = not_recovered(
            statuses, awaited=wait.checks, held=waiting["held"], waited=waiting["waited"], worse=result.get("new", {}),
        )
    return result, _problem(result, statuses, wait.checks if wait else None, params["fail_on"])


def as_result(seen: Look) -> dict[str, t.Any]:
    """A look as it appears in results."""
    return {
        **verdict(seen.findings, seen.skipped), "changed": False, "reachable": not seen.seed.error, "checks": seen.statuses(),
        **seen.state.as_dict(), "recovery": seen.recovery, "remedies": remedies_for(seen.recovery),
        "recoveries": list(seen.recoveries), "server": dict(seen.server),
        "topology": seen.kind or "single", "nodes": [dict(node) for node in seen.nodes], **seen.data,
    }


def _known(seen: Look) -> Look:
    """The look, where the seed's refusal says something of its health.

    Raises:
        CannotReach: it says that we ask wrongly.
    """
    kind = seen.seed.error
    if kind and not is_sick(kind):
        finding = seen.seed.findings[0]
        raise CannotReach(
            f"Redis at {seen.seed.address} could not be used ({kind}): {str(finding.detail.get('message', '')).rstrip('.')}.",
            hint=finding.hint, error=kind, alive=True if kind in ALIVE_ALL_THE_SAME else None,
            ping="NOAUTH" if kind == "auth_required" else "",
        )
    return seen


def _behind_wall(work: t.Callable[[], Look], seconds: float, way: Way, request: Request) -> Look:
    """Do the work beside us and leave it behind when the time is up, whatever it waits for."""
    done: list[Look] = []
    failed: list[BaseException] = []

    def do() -> None:
        try:
            done.append(work())
        except BaseException as exc:
            failed.append(exc)

    worker = threading.Thread(target=do, daemon=True)
    worker.start()
    worker.join(seconds)
    if failed:
        raise failed[0]
    if done:
        return done[0]
    late = CannotReach("The look did not end in time.", error="timeout", server_message=f"no result within max_seconds ({seconds:.0f} s)")
    return alone(refused(late, way.login, request), request)


def _problem(
    result: t.Mapping[str, t.Any], statuses: t.Mapping[str, str], awaited: t.Optional[t.Sequence[str]], fail_on: str,
) -> t.Optional[IncidentError]:
    if awaited is not None:
        if result["held"] or fail_on == "never":
            return None
        troubled = not_ok(awaited, statuses)
        said = ", ".join(f"{check} {status}" for check, status in troubled.items()) or "they did not hold for long enough"
        return NotRecovered(f"The checks were not ok within {result['waited']:.0f} s: {said}.")
    if not must_fail(result["status"], fail_on=fail_on):
        return None
    bad = [check for check, status in statuses.items() if status == result["status"]]
    return Unhealthy(f"Redis is {result['status']}: {', '.join(bad)}.")
