# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this run recorded? Documentation in plugins/modules/recording.py."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils._core.errors import IncidentError
from ..plugin_utils._frame import marker


class ActionModule(ActionBase):  # type: ignore[misc]
    """Refuses a real run that nobody records."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Look for the recorder's marker.

        Args:
            tmp: not used any more.
            task_vars: variables of the task.
        """
        result = super().run(tmp, task_vars)
        _unused, params = self.validate_argument_spec(argument_spec={"record": {"type": "bool", "default": True}})
        # The callback runs in ansible-playbook itself, this plugin in a worker forked from it.
        recorder = marker.read_marker(os.environ, processes={os.getpid(), os.getppid()})
        try:
            found = marker.require(recorder, record=params["record"], check_mode=bool(self._task.check_mode))
        except IncidentError as exc:
            return {**result, "changed": False, "failed": True, **exc.as_result()}
        return {**result, "changed": False, **found}
