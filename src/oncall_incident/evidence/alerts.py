# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Alertmanager alert: which of its words become an incident's. Webhook payloads, the API's lists and single alerts are read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core import hosts

from ..errors import Stop
from . import times
from .policy import Policy

_MOST_BYTES = 4 << 20
_SERVICE_LABELS = ("service", "app", "application", "job")


@dataclasses.dataclass(frozen=True)
class Alert:
    """What an alert says. `severity` is a level of the policy, or "" when its label names none."""

    title: str
    severity: str
    services: tuple[str, ...]
    began: datetime
    data: Mapping[str, Any]


def read(text: str, *, policy: Policy, source: str) -> Alert:
    """The earliest alert that still fires.

    Raises:
        Stop: it is not an Alertmanager alert.
    """
    if len(text) > _MOST_BYTES:
        raise Stop(f"--alert {source} is too large for an alert.", hint="Give one alert's JSON.")
    try:
        alerts = _alerts(json.loads(text.removeprefix(hosts.BOM)))
    except (ValueError, RecursionError) as exc:
        hint = "Give Alertmanager's webhook payload, or what GET /api/v2/alerts answers."
        raise Stop(f"--alert {source} is not JSON.", hint=hint) from exc
    found = []
    for item in alerts:
        try:
            found.append((times.parse(str(item["startsAt"])), item))
        except (KeyError, ValueError):
            continue
    if not found:
        hint = "Give Alertmanager's JSON: labels, annotations, startsAt."
        raise Stop(f"--alert {source} has no alert with labels and startsAt.", hint=hint)
    firing = [entry for entry in found if _fires(entry[1])] or found
    began, chosen = min(firing, key=lambda entry: entry[0])
    labels, notes = _texts(chosen.get("labels")), _texts(chosen.get("annotations"))
    severity = labels.get("severity", "")
    level = policy.level(policy.alerts.get(severity, severity)) if severity else None
    named = (_texts(item.get("labels")).get(key, "") for _at, item in firing for key in _SERVICE_LABELS)
    services = tuple(dict.fromkeys(service for service in named if service))
    return Alert(
        title=notes.get("summary") or labels.get("alertname") or "alert", severity=level.name if level else "",
        services=services, began=began,
        data={
            "labels": labels, "annotations": notes, "startsAt": str(chosen["startsAt"]),
            "fingerprint": str(chosen.get("fingerprint") or ""), "generatorURL": str(chosen.get("generatorURL") or ""),
            "alerts": len(found),
        },
    )


def _alerts(value: Any) -> Sequence[Mapping[str, Any]]:
    members = value.get("alerts", [value]) if isinstance(value, dict) else value
    if not isinstance(members, list):
        return []
    return [item for item in members if isinstance(item, dict) and isinstance(item.get("labels"), dict)]


def _fires(item: Mapping[str, Any]) -> bool:
    status = item.get("status")
    state = status.get("state") if isinstance(status, dict) else status
    return state not in ("resolved", "suppressed")


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else {}
