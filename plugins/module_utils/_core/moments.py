# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments as people and programs write them: ISO 8601, or seconds since the epoch.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from .errors import BadInput

#: Python 3.9 reads at most six digits of a second, and no Z.
_FRACTION = re.compile(r"(\.\d{6})\d+")


def since_from(value: t.Any, *, name: str = "since") -> t.Optional[float]:
    """When the incident began: seconds since the epoch, from a number or an ISO 8601 time (UTC when it names no zone); None where empty.

    Raises:
        BadInput: it is neither.
    """
    if value in (None, ""):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    found = moment(str(value).strip())
    if found is None:
        raise BadInput(
            f"{name}: {value!r} is not a time.", hint="Write 2026-01-02T03:04:05Z, or seconds since the epoch.", argument=name,
        )
    return found


def moment(text: str) -> t.Optional[float]:
    """Seconds since the epoch of an ISO 8601 time (UTC when it names no zone); None for anything else."""
    text = _FRACTION.sub(r"\1", text)
    try:
        found = datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
        return (found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
