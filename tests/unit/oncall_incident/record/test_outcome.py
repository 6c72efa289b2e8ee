# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run ended is judged from its record alone, and never too well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Spared
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Skipped
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import summarise

from oncall_incident.exits import Exit
from oncall_incident.record import outcome
from oncall_incident.reporting.content import Source, of_run
from tests.support.story import Story

Tell = Callable[[Story], None]


def looked(story: Story) -> None:
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "critical")
        story.action("db1", "planned")
        story.plan("db1")
        story.stats(db1=0)


def recovered(story: Story) -> None:
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", "gone")
        story.finding("verify", "db1", "ok", observed=12)
        story.stats(db1=0)


def failed_in_verify(story: Story) -> None:
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", "gone")
        story.finding("verify", "db1", "critical")
        story.result("db1", "Judge", "failed", phase="verify", msg="connections is critical")
        story.stats(db1=1)


def failed_before_verify(story: Story) -> None:
    looked(story)
    with story.segment(check_mode=False):
        story.result("db1", "Act", "failed", msg="boom")
        story.stats(db1=1)


def unreachable_in_verify(story: Story) -> None:
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", "gone")
        story.result("db1", "Look", "unreachable", phase="verify", msg="no route")
        story.stats(db1=0)


def cut_off_while_it_acted(story: Story) -> None:
    looked(story)
    with story.segment(check_mode=False):
        story.intent("db1", "Act", approved=["a"])
        story.result("db1", "Act", "unreachable", msg="connection reset")
        story.stats(db1=0)


def verify_said_nothing(story: Story) -> None:
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", "gone")
        story.stats(db1=0)


def lost_after_its_first_verdict(story: Story) -> None:
    """What is asked after it has no answer, and nobody can tell what that would have been."""
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", "gone")
        story.finding("verify", "db1", "ok", observed=12)
        story.result("db1", "Write a probe key", "unreachable", phase="verify", msg="no route")
        story.tell("stats", hosts={"db1": {"ok": 3, "failures": 0, "unreachable": 1}})


def another_host_unreachable(story: Story) -> None:
    with story.segment(check_mode=True):
        story.result("db2", "Look", "unreachable", phase="investigate", msg="no route")
    recovered(story)


def the_application_restarted(story: Story, *, outcome: str = "done") -> None:
    """No slot is left on db1; app1 has no health check of its own, its restart is measured with the act."""
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "critical")
        story.action("app1", "planned")
        story.plan("app1")
        story.stats(db1=0, app1=0)
    with story.segment(check_mode=False):
        story.action("app1", outcome)
        story.finding("verify", "db1", "ok")
        story.stats(db1=0, app1=0)


def the_application_not_known_to_be_restarted(story: Story) -> None:
    the_application_restarted(story, outcome="unknown")


def one_of_two_applications_restarted(story: Story) -> None:
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "critical")
        story.plan("app1", "app2")
        story.stats(db1=0, app1=0, app2=0)
    with story.segment(check_mode=False):
        story.action("app1", "done")
        story.finding("verify", "db1", "ok")
        story.stats(db1=0, app1=0, app2=0)


def no_statistics(story: Story) -> None:
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", "gone")


def still_running(story: Story) -> None:
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", "still_running")
        story.finding("verify", "db1", "ok")
        story.stats(db1=1)


@pytest.mark.parametrize(("tell", "status", "not_measured"), [
    (recovered, Exit.RECOVERED, []),
    (failed_in_verify, Exit.NOT_RECOVERED, []),
    (failed_before_verify, Exit.FAILED, ["db1"]),
    (unreachable_in_verify, Exit.NOT_RECOVERED, ["db1"]),
    (lost_after_its_first_verdict, Exit.NOT_RECOVERED, ["db1"]),
    (cut_off_while_it_acted, Exit.NOT_RECOVERED, ["db1"]),
    (verify_said_nothing, Exit.NOT_RECOVERED, ["db1"]),
    (another_host_unreachable, Exit.NOT_RECOVERED, ["db2"]),
    (the_application_restarted, Exit.RECOVERED, []),
    (the_application_not_known_to_be_restarted, Exit.NOT_RECOVERED, ["app1"]),
    (one_of_two_applications_restarted, Exit.NOT_RECOVERED, ["app2"]),
    (no_statistics, Exit.FAILED, ["db1"]),
    (still_running, Exit.NOT_RECOVERED, []),
])
def test_after_acting(tell: Tell, status: Exit, not_measured: list[str], tmp_path: Path) -> None:
    story = Story(tmp_path)
    tell(story)
    end = outcome.after_acting(summarise(story.run_dir))
    assert (end.status, list(end.not_measured)) == (status, not_measured)


@pytest.mark.parametrize("outcome_of_it", ["moved_on", "still_running", "failed", "unknown", "not_permitted"])
@pytest.mark.parametrize("healthy", [True, False])
def test_a_run_that_signalled_somebody_never_says_that_nothing_was_changed(outcome_of_it: str, healthy: bool, tmp_path: Path) -> None:
    story = Story(tmp_path)
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", outcome_of_it, signals=["cancel"])
        story.finding("verify", "db1", "ok" if healthy else "critical")
        story.stats(db1=0 if healthy else 1)
    end = outcome.after_acting(summarise(story.run_dir))
    assert "1 action carried out without the planned result" in end.sentence.lower() and "nothing was" not in end.sentence.lower()
    content = of_run(Source.read(story.run_dir))
    assert ("changed", "1 action", "act") in content["tiles"]


def test_what_was_done_and_what_was_in_vain_are_counted_apart(tmp_path: Path) -> None:
    story = Story(tmp_path)
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", "gone")
        story.action("db1", "still_running", number=2, signals=["terminate"])
        story.action("db1", "moved_on", number=3)
        story.action("db1", "refused", number=4)
    summary = summarise(story.run_dir)
    assert outcome.what_was_done(summary) == "1 action done, 1 action carried out without the planned result"


@pytest.mark.parametrize(("outcome_of_it", "said"), [
    ("moved_on", "nothing was changed"), ("refused", "nothing was changed"), ("not_needed", "nothing was changed"),
    ("not_permitted", "nothing was changed"), ("failed", "no action is known to be done"), ("unknown", "no action is known to be done"),
])
def test_nothing_was_changed_only_when_it_is_known(outcome_of_it: str, said: str, tmp_path: Path) -> None:
    story = Story(tmp_path)
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", outcome_of_it)
    assert outcome.what_was_done(summarise(story.run_dir)) == said


@pytest.mark.parametrize(("detail", "said"), [
    ({"why": "three failures within the hour"}, "three failures within the hour"),  # of a record before 0.2
    ({"why": "protected", "error": "its data are of another history."}, "its data are of another history"),
    ({"why": "not_approved"}, "It is not in the approved plan"), ({}, "no reason given"),
])
def test_what_is_refused_is_why_nothing_was_planned(detail: dict[str, str], said: str, tmp_path: Path) -> None:
    story = Story(tmp_path)
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "critical")
        story.action("db1", "refused", **detail)
        story.stats(db1=0)
    end = outcome.after_planning(summarise(story.run_dir))
    assert end.status == Exit.NOT_RECOVERED and end.sentence == "Not healthy, and nothing was planned."
    assert end.reasons[0].startswith("db1: terminate ") and end.reasons[0].endswith(f" is refused: {said}")


def test_whom_a_rule_would_have_taken_is_named_where_nothing_is_planned(tmp_path: Path) -> None:
    """That is what is to be decided by hand."""
    story = Story(tmp_path)
    names = {"pid 42 app@shop (web), idle for 3m, holds up 6 sessions": True, "pid 43 app@shop (dump)": False}
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "critical")
        for name, matched in names.items():
            spared = Spared({"pid": name.split()[1]}, ("too_young",), matched, name)
            story.tell("protected", host="db1", phase="mitigate", check_mode=True, protected=spared.as_dict())
        story.stats(db1=0)
    end = outcome.after_planning(summarise(story.run_dir))
    assert end.status == Exit.NOT_RECOVERED
    assert end.reasons[0] == "db1: left alone: pid 42 app@shop (web), idle for 3m, holds up 6 sessions: too young"
    assert not any("pid 43" in reason for reason in end.reasons)


def test_what_was_under_way_when_the_host_went_away_is_not_called_nothing(tmp_path: Path) -> None:
    story = Story(tmp_path)
    cut_off_while_it_acted(story)
    end = outcome.after_acting(summarise(story.run_dir))
    assert end.sentence == "Not measured: db1; no action is known to be done, the outcome of 1 step is unknown."
    assert end.reasons == ["unknown outcome on db1: Act", "db1: unreachable: connection reset"]


def lost_while_it_acts(story: Story) -> None:
    looked(story)
    with story.segment(extra_vars={"incident_approved_plan": {"ids": ["a"]}}):
        story.result("db1", "Ban the worst attackers", "unreachable", phase="mitigate", msg="no route")
        story.stats(db1=0)


