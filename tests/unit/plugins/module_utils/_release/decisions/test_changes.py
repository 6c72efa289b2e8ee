# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.changes import (
    Change,
    Window,
    judge_changes,
    of_containers,
    of_dpkg,
    of_reflog,
    of_rpm,
    window,
)

NOW = 1_800_000_000.0
HOUR = window(before=3600, began="", now=NOW)


def test_the_time_before_the_incident_and_since() -> None:
    wanted = window(before=3600, began="2027-01-15T07:00:00Z", now=NOW)
    assert (wanted.began, wanted.since, wanted.until) == (NOW - 3600, NOW - 7200, NOW)
    assert window(before=60, began="2099-01-01T00:00:00Z", now=NOW).began == NOW
    with pytest.raises(ValueError, match="yesterday"):
        window(before=60, began="yesterday", now=NOW)


def test_packages_of_dpkg() -> None:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW - 60))
    old = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW - 7200))
    text = (f"{at} startup archives unpack\n{at} upgrade nginx:amd64 1.22 1.24\n{at} status installed nginx:amd64 1.24\n"
            f"{old} install curl:amd64 <none> 8\n{at} remove vim:amd64 9 <none>\n")
    assert [one.what for one in of_dpkg(text, HOUR)] == ["upgrade nginx 1.24", "remove vim"]


def test_packages_of_rpm() -> None:
    text = f"{NOW - 5:.0f} nginx-1.24-1\n{NOW - 9999:.0f} curl-8-1\nnothing\n"
    assert [one.what for one in of_rpm(text, HOUR)] == ["install nginx-1.24-1"]


def test_moves_of_head_without_who_made_them() -> None:
    old, new = "a" * 40, "b" * 40
    line = f"{old} {new} A Person <a.person@example.org> {NOW - 5:.0f} +0200\tcheckout: moving from main to hotfix\n"
    (found,) = of_reflog(line + "broken\n", HOUR, directory="/srv/shop")
    assert found.what == "/srv/shop checkout to bbbbbbbbbbbb"


def test_containers_that_were_made() -> None:
    at = time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(NOW - 5))
    (found,) = of_containers(f"{at}\tshop-web-1\tshop:2\n2020-01-01 00:00:00 +0000 UTC\told\tx\n", HOUR)
    assert found.what == "shop-web-1 of shop:2" and found.at == NOW - 5


def test_a_change_is_told_first_and_decides_nothing() -> None:
    changes = [Change("packages", NOW - number, f"upgrade p{number}") for number in range(1, 6)]
    judged = judge_changes(changes, {"revisions": "/x: Permission denied"}, looked=["packages", "files"], wanted=HOUR)
    by_kind = {one.subject: one for one in judged.verdict.findings}
    assert by_kind["packages"].status == "warning" and by_kind["files"].status == "ok"
    assert "upgrade p1 at 2027" in by_kind["packages"].hint and "and 2 more" in by_kind["packages"].hint
    assert judged.verdict.healthy is None and judged.verdict.asked == ()
    (left,) = judged.verdict.skipped
    assert "revisions: /x: Permission denied" in left.reason and left.hint


def test_what_is_not_in_the_window_is_not_told() -> None:
    assert not Window(10, 20, 30).has(9) and Window(10, 20, 30).has(10) and not Window(10, 20, 30).has(31)
