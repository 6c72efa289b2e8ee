# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every health module, through the engine, on the real thing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import SKIPPED_KINDS, STATUSES, VERDICT_CONTRACT
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import of_event

from tests.conformance.conftest import Staged
from tests.conformance.drivers import HEALTH
from tests.conformance.kit import Health, recorded
from tests.support.told import told

WAITS = {"hold": "0s", "timeout": "20s", "interval": "200ms"}


@pytest.fixture(params=HEALTH, ids=lambda driver: driver.module)
def driver(request: pytest.FixtureRequest, staged: Staged) -> Health:
    found = staged(request.param)
    step = request.node.originalname.removeprefix("test_")
    if step in found.absent:
        pytest.skip(f"does not apply to {found.module}: {found.absent[step]}")
    assert isinstance(found, Health)
    return found


def judged(result: dict[str, Any]) -> dict[str, Any]:
    """The result, after what every verdict must be."""
    assert result["contract"] == VERDICT_CONTRACT and result["status"] in STATUSES and not result.get("changed"), result
    assert all(one["status"] in STATUSES and isinstance(one["asked"], bool) for one in result["findings"])
    assert all(one["kind"] in SKIPPED_KINDS and one["reason"] for one in result["skipped_checks"])
    answered = {one["check"] for one in result["findings"]} | {
        one["check"] for one in result["skipped_checks"] if one["kind"] == "not_applicable"
    }
    assert set(result["asked"]) <= answered, "an asked check has no answer"
    if result["healthy"]:
        bad = [one for one in result["findings"] if one["asked"] and one["status"] in ("unknown", "critical")]
        assert not bad and any(one["asked"] for one in result["findings"])
    return result


def test_healthy(driver: Health) -> None:
    with driver.scene():
        said = judged(driver.run())
        assert "failed" not in said and said["healthy"] is True, said
        assert judged(driver.run(check=True))["healthy"] is (None if driver.writes else True), "in check mode it only reads"


def test_sick(driver: Health) -> None:
    with driver.scene():
        baseline = driver.run()["checks"]
        with driver.sicken():
            said = judged(driver.run(baseline=baseline))
            assert "failed" not in said and said["healthy"] is False and said["new"], said
            assert driver.run(fail_on="critical")["failed"] or said["status"] == "warning"
            assert driver.run(fail_on="warning")["failed"]
            assert set(judged(driver.run(baseline=said["checks"]))["new"]) == set()


def test_shows_who_is_to_blame(driver: Health, tmp_path: Path) -> None:
    """In the finding's own line, which the screen and the report show; what only the record has is read by nobody at night."""
    with driver.scene(), driver.sicken():
        shown = told(driver.run(), tmp_path)
        culprits = driver.culprits()
        assert culprits
        for name in culprits:
            assert name in shown.screen, shown.screen
            assert name in shown.report, shown.report


def test_decides_again_from_the_record(driver: Health) -> None:
    """From what the record has of it, and nothing else: once healthy, once sick."""
    with driver.scene():
        said = driver.run()
        assert of_event(recorded(said)).checks == said["checks"]
        if "sick" in driver.absent:
            return
        with driver.sicken():
            for said in (driver.run(), driver.run(fail_on="warning")):
                assert of_event(recorded(said)).checks == said["checks"] and "reading" not in (said if said.get("failed") else {})


def test_denied(driver: Health) -> None:
    """With everything taken away it is never green, and says what is missing."""
    with driver.scene():
        said = driver.run_denied()
        if said.get("failed"):  # it could not begin to judge
            assert said["error"] and said["msg"] and said.get("hint"), said
            return
        said = judged(said)
        assert said["healthy"] is not True and said["status"] in ("unknown", "critical"), said
        assert any(one["hint"] for one in said["findings"] if one["asked"] and one["status"] != "ok"), "it says what to grant"
        assert driver.run_denied(fail_on="critical")["failed"]


def test_frozen(driver: Health) -> None:
    """Bounded by its own time, and not by the suite's."""
    with driver.scene(), driver.freeze():
        began = time.monotonic()
        said = driver.run(**driver.patient())
        assert time.monotonic() - began < driver.within, said
        assert said.get("failed") or (judged(said)["healthy"] is not True and said["status"] != "ok"), said


def test_waits(driver: Health) -> None:
    with driver.scene():
        waits = {**WAITS, **({"checks": list(driver.awaited)} if driver.awaited else {})}
        said = judged(driver.run(wait_for=waits))
        assert said["held"] is True and said["not_recovered"] == "" and said["polls"] >= 1 and "failed" not in said, said
        if "sick" in driver.absent:
            return
        with driver.sicken():
            said = judged(driver.run(wait_for={**waits, "timeout": "1s"}))
            assert said["held"] is False and said["not_recovered"], said
            assert driver.run(wait_for={**waits, "timeout": "1s"}, fail_on="critical")["failed"]
