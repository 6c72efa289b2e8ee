# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked when the recovery of a Redis server is verified."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions import web
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions import verifying
from ansible_collections.oncall.incident.plugins.module_utils._redis.probing import CHECKS


@pytest.mark.parametrize(("probe", "urls", "more"), [
    (False, [], []), (True, [], list(CHECKS)), (False, ["http://a"], ["application"]), (True, ["http://a"], [*CHECKS, "application"]),
])
def test_who_is_asked_for_what(probe: bool, urls: list[str], more: list[str]) -> None:
    """The names are told apart again before a rung, where a plan has them."""
    found = verifying.verify_asks("writes,memory", probe=probe, urls=urls)
    assert found == {"health": ["writes", "memory"], "all": ["writes", "memory", *more]}
    assert verifying.asked_of(found["all"]) == {"health": found["health"], "probe": probe, "application": bool(urls)}


def test_the_application_has_one_name() -> None:
    assert verifying.APPLICATION == web.CHECK


@pytest.mark.parametrize("named", [[], "", " , "])
def test_nothing_asked_is_refused(named: Any) -> None:
    with pytest.raises(BadInput, match="redis_verify_checks"):
        verifying.verify_asks(named, probe=True, urls=["http://a"])


@pytest.mark.parametrize(("looks", "left"), [
    ([], "20.000s"), ([{"waited": 5.5}, {"skipped": True}], "14.500s"), ([{"waited": 15.0}, {"waited": 6.2}], "0.000s"),
    ([{"waited": None}, {"msg": "refused"}], "20.000s"),
])
def test_all_looks_have_one_time(looks: list[dict[str, Any]], left: str) -> None:
    assert verifying.time_left("20s", looks=looks) == left
