# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: the actions mitigate would take now, and the approval of exactly those.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

from .actions import PLANNED, Action, Approved
from .errors import BadInput, PlanRefused
from .reading import Reading

PLAN_CONTRACT = "oncall.incident/plan/1"
#: An approval is for the world as the approver saw it: seconds.
PLAN_LIFETIME = 600.0


@dataclasses.dataclass(frozen=True)
class Rung:
    """One remedy of an ordered list, as a plan states it.

    Attributes:
        of: whose list it is, such as redis: a host may have several.
        name: of the rung.
        actions: ids of its actions.
        checks: it is run only while one of these fails. Empty for the first rung of a list, which is run at once.
        wait: for how long they may take to become ok, a duration.
    """

    of: str
    name: str
    actions: tuple[str, ...]
    checks: tuple[str, ...] = ()
    wait: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """The rung as it appears in plans. The order of the actions in it means nothing."""
        return {
            "of": self.of, "name": self.name, "actions": sorted(self.actions), "checks": list(self.checks), "wait": self.wait,
        }

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Rung:
        """Read a rung of a plan.

        Raises:
            BadInput: names the key that is missing or of another type.
        """
        given = Reading("rung", data)
        return cls(
            of=given.text("of"), name=given.text("name"), actions=given.texts("actions"), checks=given.texts("checks"),
            wait=given.text("wait"),
        )


Rungs = t.Mapping[str, t.Sequence[Rung]]


