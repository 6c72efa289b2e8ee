# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verifier names the line: changed, removed, added, torn, missing, reordered."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify

from .conftest import Opener


def _edit(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))


def _where(run_dir: Path) -> list[tuple[str, int, int]]:
    return [(problem.kind, problem.segment, problem.line) for problem in verify.check(run_dir).problems]


def test_an_untouched_record_is_ok(three_segments: Path) -> None:
    report = verify.check(three_segments)
    assert (report.status, report.problems, report.segments, report.events, report.blobs) == (verify.OK, (), 3, 15, 1)
    assert json.loads(json.dumps(report.as_dict()))["status"] == "ok"


@pytest.mark.parametrize("segment", [1, 2, 3])
@pytest.mark.parametrize("line", [1, 2, 5])
@pytest.mark.parametrize("place", [0.3, 0.9])
def test_one_changed_byte(three_segments: Path, segment: int, line: int, place: float) -> None:
    """Seen at the line after it; in a closing line, which has none after it, at once."""
    path = layout.segment_path(three_segments, segment)
    lines = path.read_bytes().splitlines()
    changed = bytearray(lines[line - 1])
    spot = int(len(changed) * place)
    changed[spot] = ord("0") if changed[spot] != ord("0") else ord("1")
    _edit(path, lambda old: [*old[: line - 1], bytes(changed), *old[line:]])
    report = verify.check(three_segments)
    assert report.status == verify.BROKEN
    first = report.problems[0]
    seen_at = {(segment, line), (segment, line + 1)} if line < 5 else {(segment, 5), (segment + 1, 1)}
    assert (first.segment, first.line) in seen_at, report.problems


@pytest.mark.parametrize(("segment", "line", "expected"), [(1, 1, (1, 1)), (2, 3, (2, 3)), (2, 5, (3, 1)), (3, 4, (3, 4))])
def test_a_removed_line(three_segments: Path, segment: int, line: int, expected: tuple[int, int]) -> None:
    _edit(layout.segment_path(three_segments, segment), lambda old: old[: line - 1] + old[line:])
    report = verify.check(three_segments)
    assert report.status == verify.BROKEN
    assert ("chain", *expected) in _where(three_segments)


def test_lines_cut_off_the_end_are_incomplete_not_broken(three_segments: Path) -> None:
    _edit(layout.segment_path(three_segments, 3), lambda old: old[:3])
    assert verify.check(three_segments).status == verify.INCOMPLETE
    assert _where(three_segments) == [("unclosed", 3, 3)]


@pytest.mark.parametrize("line", [1, 3, 5])
def test_an_added_line(three_segments: Path, line: int) -> None:
    """Even one that carries the right hash of the line before."""
    path = layout.segment_path(three_segments, 2)
    lines = list(reader.segment_lines(path, 2))
    event = lines[line - 1].event
    assert event is not None
    forged = json.dumps({**event, "prev": lines[line - 1].digest, "type": "result"}, separators=(",", ":")).encode()
    _edit(path, lambda old: [*old[:line], forged, *old[line:]])
    report = verify.check(three_segments)
    assert report.status == verify.BROKEN
    assert report.problems[0].segment == 2 and report.problems[0].line in (line + 1, line + 2)


def test_a_line_after_the_last(three_segments: Path) -> None:
    path = layout.segment_path(three_segments, 3)
    last = list(reader.segment_lines(path, 3))[-1]
    with path.open("ab") as stream:
        stream.write(json.dumps({**last.event, "seq": 16, "prev": last.digest, "type": "x"}).encode() + b"\n")
    assert ("after_close", 3, 6) in _where(three_segments)


@pytest.mark.parametrize("added", [b"x", b'{"seq":16'])
def test_half_a_line_after_the_last_is_no_crash(three_segments: Path, added: bytes) -> None:
    path = layout.segment_path(three_segments, 3)
    path.write_bytes(path.read_bytes() + added)
    assert verify.check(three_segments).status == verify.BROKEN
    assert ("after_close", 3, 6) in _where(three_segments)


