# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when an event cannot be written: stop for certain, or go on and say so as soon as it can be said.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import typing as t

from ...module_utils._core.errors import IncidentError
from .errors import EXIT_CANNOT_RECORD
from .writer import Segment

# The file is still ours; space may come back.
_MAY_PASS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EINTR, errno.EAGAIN})

Stop = t.Callable[[BaseException], None]


def explain(exc: BaseException) -> str:
    """One line for the operator."""
    if isinstance(exc, IncidentError):
        return str(exc.as_result()["msg"])
    return f"The recorder failed: {type(exc).__name__}: {exc}. This is a defect of oncall.incident; please report it."


def stop_process(exc: BaseException) -> None:
    """Say why and end this process at once.

    Not by an exception: Ansible makes a warning of it and runs the next task.
    """
    say(f"ERROR: {explain(exc)} Nothing more is done: what is not recorded must not happen. (INCIDENT_RECORD_ON_ERROR=continue goes on.)")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(EXIT_CANNOT_RECORD)


def say(text: str) -> None:
    """Write a line to stderr, past every buffer."""
    with contextlib.suppress(OSError):  # nobody listens
        os.write(2, f"\n[oncall.incident.evidence] {text}\n".encode("utf-8", "replace"))


class Recorder:
    """A segment with a policy.

    Args:
        open_segment: opens this writer's segment; called again when the segment was lost.
        keep_going: go on when an event cannot be written.
        stop: ends the process; replaced in tests.
        warn: tells the operator once that events are being lost.
    """

    def __init__(
        self, open_segment: t.Callable[[], Segment], *, keep_going: bool = False,
        stop: Stop = stop_process, warn: t.Callable[[str], None] = say,
    ) -> None:
        self._open_segment = open_segment
        self._keep_going = keep_going
        self._stop = stop
        self._warn = warn
        self._segment: Segment | None = None
        self._lost = 0
        self._lost_in_total = 0
        self._why = ""

    @property
    def segment(self) -> Segment | None:
        """The open segment, if any."""
        return self._segment

    def open(self) -> None:
        """Open the segment now, before anything happens."""
        try:
            self._segment = self._open_segment()
        except Exception as exc:
            self._failed(exc, lost=0)

    def event(self, kind: str, payload: t.Mapping[str, t.Any], *, sync: bool = True) -> None:
        """Write one event, or do what the policy says."""
        try:
            self._ready().append(kind, payload, sync=sync)
        except Exception as exc:
            self._failed(exc, lost=1)

    def close(self, payload: t.Mapping[str, t.Any] | None = None) -> int:
        """End the segment; how many events were lost in all."""
        try:
            if self._segment is not None or self._lost:
                extra = {"lost": self._lost_in_total} if self._lost_in_total else {}
                self._ready().close({**(payload or {}), **extra})
        except Exception as exc:
            self._failed(exc, lost=1)
        if self._segment is not None:
            self._segment.abandon()
            self._segment = None
        return self._lost_in_total

    def failed(self, exc: BaseException) -> None:
        """An event could not even be made: a defect of ours, treated like a write that failed."""
        self._failed(exc, lost=1)

    def _ready(self) -> Segment:
        if self._segment is None:
            self._segment = self._open_segment()
        if self._lost:
            self._segment.append("record.degraded", {"lost": self._lost, "why": self._why})
            self._lost, self._why = 0, ""
        return self._segment

    def _failed(self, exc: BaseException, *, lost: int) -> None:
        if not self._keep_going:
            self._stop(exc)
        if not self._lost:
            self._warn(f"WARNING: {explain(exc)} Going on without a record, as told; events are being lost.")
        self._lost += lost
        self._lost_in_total += lost
        self._why = self._why or explain(exc)
        code = exc.facts.get("errno") if isinstance(exc, IncidentError) else None
        if self._segment is not None and code is not None and code not in _MAY_PASS:
            self._segment.abandon()
            self._segment = None
