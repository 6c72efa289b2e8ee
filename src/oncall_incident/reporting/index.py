# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of all incidents: what is open, how long they took, and each one in a line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration

from ..evidence import places, times
from ..evidence.store import Store
from . import metrics, metrics_text
from .document import FORMATS, HTML
from .measures import METRICS, NOT_KEPT, Row

DIRECTORY = "report"
#: Where the index's lines link to, from the index's own directory.
_WIDTH, _HEIGHT, _ROOM = 420, 30, 8
_TICKS = ((60.0, "1m"), (600.0, "10m"), (3600.0, "1h"), (36000.0, "10h"), (360000.0, "4d"))
_BY = ("severity", "scenario", "month")


def of_store(store: Store, *, now: datetime | None = None, since: datetime | None = None) -> dict[str, Any]:
    """The content of the index."""
    found = list(metrics.rows(store, now=now, since=since))
    found.sort(key=lambda row: row.began, reverse=True)
    going_on = [row for row in found if row.status in ("open", "mitigated")]
    everything = metrics.overall(found)
    return {
        "kind": "index", "title": "Incidents", "count": len(found), "now": times.text(now or times.now()),
        "open": [_line(row, store) for row in going_on], "lines": [_line(row, store) for row in found],
        "tiles": [
            ("incidents", str(len(found)), ""), ("going on", str(len(going_on)), "bad" if going_on else "good"),
            ("targets kept", metrics_text.kept_said(everything), ""),
            *((f"time to {name}, median", _said(everything.spreads[name].median), "") for name in ("acknowledge", "resolve")),
        ],
        "plots": [_plot(name, found, everything) for name in METRICS],
        "ticks": [{"x": _x(at), "label": label} for at, label in _TICKS], "width": _WIDTH, "height": _HEIGHT,
        "tables": [{"by": by, "head": table[0], "rows": table[1:]} for by in _BY if (table := metrics_text.table(found, by=by))],
    }


def _line(row: Row, store: Store) -> dict[str, Any]:
    folder = store.directory / row.id
    written = [form for form, name in FORMATS.items() if (folder / "report" / name).is_file()]
    link = f"../{places.incidents_dir(Path()).as_posix()}/{quote(row.id)}/report/{FORMATS[HTML]}" if HTML in written else ""
    return {
        "id": row.id,
        "title": row.title,
        "severity": row.severity,
        "status": row.status,
        "began": times.text(row.began),
        "scenarios": ", ".join(row.scenarios),
        "link": link,
        "tone": {"open": "bad", "mitigated": "warn"}.get(row.status, "good"),
        "times": [
            {"text": metrics_text.said(row.measures[name]), "tone": "bad" if row.measures[name].state in NOT_KEPT else ""}
            for name in METRICS
        ],
    }


def _said(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds)


def _x(seconds: float) -> float:
    """Seconds on a logarithmic line from ten seconds to ten days."""
    low, high = math.log10(10.0), math.log10(864000.0)
    share = (math.log10(max(seconds, 1.0)) - low) / (high - low)
    return round(_ROOM + min(max(share, 0.0), 1.0) * (_WIDTH - 2 * _ROOM), 1)


def _plot(name: str, found: Sequence[Row], everything: metrics.Group) -> Mapping[str, Any]:
    """Every incident as a tick, those that missed their target in another colour; median and nine of ten as bars."""
    spread = everything.spreads[name]
    ticks: dict[float, bool] = {}
    for row in found:
        measured = row.measures[name]
        if measured.seconds is not None:
            x = _x(measured.seconds)
            ticks[x] = ticks.get(x, False) or measured.state in NOT_KEPT
    return {
        "name": name, "ticks": [{"x": x, "missed": missed} for x, missed in sorted(ticks.items())],
        "median": None if spread.median is None else _x(spread.median), "p90": None if spread.p90 is None else _x(spread.p90),
        "median_said": _said(spread.median), "p90_said": _said(spread.p90), "count": spread.count, "waiting": spread.waiting,
        "missed": spread.missed, "met": spread.met,
    }
