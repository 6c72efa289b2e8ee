# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run and an incident whose every text was written by somebody who wants to break a page."""

from __future__ import annotations

from pathlib import Path

from oncall_incident.evidence import policy
from oncall_incident.evidence.incident import Incident
from oncall_incident.evidence.store import Store
from tests.support.incidents import BEGIN, tell
from tests.support.story import Story

#: Marked, so that a test can look for where it came through as markup.
SCRIPT = "<script>window.hacked=1</script><img src=x onerror='window.hacked=2'>"
CLOSING = "</title></svg></style></textarea>--><svg onload=window.hacked=3><a href='javascript:window.hacked=4'>x</a>"
QUOTES = "\" onmouseover=\"window.hacked=5\" x='"
MARKDOWN = "| new cell |\n# Heading\n[link](http://example.org) ![i](http://example.org/i.png) ```x <b>b</b> http://example.org"
CONTROL = "a\x1b[31mb\x00c\u202ed"
TEMPLATE = "{{ 7 * 7 }}{% include '/etc/passwd' %}"
ALL = f"{SCRIPT} {CLOSING} {QUOTES} {MARKDOWN} {CONTROL} {TEMPLATE}"
#: Different, so that hosts stay apart.
HOST = f"db1{SCRIPT}{QUOTES}"
OTHER = f"db2{CLOSING}{MARKDOWN}"


def run(home: Path) -> Path:
    """The directory of a run in which hosts, queries, log lines, hints and people's names are hostile."""
    told = Story(home)
    with told.segment("wrapper", user=ALL, controller=ALL, versions={ALL: ALL}):
        told.tell("run.open", scenario=ALL, by=ALL, inventories=[ALL], limit=ALL, collection={"source": {"git": ALL}}, project={"git": ALL})
    with told.segment(check_mode=True, versions={"ansible_core": ALL}):
        told.intent(HOST, ALL, phase="investigate", task_id="t0")
        told.finding("investigate", HOST, "critical", check=ALL, subject=ALL, hint=ALL, unit=ALL)
        told.finding("investigate", HOST, "warning", check="words", observed=ALL, threshold=ALL, unit="")
        told.result(HOST, ALL, "ok", phase="investigate", task_id="t0")
        told.tell("skipped_check", host=HOST, phase="investigate", skipped={"check": ALL, "reason": ALL, "hint": ALL})
        told.action(HOST, "planned", query=ALL)
        told.tell("protected", host=HOST, phase="mitigate", protected={
            "target": {"pid": 9, "application_name": ALL, "query": ALL}, "reasons": [ALL], "would_match": True})
        told.plan(HOST, query=ALL)
        told.stats(**{HOST: 0})
    with told.segment("wrapper"):
        told.tell("plan.approved", by=ALL, how=ALL, hash=ALL, count=1)
    with told.segment(check_mode=False):
        told.intent(HOST, ALL)
        told.action(HOST, "gone", query=ALL, error=ALL)
        told.result(HOST, ALL, "failed", msg=ALL)
        told.intent(HOST, ALL, task_id="t2")
        told.finding("verify", HOST, "ok", check=ALL, subject=ALL, unit=ALL, observed=12)
        told.tell("series", host=HOST, phase="verify", target=ALL, series={"name": ALL, "subject": ALL, "unit": ALL, "points": [[1e9, 2]]})
        told.result(OTHER, ALL, "unreachable", msg=ALL, phase="verify", task_id="t3")
        told.stats(**{HOST: 0})
    with told.segment("wrapper"):
        told.tell("outcome", outcome="not_recovered", exit_status=3, sentence=ALL, reasons=[ALL])
    return told.run_dir


def incident(home: Path) -> tuple[Store, Incident]:
    """An incident of which the same is true, with a run of the kind above."""
    store = Store(home)
    made = tell(store, began=BEGIN, title=ALL, severity="P0", rules=policy.load("chitlaq"), scenario="db-recovery")
    run_dir = run(home)
    with made.locked():
        made.append_all([
            ("note", {"text": ALL, "by": ALL}), ("update.sent", {"text": ALL, "to": ALL, "by": ALL}),
            ("escalated", {"to": ALL, "how": ALL, "by": ALL}), ("attachment", {"name": ALL, "by": ALL}),
            ("milestone", {"name": ALL, "at": "2025-01-06T09:00:00Z", "source": "manual", "by": ALL}),
            ("run.started", {"record": run_dir.name, "scenario": ALL, "by": ALL, "at": "2025-01-06T09:00:00Z"}),
            ("run.ended", {"record": run_dir.name, "outcome": ALL, "exit_status": 3, "at": "2025-01-06T09:05:00Z"}),
            ("closed", {"resolution": ALL, "by": ALL, "at": "2025-01-06T12:00:00Z"}),
        ])
    return store, made
