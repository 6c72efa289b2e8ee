# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._drill.course import course, failures, of_host

FAULTS = [
    {"fault": "fill_disk", "hosts": "web"}, {"fault": "acme.faults.touch_file", "hosts": "db1"}, {"fault": "fill_disk", "hosts": "db"},
]


def test_a_host_gets_what_is_for_it_or_its_groups() -> None:
    assert of_host(FAULTS, host="db1", groups=["db", "drillable"]) == FAULTS[1:]
    assert of_host(FAULTS, host="web", groups=[]) == FAULTS[:1]


def test_the_course_of_a_drill_as_one_host_has_it() -> None:
    made = course(FAULTS, drill_id="d-1", host="db1", groups=["db"])
    assert made["numbers"] == [1, 2, 3]
    faults = made["faults"]
    assert [faults[number]["fault"] for number in made["numbers"]] == FAULTS
    assert [faults[number]["mine"] for number in made["numbers"]] == [False, True, True]
    assert [faults[number]["name"] for number in made["numbers"]] == [
        "oncall-drill-d-1-1-fill_disk", "oncall-drill-d-1-2-touch_file", "oncall-drill-d-1-3-fill_disk"]
    assert [faults[number]["later"] for number in made["numbers"]] == ["20s", "10s", "0s"], "the last one's way back goes first"


def test_the_mark_tells_whose_fault_it_is() -> None:
    marks = [course(FAULTS, drill_id="d-1", host=host, groups=[])["faults"][1]["mark"] for host in ("db1", "db2")]
    assert marks[0] == hashlib.sha256(b"db1/oncall-drill-d-1-1-fill_disk").hexdigest()[:8] and marks[0] != marks[1]


def test_no_fault_is_no_course() -> None:
    assert course([], drill_id="d", host="db1", groups=[]) == {"numbers": [], "faults": {}}


@pytest.mark.parametrize(("result", "message"), [
    ({"rc": 0, "stderr": "warning"}, None), ({"rc": 7, "stderr": "refused\n", "stdout": "x"}, "answers: refused"),
    ({"rc": 1, "stderr": "", "stdout": " HTTP 500 "}, "answers: HTTP 500"), ({"msg": "Timed out after 60 second(s)."},
                                                                          "answers: Timed out after 60 second(s)."),
    ({"rc": 1}, "answers: "),
])
def test_what_did_not_succeed_is_told(result: dict[str, Any], message: str | None) -> None:
    expected = [{"name": "answers", "message": message}] if message is not None else []
    assert failures([{"item": {"name": "answers"}, **result}]) == expected
