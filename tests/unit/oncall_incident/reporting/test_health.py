# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of everything: worst first, unknown is not ok, and what nobody had to answer is not held against anybody."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import summarise

from oncall_incident.commands import health as shown
from oncall_incident.errors import Stop
from oncall_incident.exits import Exit
from oncall_incident.private import replace_private
from oncall_incident.record import outcome
from oncall_incident.reporting import document, health
from tests.support.story import Story

NASTY = 'a"b\\c\nd</td><script>'


def source(task: str) -> dict[str, Any]:
    return {"task_id": task}


def told(tmp_path: Path, *steps: Any, **stats: int) -> Any:
    story = Story(tmp_path)
    with story.segment(check_mode=True):
        for step in steps:
            step(story)
        story.stats(**stats)
    return summarise(story.run_dir)


def fine(story: Story) -> None:
    story.place("db1")
    story.looked("investigate", "db1", "ok", source=source("1"))


def warned(story: Story) -> None:
    story.place("web1")
    story.finding("investigate", "web1", "warning", check="expiry", observed=9, threshold=14, unit="d", asked=True, source=source("2"))
    story.verdict("investigate", "web1", healthy=True, asked=["renewed"], status="warning", source=source("2"))


def sick(story: Story) -> None:
    story.place("db2")
    story.looked("investigate", "db2", "critical", source=source("3"))


def blind(story: Story) -> None:
    story.place("app1")
    for check in ("present", "running"):
        story.finding("investigate", "app1", "unknown", check=check, observed=None, threshold=None, unit="", asked=True,
                      detail={"reason": "no_permission: may not"}, hint="Add it to the group docker.", source=source("4"))
    story.verdict("investigate", "app1", healthy=None, asked=["present", "running"], status="unknown", source=source("4"))


def not_written(story: Story) -> None:
    story.finding("investigate", "db1", "unknown", check="probe_write", observed=None, threshold=None, unit="", asked=True,
                  detail={"reason": "check_mode: it writes nothing"}, source=source("5"))
    story.verdict("investigate", "db1", healthy=None, asked=["probe_write"], status="unknown", source=source("5"))


def gone(story: Story) -> None:
    story.result("far1", "Look", "unreachable", msg="no route", phase="investigate")


def broken(story: Story) -> None:
    story.intent("db1", "Check it", task_id="9")
    story.result("db1", "Check it", "failed", msg="the library is missing", phase="investigate", task_id="9")


def test_all_is_well(tmp_path: Path) -> None:
    found = told(tmp_path, fine, warned, db1=0, web1=0)
    end = outcome.after_looking(found)
    assert (end.name, end.status, end.sentence) == ("healthy", Exit.RECOVERED, "2 hosts measured healthy.")
    assert [line.status for line in health.lines(found)] == ["warning", "ok"]


@pytest.mark.parametrize(("steps", "stats", "status", "sentence"), [
    ((fine, sick), {"db1": 0, "db2": 0}, Exit.NOT_RECOVERED, "Not healthy: db2."),
    ((fine, blind), {"db1": 0, "app1": 0}, Exit.NOT_RECOVERED, "Not healthy: app1."),
    ((fine, gone), {"db1": 0, "far1": 0}, Exit.NOT_RECOVERED, "Not reached: far1."),
    ((fine, sick, gone), {"db1": 0, "db2": 0, "far1": 0}, Exit.NOT_RECOVERED, "Not healthy: db2. Not reached: far1."),
    ((fine, broken), {"db1": 1}, Exit.FAILED, "Not everything could be looked at."),
    ((), {}, Exit.FAILED, "Not everything could be looked at."),
    ((), {"db1": 0}, Exit.NOT_RECOVERED, "Nothing was measured."),
], ids=["sick", "blind", "gone", "sick and gone", "broken", "no end", "nothing"])
def test_what_is_not_known_to_be_well_is_not_well(
    tmp_path: Path, steps: tuple[Any, ...], stats: dict[str, int], status: Exit, sentence: str,
) -> None:
    end = outcome.after_looking(told(tmp_path, *steps, **stats))
    assert (end.status, end.sentence) == (status, sentence)


def test_a_host_of_which_nothing_was_asked_is_not_well(tmp_path: Path) -> None:
    end = outcome.after_looking(told(tmp_path, fine, lambda story: story.place("db9"), db1=0, db9=0))
    assert (end.status, end.sentence) == (Exit.NOT_RECOVERED, "Not healthy: db9.")


