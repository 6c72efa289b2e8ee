# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as people read them: the same words on the screen and in the report."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration

_SPACE = re.compile(r"\s+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def one_line(value: Any, *, limit: int = 0) -> str:
    """Text on one line: what a database hands us must not move the cursor or end a table row."""
    text = harmless(value if isinstance(value, str) else plain(value)).strip()
    return text if not limit or len(text) <= limit else text[: limit - 1].rstrip() + "…"


def harmless(text: str) -> str:
    """Text without characters that move the cursor, end a line, or turn the direction of writing."""
    return _CONTROL.sub("", _SPACE.sub(" ", text))


def plain(value: Any) -> str:
    """A JSON value in words."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Sequence):
        return ", ".join(plain(item) for item in value) if all(not isinstance(item, (dict, list)) for item in value) else _json(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items() if not isinstance(item, (dict, list))) or _json(value)
    return str(value)


def measured(value: Any, unit: str = "") -> str:
    """A measurement with its unit."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return one_line(value, limit=120)
    if value == 0:
        return "0"
    if unit in ("s", "second", "seconds"):
        return format_duration(float(value))
    if unit in ("byte", "bytes"):
        return size(float(value))
    if unit in ("%", "percent"):
        return f"{value:.4g} %"
    return plain(value) if unit in ("", "count") else f"{plain(value)} {unit}"


def size(count: float) -> str:
    """Bytes as people say them."""
    for name in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {name}" if name == "B" else f"{count:.1f} {name}"
        count /= 1024
    return f"{count:.1f} TiB"


def reasons(values: Sequence[Any]) -> str:
    """Why somebody was spared: `backup tool, progress: pg_stat_progress_copy`."""
    said = []
    for value in values:
        name, colon, rest = str(value).partition(":")
        said.append(name.replace("_", " ") + (f": {rest}" if colon else ""))
    return ", ".join(said) or "protected"


def ages(value: Mapping[str, Any], *, said: str = "") -> str:
    """The ages among a target's data, but for those already said: `transaction 5m10s, query 12s`."""
    found = [
        (key.removesuffix("_seconds").removesuffix("_age").replace("_", " "), item) for key, item in value.items()
        if (key.endswith(("_age", "_age_seconds")) or key == "age") and isinstance(item, (int, float)) and not isinstance(item, bool)
    ]
    texts = [(name, format_duration(float(item))) for name, item in found]
    return ", ".join(age if name == "age" else f"{name} {age}" for name, age in texts if age not in said)


def query(value: Mapping[str, Any], *, limit: int = 200) -> str:
    """What the target is executing, when it says so."""
    return one_line(value.get("query") or "", limit=limit)


def count(number: int, singular: str, plural: str = "") -> str:
    """`1 action`, `2 actions`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
