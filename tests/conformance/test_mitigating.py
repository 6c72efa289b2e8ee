# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mitigating module, through the engine, on the real thing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import why
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import ACTIONS_CONTRACT, CHANGED_OUTCOMES, OUTCOMES
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import plan_hash
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import of_event

from tests.conformance.conftest import Staged
from tests.conformance.drivers import MITIGATING
from tests.conformance.kit import Mitigating, recorded

KEYS = {"id", "verb", "resource", "identity", "name", "target", "reason", "outcome", "detail", "touched"}


def _named(driver: type[Mitigating]) -> str:
    """The module, and of one that has several drivers which."""
    several = sum(one.module == driver.module for one in MITIGATING) > 1
    return f"{driver.module}-{driver.__name__}" if several else driver.module


@pytest.fixture(params=MITIGATING, ids=_named)
def driver(request: pytest.FixtureRequest, staged: Staged) -> Mitigating:
    found = staged(request.param)
    step = request.node.originalname.removeprefix("test_")
    if step in found.absent:
        pytest.skip(f"does not apply to {found.module}: {found.absent[step]}")
    assert isinstance(found, Mitigating)
    return found


def hashed(driver: Mitigating) -> tuple[list[dict[str, Any]], str]:
    """The planned actions, after what every plan must be, and the hash of the plan that is approved."""
    before = driver.world()
    said = driver.run(check=True)
    assert "failed" not in said, said
    assert said["contract"] == ACTIONS_CONTRACT and said["changed"] is True
    assert said["limits"] or "over_the_limit" in driver.absent, "what it has refused to go beyond is in no plan"
    planned = [action for action in said["actions"] if action["outcome"] == "planned"]
    assert planned and all(set(action) >= KEYS and action["touched"] is False for action in said["actions"])
    assert driver.world() == before, "check mode touched something"
    return planned, plan_hash({"here": [action["id"] for action in planned]}, {"here": said["limits"]})


def plan(driver: Mitigating) -> list[dict[str, Any]]:
    """The planned actions."""
    return hashed(driver)[0]


def answers(result: dict[str, Any], planned: list[dict[str, Any]]) -> dict[str, str]:
    """The outcome of each approved action: each one must have an answer."""
    said = {action["id"]: action for action in result["actions"]}
    assert {action["id"] for action in planned} <= set(said), "an approved action has no answer"
    for action in said.values():
        assert action["outcome"] in OUTCOMES and action["outcome"] != "planned", action
        code = action["detail"].get("why")
        assert code is None or code in why.SENTENCES, f"{code!r} is not in the vocabulary"
        assert action["outcome"] in CHANGED_OUTCOMES or code, f"no reason: {action}"
    return {action["id"]: said[action["id"]]["outcome"] for action in planned}


def test_plan_and_plan_again(driver: Mitigating) -> None:
    with driver.scene():
        (first, hash_of_first), (second, hash_of_second) = hashed(driver), hashed(driver)
        assert [action["id"] for action in first] == [action["id"] for action in second] and hash_of_first == hash_of_second


def test_decides_again_from_the_record(driver: Mitigating) -> None:
    """From what the record has of it, and nothing else."""
    with driver.scene():
        planned = driver.run(check=True)
        assert of_event(recorded(planned)).actions == {action["id"]: action["outcome"] for action in planned["actions"]}
        ids = [action["id"] for action in planned["actions"] if action["outcome"] == "planned"]
        done = driver.run(approved=ids[:1])
        outcomes = of_event(recorded(done)).actions or {}
        assert outcomes[ids[0]] == "planned" and all(outcomes[other] == "refused" for other in ids[1:] if other in outcomes)
        assert set(outcomes) == {action["id"] for action in done["actions"]}


def test_act_and_act_again(driver: Mitigating) -> None:
    with driver.scene():
        planned = plan(driver)
        done = driver.run(approved=planned)
        assert "failed" not in done and done["changed"] is True, done
        assert set(answers(done, planned).values()) <= CHANGED_OUTCOMES, done
        if driver.repeats:
            return
        before = driver.world()
        again = driver.run(approved=planned)
        assert "failed" not in again and again["changed"] is False, again
        assert set(answers(again, planned).values()) == {driver.second_time} and driver.world() == before, again


def test_unapproved(driver: Mitigating) -> None:
    with driver.scene():
        planned, before = plan(driver), driver.world()
        said = driver.run(approved=[])
        assert "failed" not in said and said["changed"] is False and driver.world() == before
        assert {action["outcome"] for action in said["actions"] if action["id"] in {one["id"] for one in planned}} == {"refused"}
        one = driver.run(approved=planned[:1])
        assert answers(one, planned[:1])[planned[0]["id"]] in CHANGED_OUTCOMES, one
        others = [action for action in one["actions"] if action["id"] in {other["id"] for other in planned[1:]}]
        assert all((action["outcome"], action["detail"]["why"]) == ("refused", why.NOT_APPROVED) for action in others)


def test_over_the_limit(driver: Mitigating) -> None:
    with driver.scene():
        planned, before = plan(driver), driver.world()
        for check in (True, False):
            said = driver.run(check=check, approved=planned, **driver.limits())
            assert (said["failed"], said["error"], said["changed"]) == (True, "limit_exceeded", False), said
            assert set(answers(said, planned).values()) == {"refused"} and driver.world() == before


def test_gone_meanwhile(driver: Mitigating) -> None:
    with driver.scene():
        planned = plan(driver)
        driver.leave()
        said = driver.run(approved=planned)
        outcomes = answers(said, planned)
        assert sum(outcome not in CHANGED_OUTCOMES for outcome in outcomes.values()) == 1, said
        assert set(outcomes.values()) - CHANGED_OUTCOMES <= {"not_needed", "moved_on", "pid_reused"}


def test_locked(driver: Mitigating) -> None:
    with driver.scene():
        planned, before = plan(driver), driver.world()
        with driver.locked():
            said = driver.run(approved=planned)
            assert [action["id"] for action in plan(driver)] == [action["id"] for action in planned], "check mode needs no lock"
        assert (said["failed"], said["error"]) == (True, "locked"), said
        assert set(answers(said, planned).values()) == {"refused"} and driver.world() == before


def test_past_the_deadline(driver: Mitigating) -> None:
    with driver.scene():
        planned, before = plan(driver), driver.world()
        said = driver.run(approved=planned, **driver.no_time())
        assert said.get("failed"), said
        assert CHANGED_OUTCOMES.isdisjoint(answers(said, planned).values()) and driver.world() == before
