# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report comes from the record alone, says everything, and cannot be broken by what others wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncall_incident.reporting import document
from oncall_incident.reporting import run as report
from oncall_incident.terminal import markdown
from tests.support.story import RUN, Story

NASTY = "SELECT '|' || `x` -- ``tick``\n| new row |\x1b[31m[link](http://example.org)"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    told = Story(tmp_path)
    with told.segment("wrapper", user="ann", controller="desk", versions={"wrapper": "0.1.0"}):
        told.tell("run.open", scenario="db-recovery", by="ann", inventories=["prod"], limit="db1", collection={"source": {}}, project={})
    with told.segment(check_mode=True, versions={"ansible_core": "2.21.5"}):
        told.tell("place", host="db1", phase="investigate", place="PostgreSQL at ada@db1.example.org:5432/shop (from localhost)")
        told.finding(
            "investigate", "db1", "warning", check="replication", subject="slot_1", observed=5 << 30, threshold=1 << 30, unit="bytes",
        )
        told.finding("investigate", "db1", "critical", hint="Nearly | all slots.")
        told.finding("investigate", "db1", "ok", check="locks")
        told.action("db1", "planned", query=NASTY)
        told.tell("protected", host="db1", phase="mitigate", protected={
            "target": {"pid": 9, "application_name": "pg_dump"}, "reasons": ["backup_tool"], "would_match": True})
        told.plan("db1", query=NASTY)
        told.stats(db1=0)
    with told.segment("wrapper"):
        told.tell("plan.approved", by="ann", how="typed", hash="abc", count=1)
    with told.segment(check_mode=False):
        told.intent("db1", "Act")
        told.action("db1", "gone", query=NASTY)
        told.intent("db1", "Restart it", task_id="t2")
        told.finding("verify", "db1", "ok", observed=12)
        told.result("db2", "Look", "unreachable", msg="no route", phase="verify")
        told.stats(db1=0)
    with told.segment("wrapper"):
        told.tell("outcome", outcome="not_recovered", exit_status=3, sentence="Not measured: db2.", reasons=["db2: unreachable"])
    return told


def test_it_says_everything(story: Story) -> None:
    text = report.render(story.run_dir)
    for wanted in (
        "**NOT RECOVERED.** Not measured: db2.", RUN, "ann on desk", "limit `db1`", "| critical | db1 | connections | 97 % | 90 % |",
        "5.0 GiB", "`slot_1`", "| db1 | terminate | pid 1 app@shop", "| gone |", "pg\\_dump", "| backup tool | yes |",
        "| db1 | connections | critical: 97 % | ok: 12 % |", "not measured: db2", "unreachable: db2: no route",
        "outcome unknown: db1: Restart it",
        "plan approved by ann (typed): 1 action", f"incident verify {RUN}", "ansible core 2.21.5", "approved by ann (typed), plan `abc`",
        "**whole**: ", "Post-mortem: a draft", "**TO JUDGE** ", "1 further check was ok",
        "- db1: looked at `PostgreSQL at ada@db1.example.org:5432/shop (from localhost)` (",
    ):
        assert wanted in text, wanted


def test_findings_come_by_severity(story: Story) -> None:
    text = report.render(story.run_dir)
    assert text.index("| critical | db1") < text.index("| warning | db1")


def test_one_finding_on_many_hosts_is_one_line(tmp_path: Path) -> None:
    told = Story(tmp_path)
    hosts = [f"redis{number}" for number in range(1, 21)]
    with told.segment(check_mode=False):
        for host in hosts:
            told.finding("investigate", host, "warning", check="overcommit_memory", observed=0, hint="Set it to 1.")
            told.finding("investigate", host, "warning", check="memory", observed=len(host), hint="Less.")
            told.tell("skipped_check", host=host, phase="investigate", skipped={"check": "backup", "reason": "there is none"})
        told.stats(**dict.fromkeys(hosts, 0))
    text = report.render(told.run_dir)
    found = [line for line in text.split("## Before and after")[0].splitlines() if "|" in line or line.startswith("- not checked")]
    names = ", ".join(hosts)
    (line,) = [line for line in found if "overcommit" in line]
    assert line.startswith(f"| warning | {names} | overcommit\\_memory | ")
    memory = [line.split(" | ")[1] for line in found if "| memory |" in line]
    assert memory == [", ".join(hosts[:9]), ", ".join(hosts[9:])], "what differs is told apart"
    assert [line for line in found if "not checked" in line] == [f"- not checked on {names}: backup, because there is none"]


def test_the_same_record_gives_the_same_bytes(story: Story) -> None:
    assert report.render(story.run_dir) == report.render(story.run_dir)
    path = report.write_report(story.run_dir)
    assert path.read_text() == report.render(story.run_dir)
    assert path.stat().st_mode & 0o777 == 0o600


def test_tables_hold_whatever_a_query_contains(story: Story) -> None:
    text = report.render(story.run_dir)
    assert "\x1b" not in text
    row = next(line for line in text.splitlines() if "| terminate |" in line)
    bars = [position for position, char in enumerate(row) if char == "|" and row[position - 1] != "\\"]
    assert len(bars) == 6


@pytest.mark.parametrize(("given", "shown"), [
    ("a|b", "a\\|b"), ("`x`", "\\`x\\`"), ("two\nlines", "two lines"), ("<b>", "\\<b\\>"), ("[a](b)", "\\[a\\](b)"),
    (None, "none"), (3, "3"),
])
def test_prose(given: object, shown: str) -> None:
    assert markdown.text(given) == shown


@pytest.mark.parametrize(("given", "shown"), [
    ("a|b", "`a\\|b`"), ("a `b` c", "``a `b` c``"), ("`b`", "`` `b` ``"), ("", ""), ("a\n\tb", "`a b`"),
])
def test_code(given: str, shown: str) -> None:
    assert markdown.code(given) == shown


def test_a_run_without_the_wrapper_has_a_report_too(tmp_path: Path) -> None:
    told = Story(tmp_path)
    with told.segment(check_mode=False, user="bob", controller="awx"):
        told.action("db1", "gone")
        told.stats(db1=0)
    text = report.render(told.run_dir)
    assert "bob on awx" in text
    assert "No \\`incident run\\` judged this run." in text


def test_it_says_of_which_rung_an_action_is(tmp_path: Path) -> None:
    told = Story(tmp_path)
    with told.segment(check_mode=True):
        told.action("db1", "planned", number=1)
        told.plan_of_rungs("db1")
        told.stats(db1=0)
    with told.segment(check_mode=False):
        told.action("db1", "gone", number=1)
        told.action("db1", "not_needed", number=2)
        told.stats(db1=0)
    for form in document.FORMATS:
        text = report.render(told.run_dir, form)
        assert "Rung 1." in text and "Rung 2. only if still failing after 20 s" in text, form
