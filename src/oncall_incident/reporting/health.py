# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How everything is, worst first: what one look at all subjects says, as data for a page, JSON and Prometheus' text format."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.findings import (
    COULD_NOT_LOOK,
    CRITICAL,
    OK,
    STATUSES,
    UNKNOWN,
    WARNING,
)
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary

from ..record import outcome
from ..record.outcome import Outcome
from ..terminal import words
from . import clock
from .prometheus import labels

CONTRACT = "oncall.incident/health/1"
_CONCLUSION = "oncall.incident.conclude"
TONES = {OK: "good", WARNING: "warn", UNKNOWN: "unknown", CRITICAL: "bad"}
#: Numbers of the gauge, as monitoring systems' checks have them.
CODES = {OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3}


@dataclasses.dataclass(frozen=True)
class Line:
    """One check of one host.

    Attributes:
        status: one of STATUSES. What could not be looked at is unknown.
        hint: what to do about it, or why it is not known.
        target: where the look went, where a host has several of which this is asked.
    """

    host: str
    check: str
    status: str
    subject: str = ""
    observed: Any = None
    threshold: Any = None
    unit: str = ""
    hint: str = ""
    target: str = ""

    @property
    def value(self) -> str:
        """What was measured, in words; empty where nothing was."""
        return "" if self.observed is None else words.measured(self.observed, self.unit)

    @property
    def limit(self) -> str:
        """The threshold in words; empty where there is none."""
        return "" if self.threshold is None else words.measured(self.threshold, self.unit)


def lines(summary: Summary) -> list[Line]:
    """Every check that had to be answered, the worst first: what was found, who was not reached, and which look failed."""
    found = [
        Line(
            host=seen.host, check=seen.what.check, status=seen.what.status, subject=seen.what.subject, observed=_plain(seen.what.observed),
            threshold=_plain(seen.what.threshold), unit=seen.what.unit, hint=_why(seen.what), target=seen.target,
        )
        for seen in summary.findings if not outcome.only_a_write_tells(seen)
    ]
    found += [
        Line(host=str(entry["host"]), check="reachable", status=UNKNOWN, hint=words.one_line(entry["msg"], limit=400))
        for entry in summary.unreachable
    ]
    found += [
        Line(host=str(entry["host"]), check="look", status=UNKNOWN, subject=words.one_line(entry["task"], limit=100),
             hint=words.one_line(entry["msg"], limit=400))
        for entry in summary.failures if entry.get("action") != _CONCLUSION
    ]
    targets: dict[tuple[str, str, str], set[str]] = {}
    for line in found:
        targets.setdefault((line.host, line.check, line.subject), set()).add(line.target)
    told = [line if len(targets[line.host, line.check, line.subject]) > 1 else dataclasses.replace(line, target="") for line in found]
    return sorted(dict.fromkeys(told), key=lambda line: (-_rank(line.status), line.host, line.check, line.subject))


def together(found: Sequence[Line]) -> list[Line]:
    """The same for people: checks of a host that are not known for one reason are one line."""
    groups: dict[tuple[str, ...], list[Line]] = {}
    for number, line in enumerate(found):
        same = line.status == UNKNOWN and not line.subject
        key = (line.host, line.target, line.hint.partition(". ")[0]) if same else (str(number),)
        groups.setdefault(key, []).append(line)
    return [
        dataclasses.replace(max(of, key=lambda line: len(line.hint)), check=", ".join(dict.fromkeys(line.check for line in of)))
        for of in groups.values()
    ]


def not_looked_at(summary: Summary) -> list[Line]:
    """What nobody had to answer and what was not looked at, with why: by host and reason one line each."""
    judged = {(seen.host, seen.what.check) for seen in summary.findings}
    found = [
        Line(host=seen.host, check=seen.what.check, status=UNKNOWN, hint=_sentence(seen.what.reason, seen.what.hint), target=seen.target)
        for seen in summary.skipped_checks if seen.what.kind == COULD_NOT_LOOK and (seen.host, seen.what.check) not in judged
    ]
    found += [
        Line(host=seen.host, check=seen.what.check, status=UNKNOWN, hint="Only a write tells, and this only looks.", target=seen.target)
        for seen in summary.findings if outcome.only_a_write_tells(seen)
    ]
    return together(sorted(dict.fromkeys(found), key=lambda line: (line.host, line.check)))


