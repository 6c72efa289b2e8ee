# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of the free space, kept on the host in a file of our own.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import typing as t

from .decisions.growth import Sample, Trend, kept, trend

#: No file of ours is larger. What would be, loses the oldest samples.
MOST_BYTES = 1 << 20
#: So many file systems have samples; more are those of containers.
_MOST_POINTS = 200


def trends(path: str, now: t.Mapping[str, Sample], *, keep: bool) -> dict[str, Trend]:
    """What the samples of a file say about file systems, and the file with the samples of now.

    Args:
        now: by mount point.
        keep: whether the samples of now are added. Nothing is written else.
    """
    trouble, before = "", {}
    try:
        before = _read(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError) as exc:
        trouble = f"{path}: {getattr(exc, 'strerror', None) or exc}"
    useful = {point: kept(before.get(point, ()), one) for point, one in now.items()}
    if keep and not trouble:
        # Who looks at one file system keeps the samples of the others.
        try:
            _write(path, {**before, **{point: kept([*useful[point], one], one) for point, one in now.items()}})
        except OSError as exc:
            trouble = f"{path}: {exc.strerror or exc}"
    return {point: trend(useful[point], one, trouble=trouble) for point, one in now.items()}


def _read(path: str) -> dict[str, list[Sample]]:
    """The samples of a file.

    Raises:
        FileNotFoundError: there is none yet.
        OSError, ValueError, TypeError: it cannot be read, or is not what we wrote.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, encoding="utf-8") as file:
        there = os.fstat(handle)
        if not stat.S_ISREG(there.st_mode) or there.st_uid != os.geteuid():
            raise ValueError("it is not a file of this user")
        said = json.loads(file.read(MOST_BYTES))
    if not isinstance(said, dict):
        raise ValueError("it is not a file of samples")
    return {
        str(point): [Sample(float(at), int(size), int(available)) for at, size, available in samples] for point, samples in said.items()
    }


def _write(path: str, samples: t.Mapping[str, t.Sequence[Sample]]) -> None:
    """Replace the file by a new one, whole or not at all."""
    place = os.path.dirname(path)
    os.makedirs(place, mode=0o755, exist_ok=True)
    latest = sorted(samples, key=lambda point: -max((one.at for one in samples[point]), default=0.0))[:_MOST_POINTS]
    most = max((len(samples[point]) for point in latest), default=0)
    text = ""
    while not text or len(text) > MOST_BYTES:
        text = json.dumps({point: samples[point][-most:] for point in latest})
        most = most * 3 // 4
    handle, made = tempfile.mkstemp(dir=place, prefix=".disk-samples-")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(made, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise
