# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was given to this run, checked before anything is looked at. Documentation in plugins/modules/guard.py."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import itertools
import json
import os
import re
import shutil
import sys
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from ansible.utils.vars import load_extra_vars

from ..module_utils._core.errors import BadInput, IncidentError
from ..plugin_utils._frame import names, needs, specs

ROLES = Path(__file__).resolve().parents[2] / "roles"
#: How a scenario whose plays are another's file calls itself.
SCENARIO = "scenario_name"
#: Roles whose variables every host of a scenario carries.
FRAME = ("incident", "evidence")


@dataclasses.dataclass(frozen=True)
class _Role:
    """The names of a role's variables: its own, and those that others use for the same."""

    name: str
    options: t.Mapping[str, t.Any]
    others: t.Mapping[str, str]
    ignore: t.Collection[str]

    @classmethod
    def load(cls, name: str, *, ignore: t.Collection[str]) -> _Role:
        """Read them from the role's files."""
        return cls(name=name, options=specs.load_accepted(ROLES, name), others=specs.load_other_names(ROLES, name), ignore=ignore)

    def misspelt(self, given: t.Iterable[str], *, host: str = "") -> list[str]:
        """Names that are almost ours. Those that others use are not_read()'s, which knows better what they mean."""
        looked_at = [name for name in given if name not in self.ignore and name not in self.others]
        slips = names.near_misses(looked_at, known=self.options, prefix=f"{self.name}_")
        where = f" ({host})" if host else ""
        return [f"{name}{where} is unknown; did you mean {meant}?" for name, meant in slips.items()]

    def not_read(self, everybodys: t.Collection[str], given: t.Mapping[str, t.Collection[str]]) -> list[str]:
        """Names that others use for what we call differently, each told once.

        Args:
            everybodys: extra variables and those of the play, which no inventory has.
            given: all names by host. Without a host those of everybody are looked at.
        """
        hosts: dict[tuple[str, str], list[str]] = {}
        for host, of_host in (given or {"": everybodys}).items():
            for name, ours in names.not_read(of_host, others=self.others).items():
                hosts.setdefault((name, ours), []).append(host)
        return [names.say_not_read(name, ours, () if name in everybodys else who)
                for (name, ours), who in hosts.items() if name not in self.ignore]


