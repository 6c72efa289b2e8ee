# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a probe key: what writing, reading, replicating and deleting it came to.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import CRITICAL, NOT_IN_CHECK_MODE, OK, UNKNOWN, WARNING, Finding, Skipped
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from .absent import does_not_apply
from .state import PROBE_PREFIX

MODULE = "redis_probe"
WRITE, READ, REPLICATION, DELETE = CHECKS = ("probe_write", "probe_read", "probe_replication", "probe_delete")
#: What an ACL user needs.
GRANT = f"+set +get +del +exists +wait ~{PROBE_PREFIX}* to this user"
_FOR_REAL = "Probe without check mode: the role does in verify, and with redis_probe_in_investigate whenever it looks."
_FORBIDDEN = ("NOPERM", "NOAUTH")
_NOT_OK = "The server did not answer OK."

_Found = tuple[list[Finding], list[Skipped]]
_Answer = t.Union[Finding, Skipped]


@dataclasses.dataclass(frozen=True)
class Step:
    """What one step of a probe came to.

    Attributes:
        good: the server did what was wanted.
        seconds: how long it took.
        refused: the command that the server refused; empty where it refused none.
        code, message: of its refusal.
        count: how many replicas acknowledged, of WAIT.
    """

    good: bool = False
    seconds: t.Optional[float] = None
    refused: str = ""
    code: str = ""
    message: str = ""
    count: t.Optional[int] = None

    @property
    def forbidden(self) -> bool:
        """Whether we may not: that says nothing of what the application may."""
        return self.code in _FORBIDDEN


@dataclasses.dataclass(frozen=True)
class Unusable:
    """A server that could not be used.

    Attributes:
        kind: of the error; empty where it answered, and forbids INFO.
        said: why nothing could be looked at, where it forbids INFO.
        hint: what to do.
    """

    kind: str = ""
    said: str = ""
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class LostPrimary:
    """The primary of a replica, which cannot be reached from here.

    Attributes:
        place: host:port.
        linked: whether the replica has it.
        message: why it cannot be reached.
    """

    place: str
    linked: bool = False
    message: str = ""


@dataclasses.dataclass(frozen=True)
class Probed:
    """What a probe came to; a step that was not made is None.

    Attributes:
        on_replica: the replica was read, instead of asking the primary who acknowledged.
        wanted: how many replicas had to acknowledge.
    """

    write: Step
    read: t.Optional[Step] = None
    replication: t.Optional[Step] = None
    delete: t.Optional[Step] = None
    on_replica: bool = False
    wanted: int = 0


@dataclasses.dataclass(frozen=True)
class ProbeSeen:
    """What one look saw: one of these. Nothing at all: in check mode nothing is written."""

    probed: t.Optional[Probed] = None
    unusable: t.Optional[Unusable] = None
    lost_primary: t.Optional[LostPrimary] = None


def decide(seen: ProbeSeen, replication_timeout: float, asked: t.Optional[tuple[str, ...]]) -> Judged:
    """The verdict on a probe.

    Args:
        replication_timeout: how long a replica was given, seconds.
        asked: the checks that must be answered.
    """
    findings, skipped = _found(seen, replication_timeout)
    basis = Basis(MODULE, {"seen": seen, "replication_timeout": replication_timeout, "asked": asked})
    return Judged(judge_look(findings, skipped, asked=asked), basis=basis)


def _found(seen: ProbeSeen, replication_timeout: float) -> _Found:
    if seen.unusable is not None:
        return _of_unusable(seen.unusable)
    if seen.lost_primary is not None:
        return _of_lost_primary(seen.lost_primary)
    if seen.probed is None:
        return [], [
            Skipped(name, f"{NOT_IN_CHECK_MODE} it writes nothing", _FOR_REAL if name == WRITE else "") for name in CHECKS]
    judged = _of_steps(seen.probed, replication_timeout)
    return [one for one in judged if isinstance(one, Finding)], [one for one in judged if isinstance(one, Skipped)]


def _of_unusable(seen: Unusable) -> _Found:
    if not seen.kind:
        return [], [Skipped(name, seen.said, f"Allow +info and {GRANT}.") for name in CHECKS]
    reason = f"the server could not be used: {seen.kind}"
    return [Finding(WRITE, CRITICAL, observed=seen.kind, hint=seen.hint)], [Skipped(name, reason) for name in CHECKS[1:]]


def _of_lost_primary(seen: LostPrimary) -> _Found:
    reason = f"this is a replica, and its primary {seen.place} cannot be reached"
    if seen.linked:
        return [], [Skipped(name, f"{reason} from here", hint="Probe the primary.") for name in CHECKS]
    return [Finding(REPLICATION, CRITICAL, observed="no link to the primary", hint=seen.message)], [
        Skipped(name, reason) for name in CHECKS if name != REPLICATION
    ]


def _of_steps(seen: Probed, replication_timeout: float) -> list[_Answer]:
    found = [_written(seen.write)]
    if not seen.write.good:
        return found + [Skipped(name, "not_written: the probe key could not be written") for name in CHECKS[1:]]
    if seen.read is not None:
        found.append(_read(seen.read))
    if seen.replication is None:
        found.append(does_not_apply(REPLICATION, "no_replicas"))
    elif seen.on_replica:
        found.append(_arrived(seen.replication, replication_timeout))
    else:
        found.append(_acknowledged(seen.replication, seen.wanted))
    return found + ([_deleted(seen.delete)] if seen.delete is not None else [])


def _written(step: Step) -> _Answer:
    if step.good:
        return Finding(WRITE, OK, observed=step.seconds, unit="seconds")
    return _forbidden(WRITE, step) if step.forbidden else Finding(WRITE, CRITICAL, hint=_said(step), unit="seconds")


def _read(step: Step) -> _Answer:
    if step.good:
        return Finding(READ, OK, observed=step.seconds, unit="seconds")
    if step.forbidden:
        return _forbidden(READ, step)
    return Finding(READ, CRITICAL, hint=_said(step, "What was written is not what is read."), unit="seconds")


def _arrived(step: Step, replication_timeout: float) -> _Answer:
    if step.good:
        return Finding(REPLICATION, OK, observed=step.seconds, unit="seconds")
    if step.forbidden:
        return _forbidden(REPLICATION, step)
    hint = _said(step, "Look at the link to the primary.")
    return Finding(REPLICATION, CRITICAL, observed=replication_timeout, unit="seconds", hint=hint)


def _acknowledged(step: Step, wanted: int) -> _Answer:
    if step.forbidden:
        return _forbidden(REPLICATION, step)
    if step.count is None:
        return Finding(REPLICATION, UNKNOWN, threshold=wanted, unit="count", hint=_said(step))
    status = OK if step.count >= wanted else CRITICAL if step.count == 0 else WARNING
    hint = "" if status == OK else f"{step.count} of {wanted} replicas had the probe key in time."
    return Finding(REPLICATION, status, observed=step.count, threshold=wanted, unit="count", hint=hint)


def _deleted(step: Step) -> _Answer:
    if step.good:
        return Finding(DELETE, OK)
    if step.forbidden:
        return _forbidden(DELETE, step)
    return Finding(DELETE, CRITICAL, hint=_said(step, "The probe key could not be deleted; it goes by itself."))


def _forbidden(check: str, step: Step) -> Skipped:
    return Skipped(check, f"not_permitted: {step.refused}: {step.code} {step.message}", f"Allow {GRANT}.")


def _said(step: Step, otherwise: str = _NOT_OK) -> str:
    return f"{step.code} {step.message}" if step.refused else otherwise
