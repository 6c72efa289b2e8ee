# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A long segment goes on in the next file: the same writer, the same chain, the same summary."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, summary, verify, writer
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

LIMIT = 4096


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SEGMENT_BYTES", LIMIT)


def segment(run_dir: Path, **more: object) -> Segment:
    return Segment.open(run_dir, run="r", redactor=Redactor(key=b"k" * 32), opening={"kind": "execution"}, **more)  # type: ignore[arg-type]


def fill(opened: Segment, count: int = 60) -> None:
    for number in range(count):
        opened.append("result", {"host": "db1", "task": f"t{number}", "task_id": str(number), "status": "ok", "result": {}}, sync=False)


def test_it_goes_on_in_files_of_the_limit(tmp_path: Path) -> None:
    with segment(tmp_path) as opened:
        fill(opened)
    files = [path for _number, path in layout.segments(tmp_path)]
    assert len(files) > 2 and all(path.stat().st_size < LIMIT + 1024 for path in files)
    report = verify.check(tmp_path)
    assert report.status == verify.OK and report.segments == len(files)


def test_it_is_one_execution_and_an_intent_finds_its_result(tmp_path: Path) -> None:
    with segment(tmp_path) as opened:
        opened.append("intent", {"host": "db1", "task": "long", "task_id": "x"})
        fill(opened)
        opened.append("result", {"host": "db1", "task": "long", "task_id": "x", "status": "ok", "result": {}})
    folded = summary.summarise(tmp_path)
    assert len(folded.executions) == 1 and folded.executions[0]["ended_how"] == "normal"
    assert folded.unanswered == [] and folded.complete


def test_every_file_says_what_it_continues(tmp_path: Path) -> None:
    with segment(tmp_path) as opened:
        fill(opened)
    openings = [event for event in reader.read(tmp_path) if event["type"] == "segment.open"]
    assert [event.get("continues") for event in openings] == [None] + [1] * (len(openings) - 1)


def test_killed_between_two_files_it_is_incomplete_and_recovered(tmp_path: Path) -> None:
    opened = segment(tmp_path)
    fill(opened)
    opened.abandon()
    found = layout.segments(tmp_path)
    found[-1][1].unlink()  # the last one was not begun yet
    assert verify.check(tmp_path).status == verify.INCOMPLETE
    assert not summary.summarise(tmp_path).complete
    with segment(tmp_path) as again:
        again.append("note", {"text": "after"})
    report = verify.check(tmp_path)
    assert report.status == verify.OK, report.problems


def test_a_missing_file_in_the_middle_is_found(tmp_path: Path) -> None:
    with segment(tmp_path) as opened:
        fill(opened)
    layout.segment_path(tmp_path, 2).unlink()
    assert {problem.kind for problem in verify.check(tmp_path).problems} >= {"missing_segment", "chain"}


def test_a_writer_may_go_on_where_another_left_off(tmp_path: Path) -> None:
    for number in range(3):
        opened = segment(tmp_path, resume=True, name="events", lock=tmp_path / "own.lock")
        opened.append("note", {"text": str(number)})
        opened.abandon()
    assert [path.name for _number, path in layout.segments(tmp_path, "events")] == ["000001.jsonl"]
    assert [event.get("text") for event in reader.read(tmp_path, "events")] == [None, "0", "1", "2"]
    assert not (tmp_path / "lock").exists()


def test_checkpoints_see_a_cut_and_a_rewrite(tmp_path: Path) -> None:
    with segment(tmp_path) as opened:
        opened.append("note", {"text": "one"})
        seen = {opened.seq: opened.head}
    assert verify.check(tmp_path, heads=seen).status == verify.OK
    assert {problem.kind for problem in verify.check(tmp_path, heads={99: "0" * 64}).problems} == {"cut"}
    assert {problem.kind for problem in verify.check(tmp_path, heads={2: "0" * 64}).problems} == {"checkpoint"}
