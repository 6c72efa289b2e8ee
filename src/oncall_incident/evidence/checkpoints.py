# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: how far a chain had come, signed while the incident runs. A tail that is cut off later is missed."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader

from ..errors import Stop
from ..private import replace_private
from . import places, signing
from .incident import LOCK_SECONDS, Incident

_LONGEST = 1000
PREFIX = "oncall.incident"
#: While people write notes, one checkpoint in so many seconds is enough.
FRESH_SECONDS = 60.0
_NAME = re.compile(r"(\d{6})\.txt\Z")


@dataclass(frozen=True)
class Checkpoint:
    """That a chain had `count` lines and its last one this SHA-256. `origin` is `<incident>/events` or `<incident>/runs/<run>`."""

    path: Path
    origin: str
    count: int
    head: str


def directory(data: Path) -> Path:
    """Where they are."""
    return data / "checkpoints"


def of_events(incident: Incident, signer: signing.Signer | None) -> Path | None:
    """Take one of the incident's events."""
    with incident.locked():
        count, head = end(incident.data, places.EVENTS)
        return take(incident, origin=f"{incident.id}/events", count=count, head=head, signer=signer)


def of_run(
    incident: Incident, run: str, run_dir: Path, signer: signing.Signer | None, *, seconds: float = LOCK_SECONDS,
) -> Path | None:
    """Take one of a run's record, also while it is being written; `seconds` is how long to wait for others."""
    count, head = end(run_dir, layout.RECORD)
    with incident.locked(seconds=seconds):
        return take(incident, origin=f"{incident.id}/runs/{run}", count=count, head=head, signer=signer)


def when_due(incident: Incident, signers: Sequence[signing.Signer]) -> None:
    """Take one of the incident's events, unless there is a fresh one."""
    taken = [item.path.stat().st_mtime for item in read(incident.data)]
    if not taken or time.time() - max(taken) > FRESH_SECONDS:
        of_events(incident, signers[0] if signers else None)


def take(incident: Incident, *, origin: str, count: int, head: str, signer: signing.Signer | None) -> Path | None:
    """Write one; None when nothing was added since the last of that origin. Without a usable key it stays unsigned."""
    where = directory(incident.data)
    layout.make_private(where)
    known = list(read(incident.data))
    if not count or any(item.origin == f"{PREFIX}/{origin}" and item.count >= count for item in known):
        return None
    number = max((int(item.path.stem) for item in known), default=0) + 1
    path = where / f"{number:06d}.txt"
    replace_private(path, f"{PREFIX}/{origin}\n{count}\n{head}\n")
    if signer is not None:
        # Whoever waits at a terminal is busy: a key that has to ask signs the seal, not this.
        with contextlib.suppress(Stop):
            signing.sign(path, signer, to=path.with_name(path.name + ".sig"), ask=False)
    return path


def read(data: Path) -> Iterator[Checkpoint]:
    """All of them, in order. A file that is none has count -1."""
    where = directory(data)
    found = sorted(path for path in where.iterdir() if _NAME.match(path.name)) if where.is_dir() else []
    for path in found:
        try:
            with path.open(encoding="ascii") as stream:
                origin, count, head = stream.read(_LONGEST).splitlines()
            yield Checkpoint(path, origin, int(count), head)
        except (OSError, ValueError):
            yield Checkpoint(path, "", -1, "")


def end(root: Path, name: str) -> tuple[int, str]:
    """The number and the SHA-256 of the last whole line of a chain; only its last file is read, from its end."""
    for number, path in reversed(layout.segments(root, name)):
        raw = _last_line(path)
        if raw is None:
            continue
        line = reader.Line(segment=number, number=0, raw=raw, ended=True, event=reader.parse(raw))
        seq = (line.event or {}).get("seq")
        return (seq if isinstance(seq, int) else 0), line.digest
    return 0, reader.GENESIS


def _last_line(path: Path, step: int = 1 << 16) -> bytes | None:
    """The last line that has its newline; None when there is none."""
    with path.open("rb") as stream:
        start = stream.seek(0, os.SEEK_END)
        tail = b""
        while start > 0:
            back = min(step, start)
            start -= back
            stream.seek(start)
            tail = stream.read(back) + tail
            whole = tail[: tail.rfind(b"\n") + 1]
            before = whole[:-1].rfind(b"\n")
            if whole and (before >= 0 or start == 0):
                return whole[before + 1:-1]
    return None
