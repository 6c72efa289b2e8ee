# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Segments: the chain over executions, one writer at a time, and what is left when writing fails."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import CannotRecord, RecordInUse
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

from .conftest import RUN, Opener

ROOT = Path(__file__).resolve().parents[5]
PRELUDE = f"""
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{str(ROOT / ".collections")!r}]
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment
def begin():
    return Segment.open(Path(sys.argv[1]), run={RUN!r}, redactor=Redactor(key=b"k" * 32))
"""


def _python(code: str, run_dir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PRELUDE + code, str(run_dir)], capture_output=True, text=True, timeout=60, check=False)


def test_every_line_carries_the_hash_of_the_line_before_over_all_segments(three_segments: Path) -> None:
    """Checked with the tool that everybody has."""
    head = reader.GENESIS
    seq = 0
    for number, path in layout.segments(three_segments):
        for raw in path.read_bytes().splitlines():
            event = json.loads(raw)
            seq += 1
            assert event["prev"] == head and event["seq"] == seq and event["segment"] == number and event["run"] == RUN
            assert list(event)[:7] == ["seq", "ts", "mono", "type", "run", "segment", "prev"]
            assert event["ts"].endswith("Z") and len(event["ts"]) == 24
            head = subprocess.run(["sha256sum"], input=raw, capture_output=True, check=True).stdout[:64].decode()
    assert seq == 15 and verify.check(three_segments).head == head


