# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.steps import (
    images_gone,
    journal_over,
    journal_seen,
    later,
    places,
    remedies,
)

FILES = {"stdout_lines": ["4096 system.journal", "8192 system@0006-aa.journal", "1 user-1000@0006-bb.journal"]}


@pytest.mark.parametrize(("listed", "size", "archived", "over"), [
    (FILES, 12288, False, True), (FILES, 12289, False, False), (FILES, 8192, True, True), (FILES, 8193, True, False),
    ({"stdout_lines": []}, 0, False, False), ({"rc": 1}, 0, False, False), ({"stdout_lines": ["find: no such directory"]}, 0, False, False),
])
def test_how_much_the_journal_takes(listed: dict[str, Any], size: int, archived: bool, over: bool) -> None:
    assert journal_over(listed, size=size, archived=archived) is over


@pytest.mark.parametrize(("rc", "said", "seen"), [
    (0, [], True), (1, ["find: '/var/log/journal': No such file or directory"], True),
    (1, ["find: '/var/log/journal': No such file or directory", "find: '/run/log/journal': Permission denied"], False),
    (1, ["find: '/var/log/journal': Permission denied"], False), (1, [], False), (127, ["find: No such file or directory"], False),
])
def test_a_journal_that_may_not_be_read_is_not_seen(rc: int, said: list[str], seen: bool) -> None:
    assert journal_seen({"rc": rc, "stdout_lines": [], "stderr_lines": said}) is seen


@pytest.mark.parametrize(("listed", "pruned", "gone"), [
    ({"rc": 0, "stdout_lines": ["sha256:aa", "bb"]}, {"stdout": "deleted: sha256:cc\n"}, True),
    ({"rc": 0, "stdout_lines": ["sha256:aa", "bb"]}, {"stdout": "bb\n"}, False),
    ({"rc": 0, "stdout_lines": ["sha256:aa"]}, {"stdout": "aa\n"}, False),
    ({"rc": 0, "stdout_lines": []}, {"stdout": ""}, True),
    ({"rc": 125, "stdout_lines": []}, {"stdout": ""}, False),
    ({"rc": 0, "stdout_lines": []}, {"failed": True}, False),
])
def test_none_of_what_was_removed_is_there(listed: dict[str, Any], pruned: dict[str, Any], gone: bool) -> None:
    assert images_gone(listed, pruned=pruned) is gone


@pytest.mark.parametrize(("now", "before", "is_later"), [
    ("2.5", "2.25", True), ("2.5", "2.5", False), ("1", "", True), ("", "", False), ("?", "1", False), (None, None, False),
])
def test_a_later_time(now: str | None, before: str | None, is_later: bool) -> None:
    assert later({"stdout": now}, before={"stdout": before}) is is_later


def test_which_file_systems_are_meant() -> None:
    assert places([]) == "All local file systems" and places(["/srv"]) == "File systems"


def test_what_makes_room_is_what_was_asked_for_where_a_disk_is_full() -> None:
    wanted: dict[str, Any] = {
        "clean": [{"directory": "/var/log/shop"}], "journal": "500M", "rotate": True, "packages": True, "images": ["docker"],
    }
    steps = ["cleans", "cuts_journal", "rotates", "empties_cache", "prunes_images"]
    assert remedies({"full": ["/"]}, **wanted) == dict.fromkeys(steps, True)
    assert remedies({"full": []}, **wanted) == remedies({}, **wanted) == dict.fromkeys(steps, False)
    assert len(steps) == len(wanted)
    for step, (name, value) in zip(steps, wanted.items()):  # noqa: B905 # make unit39 runs this too
        assert remedies({"full": ["/"]}, **{**wanted, name: type(value)()}) == {**dict.fromkeys(steps, True), step: False}