def of_hosts(found: Sequence[Line]) -> list[dict[str, Any]]:
    """One row for each host, the worst first: its worst status, and how many of each."""
    hosts: dict[str, list[Line]] = {}
    for line in found:
        hosts.setdefault(line.host, []).append(line)
    rows = [
        {"host": host, "status": max(of, key=lambda line: _rank(line.status)).status,
         "counts": _counts(of)}
        for host, of in hosts.items()
    ]
    return sorted(rows, key=lambda row: (-_rank(str(row["status"])), str(row["host"])))


def as_data(summary: Summary, end: Outcome) -> dict[str, Any]:
    """The whole page as data."""
    found = lines(summary)
    return {
        "contract": CONTRACT, "outcome": end.name, "exit_status": int(end.status), "sentence": end.sentence, "run": summary.run,
        "started": summary.started, "ended": summary.ended, "hosts": of_hosts(found),
        "checks": [dataclasses.asdict(line) for line in found],
        "not_looked_at": [{"host": line.host, "check": line.check, "why": line.hint} for line in not_looked_at(summary)],
    }


def as_page(summary: Summary, end: Outcome) -> dict[str, Any]:
    """The content of the page."""
    found = lines(summary)
    bad = [line for line in found if line.status != OK]
    worst = found[0].status if found else UNKNOWN
    counts = _counts(found)
    return {
        "kind": "health", "title": "Health", "id": summary.run, "started": summary.started, "ended": summary.ended,
        "took": clock.between(summary.started, summary.ended),
        "headline": {"label": worst if bad else "all is well", "tone": TONES[worst], "sentence": end.sentence},
        "tiles": [(status, str(counts[status]), TONES[status] if counts[status] else "") for status in reversed(STATUSES)],
        "hosts": [{**row, "tone": TONES[str(row["status"])]} for row in of_hosts(found)],
        "bad": together(bad), "not_looked_at": not_looked_at(summary), "well": [line for line in found if line.status == OK],
        "tones": TONES,
    }


def as_prometheus(summary: Summary, *, now: float) -> str:
    """The text format, for a textfile collector of node-exporter: 0 is ok, 1 a warning, 2 critical, 3 unknown.

    Args:
        now: seconds since the epoch. An alert on its age says that nobody looks any more.
    """
    found = lines(summary)
    worst: dict[tuple[str, str, str, str], Line] = {}
    for line in reversed(found):  # the worst last
        worst[line.host, line.check, line.subject, line.target] = line
    out = [
        "# HELP oncall_incident_check_status 0 ok, 1 warning, 2 critical, 3 unknown.", "# TYPE oncall_incident_check_status gauge",
        *sorted(
            f"oncall_incident_check_status{labels(host=host, check=check, subject=subject, target=target)} {CODES[line.status]}"
            for (host, check, subject, target), line in worst.items()
        ),
        "# HELP oncall_incident_host_status The worst check of a host.", "# TYPE oncall_incident_host_status gauge",
        *sorted(f"oncall_incident_host_status{labels(host=str(row['host']))} {CODES[str(row['status'])]}" for row in of_hosts(found)),
        "# HELP oncall_incident_health_timestamp_seconds When all was looked at.",
        "# TYPE oncall_incident_health_timestamp_seconds gauge", f"oncall_incident_health_timestamp_seconds {now:.0f}",
    ]
    return "\n".join(out) + "\n"


def _counts(found: Sequence[Line]) -> dict[str, int]:
    return {status: sum(1 for line in found if line.status == status) for status in STATUSES}


def _why(finding: Any) -> str:
    """What to do about a finding; of one that is unknown first why."""
    reason = finding.detail.get("reason") if finding.status == UNKNOWN else ""
    return _sentence(str(reason or ""), finding.hint)


def _sentence(*parts: str) -> str:
    return ". ".join(said for part in parts if (said := words.one_line(part, limit=400).rstrip(". "))) + ("." if any(parts) else "")


def _plain(value: Any) -> Any:
    """A value that can be compared: a number, a text, or what it is in words."""
    return value if isinstance(value, (str, int, float, bool)) or value is None else words.one_line(value, limit=200)


def _rank(status: str) -> int:
    return STATUSES.index(status) if status in STATUSES else len(STATUSES)
