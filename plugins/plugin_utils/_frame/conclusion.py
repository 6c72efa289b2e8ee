# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run on one host: did anything fail, was anything asked for that nobody did?

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ...module_utils._core import why
from ...module_utils._core.acting import answered
from ...module_utils._core.actions import CHANGED_OUTCOMES, FAILED, MOVED_ON, NOT_NEEDED, PLANNED, REFUSED, Action, Approved
from ...module_utils._core.errors import Locked

#: A request is answered by an action that was done, would be done, or turned out not to be needed.
_ANSWERED = CHANGED_OUTCOMES | {PLANNED, NOT_NEEDED}


def unanswered(
    requests: t.Iterable[t.Mapping[str, t.Any]], actions: t.Iterable[tuple[str, Action]], *, host: str,
    services: t.Mapping[str, str] | None = None,
) -> list[dict[str, t.Any]]:
    """The requests of one host that no action answers of a host that was asked.

    Args:
        requests: {verb, reason, hint}: what an entry point needs and cannot do itself, for example the application's restart. `hosts`
            are those that were asked, none where nobody knows; one with `rung` asks its own host.
        actions: the actions of all hosts of the run, each with its host.
        host: whose requests they are.
        services: the configured service by host: the restart of another one helps nobody.

    Returns:
        Failures: {phase, message, hint}.
    """
    known = [(by, action) for by, action in actions if action.outcome in _ANSWERED]
    return [
        {"phase": "mitigate", "message": str(request.get("reason", "")), "hint": str(request.get("hint", ""))}
        for request in requests if not any(_answers(request, by, action, host=host, services=services or {}) for by, action in known)
    ]


def _answers(request: t.Mapping[str, t.Any], by: str, action: Action, *, host: str, services: t.Mapping[str, str]) -> bool:
    if str(request.get("verb")) != action.verb:
        return False
    if request.get("rung"):
        return by == host
    wanted, restarted = services.get(by, ""), str(action.target.get("service") or action.identity.get("service") or "")
    return by in (request.get("hosts") or (by,)) and (not wanted or not restarted or wanted == restarted)


def left_open(
    approved: t.Iterable[Approved], actions: t.Iterable[Action], failures: t.Iterable[t.Mapping[str, t.Any]],
    *, requests: t.Iterable[t.Mapping[str, t.Any]] = (),
) -> list[Action]:
    """The answers to approved actions of one host that no module has answered, since none was called for them.

    A step that did not ask for it any more has looked. Where nobody could look, that is the answer, also where another host was asked to
    help: whoever could not get in has not seen that nothing is to be done.

    Args:
        approved: the actions of the host that the plan approves.
        actions: those of the host that were answered.
        failures: of the host; after one of mitigate the steps that follow are not taken. Its `error` says whether another run was acting.
        requests: all of the host, also those that were answered since: what an entry point asks for in place of steps that it cannot take.
    """
    known = {action.id for action in actions}
    failure = next((one for one in failures if one.get("phase") == "mitigate"), {})
    failed = str(failure.get("message") or "")
    outcome, code = (REFUSED, why.LOCKED) if failure.get("error") == Locked.kind else (FAILED, why.NOT_TRIED)
    if not failed:
        asked_for = next(iter(requests), {})
        failed, outcome, code = str(asked_for.get("reason") or ""), REFUSED, why.CANNOT_LOOK
    return [
        answered(one, outcome, code, error=failed) if failed
        else answered(one, MOVED_ON, why.NO_LONGER_MATCHES, error="No step asked for it any more")
        for one in {one.id: one for one in approved}.values() if one.id not in known
    ]


def sum_up(failures: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The failures of one host in one message, each with its phase."""
    return " ".join(f"{one.get('phase') or 'run'}: {one.get('message')} {one.get('hint') or ''}".strip() for one in failures)