def test_a_host_that_went_away_may_have_been_changed(tmp_path: Path) -> None:
    story = Story(tmp_path)
    lost_while_it_acts(story)
    end = outcome.after_acting(summarise(story.run_dir))
    assert "nothing was changed" not in end.sentence and "no action is known to be done" in end.sentence


def healthy(story: Story) -> None:
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "ok")
        story.finding("investigate", "db1", "warning", check="settings")
        story.stats(db1=0)


def critical_without_a_plan(story: Story) -> None:
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "critical")
        story.stats(db1=0)


def unknown_without_a_plan(story: Story) -> None:
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "unknown")
        story.stats(db1=0)


def blind(story: Story) -> None:
    with story.segment(check_mode=True):
        story.result("db1", "Look", "failed", phase="investigate", msg="grant pg_monitor")
        story.stats(db1=1)


def over_the_limit(story: Story) -> None:
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "critical")
        story.result("db1", "Act", "failed", msg="40 candidates, limit 10")
        story.stats(db1=1)


def all_unreachable(story: Story) -> None:
    with story.segment(check_mode=True):
        story.result("db1", "Look", "unreachable", phase="investigate", msg="no route")
        story.stats(db1=0)


def measured_nothing(story: Story) -> None:
    with story.segment(check_mode=True):
        story.stats(db1=0)


def empty_plan(story: Story) -> None:
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "ok")
        story.plan()
        story.stats(db1=0)


@pytest.mark.parametrize(("tell", "name", "status"), [
    (looked, "planned", Exit.RECOVERED),
    (healthy, "nothing_to_do", Exit.NOTHING_TO_DO),
    (empty_plan, "nothing_to_do", Exit.NOTHING_TO_DO),
    (critical_without_a_plan, "not_recovered", Exit.NOT_RECOVERED),
    (unknown_without_a_plan, "not_recovered", Exit.NOT_RECOVERED),
    (blind, "failed", Exit.FAILED),
    (over_the_limit, "failed", Exit.FAILED),
    (all_unreachable, "not_recovered", Exit.NOT_RECOVERED),
    (measured_nothing, "not_recovered", Exit.NOT_RECOVERED),
])
def test_after_planning(tell: Tell, name: str, status: Exit, tmp_path: Path) -> None:
    story = Story(tmp_path)
    tell(story)
    end = outcome.after_planning(summarise(story.run_dir))
    assert (end.name, end.status) == (name, status)


@pytest.mark.parametrize(("tell", "sentence"), [
    (healthy, "1 host measured healthy, no plan was asked for."), (critical_without_a_plan, "Not healthy, and no plan was asked for."),
    (blind, "Not every host could be looked at. No plan was asked for, nothing was touched."),
])
def test_who_only_looks_is_not_told_that_nothing_was_planned(tell: Tell, sentence: str, tmp_path: Path) -> None:
    story = Story(tmp_path)
    tell(story)
    end, asked = (outcome.after_planning(summarise(story.run_dir), plan_asked=plan) for plan in (False, True))
    assert (end.sentence, end.status) == (sentence, asked.status)
    assert "plan" in asked.sentence and "no plan was asked for" not in asked.sentence.lower()


def planning(tell: Tell, place: Path) -> outcome.Outcome:
    story = Story(place)
    with story.segment(check_mode=True):
        tell(story)
        story.stats(db1=0)
    return outcome.after_planning(summarise(story.run_dir))


def test_nothing_to_do_needs_an_answer_to_each_check_that_decides(tmp_path: Path) -> None:
    def healthy(story: Story) -> None:
        story.place("db1")
        story.finding("investigate", "db1", "ok")
        story.verdict("investigate", "db1", healthy=True)

    def blind(story: Story) -> None:
        healthy(story)
        told = {"hint": "Grant SELECT.", "detail": {"reason": "denied: probe"}, "asked": True}
        story.finding("investigate", "db1", "unknown", check="probe", observed=None, **told)
        story.verdict("investigate", "db1", healthy=None, asked=("probe",))

    def warned(story: Story) -> None:
        story.place("db1")
        story.finding("investigate", "db1", "warning", asked=True)
        story.verdict("investigate", "db1", healthy=False)

    def one_silent(story: Story) -> None:
        healthy(story)
        story.place("db2")

    assert planning(healthy, tmp_path / "a").status == Exit.NOTHING_TO_DO
    found = planning(blind, tmp_path / "b")
    assert found.status == Exit.NOT_RECOVERED and list(found.reasons) == ["db1: probe is unknown: denied: probe. Grant SELECT"]
    found = planning(warned, tmp_path / "c")
    assert found.status == Exit.NOT_RECOVERED and list(found.reasons) == ["db1: connections is warning (97 %)"]
    found = planning(one_silent, tmp_path / "d")
    assert found.status == Exit.NOT_RECOVERED and list(found.not_measured) == ["db2"] and "db2: no health check" in found.reasons[0]


