# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a service must not be started, restarted or scaled now."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions import guards

LOOP = "web crashes by itself and its runtime starts it again, so a restart would change nothing"
CRITICAL = {"status": "critical", "hint": "web-1 goes on dying."}


@pytest.mark.parametrize(("instances", "restarts", "said"), [
    ([{}], {}, []), ([{"restarting": False, "reason": "x"}], {"status": "warning"}, []),
    ([{"restarting": True, "reason": "no such table"}], {}, [f"{LOOP}: no such table"]),
    ([{"restarting": True, "exit_code": 3}], {}, [f"{LOOP}: it ended with 3"]), ([{}], CRITICAL, [f"{LOOP}: web-1 goes on dying."]),
    ([], {"status": "critical"}, [LOOP]), ([{"restarting": True, "exit_code": 0}], {}, [LOOP]),
])
def test_a_crash_loop_is_not_helped_by_a_restart(instances: list[Any], restarts: dict[str, Any], said: list[str]) -> None:
    assert guards.against_crash_loop("web", instances, restarts=restarts) == said


@pytest.mark.parametrize(("starts", "per_hour", "worst"), [
    ({}, 3, None), ({"a": 2}, 3, None), ({"a": 3}, 3, 3), ({"a": 1, "b": 7}, 3, 7), ({"a": 99}, 0, None),
])
def test_restarts_do_not_storm(starts: dict[str, int], per_hour: int, worst: int | None) -> None:
    said = [f"web was started {worst} times within the last hour, and {per_hour} are allowed (service_restarts_per_hour)"]
    assert guards.against_storm("web", starts, per_hour=per_hour) == (said if worst else [])


@pytest.mark.parametrize(("well", "said"), [
    ({"db": True, "queue": True}, []), ({"db": False, "queue": True}, ["web needs db, which does not answer"]),
    ({"db": True, "queue": None}, ["web needs queue, of which nothing is known"]),
    ({"db": True}, ["web needs queue, of which nothing is known"]),
    ({"db": False}, ["web needs db, which does not answer", "web needs queue, of which nothing is known"]),
])
def test_nothing_is_restarted_whose_dependency_does_not_answer(well: dict[str, bool | None], said: list[str]) -> None:
    assert guards.against_dependencies("web", ["db", "queue"], well=well) == said
    assert guards.against_dependencies("web", [], well=well) == []


@pytest.mark.parametrize(("given", "said"), [
    ({}, ""), ({"count": 2}, ""), ({"pool": 0, "capacities": []}, ""), ({"pool": 0}, "how many connections each instance of web opens"),
    ({"capacities": []}, "how many connections the database of web gives is not known"), ({"capacities": [], "limit": 45}, ""),
    ({"total": 46}, "all pools together would want 46 connections, the server gives 45"), ({"count": 1, "total": 99}, ""),
    ({"capacities": [45, None]}, "the server gives 0"), ({"limit": "39"}, "the server gives 39"), ({"limit": None}, "the server gives 0"),
    ({"capacities": [100, 39]}, "the server gives 39"),
])
def test_all_pools_must_fit_before_a_service_is_scaled(given: dict[str, Any], said: str) -> None:
    options: dict[str, Any] = {"pool": 10, "count": 4, "before": 2, "total": 40, "capacities": [45], "limit": "", **given}
    found = guards.against_connections("web", **options)
    assert said in " ".join(found) if said else found == []
