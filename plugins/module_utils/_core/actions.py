# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract 2: mitigating modules return actions.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .reading import Reading

ACTIONS_CONTRACT = "oncall.incident/actions/1"

# Outcomes. They are measured after the fact, never read off a return code.
PLANNED = "planned"  # check mode: would be done now
DONE = "done"  # measured: the change is there
GONE = "gone"  # measured: the session is gone
NOT_NEEDED = "not_needed"  # already so
MOVED_ON = "moved_on"  # the target has begun other work since; left alone
PID_REUSED = "pid_reused"  # the identity belongs to somebody else now; left alone
REFUSED = "refused"  # a rule of ours forbids it: not approved, over the limit, protected
NOT_PERMITTED = "not_permitted"  # the target system forbids it
STILL_RUNNING = "still_running"  # acted, and measured that it did not work
FAILED = "failed"  # acting failed, or the measurement does not show the change
UNKNOWN = "unknown"  # begun and not answered

CHANGED_OUTCOMES = frozenset({DONE, GONE})
FAILED_OUTCOMES = frozenset({FAILED, STILL_RUNNING, NOT_PERMITTED, UNKNOWN})
OUTCOMES = CHANGED_OUTCOMES | FAILED_OUTCOMES | {PLANNED, NOT_NEEDED, MOVED_ON, PID_REUSED, REFUSED}


def action_id(*, verb: str, resource: str, identity: t.Mapping[str, t.Any]) -> str:
    """The id of an action: what would be done, on which resource, to exactly whom. It is compared, never taken apart.

    Two looks at an unchanged world give the same id; a target that moved on has another one.

    Args:
        verb: what would be done: terminate, cancel, restart, ...
        resource: the server or service itself, not the name it was reached by.
        identity: what identifies the target beyond doubt; never only a pid.
    """
    who = ",".join(f"{key}={identity[key]}" for key in sorted(identity))
    return f"{verb}|{resource}|{who}"


@dataclasses.dataclass(frozen=True)
class Action:
    """One change to the world.

    Attributes:
        verb: what is done.
        resource, identity: see action_id().
        target: whom it is done to, JSON-like, for people. `query` in it is what the target executes, `*_age` are seconds.
        reason: why, in one sentence.
        name: the target in the subject's own words: `pid 42 app@shop (checkout)`.
        outcome: one of OUTCOMES.
        detail: further JSON-like data: error, times, statements.
        touched: whether anything was done to the target, whatever came of it; None where only the outcome tells.
        temporary: how the change ends, as in temporary.Temporary; None where it is meant to stay.
        id: action_id() of the rest. Only an action of a record is given its own: an older one has nothing to derive it from.
    """

    verb: str
    resource: str
    identity: t.Mapping[str, t.Any]
    target: t.Mapping[str, t.Any]
    reason: str
    name: str = ""
    outcome: str = PLANNED
    detail: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    touched: t.Optional[bool] = None
    id: str = ""
    temporary: t.Optional[t.Mapping[str, t.Any]] = None

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", action_id(verb=self.verb, resource=self.resource, identity=self.identity))

    @property
    def was_touched(self) -> t.Optional[bool]:
        """See was_touched()."""
        return was_touched({"touched": self.touched, "outcome": self.outcome, "detail": self.detail})

    def with_outcome(self, outcome: str, **detail: t.Any) -> Action:
        """The same action with its outcome known."""
        return dataclasses.replace(self, outcome=outcome, detail={**self.detail, **detail})

    def as_dict(self) -> dict[str, t.Any]:
        """The action as it appears in results and records."""
        return {
            "id": self.id, "verb": self.verb, "resource": self.resource, "identity": dict(self.identity), "name": self.name,
            "target": dict(self.target), "reason": self.reason, "outcome": self.outcome, "detail": dict(self.detail),
            "touched": self.was_touched, **({} if self.temporary is None else {"temporary": dict(self.temporary)}),
        }

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Action:
        """Read an action of a result or a record. Older ones have no resource, identity, name or touched; unknown keys are ignored.

        Raises:
            BadInput: names the key that is missing or of another type.
        """
        given = Reading("action", data)
        outcome, detail, temporary = given.text("outcome"), given.mapping("detail", {}), data.get("temporary")
        return cls(
            # An empty one would be replaced by the id that the other keys give, which nobody has approved.
            id=given.filled("id"), verb=given.text("verb"), resource=given.text("resource", ""), identity=given.mapping("identity", {}),
            target=given.mapping("target", {}), reason=given.text("reason", ""), name=given.text("name", ""), outcome=outcome,
            detail=detail, touched=was_touched({"touched": data.get("touched"), "outcome": outcome, "detail": detail}),
            temporary=temporary if isinstance(temporary, t.Mapping) else None,
        )


