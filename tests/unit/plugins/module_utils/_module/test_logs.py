# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a server is down, by its log, and what to grant where that cannot be read."""

from __future__ import annotations

import dataclasses
import grp
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import CRITICAL, OK, Finding
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import Judged, judge_look
from ansible_collections.oncall.incident.plugins.module_utils._core.log_grammars import REDIS
from ansible_collections.oncall.incident.plugins.module_utils._module import logs
from ansible_collections.oncall.incident.plugins.module_utils._module.logs import AUTO, Log, explained, find_log, read_log, with_last_words

WHY = "7:M 09 Feb 2026 03:39:00.030 # Can't handle RDB format version 80"
DOWN = Finding("availability", CRITICAL, observed="refused", threshold="PONG", hint="Tried it.", detail={"message": "refused"})


def look(*findings: Finding) -> Judged:
    return Judged(judge_look(findings))


def test_the_line_begins_the_hint(tmp_path: Path) -> None:
    path = tmp_path / "redis.log"
    path.write_text(f"{WHY}\n7:M 09 Feb 2026 03:39:00.040 # Fatal error loading the DB, check server logs. Exiting.\n")
    [found] = with_last_words(look(DOWN), path=str(path), grammar=REDIS, port=6379).verdict.findings
    assert found.hint == f"Its log {path} says: {WHY}. Tried it."
    assert found.detail == {"message": "refused", "log": {"path": str(path), "last": WHY, "trouble": ""}}
    [found] = with_last_words(look(DOWN), path=str(tmp_path), grammar=REDIS, port=6379).verdict.findings
    assert WHY in found.hint, "the newest file of a directory"


@pytest.mark.parametrize("finding", [
    Finding("availability", OK, observed="PONG"),
    Finding("memory", CRITICAL, observed=99),
    Finding("availability", CRITICAL, observed="refused", subject="192.0.2.7:6379"),
])
def test_only_the_server_itself_has_this_log(finding: Finding, tmp_path: Path) -> None:
    path = tmp_path / "redis.log"
    path.write_text(f"{WHY}\n")
    seen = look(finding)
    assert with_last_words(seen, path=str(path), grammar=REDIS, port=6379) is seen
    assert with_last_words(look(DOWN), path="", grammar=REDIS, port=6379).verdict.findings[0].hint == "Tried it."


def test_a_log_is_looked_for_by_the_port_in_it(tmp_path: Path) -> None:
    there = dataclasses.replace(REDIS, places=(f"{tmp_path}/none", f"{tmp_path}/re*"))
    (tmp_path / "redis").mkdir()
    assert find_log(there, port=6379) is None
    for port in (6379, 63790):
        running = f"7:M 09 Feb 2026 03:39:00.020 * Running mode=standalone, port={port}."
        (tmp_path / "redis" / f"{port}.log").write_text(f"{running}\n{WHY} of {port}\n")
    for port in (6379, 63790):
        found = with_last_words(look(DOWN), path=AUTO, grammar=there, port=port).verdict.findings[0]
        assert found.detail["log"]["last"] == f"{WHY} of {port}"
    assert with_last_words(look(DOWN), path=AUTO, grammar=there, port=6380).verdict.findings[0].hint == "Tried it."


def test_a_long_line_is_cut_in_the_hint_alone() -> None:
    found = explained(DOWN, Log("/log"), "x" * 400)
    assert found.hint == f"Its log /log says: {'x' * 300}... Tried it." and found.detail["log"]["last"] == "x" * 400


def test_a_log_without_a_reason() -> None:
    assert "gives no reason" in explained(DOWN, Log("/log"), "").hint
    frozen = Finding("availability", CRITICAL, observed="frozen", hint="Look at it.")
    assert explained(frozen, Log("/log"), "") is frozen, "a server that runs has no reason to give"


def test_no_such_log(tmp_path: Path) -> None:
    found = with_last_words(look(DOWN), path=str(tmp_path / "none.log"), grammar=REDIS, port=6379).verdict.findings[0]
    assert found.hint == (f"Its log cannot be read: {tmp_path}/none.log: No such file or directory. Name the file, or its directory, that "
                          "the server writes its log to. Tried it.")
    os.mkfifo(tmp_path / "pipe")
    assert read_log(str(tmp_path / "pipe")).trouble == "Not a regular file"


@pytest.mark.parametrize(("mode", "group", "advice"), [
    (0o640, 4, "make oncall a member of the group {group}, become {owner}, or grant it with an ACL."),
    (0o600, 4, "may not read {path}: become {owner}, or grant it with an ACL."),
    (0o640, 0, "may not read {path}: become {owner}, or grant it with an ACL."),
])
def test_what_to_grant(mode: int, group: int, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, 0, group, 0, 0, 0, 0))
    monkeypatch.setattr(logs.os, "stat", lambda path: seen)
    monkeypatch.setattr(logs.os, "geteuid", lambda: 7777)
    monkeypatch.setattr(logs.pwd, "getpwuid", lambda number: ("oncall" if number == 7777 else "redis",))
    said = logs._advice("/var/log/redis.log", PermissionError(13, "Permission denied"))
    assert advice.format(group=grp.getgrgid(4).gr_name, owner="redis", path="/var/log/redis.log") in said
    assert said.startswith("The user oncall may not read /var/log/redis.log")


def test_a_directory_that_may_not_be_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = os.stat_result((stat.S_IFDIR | 0o750, 0, 0, 1, 0, 4, 0, 0, 0, 0))

    def closed(path: str) -> os.stat_result:
        if path == "/var/log/redis":
            return seen
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(logs.os, "stat", closed)
    said = logs._advice("/var/log/redis/redis-server.log", PermissionError(13, "Permission denied"))
    assert "may not list and enter /var/log/redis: make" in said
