# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End clients of a Redis server by their id, each tested again right before, and measure that they are gone.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._core import actions
from .._core.durations import parse_duration
from .._core.errors import BadInput, CannotReach, IncidentError
from .._core.limits import Budget
from .._module.lock import acting_alone
from .acting import failure, resource
from .connection import Client, CommandRefused
from .decisions.clients import Choice, KillPolicy, KillRule, RedisClient, choose, parse_clients, spared
from .resp import ErrorReply, text

VERB = "kill_client"
POLL = 0.05
#: How many spared clients the result lists; all that the rule would have taken come first.
MAX_PROTECTED = 100


@dataclasses.dataclass(frozen=True)
class Request:
    """Whom to end, and the limits.

    Attributes:
        rule, budget: see their classes.
        spare: makes the policy from our own id.
        verify_timeout: how long the end of a client is waited for, seconds.
        approved: action ids of an approved plan.
    """

    rule: KillRule
    budget: Budget
    spare: t.Callable[[int], KillPolicy]
    verify_timeout: float = 5.0
    approved: t.Optional[t.Sequence[str]] = None


def request_from(params: t.Mapping[str, t.Any]) -> Request:
    """The request the arguments describe; every argument is judged here, before anything is connected.

    Raises:
        BadInput: an argument is not usable.
    """
    rule = KillRule(
        min_idle=parse_duration(params["min_idle"], name="min_idle") if params["min_idle"] else None,
        min_output=params["min_output_bytes"] if params["min_output_bytes"] > 0 else None,
    )
    if rule == KillRule():
        raise BadInput("Nobody can be chosen.", hint="Give min_idle, min_output_bytes, or both.", argument="min_idle")
    names, users, addresses = (tuple(params[f"protect_{what}"]) for what in ("names", "users", "addresses"))
    return Request(
        rule=rule, budget=Budget(max_count=params["max_victims"], max_percent=params["max_percent"], spent=params["spent"]),
        spare=lambda own: KillPolicy(
            own_id=own, protect_names=names, protect_users=users, protect_addresses=addresses, include_pubsub=params["include_pubsub"],
        ),
        verify_timeout=parse_duration(params["verify_timeout"], name="verify_timeout"), approved=params["approved"],
    )


def kill(client: Client, request: Request, *, check_mode: bool) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """End the worst clients inside the limits.

    Returns:
        The result by contract, and the error that the task must fail with, if any.
    """
    where = resource(client.info("server"))
    policy = request.spare(int(client.call("CLIENT", "ID")))
    everybody = parse_clients(client.ask("CLIENT", "LIST"))
    approved = {one.id for one in everybody if _action(one, "", where).id in (request.approved or ())}
    choice = choose(everybody, request.rule, policy, request.budget, first=approved)
    done: list[actions.Action] = []
    if check_mode or request.approved == []:
        done = [_settled(_action(one, why, where), request) for one, why in choice.victims]
    elif choice.victims:
        with acting_alone(where):
            done = _end_all(client, [(one, _action(one, why, where)) for one, why in choice.victims], request, policy)
    done += _moved_on(everybody, choice, request, where)
    result = actions.result(done, check_mode=check_mode, limits=request.budget.as_dict(), protected=_protected(choice))
    result.update(population=choice.population, left_alone=len(choice.beyond))
    return result, failure(done)


def _moved_on(everybody: t.Sequence[RedisClient], choice: Choice, request: Request, where: str) -> list[actions.Action]:
    """What became of approved clients that are no victims any more."""
    wanted = set(request.approved or ()) - {_action(one, why, where).id for one, why in choice.victims}
    found = []
    for one in everybody:
        action = _action(one, "It was in the approved plan.", where)
        if action.id in wanted:
            found.append(action.with_outcome(actions.MOVED_ON, why="it is active again, protected now, or beyond the limit"))
    return found


def _settled(action: actions.Action, request: Request) -> actions.Action:
    return action if actions.is_approved([action.id], request.approved) else action.with_outcome(actions.REFUSED, why="not approved")


def _end_all(
    client: Client, victims: t.Sequence[tuple[RedisClient, actions.Action]], request: Request, policy: KillPolicy,
) -> list[actions.Action]:
    """End one after the other; when the server falls silent, those that were ended are still told, or a retry would end as many again."""
    done: list[actions.Action] = []
    for one, action in victims:
        try:
            done.append(_carry_out(client, one, action, request, policy))
        except (CannotReach, CommandRefused) as exc:
            done.append(action.with_outcome(actions.UNKNOWN, why=exc.message))
            break
    return done


def _carry_out(client: Client, one: RedisClient, action: actions.Action, request: Request, policy: KillPolicy) -> actions.Action:
    action = _settled(action, request)
    if action.outcome == actions.REFUSED:
        return action
    now = _again(client, one.id)
    if now is None:
        return action.with_outcome(actions.NOT_NEEDED, why="it had left by itself")
    if not request.rule.why(now) or spared(now, policy):
        return action.with_outcome(actions.MOVED_ON, why="it is active again, or protected now")
    # The server tests the type itself, with the kill; filters are all-of.
    kind = "pubsub" if "P" in now.flags else "normal"
    reply = client.replies([("CLIENT", "KILL", "ID", one.id, "TYPE", kind, "SKIPME", "yes")])[0]
    if isinstance(reply, ErrorReply):
        refused = client.refused(("CLIENT", "KILL"), reply)
        return action.with_outcome(actions.NOT_PERMITTED if refused.not_permitted else actions.FAILED, why=f"{reply.code} {reply.message}")
    return _measure(client, one.id, dataclasses.replace(action, touched=True), request.verify_timeout)


def _measure(client: Client, number: int, action: actions.Action, timeout: float) -> actions.Action:
    start, bound = time.monotonic(), client.deadline.part(timeout)
    while True:
        if _again(client, number) is None:
            return action.with_outcome(actions.GONE, seconds=round(time.monotonic() - start, 3))
        if bound.passed():
            return action.with_outcome(actions.STILL_RUNNING, why=f"it is still connected after {timeout:g} s")
        time.sleep(POLL)


def _again(client: Client, number: int) -> t.Optional[RedisClient]:
    """The client as it is now, None when it has left."""
    reply = client.replies([("CLIENT", "LIST", "ID", number)])[0]
    if isinstance(reply, ErrorReply):  # before Redis 6.2
        reply = client.call("CLIENT", "LIST")
    return next((one for one in parse_clients(text(reply)) if one.id == number and "A" not in one.flags), None)


def _protected(choice: Choice) -> list[actions.Spared]:
    found = sorted(choice.protected, key=lambda spared_one: not spared_one[2])
    return [actions.Spared(one.as_dict(), codes, matches, name=one.named) for one, codes, matches in found[:MAX_PROTECTED]]


def _action(one: RedisClient, why: str, where: str) -> actions.Action:
    return actions.Action(
        verb=VERB, resource=where, identity={"id": one.id}, target=one.as_dict(), name=one.named,
        reason=f"{why[:1].upper()}{why[1:]}".rstrip(".") + ".",
    )
