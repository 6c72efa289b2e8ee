# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping an execution: a Ctrl-C, a termination signal or the deadline ask first, wait a bounded time, then kill."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType

#: Seconds that ansible-playbook gets to end its workers after SIGINT.
GRACE = 10.0

INTERRUPT, TIMEOUT = "interrupt", "timeout"


class Stopper:
    """Whether, why and how far a run is being stopped; shared by all its executions.

    Args:
        timeout: seconds until the deadline; None for none.
        clock: monotonic seconds.
    """

    def __init__(self, *, timeout: float | None = None, grace: float = GRACE, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadline = None if timeout is None else clock() + timeout
        self._grace = grace
        self._asked = False
        self._kill_at: float | None = None
        self.reason = ""

    def interrupt(self) -> None:
        """Somebody wants us to stop; the second time, at once."""
        if self.reason:
            self._kill_at = self._clock()
        else:
            self.reason = INTERRUPT

    @property
    def remaining(self) -> float | None:
        """Seconds to the deadline, zero or more; None when there is none."""
        return None if self._deadline is None else max(self._deadline - self._clock(), 0.0)

    def check_deadline(self) -> None:
        """Note that the deadline has passed."""
        if not self.reason and self.remaining == 0.0:
            self.reason = TIMEOUT

    def poll(self, group: Callable[[], int | None]) -> bool:
        """Called often while Ansible runs; true when it must be killed now.

        Args:
            group: ansible-playbook's process group once it is known.
        """
        self.check_deadline()
        if not self.reason:
            return False
        if self._kill_at is None:
            self._kill_at = self._clock() + self._grace
        if not self._asked:
            leader = group()
            if leader is not None:
                # SIGINT makes Ansible pass the signal to its workers, which lead sessions of their own.
                self._asked = True
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(leader, signal.SIGINT)
        return self._clock() >= self._kill_at


@contextlib.contextmanager
def signals(stopper: Stopper) -> Iterator[None]:
    """Within the block SIGINT, SIGTERM and SIGHUP ask the stopper instead of raising."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stopper.interrupt()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
