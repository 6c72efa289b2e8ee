# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store with incidents in it, as people would have left it: quickly, and the same every time."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core import actions, findings
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, writer
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

from oncall_incident.evidence import model, policy, times
from oncall_incident.evidence.incident import Incident
from oncall_incident.evidence.store import Store

BEGIN = datetime.datetime(2025, 1, 6, 8, 0, tzinfo=datetime.UTC)
SCENARIOS = ("db-recovery", "redis-recovery", "certificate-renewal", "firewall-unblock")
TITLES = ("Logins hang", "Checkout answers 502", "Search is <slow> & empty", "Certificate of api.example.org expires")


@contextmanager
def unsynced() -> Iterator[None]:
    """Do not wait for the disk: these incidents may be lost with the machine."""
    before, writer._sync = writer._sync, lambda _fd: None
    try:
        yield
    finally:
        writer._sync = before


def make_store(home: Path, count: int = 12, *, policy_name: str = "chitlaq", runs: bool = True, seed: int = 1) -> Store:
    """A home with `count` incidents over a year: every severity and scenario, most closed, the last ones still open.

    Args:
        runs: write the record of each run as well; without, an incident has the events of its runs only, which is much quicker.
    """
    store, rules, chance = Store(home), policy.load(policy_name), random.Random(seed)
    with unsynced():
        for number in range(count):
            level = rules.levels[number % len(rules.levels)]
            began = BEGIN + datetime.timedelta(hours=number * 365 * 24 / max(count, 12), minutes=chance.randrange(60))
            tell(
                store, began=began, title=TITLES[number % len(TITLES)], severity=level.name, rules=rules, scenario=SCENARIOS[number % 4],
                chance=chance, closed=number < count - max(1, count // 10), write_run=runs,
            )
    return store


def tell(
    store: Store, *, began: datetime.datetime, title: str, severity: str, rules: policy.Policy, scenario: str = "db-recovery",
    chance: random.Random | None = None, closed: bool = True, write_run: bool = True,
) -> Incident:
    """One incident from its alert to its end."""
    chance = chance or random.Random(1)
    minutes = iter(sorted(chance.randrange(1, 240) for _ in range(8)))
    at = began + datetime.timedelta(minutes=1)
    incident = store.open(
        title=title, severity=severity, policy=rules, services=["api", "db"], at=at, began=began,
        alert={"labels": {"alertname": "DatabaseDown", "severity": "critical"}, "startsAt": times.text(began)},
    )

    def after() -> str:
        return times.text(began + datetime.timedelta(minutes=next(minutes)))

    run_at = began + datetime.timedelta(minutes=10)
    run = f"{run_at.strftime('%Y%m%dT%H%M%SZ')}-{scenario}-{chance.randrange(16**6):06x}"
    events: list[tuple[str, Mapping[str, Any]]] = [
        (model.MILESTONE, {"name": "acknowledged", "at": after(), "source": "manual", "by": "ann"}),
        (model.NOTE, {"text": f"{title}: looking at the database", "at": after(), "by": "ann"}),
        (model.UPDATE, {"text": "We are investigating.", "at": after(), "to": "status page", "by": "ann"}),
        (model.ESCALATED, {"to": "Technical Lead", "how": "phone", "at": after(), "by": "ann"}),
        (model.RUN_STARTED, {"record": run, "scenario": scenario, "at": times.text(run_at), "by": "ann"}),
        (model.RUN_ENDED, {
            "record": run, "outcome": "recovered", "exit_status": 0, "at": times.text(run_at + datetime.timedelta(minutes=3)), "by": "ann",
        }),
        (model.MILESTONE, {"name": "mitigated", "at": after(), "source": "auto", "by": "ann"}),
        (model.MILESTONE, {"name": "verified", "at": after(), "source": "auto", "by": "ann"}),
    ]
    if closed:
        end = after()
        events += [
            (model.MILESTONE, {"name": "resolved", "at": end, "source": "manual", "by": "ann"}),
            (model.CLOSED, {"resolution": "a session was left open in a transaction", "at": end, "by": "ann"}),
        ]
    incident.append_all(events)
    if write_run:
        write_record(store.home, run=run, scenario=scenario)
    return incident


def write_record(home: Path, *, run: str, scenario: str = "db-recovery", host: str = "db1", events: int = 0) -> Path:
    """The record of a run that recovered one host; `events` further results make it long. Its directory."""
    run_dir = layout.runs_dir(home) / run
    redactor = Redactor(key=b"k" * 32)
    target = {"pid": 42, "user": "app", "database": "shop", "query": "UPDATE orders SET note = '<b>'", "transaction_age": 310.0}

    def finding(status: str, observed: int) -> dict[str, Any]:
        return findings.Finding("connections", status, observed=observed, threshold=90, unit="percent").as_dict()

    def action(outcome: str) -> dict[str, Any]:
        return actions.Action(
            "terminate", "pg", {"pid": 42}, target, "idle in transaction for 5m10s", "pid 42 app@shop", outcome,
        ).as_dict()

    opening = {"kind": "wrapper", "user": "ann", "controller": "ctl1", "versions": {"collection": "0.1.0"}, "cwd": "/srv/incident"}
    with Segment.open(run_dir, run=run, redactor=redactor, opening=opening) as segment:
        opened = {"scenario": scenario, "playbook": f"oncall.incident.{scenario}", "by": "ann", "check": False}
        segment.append("run.open", opened, sync=False)
        segment.append("finding", {"host": host, "phase": "investigate", "finding": finding("critical", 97)}, sync=False)
        for number in range(events):
            segment.append("result", {
                "host": host, "play": "p", "phase": "investigate", "task": f"task {number % 20}", "task_id": str(number), "action": "a",
                "status": "ok", "result": {"number": number, "stdout": "x" * 100},
            }, sync=False)
        segment.append("action", {"host": host, "phase": "mitigate", "check_mode": False, "action": action("gone")}, sync=False)
        segment.append("finding", {"host": host, "phase": "verify", "finding": finding("ok", 12)}, sync=False)
        segment.append("outcome", {
            "contract": "oncall.incident/outcome/1", "outcome": "recovered", "exit_status": 0, "sentence": f"{host} is measured healthy.",
            "reasons": [], "not_measured": [], "actions": [], "planned": 1, "spared": 0, "remaining": [],
        }, sync=False)
    return run_dir
