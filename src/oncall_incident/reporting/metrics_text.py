# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics as a table, JSON, CSV, and Prometheus' text format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration

from ..terminal.words import one_line
from .measures import METRICS, NOT_KEPT, Row
from .metrics import Group, groups, overall
from .prometheus import labels

CONTRACT = "oncall.incident/metrics/1"
FORMATS = ("table", "json", "csv", "prometheus")
#: In JSON all of these are given, whatever --by says.
_ALWAYS = ("severity", "scenario", "month")
_PER_INCIDENT = ("incident", "title", "severity", "status", "began", "month", "scenarios", "services")
_PER_GROUP = ("count", "waiting", "median", "p90", "least", "most", "met", "missed")


def as_json(found: Sequence[Row]) -> str:
    """Everything: each incident, and the groups."""
    return json.dumps({
        "contract": CONTRACT, "incidents": [row.as_dict() for row in found], "all": overall(found).as_dict(),
        "by": {by: [group.as_dict() for group in groups(found, by=by)] for by in _ALWAYS},
    }, indent=1) + "\n"


def as_csv(found: Sequence[Row], *, by: str) -> str:
    """One line for each incident, or for each group and metric. Seconds; empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if by == "incident":
        writer.writerow([*_PER_INCIDENT, *(f"{name}_{what}" for name in METRICS for what in ("seconds", "target", "state"))])
        for row in found:
            data = row.as_dict()
            writer.writerow([
                *(_cell(data[{"incident": "id"}.get(name, name)]) for name in _PER_INCIDENT),
                *(_cell(data["time_to"][name][what]) for name in METRICS for what in ("seconds", "target", "state")),
            ])
        return out.getvalue()
    writer.writerow([by, "incidents", "time_to", *_PER_GROUP])
    for group in groups(found, by=by):
        for name, spread in group.spreads.items():
            data = spread.as_dict()
            writer.writerow([_cell(group.name), group.incidents, name, *(_cell(data[key]) for key in _PER_GROUP)])
    return out.getvalue()


def as_prometheus(found: Sequence[Row], *, by: str) -> str:
    """The text format, for a textfile collector: a summary of each metric, and targets kept and not kept."""
    found_groups = groups(found, by=by)
    lines = [
        "# HELP oncall_incident_incidents Incidents.", "# TYPE oncall_incident_incidents gauge",
        *(f"oncall_incident_incidents{labels(**{by: group.name})} {group.incidents}" for group in found_groups),
        "# HELP oncall_incident_time_to_seconds Time from the alert or the detection to a milestone.",
        "# TYPE oncall_incident_time_to_seconds summary",
    ]
    for group in found_groups:
        for name, spread in group.spreads.items():
            of = {by: group.name, "milestone": name}
            if spread.median is not None and spread.p90 is not None:
                lines += [
                    f"oncall_incident_time_to_seconds{labels(**of, quantile='0.5')} {_number(spread.median)}",
                    f"oncall_incident_time_to_seconds{labels(**of, quantile='0.9')} {_number(spread.p90)}",
                ]
            lines += [
                f"oncall_incident_time_to_seconds_sum{labels(**of)} {_number(spread.total)}",
                f"oncall_incident_time_to_seconds_count{labels(**of)} {spread.count}",
            ]
    lines += ["# HELP oncall_incident_targets Targets by whether they were kept.", "# TYPE oncall_incident_targets gauge"]
    for group in found_groups:
        for name, spread in group.spreads.items():
            for state, count in (("met", spread.met), ("missed", spread.missed)):
                lines.append(f"oncall_incident_targets{labels(**{by: group.name}, milestone=name, state=state)} {count}")
    return "\n".join(lines) + "\n"


def table(found: Sequence[Row], *, by: str) -> list[list[str]]:
    """The head and the rows of the table: of incidents their times, of groups median and p90."""
    if by == "incident":
        head = ["incident", "severity", "status", "began", *METRICS, "title"]
        return [head, *(
            [row.id, row.severity, row.status, row.began.strftime("%Y-%m-%d %H:%M"), *(said(row.measures[name]) for name in METRICS),
             one_line(row.title, limit=60)]
            for row in found
        )]
    return [[by, "incidents", *METRICS, "targets kept"], *(_group_row(group) for group in (*groups(found, by=by), overall(found)))]


def said(item: Any) -> str:
    """A measure in words: `4m10s`, `2h, missed`, `overdue`."""
    if item.seconds is None:
        return item.state or "-"
    return format_duration(item.seconds) + (", missed" if item.state in NOT_KEPT else "")


def spread_said(item: Any) -> str:
    """A distribution in words: `4m / 12m (8)`: median, nine of ten, number."""
    if item.median is None:
        return "-"
    return f"{format_duration(item.median)} / {format_duration(item.p90)} ({item.count})"


def kept_said(group: Group) -> str:
    """How many targets were kept: `7 of 9`."""
    met, missed = sum(item.met for item in group.spreads.values()), sum(item.missed for item in group.spreads.values())
    return f"{met} of {met + missed}" if met + missed else "-"


def _group_row(group: Group) -> list[str]:
    return [one_line(group.name, limit=40), str(group.incidents), *(spread_said(group.spreads[name]) for name in METRICS), kept_said(group)]


def _cell(value: Any) -> Any:
    """A cell that a spreadsheet takes for text: one that begins like a formula gets an apostrophe."""
    if isinstance(value, list):
        value = " ".join(str(item) for item in value)
    if isinstance(value, str):
        text = one_line(value)
        return "'" + text if text[:1] in ("=", "+", "-", "@") else text
    return "" if value is None else value


def _number(value: float) -> str:
    return repr(round(value, 3))
