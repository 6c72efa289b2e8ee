# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-playbook shows of findings and plans beside its own lines: whoever runs it without the wrapper reads them there.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...module_utils._core.durations import format_duration
from ...module_utils._core.findings import OK
from . import told

#: So many actions of a plan are shown; all are in the record.
MOST = 50
#: Longer texts are cut: characters.
_LONGEST = 1000


def lines(kind: str, payload: Mapping[str, t.Any], *, host: str) -> list[str]:
    """The lines for one lifted event: a finding that is not ok, or a plan. Others have none.

    Args:
        kind, payload: see lift().
        host: where it was found.
    """
    if kind == "finding":
        return _finding(payload.get("finding"), host)
    return _plan(payload.get("plan")) if kind == "plan" else []


def _finding(given: t.Any, host: str) -> list[str]:
    found = told.finding(given)
    if found.status == OK:
        return []
    limit = "" if found.threshold is None else f" (limit {_measured(found.threshold, found.unit)})"
    about = f"{found.check} {found.subject}".strip()
    # What could not be looked at has a reason instead of a value.
    observed = found.detail.get("reason") if found.observed is None else _measured(found.observed, found.unit)
    return [_plain(f"[{host}] {found.status.upper()} {about}: {observed or 'not measured'}{limit}. {found.hint}")]


def _plan(plan: t.Any) -> list[str]:
    by_host = plan.get("actions") if isinstance(plan, Mapping) else None
    if not isinstance(by_host, Mapping):
        return []
    actions = [(str(host), told.action(one)) for host, found in by_host.items() for one in found or ()]
    if not actions:
        return ["[plan] Nothing is planned."]
    said = [f"[plan] {host}: {action.verb.replace('_', ' ')} {action.name}: {action.reason}" for host, action in actions[:MOST]]
    more = [f"[plan] and {len(actions) - MOST} more"] if len(actions) > MOST else []
    return [_plain(line) for line in (f"[plan] {len(actions)} planned, nothing was touched:", *said, *more)]


def _measured(value: t.Any, unit: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if unit == "seconds":
        return format_duration(float(value))
    return f"{value:g} {unit}".strip()


def _plain(text: str) -> str:
    """One line without control characters: a name in it may be anybody's."""
    said = "".join(letter if letter.isprintable() else " " for letter in text)
    said = " ".join(said.split())
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST - 1]}…"
