# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked when the recovery of a Redis server is verified."""

from __future__ import annotations

from typing import Any

import pytest
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


@pytest.mark.parametrize(("statuses", "verdict"), [
    ([200, 204], (True, "ok")), ([200, 503], (False, "critical")), ([-1, 503], (False, "critical")), ([200, -1], (None, "unknown")),
    ([None], (None, "unknown")),
])
def test_a_url_that_gives_no_answer_does_not_fail(statuses: list[Any], verdict: tuple[Any, str]) -> None:
    found = verifying.app_verdict([{"status": status} for status in statuses], expected=[200, 204])
    assert (found["healthy"], found["checks"]["application"], found["asked"]) == (*verdict, ["application"])


def test_urls_that_were_not_asked_say_nothing() -> None:
    assert verifying.app_verdict([], expected=[200]) == verifying.app_verdict([{"skipped": True}], expected=[200]) == {}