def test_what_only_verify_can_tell_is_left_to_it(tmp_path: Path) -> None:
    probe = ("probe_write", "probe_read")

    def unprobed(story: Story) -> None:
        story.place("db1")
        story.looked("investigate", "db1", "ok", source={"task_id": "t1"})
        for check in probe:
            hint = "Probe." if check == "probe_write" else ""
            told = {"hint": hint, "detail": {"reason": "check_mode: it writes nothing"}, "asked": True}
            story.finding("investigate", "db1", "unknown", check=check, observed=None, source={"task_id": "t2"}, **told)
        story.verdict("investigate", "db1", healthy=None, asked=probe, source={"task_id": "t2"})

    def warned(story: Story) -> None:
        unprobed(story)
        story.finding("investigate", "db1", "warning", check="memory", asked=True, source={"task_id": "t3"})
        story.verdict("investigate", "db1", healthy=False, asked=("memory",), source={"task_id": "t3"})

    found = planning(unprobed, tmp_path / "a")
    assert (found.name, found.status, found.to_verify) == ("not_recovered", Exit.NOT_RECOVERED, True)
    assert list(found.reasons) == ["db1: probe_write, probe_read are unknown: check_mode: it writes nothing. Probe"]
    found = planning(warned, tmp_path / "b")
    assert found.status == Exit.NOT_RECOVERED and not found.to_verify and len(found.reasons) == 2, "something else is wrong"
    assert not planning(lambda story: story.looked("investigate", "db1", "unknown", source={"task_id": "t1"}), tmp_path / "c").to_verify


def test_what_mitigate_looks_at_is_not_all_that_verify_asks(tmp_path: Path) -> None:
    def only_mitigate(story: Story) -> None:
        story.finding("mitigate", "db1", "ok", asked=True)
        story.verdict("mitigate", "db1", healthy=True)

    def beside(story: Story) -> None:
        story.place("db2")
        story.finding("investigate", "db2", "ok", asked=True)
        story.verdict("investigate", "db2", healthy=True)
        only_mitigate(story)

    for tell in (only_mitigate, beside):
        found = planning(tell, tmp_path / tell.__name__)
        assert (found.name, found.status, list(found.not_measured)) == ("not_recovered", Exit.NOT_RECOVERED, ["db1"])
        assert found.to_verify
        assert len(found.reasons) == 1 and found.reasons[0].startswith("db1: only mitigate looked") and "--tags" in found.reasons[0]


def test_verify_says_whether_there_is_nothing_to_do_where_mitigate_alone_looked(tmp_path: Path) -> None:
    def after(place: Path, status: str) -> outcome.Outcome:
        story = Story(place)
        with story.segment(check_mode=True):
            story.verdict("mitigate", "db1", healthy=True)
            story.action("db1", "refused")
            story.stats(db1=0)
        with story.segment(check_mode=False):
            story.looked("verify", "db1", status, source={"task_id": "t9"})
            story.stats(db1=0)
        summary = summarise(story.run_dir)
        return outcome.after_verifying(outcome.after_acting(summary), summary)

    well = after(tmp_path / "well", "ok")
    assert (well.name, well.status) == ("nothing_to_do", Exit.NOTHING_TO_DO)
    assert well.sentence == "1 host measured healthy, nothing planned."
    sick = after(tmp_path / "sick", "critical")
    assert sick.status == Exit.NOT_RECOVERED and any("is refused" in reason for reason in sick.reasons)


def test_nothing_to_do_names_what_was_not_looked_at(tmp_path: Path) -> None:
    """Nobody had to answer it; whoever reads "nothing to do" must know. What a later look did judge is not among it."""
    def tell(story: Story) -> None:
        story.place("db1")
        story.finding("investigate", "db1", "ok")
        story.verdict("investigate", "db1", healthy=True)
        for check, kind in (("probe_write", "could_not_look"), ("connections", "could_not_look"), ("cluster", "not_applicable")):
            story.tell("skipped_check", host="db1", phase="investigate", skipped=Skipped(check, "check_mode", kind=kind).as_dict())

    found = planning(tell, tmp_path)
    assert found.status == Exit.NOTHING_TO_DO and list(found.reasons) == ["db1: not looked at: probe_write"]
    assert found.sentence == "1 host measured healthy, nothing planned."


