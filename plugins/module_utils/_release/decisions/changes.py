# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed on a host shortly before an incident: each source read, and told in one line.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import time
import typing as t

from ..._core.durations import format_duration
from ..._core.findings import OK, WARNING, Finding, Skipped
from ..._core.judging import Judged, judge_look
from ..._core.temporary import moment
from ..._core.words import few
from .releases import short

CHECK = "recent_change"
DEPLOYS, FILES, PACKAGES, REVISIONS, CONTAINERS = KINDS = ("deploys", "files", "packages", "revisions", "containers")
#: So many are named in a finding's line, and so many are kept.
_NAMED, _KEPT = 3, 50
_DPKG = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (install|upgrade|remove|purge) (\S+) (\S+) (\S+)\Z")
#: A line of the reflog: both commits, who, when, and what, git-reflog(1). Who it was is not kept.
_REFLOG = re.compile(r"[0-9a-f]{40,64} ([0-9a-f]{40,64}) [^\t]*> (\d+) [+-]\d{4}\t(.*)\Z")
_CREATED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ([+-]\d{4})")


@dataclasses.dataclass(frozen=True)
class Change:
    """One change: of which of KINDS, when (seconds since the epoch), and what, in a few words."""

    kind: str
    at: float
    what: str


@dataclasses.dataclass(frozen=True)
class Window:
    """The time that is looked at, seconds since the epoch; `until` is now, `began` when the incident began."""

    since: float
    began: float
    until: float

    def has(self, at: float) -> bool:
        """Whether a moment is in it."""
        return self.since <= at <= self.until


def window(*, before: float, began: str, now: float) -> Window:
    """The time before an incident, up to now.

    Args:
        before: seconds.
        began: when the incident began, RFC 3339; empty for now.

    Raises:
        ValueError: began is not such a time.
    """
    start = now if not began else datetime.datetime.fromisoformat(began.replace("Z", "+00:00")).astimezone().timestamp()
    start = min(start, now)
    return Window(since=start - before, began=start, until=now)


def of_dpkg(text: str, wanted: Window) -> list[Change]:
    """The packages of a dpkg.log; its times are local."""
    found = []
    for line in text.splitlines():
        said = _DPKG.match(line.strip())
        if said:
            at, verb, package, _old, new = said.groups()
            when = time.mktime(time.strptime(at, "%Y-%m-%d %H:%M:%S"))
            if wanted.has(when):
                name = package.partition(":")[0]
                found.append(Change(PACKAGES, when, f"{verb} {name}{' ' + new if verb in ('install', 'upgrade') else ''}"))
    return found


def of_rpm(text: str, wanted: Window) -> list[Change]:
    """The packages that `rpm` prints with their time of installation first, seconds since the epoch."""
    found = []
    for line in text.splitlines():
        at, _space, name = line.strip().partition(" ")
        if at.isdigit() and name and wanted.has(float(at)):
            found.append(Change(PACKAGES, float(at), f"install {name}"))
    return found


def of_reflog(text: str, wanted: Window, *, directory: str) -> list[Change]:
    """The moves of a repository's HEAD."""
    found = []
    for line in text.splitlines():
        said = _REFLOG.match(line)
        if said and wanted.has(float(said.group(2))):
            commit, at, what = said.groups()
            found.append(Change(REVISIONS, float(at), f"{directory} {what.partition(':')[0]} to {short(commit)}"))
    return found


def of_containers(text: str, wanted: Window) -> list[Change]:
    """The containers that the runtime prints: when it was made, its name, its image, with tabs between."""
    found = []
    for line in text.splitlines():
        parts = line.split("\t")
        said = _CREATED.match(parts[0]) if len(parts) == 3 else None
        if said:
            at = datetime.datetime.strptime(" ".join(said.groups()), "%Y-%m-%d %H:%M:%S %z").timestamp()
            if wanted.has(at):
                found.append(Change(CONTAINERS, at, f"{parts[1]} of {short(parts[2])}"))
    return found


def judge_changes(changes: t.Sequence[Change], blind: t.Mapping[str, str], *, looked: t.Sequence[str], wanted: Window) -> Judged:
    """What is told: a finding for each kind that could be looked at. A change is a warning, as the first thing to ask about.

    Args:
        blind: by kind, why it could not be looked at.
        looked: the kinds that were looked at.
    """
    findings: list[Finding] = []
    for kind in looked:
        found = sorted((one for one in changes if one.kind == kind), key=lambda one: -one.at)
        long = format_duration(wanted.began - wanted.since)
        hint = ""
        if found:
            last = few((f"{one.what} at {moment(one.at)}" for one in found), most=_NAMED)
            hint = f"Changed since {moment(wanted.since)}: {last}. Ask first whether that began it."
        if found or kind not in blind:
            findings.append(Finding(
                CHECK, WARNING if found else OK, observed=len(found), threshold=1, unit="count", subject=kind, hint=hint,
                detail={"within": long, "changes": [{"at": moment(one.at), "what": one.what} for one in found[:_KEPT]]},
            ))
    skipped = [Skipped(CHECK, f"cannot_look: {kind}: {why}", "Allow reading it, or run with become: true.") for kind, why in blind.items()]
    # Nothing is asked: what changed is no reason to call a target sick, and none to call it well.
    told = [{"kind": one.kind, "at": moment(one.at), "what": one.what} for one in sorted(changes, key=lambda one: -one.at)[:_KEPT]]
    return Judged(judge_look(findings, skipped, asked=[]), {"changes": told})
