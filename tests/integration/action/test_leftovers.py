# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job left behind is ended; what it started as a daemon, and everybody else's, is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import leftovers

from tests.support.processes import alive
from tests.support.until import until

# What differs between Pythons and versions of ansible-core is met here first.
pytestmark = pytest.mark.smoke

# A module, as its supervisor starts it: a child that it waits for, and a daemon.
JOB = """
import pathlib, subprocess, sys

place = pathlib.Path(sys.argv[1])
child = subprocess.Popen(["sleep", "600"])
daemon = subprocess.Popen(["sleep", "600"], start_new_session=True)
(place / "pids.new").write_text(f"{child.pid} {daemon.pid}")
(place / "pids.new").rename(place / "pids")
child.wait()
"""


class Job:
    """A job with its mark."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        (place / "AnsiballZ_job.py").write_text(JOB)
        self.mark = leftovers.new_mark()
        self.process = subprocess.Popen(
            [sys.executable, str(place / "AnsiballZ_job.py"), str(place)], env={**os.environ, leftovers.VARIABLE: self.mark},
            start_new_session=True,
        )
        until((place / "pids").exists, what="the job to be under way")
        self.child, self.daemon = (int(pid) for pid in (place / "pids").read_text().split())

    def end(self) -> None:
        """What is done when its time is up."""
        subprocess.run(["sh", "-c", leftovers.end_command(self.mark)], check=True, timeout=60)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[list[Job]]:
    both = [Job(tmp_path / name) for name in ("one", "other")]
    yield both
    for job in both:
        for pid in (job.process.pid, job.child, job.daemon):
            if alive(pid):
                os.kill(pid, 9)
        job.process.wait(timeout=10)


def test_only_the_jobs_own_session_is_ended(jobs: list[Job]) -> None:
    job, other = jobs
    job.end()
    until(lambda: not alive(job.process.pid) and not alive(job.child), what="the end of the module and of its child")
    assert alive(job.daemon), "it has a session of its own"
    assert [alive(pid) for pid in (other.process.pid, other.child, other.daemon)] == [True] * 3
    job.end()


def test_a_module_that_has_ended_leaves_no_leftovers(jobs: list[Job]) -> None:
    """What it started and did not wait for may be just what was wanted."""
    job = jobs[0]
    job.process.kill()
    job.process.wait(timeout=10)
    job.end()
    assert alive(job.child) and alive(job.daemon)
