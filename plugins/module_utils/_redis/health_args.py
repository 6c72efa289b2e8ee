# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of redis_health, and the request they describe.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.durations import parse_duration
from .._core.errors import BadInput
from .._core.judging import question_spec
from .._core.thresholds import SIZE, limits_from, threshold, threshold_spec
from .args import connection_spec
from .decisions.facts import Request
from .decisions.thresholds import THRESHOLDS
from .health import CHECKS, TOPOLOGY_CHECKS

#: More threads than this gain nothing and cost the host.
_MAX_WORKERS = 200
_MAX_REPLICAS = 1000


def health_spec() -> dict[str, t.Any]:
    """The argument spec of redis_health, the connection included."""
    return {
        **connection_spec(),
        **threshold_spec(THRESHOLDS),
        **question_spec(),
        "checks": {"type": "list", "elements": "str", "choices": list(CHECKS)},
        "topology": {"type": "str", "choices": ["auto", "single"], "default": "auto"},
        "node_login_user": {"type": "str", "default": ""},
        "node_login_password": {"type": "str", "default": "", "no_log": True},
        "workers": {"type": "int", "default": 50},
        "sample_seconds": {"type": "str", "default": "1s"},
        "expected_replicas": {"type": "int", "default": 0},
        "min_replicas_to_write": {"type": "int"},
        "fragmentation_bytes": {"type": "str", "default": "100M"},
        "slow_log_entries": {"type": "int", "default": 5},
        # A number; by its name alone it would be taken for a secret.
        "sample_keys": {"type": "int", "default": 100, "no_log": False},
        "sample_budget": {"type": "str", "default": "500ms"},
        "pings": {"type": "int", "default": 20},
        "server_log": {"type": "path"},
    }


def asked_by_default(params: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """The checks that must be answered where the call does not say which: all that are looked at."""
    # An empty list is everything, as no list is: looking at nothing would be called unknown, which helps nobody.
    wanted = params["checks"] or CHECKS
    return tuple(name for name in wanted if params["topology"] == "auto" or name not in TOPOLOGY_CHECKS)


def request_from(params: t.Mapping[str, t.Any], *, asked: t.Sequence[str]) -> Request:
    """The look the arguments describe.

    Args:
        asked: the checks that must be answered; they are looked at, whatever `checks` says.

    Raises:
        BadInput: an argument is not usable.
    """
    for name, most in (("workers", _MAX_WORKERS), ("expected_replicas", _MAX_REPLICAS), ("min_replicas_to_write", _MAX_REPLICAS)):
        if params[name] is not None and params[name] > most:
            raise BadInput(f"{name}: {params[name]} is out of range.", hint=f"Allowed: at most {most}.", argument=name)
    chosen = [*(params["checks"] or CHECKS), *asked]
    bytes_ = threshold(params["fragmentation_bytes"], kind=SIZE, name="fragmentation_bytes")
    sample_seconds = parse_duration(params["sample_seconds"], name="sample_seconds")
    if sample_seconds >= parse_duration(params["max_seconds"], name="max_seconds"):
        raise BadInput("sample_seconds is not less than max_seconds.", hint="Give max_seconds more.", argument="sample_seconds")
    return Request(
        checks=tuple(dict.fromkeys(chosen)), limits=limits_from(params, THRESHOLDS), sample_seconds=sample_seconds,
        expected_replicas=params["expected_replicas"], min_replicas_to_write=params["min_replicas_to_write"],
        fragmentation_bytes=int(bytes_ or 0), slow_entries=params["slow_log_entries"], sample_keys=params["sample_keys"],
        sample_budget=parse_duration(params["sample_budget"], name="sample_budget"), pings=params["pings"],
    )
