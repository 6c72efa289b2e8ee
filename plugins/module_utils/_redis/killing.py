# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End clients of a Redis server by their id, each tested again right before, and measure that they are gone.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

from .._core import why
from .._core.acting import Candidate, Sight, act, answered, untouched
from .._core.actions import FAILED, GONE, MOVED_ON, NOT_NEEDED, NOT_PERMITTED, STILL_RUNNING, Action, Approved, Spared
from .._core.durations import parse_duration
from .._core.errors import BadInput, IncidentError
from .._core.limits import Budget
from .._core.waiting import until
from .acting import OnServer
from .connection import Client, explained
from .decisions.clients import Choice, KillPolicy, KillRule, RedisClient, choose, parse_clients, spared
from .resp import ErrorReply, text

VERB = "kill_client"
POLL = 0.05
#: How many spared clients the result lists; all that the rule would have taken come first.
MAX_PROTECTED = 100
_OVER_LIMIT = ("over_limit",)


@dataclasses.dataclass(frozen=True)
class Request:
    """Whom to end, and the limits.

    Attributes:
        rule, budget: see their classes.
        spare: makes the policy from our own id.
        verify_timeout: how long the end of a client is waited for, seconds.
    """

    rule: KillRule
    budget: Budget
    spare: t.Callable[[int], KillPolicy]
    verify_timeout: float = 5.0


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
        verify_timeout=parse_duration(params["verify_timeout"], name="verify_timeout"),
    )


