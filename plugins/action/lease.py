# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of an entry point. Documentation in plugins/modules/lease.py."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._core.acting import APPROVED_SPEC, allows_nothing, read_approved
from ..module_utils._core.errors import IncidentError
from ..module_utils._module.lease import KEPT, NO_ROOM
from ..plugin_utils._frame import leasing


class ActionModule(ActionBase):  # type: ignore[misc]
    """Keeps other runs off the subjects of an entry point, and lets them at it again."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Take a lease, or give back all.

        Args:
            tmp: not used any more.
            task_vars: variables of the task.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _unused, params = self.validate_argument_spec(argument_spec={
            "subjects": {"type": "list", "elements": "str", "default": []},
            "approved": APPROVED_SPEC,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        })
        subjects = [one for one in params["subjects"] if one]
        result.update(changed=False, subjects=subjects, held=False)
        if self._task.check_mode:
            return result
        known = task_vars or {}
        lease = leasing.Lease(
            self._low_level_execute_command, what=subjects, who=leasing.who_acts(str(known.get("inventory_hostname", ""))),
            seconds=KEPT - leasing.SLACK, python=leasing.python_of(known, self._templar.template),
        )
        if params["state"] == "absent":
            return self._given_back(lease, result)
        try:
            if subjects and not allows_nothing(read_approved(params["approved"])):
                lease.take()
                result.update(held=True, **({"taken_over": lease.taken_over} if lease.taken_over else {}))
        except IncidentError as exc:
            if not exc.facts.get(NO_ROOM):
                return {**result, "failed": True, **exc.as_result()}
            # What follows may be what makes room.
            self._display.warning(f"No lease is taken, so another run may act between two tasks: {exc}")
        return result

    def _given_back(self, lease: leasing.Lease, result: dict[str, t.Any]) -> dict[str, t.Any]:
        try:
            lease.give_back_all()
        except (AnsibleError, IncidentError) as exc:  # what was done is more important than this
            self._display.warning(f"The leases were not given back, they end by themselves: {exc}")
        return result
