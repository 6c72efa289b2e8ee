# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a phase looks and as whom. Documentation in plugins/modules/place.py."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils._core.findings import PLACE_CONTRACT
from ..plugin_utils._frame.place import Way, sentence


class ActionModule(ActionBase):  # type: ignore[misc]
    """Says where the tasks after it look. It runs on the controller and asks nobody."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Make the sentence.

        Args:
            tmp: not used any more.
            task_vars: variables of the task.
        """
        result = super().run(tmp, task_vars)
        login = {name: {"type": "str"} for name in ("host", "port", "unix_socket", "user", "database")}
        _unused, params = self.validate_argument_spec(argument_spec={
            "what": {"type": "str", "required": True},
            "logins": {"type": "list", "elements": "dict", "default": [], "options": {**login, "tls": {"type": "bool", "default": False}}},
            "targets": {"type": "list", "elements": "raw", "default": []},
            "via": {"type": "str", "default": "host"},
            "container_name": {"type": "str", "default": ""},
            "ssh_destination": {"type": "str", "default": ""},
            "kubernetes_target": {"type": "str", "default": ""},
            "kubernetes_namespace": {"type": "str", "default": ""},
            "kubernetes_context": {"type": "str", "default": ""},
        })
        known = task_vars or {}
        host = str(known.get("inventory_hostname", ""))
        address = str(self._templar.template(known.get("ansible_host") or host))
        way = Way(
            host=host, via=params["via"], user=self._user(), container=params["container_name"], ssh=params["ssh_destination"] or address,
            kubernetes=params["kubernetes_target"], namespace=params["kubernetes_namespace"], context=params["kubernetes_context"],
        )
        said = sentence(params["what"], logins=params["logins"], targets=params["targets"], way=way)
        return {**result, "changed": False, "contract": PLACE_CONTRACT, "msg": said, "_ansible_verbose_always": True}

    def _user(self) -> str:
        """The user on the managed host, as the tasks after this one have it; empty where that is not said."""
        context = self._play_context
        if context.become:
            return str(context.become_user or "root")
        return "" if self._connection.transport == "local" else str(context.remote_user or "")