def kill(
    params: t.Mapping[str, t.Any], request: Request, *, approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """End the worst clients inside the limits.

    Args:
        params: of the connection.

    Returns:
        The result by contract, and the error that the task must fail with, if any.
    """
    subject = Clients(params, request, approved)
    with contextlib.closing(subject):
        done = act(subject, approved=approved, check_mode=check_mode)
    beyond = sum(one.reasons == _OVER_LIMIT for one in done.protected)
    refused = sum(action.detail.get("why") == why.LIMIT_EXCEEDED for action in done.actions)
    # There may be thousands.
    named = sorted(done.protected, key=lambda one: not one.would_match)[:MAX_PROTECTED]
    return {
        **dataclasses.replace(done, protected=tuple(named)).as_result(limits=request.budget.as_dict()),
        "population": subject.population, "left_alone": beyond + refused + subject.unlisted,
    }, done.problem


class Clients(OnServer[RedisClient]):
    """The clients of a server that the rule takes, the worst first.

    Attributes:
        population: all clients but ourselves.
        unlisted: candidates that are not approved, and that the limits would not have allowed anyway.
    """

    verbs = (VERB,)
    noun, done = "clients", "ended"

    def __init__(self, params: t.Mapping[str, t.Any], request: Request, approved: t.Optional[t.Sequence[Approved]]) -> None:
        super().__init__(params)
        self._request = request
        self._named = None if approved is None else frozenset(one.id for one in approved)
        self._everybody: t.Sequence[RedisClient] = ()
        self._policy = request.spare(0)
        self.population = 0
        self.unlisted = 0

    def look(self) -> Sight[RedisClient]:
        client = self.entered()
        self._policy = self._request.spare(int(client.call("CLIENT", "ID")))
        self._everybody = parse_clients(client.ask("CLIENT", "LIST"))
        choice = choose(self._everybody, self._request.rule, self._policy)
        self.population = choice.population
        limit = self._request.budget.limit(choice.population)
        candidates = [Candidate(one, _action(one, reason, self.resource)) for one, reason in choice.candidates]
        return Sight(self._listed(candidates, most=limit.most), protected=_protected(choice), limits=(limit,))

    def _listed(self, candidates: t.Sequence[Candidate[RedisClient]], *, most: int) -> t.Sequence[Candidate[RedisClient]]:
        """All, or beside the approved ones the worst others that the limits have room for: a refusal of thousands says nothing more."""
        if self._named is None:
            return candidates
        ours = [one for one in candidates if one.action.id in self._named]
        others = [one for one in candidates if one.action.id not in self._named]
        room = max(most - len(ours), 0)
        self.unlisted = len(others[room:])
        return [*ours, *others[:room]]

    def left_over(self, candidate: Candidate[RedisClient]) -> Spared:
        return Spared(candidate.target.as_dict(), _OVER_LIMIT, True, name=candidate.target.named)

    def carry_out(self, candidate: Candidate[RedisClient]) -> Action:
        client, number, action = self.entered(), candidate.target.id, candidate.action
        try:
            now = _again(client, number)
        except IncidentError as exc:
            return untouched(action, why.CANNOT_LOOK, error=exc.message)
        if now is None:
            return action.with_outcome(NOT_NEEDED, why=why.GONE_ALREADY)
        if spared(now, self._policy) or not self._request.rule.why(now):
            return self._moved_on(action, now)
        # The server tests the type itself, with the kill; filters are all-of.
        kind = "pubsub" if "P" in now.flags else "normal"
        reply = client.replies([("CLIENT", "KILL", "ID", number, "TYPE", kind, "SKIPME", "yes")])[0]
        if isinstance(reply, ErrorReply):
            permitted = not client.refused(("CLIENT", "KILL"), reply).not_permitted
            outcome, code = (FAILED, why.TARGET_REFUSED) if permitted else (NOT_PERMITTED, why.NOT_PERMITTED)
            return action.with_outcome(outcome, why=code, error=explained("CLIENT KILL", reply))
        if reply == 0:  # it ended nobody
            now = _again(client, number)
            return self._moved_on(action, now) if now else action.with_outcome(NOT_NEEDED, why=why.GONE_ALREADY)
        return _measure(client, number, dataclasses.replace(action, touched=True), self._request.verify_timeout)

    def answer_here(self, one: Approved) -> Action:
        now = next((client for client in self._everybody if _action(client, "", self.resource).id == one.id), None)
        if now is None:
            return answered(one, NOT_NEEDED, why.GONE_ALREADY)
        return self._moved_on(_action(now, "It was approved", self.resource), now)

    def _moved_on(self, action: Action, now: RedisClient) -> Action:
        codes = spared(now, self._policy)
        if codes:
            return action.with_outcome(MOVED_ON, why=why.PROTECTED, error=", ".join(codes))
        return action.with_outcome(MOVED_ON, why=why.NO_LONGER_MATCHES, error=f"its last command was {now.idle} s ago")


def _measure(client: Client, number: int, action: Action, timeout: float) -> Action:
    start = time.monotonic()
    left = until(lambda seen: seen is None, lambda: _again(client, number), seconds=client.deadline.within(timeout), interval=POLL)
    if left is None:
        return action.with_outcome(GONE, seconds=round(time.monotonic() - start, 3))
    return action.with_outcome(STILL_RUNNING, why=why.NOT_MEASURED, error=f"it is still connected after {timeout:g} s")


def _again(client: Client, number: int) -> t.Optional[RedisClient]:
    """The client as it is now, None when it has left. One that the server is about to close has not."""
    reply = client.replies([("CLIENT", "LIST", "ID", number)])[0]
    if isinstance(reply, ErrorReply):  # before Redis 6.2
        reply = client.call("CLIENT", "LIST")
    return next((one for one in parse_clients(text(reply)) if one.id == number), None)


def _protected(choice: Choice) -> tuple[Spared, ...]:
    return tuple(Spared(one.as_dict(), codes, matches, name=one.named) for one, codes, matches in choice.protected)


def _action(one: RedisClient, reason: str, where: str) -> Action:
    return Action(
        verb=VERB, resource=where, identity={"id": one.id}, target=one.as_dict(), name=one.named,
        reason=f"{reason[:1].upper()}{reason[1:]}".rstrip(".") + ".",
    )
