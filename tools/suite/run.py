# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs units in lanes beside each other: two for tests, one for drills. Each one's output goes to a file, its end to the screen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.suite.plan import DRILLS, TESTS, Unit, next_unit, slowness

LANES = (TESTS, TESTS, DRILLS)
#: A unit that takes so many times its cost hangs; never less than this many seconds.
HANGS, PATIENCE = 4.0, 900.0
#: Lines of a failed unit's output that are shown.
TAIL = 200
#: The closing line of pytest, and the count of Ansible starts that tests/conftest.py prints.
_CLOSING = re.compile(r"^(?:=+ )?(\d+ (?:passed|failed|skipped|error|deselected).*?)(?: =+)?$", re.MULTILINE)
_STARTS = re.compile(r"^Ansible was started (\d+) times$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """One unit that ran: its exit status (None: it was killed), wall seconds, how often it started Ansible, its last words."""

    unit: Unit
    status: int | None
    seconds: float
    plays: int
    closing: str
    log: Path

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == 0


class Suite:
    """A run of units. `spent` seconds have gone before it; nothing starts that would not end before `deadline`."""

    def __init__(
        self, units: Sequence[Unit], *, root: Path, logs: Path, spent: float = 0.0, deadline: float | None = None,
        lanes: Sequence[str] = LANES,
    ) -> None:
        self._waiting = list(units)
        self._lanes = tuple(lanes)
        self._root, self._logs = root, logs
        self._began = time.monotonic() - spent
        self._deadline = deadline
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._busy = 0
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = False
        self.ended: list[Ended] = []
        self.fixed_until = spent
        logs.mkdir(parents=True, exist_ok=True)

    def clock(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def run(self) -> None:
        """Work until nothing is left that fits."""
        with ThreadPoolExecutor(max_workers=len(self._lanes)) as pool:
            # A termination may come while the last lane is not yet there: the first may have begun a unit by then.
            try:
                for lane in [pool.submit(self._lane, lane) for lane in self._lanes]:
                    lane.result()
            except BaseException:
                self._stop()
                # A lane that was just being made is not the pool's yet, and has begun all the same.
                with self._lock:
                    self._idle.wait_for(lambda: not self._busy)
                raise

    @property
    def left_out(self) -> list[Unit]:
        """What did not fit, in the order of the queue."""
        return list(self._waiting)

    @property
    def failed(self) -> list[Ended]:
        """What ran and did not succeed."""
        return [ended for ended in self.ended if not ended.ok]

    def _stop(self) -> None:
        with self._lock:
            self._stopping = True
            for process in self._running:
                _kill(process)

    def _lane(self, lane: str) -> None:
        with self._lock:
            self._busy += 1
        try:
            self._work(lane)
        finally:
            with self._lock:
                self._busy -= 1
                self._idle.notify_all()

    def _work(self, lane: str) -> None:
        while (unit := self._take(lane)) is not None:
            ended = self._one(unit)
            with self._lock:
                self.ended.append(ended)
                if unit.fixed:
                    self.fixed_until = max(self.fixed_until, self.clock())
                self._say(ended)

    def _take(self, lane: str) -> Unit | None:
        with self._lock:
            if self._stopping:
                return None
            factor = slowness((ended.unit.seconds, ended.seconds) for ended in self.ended if ended.status is not None)
            unit = next((unit for unit in self._waiting if unit.fixed and unit.lane == lane), None) or next_unit(
                self._waiting, lane=lane, now=self.clock(), deadline=self._deadline, slowness=factor,
            )
            if unit is not None:
                self._waiting.remove(unit)
            return unit

    def _one(self, unit: Unit) -> Ended:
        log = self._logs / (re.sub(r"[^A-Za-z0-9.]+", "-", unit.name) + ".log")
        began = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                unit.argv, cwd=self._root, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env=_environment(),
            )
            with self._lock:
                self._running.add(process)
                if self._stopping:  # who stopped the others did not see this one
                    _kill(process)
            try:
                status: int | None = process.wait(timeout=max(PATIENCE, HANGS * unit.seconds))
            except subprocess.TimeoutExpired:
                status = None
            finally:
                # Also what it left running in its group: the next unit must not share the machine with it.
                _kill(process)
                process.wait()
                with self._lock:
                    self._running.discard(process)
        text = log.read_text(errors="replace")
        closing = _CLOSING.findall(text)
        return Ended(
            unit=unit, status=status, seconds=time.monotonic() - began, plays=sum(map(int, _STARTS.findall(text))),
            closing=closing[-1] if closing else "", log=log,
        )

    def _say(self, ended: Ended) -> None:
        minutes, seconds = divmod(int(self.clock()), 60)
        state = "ok" if ended.ok else "FAILED" if ended.status is not None else "KILLED"
        unit = ended.unit
        print(f"[{minutes:2d}:{seconds:02d}] {state:6} {unit.name} ({ended.seconds:.0f} s, cost {unit.seconds:.0f} s)", flush=True)
        if ended.status is None:
            print(f"    it hung: killed after {ended.seconds:.0f} s", flush=True)
        if not ended.ok:
            lines = ended.log.read_text(errors="replace").splitlines()
            print("\n".join(f"    {line}" for line in lines[-TAIL:]), flush=True)
        elif ended.closing:
            print(f"        {ended.closing}", flush=True)


def _environment() -> dict[str, str]:
    """The caller's, without what an outer make tells an inner one: its ARGS would be the inner one's too."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "ARGS")}


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def beside(first: Callable[[], int], argv: Sequence[str], *, root: Path, log: Path) -> int:
    """Run a command into a file beside a function that uses the screen, then show what it said; the worse of both statuses."""
    with log.open("wb") as output:
        process = subprocess.Popen(argv, cwd=root, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            status = first()
        except BaseException:
            process.terminate()
            raise
        finally:
            other = process.wait()
    print(log.read_text(errors="replace"), end="", flush=True)
    return status or other
