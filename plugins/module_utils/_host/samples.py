# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of the free space, kept on the host in a file of our own.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import typing as t

from .._module.kept import MOST_BYTES, read, replace
from .decisions.growth import Sample, Trend, kept, trend

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
    return {
        str(point): [Sample(float(at), int(size), int(available)) for at, size, available in samples]
        for point, samples in read(path, of="samples").items()
    }


def _write(path: str, samples: t.Mapping[str, t.Sequence[Sample]]) -> None:
    """Replace the file by a new one, whole or not at all."""
    latest = sorted(samples, key=lambda point: -max((one.at for one in samples[point]), default=0.0))[:_MOST_POINTS]
    most = max((len(samples[point]) for point in latest), default=0)
    text = ""  # what would be larger loses the oldest samples
    while not text or len(text) > MOST_BYTES:
        text = json.dumps({point: samples[point][-most:] for point in latest})
        most = most * 3 // 4
    replace(path, text, prefix=".disk-samples-")
