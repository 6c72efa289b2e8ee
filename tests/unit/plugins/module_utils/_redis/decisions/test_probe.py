# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe key came to, and the same verdict again from its record."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.probe import (
    CHECKS,
    LostPrimary,
    Probed,
    ProbeSeen,
    Step,
    Unusable,
    decide,
)

from tests.support.decided import decided_again

DONE, WRONG = Step(good=True, seconds=0.01), Step(seconds=0.01)
NOPERM = Step(refused="GET", code="NOPERM", message="no permissions")
FULL = Step(refused="SET", code="OOM", message="command not allowed")


@pytest.mark.parametrize(("seen", "wanted"), [
    (ProbeSeen(), "unknown unknown unknown unknown"),
    (ProbeSeen(unusable=Unusable(kind="refused", hint="Look.")), "critical unknown unknown unknown"),
    (ProbeSeen(unusable=Unusable(said="not_permitted: INFO")), "unknown unknown unknown unknown"),
    (ProbeSeen(lost_primary=LostPrimary("192.0.2.4:6379", linked=True)), "unknown unknown unknown unknown"),
    (ProbeSeen(lost_primary=LostPrimary("192.0.2.4:6379")), "unknown unknown critical unknown"),
    (ProbeSeen(Probed(FULL)), "critical unknown unknown unknown"),
    (ProbeSeen(Probed(NOPERM)), "unknown unknown unknown unknown"),
    (ProbeSeen(Probed(DONE, DONE, None, DONE)), "ok ok - ok"),
    (ProbeSeen(Probed(DONE, WRONG, Step(count=0), WRONG, wanted=2)), "ok critical critical critical"),
    (ProbeSeen(Probed(DONE, NOPERM, Step(count=1), NOPERM, wanted=2)), "ok unknown warning unknown"),
    (ProbeSeen(Probed(DONE, DONE, Step(good=True, count=2), DONE, wanted=2)), "ok ok ok ok"),
    (ProbeSeen(Probed(DONE, DONE, FULL, DONE, wanted=2)), "ok ok unknown ok"),
    (ProbeSeen(Probed(DONE, DONE, DONE, DONE, on_replica=True)), "ok ok ok ok"),
    (ProbeSeen(Probed(DONE, DONE, WRONG, DONE, on_replica=True)), "ok ok critical ok"),
    (ProbeSeen(Probed(DONE, DONE, NOPERM, DONE, on_replica=True)), "ok ok unknown ok"),
])
def test_each_verdict_is_made_again(seen: ProbeSeen, wanted: str) -> None:
    judged = decide(seen, 5.0, CHECKS)
    statuses = judged.verdict.statuses()
    assert " ".join(statuses.get(check, "-") for check in CHECKS) == wanted
    assert decided_again(judged.basis).checks == statuses


def test_whoever_may_not_is_told_what_to_allow() -> None:
    found = decide(ProbeSeen(Probed(NOPERM)), 5.0, CHECKS).verdict.skipped
    assert found[0].reason == "not_permitted: GET: NOPERM no permissions" and "+set +get" in found[0].hint