class ActionModule(ActionBase):  # type: ignore[misc]
    """Finds host patterns without hosts, variables that nobody reads and wrong values."""

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
        everybodys = {*load_extra_vars(self._loader), *self._task.get_play().vars}
        roles = {role: _Role.load(role, ignore=params["ignore"])
                 for role in dict.fromkeys([*FRAME, *(subject["role"] for subject in params["subjects"])])}
        problems = [problem for role in roles.values() for problem in role.misspelt(everybodys)]
        found: dict[str, list[str]] = {}
        carriers: dict[str, dict[str, set[str]]] = {role: {} for role in roles}
        for subject in params["subjects"]:
            hosts = self._hosts(subject["hosts"], known)
            found[subject["variable"]] = hosts
            if not hosts and subject["required"]:
                problems.append(self._nobody(subject, known))
            if subject["variable"] in known and not self._seen_by_plays(subject["variable"]):
                problems.append(f"{subject['variable']} is set in the inventory, where plays cannot see it: give it with -e.")
            for host in hosts:
                given = known["hostvars"][host]
                names_given = {str(name) for name in given}
                for role in (*FRAME, subject["role"]):
                    carriers[role][host] = names_given | everybodys
                    problems += roles[role].misspelt(names_given - everybodys, host=host)
                    problems += self._values(host, roles[role].options, given)
                problems += self._given(host, subject, given)
        if not any(found.values()) and not any(subject["required"] for subject in params["subjects"]):
            patterns = ", ".join(dict.fromkeys(subject["hosts"] for subject in params["subjects"]))
            problems.append(f"No host of this run is in {patterns}: check the inventory and --limit.")
        for role, hosts_given in carriers.items():
            problems += roles[role].not_read(everybodys, hosts_given)
        problems += self._missing(params["subjects"], found, roles, known)
        if problems:
            unique = list(dict.fromkeys(problems))
            raise BadInput("Nothing was looked at or changed. " + " ".join(unique), problems=unique)
        return found

    def _missing(
        self, subjects: t.Iterable[t.Mapping[str, t.Any]], found: t.Mapping[str, t.Sequence[str]], roles: t.Mapping[str, _Role],
        known: t.Mapping[str, t.Any],
    ) -> list[str]:
        """What the scenario needs on this machine and has not. Of other machines their own modules tell."""
        hosts: dict[tuple[needs.Need, str], list[str]] = {}
        wanted = needs.read(self._head())
        for subject in subjects if wanted else ():
            for host in found[subject["variable"]]:
                given = _given(known["hostvars"][host], roles[subject["role"]].options)
                for need in wanted:
                    if self._is_here(need, host, known) and need.holds(given) and (name := need.called(given)):
                        hosts.setdefault((need, name), []).append(host)
        there = {one: _there(one[0], one[1]) for one in hosts}
        return [needs.say(need, name=name, hosts=list(dict.fromkeys(who)), there=there[need, name] or "")
                for (need, name), who in hosts.items()
                if there[need, name] is None or needs.too_old(there[need, name] or "", need.least)]

    def _head(self) -> str:
        """The text of the scenario's playbook, which says what it needs."""
        play = self._task.get_play()
        name = play.vars.get(SCENARIO)
        path = ROLES.parent / "playbooks" / f"{name}.yml" if name else Path(play.get_path().rpartition(":")[0] or ROLES / "none")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeError):
            return ""

    @staticmethod
    def _is_here(need: needs.Need, host: str, known: t.Mapping[str, t.Any]) -> bool:
        """Whether it is this machine, with this Python, that must have it."""
        where = host if need.place == needs.HOST else "localhost"
        values = known["hostvars"][where] if where in known["hostvars"] else {}
        # Another Python, or one that Ansible is still to find, has libraries of its own.
        if need.kind == needs.LIBRARY and _value(values, "ansible_python_interpreter") != sys.executable:
            return False
        return need.place == needs.CONTROLLER or _value(values, "ansible_connection") == "local"

    def _hosts(self, pattern: str, known: t.Mapping[str, t.Any]) -> list[str]:
        """The hosts of a pattern that this run may go to, --limit considered."""
        lookup = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        within = set(known.get("ansible_play_hosts_all", ()))
        return [str(host) for host in lookup.run([pattern], variables=known) if host in within]

    def _seen_by_plays(self, variable: str) -> bool:
        # A play's `hosts` is resolved before there is a host, so inventory variables are not known there.
        return variable in load_extra_vars(self._loader) or variable in self._task.get_play().vars

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
        needed = {entry: entry.split(" or ") for entry in subject["needs"]}
        for name in {*itertools.chain(*needed.values()), *subject["addresses"]} & set(given):
            with contextlib.suppress(AnsibleError):  # as in _values()
                values[name] = given[name]
        problems = [
            f"{entry} ({host}) is not given: set it in the inventory or with -e {names[-1]}=VALUE."
            for entry, names in needed.items()
            if all(name not in given or values.get(name, True) in (None, "", [], {}) for name in names)
        ]
        for name in subject["addresses"]:
            problems += [f"{error} ({host})." for error in specs.address_errors(name, values.get(name))]
        return problems

    @staticmethod
    def _values(host: str, options: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]) -> list[str]:
        values: dict[str, t.Any] = {}
        for name in sorted(set(given) & set(options)):
            try:
                values[name] = given[name]
            except AnsibleError:
                continue  # it needs something that is known only later; the entry point it belongs to validates it again
        wrong = [*specs.value_errors(values, options), *specs.order_errors(values, options)]
        return [f"{error.rstrip('.')} ({host})." for error in wrong]


def _value(given: t.Mapping[str, t.Any], name: str, default: t.Any = None) -> t.Any:
    try:
        return given[name] if name in given else default
    except AnsibleError:
        return default  # as in _values()


def _given(given: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any]) -> t.Callable[[str], t.Any]:
    """The value of a variable, the role's default where the host has none."""
    return lambda name: _value(given, name, (options.get(name) or {}).get("default"))


def _there(need: needs.Need, name: str) -> str | None:
    """The version that is here, empty where it says none; None where it is not here. Nothing is imported or run."""
    if need.kind == needs.PROGRAM:
        # What belongs to root is often not on a user's path.
        return "" if shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin") else None
    spec = _spec(f"ansible_collections.{name}" if need.kind == needs.COLLECTION else name)
    if spec is None:
        return None
    if need.kind == needs.LIBRARY:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return ""
    return next((version for place in spec.submodule_search_locations or () if (version := _collection_version(Path(place)))), "")


def _spec(name: str) -> t.Any:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _collection_version(place: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError):
        return str(json.loads((place / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]["version"])
    with contextlib.suppress(OSError, UnicodeError):
        found = re.search(r"(?m)^version:\s*['\"]?([\w.+-]+)", (place / "galaxy.yml").read_text(encoding="utf-8"))
        return found[1] if found else ""
    return ""
