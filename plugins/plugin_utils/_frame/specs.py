# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented variables of a role, read from its argument specs.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import functools
import re
import typing as t
from pathlib import Path

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._core.addresses import read_network
from ...module_utils._core.durations import parse_duration
from ...module_utils._core.errors import BadInput

#: The line of an entry point's description that names the variables which most operators set; all others are advanced.
_BASIC = re.compile(r"Basic variables: (.+?)\. All others are advanced\.\Z", re.DOTALL)
_NAMED = re.compile(r"O\((\w+)\)")
#: How many variables of an entry point are basic at most.
MOST_BASIC = 10
_TIME = re.compile(r"\d+(ms|s|m|h|d)\Z")
#: The parser in C where PyYAML has it: a responder waits for this.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: What decides whether a value is right. The rest of an option's documentation is for people, and whether a variable is
#: required is the entry point's own business, when it is entered.
_DECIDING = ("type", "elements", "choices", "options", "no_log")


#: Were options, with one choice that holds without them. An inventory that has one is right all the same, with this value only.
WITHDRAWN: t.Mapping[str, t.Mapping[str, t.Any]] = {
    "fail2ban_service_runtime": {"type": "str", "choices": ["systemd"]},
    "postgres_service_runtime": {"type": "str", "choices": ["systemd"]},
}


@functools.cache
def _read(path: Path) -> t.Any:
    """What a file of a role's `meta` says; read once, since it is asked for by host, and nobody changes what is returned."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)


def load_accepted(roles: Path, role: str) -> dict[str, dict[str, t.Any]]:
    """The options of a role, and those that it had once and that may still be given."""
    had = {name: dict(option) for name, option in WITHDRAWN.items() if name.startswith(f"{role}_")}
    return {**had, **load_options(roles, role)}


def load_options(roles: Path, role: str) -> dict[str, dict[str, t.Any]]:
    """All options of all entry points of a role, by variable name.

    Args:
        roles: the collection's `roles` directory.
        role: short name of the role.
    """
    entry_points = _read(roles / role / "meta" / "argument_specs.yml")["argument_specs"].values()
    return {name: spec for entry_point in entry_points for name, spec in (entry_point.get("options") or {}).items()}


def load_basic(roles: Path, role: str) -> dict[str, list[str]]:
    """The basic variables of each entry point of a role, in the order in which its description names them.

    Args:
        roles: the collection's `roles` directory.
        role: short name of the role.
    """
    return {name: basic_of(spec) for name, spec in _read(roles / role / "meta" / "argument_specs.yml")["argument_specs"].items()}


def basic_of(entry_point: t.Mapping[str, t.Any]) -> list[str]:
    """The basic variables of one entry point, from its argument spec; without that line all are, where they are few."""
    options = entry_point.get("options") or {}
    said = entry_point.get("description") or []
    lines = [said] if isinstance(said, str) else said
    named = [name for line in lines for found in _BASIC.findall(line) for name in _NAMED.findall(found)]
    return named or (list(options) if len(options) <= MOST_BASIC else [])


def load_other_names(roles: Path, role: str) -> dict[str, str]:
    """A role's variables by the names that others use for the same, from its `meta/other_names.yml`; none without that file."""
    path = roles / role / "meta" / "other_names.yml"
    table = _read(path) if path.is_file() else {}
    return {theirs: ours for ours, names in table.items() for theirs in names}


def value_errors(values: t.Mapping[str, t.Any], options: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    """What is wrong with the values of documented variables: type, choice, sub-option, time; never the value of a secret."""
    errors: list[str] = []
    for name in sorted(set(values) & set(options)):
        spec = {key: options[name][key] for key in _DECIDING if key in options[name]}
        result = ArgumentSpecValidator({name: spec}).validate({name: values[name]})
        if result.error_messages:
            errors += [f"{name} has a wrong type or value."] if spec.get("no_log") else result.error_messages
        elif is_duration(options[name]):
            try:
                parse_duration(values[name], name=name)
            except BadInput as exc:
                errors.append(f"{exc.message} {exc.hint}")
    return errors


def address_errors(name: str, value: t.Any) -> list[str]:
    """What is wrong with a variable that holds IP addresses and networks: those that are neither.

    Args:
        name: of the variable.
        value: a list, or text with commas as a command line gives it; None where it is not set.
    """
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    return [f"{name}: {one!s} is neither an IP address nor a network" for one in given if read_network(str(one)) is None]


def is_duration(option: t.Mapping[str, t.Any]) -> bool:
    """Whether an option is a time: a text whose default is a number with a unit, such as `5m`."""
    return option.get("type", "str") == "str" and bool(_TIME.match(str(option.get("default", ""))))
