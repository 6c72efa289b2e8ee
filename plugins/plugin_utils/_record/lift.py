# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings, places, actions and plans, lifted out of results by their contract into events of their own.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...module_utils._core.actions import ACTIONS_CONTRACT
from ...module_utils._core.findings import PLACE_CONTRACT, VERDICT_CONTRACT
from ...module_utils._core.plan import PLAN_CONTRACT
from ...module_utils._core.recorded import READING
from ...module_utils._core.series import SERIES
from ...module_utils._core.shown import shown_url

#: What a verdict event has of the result.
_VERDICT = ("status", "healthy", "asked", "checks", "held")
#: An item that is longer names nobody.
_LONGEST_ITEM = 100
#: Arguments that tell a health module where to look. Two calls with the same ones look at the same target.
_PLACES = ("login_host", "login_port", "login_unix_socket", "host", "ports", "path")
#: A target whose name is longer has none: it is told apart by its task alone.
_LONGEST_TARGET = 300
#: A lifted event: its type and its payload.
Lifted = tuple[str, dict[str, t.Any]]


def lift(result: t.Mapping[str, t.Any], *, arguments: t.Any = None) -> tuple[list[Lifted], dict[str, t.Any]]:
    """The events in a module's result, and the result without them.

    Args:
        result: of one module call: a task's, or one loop item's.
        arguments: of the call, for a result without an invocation: ansible-core leaves it out since 2.21 where nobody asks for it.

    Returns:
        Events of the types finding, skipped_check, series, verdict, place, action, protected and plan, the first four with their target
        where the arguments say it; the rest of the result without the
        invocation (the arguments are recorded on their own; a reading in it is kept), in which each lifted list is replaced by how many
        were lifted.
    """
    rest = {key: value for key, value in result.items() if key != "invocation" and not str(key).startswith("_ansible_")}
    invocation = result.get("invocation")
    if isinstance(invocation, Mapping) and READING in invocation:  # of a module that failed; see _module/results.py
        rest[READING] = invocation[READING]
    events: list[Lifted] = []
    contract = result.get("contract")
    if contract == VERDICT_CONTRACT:
        _take(rest, "findings", "finding", "finding", events)
        _take(rest, "skipped_checks", "skipped_check", "skipped", events)
        _take(rest, SERIES, "series", "series", events)
        if isinstance(result.get("asked"), (list, tuple)):  # modules of other collections, and ours before 0.2, do not say
            events.append(("verdict", {"verdict": {key: result[key] for key in _VERDICT if key in result}}))
        target = _target_of(invocation.get("module_args") if isinstance(invocation, Mapping) else arguments)
        events = [(kind, {**payload, **target}) for kind, payload in events]
    elif contract == ACTIONS_CONTRACT:
        _take(rest, "actions", "action", "action", events)
        _take(rest, "protected", "protected", "protected", events)
    elif contract == PLACE_CONTRACT:
        events.append(("place", {"place": str(result.get("msg", ""))}))
    plan = _plan_in(result)
    if plan is not None:
        events.append(("plan", {"plan": dict(plan)}))
        for key in ("plan", "actions", "baseline", "limits", "ansible_stats"):
            if key in rest:
                rest[key] = "[lifted]"
    return events, rest


def which_item(result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Which item of a loop a result event is about, as what was lifted out of it says it.

    Args:
        result: the event. An item that is not a plain word or number is known by its place alone.
    """
    item = result.get("item")
    named = {"item": str(item)} if isinstance(item, (str, int)) and len(str(item)) <= _LONGEST_ITEM else {}
    return {"item_index": result["item_index"], **named} if "item_index" in result else {}


def _target_of(given: t.Any) -> dict[str, str]:
    """What a health module was told to look at; nothing where its arguments do not say it."""
    if not isinstance(given, Mapping):
        return {}
    named = " ".join(f"{name}={given[name]}" for name in _PLACES if given.get(name) not in (None, "", []))
    probes = given.get("probes")
    if isinstance(probes, (list, tuple)) and all(isinstance(one, Mapping) for one in probes):
        asked = ", ".join(str(one.get("name") or shown_url(str(one.get("url", "")))) for one in probes)
        named = f"{named} probes={asked}".strip() if asked else named
    return {"target": named} if 0 < len(named) <= _LONGEST_TARGET else {}


def _take(rest: dict[str, t.Any], key: str, kind: str, name: str, events: list[Lifted]) -> None:
    members = rest.get(key)
    if not isinstance(members, (list, tuple)):
        return
    for member in members:
        if isinstance(member, Mapping):
            events.append((kind, {name: dict(member)}))
    rest[key] = f"[{len(members)} lifted]"


def _plan_in(result: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any] | None:
    """The plan that a result is or carries."""
    inner = result.get("plan")
    for candidate in (inner, result):
        if not isinstance(candidate, Mapping) or candidate.get("contract") != PLAN_CONTRACT:
            continue
        if isinstance(candidate.get("actions"), Mapping):
            return candidate
    return None