def was_touched(action: t.Mapping[str, t.Any]) -> t.Optional[bool]:
    """Whether anything was done to an action's target, whatever came of it: a session that was signalled and went on was touched.

    Args:
        action: as in results and records; those of older records have no `touched`.

    Returns:
        None when it is not known: an action that failed or did not answer may have begun.
    """
    said = action.get("touched")
    if isinstance(said, bool):
        return said
    outcome = action.get("outcome")
    if outcome in CHANGED_OUTCOMES or (action.get("detail") or {}).get("signals"):
        return True
    return None if outcome in (FAILED, STILL_RUNNING, UNKNOWN) else False


@dataclasses.dataclass(frozen=True)
class Spared:
    """Somebody who was not touched, and why.

    Attributes:
        target, name: as of an Action.
        would_match: a rule would have taken it.
    """

    target: t.Mapping[str, t.Any]
    reasons: tuple[str, ...]
    would_match: bool = False
    name: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """The spared target as it appears in results and records."""
        return {"target": dict(self.target), "name": self.name, "reasons": list(self.reasons), "would_match": self.would_match}

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Spared:
        """Read a spared target of a result or a record. Older ones have no name; unknown keys are ignored.

        Raises:
            BadInput: names the key that is missing or of another type.
        """
        given = Reading("spared target", data)
        return cls(
            target=given.mapping("target"), reasons=given.texts("reasons"), would_match=bool(data.get("would_match")),
            name=given.text("name", ""),
        )


@dataclasses.dataclass(frozen=True)
class Approved:
    """An action as an approved plan names it.

    Attributes:
        id: what is approved.
        verb, resource, identity, name: as of the Action; empty where only the id is known. They say what became of a target that
            is gone; what is approved is decided by the id alone.
    """

    id: str
    verb: str = ""
    resource: str = ""
    identity: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    name: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """As it is handed to a module."""
        return {"id": self.id, "verb": self.verb, "resource": self.resource, "identity": dict(self.identity), "name": self.name}

    @classmethod
    def read(cls, given: t.Union[str, t.Mapping[str, t.Any]]) -> Approved:
        """Read an id, or an action of a plan.

        Raises:
            BadInput: it has no id.
        """
        if not isinstance(given, t.Mapping):
            return cls(id=str(given))
        reading = Reading("approved action", given)
        found = cls(
            id=reading.text("id"), verb=reading.text("verb", ""), resource=reading.text("resource", ""),
            identity=reading.mapping("identity", {}), name=reading.text("name", ""),
        )
        # Nobody vouches for data that does not give the id.
        same = found.id == action_id(verb=found.verb, resource=found.resource, identity=found.identity)
        return found if same else cls(id=found.id)


def result(
    actions: t.Sequence[Action],
    *,
    check_mode: bool,
    limits: t.Mapping[str, t.Any] | None = None,
    protected: t.Sequence[Spared] = (),
) -> dict[str, t.Any]:
    """The result of a mitigating module: contract, changed, actions, limits, protected.

    Outside check mode `changed` is true when a target was touched, whatever came of it, or may have been: an action that was begun and not
    answered is never summed up as "nothing changed". In check mode it is true when an action is planned.
    """
    found = [action.as_dict() for action in actions]
    changed = any(
        action["outcome"] == PLANNED if check_mode else bool(action["touched"]) or (action["outcome"], action["touched"]) == (UNKNOWN, None)
        for action in found
    )
    return {
        "contract": ACTIONS_CONTRACT,
        "changed": changed,
        "actions": found,
        "limits": dict(limits or {}),
        "protected": [spared.as_dict() for spared in protected],
    }


def failed_actions(actions: t.Iterable[Action]) -> list[Action]:
    """Those whose outcome must fail the task."""
    return [action for action in actions if action.outcome in FAILED_OUTCOMES]
