# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publish the plan of a check. Documentation in plugins/modules/publish_plan.py."""

from __future__ import annotations

import os
import time
import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils._core.errors import IncidentError
from ..module_utils._core.plan import PLAN_CONTRACT
from ..plugin_utils._frame import marker, plans

FACTS = ("incident_actions", "incident_limits", "incident_baseline", "incident_failures", "incident_rungs")


class ActionModule(ActionBase):  # type: ignore[misc]
    """Makes one plan of what all hosts' mitigate entry points would do."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Make the plan.

        Args:
            tmp: not used any more.
            task_vars: variables of the task.
        """
        result = super().run(tmp, task_vars)
        _unused, params = self.validate_argument_spec(argument_spec={"run_id": {"type": "str", "default": ""}})
        known = task_vars or {}
        facts = {
            host: {name: known["hostvars"][host][name] for name in FACTS if name in known["hostvars"][host]}
            for host in known.get("ansible_play_hosts_all", ())
        }
        recorder = marker.read_marker(os.environ, processes={os.getpid(), os.getppid()})
        run_id = params["run_id"] or (recorder.run if recorder else "")
        try:
            plan = plans.gather_plan(facts, run=run_id, now=time.time())
        except IncidentError as exc:
            return {**result, "changed": False, "failed": True, **exc.as_result()}
        return {
            **result, "changed": False, "contract": PLAN_CONTRACT, "plan": plan.as_dict(), "empty": plan.empty,
            "failures": {host: found["incident_failures"] for host, found in facts.items() if found.get("incident_failures")},
            "ansible_stats": {"data": {"incident_plan": plan.as_dict()}, "per_host": False, "aggregate": False},
        }