def test_two_lines_exchanged(three_segments: Path) -> None:
    _edit(layout.segment_path(three_segments, 1), lambda old: [old[0], old[2], old[1], *old[3:]])
    assert _where(three_segments)[0] == ("chain", 1, 2)


def test_a_missing_segment(three_segments: Path) -> None:
    layout.segment_path(three_segments, 2).unlink()
    assert _where(three_segments) == [("missing_segment", 2, 0), ("chain", 3, 1)]


def test_two_segments_exchanged(three_segments: Path) -> None:
    one, two = layout.segment_path(three_segments, 1), layout.segment_path(three_segments, 2)
    spare = one.with_name("spare")
    one.rename(spare), two.rename(one), spare.rename(two)
    assert ("chain", 1, 1) in _where(three_segments) and ("identity", 1, 1) in _where(three_segments)


def test_a_segment_of_another_run(three_segments: Path, tmp_path: Path) -> None:
    path = layout.segment_path(three_segments, 3)
    _edit(path, lambda old: [old[0].replace(b'"run":"2026', b'"run":"2025'), *old[1:]])
    assert ("identity", 3, 1) in _where(three_segments)


def test_a_line_that_is_no_json(three_segments: Path) -> None:
    _edit(layout.segment_path(three_segments, 1), lambda old: [*old[:2], b"rubbish", *old[3:]])
    assert _where(three_segments)[:2] == [("not_json", 1, 3), ("chain", 1, 4)]


@pytest.mark.parametrize("how", ["changed", "missing"])
def test_a_blob(three_segments: Path, how: str) -> None:
    blob = next(path for path in (three_segments / "blobs").rglob("*") if path.is_file())
    if how == "missing":
        blob.unlink()
    else:
        data = bytearray(blob.read_bytes())
        data[50_000] ^= 1
        blob.write_bytes(data)
    assert _where(three_segments) == [(f"{how}_blob", 2, 3)]


def test_a_record_from_elsewhere_cannot_name_other_files(run_dir: Path, open_segment: Opener) -> None:
    with open_segment() as segment:
        # Written past the redactor, which escapes such keys of a host's results.
        segment.redactor.clean = lambda payload: (dict(payload), 0)  # type: ignore[method-assign]
        segment.append("x", {"result": {"$blob": {"sha256": "../../../../../etc/passwd"}}})
    assert _where(run_dir) == [("missing_blob", 1, 2)]
    with pytest.raises(ValueError, match="SHA-256"):
        reader.blob(run_dir, {"$blob": {"sha256": "/etc/passwd"}})


def test_an_unclosed_segment_needs_its_recovery(run_dir: Path, open_segment: Opener) -> None:
    segment = open_segment()
    segment.append("intent", {"host": "db1"})
    segment.abandon()
    assert _where(run_dir) == [("unclosed", 1, 2)] and verify.check(run_dir).status == verify.INCOMPLETE
    open_segment().close()
    assert _where(run_dir) == [] and verify.check(run_dir).recovered == (1,)


def test_no_record(tmp_path: Path) -> None:
    assert _where(tmp_path) == [("no_record", 0, 0)]


def test_a_torn_line_in_the_middle_of_a_record_is_broken_without_recovery(three_segments: Path) -> None:
    path = layout.segment_path(three_segments, 1)
    os.truncate(path, path.stat().st_size - 30)
    assert verify.check(three_segments).status == verify.BROKEN
    assert ("chain", 2, 1) in _where(three_segments)


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("sha256sum") is None, reason="needs bash and sha256sum")
def test_the_documented_check_without_our_tools(three_segments: Path) -> None:
    documented = (Path(__file__).resolve().parents[5] / "docs" / "record.md").read_text()
    script = documented.partition("```bash\n")[2].partition("```")[0]

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", script], cwd=three_segments, capture_output=True, text=True, timeout=60, check=False)

    whole = check()
    assert whole.returncode == 0 and f"its head is {verify.check(three_segments).head}" in whole.stdout, whole.stderr
    blob = next(path for path in (three_segments / "blobs").rglob("*") if path.is_file())
    blob.write_bytes(blob.read_bytes() + b"x")
    assert check().returncode == 1
    blob.write_bytes(blob.read_bytes()[:-1])
    _edit(layout.segment_path(three_segments, 2), lambda old: [old[0], *old[2:]])
    broken = check()
    assert broken.returncode == 1 and "000002.jsonl: broken before: {\"seq\":8" in broken.stdout


