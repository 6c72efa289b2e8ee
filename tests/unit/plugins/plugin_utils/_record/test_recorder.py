# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's policy when an event cannot be written, and what it knows of itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import provenance, reader, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.recorder import Recorder, explain
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

from .conftest import Opener


class _Stopped(BaseException):
    pass


def _stop(_exc: BaseException) -> None:
    raise _Stopped


def _recorder(open_segment: Callable[[], Segment], *, keep_going: bool) -> tuple[Recorder, list[str]]:
    warnings: list[str] = []
    recorder = Recorder(open_segment, keep_going=keep_going, stop=_stop, warn=warnings.append)
    recorder.open()
    return recorder, warnings


def test_it_stops_unless_told_otherwise(run_dir: Path, open_segment: Opener) -> None:
    recorder, _warnings = _recorder(open_segment, keep_going=False)
    recorder.event("x", {})
    assert recorder.segment is not None
    recorder.segment.path.unlink()
    with pytest.raises(_Stopped):
        recorder.event("y", {})
    recorder.segment.abandon()


def test_told_to_go_on_it_counts_what_is_lost_and_says_it_once(run_dir: Path, open_segment: Opener) -> None:
    recorder, warnings = _recorder(open_segment, keep_going=True)
    elsewhere = run_dir.with_name("elsewhere")
    run_dir.rename(elsewhere)
    run_dir.write_text("in the way")
    for _event in range(5):
        recorder.event("lost", {})
    assert len(warnings) == 1
    run_dir.unlink()
    elsewhere.rename(run_dir)
    recorder.event("kept", {})
    assert recorder.close() == 5
    events = list(reader.read(run_dir))
    assert [event["type"] for event in events] == ["segment.open", "segment.open", "recovered", "record.degraded", "kept", "segment.close"]
    assert events[3]["lost"] == 5 and events[-1]["lost"] == 5
    assert verify.check(run_dir).status == verify.OK


def test_a_value_of_ours_that_cannot_be_written_is_a_defect_and_no_reason_to_lose_the_segment(run_dir: Path, open_segment: Opener) -> None:
    recorder, warnings = _recorder(open_segment, keep_going=True)
    recorder.event("x", {"seq": 1})
    recorder.event("y", {})
    recorder.close()
    assert "defect" in warnings[0] and [event["type"] for event in reader.read(run_dir)][1:3] == ["record.degraded", "y"]


def test_explain_names_a_defect() -> None:
    assert "KeyError: 'x'" in explain(KeyError("x")) and "please report it" in explain(KeyError("x"))


def test_versions_of_a_collection(tmp_path: Path) -> None:
    assert provenance.collection_version(tmp_path) == ""
    (tmp_path / "galaxy.yml").write_text("namespace: oncall\nversion: '1.2.3'  # now\n")
    assert provenance.collection_version(tmp_path) == "1.2.3"
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "2.0.0"}}')
    assert provenance.collection_version(tmp_path) == "2.0.0"
    (tmp_path / "MANIFEST.json").write_text("broken")
    assert provenance.collection_version(tmp_path) == ""


def test_the_revision_is_what_git_says(tmp_path: Path) -> None:
    def git(*arguments: str, where: Path = tmp_path) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
        return subprocess.run(["git", *identity, *arguments], cwd=where, capture_output=True, text=True, check=True).stdout.strip()

    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert provenance.git_revision(inner).get("directory") != str(tmp_path)
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "x")
    expected = git("rev-parse", "HEAD")
    assert provenance.git_revision(inner) == {"git": expected, "branch": "main", "directory": str(tmp_path)}
    git("pack-refs", "--all")
    assert provenance.git_revision(inner)["git"] == expected
    git("worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    assert provenance.git_revision(tmp_path / "tree") == {"git": expected, "branch": "side", "directory": str(tmp_path / "tree")}
    git("checkout", "-q", "--detach")
    assert provenance.git_revision(inner) == {"git": expected, "branch": "", "directory": str(tmp_path)}


def test_who_is_this_process() -> None:
    found = provenance.who()
    assert found["pid"] == os.getpid() and found["uid"] == os.getuid() and found["cwd"] == os.getcwd()
