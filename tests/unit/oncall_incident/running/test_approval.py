# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown before somebody approves."""

from __future__ import annotations

from typing import Any

import pytest

from oncall_incident.running.approval import limit_lines

OWN = [{"limit": 10, "of": "postgres tcp db 5432", "actions": ["1", "2"]}, {"limit": 3, "of": "postgres tcp db 5433", "actions": ["3"]}]


@pytest.mark.parametrize(("stated", "lines"), [
    ({}, []),
    ({"db1": {}}, []),
    ({"db1": {"max_victims": 10, "max_percent": 25}, "db2": {"max_victims": 10, "max_percent": 25}}, ["max_victims 10, max_percent 25"]),
    ({"db1": {"max_victims": 10}, "db2": {"max_victims": 3}, "db3": {}}, ["db1: max_victims 10", "db2: max_victims 3"]),
    ({"db1": {"max_victims": OWN, "max_files": 1}}, [
        "max_files 1", "max_victims 10 for postgres tcp db 5432 (2 actions)", "max_victims 3 for postgres tcp db 5433 (1 action)",
    ]),
    ({"db1": {"max_victims": OWN}, "db2": {"max_victims": 3}}, [
        "db2: max_victims 3", "db1: max_victims 10 for postgres tcp db 5432 (2 actions)",
        "db1: max_victims 3 for postgres tcp db 5433 (1 action)",
    ]),
])
def test_limits_name_whose_they_are(stated: dict[str, Any], lines: list[str]) -> None:
    assert sorted(limit_lines(stated)) == sorted(lines)
