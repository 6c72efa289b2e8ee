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

from ...module_utils._core import hosts, ranges, thresholds
from ...module_utils._core.addresses import not_a_network, read_network
from ...module_utils._core.errors import BadInput
from ...module_utils._core.suggest import suggest
from .deferred import load

#: The line of an entry point's description that names the variables which most operators set; all others are advanced.
_BASIC = re.compile(r"Basic variables: (.+?)\. All others are advanced\.\Z", re.DOTALL)
_NAMED = re.compile(r"O\((\w+)\)")
#: How many variables of an entry point are basic at most.
MOST_BASIC = 10
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
#: The argument that a variable becomes, where it is not what stands after the role's name, or what the variable itself may be.
VARIABLES: t.Mapping[str, str | ranges.Range] = {
    "certificate_renew_timeout": "timeout",
    "certificate_verify_hold": "wait_for.hold",
    "certificate_verify_timeout": "wait_for.timeout",
    "drill_lifetime": ranges.LIFETIME,
    "evidence_rest_budget": "budget",
    "evidence_rest_command_timeout": "command_timeout",
    "fail2ban_attack_bantime": "bantime",
    "fail2ban_attack_max_networks": ranges.COUNT,
    "fail2ban_attack_min_failures": "warning_count",
    "fail2ban_attack_min_total": "spread_warning_count",
    "fail2ban_attack_ports": "ports",
    "fail2ban_attack_since": ranges.AGE,
    "fail2ban_connect_timeout": "timeout",
    "fail2ban_hold": ranges.LIFETIME_OR_EMPTY,
    "fail2ban_max_addresses": "max_victims",
    "fail2ban_verify_hold": "wait_for.hold",
    "fail2ban_verify_timeout": "wait_for.timeout",
    "host_act_timeout": "timeout",
    "host_clean_max_bytes": "max_bytes",
    "host_clean_max_files": "max_files",
    "host_clean_max_files_for_inodes": "max_files_for_inodes",
    "host_disk_critical_percent": "critical_percent",
    "host_disk_full_within": "full_within",
    "host_disk_sample": "sample",
    "host_disk_warning_percent": "warning_percent",
    "host_image_min_age": ranges.AGE,
    "host_verify_hold": "wait_for.hold",
    "host_verify_timeout": "wait_for.timeout",
    "incident_rung_wait": ranges.WAIT,
    "incident_smoke_wait": "wait_for.timeout",
    "postgres_disk_critical_percent": "critical_percent",
    "postgres_disk_warning_percent": "warning_percent",
    "postgres_log_max_kib": "max_kib",
    "postgres_maintain_max": "max_objects",
    "postgres_maintain_max_bytes": "max_bytes",
    "postgres_maintain_time_limit": "time_limit",
    "postgres_maintain_timeout": "timeout",
    "postgres_maintain_worst": "worst",
    "postgres_min_idle_age": ranges.AGE_OR_EMPTY,
    "postgres_restart_timeout": "service_timeout",
    "postgres_snapshot_budget": "budget",
    "postgres_terminate_timeout": "verify_timeout",
    "postgres_tunnel_lifetime": "lifetime",
    "postgres_tunnel_timeout": "timeout",
    "postgres_verify_hold": "wait_for.hold",
    "postgres_verify_timeout": "wait_for.timeout",
    "reach_tunnel_lifetime": "lifetime",
    "reach_tunnel_timeout": "timeout",
    "redis_app_url_status": "status_code",
    "redis_app_url_timeout": ranges.Range(0, 86400, above=True),
    "redis_clear_database": "database",
    "redis_clear_expected_keys": "expected_keys",
    "redis_clear_max_keys": "max_keys",
    "redis_clear_max_keys_per_second": "max_keys_per_second",
    "redis_clear_time_limit": "time_limit",
    "redis_disk_critical_percent": "critical_percent",
    "redis_disk_warning_percent": "warning_percent",
    "redis_free_disk_timeout": "timeout",
    "redis_kill_max_percent": "max_percent",
    "redis_kill_max_victims": "max_victims",
    "redis_kill_min_idle": ranges.ARGUMENTS["min_idle"],
    "redis_kill_min_output_bytes": "min_output_bytes",
    "redis_log_max_kib": "max_kib",
    "redis_probe_timeout": "retry",
    "redis_raise_maxclients": ranges.COUNT,  # 0 leaves it as it is
    "redis_repoint_primary_port": "primary_port",
    "redis_repoint_timeout": "timeout",
    "redis_restart_timeout": "service_timeout",
    "redis_save_timeout": "timeout",
    "redis_stale_rdb_age": ranges.AGE,
    "redis_stale_rdb_max": "limit",
    "redis_tunnel_lifetime": "lifetime",
    "redis_tunnel_timeout": "timeout",
    "redis_verify_hold": "wait_for.hold",
    "redis_verify_timeout": "wait_for.timeout",
    "release_command_timeout": "timeout",
    "release_timeout": "timeout",
    "release_verify_hold": "wait_for.hold",
    "release_verify_timeout": "wait_for.timeout",
    "service_count": ranges.COUNT,
    "service_look_timeout": "timeout",
    "service_pool_expires": ranges.LIFETIME_OR_EMPTY,
    "service_pool_instances": ranges.POSITIVE,
    "service_pool_limit": ranges.POSITIVE,
    "service_pool_size": ranges.COUNT,
    "service_pool_timeout": "timeout",
    "service_restarts_per_hour": ranges.COUNT,
    "service_verify_hold": "wait_for.hold",
    "service_verify_timeout": "wait_for.timeout",
    "service_window": "window",
}
#: Variables that are lists whose members are arguments, by the name that the table has for those.
MEMBERS: t.Mapping[str, str] = {
    "evidence_redis": "redis.", "host_clean": "rules.", "postgres_alternate_logins": "alternate_logins.", "postgres_rules": "rules.",
}
#: Variables that hold options of a module by their names: where its thresholds are, and its argument spec.
OPTIONS_OF: t.Mapping[str, tuple[str, str]] = {
    "postgres_thresholds": ("module_utils._postgresql.decisions.thresholds:THRESHOLDS", "module_utils._postgresql.health_args:health_spec"),
    "redis_thresholds": ("module_utils._redis.decisions.thresholds:THRESHOLDS", "module_utils._redis.health_args:health_spec"),
}
#: Variables that are hosts, and whether libpq reads them, to which a directory is one too.
HOSTS: t.Mapping[str, bool] = {
    "fail2ban_vantage_target": False, "postgres_login_host": True, "postgres_probe_login_host": True, "redis_login_host": False,
    "redis_repoint_primary_host": False,
}
#: The first must not be more than the second.
IN_ORDER = (
    *((f"{role}_verify_hold", f"{role}_verify_timeout") for role in ("certificate", "fail2ban", "host", "postgres", "redis", "release")),
    *((f"{role}_disk_warning_percent", f"{role}_disk_critical_percent") for role in ("host", "postgres", "redis")),
)


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
        else:
            errors += _out_of_range(name, values[name])
    return errors


