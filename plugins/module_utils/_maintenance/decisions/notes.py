# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the flag file says beside being there: whose maintenance it is. Of an API the same is noted in a file beside it.

This module util is PRIVATE to the collection: it may change at any time.

Its first line tells ours from every other file, for the way back, which is a shell's; the second one is JSON.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ..._core import temporary

_FIRST = "oncall.incident maintenance"
#: A file that is longer is none of ours.
MOST_BYTES = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Note:
    """The file as it is.

    Attributes:
        there: None where nobody could look, and `problem` says why.
        mark: of the run that made it; empty of one that this collection has not made.
        run, who: that made it; `who` of a file that is not ours is the user who owns it.
        since, until: RFC 3339 in UTC; `until` is empty where nobody ends it.
        statuses: of health URLs before, by the probe's name.
        change: the action that made it, as far as undoing it needs.
    """

    path: str
    there: t.Optional[bool] = False
    problem: str = ""
    mark: str = ""
    run: str = ""
    who: str = ""
    since: str = ""
    until: str = ""
    statuses: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    change: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, t.Any]:
        """As results have it."""
        return {**dataclasses.asdict(self), "statuses": dict(self.statuses), "change": dict(self.change)}

    def late(self, now: float) -> bool:
        """Whether it was to end by now."""
        return bool(self.until) and temporary.over(temporary.Temporary(way_back="", expires=self.until), now=now)

    def said(self, now: float) -> str:
        """Since when, until when, and whose it is, without a full stop."""
        if not self.there:
            return "by somebody who is not known here"
        since = f"since {self.since}" if self.since else ""
        if not self.mark:
            return f"{since}, made by hand by {self.who or 'somebody'}, with no end of its own".lstrip(", ")
        until = f"{'was to end at' if self.late(now) else 'until'} {self.until}" if self.until else "nobody ends it"
        whose = (f"by {self.who or 'nobody named'}", f"run {self.run or 'without a record'}")
        return ", ".join(part for part in (since, until, *whose) if part)


def first_line(mark: str) -> str:
    """What tells a file of ours."""
    return f"{_FIRST} {mark}"


def write(
    mark: str, *, run: str, who: str, since: float, lasts: float, statuses: t.Mapping[str, int], change: t.Mapping[str, t.Any],
) -> str:
    """The text of the file.

    Args:
        since: seconds since the epoch.
        lasts: seconds; 0 where nobody ends it.
    """
    until = temporary.moment(since + lasts) if lasts else ""
    said = {
        "run": run, "who": who, "since": temporary.moment(since), "until": until, "statuses": dict(statuses),
        "change": with_end(change, until),
    }
    return f"{first_line(mark)}\n{json.dumps(said, sort_keys=True)}\n"


def with_end(change: t.Mapping[str, t.Any], until: str) -> dict[str, t.Any]:
    """A change with when it ends."""
    known = change.get("temporary")
    return {**change, "temporary": {**known, "expires": until}} if isinstance(known, t.Mapping) else dict(change)


def read(path: str, text: str, *, owner: str, changed: float) -> Note:
    """The file that is there.

    Args:
        owner: the user whose it is.
        changed: seconds since the epoch.
    """
    foreign = Note(path, True, who=owner, since=temporary.moment(changed))
    first, _newline, rest = text.partition("\n")
    if not first.startswith(f"{_FIRST} ") or not first[len(_FIRST) + 1:].isalnum():
        return foreign
    try:
        said = json.loads(rest)
    except ValueError:
        said = {}
    if not isinstance(said, dict):
        said = {}
    statuses = {str(name): code for name, code in _mapping(said, "statuses").items() if isinstance(code, int)}
    return Note(
        path, True, mark=first[len(_FIRST) + 1:], run=str(said.get("run") or ""), who=str(said.get("who") or ""),
        since=str(said.get("since") or foreign.since), until=str(said.get("until") or ""), statuses=statuses,
        change=_mapping(said, "change"),
    )


def _mapping(said: t.Mapping[str, t.Any], key: str) -> dict[str, t.Any]:
    found = said.get(key)
    return dict(found) if isinstance(found, dict) else {}
