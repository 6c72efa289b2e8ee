# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One incident on disk: its events, read by anybody at any time, and written under its lock."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import cannot_record
from ansible_collections.oncall.incident.plugins.plugin_utils._record.line import encode
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.utf8 import cleaned, to_bytes
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

from ..errors import Stop
from ..exits import Exit
from ..private import replace_private
from ..who import opening, user
from . import model, places
from .model import State

#: Of a line of the custody chain, in bytes: redacted it may be some times as long, and must not spill then (blobs.SPILL_BYTES).
_MOST_CUSTODY = 10 * 1024
#: How many characters of a text and how many members of a list are left, tried in this order; a signer's name is shorter than the last.
_SHORTER = ((4000, 200), (1000, 100), (300, 40), (120, 20))
#: Seconds to wait for another operator's command to finish writing.
LOCK_SECONDS = 30.0
_POLL = 0.02


class Incident:
    """An incident's folder.

    Attributes:
        folder, bundle, data: the folder, the bag in it, and the bag's payload.
        id: the folder's name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle = places.bundle(folder)
        self.data = places.data(folder)
        self.id = folder.name
        self._depth = 0
        self._lock_fd = -1
        self._redactor: Redactor | None = None

    @classmethod
    def load(cls, folder: Path) -> Incident:
        """An incident that is there.

        Raises:
            Stop: it is none.
        """
        if not places.is_bundle(places.bundle(folder)):
            raise Stop(f"{folder}: there is no incident.", hint="incident list shows those that there are.")
        return cls(folder)

    @property
    def home(self) -> Path:
        """The recorder's home that the incident is in."""
        return self.folder.parent.parent

    # Reading

    def events(self) -> Iterator[Mapping[str, Any]]:
        """The incident's own events in order, with bounded memory."""
        return reader.read(self.data, places.EVENTS)

    def state(self) -> State:
        """The incident now."""
        state = model.fold(self.events())
        state.id = state.id or self.id
        return state

    def runs(self) -> list[tuple[model.Run, Path]]:
        """The incident's runs and where each one's record is: in the bag once it was collected, else under the home's runs."""
        return [(run, self.run_dir(run.run)) for run in self.state().runs.values()]

    def run_dir(self, run: str) -> Path:
        """The directory of a run's record."""
        collected = self.data / "runs" / run
        return collected if layout.segments(collected) else layout.runs_dir(self.home) / run

    # Writing

    @property
    def redactor(self) -> Redactor:
        """What everything written here passes."""
        if self._redactor is None:
            self._redactor = Redactor.for_run(self.home, self.id)
            self._redactor.leave([self.id])
            self._redactor.learn_environment(os.environ)
        return self._redactor

    @contextlib.contextmanager
    def locked(self, *, seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Hold the incident alone: others wait, at most `seconds`. May be nested.

        Raises:
            Stop: somebody else holds it too long.
            CannotRecord: the lock cannot be made.
        """
        if self._depth == 0:
            self._lock_fd = _lock(self.folder / "lock", seconds=seconds)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                os.close(self._lock_fd)
                self._lock_fd = -1

    def append(self, kind: str, payload: Mapping[str, Any]) -> int:
        """Write one event, with who wrote it; its seq.

        Raises:
            CannotRecord: it is not written.
        """
        return self.append_all([(kind, payload)])

    def append_all(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> int:
        """Write several events that belong together; the last one's seq."""
        with self.locked(), self._segment(places.EVENTS, self.data) as segment:
            for number, (kind, payload) in enumerate(events, start=1):
                segment.append(kind, {"by": user(), **payload}, sync=number == len(events))
            return segment.seq

    def custody(self, action: str, payload: Mapping[str, Any] | None = None) -> None:
        """Write a line of the custody chain: it is beside the bag, so that looking at evidence does not change it.

        A seal copies the chain into the bag line by line: texts are shortened until nothing of it needs a file of its own.
        """
        payload = bounded({"by": user(), "controller": os.uname().nodename, **(payload or {})})
        with self.locked(), self._segment(places.CUSTODY, self.folder) as segment:
            segment.append("custody", {"action": action, **payload})

    def close_segment(self, name: str) -> None:
        """End the current file of events or custody, so that a seal covers whole files and what follows begins a new one."""
        root = self.data if name == places.EVENTS else self.folder
        with self.locked(), self._segment(name, root) as segment:
            segment.close({"ended": "sealed"})

    @contextlib.contextmanager
    def _segment(self, name: str, root: Path) -> Iterator[Segment]:
        segment = Segment.open(
            root, run=self.id, redactor=self.redactor, opening=opening({}), name=name, resume=True, lock=self.folder / f"{name}.lock",
        )
        try:
            yield segment
        finally:
            segment.abandon()  # it goes on later; a seal closes it

    def write_json(self, text: str) -> None:
        """Replace incident.json: what the events say, for people and other tools."""
        replace_private(self.data / "incident.json", text)


def bounded(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload, with its texts and lists shortened as far as needed to stay within one line."""
    found: dict[str, Any] = cleaned(payload)
    for characters, members in _SHORTER:
        if len(encode(found)) <= _MOST_CUSTODY:
            break
        found = _shortened(found, characters, members)
    return found


def _shortened(value: Any, characters: int, members: int) -> Any:
    if isinstance(value, str) and len(value) > characters:
        return f"{value[:characters]}... ({len(value)} characters)"
    if isinstance(value, list):
        more = [f"and {len(value) - members} more"] if len(value) > members else []
        return [_shortened(member, characters, members) for member in value[:members]] + more
    if isinstance(value, dict):
        return {key: _shortened(member, characters, members) for key, member in value.items()}
    return value


def _lock(path: Path, *, seconds: float) -> int:
    layout.make_private(path.parent)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise cannot_record(path, exc, doing="lock") from exc
    end = time.monotonic() + seconds
    while True:
        try:
            # Of the open file, not the process: two threads of one process exclude each other as well.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EACCES) or time.monotonic() >= end:
                holder = os.pread(fd, 200, 0).decode("utf-8", "replace").strip()
                os.close(fd)
                raise Stop(
                    f"{path.parent.name} is being written by {holder or 'another command'}.", hint="Wait until it ends, then try again.",
                    status=Exit.NOT_RECORDED,
                ) from exc
            time.sleep(_POLL)
            continue
        os.ftruncate(fd, 0)
        os.pwrite(fd, to_bytes(f"pid {os.getpid()} ({user()}) on {os.uname().nodename}\n"), 0)
        return fd
