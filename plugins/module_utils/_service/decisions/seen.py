# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of services and of what runs them, and what it is judged by.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import Finding, Skipped
from ..._core.thresholds import Limit
from .instance import Instance

_USUAL = Limit(1, 3)


@dataclasses.dataclass(frozen=True)
class Past:
    """An instance at the first look."""

    identity: str
    restarts: t.Optional[int] = None


@dataclasses.dataclass(frozen=True)
class ServiceSeen:
    """What was seen of one service.

    Attributes:
        name: how people call it.
        engine: what answers for it, as people call it.
        at: when it was looked at last, seconds since the epoch.
        desired: how many instances there should be; None where nobody says it.
        one_shot: it is a job with an end.
        instances: at the last look.
        past: at the first look, by id; None where it was looked at once.
        trouble: why it could not be looked at; hint: what to do about that.
        findings, skipped: of its runtime's own checks.
    """

    name: str
    engine: str
    at: float = 0.0
    desired: t.Optional[int] = None
    one_shot: bool = False
    instances: tuple[Instance, ...] = ()
    past: t.Optional[t.Mapping[str, Past]] = None
    trouble: str = ""
    hint: str = ""
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def running(self) -> list[Instance]:
        """The instances that run."""
        return [one for one in self.instances if one.runs]


@dataclasses.dataclass(frozen=True)
class DaemonSeen:
    """What runs some services: whether it does not run, and why it could not be asked."""

    name: str
    down: bool = False
    trouble: str = ""
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Terms:
    """What is judged by.

    Attributes:
        window: seconds between two looks.
        since: when the incident began, seconds since the epoch; restarts since then count. None: those of the last
            minutes.
        restarts: how many are a warning, and critical.
    """

    window: float
    since: t.Optional[float] = None
    restarts: Limit = _USUAL
