# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-runner's own files and habits, looked at where they happen: in the private directory."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest

from oncall_incident.running import launch
from oncall_incident.running.stopping import Stopper

# What differs between Pythons and versions of ansible-core is met here first.
pytestmark = pytest.mark.smoke

PLAYBOOK = """
- name: Nothing much
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Say it
      ansible.builtin.debug:
        msg: "{{ item }}"
      loop: "{{ range(%d) | list }}"
    - name: Keep a fact
      ansible.builtin.set_fact:
        kept: value
        cacheable: true
"""


def prepared(tmp_path: Path, *, items: int = 3, **more: Any) -> launch.Launch:
    book = tmp_path / "book.yml"
    book.write_text(PLAYBOOK % items)
    directory = tmp_path / "private"
    directory.mkdir(mode=0o700)
    given: dict[str, Any] = {
        "program": str(Path(sys.executable).parent / "ansible-playbook"), "playbook": str(book), "arguments": ["-i", "localhost,"],
        "environ": {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ANSIBLE_LOCALHOST_WARNING": "False"},
        "forget": [], "secrets": {}, "directory": directory, "cwd": tmp_path, **more,
    }
    return launch.Launch(**given)


def ran(started: launch.Launch, *, line: Callable[[str], None] = lambda text: None) -> launch.Ended:
    return launch.run(started, stopper=Stopper(), tick=lambda: None, line=line)


def test_no_events_no_output_no_facts_no_secrets_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_PASSWORD", "c4nary")
    started = prepared(tmp_path, secrets={r"never asked:\s*?$": "c4nary"})
    assert ran(started).status == 0
    files = {str(path.relative_to(started.directory)) for path in started.directory.rglob("*") if path.is_file()}
    assert not [name for name in files if "job_events" in name or name.endswith(("stdout", "stderr")) or "fact_cache" in name]
    assert {name for name in files if "/env/" in name} == {"runner/env/settings"}
    assert all(b"c4nary" not in path.read_bytes() for path in started.directory.rglob("*") if path.is_file())


def test_output_without_colours_is_handed_over(tmp_path: Path) -> None:
    lines: list[str] = []
    ended = ran(prepared(tmp_path), line=lines.append)
    assert any("Say it" in text for text in lines)
    assert not any("\x1b" in text for text in [*lines, *ended.output])


def test_a_slow_display_does_not_lose_the_end(tmp_path: Path) -> None:
    """Above five seconds of handling at the end ansible-runner gives up with an exception, without status or rc (#1343)."""
    ended = ran(prepared(tmp_path, items=30), line=lambda text: time.sleep(0.15))
    assert ended.status in (0, None)


def test_ansible_runner_giving_up_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(_self: Any) -> None:
        raise pexpect.TIMEOUT("end of run")

    monkeypatch.setattr("ansible_runner.Runner.run", give_up)
    assert ran(prepared(tmp_path)).status is None


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    ended = ran(prepared(tmp_path, program=str(tmp_path / "nothing")))
    assert ended.status == 127


def test_a_status_other_than_zero_is_handed_over(tmp_path: Path) -> None:
    assert ran(prepared(tmp_path, arguments=["-i", "localhost,", "--limit", "nobody"])).status == 1


def test_the_deadline_stops_it(tmp_path: Path) -> None:
    started = prepared(tmp_path)
    Path(started.playbook).write_text(
        "- name: Sleep\n  hosts: localhost\n  connection: local\n  gather_facts: false\n"
        "  vars:\n    ansible_python_interpreter: '{{ ansible_playbook_python }}'\n  tasks:\n"
        "    - name: Sleep\n      ansible.builtin.command: sleep 60\n      changed_when: false\n",
    )
    begun = time.monotonic()
    stopper = Stopper(timeout=3)
    launch.run(started, stopper=stopper, tick=lambda: None, line=lambda text: None)
    assert stopper.reason == "timeout"
    assert time.monotonic() - begun < 50


def test_a_password_prompt_is_answered_and_nothing_is_written(tmp_path: Path) -> None:
    started = prepared(tmp_path, arguments=["-i", "localhost,", "--ask-become-pass"], secrets={r"BECOME password.*:\s*?$": "c4nary"})
    ended = ran(started)
    assert ended.status == 0
    assert not any("c4nary" in text for text in ended.output)
    assert all(b"c4nary" not in path.read_bytes() for path in started.directory.rglob("*") if path.is_file())
