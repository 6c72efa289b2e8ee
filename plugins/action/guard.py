# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was given to this run, checked before anything is looked at. Documentation in plugins/modules/guard.py."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from ansible.utils.vars import load_extra_vars

from ..module_utils._core.errors import BadInput, IncidentError
from ..plugin_utils._frame import names, specs

ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):
    """Finds host patterns without hosts, misspelt variable names and wrong values."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Check patterns and variables of all hosts of the run.

        Args:
            tmp: not used any more.
            task_vars: variables of the task.
        """
        result = super().run(tmp, task_vars)
        _unused, params = self.validate_argument_spec(argument_spec={
            "subjects": {"type": "list", "elements": "dict", "required": True, "options": {
                "variable": {"type": "str", "required": True},
                "hosts": {"type": "str", "required": True},
                "role": {"type": "str", "required": True},
                "required": {"type": "bool", "default": True},
                "needs": {"type": "list", "elements": "str", "default": []},
                "addresses": {"type": "list", "elements": "str", "default": []},
            }},
            "ignore": {"type": "list", "elements": "str", "default": []},
        })
        try:
            found = self._check(params, task_vars or {})
        except IncidentError as exc:
            return {**result, "changed": False, "failed": True, **exc.as_result()}
        return {**result, "changed": False, "hosts": found}

    def _check(self, params: t.Mapping[str, t.Any], known: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
        frame = specs.load_options(ROLES, "incident")
        problems = self._extra_vars(params)
        found: dict[str, list[str]] = {}
        seen = {*params["ignore"], *load_extra_vars(self._loader)}
        for subject in params["subjects"]:
            hosts = self._hosts(subject["hosts"], known)
            found[subject["variable"]] = hosts
            if not hosts and subject["required"]:
                problems.append(self._nobody(subject, known))
            if subject["variable"] in known and not self._seen_by_plays(subject["variable"]):
                problems.append(f"{subject['variable']} is set in the inventory, where plays cannot see it: give it with -e.")
            for host in hosts:
                for role, options in (("incident", frame), (subject["role"], specs.load_options(ROLES, subject["role"]))):
                    problems += self._variables(host, role, options, seen, known["hostvars"])
                problems += self._given(host, subject, known["hostvars"][host])
        if problems:
            unique = list(dict.fromkeys(problems))
            raise BadInput("Nothing was looked at or changed. " + " ".join(unique), problems=unique)
        return found

    def _hosts(self, pattern: str, known: t.Mapping[str, t.Any]) -> list[str]:
        """The hosts of a pattern that this run may go to, --limit considered."""
        lookup = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        within = set(known.get("ansible_play_hosts_all", ()))
        return [str(host) for host in lookup.run([pattern], variables=known) if host in within]

    def _seen_by_plays(self, variable: str) -> bool:
        # A play's `hosts` is resolved before there is a host, so inventory variables are not known there.
        return variable in load_extra_vars(self._loader) or variable in self._task.get_play().vars

    def _extra_vars(self, params: t.Mapping[str, t.Any]) -> list[str]:
        """Misspelt extra variables, whatever the hosts: a role without hosts in this run has misspelt ones too."""
        given = load_extra_vars(self._loader)
        problems = []
        for role in dict.fromkeys(["incident", *(subject["role"] for subject in params["subjects"])]):
            slips = names.near_misses(given, known=specs.load_options(ROLES, role), prefix=f"{role}_")
            asked = sorted((name, meant) for name, meant in slips.items() if name not in params["ignore"])
            problems += [f"{name} is unknown; did you mean {meant}?" for name, meant in asked]
        return problems

    @staticmethod
    def _nobody(subject: t.Mapping[str, t.Any], known: t.Mapping[str, t.Any]) -> str:
        groups = ", ".join(sorted(name for name in known.get("groups", {}) if name not in ("all", "ungrouped"))) or "none"
        limit = f" within --limit {known['ansible_limit']}" if known.get("ansible_limit") else ""
        return (
            f"No host matches {subject['variable']}={subject['hosts']}{limit}. "
            f"The inventory's groups are: {groups}. Name the hosts with -e {subject['variable']}=PATTERN."
        )

    @staticmethod
    def _given(host: str, subject: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]) -> list[str]:
        """Variables that must be there and are not, and addresses that are none."""
        values: dict[str, t.Any] = {}
        for name in {*subject["needs"], *subject["addresses"]} & set(given):
            with contextlib.suppress(AnsibleError):  # as in _variables()
                values[name] = given[name]
        problems = [
            f"{name} ({host}) is not given: set it in the inventory or with -e {name}=VALUE."
            for name in subject["needs"] if name not in given or values.get(name, True) in (None, "", [], {})
        ]
        for name in subject["addresses"]:
            problems += [f"{error} ({host})." for error in specs.address_errors(name, values.get(name))]
        return problems

    @staticmethod
    def _variables(
        host: str, role: str, options: t.Mapping[str, t.Any], seen: t.Collection[str], hostvars: t.Mapping[str, t.Any],
    ) -> list[str]:
        given = hostvars[host]
        slips = names.near_misses((str(name) for name in given), known=options, prefix=f"{role}_")
        problems = [f"{name} ({host}) is unknown; did you mean {meant}?" for name, meant in slips.items() if name not in seen]
        values: dict[str, t.Any] = {}
        for name in sorted(set(given) & set(options)):
            try:
                values[name] = given[name]
            except AnsibleError:
                continue  # it needs something that is known only later; the door it belongs to validates it again
        return problems + [f"{error.rstrip('.')} ({host})." for error in specs.value_errors(values, options)]