def test_the_worst_is_first_and_one_reason_is_one_line(tmp_path: Path) -> None:
    found = health.lines(told(tmp_path, fine, warned, blind, sick, gone, broken, **dict.fromkeys(("db1", "db2", "app1", "web1"), 0)))
    assert [line.status for line in found] == ["critical", *["unknown"] * 4, "warning", "ok"]
    (blind_line,) = [line for line in health.together(found) if line.host == "app1"]
    assert (blind_line.check, blind_line.hint) == ("present, running", "no_permission: may not. Add it to the group docker.")
    (failed,) = [line for line in found if line.check == "look"]
    assert (failed.host, failed.subject, failed.hint) == ("db1", "Check it", "the library is missing")
    assert [(row["host"], row["status"]) for row in health.of_hosts(found)] == [
        ("db2", "critical"), ("app1", "unknown"), ("db1", "unknown"), ("far1", "unknown"), ("web1", "warning")]


def test_what_only_a_write_tells_is_named_and_held_against_nobody(tmp_path: Path) -> None:
    found = told(tmp_path, fine, not_written, db1=0)
    end = outcome.after_looking(found)
    assert end.status == Exit.RECOVERED and end.reasons[0] == "db1: not looked at: probe_write (only a write tells)"
    assert [line.check for line in health.lines(found)] == ["connections"]
    (left_out,) = health.not_looked_at(found)
    assert (left_out.check, left_out.hint) == ("probe_write", "Only a write tells, and this only looks.")


def test_prometheus_reads_it(tmp_path: Path) -> None:
    def nasty(story: Story) -> None:
        story.finding("investigate", "db1", "warning", check="slots", subject=NASTY, asked=True, source=source("6"))

    text = health.as_prometheus(told(tmp_path, fine, sick, nasty, db1=0, db2=0), now=1_767_323_045.4)
    assert 'oncall_incident_check_status{host="db1",check="connections"} 0\n' in text
    assert 'oncall_incident_check_status{host="db2",check="connections"} 2\n' in text
    assert 'oncall_incident_check_status{host="db1",check="slots",subject="a\\"b\\\\c\\nd</td><script>"} 1\n' in text
    assert 'oncall_incident_host_status{host="db1"} 1\n' in text
    assert text.endswith("oncall_incident_health_timestamp_seconds 1767323045\n")


def test_the_page_says_all_of_it_and_stays_text(tmp_path: Path) -> None:
    def nasty(story: Story) -> None:
        story.finding("investigate", "db1", "warning", check="slots", subject=NASTY, hint=NASTY, asked=True, source=source("6"))

    found = told(tmp_path, fine, blind, nasty, not_written, gone, **dict.fromkeys(("db1", "app1", "far1"), 0))
    page = document.text(health.as_page(found, outcome.after_looking(found)), document.HTML)
    for wanted in ("Not healthy: app1. Not reached: far1.", "present, running", "Add it to the group docker.", "no route", "probe_write"):
        assert wanted in page, wanted
    assert "<script" not in page and page.index("app1") < page.index("slots")
    data = health.as_data(found, outcome.after_looking(found))
    assert data["contract"] == "oncall.incident/health/1" and data["checks"][0]["status"] == "unknown"


def test_two_targets_of_one_host_are_told_apart(tmp_path: Path) -> None:
    def two(story: Story) -> None:
        for port, status in ((6379, "ok"), (6380, "critical")):
            finding = {"check": "memory", "status": status, "observed": 1, "asked": True}
            story.tell("finding", host="cache1", phase="investigate", target=f"login_port={port}", finding=finding, **source(str(port)))

    found = told(tmp_path, two, cache1=0)
    assert [(line.target, line.status) for line in health.lines(found)] == [("login_port=6380", "critical"), ("login_port=6379", "ok")]
    assert health.as_prometheus(found, now=1.0).count('check="memory",target="login_port=63') == 2


@pytest.mark.parametrize("given", ["nowhere/health.html", "."])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_looked_at(given: str) -> None:
    with pytest.raises(Stop, match=r"--html .*: no file can be written there\."):
        shown.check_places({"--html": given, "--prometheus": None})


def test_a_file_for_others_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "health.prom"
    path.write_text("old")
    replace_private(path, "new", mode=0o644)
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["health.prom"]
