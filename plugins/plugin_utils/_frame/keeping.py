# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an entry point adds to the facts of its host.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ...module_utils._core.findings import STATUSES


def kept_actions(
    actions: t.Iterable[t.Mapping[str, t.Any]], *, results: t.Iterable[t.Mapping[str, t.Any]], of: str = "",
) -> list[t.Any]:
    """The actions so far and those of further results, each with the limits of its own call: limits and of.

    Args:
        actions: those so far.
        results: of mitigating modules; one that was skipped or failed early has no actions.
        of: whose they are, a role and its server; empty where the resource of an action says it.
    """
    return [*actions, *(
        {**action, "limits": result.get("limits", {}), "of": of or action.get("resource", "")}
        for result in results for action in result.get("actions", ())
    )]


def kept_limits(limits: t.Mapping[str, t.Any], *, results: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The limits so far and those of further results; the later one of a name holds.

    Where two targets of a host differ, limits_of() has those of each.

    Args:
        limits: those so far.
        results: of mitigating modules; one that was skipped or failed early has no limits.
    """
    found = dict(limits)
    for result in results:
        found.update(result.get("limits", {}))
    return found


def limits_of(actions: t.Iterable[t.Mapping[str, t.Any]], *, limits: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The limits of a host as its plan states them: one number where it holds for all, else each with whose it is.

    Args:
        actions: those of the plan, from kept_actions().
        limits: from kept_limits().
    """
    by_name: dict[str, dict[tuple[str, str], dict[str, t.Any]]] = {}
    for action in actions:
        for name, value in (action.get("limits") or {}).items():
            groups = by_name.setdefault(str(name), {})
            one = groups.setdefault((str(action["of"]), repr(value)), {"limit": value, "of": str(action["of"]), "actions": []})
            one["actions"].append(str(action["id"]))
    differing = {name: list(groups.values()) for name, groups in by_name.items() if len({value for _of, value in groups}) > 1}
    told = {name: [{**one, "actions": sorted(set(one["actions"]))} for one in groups] for name, groups in differing.items()}
    return {**limits, **{name: sorted(groups, key=lambda one: one["actions"]) for name, groups in told.items()}}


def kept_baseline(baseline: t.Mapping[str, str], *, seen: t.Mapping[str, str]) -> dict[str, str]:
    """The statuses of a host's checks at the start, with those of a further look.

    Where two targets of the host have a check, the better status is kept: what is worse than on one of them is told, and never hidden by
    the other.
    """
    found = dict(baseline)
    for check, status in seen.items():
        found[check] = min(found.get(check, status), status, key=_badness)
    return found


def _badness(status: str) -> int:
    return STATUSES.index(status) if status in STATUSES else len(STATUSES)


def kept(entries: t.Iterable[t.Any], *, entry: t.Mapping[str, t.Any]) -> list[t.Any]:
    """The entries so far and one more, if there is one.

    Args:
        entries: those so far.
        entry: the further one; empty where there is none.
    """
    return [*entries, *([entry] if entry else [])]