def test_what_another_execution_saw_is_not_counted(tmp_path: Path) -> None:
    story = Story(tmp_path)
    with story.segment(check_mode=True):
        story.place("db1")
        story.verdict("investigate", "db1", healthy=None)
        story.stats(db1=0)
    with story.segment(kind="wrapper"):
        pass
    assert summarise(story.run_dir).unmet
    with story.segment(check_mode=True):
        story.finding("investigate", "db1", "ok")
        story.verdict("investigate", "db1", healthy=True)
        story.stats(db1=0)
    assert outcome.after_planning(summarise(story.run_dir)).status == Exit.NOTHING_TO_DO


@pytest.mark.parametrize(("tell", "status", "not_measured"), [
    (lambda story: story.verdict("verify", "db1", healthy=True, held=True), Exit.RECOVERED, []),
    (lambda story: story.verdict("verify", "db1", healthy=True, held=False), Exit.NOT_RECOVERED, []),
    (lambda story: story.verdict("verify", "db1", healthy=None), Exit.NOT_RECOVERED, []),
    (lambda story: (story.place("db2"), story.verdict("verify", "db1", healthy=True)), Exit.NOT_RECOVERED, ["db2"]),
])
def test_recovered_needs_a_good_verdict_of_every_host_that_was_looked_at(
    tell: Tell, status: Exit, not_measured: list[str], tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    recovered(story)
    with story.segment(check_mode=False):
        story.place("db1")
        tell(story)
        story.stats(db1=0)
    found = outcome.after_acting(summarise(story.run_dir))
    assert (found.status, list(found.not_measured)) == (status, not_measured), found


def test_of_a_large_fleet_every_host_that_was_judged_counts(tmp_path: Path) -> None:
    """More findings than are kept."""
    story = Story(tmp_path)
    hosts = [f"db{number}" for number in range(90)]
    with story.segment(check_mode=False):
        for host in hosts:
            story.place(host)
            for number in range(14):
                story.finding("verify", host, "ok", check=f"check_{number}")
            story.verdict("verify", host, healthy=True)
        story.stats(**dict.fromkeys(hosts, 0))
    found = outcome.after_acting(summarise(story.run_dir))
    assert found.status == Exit.RECOVERED and "90 hosts measured healthy" in found.sentence, found


def test_the_last_word_of_a_task_counts(tmp_path: Path) -> None:
    def looks_again(story: Story) -> None:
        story.place("db1")
        story.finding("investigate", "db1", "ok")
        story.verdict("investigate", "db1", healthy=None)
        story.verdict("investigate", "db1", healthy=True)

    assert planning(looks_again, tmp_path).status == Exit.NOTHING_TO_DO


def test_what_was_done_stays_done_whatever_another_call_answers(tmp_path: Path) -> None:
    story = Story(tmp_path)
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", "gone")
        story.action("db1", "not_needed")
        story.finding("verify", "db1", "ok", observed=12)
        story.stats(db1=0)
    found = outcome.after_acting(summarise(story.run_dir))
    assert found.sentence.startswith("1 action done"), found


def included(*places: int) -> list[dict[str, Any]]:
    """Targets of one host that tasks of their own look at: a role that is included for each of them."""
    return [{"task_id": f"t{place}"} for place in places]


def looped(*items: int) -> list[dict[str, Any]]:
    """Targets of one host that a loop looks at."""
    return [{"task_id": "t", "item_index": place, "item": str(item)} for place, item in enumerate(items)]


@pytest.mark.parametrize("targets", [
    included(1, 2), looped(7101, 7102), [{"task_id": "t", "item_index": 0}, {"task_id": "t", "item_index": 1}],
])
@pytest.mark.parametrize("order", [("critical", "ok"), ("ok", "critical"), ("ok", "unknown"), ("warning", "ok")])
def test_a_target_that_is_well_hides_no_other_target_of_its_host(
    targets: list[dict[str, Any]], order: tuple[str, str], tmp_path: Path,
) -> None:
    def two(story: Story, phase: str) -> None:
        story.place("db1")
        for target, status in zip(targets, order, strict=True):
            story.looked(phase, "db1", status, source=target)

    end = planning(lambda story: two(story, "investigate"), tmp_path / "a")
    assert end.status == Exit.NOT_RECOVERED and end.reasons, end
    story = Story(tmp_path / "b")
    recovered(story)
    with story.segment(check_mode=False):
        two(story, "verify")
        story.stats(db1=0)
    end = outcome.after_acting(summarise(story.run_dir))
    assert end.status == Exit.NOT_RECOVERED and any("connections" in reason for reason in end.reasons), end
    content = of_run(Source.read(story.run_dir))
    assert sum(row["after"]["status"] in order for row in content["comparison"]) == 2, content["comparison"]


@pytest.mark.parametrize(("before", "after", "status"), [
    (included(1, 2), included(3, 4), Exit.RECOVERED),
    (looped(7101, 7102), looped(7102, 7101), Exit.RECOVERED),
    (included(1, 2), included(3), Exit.NOT_RECOVERED),
    (looped(7101, 7102), looped(7102), Exit.NOT_RECOVERED),
    (looped(7101, 7102), looped(7102, 7103), Exit.NOT_RECOVERED),
])
def test_every_target_that_was_asked_before_is_verified(
    before: list[dict[str, Any]], after: list[dict[str, Any]], status: Exit, tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    with story.segment(check_mode=True):
        story.place("db1")
        for target in before:
            story.looked("investigate", "db1", "critical", source=target)
        story.action("db1", "planned")
        story.plan("db1")
        story.stats(db1=0)
    with story.segment(check_mode=False):
        story.action("db1", "gone")
        for target in after:
            story.looked("verify", "db1", "ok", source=target)
        story.stats(db1=0)
    summary = summarise(story.run_dir)
    assert outcome.after_acting(summary).status == status
    assert bool(outcome.still_bad(summary)) == (status != Exit.RECOVERED)


def test_a_task_that_looks_again_at_the_same_target_has_the_last_word(tmp_path: Path) -> None:
    def again(story: Story) -> None:
        story.place("db1")
        for status in ("critical", "ok"):
            story.looked("investigate", "db1", status, source=looped(7101)[0])

    assert planning(again, tmp_path).status == Exit.NOTHING_TO_DO


def test_where_nothing_was_asked_nobody_is_known_to_be_healthy(tmp_path: Path) -> None:
    def asked_nothing(story: Story) -> None:
        story.place("db1")
        story.finding("investigate", "db1", "ok", asked=False)
        story.verdict("investigate", "db1", healthy=None, asked=(), status="ok")

    end = planning(asked_nothing, tmp_path / "a")
    assert end.status == Exit.NOT_RECOVERED and "asked nothing" in end.reasons[0], end
    for number, status in enumerate(("ok", "critical")):
        story = Story(tmp_path / f"b{number}")
        looked(story)
        with story.segment(check_mode=False):
            story.action("db1", "gone")
            story.finding("verify", "db1", status, asked=False)
            story.verdict("verify", "db1", healthy=None, asked=(), status=status)
            story.stats(db1=0)
        end = outcome.after_acting(summarise(story.run_dir))
        assert end.status == Exit.NOT_RECOVERED and end.not_measured == ["db1"] and "asked nothing" in end.reasons[-1], end


def test_a_critical_verdict_that_asked_nothing_is_never_recovered(tmp_path: Path) -> None:
    story = Story(tmp_path)
    looked(story)
    with story.segment(check_mode=False):
        story.action("db1", "gone")
        story.looked("verify", "db1", "ok", source={"task_id": "a"})
        story.verdict("verify", "db1", healthy=None, asked=(), status="critical", source={"task_id": "b"})
        story.stats(db1=0)
    end = outcome.after_acting(summarise(story.run_dir))
    assert end.status == Exit.NOT_RECOVERED and end.reasons == ["db1: Judge: critical, and nothing was asked"], end


def test_a_failure_says_what_failed(tmp_path: Path) -> None:
    story = Story(tmp_path)
    over_the_limit(story)
    assert list(outcome.after_planning(summarise(story.run_dir)).reasons) == ["db1: 40 candidates, limit 10"]


@pytest.mark.parametrize(("reason", "status"), [("interrupt", Exit.INTERRUPTED), ("timeout", Exit.TIMED_OUT)])
def test_stopped_names_what_is_unknown(reason: str, status: Exit, tmp_path: Path) -> None:
    story = Story(tmp_path)
    looked(story)
    with story.segment(check_mode=False):
        story.intent("db1", "End sessions")
    end = outcome.stopped(reason, summarise(story.run_dir))
    assert end.status == status
    assert list(end.reasons) == ["unknown outcome on db1: End sessions"]
    assert list(end.not_measured) == ["db1"]


def test_the_wrappers_own_segments_are_no_executions(tmp_path: Path) -> None:
    story = Story(tmp_path)
    looked(story)
    with story.segment("wrapper"):
        story.tell("plan.approved", by="me", how="typed")
    assert len(outcome.ansible_segments(summarise(story.run_dir))) == 1


def approved(story: Story) -> None:
    looked(story)
    with story.segment("wrapper"):
        story.tell("plan.approved", by="me", how="typed")


@pytest.mark.parametrize(("acts", "ended", "why", "touched"), [
    (False, None, "not_tried", False),  # it went away before anything acted there
    (True, None, "no_answer", None),  # nobody knows what came of it
    (True, "unreachable", "no_answer", None),
    (True, "failed", "no_answer", None),  # a module that broke, and said nothing of its actions
])
def test_when_the_record_is_closed_each_approved_action_gets_an_answer(
    acts: bool, ended: str | None, why: str, touched: bool | None, tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    approved(story)
    with story.segment(check_mode=False):
        if acts:
            story.intent("db1", "Act", approved=["a"])
        if ended is not None:
            story.result("db1", "Act", ended, msg="gone")
    before = summarise(story.run_dir)
    assert len(before.open_actions) == 1
    (line,) = outcome.without_answer(before)
    assert line.startswith("db1: terminate pid 1 app@shop: ") and ("not tried" in line) == (why == "not_tried")
    with story.segment("wrapper"):
        for host, action in outcome.answers_at_the_end(before):
            story.tell("action", host=host, phase="mitigate", check_mode=False, action=action.as_dict())
    after = summarise(story.run_dir)
    (seen,) = outcome.carried_out(after)
    assert after.open_actions == [] and (seen.what.outcome, seen.what.detail["why"], seen.what.was_touched) == ("unknown", why, touched)
    (row,) = of_run(Source.read(story.run_dir))["actions"]
    assert row["outcome"] == "unknown" and row["error"]


def test_a_run_that_leaves_an_approved_action_open_is_never_recovered(tmp_path: Path) -> None:
    story = Story(tmp_path)
    approved(story)
    with story.segment(check_mode=False):
        story.finding("verify", "db1", "ok")
        story.stats(db1=0)
    end = outcome.after_acting(summarise(story.run_dir))
    assert end.status == Exit.NOT_RECOVERED and end.sentence == "Not every approved action was answered; nothing was changed.", end


def test_a_temporary_change_that_may_have_been_made_is_not_lost(tmp_path: Path) -> None:
    for begun in (True, False):
        story = Story(tmp_path / str(begun))
        looked(story)
        summary = summarise(story.run_dir)
        change = {**summary.actions[0].what.as_dict(), "temporary": {"way_back": "put it back", "ends": "nobody"}}
        summary.open_actions = [{"host": "db1", "begun": begun, "action": change}]
        ((_host, action),) = outcome.answers_at_the_end(summary)
        assert (action.temporary is not None) == begun


def test_the_report_says_what_was_looked_at_and_what_was_verified(tmp_path: Path) -> None:
    def nothing(story: Story) -> None:
        with story.segment(check_mode=True):
            story.stats(db1=0)

    said = {}
    for name, tell in (("nothing", nothing), ("healthy", healthy), ("recovered", recovered), ("unreachable", unreachable_in_verify)):
        story = Story(tmp_path / name)
        tell(story)
        said[name] = of_run(Source.read(story.run_dir))
    tiles = {name: {tile[0]: tile[1] for tile in content["tiles"]} for name, content in said.items()}
    assert tiles["nothing"]["found"] == "nothing was looked at" and tiles["nothing"]["measured"] == "0 hosts"
    assert said["nothing"]["nothing_unknown"] == "Nothing was looked at, so nothing is known."
    assert said["healthy"]["nothing_unknown"] == "Every step was answered. Looked at, and not verified: db1."
    assert said["recovered"]["nothing_unknown"] == "Nothing: every host was measured, every step was answered."
    assert tiles["recovered"]["measured"] == "1 host" and tiles["unreachable"]["measured"] == "0 hosts"


@pytest.mark.parametrize(("name", "well", "unwell"), [
    ("recovered", ["db1"], []), ("not_recovered", ["db1"], ["db2"]), ("failed", ["db1"], ["db2"]),
])
def test_of_a_run_that_is_not_good_only_hosts_that_were_verified_are_well(
    name: str, well: list[str], unwell: list[str], tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    with story.segment(check_mode=False):
        for host, status in (("db1", "ok"), *([("db2", "critical")] if unwell else [])):
            story.place(host)
            story.looked("verify", host, status, source={"task_id": "t9"})
        story.result("db1", "Look", "ok", phase="verify")
        story.stats(db1=0, db2=0)
    assert outcome.by_health(name, summarise(story.run_dir), not_measured=[]) == {"well": well, "unwell": unwell}


def test_a_plan_measured_that_its_hosts_are_not_well(tmp_path: Path) -> None:
    story = Story(tmp_path)
    with story.segment(check_mode=True):
        for host in ("db1", "db2"):
            story.place(host)
            story.looked("investigate", host, "ok", source={"task_id": "t9"})
        story.action("db2", "planned")
        story.plan("db2")
        story.stats(db1=0, db2=0)
    assert outcome.by_health("planned", summarise(story.run_dir), not_measured=["db3"]) == {"well": ["db1"], "unwell": ["db2", "db3"]}


def test_what_was_lost_may_be_what_speaks_against_it(tmp_path: Path) -> None:
    def lost(story: Story) -> None:
        story.place("db1")
        story.looked("investigate", "db1", "ok", source={"task_id": "t1"})
        story.tell("record.degraded", lost=3, why="no space")

    found = planning(lost, tmp_path / "planning")
    assert (found.name, found.status) == ("not_recorded", Exit.NOT_RECORDED) and "3 events" in found.sentence
    story = Story(tmp_path / "acting")
    recovered(story)
    with story.segment(check_mode=False):
        story.looked("verify", "db1", "ok", source={"task_id": "t1"})
        story.tell("record.degraded", lost=1, why="no space")
        story.stats(db1=0)
    found = outcome.after_acting(summarise(story.run_dir))
    assert found.status == Exit.NOT_RECORDED and "1 event could not be written" in found.sentence and "1 action done" in found.sentence


def test_recovered_says_in_one_line_what_it_does_not_speak_of(tmp_path: Path) -> None:
    story = Story(tmp_path)
    with story.segment(check_mode=True):
        for host in ("db1", "db2", "db3", "db4", "db5"):
            story.looked("investigate", host, "ok", source={"task_id": "t1"})
            story.verdict("investigate", host, healthy=True, asked=("probe",), source={"task_id": "t2"})
        story.stats(db1=0)
    with story.segment(check_mode=False):
        for host in ("db1", "db2", "db3", "db4", "db5"):
            story.looked("verify", host, "ok", source={"task_id": "t1"})
        story.verdict("verify", "db1", healthy=True, asked=("disk", "slots"), source={"task_id": "t3"})
        story.finding("verify", "db1", "critical", check="vacuum", asked=False, source={"task_id": "t1"})
        story.finding("verify", "db1", "warning", check="disk", subject="/srv", asked=True, source={"task_id": "t3"})
        for check, kind in (("slots", "not_applicable"), ("log", "could_not_look")):
            story.tell("skipped_check", host="db1", phase="verify", skipped=Skipped(check, "why", kind=kind).as_dict())
        story.stats(db1=0)
    found = outcome.after_acting(summarise(story.run_dir))
    assert found.status == Exit.RECOVERED and len(found.reasons) == 1
    for said in ("db1, db2, db3, and 2 more: asked before and not verified: probe", "db1: not asked, and not ok: vacuum critical",
                 "db1: good enough without being ok: disk /srv warning", "db1: does not apply: slots", "db1: not looked at: log"):
        assert said in found.reasons[0]


def test_what_recovered_does_not_speak_of_is_bounded(tmp_path: Path) -> None:
    def tell(story: Story) -> None:
        story.place("db1")
        story.looked("investigate", "db1", "ok", source={"task_id": "t1"})
        for number in range(30):
            story.finding("investigate", "db1", "warning", check=f"check_{number}", asked=False, source={"task_id": "t1"})

    found = planning(tell, tmp_path)
    assert found.status == Exit.NOTHING_TO_DO and len(found.reasons) == 1 and found.reasons[0].endswith(", and 22 more.")


def test_what_does_not_apply_after_all_does_not_remain(tmp_path: Path) -> None:
    story = Story(tmp_path)
    with story.segment(check_mode=True):
        for check in ("probe_write", "probe_replication"):
            story.finding("investigate", "db1", "unknown", check=check, observed=None, asked=True, source={"task_id": "t1"})
    with story.segment(check_mode=False):
        for check, target in (("probe_replication", "a"), ("probe_write", "b")):
            told = Skipped(check, "no replica", kind="not_applicable").as_dict()
            story.tell("skipped_check", host="db1", phase="verify", skipped=told, **({"target": target} if target == "b" else {}))
        story.stats(db1=0)
    left = [seen.what.check for seen in outcome.not_ok(summarise(story.run_dir))]
    found = outcome._aside(summarise(story.run_dir))
    assert "good enough" not in found[0] and "not ok before, and not looked at so again: probe_write unknown" in found[0]
    assert left == ["probe_write"], "of another server of the host it may be said"
