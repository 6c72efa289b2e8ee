# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident run` from look to report, against a world that speaks the contracts."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from .conftest import World


def test_a_sick_world_recovers(world: World) -> None:
    done = world.run("--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.sick == 0
    assert "RECOVERED  2 actions done, 1 host measured healthy." in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    kinds = [event.get("kind") for event in world.events("segment.open")]
    assert kinds == ["wrapper", "execution", "wrapper", "execution", "wrapper"]
    assert world.verified() == "ok"
    outcome = world.events("outcome")[-1]
    assert (outcome["outcome"], outcome["exit_status"], outcome["not_measured"]) == ("recovered", 0, [])
    report = (world.run_dir / "report.md").read_text()
    assert "| earth | sickness | critical: 2 | ok: 0 |" in report
    assert world.leftovers() == []


def test_the_approval_is_recorded(world: World) -> None:
    world.run("--yes")
    approved, plan = world.events("plan.approved")[0], world.events("plan")[0]["plan"]
    assert approved["how"] == "--yes"
    assert (approved["hash"], approved["count"]) == (plan["hash"], 2)
    assert approved["by"]


#: A run whose plan somebody judges before --yes approves it, as a drill does; the argument is the answer.
JUDGED = """
import sys
from oncall_incident.cli import _bind
found = _bind()
from rich.console import Console
from oncall_incident.running.request import Request
from oncall_incident.running.run import Run
from oncall_incident.running.stopping import Stopper
from oncall_incident.running.view import View

def accept(summary):
    print(sum(len(actions) for actions in summary.plan["actions"].values()), "planned")
    return sys.argv[1] == "yes"

asked = Request(scenario="scenario/fake-recovery.yml", inventories=["hosts.json"], yes=True)
done = Run(asked, found=found, view=View(Console(stderr=True)), stopper=Stopper(), accept=accept).go()
sys.exit(int(done.outcome.status))
"""


@pytest.mark.parametrize(("answer", "status", "kind", "how", "sick"), [
    ("yes", 0, "plan.approved", "--yes", 0), ("no", 4, "plan.refused", "not_accepted", 2),
])
def test_who_judges_the_plan_decides_whether_it_is_carried_out(
    world: World, answer: str, status: int, kind: str, how: str, sick: int,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", JUDGED, answer], cwd=world.place, env=world.environ(), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=250, check=False,
    )
    assert (done.returncode, done.stdout, world.sick) == (status, "2 planned\n", sick), done.stderr
    assert world.events(kind)[0]["how"] == how


def test_check_touches_nothing(world: World) -> None:
    done = world.run("--check")
    assert done.returncode == 0, done.stdout
    assert world.sick == 2
    assert "PLANNED  2 actions planned on 1 host." in done.stdout
    assert len(world.events("segment.open")) == 3


def test_a_healthy_world_needs_nothing(world: World) -> None:
    world.set(sick=0)
    for arguments in (["--yes"], ["--check"], ["--tags", "investigate"], ["--yes", "--tags", "mitigate,verify"]):
        done = world.run(*arguments)
        assert (done.returncode, "NOTHING TO DO" in done.stdout) == (5, True), done.stdout


def test_only_looking_at_a_sick_world_says_so(world: World) -> None:
    done = world.run("--tags", "investigate")
    assert done.returncode == 3
    assert "earth: sickness is critical (2)" in done.stdout
    assert world.events("action") == []


def test_only_verifying(world: World) -> None:
    world.set(sick=0)
    assert world.run("--tags", "verify").returncode == 0
    world.set(sick=1)
    assert world.run("--tags", "verify").returncode == 3


def test_not_recovered_when_it_did_not_help(world: World) -> None:
    world.set(sick=2, spoiled=True)
    done = world.run("--yes")
    assert done.returncode == 3, done.stdout
    assert "earth: the world is still sick" in done.stdout
    assert "still running" in done.stdout


def test_blindness_is_a_failure(world: World) -> None:
    world.set(sick=2, blind=True)
    done = world.run("--yes")
    assert done.returncode == 1, done.stdout
    assert "cannot see the world: give us eyes" in done.stdout


def test_a_host_that_cannot_be_reached_is_named_and_not_recovered(world: World) -> None:
    away = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1"}
    world.inventory({"earth": {}, "mars": away})
    done = world.run("--yes", "--json")
    assert done.returncode == 3, done.stdout + done.stderr
    data = json.loads(done.stdout)
    assert data["not_measured"] == ["mars"]
    assert world.sick == 0


def test_what_was_approved_for_a_host_that_is_gone_by_then_is_answered(world: World) -> None:
    away = {"ansible_connection": "{{ 'ssh' if incident_approved_plan is defined else 'local' }}", "ansible_host": "127.0.0.1"}
    world.inventory({"earth": {**away, "ansible_port": 1}})
    done = world.run("--yes", "--json")
    assert done.returncode == 3, done.stdout + done.stderr
    data = json.loads(done.stdout)
    assert [(one["host"], one["outcome"]) for one in data["actions"]] == [("earth", "unknown")] * 2, data["actions"]
    assert sum(reason.startswith("earth: cure pid 10") and "not tried: the host could not be reached" in reason
               for reason in data["reasons"]) == 2, data["reasons"]
    answers = [event["action"] for event in world.events("action") if event["action"]["outcome"] != "planned"]
    assert [(one["detail"]["why"], one["touched"]) for one in answers] == [("not_tried", False)] * 2
    report = (world.run_dir / "report.md").read_text()
    assert report.count("| unknown<br>the host could not be reached") == 2 and "| planned" not in report, report
    assert "| measured | 0 hosts |" in report and "every host was measured" not in report
    assert world.verified() == "ok" and "mitigation_start" not in world.incident("status", data["incident"], "--json").stdout


def test_json_is_one_object_and_nothing_else(world: World) -> None:
    done = world.run("--yes", "--json")
    data = json.loads(done.stdout)
    assert (data["outcome"], data["exit_status"], data["run"]) == ("recovered", 0, world.run_dir.name)
    assert [action["outcome"] for action in data["actions"]] == ["done", "done"]
    assert data["approval"]["how"] == "--yes"
    assert "Investigate" in done.stderr


def test_a_record_that_cannot_be_read_is_said_and_not_called_broken(world: World) -> None:
    (world.home / "runs" / "some" / "record" / "000001.jsonl").mkdir(parents=True)
    for command in (("verify", "some"), ("report", "some", "--output", "-"), ("report", "some")):
        done = world.incident(*command)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert "000001.jsonl: Is a directory" in done.stderr and "Traceback" not in done.stderr


def test_without_a_terminal_and_without_yes_nothing_is_changed(world: World) -> None:
    for arguments in ([], ["--tags", "mitigate,verify"]):
        done = world.run(*arguments)
        assert (done.returncode, world.sick) == (2, 2)
        assert "Nobody can be asked to approve the plan: the input is not a terminal. --yes approves" in " ".join(done.stderr.split())
    # It is said before the look: there is not even a record.
    assert not (world.home / "runs").exists()


@pytest.mark.parametrize(("answer", "status", "sick", "how"), [
    ("yes\n", 0, 0, "typed"), ("YES\n", 0, 0, "typed"), ("y\n", 4, 2, "answered"), ("\n", 4, 2, "answered"), ("no\n", 4, 2, "answered"),
    ("\x04", 4, 2, "end_of_input"), ("\x03", 130, 2, "interrupt"),
])
def test_the_question(answer: str, status: int, sick: int, how: str, world: World) -> None:
    code, seen = world.on_a_terminal(answer=answer)
    assert (code, world.sick) == (status, sick), seen
    assert world.events("plan.approved", "plan.refused")[0]["how"] == how
    assert world.verified() == "ok"
    spared = "pid 7, application pg_dump: backup tool"
    for shown in ("blast radius  2 actions on 1 host: 2 cure", "max_victims 10", spared, "sick for 5m10s"):
        assert shown in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)


