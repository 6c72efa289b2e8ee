# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands as people use them, two at once, and what a run does with its incident."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import verify

from oncall_incident.errors import Stop
from oncall_incident.evidence import attaching, model, policy
from oncall_incident.evidence.incident import Incident
from oncall_incident.evidence.store import Store
from tests.support import incidents
from tests.support.site import ROOT
from tests.support.until import until
from tests.support.wrapper import command

from .conftest import Case, said

ALERT = {
    "version": "4", "status": "firing", "alerts": [{
        "status": "firing", "labels": {"alertname": "PgDown", "severity": "critical", "service": "shop-db"},
        "annotations": {"summary": "PostgreSQL does not answer"}, "startsAt": "2026-01-05T11:00:00.123456789Z",
    }],
}
WRITER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:5]
from oncall_incident.evidence.incident import Incident
incident = Incident(Path(sys.argv[1]))
for number in range(40):
    incident.append("note", {"text": f"{sys.argv[2]} {number}"})
"""


def test_a_day_of_an_incident(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = command(home, "open", "--alert", "-", "--policy", "chitlaq", "--json", stdin=json.dumps(ALERT))
    assert done.returncode == 0, done.stderr
    opened = json.loads(done.stdout)
    assert (opened["title"], opened["severity"], opened["services"]) == ("PostgreSQL does not answer", "P0", ["shop-db"])
    assert {item["name"]: item["at"] for item in opened["milestones"]}["alerted"] == "2026-01-05T11:00:00.123Z"
    who = opened["id"]
    for arguments in (
        ["milestone", who, "acknowledged", "--at", "2026-01-05T11:10:00Z"], ["update", who, "We look at it.", "--to", "status page"],
        ["escalate", who, "CTO", "--how", "phone", "--at", "2026-01-05T11:30:00Z"], ["note", who, "-"],
        ["severity", who, "P1", "--why", "partly up"],
        ["milestone", who, "mitigated"], ["milestone", who, "contained"], ["milestone", who, "contained", "--withdraw"],
    ):
        done = command(home, *arguments, stdin="it was the backup")
        assert done.returncode == 0, done.stderr
    status = json.loads(command(home, "status", "--json").stdout)
    assert status["status"] == "mitigated" and status["severity"] == "P1"
    assert [item["name"] for item in status["milestones"]] == ["alerted", "detected", "acknowledged", "mitigated"]
    found = {(item["what"], item["who"]): item["status"] for item in status["due"]}
    assert found[("response", "")] == "met" and found[("resolution", "")] == "overdue"
    assert found[("escalation", "CTO (Slack)")] == "met"
    shown = command(home, "status", who).stdout
    assert "overdue for" in shown and "next update" in shown and "#incident-" in shown
    closed = command(home, "close", who, "-m", "a backup held a lock", "--json")
    assert closed.returncode == 0, closed.stderr
    assert who not in command(home, "list").stdout and who in command(home, "list", "--all").stdout
    assert command(home, "verify", who).returncode == 0
    bundle = home / "incidents" / who / "bundle"
    sealed = bundle / "data" / "report" / "incident-0001.md"
    assert "a backup held a lock" in sealed.read_text() and "data/report/incident-0001.md" in (bundle / "manifest-sha256.txt").read_text()
    reopened = command(home, "reopen", who, "--why", "it came back")
    assert reopened.returncode == 0 and who in command(home, "list").stdout


@pytest.mark.parametrize(("arguments", "words"), [
    (["open"], "An incident needs a title"), (["open", "x", "-s", "P9"], "has no such level"),
    (["open", "x", "--id", "../x"], "cannot be an incident's id"),
    (["open", "x", "--policy", "nobody"], "Policy nobody"), (["note", "INC-1", "x"], "no such incident"),
    (["open", "--alert", "/dev/null"], "is not JSON"), (["status"], "no such incident"), (["push", "latest"], "no such incident"),
])
def test_bad_input_is_named_before_anything_is_made(arguments: list[str], words: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = command(home, *arguments)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    assert not (home / "incidents").exists() or not list((home / "incidents").iterdir())


@pytest.mark.parametrize(("arguments", "words"), [
    (["milestone", "latest", "mitigatd"], "Did you mean mitigated"),
    (["milestone", "latest", "mitigated", "--at", "yesterday"], "is not a time"),
    (["milestone", "latest", "mitigated", "--at", "2199-01-01T00:00:00Z"], "in the future"), (["attach", "latest"], "Nothing to attach"),
    (["attach", "latest", "/nowhere/file"], "No such file"), (["attach", "latest", "/dev/zero"], "not a regular file"),
    (["severity", "latest", "P9"], "has no such level"), (["export", "latest"], "Nothing to export"),
    (["sign", "latest"], "no key to sign with"), (["resolve", "latest"], "incident milestone INCIDENT resolved"),
    (["attach", "latest", "--run", "nothing"], "no such record"),
])
def test_bad_input_leaves_an_incident_as_it_is(arguments: list[str], words: str, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    before = list(case.incident.events())
    done = command(case.home, *arguments)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert list(case.incident.events()) == before


def test_two_operators_at_once_lose_no_line(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    paths = [str(ROOT / ".collections"), str(ROOT / "src")]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(case.incident.folder), name, *paths], stderr=subprocess.PIPE, text=True)
        for name in ("ann", "bob", "eve")
    ]
    # And one in this very process, in two threads.
    def write(name: str) -> None:
        for number in range(20):
            Incident(case.incident.folder).append("note", {"text": f"{name} {number}"})

    threads = [threading.Thread(target=write, args=(name,)) for name in ("tom", "tim")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    errors = [writer.communicate(timeout=200)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], errors
    texts = [str(event.get("text")) for event in case.incident.events()]
    expected = [f"{name} {number}" for name in ("ann", "bob", "eve") for number in range(40)]
    expected += [f"{name} {number}" for name in ("tom", "tim") for number in range(20)]
    assert sorted(set(texts) & set(expected)) == sorted(expected)
    case.seal()
    assert case.check().status == "proven", said(case.check())


def test_two_incidents_opened_at_once_are_two(tmp_path: Path) -> None:
    rules, store = policy.load("default"), Store(tmp_path)
    made: list[str] = []

    def write(number: int) -> None:
        made.append(store.open(title=f"number {number}", severity="SEV1", policy=rules).id)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(made)) == 8 == len(list(store.incidents()))


def test_who_holds_the_lock_is_said_after_a_bounded_time(case: Case) -> None:
    other = Incident(case.incident.folder)
    with case.incident.locked(), pytest.raises(Stop, match="is being written by pid") as stopped, other.locked(seconds=0.3):
        pytest.fail("two held it")
    assert int(stopped.value.status) == 6


def test_a_writer_that_was_killed_costs_half_a_line_at_most(case: Case) -> None:
    case.incident.append("note", {"text": "before"})
    (path,) = [path for path in (case.incident.data / "events").iterdir() if path.name == "000002.jsonl"]
    with path.open("ab") as stream:
        stream.write(b'{"seq":99,"ts":"20')
    case.incident.append("note", {"text": "after"})
    written = [event["text"] for event in case.incident.events() if event["type"] == "note"]
    assert written[-2:] == ["before", "after"]
    case.seal()
    assert case.check().status == "proven", said(case.check())
    assert verify.check(case.incident.data, "events").recovered == (2,)


def test_a_run_from_outside_is_taken_in(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    run_dir = incidents.write_record(case.home, run="20260101T000000Z-redis-recovery-abcdef", scenario="redis-recovery")
    done = command(case.home, "attach", case.incident.id, "--run", run_dir.name)
    assert done.returncode == 0, done.stderr
    run = case.incident.state().runs[run_dir.name]
    assert (run.scenario, run.outcome, run.source) == ("redis-recovery", "recovered", "attached")
    with pytest.raises(Stop, match="has the run"):
        attaching.attach_run(case.incident, run_dir)
    case.seal()
    assert case.check().status == "proven"


def test_a_store_that_is_full_or_not_ours_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    done = command(tmp_path / "home", "open", "x")
    assert done.returncode == 6 and "Traceback" not in done.stderr and "Cannot" in done.stderr


# With a scenario that runs


@pytest.fixture
def world(tmp_path: Path):  # type: ignore[no-untyped-def]
    from tests.integration.wrapper.conftest import World

    made = World(tmp_path)
    yield made
    made.end()


def test_a_run_without_an_incident_opens_its_own_and_closes_it(world) -> None:  # type: ignore[no-untyped-def]
    done = world.run("--yes", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    incident = Incident(world.home / "incidents" / data["incident"])
    state = incident.state()
    assert state.status == "closed" and list(state.runs) == [data["run"]] and state.runs[data["run"]].outcome == "recovered"
    assert {"acknowledged", "mitigation_start", "mitigated", "verified", "resolved"} <= set(state.milestones)
    described = json.loads((incident.data / "runs" / data["run"] / "run.json").read_text())
    assert described["opened"]["inventory_sha256"][0]["inventory"] == "hosts.json" and described["exit_status"] == 0
    (source,) = (incident.data / "source").iterdir()
    assert json.loads(source.read_text())["collection"]["files"]
    # No key was made behind anybody's back.
    assert not (world.home / "signing").exists()
    checked = world.incident("verify", data["incident"], "--json")
    assert checked.returncode == 3 and json.loads(checked.stdout)["status"] == "not proven"
    # The run itself is where it always was.
    assert world.incident("verify", "latest").returncode == 0
    assert world.incident("report", "latest").returncode == 0


def test_a_run_that_only_looked_closes_its_own_incident_and_resolves_nothing(world) -> None:  # type: ignore[no-untyped-def]
    looked = world.run("--check", "--json")
    assert looked.returncode == 0, looked.stderr
    state = Incident(world.home / "incidents" / json.loads(looked.stdout)["incident"]).state()
    assert state.status == "closed" and state.only_looked and "resolved" not in state.milestones
    listed = world.incident("list")
    assert listed.stdout == "No open incidents; 1 closed one: incident list --all\n"
    counted = json.loads(world.incident("metrics", "--format", "json").stdout)
    assert counted["all"]["incidents"] == 0 and [row["counts"] for row in counted["incidents"]] == [False]
    said = world.incident("metrics").stdout
    assert said.startswith("There are no incidents.") and "1 incident not counted" in said
    assert world.incident("report", state.id).returncode == 0


def test_closing_after_a_run_that_did_not_recover_resolves_nothing_until_somebody_says_so(world) -> None:  # type: ignore[no-untyped-def]
    world.set(sick=2, spoiled=True)
    ended = world.run("--yes", "--json")
    assert ended.returncode == 3, ended.stderr
    who = json.loads(ended.stdout)["incident"]
    closed = world.incident("close", who, "-m", "given up for today", "--sign-key", "none")
    assert closed.returncode == 0, closed.stderr
    assert "not marked as resolved" in closed.stdout and "fake-recovery (not recovered: earth)" in " ".join(closed.stdout.split())
    state = Incident(world.home / "incidents" / who).state()
    assert state.status == "closed" and "resolved" not in state.milestones
    (row,) = json.loads(world.incident("metrics", "--format", "json").stdout)["incidents"]
    assert row["time_to"]["resolve"]["seconds"] is None
    assert world.incident("milestone", who, "resolved").returncode == 0
    (row,) = json.loads(world.incident("metrics", "--format", "json").stdout)["incidents"]
    assert row["time_to"]["resolve"]["seconds"] is not None


def test_a_run_belongs_to_the_incident_it_is_given(world) -> None:  # type: ignore[no-untyped-def]
    opened = json.loads(world.incident("open", "It is sick", "--json").stdout)["id"]
    looked = world.run("--check", "--json", "--incident", opened)
    assert looked.returncode == 0 and json.loads(looked.stdout)["incident"] == opened
    cured = world.run("--yes", "--json", environ={"INCIDENT_ID": opened})
    assert cured.returncode == 0, cured.stderr
    incident = Incident(world.home / "incidents" / opened)
    state = incident.state()
    assert [run.outcome for run in state.runs.values()] == ["planned", "recovered"] and state.status == "mitigated"
    assert world.incident("close", opened, "-m", "cured").returncode == 0
    checked = world.incident("verify", opened)
    assert checked.returncode == 0, checked.stdout
    assert len(list((incident.data / "runs").iterdir())) == 2
    refused = world.run("--yes", "--incident", opened)
    assert refused.returncode == 2 and "is closed" in refused.stderr


def test_an_incident_that_is_not_there_stops_a_run_before_anything(world) -> None:  # type: ignore[no-untyped-def]
    done = world.run("--yes", "--incident", "INC-1")
    assert done.returncode == 2 and "no such incident" in done.stderr
    assert world.sick == 2 and not (world.home / "runs").exists()


def test_an_incident_cannot_be_sealed_while_its_run_goes_on(world) -> None:  # type: ignore[no-untyped-def]
    opened = json.loads(world.incident("open", "It is sick", "--json").stdout)["id"]
    incident = Incident(world.home / "incidents" / opened)
    process = world.start("--check", "--incident", opened)
    until(lambda: any(event.get("type") == model.RUN_STARTED for event in incident.events()), seconds=60, what="the run's beginning")
    done = world.incident("seal", opened)
    finished_meanwhile = process.poll() is not None
    process.communicate(timeout=120)
    assert finished_meanwhile or (done.returncode == 6 and "still goes on" in done.stderr), done.stdout + done.stderr
    assert world.incident("seal", opened).returncode == 0
