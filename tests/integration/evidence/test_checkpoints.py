# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints are taken while something is being written, and notice a cut or a rewrite before there is any seal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

from oncall_incident.evidence import checkpoints, checks, closing, membership, settings, signing
from oncall_incident.record.outcome import Outcome
from oncall_incident.record.recording import summarise
from tests.support import incidents
from tests.support.wrapper import command

from .conftest import Case, said

RUN = "20260101T000000Z-db-recovery-abcdef"


@pytest.fixture
def open_case(tmp_path: Path) -> Case:
    return Case(tmp_path / "home", seal=False)


def test_of_a_run_that_is_being_written(open_case: Case) -> None:
    run_dir = layout.runs_dir(open_case.home) / RUN
    with Segment.open(run_dir, run=RUN, redactor=Redactor(key=b"k" * 32)) as segment:
        segment.append("task.start", {"task": "one"})
        first = checkpoints.of_run(open_case.incident, RUN, run_dir, open_case.signer)
        assert checkpoints.of_run(open_case.incident, RUN, run_dir, open_case.signer) is None  # nothing new
        segment.append("task.start", {"task": "two"})
        second = checkpoints.of_run(open_case.incident, RUN, run_dir, open_case.signer)
        head = segment.head
    assert first is not None and second is not None
    assert second.read_text().splitlines() == [f"oncall.incident/{open_case.incident.id}/runs/{RUN}", "3", head]
    assert signing.check(second, second.with_name(second.name + ".sig"), allowed=open_case.allowed).principal == "ann@ctl1"


def test_a_run_whose_record_was_cut_before_it_was_taken_in(open_case: Case) -> None:
    run_dir = incidents.write_record(open_case.home, run=RUN)
    checkpoints.of_run(open_case.incident, RUN, run_dir, open_case.signer)
    (path,) = (run_dir / "record").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-3]))
    assert command(open_case.home, "attach", open_case.incident.id, "--run", RUN).returncode == 0
    open_case.seal()
    verdict = open_case.check()
    assert verdict.status == checks.BROKEN and f"run {RUN}: record/" in said(verdict)


def test_events_cut_from_an_incident_that_was_never_sealed(open_case: Case) -> None:
    checkpoints.of_events(open_case.incident, open_case.signer)
    path = open_case.incident.data / "events" / "000001.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))
    verdict = checks.check(open_case.bundle, allowed=open_case.allowed, authority=None, own=open_case.incident.folder)
    assert verdict.status == checks.BROKEN and "A checkpoint saw line" in said(verdict)


def test_the_commands_take_them_as_people_write(open_case: Case) -> None:
    for number in range(3):
        done = command(open_case.home, "note", open_case.incident.id, f"note {number}", INCIDENT_SIGN_KEY=str(open_case.signer.key))
        assert done.returncode == 0, done.stderr
    taken = list(checkpoints.read(open_case.incident.data))
    assert len(taken) == 1  # a fresh one is enough
    assert taken[0].path.with_name(taken[0].path.name + ".sig").is_file()


def test_without_a_key_they_are_unsigned_and_said(open_case: Case) -> None:
    checkpoints.of_events(open_case.incident, None)
    verdict = checks.check(open_case.bundle, allowed=open_case.allowed, authority=None, own=open_case.incident.folder)
    (statement,) = [item for item in verdict.statements if item.what == "checkpoints"]
    assert statement.status == checks.UNPROVEN and "1 checkpoint taken" in statement.text and "0 signed" in statement.text


def test_a_run_takes_one_from_time_to_time(open_case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the wrapper calls while Ansible runs."""
    monkeypatch.setattr(membership, "EVERY", 0.0)
    monkeypatch.setenv("INCIDENT_SIGN_KEY", str(open_case.signer.key))
    member = membership.Membership.begin(
        home=open_case.home, given=None, scenario="db-recovery", playbook="oncall.incident.db_recovery", run=RUN,
        run_dir=layout.runs_dir(open_case.home) / RUN, about="db1", collection=Path(__file__).parent, versions={"collection": "0"},
        cwd=open_case.home,
    )
    run_dir = incidents.write_record(open_case.home, run=RUN)
    member.tick()
    member.tick()
    assert [item.origin.rpartition("/")[2] for item in checkpoints.read(member.incident.data)] == [RUN]
    notes = member.end(Outcome("recovered", 0, "db1 is measured healthy."), summarise(run_dir))  # type: ignore[arg-type]
    assert member.incident.state().status == "closed" and not [note for note in notes if "not signed" in note]
    verdict = checks.check(member.incident.bundle, allowed=open_case.allowed, authority=None)
    assert verdict.status != checks.BROKEN, said(verdict)
    state = json.loads((member.incident.data / "incident.json").read_text())
    assert {item["name"] for item in state["milestones"]} >= {"mitigation_start", "mitigated", "verified", "resolved"}


def test_closing_twice_seals_twice(open_case: Case) -> None:
    configured = settings.load(open_case.home)
    for number in (1, 2):
        closed = closing.close(open_case.incident, configured=configured, resolution="done", make_key=True)
        assert closed.sealed.number == number
