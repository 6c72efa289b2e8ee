# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until a server's checks are ok and stay so, in one session.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._core.errors import CannotReach
from .._core.waiting import Wait, Watched, watch_until_held
from .connection import Session
from .health import Look, Request, look, unreachable
from .health_probe import Prober


def watch(
    open_session: t.Callable[[], Session], prober: Prober, *, request: Request, wait: Wait,
    clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
) -> Watched[Look]:
    """Poll in one session, opened again when it breaks, until the checks have held or the time is up.

    Polls look at the named checks only; the last look is at everything.

    Raises:
        Blind, CannotReach (of the kinds that say that we ask wrongly), BadInput.
        ProbeRefused: the probe is waited for, and will never run.
    """
    brief = dataclasses.replace(request, checks=wait.checks)
    eye = _Eye(open_session, prober, probing="probe" in wait.checks)
    try:
        return watch_until_held(lambda: eye.look(brief), lambda: eye.look(request), wait=wait, clock=clock, sleep=sleep)
    finally:
        eye.close()


class _Eye:
    """Looks in one session and opens a new one when that is lost."""

    def __init__(self, open_session: t.Callable[[], Session], prober: Prober, *, probing: bool) -> None:
        self._open = open_session
        self._prober = prober
        self._probing = probing
        self._session: t.Optional[Session] = None

    def look(self, request: Request) -> Look:
        try:
            if self._session is None:
                self._session = self._open()
            seen = look(self._session, request, self._prober)
        except CannotReach as error:
            self.close()
            return unreachable(error, request)
        if self._probing and self._prober.refused is not None:
            raise self._prober.refused
        return seen

    def close(self) -> None:
        self._prober.close()
        session, self._session = self._session, None
        if session is not None:
            session.close()
