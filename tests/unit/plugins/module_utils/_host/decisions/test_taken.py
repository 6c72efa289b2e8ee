# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who takes the space, told briefly."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import CRITICAL
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.disk import (
    DeletedSeen,
    PointSeen,
    Space,
    judge_survey,
)
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.taken import (
    Below,
    Holder,
    Taker,
    culprits,
    said_of_entries,
    said_of_space,
    shortened,
    summed,
    without,
)

from tests.support.decided import decided_again

GIB = 1 << 30


@pytest.mark.parametrize(("own", "files", "named"), [
    # One file is to blame, however deep it lies.
    ({"/": 0, "/a": 1, "/a/b": 90}, [(80, "/a/b/x.log")], ["/a/b/x.log"]),
    # A directory of many small files is, and none of them.
    ({"/": 1, "/cache": 5, **{f"/cache/{number}": 3 for number in range(30)}}, [(3, "/cache/1/f")], ["/cache"]),
    # Two share it.
    ({"/": 0, "/a": 50, "/b": 40}, [(49, "/a/x")], ["/a/x", "/b"]),
    ({"/": 0}, [], []),
])
def test_as_deep_as_few_are_to_blame(own: dict[str, int], files: list[tuple[int, str]], named: list[str]) -> None:
    assert [one.path for one in culprits(summed(own, top="/"), files, top="/")] == named


def test_what_a_mount_hides_is_told_apart() -> None:
    own = {"/": 1, "/data": 5, "/data/x": 7, "/database": 3}
    assert without(own, ["/data"]) == {"/": 1, "/database": 3}
    assert summed(own, top="/")["/data"] == 12


@pytest.mark.parametrize(("below", "missing"), [
    (Below("/", size=100 * GIB, used=90 * GIB, found=60 * GIB, deleted_bytes=10 * GIB), 20 * GIB),
    # What the file system needs for itself.
    (Below("/", size=100 * GIB, used=90 * GIB, found=88 * GIB), 0), (Below("/", size=100 * GIB, used=90 * GIB, found=99 * GIB), 0),
    (Below("/", size=100 * GIB, used=90 * GIB, found=10 * GIB, trouble="the rest"), None),
])
def test_what_nothing_accounts_for(below: Below, missing: int | None) -> None:
    assert below.unaccounted == missing


def test_said_in_one_line() -> None:
    below = Below(
        "/", size=100 * GIB, used=90 * GIB, found=60 * GIB, biggest=(Taker("/var/log/x", 40 * GIB), Taker("/srv", GIB)),
        crowded=(Taker("/srv/sessions", 1234567),), hidden=(Taker("/data", 2 * GIB),),
        deleted=(Holder("java", 712, "/var/log/gone", 9 * GIB),), deleted_bytes=10 * GIB,
    )
    assert said_of_space(below) == (
        "Biggest: /var/log/x 40.0 GiB, /srv 1.0 GiB. Deleted and still open: 10.0 GiB, java (pid 712) 9.0 GiB of /var/log/gone. "
        "Hidden under mount points: /data 2.0 GiB. Not accounted for: 20.0 GiB (a loop device, swap, or an error of the file system)."
    )
    assert said_of_entries(below) == "Most entries: /srv/sessions 1,234,567."
    assert said_of_entries(Below("/", trouble="what is closed")) == "Not looked at: what is closed."


def test_of_a_long_path_its_end_stays() -> None:
    path = f"/srv/{'deep/' * 40}app.log"
    assert len(shortened(path)) == 80 and shortened(path).endswith("/deep/app.log") and shortened("/srv/app.log") == "/srv/app.log"


def test_the_finding_has_it_and_a_record_too() -> None:
    full = PointSeen("/", Space(4096, 1000, 10, 100, 90))
    below = Below("/", size=1, biggest=(Taker("/var/log/x", 40 * GIB),), crowded=(Taker("/srv", 4),))
    judged = judge_survey(
        [full], DeletedSeen([{"process": "java", "pid": 712, "path": "/gone", "bytes": GIB, "device": "8:1"}], GIB, True), warning=80,
        critical=90, full_within=1, deleted_warning_bytes=1, asked=None, below=[below],
    )
    hints = {one.check: one.hint for one in judged.verdict.findings if one.status in (CRITICAL, "warning")}
    assert hints["disk_space"].startswith("Biggest: /var/log/x 40.0 GiB. Free space there")
    assert hints["deleted_open"].startswith("java (pid 712) 1.0 GiB of /gone. Restart")
    assert "disk_inodes" not in hints, "there is room for more"
    assert decided_again(judged.basis).checks == judged.verdict.statuses()