def plan_hash(
    ids_by_host: t.Mapping[str, t.Iterable[str]], limits_by_host: t.Mapping[str, t.Any], rungs_by_host: t.Optional[Rungs] = None,
) -> str:
    """SHA-256 (hex) over the sorted action ids, the limits, and the rungs in their order where there are any.

    Ages and wording are not in it.
    """
    body: dict[str, t.Any] = {
        "actions": sorted([host, identity] for host, ids in ids_by_host.items() for identity in ids),
        "limits": {host: limits for host, limits in limits_by_host.items() if limits},
    }
    rungs = {host: [rung.as_dict() for rung in found] for host, found in (rungs_by_host or {}).items() if found}
    if rungs:
        body["rungs"] = rungs
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclasses.dataclass(frozen=True)
class Plan:
    """What would be done, by inventory host.

    Attributes:
        run: id of the run that made it.
        created, expires: seconds since the epoch, UTC.
        actions: actions by inventory host, outcome planned.
        limits: limit dictionaries by inventory host.
        baseline: status by check by inventory host as investigate saw it; verify compares with it.
        hash: plan_hash() of actions, limits and rungs.
        rungs: the rungs by inventory host, in their order, where a list has more than one; of any other nothing is said.
    """

    run: str
    created: float
    expires: float
    actions: t.Mapping[str, t.Sequence[Action]]
    limits: t.Mapping[str, t.Any]
    hash: str
    baseline: t.Mapping[str, t.Mapping[str, str]] = dataclasses.field(default_factory=dict)
    rungs: Rungs = dataclasses.field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do on any host."""
        return not any(self.actions.values())

    def ids(self, host: str) -> list[str]:
        """The approved action ids of an inventory host; empty, so nothing, for a host not in the plan."""
        return [action.id for action in self.actions.get(host, ())]

    def approved(self, host: str) -> list[Approved]:
        """The approved actions of an inventory host, with what says what became of one that is gone."""
        return [Approved.read(action.as_dict()) for action in self.actions.get(host, ())]

    def as_dict(self) -> dict[str, t.Any]:
        """The plan as it travels: file, AWX artifact, record."""
        return {
            "contract": PLAN_CONTRACT, "run": self.run, "created": self.created, "expires": self.expires,
            "hash": self.hash, "limits": dict(self.limits),
            "actions": {host: [action.as_dict() for action in actions] for host, actions in self.actions.items()},
            "baseline": {host: dict(checks) for host, checks in self.baseline.items()},
            **({"rungs": {host: [rung.as_dict() for rung in found] for host, found in self.rungs.items()}} if self.rungs else {}),
        }


def make_plan(
    *,
    run: str,
    now: float,
    actions: t.Mapping[str, t.Sequence[Action]],
    limits: t.Mapping[str, t.Any] | None = None,
    baseline: t.Mapping[str, t.Mapping[str, str]] | None = None,
    rungs: Rungs | None = None,
    lifetime: float = PLAN_LIFETIME,
) -> Plan:
    """Make a plan of the planned actions by inventory host; other outcomes are left out, and so are rungs without planned actions."""
    planned = {host: [action for action in found if action.outcome == PLANNED] for host, found in actions.items()}
    ids = {host: [action.id for action in found] for host, found in planned.items()}
    ladders = {host: kept for host, found in (rungs or {}).items() if (kept := _planned_rungs(found, ids.get(host, [])))}
    for host, found in ladders.items():
        # For who reads it: a later rung's action may have been planned, and kept, before an earlier one's was kept.
        order = {identity: number for number, rung in enumerate(found, 1) for identity in rung.actions}
        planned[host] = sorted(planned[host], key=lambda action: order.get(action.id, 0))
    return Plan(
        run=run, created=now, expires=now + lifetime, actions=planned, limits=dict(limits or {}),
        hash=plan_hash(ids, limits or {}, ladders), baseline=dict(baseline or {}), rungs=ladders,
    )


def _planned_rungs(found: t.Sequence[Rung], ids: t.Collection[str]) -> list[Rung]:
    """The rungs with planned actions, of each list that has more than one. The first one of a list has no condition."""
    kept: list[Rung] = []
    for of in dict.fromkeys(rung.of for rung in found):
        own = [dataclasses.replace(rung, actions=tuple(one for one in rung.actions if one in ids)) for rung in found if rung.of == of]
        own = [rung for rung in own if rung.actions]
        if len(own) > 1:
            kept += [dataclasses.replace(own[0], checks=(), wait=""), *own[1:]]
    return kept


def load_plan(data: t.Any, *, now: float, run: str | None = None, source: str = "the approved plan") -> Plan:
    """Read a plan back and refuse what cannot be trusted.

    Args:
        data: the dictionary of Plan.as_dict().
        now: seconds since the epoch.
        run: the run that is asking; None where a run may execute another run's plan (AWX: check job, approval, run).
        source: where it came from, for the error.

    Raises:
        PlanRefused: not a plan, changed after it was made, expired, or of another run.
    """
    again = "Run the check again, approve the new plan and run that."
    if not isinstance(data, t.Mapping) or data.get("contract") != PLAN_CONTRACT:
        raise PlanRefused(f"{source} is not a plan (contract {PLAN_CONTRACT}).", hint=again, reason="not_a_plan")
    try:
        plan = Plan(
            run=str(data["run"]), created=float(data["created"]), expires=float(data["expires"]), hash=str(data["hash"]),
            actions={str(host): [Action.from_dict(one) for one in found] for host, found in dict(data["actions"]).items()},
            limits=dict(data["limits"]),
            baseline={str(host): dict(checks) for host, checks in dict(data.get("baseline") or {}).items()},
            rungs={str(host): [Rung.from_dict(one) for one in found] for host, found in dict(data.get("rungs") or {}).items()},
        )
        wanted = plan_hash({host: plan.ids(host) for host in plan.actions}, plan.limits, plan.rungs)
    except (BadInput, KeyError, TypeError, ValueError) as exc:
        raise PlanRefused(f"{source} is damaged: {exc!r}.", hint=again, reason="damaged") from exc
    if wanted != plan.hash:
        raise PlanRefused(
            f"{source} was changed after it was made: its actions give {wanted[:12]}, it says {plan.hash[:12]}.",
            hint=again, reason="tampered",
        )
    if now > plan.expires:
        raise PlanRefused(f"{source} expired {now - plan.expires:.0f} s ago.", hint=again, reason="expired")
    if plan.created > now + 60:
        raise PlanRefused(f"{source} was made in the future; check the clocks.", hint=again, reason="clock")
    if run is not None and plan.run != run:
        raise PlanRefused(f"{source} belongs to run {plan.run}, this is run {run}.", hint=again, reason="other_run")
    return plan
