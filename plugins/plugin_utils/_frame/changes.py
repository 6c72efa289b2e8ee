# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary changes of earlier runs: which are a host's, and whether they are in force.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

from ...module_utils._core import temporary
from ...module_utils._core.actions import Action
from ...module_utils._core.errors import BadInput
from ...module_utils._core.findings import OK, UNKNOWN, WARNING, Finding
from ...module_utils._core.judging import Verdict, judge_look
from .acting import ONLY_UNIT
from .plans import read_private

_NOBODY = "nobody has looked: are the variables the same with which the change was made?"
_STATUS = {temporary.GONE: OK, temporary.IN_FORCE: WARNING, temporary.UNKNOWN: UNKNOWN}


def changes_of(given: t.Any, *, host: str, verbs: t.Sequence[str], others: bool = False) -> list[dict[str, t.Any]]:
    """The changes of a host that one of these verbs takes back.

    Args:
        given: actions by inventory host, or the path of a file with them that only its owner can read; empty for none.
        host: the inventory host.
        verbs: of what undoes a change.
        others: give those that none of the verbs takes back instead.

    Raises:
        BadInput: it cannot be read, or is something else.
        PlanRefused: others could have written or read it.
    """
    if not given:
        return []
    found = given
    if not isinstance(given, t.Mapping):
        try:
            found = json.loads(read_private(Path(str(given)).expanduser()))
        except ValueError as exc:
            raise BadInput(f"incident_changes: {given} is not JSON: {exc}.", hint="incident undo hands the changes over.") from exc
    if not isinstance(found, t.Mapping):
        raise BadInput("incident_changes has no changes by host.", hint="incident undo hands the changes over.")
    return [dict(one) for one in found.get(host) or () if (_undone_by(one) in verbs) is not others]


def _undone_by(change: t.Any) -> str:
    """The verb of what undoes a change; empty where it does not say so."""
    known = change.get("temporary") if isinstance(change, t.Mapping) else None
    undo = known.get("undo") if isinstance(known, t.Mapping) else None
    return str(undo.get("verb") or "") if isinstance(undo, t.Mapping) else ""


def judge(changes: t.Sequence[t.Mapping[str, t.Any]], results: t.Iterable[t.Mapping[str, t.Any]]) -> Verdict:
    """What looks at changes say: ok where a change is gone, a warning where it is in force, unknown where nobody could look.

    Args:
        changes: that were to be looked at.
        results: of the modules that looked, by the action that would undo each one.

    Raises:
        BadInput: a change or an action of a result lacks what the contract demands.
    """
    looked: dict[str, Action] = {}
    said: list[str] = []
    for result in results:
        actions = [Action.from_dict(one) for one in result.get("actions") or ()]
        looked.update({str(one.detail.get(temporary.UNDOES)): one for one in actions if one.detail.get(temporary.UNDOES)})
        if not actions and result.get("msg"):
            said.append(str(result["msg"]))
    findings = [_finding(Action.from_dict(change), str(change.get("ref") or ""), looked, said) for change in changes]
    return judge_look(findings, asked=[temporary.CHECK] if changes else [])


def _finding(change: Action, ref: str, looked: t.Mapping[str, Action], said: t.Sequence[str]) -> Finding:
    undo = looked.get(change.id)
    state = temporary.looked(undo) if undo is not None else temporary.UNKNOWN
    known = temporary.of(change)
    subject = " ".join(part for part in (change.verb.replace("_", " "), change.name, f"({ref})" if ref else "") if part)
    detail: dict[str, t.Any] = {temporary.CHANGE: change.id, "ref": ref}
    hint = ""
    if undo is not None and state == temporary.IN_FORCE and undo.detail.get(ONLY_UNIT):
        detail[ONLY_UNIT] = undo.detail[ONLY_UNIT]
        hint = undo.reason
    elif state == temporary.IN_FORCE:
        late = known is not None and temporary.over(known, now=time.time())
        hint = f"It is in force: {temporary.say(known, late=late)}." if known is not None else "It is in force."
    elif state == temporary.UNKNOWN:
        reason = str(undo.detail.get("error") or undo.outcome) if undo is not None else "; ".join(said) or _NOBODY
        detail["reason"] = reason
        way_back = f" Its way back: {known.way_back.rstrip('.')}." if undo is None and known is not None else ""
        hint = f"Correct what the check needs, then look again.{way_back}"
    return Finding(temporary.CHECK, _STATUS[state], observed=state, threshold=temporary.GONE, subject=subject, hint=hint, detail=detail)
