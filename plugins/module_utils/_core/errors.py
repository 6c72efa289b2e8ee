# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error family of the collection.

This module util is PRIVATE to the collection: it may change at any time.

Everything below a module's main() raises an IncidentError; main() has one except clause
and hands message, hint and facts to fail_json, so that a caller can branch on `error`
instead of reading prose.
"""

from __future__ import annotations

import typing as t


class IncidentError(Exception):
    """Something stops us, in words the operator can act on.

    Args:
        message: names the input or the part concerned and says what is wrong.
        hint: what to do about it, in one sentence.
        facts: JSON-like data that goes into the result beside the message.
    """

    kind: t.ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None, **facts: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts

    def as_result(self) -> dict[str, t.Any]:
        """Keyword arguments for fail_json: msg, error (the kind), hint and the facts."""
        text = self.message if not self.hint else f"{self.message} {self.hint}"
        return {"error": self.kind, **self.facts, "msg": text, "hint": self.hint}


class BadInput(IncidentError):
    """An argument, a file or a variable is not usable; nothing was touched."""

    kind = "bad_input"


class CannotReach(IncidentError):
    """The target could not be reached or refused us; `error` in facts says which way."""

    kind = "cannot_reach"


class Blind(IncidentError):
    """We may not see what we would have to judge; never read as health."""

    kind = "blind"


class LimitExceeded(IncidentError):
    """More would have been changed than the caller allowed; nothing was."""

    kind = "limit_exceeded"


class Locked(IncidentError):
    """Somebody else is acting on the same target now."""

    kind = "locked"

    @classmethod
    def by(cls, who: str, what: str, *, more: str, hint: str, **facts: t.Any) -> Locked:
        """It is known that somebody is.

        Args:
            who: such as "Run 7"; empty for another run of which no more is known.
            what: is acted on.
            more: since or until when, after a comma or a space.
        """
        return cls(f"{who or 'Another run'} is acting on {what}{more}.", hint=hint, **facts)

    @classmethod
    def unseen(cls, what: str, reason: str, *, hint: str, **facts: t.Any) -> Locked:
        """It cannot be found out: it counts as if somebody were."""
        return cls(f"Whether another run is acting on {what} cannot be seen: {reason}.", hint=hint, **facts)


class PlanRefused(IncidentError):
    """The approved plan is tampered with, expired or not for this run."""

    kind = "plan_refused"
