# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The approved plan comes in, the plan of a check goes out.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import os
import stat
import typing as t
from pathlib import Path

from ...module_utils._core.actions import PLANNED, Action
from ...module_utils._core.errors import BadInput, PlanRefused
from ...module_utils._core.plan import Plan, load_plan, make_plan
from . import keeping, rungs

#: A plan is small; more than this is not one of ours.
MAX_PLAN_BYTES = 16 * 1024 * 1024


def read_plan(given: t.Any, *, now: float, run: str | None) -> Plan:
    """Read the approved plan and refuse what cannot be trusted.

    Args:
        given: path of a file that only its owner can read, or the plan itself as a dictionary or as JSON text (the
            artifact of an AWX check job).
        now: seconds since the epoch.
        run: id of this run, or None where it may be another run's plan.

    Raises:
        BadInput: the file cannot be read.
        PlanRefused: others could have written or read it, or load_plan() refuses it.
    """
    if isinstance(given, t.Mapping):
        return load_plan(_plain(given), now=now, run=run, source="incident_approved_plan")
    text = str(given).strip()
    if text.startswith("{"):
        return load_plan(_parse(text, "incident_approved_plan"), now=now, run=run, source="incident_approved_plan")
    if not text:
        raise BadInput("incident_approved_plan is empty.", hint="Give the path of the plan's file, or leave the variable out.")
    return load_plan(_parse(read_private(Path(text).expanduser()), text), now=now, run=run, source=text)


def read_private(path: Path) -> str:
    """The text of a regular file that is ours alone. The checks are made on the open file: no name can change under them."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise BadInput(f"The approved plan {path} cannot be read: {exc.strerror}.", hint="Give the path of a plan's file.") from exc
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise PlanRefused(f"The approved plan {path} is not a regular file.", reason="not_a_file")
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PlanRefused(
                f"The approved plan {path} is open to others (owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}).",
                hint="It must belong to the user who runs Ansible, with mode 0600.", reason="not_private",
            )
        data = file.read(MAX_PLAN_BYTES + 1)
    if len(data) > MAX_PLAN_BYTES:
        raise PlanRefused(f"The approved plan {path} is larger than {MAX_PLAN_BYTES} bytes.", reason="too_large")
    return data.decode("utf-8", "replace")


def _parse(text: str, source: str) -> t.Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise PlanRefused(f"{source} is not JSON: {exc}.", hint="Run the check again and approve the new plan.", reason="damaged") from exc


def _plain(value: t.Any) -> t.Any:
    """Plain types, without Ansible's tags: what is hashed must be what JSON says."""
    return json.loads(json.dumps(value, default=str))


def gather_plan(facts_by_host: t.Mapping[str, t.Mapping[str, t.Any]], *, run: str, now: float) -> Plan:
    """Make the plan of all hosts from what their mitigate entry points kept.

    Args:
        facts_by_host: incident_actions, incident_limits, incident_baseline and incident_rungs by inventory host; absent ones are empty.
        run: id of this run.
        now: seconds since the epoch.

    Raises:
        BadInput: an action lacks what the contract demands.
    """
    plain = {host: _plain(dict(facts)) for host, facts in facts_by_host.items()}
    planned = {
        host: [Action.from_dict(action) for action in facts["incident_actions"]] for host, facts in plain.items()
        if facts.get("incident_actions")
    }
    limits = {host: keeping.limits_of(_to_do(facts), limits=facts.get("incident_limits") or {}) for host, facts in plain.items()}
    return make_plan(
        run=run, now=now, actions=planned,
        limits={host: stated for host, stated in limits.items() if stated},
        baseline={host: facts["incident_baseline"] for host, facts in plain.items() if facts.get("incident_baseline")},
        rungs={host: rungs.planned(facts["incident_rungs"]) for host, facts in plain.items() if facts.get("incident_rungs")},
    )


def _to_do(facts: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    return [action for action in facts.get("incident_actions") or () if action.get("outcome") == PLANNED]
