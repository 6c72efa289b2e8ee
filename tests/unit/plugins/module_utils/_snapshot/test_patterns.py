# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a pattern means: the ones written last, bounded, and nothing left out in silence."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._snapshot import collect, patterns
from ansible_collections.oncall.incident.plugins.module_utils._snapshot.catalogue import Item

#: A moment that files are given.
THEN = 1_700_000_000


def written(directory: Path, name: str, *, after: int = 0, text: str = "a line\n") -> Path:
    path = directory / name
    path.write_text(text)
    os.utime(path, (THEN + after, THEN + after))
    return path


def files(items: list[Item]) -> list[str]:
    return [item.file for item in items if item.file]


def test_logs_have_safe_names_that_differ() -> None:
    found = patterns.logs(["/var/log/a.log", "/var/log/a log", "/../../etc/x", "/" + "y" * 300], most=10)
    names = [item.name for item in found]
    assert len(set(names)) == 4 and all(re.fullmatch(r"log\d\d_[A-Za-z0-9_][A-Za-z0-9._-]*", name) and len(name) < 100 for name in names)
    for wrong in ("relative.log", "*.log", "/var/log/a\0b"):
        with pytest.raises(BadInput, match="absolute"):
            patterns.logs([wrong], most=10)


def test_the_files_written_last_are_taken_and_the_others_named(tmp_path: Path) -> None:
    logs = [written(tmp_path, f"app-{age}.log", after=-age) for age in range(5)]
    written(tmp_path, "app.txt")
    said, *taken = patterns.logs([f"{tmp_path}/*.log"], most=2)
    assert files(taken) == [str(logs[0]), str(logs[1])]
    assert said.said == f"{tmp_path}/*.log: 5 match, 2 taken, 3 older and left out (max_files 2)"
    assert said.text.splitlines() == [
        f"{'taken' if age < 2 else 'left_out older'} 2023-11-14T22:13:{20 - age}Z 7 {str(log)!r}" for age, log in enumerate(logs)]
    names = [item.name for item in (said, *taken)]
    assert len(set(names)) == 3 and names[1].startswith("log01_01_") and names[2].startswith("log01_02_")


def test_names_stay_different_and_short_whatever_the_files_are_called(tmp_path: Path) -> None:
    for name in ("a b.log", "a_b.log", "a;b.log", "x" * 200 + ".log"):
        written(tmp_path, name)
    names = [item.name for item in patterns.logs([f"{tmp_path}/*.log"], most=10)]
    assert len(set(names)) == 5 and all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) for name in names)


def test_what_is_packed_or_no_file_is_left_out(tmp_path: Path) -> None:
    plain = written(tmp_path, "app.log")
    written(tmp_path, "app.log.1.GZ")
    (tmp_path / "app.log.d").mkdir()
    os.mkfifo(tmp_path / "app.log.pipe")
    (tmp_path / "app.log.lost").symlink_to(tmp_path / "nowhere")
    said, *taken = patterns.logs([f"{tmp_path}/app.log*"], most=10)
    assert files(taken) == [str(plain)]
    assert said.said.endswith("5 match, 1 taken, 1 packed and left out, 3 not regular files of their own, or not to be seen")
    assert {line.rpartition("/")[2] for line in said.text.splitlines()} == {
        "app.log'", "app.log.1.GZ'", "app.log.d'", "app.log.pipe'", "app.log.lost'"}


def test_a_file_is_taken_once(tmp_path: Path) -> None:
    own, other = written(tmp_path, "own.log", after=5), written(tmp_path, "other.log")
    (tmp_path / "current.log").symlink_to(other)
    found = patterns.logs([f"{tmp_path}/*.log", f"{tmp_path}/o*.log", str(own)], most=10)
    assert files(found) == [str(other), str(own)]
    first, second = [item.said for item in found if item.said]
    assert first.endswith("3 match, 1 taken, 1 taken already by another path")
    assert second.endswith("2 match, 0 taken, 2 taken already by another path")


def test_a_link_of_another_user_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes an application's logs would have root read what is not theirs."""
    secret = written(tmp_path, "secret")
    link = tmp_path / "app.log"
    link.symlink_to(secret)
    assert files(patterns.logs([f"{tmp_path}/*.log"], most=10)) == [str(secret)], "its own"
    real = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: os.stat_result([*real(path)[:4], 1234, *real(path)[5:10]]))
    (said,) = patterns.logs([f"{tmp_path}/*.log"], most=10)
    assert said.text == f"left_out a link to another user's file {str(link)!r}\n"


def test_a_bracket_in_a_name_is_no_pattern(tmp_path: Path) -> None:
    log = written(tmp_path, "app[1].log")
    assert files(patterns.logs([str(log)], most=0)) == [str(log)]


def test_a_pattern_without_a_file_says_so(tmp_path: Path) -> None:
    empty, missing = patterns.logs([f"{tmp_path}/*.log", f"{tmp_path}/gone/*/a.log"], most=10)
    assert empty.said == f"{tmp_path}/*.log: no file matches"
    assert missing.said == f"{tmp_path}/gone/*/a.log: {tmp_path}/gone: No such file or directory"
    entries = collect.take([empty, missing], spool=str(tmp_path), bounds=BOUNDS)
    assert [(entry["status"], entry["reason"]) for entry in entries] == [
        ("not_available", empty.said), ("not_available", missing.said)]


def test_more_matches_than_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "MOST_MATCHES", 2)
    for number in range(3):
        written(tmp_path, f"{number}.log")
    said, *taken = patterns.logs([f"{tmp_path}/*.log"], most=10)
    assert len(taken) == 2 and said.said.endswith("2 taken, more than 2 match: those that were not looked at may be newer")


#: Room for 100 bytes of logs.
BOUNDS = collect.Bounds(seconds=60.0, command_seconds=30.0, command_bytes=1 << 20, file_bytes=100, total_bytes=8 << 20)


def test_the_files_of_a_pattern_share_their_room(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    for age in range(3):
        written(tmp_path, f"app-{age}.log", after=-age, text=str(age) * 60)
    alone = written(tmp_path, "alone.txt", text="x" * 100)
    items = patterns.logs([f"{tmp_path}/app*.log", str(alone)], most=10)
    said, newest, older, oldest, other = collect.take(items, spool=str(spool), bounds=BOUNDS)
    assert (said["status"], said["reason"]) == ("collected", items[0].said)
    assert (newest["bytes"], newest["truncated"], older["bytes"], older["truncated"]) == (60, False, 40, True)
    assert (oldest["status"], oldest["reason"]) == ("deferred", f"no space was left for the files of {items[0].name}")
    assert other["bytes"] == 100, "a log of its own has its own"