def order_errors(values: t.Mapping[str, t.Any], options: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    """Which variable is more than the one that must not be less; one that is not given has its default."""
    errors: list[str] = []
    for low, high in IN_ORDER:
        if high not in options or not {low, high} & set(values):
            continue
        stated = {name: values.get(name, options[name].get("default")) for name in (low, high)}
        try:
            less, more = (range_of(name).read(value, name=name) for name, value in stated.items())  # type: ignore[union-attr]
        except BadInput:
            continue  # value_errors() says what is wrong with it
        if less > more:
            errors.append(f"{low}: {stated[low]} is more than {high} ({stated[high]}). Give {high} or less.")
    return errors


def address_errors(name: str, value: t.Any) -> list[str]:
    """What is wrong with a variable that holds IP addresses and networks: those that are neither.

    Args:
        name: of the variable.
        value: a list, or text with commas as a command line gives it; None where it is not set.
    """
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    wrong = [not_a_network(str(one), name=name) for one in given if read_network(str(one)) is None]
    return [f"{name}: {what}. {hint}" for what, hint in wrong]


def range_of(name: str) -> ranges.Range | None:
    """What a role variable may be, by the argument that it becomes; None where the table knows none."""
    stated = VARIABLES.get(name, name.partition("_")[2])
    return stated if isinstance(stated, ranges.Range) else ranges.ARGUMENTS.get(stated)


def _wrong_options(name: str, given: t.Mapping[str, t.Any]) -> list[str]:
    """What is wrong with options of a module that stand in a variable: thresholds by their kind, and the others by their argument spec.

    Raises:
        BadInput: a number or a duration is out of its range.
    """
    of_thresholds, of_spec = OPTIONS_OF[name]
    known = load(of_thresholds)
    spec = thresholds.threshold_spec(known)
    values = {key: option["default"] for key, option in spec.items()}
    stated = {str(key): value for key, value in given.items() if "{{" not in str(value)}
    others = {key: value for key, value in stated.items() if key not in spec}
    errors: list[str] = []
    options = load(of_spec)() if others else {}  # only then, since that is not quick to import
    for key, value in others.items():
        if key not in options:
            errors.append(f"{name}: there is no option {key}. {suggest(key, options)}".strip())
            continue
        errors += [f"{name}: {error}" for error in ArgumentSpecValidator({key: options[key]}).validate({key: value}).error_messages]
    try:
        thresholds.limits_from({**values, **{key: value for key, value in stated.items() if key in spec}}, known)
        if not errors:
            ranges.require(others)
    except BadInput as exc:
        errors.append(f"{name}: {exc.message} {exc.hint}")
    return errors


def _out_of_range(name: str, value: t.Any) -> list[str]:
    try:
        for member in value if name in MEMBERS and isinstance(value, (list, tuple)) else ():
            if isinstance(member, t.Mapping):
                ranges.require(member, of=MEMBERS[name], shown=f"{name}: ")
        if name in OPTIONS_OF and isinstance(value, t.Mapping):
            return _wrong_options(name, value)
        if name in HOSTS and value is not None:
            hosts.read_host(value, name=name, several=HOSTS[name])
        elif (allowed := range_of(name)) is not None:
            allowed.require(value, name=name)
    except BadInput as exc:
        return [f"{exc.message} {exc.hint}"]
    return []
