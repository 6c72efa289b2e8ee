# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to look, handed to threads, within a wall of time.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import queue
import threading
import time
import typing as t

Job = t.TypeVar("Job")
Result = t.TypeVar("Result")


def run_all(
    jobs: t.Sequence[Job], work: t.Callable[[Job], Result], *, workers: int, until: float, late: t.Callable[[Job], Result],
) -> list[Result]:
    """The results of all jobs, in their order. What has not ended at `until` gets `late`'s result.

    Threads are daemons: one that hangs in a call without a limit of its own (the system's resolver) holds nobody up.

    Args:
        work: must not raise; what it raises all the same is raised here.
        until: time.monotonic() at which nobody waits any longer.
    """
    found: dict[int, Result] = {}
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[int, t.Any, t.Optional[BaseException]]] = queue.SimpleQueue()
    for index in range(len(jobs)):
        waiting.put(index)

    def serve() -> None:
        while time.monotonic() < until:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put((index, work(jobs[index]), None))
            except BaseException as exc:
                ended.put((index, None, exc))

    for _number in range(min(workers, len(jobs))):
        threading.Thread(target=serve, daemon=True).start()
    while len(found) < len(jobs):
        try:
            index, result, problem = ended.get(timeout=max(until - time.monotonic(), 0.0) or 0.001)
        except queue.Empty:
            if time.monotonic() >= until:
                break
            continue
        if problem is not None:
            raise problem
        found[index] = result
    return [found[index] if index in found else late(job) for index, job in enumerate(jobs)]


def bounded(call: t.Callable[[], Result], *, seconds: float) -> Result:
    """The result of a call that has no limit of its own.

    Raises:
        TimeoutError: it did not end in time; its thread is left to itself.
    """
    said: queue.SimpleQueue[tuple[t.Any, t.Optional[BaseException]]] = queue.SimpleQueue()

    def serve() -> None:
        try:
            said.put((call(), None))
        except BaseException as exc:
            said.put((None, exc))

    threading.Thread(target=serve, daemon=True).start()
    try:
        result, problem = said.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        raise TimeoutError("no answer in time") from None
    if problem is not None:
        raise problem
    return t.cast(Result, result)