def _chained(path: Path, change: Callable[[int, bytes], bytes]) -> None:
    """Change lines and write the chain after them anew, as somebody would who knows how."""
    head, made = reader.GENESIS, []
    for number, line in enumerate(path.read_bytes().splitlines()):
        event = json.loads(line)
        body = change(number, json.dumps({**event, "prev": head}).encode())
        made.append(body + b"\n")
        head = hashlib.sha256(body).hexdigest()
    path.write_bytes(b"".join(made))


_FORGED: dict[str, Callable[[bytes], bytes]] = {
    "a key that is there twice": lambda line: line[:-1] + b', "seq": 99}',
    "no JSON": lambda line: line[:-1],
    "two objects": lambda line: line + b" {}",
    "a list": lambda line: b"[" + line + b"]",
    "blanks around": lambda line: b"  " + line + b" ",
    "another run": lambda line: line[:-1] + b', "run": "another"}',
    "another segment": lambda line: line[:-1] + b', "segment": 7}',
    "a number with a fraction": lambda line: line[:-1] + b', "seq": 3.0}',
    "no UTF-8": lambda line: line[:-1] + b', "x": "\xff"}',
    "nested too deeply": lambda line: line[:-1] + b', "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "a close in the middle": lambda line: line[:-1] + b', "type": "segment.close"}',
    "a blob that is not there": lambda line: line[:-1] + b', "x": {"$blob": {"sha256": "' + b"0" * 64 + b'", "bytes": 1}}}',
}


@pytest.mark.parametrize("name", ["nothing", *_FORGED])
def test_a_plain_line_is_judged_as_any_other(three_segments: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Lines are taken in fast as long as they are plain: line by line nothing else is found, and whoever looks on sees the same."""
    forge = _FORGED.get(name, lambda line: line)
    _chained(layout.segment_path(three_segments, 1), lambda number, line: forge(line) if number == 2 else line)
    shown: list[object] = []
    fast = verify.check(three_segments, heads={2: "0" * 64, 4: "1" * 64}, seen=shown.append)
    assert shown == list(reader.read(three_segments))
    monkeypatch.setattr(verify._Walk, "_plain", lambda self, lines, segment: (0, next(lines, b""), None))
    assert fast == verify.check(three_segments, heads={2: "0" * 64, 4: "1" * 64})
    assert [problem.line for problem in fast.problems if problem.kind == "checkpoint"][:1] == [2]
    if name not in ("nothing", "blanks around", "a number with a fraction"):
        assert any((problem.segment, problem.line) in ((1, 3), (1, 4)) and problem.kind != "checkpoint" for problem in fast.problems), fast


def test_who_looks_on_sees_what_follows_a_torn_line(three_segments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_LINE_BYTES", 4096)
    _edit(layout.segment_path(three_segments, 2), lambda old: [*old[:2], b"x" * 4096 + b"y", *old[2:]])
    shown: list[object] = []
    report = verify.check(three_segments, seen=shown.append)
    assert shown == list(reader.read(three_segments)) and len(shown) == 15
    assert report.status == verify.BROKEN


def test_a_blob_is_not_read_where_its_hash_is_known(three_segments: Path) -> None:
    asked: list[Path] = []
    report = verify.check(three_segments, digest=lambda path: asked.append(path) or "0" * 64)  # type: ignore[func-returns-value]
    assert len(asked) == 1 and [problem.kind for problem in report.problems] == ["changed_blob"]
