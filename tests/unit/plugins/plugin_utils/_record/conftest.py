# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's record on disk, for the tests of writer, reader and verifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

RUN = "20261121T120000Z-test-abcdef"
Opener = Callable[[], Segment]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "runs" / RUN


@pytest.fixture
def open_segment(run_dir: Path) -> Opener:
    """Opens the next segment of the run."""
    return lambda: Segment.open(run_dir, run=RUN, redactor=Redactor(key=b"k" * 32), opening={"kind": "test"})


@pytest.fixture
def three_segments(run_dir: Path, open_segment: Opener) -> Path:
    """A run with three closed segments of five lines each, and a blob in the second."""
    for number in range(3):
        with open_segment() as segment:
            for place in range(3):
                value = "x" * 100_000 if (number, place) == (1, 1) else "small"
                segment.append("result", {"host": f"db{place}", "result": {"stdout": value}})
    return run_dir
