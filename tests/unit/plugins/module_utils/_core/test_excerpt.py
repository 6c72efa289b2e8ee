# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a log, without its users' data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.excerpt import excerpt, newest, read_end, redact_line

LEVELS = ["WARNING", "ERROR", "FATAL", "PANIC"]


@pytest.mark.parametrize(("line", "gone", "kept"), [
    ("ERROR:  duplicate key; STATEMENT: INSERT INTO t VALUES ('Ada Lovelace', 'it''s')", "Ada", "INSERT INTO t VALUES"),
    ("ERROR: Key (email)=(ada@example.org) already exists.", "ada@", "already exists"),
    ("ERROR: could not connect to postgresql://app:hunter2@192.0.2.1/db", "hunter2", "192.0.2.1/db"),
    ("FATAL: password=hunter2 user=app", "hunter2", "user=app"),
    ("ERROR: DO $x$ SELECT 'secret body' $x$ failed", "secret body", "failed"),
    ("ERROR: unterminated 'half a value", "half", "unterminated"),
])
def test_values_are_replaced(line: str, gone: str, kept: str) -> None:
    found = redact_line(line)
    assert gone not in found
    assert kept in found


def test_a_long_line_is_cut() -> None:
    assert len(redact_line("ERROR: " + "x" * 5000)) == 1003


def test_only_what_matters_the_last_of_it() -> None:
    text = "\n".join(["LOG:  checkpoint", *(f"ERROR:  e{number}" for number in range(5)), "WARNING:  w", "no TERROR here"])
    found = excerpt(text, levels=LEVELS, max_lines=3)
    assert found["counts"] == {"WARNING": 1, "ERROR": 5, "FATAL": 0, "PANIC": 0}
    assert (found["lines"], found["left_out"]) == (["ERROR:  e3", "ERROR:  e4", "WARNING:  w"], 3)


def test_the_end_begins_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\nsecond\nthird\n")
    assert read_end(str(path), max_bytes=100) == b"first\nsecond\nthird\n"
    assert read_end(str(path), max_bytes=9) == b"third\n"


def test_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Not a regular file"):
        read_end(str(tmp_path / "pipe"), max_bytes=9)
    with pytest.raises(FileNotFoundError):
        newest(str(tmp_path))


def test_the_newest(tmp_path: Path) -> None:
    for age, name in ((100, "old.log"), (0, "new.log")):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (1_800_000_000 - age, 1_800_000_000 - age))
    assert newest(str(tmp_path)).endswith("new.log")
