# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an entry point adds to the facts of its host.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ...module_utils._core.findings import STATUSES


def kept_actions(actions: t.Iterable[t.Mapping[str, t.Any]], *, results: t.Iterable[t.Mapping[str, t.Any]]) -> list[t.Any]:
    """The actions so far and those of further results.

    Args:
        actions: those so far.
        results: of mitigating modules; one that was skipped or failed early has no actions.
    """
    return [*actions, *(action for result in results for action in result.get("actions", ()))]


def kept_limits(limits: t.Mapping[str, t.Any], *, results: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The limits so far and those of further results; the later one of a name holds.

    Args:
        limits: those so far.
        results: of mitigating modules; one that was skipped or failed early has no limits.
    """
    found = dict(limits)
    for result in results:
        found.update(result.get("limits", {}))
    return found


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
