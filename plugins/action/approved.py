# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the approved plan. Documentation in plugins/modules/approved.py."""

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils._core.errors import IncidentError
from ..module_utils._module.lease import token
from ..plugin_utils._frame import leasing, plans


class ActionModule(ActionBase):  # type: ignore[misc]
    """Says which actions of this host are approved."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Read the plan, refuse what cannot be trusted.

        Args:
            tmp: not used any more.
            task_vars: variables of the task.
        """
        result = super().run(tmp, task_vars)
        _unused, params = self.validate_argument_spec(argument_spec={"plan": {"type": "raw"}, "run_id": {"type": "str"}})
        host = str((task_vars or {}).get("inventory_hostname", ""))
        result["lease"] = "" if self._task.check_mode else token(**leasing.who_acts(host))
        if params["plan"] is None:
            # Null restricts nothing. Not absent: what was never asked, or failed, must not look like that.
            return {**result, "changed": False, "restricted": False, "approved": None, "actions": None, "rungs": []}
        try:
            plan = plans.read_plan(params["plan"], now=time.time(), run=params["run_id"] or None)
        except IncidentError as exc:
            return {**result, "changed": False, "failed": True, **exc.as_result()}
        ids = plan.ids(host)
        return {
            **result, "changed": False, "restricted": True, "ids": ids, "approved": ids,
            "actions": [one.as_dict() for one in plan.approved(host)], "hash": plan.hash, "run": plan.run,
            "baseline": dict(plan.baseline.get(host, {})), "rungs": [rung.as_dict() for rung in plan.rungs.get(host, ())],
        }
