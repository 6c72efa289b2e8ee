# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import before_acting
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.configuration import (
    ConfigFile,
    check_paths,
    diff,
    judge_config,
    masked,
    sight,
)


@pytest.mark.parametrize("line", [
    "DB_PASSWORD=canary", "+password: canary", "-  'api_key': 'canary'", 'secret_token = "canary"', "  client_secret canary;",
    "url: postgres://shop:canary@db.example.org/shop", "<privateKey>canary</privateKey>", "AUTH_HEADER=Bearer canary",
    "AWS_SECRET_ACCESS_KEY=canary", "+" + "canary" * 10,
])
def test_what_may_be_a_secret_is_hidden(line: str) -> None:
    assert "canary" not in masked(line)


@pytest.mark.parametrize("line", ["listen 80", "-worker_processes 4;", "POOL_SIZE=20", "--- /etc/shop.conf now"])
def test_the_rest_is_shown(line: str) -> None:
    assert masked(line) == line


def test_a_difference_is_bounded() -> None:
    found = diff("/etc/x", "", "\n".join(f"line {number}" for number in range(500)))
    assert len(found) == 201 and found[-1].endswith("more lines")


def test_what_would_be_put_back() -> None:
    files = [ConfigFile("/a", "1" * 64, "2" * 64), ConfigFile("/b", "3" * 64, "3" * 64), ConfigFile("/c", "", "4" * 64, against="a link")]
    seen = sight(files=files, resource="host:x", source="/backup.tar", max_files=5, spent=0)
    assert sorted(before_acting(seen, None).values()) == ["not_needed", "planned", "refused"]
    used_up = sight(files=files, resource="host:x", source="/s", max_files=1, spent=1)
    assert before_acting(used_up, None)[seen.candidates[0].action.id] == "refused"
    other = sight(files=[ConfigFile("/a", "9" * 64, "2" * 64)], resource="host:x", source="/backup.tar", max_files=5, spent=0)
    assert other.candidates[0].action.id != seen.candidates[0].action.id, "another state is another action"


def test_what_differs_is_told_and_what_cannot_be_read_is_unknown() -> None:
    files = [ConfigFile("/a", "1" * 64, "2" * 64), ConfigFile("/b", "", "2" * 64), ConfigFile("/c", kept="2" * 64, against="no right")]
    verdict = judge_config(files, trouble="", valid=False, said="line 3", asked=["config_files", "config_valid"]).verdict
    assert [(one.subject, one.status) for one in verdict.findings] == [
        ("/a", "warning"), ("/b", "critical"), ("", "critical"), ("", "unknown")]
    assert all(one.hint for one in verdict.findings) and verdict.healthy is False
    blind = judge_config([], trouble="no archive", valid=None, said="", asked=["config_files"]).verdict
    assert blind.healthy is None


@pytest.mark.parametrize(("paths", "root"), [
    (["etc/x"], "/"), (["/etc/../x"], "/"), (["/etc//x"], "/"), (["/etc/x"], "/opt"), (["/opt"], "/opt"), (["/a", "/a"], "/"),
    ([], "/"), (["/a"], "opt"),
])
def test_only_plain_paths_below_the_root_are_taken(paths: list[str], root: str) -> None:
    with pytest.raises(BadInput):
        check_paths(paths, root=root)
