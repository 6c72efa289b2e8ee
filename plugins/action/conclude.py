# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run on a host. Documentation in plugins/modules/conclude.py."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils._core.actions import ACTIONS_CONTRACT, Action, Approved
from ..module_utils._core.errors import IncidentError
from ..plugin_utils._frame import conclusion, rungs


class ActionModule(ActionBase):  # type: ignore[misc]
    """Fails the host if one of its phases failed, or if something it needs was not done anywhere."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Sum up.

        Args:
            tmp: not used any more.
            task_vars: variables of the task.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        known = task_vars or {}
        try:
            everybody = list(known.get("ansible_play_hosts_all", ()))
            actions = [
                (host, Action.from_dict(action)) for host in everybody for action in known["hostvars"][host].get("incident_actions", ())
            ]
            own = [Action.from_dict(action) for action in known.get("incident_actions", ())]
            # Only who has asked what may be changed on this host, and not in check mode, has something to answer.
            permit = {} if self._task.check_mode else known.get("__incident_permit") or {}
            approved = [Approved.read(one) for one in permit.get("actions") or ()]
            left_out = rungs.answers(approved, stated=permit.get("rungs") or (), known=known.get("incident_rungs", ()))
            requests = rungs.still_open(known.get("incident_requests", ()), known=known.get("incident_rungs", ()))
        except IncidentError as exc:
            return {**result, "changed": False, "failed": True, **exc.as_result()}
        answers = [*left_out, *conclusion.left_open(
            approved, [*own, *left_out], known.get("incident_failures", ()), requests=known.get("incident_requests", ()),
        )]
        if answers:
            result.update(contract=ACTIONS_CONTRACT, actions=[action.as_dict() for action in answers])
        name = str(known.get("inventory_hostname", ""))
        still_open = conclusion.unanswered(
            [{**request, "hosts": self._hosts(request.get("hosts"), known)} for request in requests],
            [*actions, *((name, action) for action in left_out)], host=name,
            services={host: _service(known["hostvars"][host]) for host in everybody} if requests else {},
        )
        failures = [*known.get("incident_failures", ()), *still_open]
        result.update(changed=False, failures=failures)
        if failures:
            result.update(failed=True, error="not_recovered", msg=conclusion.sum_up(failures))
        return result

    def _hosts(self, pattern: t.Any, known: dict[str, t.Any]) -> list[str]:
        """The inventory hosts of a request's host pattern; none where the inventory has no such group."""
        plugins = self._shared_loader_obj.lookup_loader
        lookup = plugins.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        return [str(host) for host in lookup.run([str(pattern)], variables=known)] if pattern else []


def _service(variables: t.Mapping[str, t.Any]) -> str:
    """The service of a host as the inventory configures it; empty where it does not."""
    return str(variables.get("service_name") or "")
