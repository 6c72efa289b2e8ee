# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record of an interrupted run has to say: judged from its events one by one, not from the summary that is on trial. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..terminal import markdown
from .executions import acts

Json = Mapping[str, Any]
#: A host and a task.
Step = tuple[str, str]

_REASON = "unknown outcome on "
_LIFTED = re.compile(r"\[(\d+) lifted\]")


def begun_and_unanswered(events: Iterable[Json]) -> tuple[list[Step], list[Step]]:
    """The steps that began and never answered: those that act, and the others.

    That a host was not reached is not an answer to a step that acts: it may have been cut off in the middle.
    """
    acting: dict[tuple[str, str], Step] = {}
    others: dict[tuple[str, str], Step] = {}
    for event in events:
        key = str(event.get("host")), str(event.get("task_id", event.get("task")))
        if event.get("type") == "intent":
            (acting if acts(event) else others)[key] = str(event.get("host")), str(event.get("task"))
        elif event.get("type") == "result" and "item_index" not in event:
            others.pop(key, None)
            if event.get("status") != "unreachable":
                acting.pop(key, None)
    return list(acting.values()), list(others.values())


def named(events: Iterable[Json]) -> set[Step]:
    """The steps that the record itself calls unknown: in the event of the interruption, or among the reasons of the outcome."""
    found: set[Step] = set()
    for event in events:
        if event.get("type") == "interrupted":
            found |= {(str(entry.get("host")), str(entry.get("task"))) for entry in event.get("unknown") or ()}
        elif event.get("type") == "outcome":
            for reason in event.get("reasons") or ():
                host, colon, task = str(reason).removeprefix(_REASON).partition(": ")
                if str(reason).startswith(_REASON) and colon:
                    found.add((host, task))
    return found


def lost(events: Iterable[Json]) -> list[str]:
    """Answers that tell of more actions than the record has: what is known to be done must be there."""
    told: dict[Step, int] = {}
    kept: dict[Step, int] = {}
    for event in events:
        key = str(event.get("host")), str(event.get("task"))
        if event.get("check_mode"):
            continue
        if event.get("type") == "action":
            kept[key] = kept.get(key, 0) + 1
        elif event.get("type") == "result" and isinstance(result := event.get("result"), Mapping):
            if found := _LIFTED.fullmatch(str(result.get("actions", ""))):
                told[key] = told.get(key, 0) + int(found.group(1))
    return [
        f"{number} actions of {task} on {host}, {kept.get((host, task), 0)} in the record"
        for (host, task), number in told.items() if kept.get((host, task), 0) < number
    ]


def problems(events: Sequence[Json], *, report: str, printed: Sequence[str] | None) -> list[str]:
    """What the record or those who read it are not told, or are told wrongly.

    Args:
        report: the run's report in Markdown.
        printed: the lines with which the run ended on the screen; None when it was killed before it could print any.
    """
    acting, others = begun_and_unanswered(events)
    said = named(events)
    found = [f"not named in the record: {task} on {host}" for host, task in acting if (host, task) not in said]
    found += [
        f"not in the report: {task} on {host}" for host, task in acting
        if f"outcome unknown: {markdown.text(host)}: {markdown.text(task)} (" not in report
    ]
    if printed is not None:
        found += [f"not printed: {task} on {host}" for host, task in acting if f"{_REASON}{host}: {task}" not in printed]
    found += [f"called unknown, and it answered: {task} on {host}" for host, task in sorted(said - {*acting, *others})]
    return found + [f"lost: {line}" for line in lost(events)]
