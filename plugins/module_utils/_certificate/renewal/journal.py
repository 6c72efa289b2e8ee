# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups of certificates, and what became of each attempt to renew one.

This module util is PRIVATE to the collection: it may change at any time.

An attempt is a directory `<backups>/<lineage>/<time>/`: `files/` has the copies, `manifest.json` what they are and what became of the
attempt. The manifest is on the disk before anything is changed, so that an attempt that was killed is found by the next run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
import typing as t

from ..._core.errors import CannotReach
from ..._module.lease import acting_alone
from . import backup
from .commands import alive, start_time

CONTRACT = "oncall.incident/renewal/1"
OPEN, ACCEPTED, ROLLED_BACK, FAILED = "open", "accepted", "rolled_back", "failed"
#: Attempts of one lineage that are kept: enough to count failures, and to go back by hand.
KEEP = 10


@dataclasses.dataclass
class Attempt:
    """One attempt to renew one certificate."""

    directory: str
    lineage: str
    began: float
    paths: list[str]
    entries: list[backup.Entry]
    state: str = OPEN
    ended: float = 0.0
    why: str = ""
    pid: int = 0
    pid_started: str = ""

    @property
    def copies(self) -> str:
        """Where the copies are."""
        return os.path.join(self.directory, "files")

    @property
    def aside(self) -> str:
        """Where what was rolled back is put."""
        return os.path.join(self.directory, "rejected")

    @property
    def at_work(self) -> bool:
        """Whether the command that renews is still there."""
        return self.state == OPEN and alive(self.pid, self.pid_started)

    def started(self, pid: int) -> None:
        """Remember the command's process."""
        self.pid, self.pid_started = pid, start_time(pid)
        self.save()

    def close(self, state: str, *, now: float, why: str = "") -> None:
        """Say what became of it."""
        self.state, self.ended, self.why = state, now, why[:1000]
        self.save()

    def save(self) -> None:
        """Write the manifest."""
        data = {"contract": CONTRACT, **{key: value for key, value in dataclasses.asdict(self).items() if key != "directory"}}
        backup.write_through(os.path.join(self.directory, "manifest.json"), json.dumps(data, indent=1, sort_keys=True) + "\n")


@dataclasses.dataclass(frozen=True)
class Journal:
    """All attempts on this host."""

    root: str

    def lock(self) -> t.ContextManager[None]:
        """Nobody else on this host writes here meanwhile, for certificates of another configuration.

        Raises:
            Locked: somebody does.
        """
        return acting_alone(f"certificates that are backed up in {os.path.realpath(self.root)}")

    def attempts(self, lineage: str) -> list[Attempt]:
        """The attempts of a lineage, the oldest first. A directory without a manifest was left before anything was changed."""
        place = os.path.join(self.root, lineage)
        try:
            names = sorted(os.listdir(place))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            raise CannotReach(f"{place} cannot be read: {exc.strerror}.", hint="Run it as the user who renews, often root.") from exc
        return [found for name in names if (found := _load(os.path.join(place, name))) is not None]

    def open_attempt(self, lineage: str) -> t.Optional[Attempt]:
        """The attempt that nobody finished, if there is one."""
        return next((attempt for attempt in reversed(self.attempts(lineage)) if attempt.state == OPEN), None)

    def failures(self, lineage: str, *, since: float) -> int:
        """How many attempts failed since then."""
        return sum(attempt.state in (FAILED, ROLLED_BACK) and attempt.ended >= since for attempt in self.attempts(lineage))

    def begin(self, lineage: str, paths: t.Sequence[str], *, now: float) -> Attempt:
        """Back the paths up.

        Raises:
            CannotReach: it could not be written.
        """
        moment = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}.{int(now % 1 * 1e6):06d}Z"
        directory = os.path.join(self.root, lineage, f"{moment}-{os.getpid()}")
        try:
            backup.make_private(os.path.dirname(directory))
            os.mkdir(directory, 0o700)
            attempt = Attempt(directory=directory, lineage=lineage, began=now, paths=list(paths), entries=backup.take(paths))
            backup.store(attempt.entries, attempt.copies)
            attempt.save()
        except OSError as exc:
            raise CannotReach(
                f"No backup could be made in {directory}: {exc.strerror}.",
                hint="Free space, run it as a user who may write there, or set backup_dir.",
            ) from exc
        return attempt

    def prune(self, lineage: str) -> None:
        """Remove the oldest attempts beyond KEEP, never one that is open, and what a killed run left of a backup."""
        place = os.path.join(self.root, lineage)
        attempts = self.attempts(lineage)
        old = [attempt.directory for attempt in attempts[:-KEEP] if attempt.state != OPEN]
        torn = [
            os.path.join(place, name) for name in os.listdir(place) if not os.path.lexists(os.path.join(place, name, "manifest.json"))
        ]
        for directory in (*old, *torn):
            shutil.rmtree(directory, ignore_errors=True)


def _load(directory: str) -> t.Optional[Attempt]:
    try:
        with open(os.path.join(directory, "manifest.json"), encoding="utf-8") as source:
            data = json.load(source)
        if data.pop("contract") != CONTRACT:
            return None
        entries = [backup.Entry(**entry) for entry in data.pop("entries")]
        return Attempt(directory=directory, entries=entries, **data)
    except (OSError, ValueError, KeyError, TypeError):
        return None
