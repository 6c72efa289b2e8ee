# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary changes and the end of an incident: what holds it open, and what outlasts it and is still shown."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import DONE, UNKNOWN, Action
from ansible_collections.oncall.incident.plugins.module_utils._core.temporary import Temporary
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment
from typer.testing import CliRunner

from oncall_incident.commands import in_force, undo
from oncall_incident.errors import Stop
from oncall_incident.evidence import changes, closing, model, policy, settings, times
from oncall_incident.evidence.incident import Incident
from oncall_incident.evidence.membership import Membership
from oncall_incident.evidence.store import Store
from oncall_incident.exits import Exit
from oncall_incident.record.outcome import Outcome
from oncall_incident.record.recording import summarise
from oncall_incident.running.looking import Looked
from oncall_incident.running.request import Request

RUN = "20261130T024000Z-brute-force-0a0a0a"
LATER = temporary.moment((datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(hours=4)).timestamp())
BAN = Temporary(way_back="The ban is over after its ban time", ends=temporary.API, lasts=14400, expires=LATER, undo={"verb": "unban"})
ARMED = dataclasses.replace(BAN, ends=temporary.UNIT, armed_as="oncall-incident-undo-0123456789ab", undo={"verb": "restore_pool"})
NOBODYS = Temporary(way_back="CONFIG SET maxclients 12", undo={"verb": "restore_maxclients"})


def record(home: Path, ends: Temporary, *, run: str = RUN, outcome: str = DONE) -> Path:
    """A run that made one change on web1."""
    run_dir = layout.runs_dir(home) / run
    action = Action(verb="ban", resource="r", identity={"entry": "192.0.2.7"}, target={}, reason="", name="192.0.2.7", outcome=outcome)
    with Segment.open(run_dir, run=run, redactor=Redactor(key=b"k" * 32), opening={"kind": "wrapper"}) as segment:
        segment.append("action", {
            "host": "web1", "phase": "mitigate", "check_mode": False, "action": temporary.with_temporary(action, ends).as_dict(),
        }, sync=False)
        segment.append("outcome", {
            "contract": "oncall.incident/outcome/1", "outcome": "recovered", "exit_status": 0, "sentence": "web1 is measured healthy.",
            "reasons": [], "not_measured": [], "actions": [], "planned": 1, "spared": 0, "remaining": [],
        }, sync=False)
    return run_dir


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INCIDENT_SIGN_KEY", "none")
    return tmp_path / "home"


def opened(home: Path, *runs: str, outcome: str = "recovered") -> Incident:
    incident = Store(home).open(title="Many logins fail", severity="SEV3", policy=policy.load("default"), how="run")
    for run in runs:
        incident.append_all([
            (model.RUN_STARTED, {"record": run, "scenario": "brute-force", "at": times.text(times.now())}),
            (model.RUN_ENDED, {"record": run, "outcome": outcome, "exit_status": 0, "at": times.text(times.now())}),
        ])
    return incident


def ended(home: Path, ends: Temporary) -> tuple[Incident, list[str]]:
    """The incident that `incident run --yes` opened for itself, after the run's end, and what is said of that."""
    run_dir, incident = record(home, ends), opened(home)
    incident.append(model.RUN_STARTED, {"record": RUN, "scenario": "brute-force", "at": times.text(times.now())})
    member = Membership(incident, own=True, run=RUN, run_dir=run_dir, configured=settings.load(home))
    return incident, member.end(Outcome("recovered", Exit.RECOVERED, "web1 is measured healthy."), summarise(run_dir))


def test_a_limited_run_is_no_milestone_of_the_hosts_it_did_not_look_at(home: Path) -> None:
    run_dir, incident = record(home, BAN), opened(home)
    for run, event in (("r1", model.RUN_STARTED), ("r1", model.RUN_ENDED), (RUN, model.RUN_STARTED)):
        more = {"outcome": "not_recovered", "hosts": {"well": [], "unwell": ["web1", "web2"]}} if event == model.RUN_ENDED else {}
        incident.append(event, {"record": run, "scenario": "brute-force", "at": times.text(times.now()), **more})
    member = Membership(incident, own=False, run=RUN, run_dir=run_dir, configured=settings.load(home))
    notes = member.end(Outcome("recovered", Exit.RECOVERED, "web1 is measured healthy."), summarise(run_dir))
    state = incident.state()
    assert not {"mitigated", "verified"} & set(state.milestones) and "web2" in state.not_recovered["brute-force"]
    assert any("not marked as mitigated or verified" in note and "web2" in note for note in notes), notes


def test_closing_without_a_measurement_says_so_and_resolves_nothing(home: Path) -> None:
    incident = opened(home)
    closed = closing.close(incident, configured=settings.load(home), resolution="it went away", make_key=False)
    assert incident.state().closed and "resolved" not in incident.state().milestones
    assert "no run measured that it is over" in closed.unproven and "milestone" in closed.unproven


@pytest.mark.parametrize("ends", [BAN, ARMED])
def test_a_run_closes_its_own_incident_over_what_ends_by_itself_and_says_so(home: Path, ends: Temporary) -> None:
    incident, notes = ended(home, ends)
    state = incident.state()
    assert state.closed is not None and "resolved" in state.milestones and len(state.seals) == 1
    assert any("in force, until" in note and "web1" in note for note in notes), notes
    assert len(state.outlasting) == 1


