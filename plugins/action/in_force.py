# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether temporary changes are in force, judged from looks at them. Documentation in plugins/modules/in_force.py."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils._core.errors import IncidentError
from ..plugin_utils._frame import changes


class ActionModule(ActionBase):  # type: ignore[misc]
    """Makes a verdict of what the modules that would undo the changes saw in check mode."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Judge.

        Args:
            tmp: not used any more.
            task_vars: variables of the task.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _unused, params = self.validate_argument_spec(argument_spec={
            "changes": {"type": "list", "elements": "dict", "required": True},
            "results": {"type": "list", "elements": "dict", "required": True},
        })
        try:
            verdict = changes.judge(params["changes"], params["results"])
        except IncidentError as exc:
            return {**result, "changed": False, "failed": True, **exc.as_result()}
        return {**result, "changed": False, **verdict.as_dict()}
