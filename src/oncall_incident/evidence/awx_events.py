# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an AWX event is in a record, and what AWX had taken out of it before we came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record.lift import lift, which_item

PHASES = ("investigate", "mitigate", "verify")
_STATUS = {"ok": "ok", "failed": "failed", "skipped": "skipped", "unreachable": "unreachable"}
#: AWX cuts names at this many characters.
_NAME_LIMIT = 1024
_ELLIPSIS = ("…", "…\x1b[0m")

Mapped = tuple[str, dict[str, Any]]


class Mapper:
    """Maps the events of one job in their order: items of loops are counted over events."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], int] = {}

    def map(self, event: Mapping[str, Any]) -> list[Mapped]:
        """The record's events of one of AWX; the first says where it came from and what was dropped."""
        kind = str(event.get("event") or "")
        data = event.get("event_data")
        data = data if isinstance(data, dict) else {}
        name = kind.removeprefix("runner_item_on_").removeprefix("runner_on_")
        if kind.startswith("runner_") and (name in _STATUS or name == "error"):
            return self._result(event, data, _STATUS.get(name, "failed"), item=kind.startswith("runner_item_on_"))
        common = {"at": str(event.get("created") or ""), "awx": _origin(event)}
        if kind == "runner_on_start":
            return [("intent", {"host": _host(event, data), **_task(event, data), "args": None, "check_mode": False, **common})]
        if kind == "playbook_on_task_start":
            return [("task.start", {**_task(event, data), "path": data.get("task_path", ""), **common})]
        if kind == "playbook_on_play_start":
            play = str(data.get("play") or event.get("play") or "")
            phases = [phase for phase in [_phase(play)] if phase]
            return [("play.start", {"play": play, "hosts": data.get("pattern"), "phases": phases, **common})]
        if kind == "playbook_on_no_hosts_matched":
            return [("no_hosts", {"play": data.get("play"), "hosts": data.get("play_pattern"), "phases": [], **common})]
        if kind == "runner_retry":
            return [("retry", {"host": _host(event, data), **_task(event, data), **common})]
        if kind == "playbook_on_stats":
            return [("stats", {"hosts": _stats(data), **common})]
        return [("awx.event", {
            "event": kind, "host": _host(event, data), "task": str(event.get("task") or ""),
            "stdout": str(event.get("stdout") or ""), **common,
        })]

    def _result(self, event: Mapping[str, Any], data: Mapping[str, Any], status: str, *, item: bool) -> list[Mapped]:
        host, task = _host(event, data), _task(event, data)
        key = (host, str(task["task_id"]))
        body = data.get("res")
        dropped = []
        if not isinstance(body, dict):
            dropped.append("the reason why it was skipped" if status == "skipped" else "the result")
            body = {}
        elif not body:
            dropped.append("the result, which was over AWX's limit")
        more: dict[str, Any] = {}
        if item:
            more["item_index"] = self._items[key] = self._items.get(key, -1) + 1
            variable = str(body.get("ansible_loop_var", "item"))
            if variable in body:
                more["item"] = body[variable]
                body = {name: value for name, value in body.items() if name not in (variable, "ansible_loop_var")}
        elif key in self._items:
            # Each of them is an event already.
            count = self._items.pop(key) + 1
            if isinstance(body.get("results"), list) and len(body["results"]) == count:
                body = {**body, "results": f"[{count} items]"}
        invocation = body.get("invocation")
        arguments = invocation.get("module_args") if isinstance(invocation, dict) else None
        lifted, rest = lift(body)
        if body.get("changed") is True and status == "ok":
            status = "changed"
        if data.get("duration") is not None:
            more["duration"] = data["duration"]
        common = {"host": host, "at": str(event.get("created") or "")}
        result = {
            **task, **common, "status": status, "check_mode": False, **more, "args": "censored" if "censored" in body else arguments,
            "result": rest, "awx": _origin(event, dropped),
        }
        if data.get("ignore_errors"):
            result["ignored"] = True
        source = {**{name: task[name] for name in ("phase", "task", "task_id")}, **which_item(more)}
        return [("result", result), *((kind, {**common, **source, "check_mode": False, **payload}) for kind, payload in lifted)]


def _origin(event: Mapping[str, Any], dropped: list[str] | None = None) -> dict[str, Any]:
    """Where it came from, and what AWX had dropped of it."""
    found = list(dropped or ())
    found += [f"the end of the {name}" for name in ("task", "play", "role") if len(str(event.get(name) or "")) >= _NAME_LIMIT]
    if str(event.get("stdout") or "").endswith(_ELLIPSIS):
        found.append("the end of the output")
    origin: dict[str, Any] = {"counter": event.get("counter"), "event": event.get("event"), "uuid": event.get("uuid")}
    return {**origin, "dropped": found} if found else origin


def _task(event: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    play = str(event.get("play") or data.get("play") or "")
    return {
        "play": play, "phase": _phase(play), "task": str(event.get("task") or data.get("task") or ""),
        "task_id": str(data.get("task_uuid") or ""), "action": str(data.get("resolved_action") or data.get("task_action") or ""),
    }


def _phase(play: str) -> str:
    """AWX keeps no tags: a play that is called like a phase is taken for it."""
    first = play.strip().lower().split(" ")[0].rstrip(":")
    return first if first in PHASES else ""


def _host(event: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    return str(event.get("host_name") or data.get("host") or "")


def _stats(data: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    columns = {
        "ok": "ok", "changed": "changed", "dark": "unreachable", "failures": "failures", "skipped": "skipped", "rescued": "rescued",
        "ignored": "ignored",
    }
    processed = data.get("processed")
    hosts = sorted(processed) if isinstance(processed, dict) else []
    return {host: {ours: int((data.get(theirs) or {}).get(host, 0)) for theirs, ours in columns.items()} for host in hosts}
