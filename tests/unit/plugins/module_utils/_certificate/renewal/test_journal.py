# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.journal import (
    ACCEPTED,
    FAILED,
    KEEP,
    ROLLED_BACK,
    Journal,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach, Locked


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty one, and a file to keep."""
    (tmp_path / "a.pem").write_text("a")
    return Journal(str(tmp_path / "backups"))


def begin(journal: Journal, tmp_path: Path, *, at: float = 1000.0) -> None:
    """An attempt that nobody finished."""
    journal.begin("a", [str(tmp_path / "a.pem")], now=at)


def test_an_attempt_that_was_not_finished_is_found(journal: Journal, tmp_path: Path) -> None:
    assert journal.open_attempt("a") is None
    begin(journal, tmp_path)
    found = journal.open_attempt("a")
    assert found is not None and found.began == 1000.0 and not found.at_work
    assert (Path(found.copies) / str(tmp_path / "a.pem").lstrip("/")).read_text() == "a"
    found.close(ACCEPTED, now=1001.0)
    assert journal.open_attempt("a") is None
    assert [attempt.state for attempt in journal.attempts("a")] == [ACCEPTED]


def test_one_whose_command_still_runs(journal: Journal, tmp_path: Path) -> None:
    begin(journal, tmp_path)
    attempt = journal.open_attempt("a")
    assert attempt is not None
    attempt.started(os.getpid())
    again = journal.open_attempt("a")
    assert again is not None and again.at_work
    again.pid_started = "1"
    assert not again.at_work, "another process has its id by now"


def test_failures_count_for_a_while(journal: Journal, tmp_path: Path) -> None:
    for at, state in ((1000.0, FAILED), (2000.0, ROLLED_BACK), (3000.0, ACCEPTED), (4000.0, FAILED)):
        begin(journal, tmp_path, at=at)
        found = journal.open_attempt("a")
        assert found is not None
        found.close(state, now=at)
    assert [journal.failures("a", since=since) for since in (0.0, 1500.0, 4000.0, 5000.0)] == [3, 2, 1, 0]
    assert journal.failures("b", since=0.0) == 0


def test_what_goes_and_what_stays(journal: Journal, tmp_path: Path) -> None:
    for number in range(KEEP + 3):
        begin(journal, tmp_path, at=1000.0 + number)
        if number:
            found = journal.open_attempt("a")
            assert found is not None
            found.close(ACCEPTED, now=1000.0)
    torn = tmp_path / "backups" / "a" / "19700101T000000Z-1"
    torn.mkdir()
    other = tmp_path / "backups" / "a" / "19700101T000001Z-1"
    other.mkdir()
    (other / "manifest.json").write_text(json.dumps({"contract": "of a version to come"}))
    journal.prune("a")
    states = [attempt.state for attempt in journal.attempts("a")]
    assert states == ["open"] + [ACCEPTED] * KEEP
    assert not torn.exists() and other.exists()


def test_only_one_at_a_time(journal: Journal) -> None:
    with journal.lock(), pytest.raises(Locked), journal.lock():
        pass
    with journal.lock():
        pass


def test_nowhere_to_back_up(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotReach, match="No backup could be made"):
        Journal(str(tmp_path / "file" / "x")).begin("a", [], now=1000.0)


def test_the_lock_writes_nothing_there_and_is_the_same_by_every_name(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "backups")
    with journal.lock(), pytest.raises(Locked), Journal(str(tmp_path / "link")).lock():
        pass
    assert not (tmp_path / "backups").exists()
