# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contract 1: health modules return a verdict.

This module util is PRIVATE to the collection: it may change at any time.

A verdict is findings (each judged), what could not be judged (skipped), and the worst status.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .reading import Reading

VERDICT_CONTRACT = "oncall.incident/verdict/1"
#: Where a verdict comes from: a sentence before it, see plugins/action/place.py.
PLACE_CONTRACT = "oncall.incident/place/1"

OK = "ok"
WARNING = "warning"
UNKNOWN = "unknown"
CRITICAL = "critical"

#: From best to worst. What could not be judged is worse than a warning: it may hide anything.
STATUSES: tuple[str, ...] = (OK, WARNING, UNKNOWN, CRITICAL)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One judged observation.

    Attributes:
        check: stable snake_case name of the check, the same for every subject.
        status: one of STATUSES.
        observed: what was measured, a JSON value.
        threshold: the value that decided, or None where the check has none.
        unit: of observed and threshold: seconds, bytes, percent, count, ...
        hint: what to do about it; empty when ok, unless something better is advised all the same.
        subject: what the finding is about where a check judges several things (a slot, a database).
        detail: further JSON-like data for the report.
        asked: whether its check is one that had to be answered; None in records from before that was told.
    """

    check: str
    status: str
    observed: t.Any = None
    threshold: t.Any = None
    unit: str = ""
    hint: str = ""
    subject: str = ""
    detail: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    asked: t.Optional[bool] = None

    def as_dict(self) -> dict[str, t.Any]:
        """The finding as it appears in results and records."""
        return {**dataclasses.asdict(self), "detail": dict(self.detail)}

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Finding:
        """Read a finding of a result or a record; unknown keys are ignored.

        Raises:
            BadInput: names the key that is missing or of another type.
        """
        given = Reading("finding", data)
        asked = data.get("asked")
        return cls(
            check=given.text("check"), status=given.text("status"), observed=data.get("observed"), threshold=data.get("threshold"),
            unit=given.text("unit", ""), hint=given.text("hint", ""), subject=given.text("subject", ""), detail=given.mapping("detail", {}),
            asked=asked if isinstance(asked, bool) else None,
        )


#: Why a check has no finding. The product has no such thing: an unknown command, an older version, another role of the server.
NOT_APPLICABLE = "not_applicable"
#: It has, and it could not be looked at: no permission, a time that is over, something unreadable. That is never health.
COULD_NOT_LOOK = "could_not_look"
SKIPPED_KINDS = (NOT_APPLICABLE, COULD_NOT_LOOK)
#: How the reason begins of a check that can only be looked at by changing something, so that check mode leaves it unknown.
NOT_IN_CHECK_MODE = "check_mode:"


@dataclasses.dataclass(frozen=True)
class Skipped:
    """A check that could not run. Never counts as ok.

    Attributes:
        kind: one of SKIPPED_KINDS; empty in records from before that was told.
    """

    check: str
    reason: str
    hint: str = ""
    kind: str = COULD_NOT_LOOK

    def as_dict(self) -> dict[str, t.Any]:
        """The skipped check as it appears in results and records."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Skipped:
        """Read a skipped check of a result or a record; unknown keys are ignored.

        Raises:
            BadInput: names the key that is missing or of another type.
        """
        given = Reading("skipped check", data)
        kind = given.text("kind", "")
        return cls(
            check=given.text("check"), reason=given.text("reason"), hint=given.text("hint", ""),
            kind=kind if kind in ("", *SKIPPED_KINDS) else COULD_NOT_LOOK,
        )


def worst(statuses: t.Iterable[str]) -> str:
    """The worst of the statuses; unknown when there is none, since nothing was judged."""
    found = [STATUSES.index(status) for status in statuses]
    return STATUSES[max(found)] if found else UNKNOWN


def judge(
    check: str,
    observed: float | None,
    *,
    warning: float | None = None,
    critical: float | None = None,
    unit: str = "",
    hint: str = "",
    subject: str = "",
    detail: t.Mapping[str, t.Any] | None = None,
) -> Finding:
    """Judge a number of which more is worse. A threshold is crossed when observed >= threshold.

    A missing number is unknown. A threshold of None is not applied.
    """
    status, threshold = OK, warning if warning is not None else critical
    if observed is None:
        status = UNKNOWN
    elif critical is not None and observed >= critical:
        status, threshold = CRITICAL, critical
    elif warning is not None and observed >= warning:
        status, threshold = WARNING, warning
    return Finding(
        check=check, status=status, observed=observed, threshold=threshold, unit=unit,
        hint="" if status == OK else hint, subject=subject, detail=detail or {},
    )


def must_fail(status: str, *, fail_on: str) -> bool:
    """Whether a task with fail_on (never, critical, warning) fails at this status.

    Unknown is worse than warning and fails a task that fails on warning; with `critical` it fails too,
    because what could not be judged may be critical.
    """
    if fail_on == "never":
        return False
    if fail_on == "warning":
        return status != OK
    return status in (CRITICAL, UNKNOWN)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one check has to say."""

    findings: t.Sequence[Finding] = ()
    data: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    skipped: t.Sequence[Skipped] = ()
