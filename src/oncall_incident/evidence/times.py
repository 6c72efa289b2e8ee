# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times: written as UTC with milliseconds and Z, typed as people type them."""

from __future__ import annotations

import datetime
import re

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput

from ..errors import Stop

UTC = datetime.UTC
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\Z")
_FRACTION = re.compile(r"(\.\d{6})\d+")


def now() -> datetime.datetime:
    """This moment."""
    return datetime.datetime.now(UTC)


def text(moment: datetime.datetime) -> str:
    """`2026-11-24T10:15:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(value: str) -> datetime.datetime:
    """A time as written by us, Alertmanager (nanoseconds) or AWX; without a zone it is UTC.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def typed(value: str, *, at: datetime.datetime, option: str = "--at") -> datetime.datetime:
    """A time as typed: ISO 8601, `10:15` (the last one that was, local time), `10m ago`, `now`.

    Args:
        at: this moment.
        option: for the message.

    Raises:
        Stop: it is none of these, or in the future.
    """
    wanted = value.strip()
    try:
        moment = _typed(wanted, at)
    except (ValueError, BadInput) as exc:
        raise Stop(f"{option} {value!r} is not a time.", hint="Write 2026-11-24T10:15:00Z, 10:15 (local time), 10m ago or now.") from exc
    if moment > at + datetime.timedelta(seconds=60):
        raise Stop(f"{option} {value!r} is in the future: {text(moment)}.", hint="Say when it happened.")
    return moment


def _typed(wanted: str, at: datetime.datetime) -> datetime.datetime:
    if wanted == "now":
        return at
    if wanted.endswith(" ago"):
        return at - datetime.timedelta(seconds=parse_duration(wanted.removesuffix(" ago")))
    if found := _CLOCK.match(wanted):
        hour, minute, second = (int(part or 0) for part in found.groups())
        moment = at.astimezone().replace(hour=hour, minute=minute, second=second, microsecond=0)
        return moment - datetime.timedelta(days=1) if moment > at else moment
    if re.match(r"\d{4}-\d\d-\d\d", wanted) is None:
        raise ValueError(wanted)
    moment = datetime.datetime.fromisoformat(_FRACTION.sub(r"\1", wanted))
    return moment if moment.tzinfo else moment.astimezone()