def test_files_are_for_the_owner_only(three_segments: Path) -> None:
    for path in [three_segments, *three_segments.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_large_values_go_to_blobs_named_by_their_hash(run_dir: Path, open_segment: Opener) -> None:
    big, members = "é" * 600_000, [f"row {n} of many" for n in range(10_000)]
    with open_segment() as segment:
        segment.append("result", {"result": {"stdout": big, "rows": members, "rc": 0}})
        segment.append("result", {"result": {"stdout": big}})
    events = [event for event in reader.read(run_dir) if event["type"] == "result"]
    result = events[0]["result"]
    assert result["rc"] == 0
    assert reader.blob(run_dir, result["stdout"]).decode() == big and result["stdout"]["$blob"]["bytes"] == 1_200_000
    assert json.loads(reader.blob(run_dir, result["rows"])) == members
    assert events[1]["result"]["stdout"] == result["stdout"]
    assert len([path for path in (run_dir / "blobs").rglob("*") if path.is_file()]) == 2
    assert max(len(line.raw) for line in reader.lines(run_dir)) < 8192
    assert verify.check(run_dir).status == verify.OK


def test_a_secret_is_removed_before_a_value_is_spilled(run_dir: Path) -> None:
    redactor = Redactor(key=b"k" * 32)
    redactor.learn("CANARY-in-the-middle")
    with Segment.open(run_dir, run=RUN, redactor=redactor) as segment:
        segment.append("result", {"result": {"stdout": "a" * 65_530 + "CANARY-in-the-middle" + "b" * 70_000}})
    assert not [path for path in run_dir.rglob("*") if path.is_file() and b"CANARY" in path.read_bytes()]


def test_text_that_is_not_utf8_is_spelled_out(run_dir: Path, open_segment: Opener) -> None:
    many = [{"line": "caf\udce9"} for _ in range(5000)]
    with open_segment() as segment:
        segment.append("result", {"result": {"stdout": "\udcff \ud800 ü", "caf\udce9": 1, "big": "\ud800" * 70_000, "many": many}})
        segment.append("result", {"result": {"stdout": "\udce9" * 70_000}})
    first, second = [event["result"] for event in reader.read(run_dir) if event["type"] == "result"]
    assert first["stdout"] == "\\xff \\ud800 ü" and first["caf\\xe9"] == 1
    assert reader.blob(run_dir, first["big"])[:12] == b"\\ud800\\ud800" and json.loads(reader.blob(run_dir, first["many"]))[0] == {
        "line": "caf\\xe9"
    }
    assert reader.blob(run_dir, second["stdout"]) == b"\xe9" * 70_000, "a large output is kept byte for byte"
    for path in (run_dir / "record").iterdir():
        assert "\\ud" not in path.read_bytes().decode("utf-8").replace("\\\\ud", "")
    assert verify.check(run_dir).status == verify.OK


def test_lone_surrogates_of_an_earlier_version_are_spelled_out_by_the_reader() -> None:
    assert reader.parse(b'{"text":"caf\\udce9","\\ud800":[{"\\uDCFF":"\\ud83d\\ude00"}]}') == {
        "text": "caf\\xe9", "\\ud800": [{"\\xff": "\U0001f600"}]
    }
    assert reader.parse('{"text":"\ud800"}'.encode("utf-8", "surrogatepass")) == {"text": "\\ud800"}
    assert reader.parse('{"text":"한글 \\\\ud800"}'.encode()) == {"text": "한글 \\ud800"}


def test_the_envelope_cannot_be_overwritten(open_segment: Opener) -> None:
    with open_segment() as segment, pytest.raises(ValueError, match="seq"):
        segment.append("x", {"seq": 1})


def test_one_writer_at_a_time_in_one_process(open_segment: Opener) -> None:
    with open_segment(), pytest.raises(RecordInUse, match=f"this process \\({os.getpid()}\\)"):
        open_segment()
    open_segment().close()


def test_one_writer_at_a_time_over_processes(run_dir: Path, open_segment: Opener) -> None:
    with open_segment():
        other = _python("begin()", run_dir)
    assert other.returncode != 0 and f"is being written by pid {os.getpid()}" in other.stderr
    assert _python("begin().close()", run_dir).returncode == 0
    assert verify.check(run_dir).status == verify.OK


def test_the_lock_dies_with_its_process_even_when_a_forked_child_lives_on(run_dir: Path, open_segment: Opener) -> None:
    """Ansible's workers outlive a killed ansible-playbook, and must not lock the next execution out."""
    code = """
segment = begin()
segment.append("intent", {"host": "db1"})
import subprocess
child = os.fork()
if child == 0:
    os.close(1); os.close(2)
    signal.pause()
print(child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = _python(code, run_dir)
    child = int(done.stdout)
    try:
        assert done.returncode == -signal.SIGKILL
        open_segment().close()
    finally:
        os.kill(child, signal.SIGKILL)
    assert verify.check(run_dir).recovered == (1,)


def test_a_forked_child_cannot_write(open_segment: Opener) -> None:
    with open_segment() as segment:
        child = os.fork()
        if child == 0:
            try:
                segment.append("x", {})
            except CannotRecord:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_killed_writer_leaves_a_readable_record_that_the_next_segment_recovers(run_dir: Path, open_segment: Opener) -> None:
    code = """
segment = begin()
for number in range(5):
    segment.append("intent", {"host": f"db{number}"})
os.write(segment._fd, b'{"seq":7,"half a li')
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert _python(code, run_dir).returncode == -signal.SIGKILL
    assert [event["type"] for event in reader.read(run_dir)] == ["segment.open", *["intent"] * 5]
    report = verify.check(run_dir)
    assert report.status == verify.INCOMPLETE
    assert [(problem.kind, problem.segment, problem.line) for problem in report.problems] == [("torn", 1, 7)]
    before = layout.segment_path(run_dir, 1).read_bytes()
    open_segment().close()
    report = verify.check(run_dir)
    assert report.status == verify.OK and report.recovered == (1,)
    recovered = next(event for event in reader.read(run_dir) if event["type"] == "recovered")
    assert recovered["of"] == 1 and recovered["last_seq"] == 6 and recovered["torn_bytes"] == 19
    assert layout.segment_path(run_dir, 1).read_bytes() == before


def test_segments_whose_writers_died_before_their_first_line(run_dir: Path, open_segment: Opener) -> None:
    with open_segment() as segment:
        segment.append("x", {})
    for number in (2, 3):
        layout.segment_path(run_dir, number).touch()
    assert [problem.kind for problem in verify.check(run_dir).problems] == ["empty_segment"]
    open_segment().close()
    report = verify.check(run_dir)
    assert report.status == verify.OK and report.recovered == (2, 3)
    assert [event["seq"] for event in reader.read(run_dir)] == [1, 2, 3, 4, 5, 6]


def test_a_file_size_limit_leaves_whole_lines_and_says_so(run_dir: Path) -> None:
    """The kernel takes half a line and refuses the rest, as a full disk does; runs as a plain user."""
    code = """
import resource
segment = begin()
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    for number in range(100):
        segment.append("intent", {"host": f"db{number}"})
except Exception as exc:
    print(exc.as_result()["msg"])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
segment.append("after", {})
segment.close()
"""
    done = _python(code, run_dir)
    assert done.returncode == 0, done.stderr
    assert "000001.jsonl: File too large (EFBIG). A file size limit" in done.stdout
    assert verify.check(run_dir).status == verify.OK
    assert [event["type"] for event in reader.read(run_dir)][-2:] == ["after", "segment.close"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("what", ["file", "directory", "run", "moved"])
def test_a_record_that_vanished_is_noticed(run_dir: Path, open_segment: Opener, what: str) -> None:
    segment = open_segment()
    if what == "moved":
        run_dir.rename(run_dir.with_name("elsewhere"))
    else:
        target = {"file": segment.path, "directory": segment.path.parent, "run": run_dir}[what]
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(CannotRecord, match="ENOENT") as caught:
        segment.append("x", {})
    assert "was removed or moved" in str(caught.value.hint)
    assert caught.value.facts["errno"] == errno.ENOENT and str(segment.path) in caught.value.message
    segment.abandon()


def test_a_record_cut_by_somebody_else_is_noticed(open_segment: Opener) -> None:
    segment = open_segment()
    os.truncate(segment.path, 10)
    with pytest.raises(CannotRecord):
        segment.append("x", {})
    segment.abandon()


def test_a_line_written_but_not_yet_known_is_taken_in(run_dir: Path, open_segment: Opener) -> None:
    """Ctrl-C can fall between the write and the bookkeeping."""
    with open_segment() as segment:
        state = (segment._seq, segment._head, segment._size)
        segment.append("first", {})
        segment._seq, segment._head, segment._size = state
        segment.append("second", {})
        os.write(segment._fd, b'{"seq":')
        segment.append("third", {})
    assert verify.check(run_dir).status == verify.OK
    assert [event["type"] for event in reader.read(run_dir)] == ["segment.open", "first", "second", "third", "segment.close"]


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRecord, match="Cannot make the directory of the record"):
        Segment.open(tmp_path / "file" / "runs" / "x", run="x", redactor=Redactor(key=b"k" * 32))


def test_a_directory_that_the_user_may_not_write() -> None:
    with tempfile.TemporaryDirectory() as base:
        os.chmod(base, 0o555)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if os.getuid() == 0:
                    os.setuid(65534)
                Segment.open(Path(base) / "runs" / "x", run="x", redactor=Redactor(key=b"k" * 32))
            except CannotRecord as exc:
                status = 7 if exc.facts["errno"] == errno.EACCES and "writable for this user" in str(exc.hint) else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_run_ids_sort_by_time_and_are_file_names() -> None:
    run = layout.new_run_id("incident/db-recovery.yml", now=1_763_724_000.0)
    assert run.startswith("20251121T112000Z-db-recovery-") and len(run.rpartition("-")[2]) == 6
    assert "-db-recovery-" in layout.new_run_id("oncall.incident.db_recovery", now=0)
    assert "-run-" in layout.new_run_id("/..", now=0)


def test_home_follows_the_environment() -> None:
    assert layout.default_home({"INCIDENT_HOME": "/x"}) == Path("/x")
    assert layout.default_home({"XDG_DATA_HOME": "/y"}) == Path("/y/oncall-incident")
    assert layout.default_home({}) == Path.home() / ".local/share/oncall-incident"


def test_a_follower_sees_each_event_once_and_no_half_line(run_dir: Path, open_segment: Opener) -> None:
    follower = reader.Follower(run_dir)
    assert list(follower.new_events()) == []
    with open_segment() as segment:
        assert [event["type"] for event in follower.new_events()] == ["segment.open"]
        segment.append("x", {})
        os.write(segment._fd, b'{"half')
        assert [event["type"] for event in follower.new_events()] == ["x"]
        assert list(follower.new_events()) == []
    with open_segment():
        assert [event["type"] for event in follower.new_events()] == ["segment.close", "segment.open"]