@pytest.mark.parametrize("ends", [NOBODYS, dataclasses.replace(ARMED, armed_as=""), dataclasses.replace(BAN, expires="")])
def test_a_run_leaves_its_own_incident_open_over_what_nobody_is_known_to_end(home: Path, ends: Temporary) -> None:
    incident, notes = ended(home, ends)
    assert incident.state().closed is None and any("cannot be closed" in note for note in notes)


def test_what_may_stay_holds_nothing_open_and_the_way_forward_is_kept(home: Path) -> None:
    incident, notes = ended(home, dataclasses.replace(NOBODYS, stays=True))
    state = incident.state()
    assert state.closed is not None and state.outlasting == [], "nobody waits for its end"
    assert any("in force, it may stay" in note for note in notes), notes
    (change,) = changes.still(changes.of(incident))
    assert change.temporary.stays and change.temporary.undo == NOBODYS.undo


def test_people_close_over_what_may_stay_only_where_it_is_known_to_be_there(home: Path) -> None:
    record(home, dataclasses.replace(NOBODYS, stays=True), outcome=UNKNOWN)
    with pytest.raises(changes.StillThere):
        closing.close(opened(home, RUN), configured=settings.load(home), resolution="x", make_key=False)
    assert milestone(opened(home, RUN), "resolved") != 0


def test_people_are_held_back_by_what_ends_by_itself_too(home: Path) -> None:
    record(home, BAN)
    incident = opened(home, RUN)
    with pytest.raises(changes.StillThere):
        closing.close(incident, configured=settings.load(home), resolution="x", make_key=False)


def test_a_run_whose_record_is_missing_holds_it_open(home: Path) -> None:
    incident = opened(home, RUN)
    with pytest.raises(Stop, match="its record is missing"):
        closing.close(incident, configured=settings.load(home), resolution="x", make_key=False)
    with pytest.raises(changes.StillThere, match="record missing"):
        closing.close(incident, configured=settings.load(home), resolution="x", make_key=False, broken=True)
    assert changes.of(opened(home, "another", outcome="planned")) == [], "who only planned has changed nothing"


def milestone(incident: Incident, *words: str) -> int:
    from oncall_incident.cli import app

    done = CliRunner().invoke(app, ["milestone", incident.id, *words])
    return done.exit_code or int(isinstance(done.exception, Stop))


def test_nothing_is_left_where_the_time_is_wrong(home: Path) -> None:
    record(home, NOBODYS)
    incident = opened(home, RUN)
    (change,) = changes.of(incident)
    for wrong in ("never", "2031-01-01T00:00:00Z", "1999-01-01T00:00:00Z"):
        assert milestone(incident, "resolved", "--leave", change.ref, "--why", "it is right", "--at", wrong) != 0
        assert incident.state().left == {}
    assert milestone(incident, "resolved", "--leave", change.ref, "--why", "it is right") == 0
    assert incident.state().left == {change.ref: "it is right"}


def in_force_now(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, found: str = "in_force", units: list[str] | None = None,
) -> tuple[Exit, dict[str, Any]]:
    """What `incident in-force --json` says where each look finds the same."""
    def look(_asked: Any, wanted: list[changes.Change], **_more: Any) -> Looked:
        return Looked("look", {change.ref: found for change in wanted}, {}, {"web1": units or []}, {})

    monkeypatch.setattr(in_force, "look", look)
    capsys.readouterr()
    status = in_force.in_force_and_show(Request(scenario="in-force"), found=None, as_json=True)  # type: ignore[arg-type]
    return status, json.loads(capsys.readouterr().out)


def test_what_outlasts_a_closed_incident_is_shown(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    incident, _notes = ended(home, ARMED)
    events = incident.state().events
    _status, said = in_force_now(monkeypatch, capsys, units=[ARMED.armed_as])
    (row,) = said["changes"]
    assert (row["found"], row["closed"], row["left"], said["units"]) == ("in_force", True, "", [])
    assert incident.state().events == events, "what is sealed stays as it is"


def test_what_was_left_is_shown_with_its_reason(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    record(home, NOBODYS)
    incident = opened(home, RUN)
    (change,) = changes.of(incident)
    closing.close(incident, configured=settings.load(home), resolution="x", make_key=False, leave={change.ref: "it is right"})
    status, said = in_force_now(monkeypatch, capsys, found="unknown")
    assert [(row["ref"], row["left"], row["closed"]) for row in said["changes"]] == [(change.ref, "it is right", True)]
    assert status == Exit.RECOVERED, "who left it waits for nothing"


def test_a_unit_whose_change_is_gone_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    record(home, ARMED)
    incident = opened(home, RUN)
    (change,) = changes.of(incident)
    incident.append(model.LOOKED, {"record": "l", "changes": [{"change": change.ref, "found": "gone"}], "at": times.text(times.now())})
    _status, said = in_force_now(monkeypatch, capsys, units=[ARMED.armed_as, "oncall-incident-undo-ffffffffffff"])
    assert said["changes"] == [] and said["units"] == [
        {"host": "web1", "unit": ARMED.armed_as, "incident": incident.id, "ref": change.ref},
        {"host": "web1", "unit": "oncall-incident-undo-ffffffffffff"},
    ]


def test_undo_names_what_nothing_here_takes_back(home: Path) -> None:
    record(home, dataclasses.replace(NOBODYS, undo={}))
    incident = opened(home, RUN)
    with pytest.raises(Stop, match="nothing of this collection undoes ban; its way back: CONFIG SET maxclients 12"):
        undo.undo_and_show(
            Request(scenario="undo", incident=incident.id), named=[], found=None, as_json=True)  # type: ignore[arg-type]
