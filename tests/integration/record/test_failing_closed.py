# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When it cannot be written down, it does not happen: full disks, lost directories, kills, two writers, our own defects."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, summary, verify

from tests.support.site import Ended

from .conftest import Playbook

TASKS = 30
# Each leaves a file when it really ran; by a lookup, so that no module has to be written to the limited disk.
TOUCH = """
    - name: task {number}
      ansible.builtin.debug:
        msg: "{{{{ lookup('pipe', 'touch ran-{number:02d}') }}}} {padding}"
"""
TOUCHES = "- hosts: all\n  gather_facts: false\n  tasks:" + "".join(TOUCH.format(number=place, padding="x" * 400) for place in range(TASKS))
WAITS = """
- hosts: all
  gather_facts: false
  tasks:
    - name: before
      ansible.builtin.debug:
        msg: x
    - name: wait
      ansible.builtin.command: sh -c 'touch {{ playbook_dir }}/waiting; until test -e {{ playbook_dir }}/go; do sleep 0.05; done'
      tags: [mitigate]
    - name: after
      ansible.builtin.command: touch {{ playbook_dir }}/after
"""
PATIENCE = 60.0


def _ran(playbook: Playbook) -> int:
    return len(list(playbook.place.glob("ran-*")))


def _await(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s in vain until {what}"
        time.sleep(0.02)


def _stopped_before_the_next_task(playbook: Playbook, done: Ended) -> None:
    """What ran was announced in the record, and at most the task whose result could not be written is past it."""
    assert done.status == 97, done.output
    assert 0 < _ran(playbook) < TASKS
    assert _ran(playbook) <= len(done.events("intent"))
    report = verify.check(done.run_dir)
    assert report.status == verify.INCOMPLETE and {problem.kind for problem in report.problems} <= {"unclosed", "torn"}, report
    assert "PLAY RECAP" not in done.output


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 KiB; only root can make one."""
    if os.getuid() != 0 or sys.platform != "linux":
        pytest.skip("only root can mount a small file system; the same is tested by a file size limit")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k,mode=0700", "tmpfs", str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode(errors='replace').strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_stops_the_run_before_the_next_task(playbook: Playbook, small_disk: Path) -> None:
    done = playbook.run(TOUCHES, environ={"INCIDENT_HOME": str(small_disk)})
    _stopped_before_the_next_task(playbook, done)
    assert f"{done.run_dir}/record/000001.jsonl: No space left on device (ENOSPC). Free space" in done.output


def test_a_full_disk_at_the_start(one_playbook: Playbook, small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        (small_disk / "ballast").write_bytes(b"x" * 1_000_000)
    done = one_playbook.run(TOUCHES, environ={"INCIDENT_HOME": str(small_disk)})
    assert done.status == 97 and _ran(one_playbook) == 0 and "ENOSPC" in done.output


def test_told_to_go_on_it_goes_on_and_records_that(playbook: Playbook, small_disk: Path) -> None:
    """Full at the second task; space comes back at the twentieth."""
    subprocess.run(["mount", "-o", "remount,size=512k", str(small_disk)], check=True)
    text = TOUCHES.replace("touch ran-02", f"head -c 1000000 /dev/zero > {small_disk}/ballast; touch ran-02")
    text = text.replace("touch ran-20", f"rm {small_disk}/ballast; touch ran-20").replace("x" * 400, "x")
    done = playbook.run(text, environ={"INCIDENT_HOME": str(small_disk), "INCIDENT_RECORD_ON_ERROR": "continue"})
    assert _ran(playbook) == TASKS and done.status == 0, done.output
    assert done.output.count("Going on without a record") == 1 and "events could not be written" in done.output
    assert verify.check(done.run_dir).status == verify.OK
    degraded = done.events("record.degraded")
    assert degraded[0]["lost"] >= 30 and "ENOSPC" in degraded[0]["why"]
    assert summary.summarise(done.run_dir).lost_events == done.events("segment.close")[0]["lost"] >= 30
    assert done.events("segment.open")[0]["on_error"] == "continue"


def test_a_file_size_limit_stops_the_run_before_the_next_task(playbook: Playbook) -> None:
    """The same as a full disk, for a plain user."""
    done = playbook.run(TOUCHES, file_size_limit=20_000)
    _stopped_before_the_next_task(playbook, done)
    assert "File too large (EFBIG)" in done.output


@pytest.mark.parametrize("home", ["/dev/null/x", "file/x"])
def test_a_home_that_cannot_be_made_stops_the_run_before_its_first_task(playbook: Playbook, home: str) -> None:
    (playbook.place / "file").write_text("")
    done = playbook.run(TOUCHES, environ={"INCIDENT_HOME": home})
    assert done.status == 97 and _ran(playbook) == 0
    assert "Cannot make the directory of the record" in done.output and "Not a directory (ENOTDIR)" in done.output


@pytest.mark.parametrize("option", ["INCIDENT_REDACT_PATTERNS", "INCIDENT_RECORD_ON_ERROR"])
def test_a_wrong_setting_stops_the_run_before_its_first_task(playbook: Playbook, option: str) -> None:
    """Ansible makes a warning of it and would run without a recorder."""
    done = playbook.run(TOUCHES, environ={option: "("})
    assert done.status == 97 and _ran(playbook) == 0, done.output
    assert option.removeprefix("INCIDENT_").removeprefix("RECORD_").lower() in done.output


def test_a_record_removed_in_mid_run_stops_the_run(playbook: Playbook) -> None:
    done = playbook.run(TOUCHES.replace("touch ran-05", f"rm -r {playbook.home}/runs; touch ran-05"))
    assert done.status == 97 and _ran(playbook) == 6, done.output
    assert "was removed or moved while the run was writing" in done.output


def test_a_record_removed_in_mid_run_is_begun_again_when_told_to_go_on(one_playbook: Playbook) -> None:
    text = TOUCHES.replace("touch ran-05", f"rm -r {one_playbook.home}/runs; touch ran-05")
    done = one_playbook.run(text, environ={"INCIDENT_RECORD_ON_ERROR": "continue"})
    assert done.status == 0 and _ran(one_playbook) == TASKS
    assert verify.check(done.run_dir).status == verify.OK and summary.summarise(done.run_dir).lost_events == 1


DEFECT = """
import sys
sys.path[:0] = {path!r}
from types import SimpleNamespace
from ansible_collections.oncall.incident.plugins.callback import evidence
callback = evidence.CallbackModule()
callback.v2_runner_on_ok(SimpleNamespace())
callback.{method}
print("went on")
"""


@pytest.mark.smoke
@pytest.mark.parametrize("method", [
    "v2_playbook_on_start(object())", "v2_playbook_on_play_start(object())", "v2_runner_on_start(object(), object())",
    "v2_runner_on_ok(object())",
    "v2_runner_on_failed(object())", "v2_runner_item_on_ok(object())", "v2_playbook_on_stats(object())",
    "v2_playbook_on_task_start(object(), False)",
])
def test_a_defect_of_ours_ends_the_process(method: str) -> None:
    """An exception would be a warning."""
    code = DEFECT.format(path=sys.path, method=method)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 97, done.stderr
    assert "a defect of oncall.incident" in done.stderr and "went on" not in done.stdout


class _Waiting:
    """A run that waits in its second task."""

    def __init__(self, playbook: Playbook, run_dir: Path) -> None:
        self.playbook, self.run_dir = playbook, run_dir
        self.environ = playbook.environment(INCIDENT_RUN_DIR=str(run_dir))
        self.process = subprocess.Popen(
            playbook.argv(WAITS), cwd=playbook.place, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def __enter__(self) -> _Waiting:
        _await(lambda: (self.playbook.place / "waiting").exists() or self.process.poll() is not None, "the task waits")
        assert self.process.poll() is None, self.process.communicate()[0]
        return self

    def __exit__(self, *_exc: object) -> None:
        (self.playbook.place / "go").touch()  # ends the worker that outlives a killed ansible-playbook
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=PATIENCE)


def test_killed_in_mid_run_the_record_is_readable_and_names_what_is_unknown(playbook: Playbook) -> None:
    run_dir = playbook.place / "bundle" / "run"
    with _Waiting(playbook, run_dir) as waiting:
        waiting.process.kill()
        waiting.process.wait(timeout=PATIENCE)
        report = verify.check(run_dir)
        assert report.status == verify.INCOMPLETE
        assert [(problem.kind, problem.segment, problem.line) for problem in report.problems] == [("unclosed", 1, report.events)]
        folded = summary.summarise(run_dir)
        assert not folded.complete
        assert [(intent["host"], intent["task"], intent["phase"]) for intent in folded.unanswered] == [("localhost", "wait", "mitigate")]
        # The worker lives on and holds no lock: the next execution is not kept out, closes the segment and goes on.
        again = playbook.run(TOUCHES, environ=waiting.environ)
        assert again.status == 0, again.output
    report = verify.check(run_dir)
    assert report.status == verify.OK and report.recovered == (1,)
    assert [event["of"] for event in reader.read(run_dir) if event["type"] == "recovered"] == [1]
    assert [intent["task"] for intent in summary.summarise(run_dir).unanswered] == ["wait"]


def test_interrupted_by_ctrl_c_the_record_is_closed(playbook: Playbook) -> None:
    run_dir = playbook.place / "bundle" / "run"
    with _Waiting(playbook, run_dir) as waiting:
        waiting.process.send_signal(signal.SIGINT)
        waiting.process.wait(timeout=PATIENCE)
    assert verify.check(run_dir).status == verify.OK
    assert [event["ended"] for event in reader.read(run_dir) if event["type"] == "segment.close"] == ["aborted"]
    assert [intent["task"] for intent in summary.summarise(run_dir).unanswered] == ["wait"]
    assert not (playbook.place / "after").exists()


def test_two_executions_at_once_on_one_run(one_playbook: Playbook) -> None:
    run_dir = one_playbook.place / "bundle" / "run"
    with _Waiting(one_playbook, run_dir) as waiting:
        second = one_playbook.run(TOUCHES, environ=waiting.environ, name="second.yml")
        assert second.status == 97 and _ran(one_playbook) == 0
        assert f"is being written by pid {waiting.process.pid}" in second.output
        (one_playbook.place / "go").touch()
        assert waiting.process.wait(timeout=PATIENCE) == 0
    assert verify.check(run_dir).status == verify.OK and len(layout.segments(run_dir)) == 1
    shutil.rmtree(run_dir)
