# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of a scenario's hosts mean for a reader: pure decisions on what ansible_side.answer() found."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._frame import names, specs

HIDDEN = "(hidden)"
#: Roles whose variables every host of a scenario carries: they come last, and of them only what somebody set is shown without --all.
FRAME = ("evidence", "incident")


@dataclasses.dataclass(frozen=True)
class Row:
    """One variable of a role on some hosts.

    Attributes:
        value: as a task would see it; HIDDEN where it is secret.
        template: how it is written, where that differs from the value.
        source: default, inventory, playbook or -e, with file and line.
        basic: whether it is one of those that most operators set.
        differs: whether somebody set it to something else than the default.
        shown: whether it is shown without --all.
    """

    name: str
    value: Any
    default: Any
    template: str | None
    source: Mapping[str, Any]
    set: bool
    basic: bool
    differs: bool
    secret: bool
    shown: bool


@dataclasses.dataclass(frozen=True)
class Section:
    """A role's rows, the same on all these hosts."""

    role: str
    hosts: Sequence[str]
    rows: Sequence[Row]


def sections(answer: Mapping[str, Any], *, roles: Path, own_playbooks: Path) -> list[Section]:
    """The rows by role and hosts: basic ones first, then those that differ from the default, then the rest.

    Args:
        answer: of ansible_side.answer().
        roles: the collection's `roles` directory.
        own_playbooks: its playbooks: what they set belongs to the scenario.
    """
    found: list[Section] = []
    all_roles = {role for entry in answer["hosts"].values() for role in entry["roles"]}
    for role in sorted(all_roles, key=lambda role: (role in FRAME, role)):
        documented = specs.load_basic(roles, role)
        entered = [name for name in documented if name in answer["entry_points"].get(role, ())]
        basic = list(dict.fromkeys(name for entry_point in ("main", *entered) for name in documented.get(entry_point, ())))
        groups: list[tuple[list[Row], list[str]]] = []
        for host in sorted(host for host, entry in answer["hosts"].items() if role in entry["roles"]):
            rows = _rows(answer["hosts"][host]["roles"][role], basic=[] if role in FRAME else basic, own_playbooks=own_playbooks)
            same = next((hosts for others, hosts in groups if others == rows), None)
            if same is None:
                groups.append((rows, [host]))
            else:
                same.append(host)
        found += [Section(role, hosts, rows) for rows, hosts in groups]
    return found


def _rows(values: Mapping[str, Mapping[str, Any]], *, basic: Sequence[str], own_playbooks: Path) -> list[Row]:
    order = {name: number for number, name in enumerate(basic)}
    rows = []
    for name, one in values.items():
        given = one["source"]["kind"] != "default" and not _within(one["source"].get("path"), own_playbooks)
        rows.append(Row(
            name=name, value=one["value"], default=one["default"], template=one["template"], source=one["source"], set=one["set"],
            basic=name in order, differs=one["differs"], secret=one["secret"],
            shown=name in order or (given and (one["differs"] or one["secret"])),
        ))
    return sorted(rows, key=lambda row: (order.get(row.name, len(order)), not row.shown, row.name))


def _within(path: str | None, directory: Path) -> bool:
    return path is not None and Path(path).resolve().is_relative_to(directory.resolve())


def problems(answer: Mapping[str, Any], *, roles: Path) -> list[str]:
    """What a run would refuse: names that are almost ours or others' for the same, and values of the wrong type."""
    hosts: dict[str, list[str]] = {}
    for host, entry in sorted(answer["hosts"].items()):
        ignored = set((entry["roles"].get("incident", {}).get("incident_ignore_variables") or {}).get("value") or ())
        for role, values in sorted(entry["roles"].items()):
            for problem in (*_names(role, entry["given"], roles=roles, ignored=ignored), *_values(role, values, roles=roles)):
                hosts.setdefault(problem, []).append(host)
    return [f"{problem} ({_some(where)})" for problem, where in hosts.items()]


def doubts(answer: Mapping[str, Any], *, roles: Path) -> list[str]:
    """Names that resemble what others call ours (postgres_hsot): a run does not refuse them, and nobody here reads them."""
    hosts: dict[str, list[str]] = {}
    for host, entry in sorted(answer["hosts"].items()):
        for role in sorted(entry["roles"]):
            options, others = specs.load_accepted(roles, role), specs.load_other_names(roles, role)
            slips = names.near_misses(entry["given"], known=options, prefix=f"{role}_")
            looked_at = [name for name in entry["given"] if name not in {*slips, *options, *others}]
            alike = names.near_misses(looked_at, known=others, prefix=f"{role}_") | _anagrams(looked_at, others)
            for name, meant in sorted(alike.items()):
                said = f"{name} is not read by oncall.incident; did you mean {others[meant]}? {place(entry['given'][name])}"
                hosts.setdefault(said, []).append(host)
    return [f"{said} ({_some(where)})" for said, where in hosts.items()]


def _anagrams(given: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """Short names with two letters swapped are less alike than names.ALIKE."""
    by_letters = {"".join(sorted(name)): name for name in known}
    return {name: by_letters[letters] for name in given if (letters := "".join(sorted(name))) in by_letters}


def _names(role: str, given: Mapping[str, Mapping[str, Any]], *, roles: Path, ignored: Collection[str]) -> list[str]:
    options, others = specs.load_accepted(roles, role), specs.load_other_names(roles, role)
    looked_at = [name for name in given if name not in ignored]
    slips = names.near_misses([name for name in looked_at if name not in others], known=options, prefix=f"{role}_")
    found = [f"{name} is unknown; did you mean {meant}? {place(given[name])}" for name, meant in slips.items()]
    unread = names.not_read(given, others=others)
    return found + [f"{names.say_not_read(name, ours)} {place(given[name])}" for name, ours in unread.items() if name not in ignored]


def _values(role: str, values: Mapping[str, Mapping[str, Any]], *, roles: Path) -> list[str]:
    given = {
        name: one["value"] for name, one in values.items()
        if one["source"]["kind"] != "default" and not one["secret"] and "{{" not in str(one["value"]) and HIDDEN not in str(one["value"])
    }
    options = specs.load_options(roles, role)
    return [*specs.value_errors(given, options), *specs.order_errors(given, options)]


def place(source: Mapping[str, Any], *, relative_to: Path | None = None) -> str:
    """Where a variable comes from, in words: `inventories/prod/group_vars/db.yml:2`, `-e`, `role default`."""
    if source["kind"] == "default":
        return "role default"
    if source["kind"] == "-e":
        return str(source["of"])
    path = source.get("path")
    if path is None:
        return str(source["of"])
    shown = Path(path)
    base = (relative_to or Path.cwd()).resolve()
    if shown.resolve().is_relative_to(base):
        shown = shown.resolve().relative_to(base)
    return f"{shown}:{source['line']}" if source.get("line") else str(shown)


def _some(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - names.MOST_HOSTS} more" if len(hosts) > names.MOST_HOSTS else ""
    return ", ".join(hosts[:names.MOST_HOSTS]) + more