def test_a_plan_does_not_stay_valid_while_nobody_answers(world: World) -> None:
    world.set(sick=2, lifetime=3)
    code, seen = world.on_a_terminal(answer=None)
    assert (code, world.sick) == (4, 2), seen
    assert "expired" in seen


def test_the_deadline_holds_while_nobody_answers(world: World) -> None:
    code, _seen = world.on_a_terminal("--timeout", "6s", answer=None)
    assert (code, world.sick) == (124, 2)


def test_the_screen_fits_eighty_columns_and_no_color_is_honoured(world: World) -> None:
    world.run("--yes")
    world.set(sick=1)
    _code, seen = world.on_a_terminal(answer="yes\n")
    assert "\x1b[1m" in seen
    done = world.run("--check", environ={"NO_COLOR": "1"})
    assert max(len(line) for line in done.stdout.splitlines() if "record" not in line and "report" not in line) <= 80


def test_a_reader_that_goes_away_does_not_stop_a_mitigation(world: World) -> None:
    process = world.start("--yes")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert world.sick == 0
    assert world.events("outcome")[0]["outcome"] == "recovered"


def test_what_was_typed_before_the_question_does_not_approve(world: World) -> None:
    world.set(sick=2, lifetime=5)
    code, seen = world.on_a_terminal(answer=None, early="yes\n")
    assert (code, world.sick) == (4, 2), seen
